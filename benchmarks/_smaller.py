"""Networks that are smaller than the one that ships, and begin with what it knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from napari_vitface.model.network import KeypointNetwork
from napari_vitface.training.start import adapt


def smaller(
    network: KeypointNetwork, size: tuple[int, int], blocks: int, widths: Sequence[int]
) -> KeypointNetwork:
    """The first blocks of a network with a head that is cut out of its own, for other inputs.

    Parameters
    ----------
    network : KeypointNetwork
        With the head ``unet``.
    size : (H, W)
        Of inputs.
    blocks : int
    widths : three ints
        Channels of the head, see `UNetHead`; at most as many as there are.
    """
    large = adapt(network, network.keypoints, size)
    description = large.to_dict()
    description["backbone"]["timm_args"] |= {"depth": blocks}
    description["head"]["args"] = {"widths": list(widths)}
    small = KeypointNetwork.from_dict(description)
    weights = large.backbone.state_dict()
    small.backbone.load_state_dict({name: weights[name] for name in small.backbone.state_dict()})
    _cut_out(large.head, small.head)
    return small


@torch.no_grad()
def _cut_out(large: Any, small: Any) -> None:
    """Give a narrower `UNetHead` the channels of a wider one that weigh most in what reads them.

    As filters are pruned by the norm of what comes next, times the scale of their own normalisation
    (Liu et al. 2017, arXiv:1708.06519; Li et al. 2017, arXiv:1608.08710).
    """
    first, second, third = small.args["widths"]
    at8 = large.args["widths"][2]
    squares = large.shuffle**2
    see2, see4, see8 = large.stride2, large.stride4, large.stride8
    join8, join4 = large.join8, large.join4

    def most(count: int, block: Any, *readers: Any) -> Tensor:
        norm = torch.stack([weight.square().sum(dim=(0, 2, 3)) for weight in readers]).sum(dim=0)
        if block is not None:
            norm = norm * (block[1].weight.square() + block[1].bias.square())
        kept: Tensor = norm.topk(count).indices.sort().values
        return kept

    # What is kept of the outputs of each layer, in their order.
    two = most(first, see2, see4[0][0].weight)
    four = most(second, see4[0], see4[1][0].weight)
    seen4 = most(second, see4[1], see8[0][0].weight, join4[0][0].weight[:, at8:])
    eight = most(third, see8[0], see8[1][0].weight)
    seen8 = most(third, see8[1], join8[0][0].weight[:, at8:])
    tokens = most(third, None, join8[0][0].weight[:, :at8])
    joined = most(third, join8[0], join8[1][0].weight)
    joined8 = most(third, join8[1], join4[0][0].weight[:, :at8])
    last = most(second, join4[0], join4[1][0].weight)
    joined4 = most(second, join4[1], large.logits.weight)

    def copy(name: str, rows: Tensor, columns: Tensor | slice) -> None:
        old, new = (head.get_submodule(name) for head in (large, small))
        new[0].weight.copy_(old[0].weight[rows][:, columns])
        for key in ("weight", "bias", "running_mean", "running_var"):
            getattr(new[1], key).copy_(getattr(old[1], key)[rows])

    copy("stride2", two, slice(None))
    copy("stride4.0", four, two)
    copy("stride4.1", seen4, four)
    copy("stride8.0", eight, seen4)
    copy("stride8.1", seen8, eight)
    copy("join8.0", joined, torch.cat([tokens, at8 + seen8]))
    copy("join8.1", joined8, joined)
    copy("join4.0", last, torch.cat([joined8, at8 + seen4]))
    copy("join4.1", joined4, last)
    rows = (tokens[:, None] * squares + torch.arange(squares)).flatten()
    small.expand.weight.copy_(large.expand.weight[rows])
    small.expand.bias.copy_(large.expand.bias[rows])
    small.norm.load_state_dict(large.norm.state_dict())
    small.logits.weight.copy_(large.logits.weight[:, joined4])
    small.logits.bias.copy_(large.logits.bias)


def billions(network: KeypointNetwork) -> float:
    """Multiplications and additions of a frame, in billions of such pairs."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, network.backbone.channels, *network.input_size))
    return counter.get_total_flops() / 2e9
