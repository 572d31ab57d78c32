"""Attention read off in passing: the same numbers as when the blocks write their weights out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_vitface.attention import fused as fused_module
from napari_vitface.attention.capture import capture_attention, capture_fused
from napari_vitface.attention.fused import Workspace, attend, borrowed_workspace
from napari_vitface.attention.maps import attention_maps
from napari_vitface.attention.rollout import fuse_heads
from napari_vitface.errors import VitFaceError
from napari_vitface.model.predictor import KeypointModel

MakeModel = Callable[..., KeypointModel]
Canvas = Callable[..., NDArray[np.uint8]]


def plain_attention(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Output (B, H, N, d) and weights (B, H, N, N) as plainly as they can be written."""
    scores = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
    if bias is not None:
        scores = scores + bias
    scores = scores.exp() / scores.exp().sum(dim=-1, keepdim=True)
    return scores @ value, scores


def tensors(batch: int, heads: int, tokens: int, width: int = 8) -> list[Tensor]:
    """Query, key and value laid out as timm's blocks have them."""
    joint = torch.randn(batch, tokens, 3, heads, width)
    return list(joint.permute(2, 0, 3, 1, 4).unbind(0))


@pytest.mark.parametrize("fusion", ["mean", "max", "min"])
@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
def test_a_few_rows_at_a_time_or_all_the_numbers_are_those_of_the_plain_formula(
    monkeypatch: pytest.MonkeyPatch, fusion: str, rows: int
) -> None:
    monkeypatch.setattr(fused_module, "_rows_at_a_time", lambda query: min(rows, query.shape[2]))
    query, key, value = tensors(2, 3, 20)
    output, found = attend(query, key, value, fusion=fusion)
    expected, weights = plain_attention(query, key, value)
    torch.testing.assert_close(output, expected)
    np.testing.assert_allclose(found, getattr(weights.numpy(), fusion)(axis=1), atol=1e-6)
    _, one = attend(query, key, value, head=2)
    torch.testing.assert_close(one, weights[:, 2])


def test_a_bias_of_positions_and_a_mask_count() -> None:
    query, key, value = tensors(2, 3, 9)
    bias = torch.randn(1, 3, 9, 9)
    output, found = attend(query, key, value, bias)
    expected, weights = plain_attention(query, key, value, bias)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(found, weights.mean(dim=1))
    allowed = torch.rand(2, 1, 9, 9) > 0.3
    allowed[..., 0] = True
    _, found = attend(query, key, value, allowed)
    assert (found[~allowed[:, 0]] == 0).all()
    torch.testing.assert_close(found.sum(dim=-1), torch.ones(2, 9))


def test_half_precision_is_fused_in_single_precision() -> None:
    query, key, value = (tensor.bfloat16() for tensor in tensors(1, 4, 30))
    output, found = attend(query, key, value)
    weights = ((query * 8**-0.5) @ key.transpose(2, 3)).softmax(dim=-1)
    assert output.dtype == torch.bfloat16
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, weights.float().mean(dim=1), atol=1e-5)


def test_memory_is_used_again_and_by_one_pass_only() -> None:
    workspace = Workspace()
    query, key, value = tensors(1, 2, 12)
    _, first = attend(query, key, value, workspace=workspace)
    _, second = attend(query.flip(2), key, value, workspace=workspace)
    # Within one pass each layer has memory of its own.
    torch.testing.assert_close(first.flip(1), second)
    place, size = first.data_ptr(), workspace.nbytes
    workspace.rewind()
    _, third = attend(query, key, value, workspace=workspace)
    assert third.data_ptr() == place
    workspace.rewind()
    # Another size, another type: no harm, and nothing of the old is kept beyond the pass.
    query, key, value = (tensor.double() for tensor in tensors(2, 2, 15))
    _, found = attend(query, key, value, workspace=workspace)
    expected = plain_attention(query, key, value)[1].mean(dim=1)
    torch.testing.assert_close(found, expected.float())
    workspace.rewind()
    assert workspace.nbytes < 4 * size


def test_a_network_s_workspace_has_one_user_at_a_time_and_goes_with_it() -> None:
    network = nn.Identity()
    with borrowed_workspace(network) as outer, borrowed_workspace(network) as inner:
        assert inner is not outer
    with borrowed_workspace(network) as again:
        assert again in (inner, outer)
    del network
    assert not [key for key in fused_module._workspaces if isinstance(key, nn.Identity)]


