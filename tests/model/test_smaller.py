"""Networks that are cut out of larger ones (`benchmarks._smaller`)."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks._smaller import smaller
from napari_vitface.model.network import KeypointNetwork

SIZE = (64, 96)
WIDTHS = (32, 64, 128)


def test_all_of_a_network_is_that_network(make_network: Callable[..., KeypointNetwork]) -> None:
    network = make_network("unet", depth=2)
    image = torch.randn(2, 1, *SIZE)
    again = smaller(network, SIZE, 2, WIDTHS).eval()
    torch.testing.assert_close(again(image), network(image), rtol=0, atol=0)


@torch.no_grad()
def test_channels_that_nothing_reads_are_those_that_go(
    make_network: Callable[..., KeypointNetwork],
) -> None:
    network = make_network("unet", depth=2)
    head = network.head
    for parameter in head.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    first, second, third = WIDTHS
    # Layers that read channels, and from which on.
    read_by = [
        (first, [("stride4.0.0", 0)]),
        (second, [("stride4.1.0", 0)]),
        (second, [("stride8.0.0", 0), ("join4.0.0", third)]),
        (third, [("stride8.1.0", 0)]),
        (third, [("join8.0.0", third)]),
        (third, [("join8.0.0", 0)]),
        (third, [("join8.1.0", 0)]),
        (third, [("join4.0.0", 0)]),
        (second, [("join4.1.0", 0)]),
        (second, [("logits", 0)]),
    ]
    for count, readers in read_by:
        unread = torch.randperm(count)[: count // 2]
        for name, start in readers:
            weight = head.get_submodule(name).weight
            assert isinstance(weight, torch.Tensor)
            weight[:, start + unread] = 0
    image = torch.randn(2, 1, *SIZE)
    half = smaller(network, SIZE, 2, (16, 32, 64)).eval()
    assert sum(p.numel() for p in half.head.parameters()) < 0.3 * sum(
        p.numel() for p in head.parameters()
    )
    torch.testing.assert_close(half(image), network(image), rtol=1e-4, atol=1e-4)


def test_the_first_blocks_are_kept(make_network: Callable[..., KeypointNetwork]) -> None:
    network = make_network("unet", depth=3)
    small = smaller(network, SIZE, 1, WIDTHS)
    assert len(small.backbone.blocks) == 1
    torch.testing.assert_close(
        small.backbone.blocks[0].state_dict(), network.backbone.blocks[0].state_dict()
    )
