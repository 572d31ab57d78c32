"""Reading attention weights leaves the model as it was."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from napari_vitface.attention.capture import capture_attention
from napari_vitface.attention.maps import attention_maps
from napari_vitface.errors import VitFaceError
from napari_vitface.model.predictor import KeypointModel


def state(network: nn.Module) -> list[tuple[object, int, int]]:
    """What capturing could change in each module."""
    return [
        (
            getattr(module, "fused_attn", None),
            len(module._forward_hooks),
            len(module._forward_pre_hooks),
        )
        for module in network.modules()
    ]


def test_one_map_a_block_in_their_order(make_model: Callable[..., KeypointModel]) -> None:
    network = make_model(depth=4).network
    images = torch.randn(2, 1, 64, 96)
    with torch.no_grad(), capture_attention(network.backbone.blocks, lambda a: a) as captured:
        network(images)
    assert [tuple(attention.shape) for attention in captured] == [(2, 3, 25, 25)] * 4
    for attention in captured:
        torch.testing.assert_close(attention.sum(dim=-1), torch.ones(2, 3, 25))
    with (
        torch.no_grad(),
        capture_attention(network.backbone.blocks[1:3], lambda a: a) as middle,
    ):
        network(images)
    assert len(middle) == 2
    torch.testing.assert_close(middle[0], captured[1], atol=1e-3, rtol=1e-2)


def test_the_output_is_the_same_while_capturing(make_model: Callable[..., KeypointModel]) -> None:
    network = make_model().network
    images = torch.randn(2, 1, 64, 96)
    with torch.no_grad():
        plain = network(images)
        with capture_attention(network.backbone.blocks, lambda attention: attention[0, 0, 0]):
            watched = network(images)
    torch.testing.assert_close(watched, plain, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    "name", ["vit_tiny_patch16_224", "beit_base_patch16_224", "vit_pwee_patch16_reg1_gap_256"]
)
@pytest.mark.parametrize("fails", [False, True])
def test_hooks_and_fused_attention_are_put_back_even_after_an_error(
    make_model: Callable[..., KeypointModel], name: str, fails: bool
) -> None:
    network = make_model(name).network
    before = state(network)
    assert any(fused for fused, _, _ in before), "fused attention is on to begin with"

    def keep(attention: torch.Tensor) -> torch.Tensor:
        if fails:
            raise RuntimeError("out of luck")
        return attention

    def run() -> None:
        with torch.no_grad(), capture_attention(network.backbone.blocks, keep):
            assert state(network) != before
            network(torch.randn(1, 1, 64, 96))

    if fails:
        with pytest.raises(RuntimeError, match="out of luck"):
            run()
    else:
        run()
    assert state(network) == before


def test_capturing_within_capturing(make_model: Callable[..., KeypointModel]) -> None:
    network = make_model().network
    before = state(network)
    blocks = network.backbone.blocks
    with (
        torch.no_grad(),
        capture_attention(blocks, lambda a: a) as outer,
        capture_attention(blocks[:1], lambda a: a) as inner,
    ):
        network(torch.randn(1, 1, 64, 96))
    assert (len(outer), len(inner)) == (3, 1)
    assert state(network) == before


def test_maps_cost_one_forward_pass_and_leave_no_trace(
    make_model: Callable[..., KeypointModel], canvas: Callable[..., NDArray[np.uint8]]
) -> None:
    model = make_model()
    before = state(model.network)
    passes = []
    handle = model.network.register_forward_hook(lambda *_: passes.append(1))
    attention_maps(model, canvas(2), layers=":")
    handle.remove()
    assert len(passes) == 1
    with pytest.raises(VitFaceError):
        attention_maps(model, canvas(2), keypoints="tail")
    assert state(model.network) == before