def test_a_workspace_that_grew_large_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused_module, "KEPT", 1000)
    network = nn.Identity()
    with borrowed_workspace(network) as workspace:
        attend(*tensors(1, 2, 40), workspace=workspace)
    with borrowed_workspace(network) as another:
        assert another is not workspace


def test_every_family_is_read_as_if_it_wrote_its_weights_out(
    make_model: MakeModel, canvas: Canvas, family: tuple[str, tuple[int, int]]
) -> None:
    name, size = family
    network = make_model(name, size=size).network
    images = torch.randn(2, 1, *size)
    blocks = network.backbone.blocks
    with torch.no_grad():
        with capture_attention(blocks, partial(fuse_heads, fusion="max")) as written:
            expected = network(images)
        with capture_fused(blocks, "max") as passing:
            output = network(images)
        with capture_fused(blocks[1:2], head=1) as one:
            network(images)
    assert len(passing) == len(written) == 3
    for found, plain in zip(passing, written, strict=True):
        torch.testing.assert_close(found, plain, atol=1e-5, rtol=0)
    assert len(one) == 1
    torch.testing.assert_close(output, expected, atol=1e-3, rtol=1e-3)


def test_blocks_that_are_not_fused_are_read_where_they_write_their_weights(
    make_model: MakeModel,
) -> None:
    network = make_model().network
    images = torch.randn(2, 1, 64, 96)
    with torch.no_grad(), capture_fused(network.backbone.blocks) as passing:
        network(images)
    for block in network.backbone.blocks:
        block.attn.fused_attn = False
    with torch.no_grad(), capture_fused(network.backbone.blocks) as written:
        network(images)
    for a, b in zip(passing, written, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def test_only_the_watched_blocks_are_answered(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_model(depth=4).network
    answered = []
    real = attend

    def counting(*arguments: Any, **options: Any) -> Any:
        answered.append(1)
        return real(*arguments, **options)

    monkeypatch.setattr("napari_vitface.attention.capture.attend", counting)
    with torch.no_grad():
        with capture_fused(network.backbone.blocks[1:3]):
            network(torch.randn(1, 1, 64, 96))
            # Fused attention elsewhere, in the same block of code, is none of ours.
            nn.functional.scaled_dot_product_attention(*tensors(1, 2, 5))
        assert len(answered) == 2
        network(torch.randn(1, 1, 64, 96))
    assert len(answered) == 2


def test_nothing_is_left_behind_even_after_an_error(make_model: MakeModel) -> None:
    network = make_model().network

    def hooks() -> list[tuple[int, int]]:
        return [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in network.modules()]

    before, modes = hooks(), torch.overrides._len_torch_function_stack()  # type: ignore[attr-defined]
    fails = network.backbone.blocks[1].attn.proj.register_forward_hook(
        lambda *_: (_ for _ in ()).throw(RuntimeError("out of luck"))
    )

    def run() -> None:
        with torch.no_grad(), capture_fused(network.backbone.blocks):
            network(torch.randn(1, 1, 64, 96))

    with pytest.raises(RuntimeError, match="out of luck"):
        run()
    fails.remove()
    assert hooks() == before
    assert torch.overrides._len_torch_function_stack() == modes  # type: ignore[attr-defined]


class _Difference(nn.Module):
    """Attention as the difference of two maps (Ye et al. 2024), which has no single map."""

    def __init__(self) -> None:
        super().__init__()
        self.attn_drop = nn.Identity()
        self.num_heads = 1

    def forward(self, x: Tensor) -> Tensor:
        tokens = x[:, None]
        first = nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)
        second = nn.functional.scaled_dot_product_attention(tokens, -tokens, tokens)
        return (first - 0.5 * second)[:, 0]


def test_layers_of_several_maps_are_refused() -> None:
    block = _Difference()
    with (
        pytest.raises(VitFaceError, match="several attention maps"),
        torch.no_grad(),
        capture_fused([block]),
    ):
        block(torch.randn(1, 4, 8))


def test_maps_of_different_frames_do_not_share_memory(
    make_model: MakeModel, canvas: Canvas
) -> None:
    model = make_model()
    first = attention_maps(model, canvas(1))
    before = first.maps.copy()
    attention_maps(model, canvas(2)[1:])
    np.testing.assert_array_equal(first.maps, before)
