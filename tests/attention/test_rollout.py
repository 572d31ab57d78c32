"""Rollout by rows against the plain full product, for every family."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from napari_vitface.attention.maps import attention_maps
from napari_vitface.attention.rollout import (
    discard_lowest,
    fuse_heads,
    relevance_step,
    rollout_rows,
    stayed_rows,
)
from napari_vitface.model.predictor import KeypointModel


def raw_attention(model: KeypointModel, canvas: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
    """Every block's (B, heads, N, N) attention, taken without any of the code under test."""
    found: list[Tensor] = []
    handles = []
    for name, module in model.network.backbone.named_modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False  # type: ignore[assignment]
        if name.endswith("attn_drop"):
            handles.append(
                module.register_forward_hook(lambda _m, _i, output: found.append(output))
            )
    with torch.no_grad():
        model.network(model.to_images(torch.from_numpy(canvas)))
    for handle in handles:
        handle.remove()
    return [attention.float().numpy().astype(np.float64) for attention in found]


def reference_rollout(
    layers: list[NDArray[np.float64]], fusion: str, discard: float
) -> NDArray[np.float64]:
    """The full product of Abnar and Zuidema, (B, N, N), as plainly as it can be written."""
    batch, _, tokens, _ = layers[0].shape
    product = np.broadcast_to(np.eye(tokens), (batch, tokens, tokens)).copy()
    for layer in layers:
        fused = getattr(layer, fusion)(axis=1)
        for b in range(batch):
            for row in fused[b]:
                count = int(discard * tokens)
                if count:
                    row[row < np.sort(row)[count]] = 0.0
            mixed = fused[b] + np.eye(tokens)
            mixed /= mixed.sum(axis=1, keepdims=True)
            product[b] = mixed @ product[b]
    return product


def reference_start(model: KeypointModel, canvas: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Share of each heatmap in each patch, (B, K, N) with zeros for the prefix tokens."""
    backbone = model.network.backbone
    with torch.no_grad():
        logits = model.network(model.to_images(torch.from_numpy(canvas))).double().numpy()
    heat = np.exp(logits - logits.max(axis=(2, 3), keepdims=True))
    heat /= heat.sum(axis=(2, 3), keepdims=True)
    (gh, gw), (b, k, h, w) = backbone.grid, heat.shape
    patches = heat.reshape(b, k, gh, h // gh, gw, w // gw).sum(axis=(3, 5)).reshape(b, k, gh * gw)
    return np.concatenate([np.zeros((b, k, backbone.num_prefix_tokens)), patches], axis=2)


def test_every_family_agrees_with_the_full_product(
    make_model: Callable[..., KeypointModel],
    canvas: Callable[..., NDArray[np.uint8]],
    family: tuple[str, tuple[int, int]],
) -> None:
    name, size = family
    agrees_with_the_full_product(make_model(name, size=size), canvas(2, size), "mean", 0.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("vit_base_patch16_224", (224, 224)),
        ("vit_large_patch32_224", (192, 256)),
        ("vit_huge_patch14_224", (196, 252)),
    ],
)
def test_models_of_full_width_agree_with_the_full_product(
    make_model: Callable[..., KeypointModel],
    canvas: Callable[..., NDArray[np.uint8]],
    name: str,
    size: tuple[int, int],
) -> None:
    width = {"base": (768, 12), "larg": (1024, 16), "huge": (1280, 16)}[name[4:8]]
    model = make_model(name, size=size, embed_dim=width[0], num_heads=width[1])
    agrees_with_the_full_product(model, canvas(1, size), "mean", 0.0)


@pytest.mark.parametrize("fusion", ["mean", "max", "min"])
@pytest.mark.parametrize("discard", [0.0, 0.5, 0.9])
def test_every_setting_agrees_with_the_full_product(
    make_model: Callable[..., KeypointModel],
    canvas: Callable[..., NDArray[np.uint8]],
    fusion: str,
    discard: float,
) -> None:
    agrees_with_the_full_product(make_model(), canvas(3), fusion, discard)


def agrees_with_the_full_product(
    model: KeypointModel, images: NDArray[np.uint8], fusion: str, discard: float
) -> None:
    found = attention_maps(model, images, layers=":", head_fusion=fusion, discard=discard)
    full = reference_rollout(raw_attention(model, images), fusion, discard)
    backbone = model.network.backbone
    prefix = backbone.num_prefix_tokens
    token = backbone.class_token
    begin = np.zeros((len(images), 1, full.shape[1]))
    if token is None:
        begin[:, :, prefix:] = 1 / (full.shape[1] - prefix)
    else:
        begin[:, :, token] = 1
    rows = np.concatenate([reference_start(model, images), begin], axis=1) @ full
    maps = rows[:, :, prefix:].reshape(found.maps.shape)
    assert found.names == ("eye", "nose tip", "mouth", "global")
    np.testing.assert_allclose(found.maps, maps, atol=1e-5, rtol=0)
    # Weights are small numbers: they also agree relative to the strongest.
    assert np.abs(found.maps - maps).max() <= 1e-4 * maps.max()
    np.testing.assert_allclose(found.prefix_share, rows[:, :, :prefix].sum(axis=2), atol=1e-5)
    # The maps are not all alike, or agreeing would mean little.
    assert maps.max() > 1.2 / maps[0, 0].size
    assert np.abs(maps[:, 0] - maps[:, -1]).max() > 1e-3


attentions = st.integers(0, 2**31).map(
    lambda seed: [
        torch.randn(2, 3, 11, 11, generator=torch.Generator().manual_seed(seed + layer))
        .mul(3)
        .softmax(dim=-1)
        for layer in range(4)
    ]
)


@settings(max_examples=30)
@given(attentions, st.sampled_from(["mean", "max", "min"]), st.floats(0, 0.99))
def test_rows_of_the_rollout_are_distributions(
    layers: list[Tensor], fusion: str, discard: float
) -> None:
    fused = [fuse_heads(layer, fusion) for layer in layers]
    rows = rollout_rows(fused, torch.eye(11).expand(2, 11, 11), discard)
    assert (rows >= 0).all()
    torch.testing.assert_close(rows.sum(dim=-1), torch.ones(2, 11), atol=1e-5, rtol=0)
    expected = reference_rollout([layer.double().numpy() for layer in layers], fusion, discard)
    np.testing.assert_allclose(rows.numpy(), expected, atol=1e-5)


@settings(max_examples=30)
@given(attentions, st.floats(0, 0.99))
def test_discarding_takes_the_lowest_of_each_row_and_of_each_image(
    layers: list[Tensor], ratio: float
) -> None:
    fused = fuse_heads(layers[0])
    kept = discard_lowest(fused, ratio)
    count = int(ratio * 11)
    assert ((kept == 0).sum(dim=-1) == count).all()
    for b in range(2):
        for i in range(11):
            lowest = fused[b, i].argsort()[:count]
            assert (kept[b, i, lowest] == 0).all()
    assert torch.equal(kept[kept > 0], fused[kept > 0])


def test_nothing_is_discarded_at_zero_and_ties_are_kept() -> None:
    even = torch.full((1, 4, 4), 0.25)
    assert torch.equal(discard_lowest(even, 0.0), even)
    assert torch.equal(discard_lowest(even, 0.75), even)
    with pytest.raises(ValueError, match="below 1"):
        discard_lowest(even, 1.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("fusion", ["mean", "max", "min"])
def test_heads_are_fused_in_single_precision_and_the_weights_left_alone(
    fusion: str, dtype: torch.dtype
) -> None:
    attention = torch.rand(2, 3, 5, 5).to(dtype)
    before = attention.clone()
    fused = fuse_heads(attention, fusion)
    assert fused.dtype == torch.float32
    expected = getattr(attention.float().numpy(), fusion)(axis=1)
    np.testing.assert_allclose(fused.numpy(), expected, atol=1e-6)
    fused.zero_()
    assert torch.equal(attention, before)
    one = fuse_heads(attention, fusion, head=1)
    assert torch.equal(one, attention[:, 1].float())
    one.zero_()
    assert torch.equal(attention, before)


def test_an_unknown_fusion_is_refused() -> None:
    with pytest.raises(ValueError, match="head fusion must be one of"):
        fuse_heads(torch.rand(1, 1, 2, 2), "median")


def test_attention_that_stays_on_itself_stays_where_it_starts() -> None:
    identity = [torch.eye(6).expand(1, 6, 6) for _ in range(5)]
    rows = torch.rand(1, 2, 6)
    torch.testing.assert_close(rollout_rows(identity, rows), rows)


def test_attention_that_is_even_is_even_in_the_end_but_for_what_stayed() -> None:
    even = [torch.full((1, 5, 5), 1 / 5) for _ in range(4)]
    rows = rollout_rows(even, torch.eye(5)[None])
    # Half of what was left stays at each of four layers; the rest is spread evenly.
    stayed = 0.5**4
    expected = stayed * torch.eye(5) + (1 - stayed) / 5
    torch.testing.assert_close(rows[0], expected)


def test_attention_on_one_token_gathers_there() -> None:
    one = torch.zeros(1, 5, 5)
    one[..., 3] = 1
    rows = rollout_rows([one] * 3, torch.eye(5)[None])[0]
    expected = 0.5**3 * torch.eye(5)
    expected[:, 3] += 1 - 0.5**3
    torch.testing.assert_close(rows, expected)


def test_what_stays_is_what_the_residual_connections_alone_carry_on() -> None:
    fused = [torch.softmax(torch.randn(1, 6, 6), dim=-1) for _ in range(3)]
    rows = torch.eye(6)[None, :2]
    # Rows of attention sum to 1: half of what is there stays in each layer.
    torch.testing.assert_close(stayed_rows(fused, rows), rows / 8)
    # Attention that never looks at itself leaves nothing else where it was.
    away = [torch.ones(1, 6, 6) / 5 * (1 - torch.eye(6)) for _ in range(1)]
    there = rollout_rows(away, rows) * rows
    torch.testing.assert_close(stayed_rows(away, rows), there)


def test_relevance_grows_by_what_each_layer_adds_and_is_not_divided() -> None:
    rows = torch.tensor([[[0.25, 0.75, 0.0]]])
    torch.testing.assert_close(relevance_step(rows, torch.eye(3)[None]), 2 * rows)
    torch.testing.assert_close(relevance_step(rows, torch.zeros(1, 3, 3)), rows)
    even = torch.full((1, 3, 3), 1 / 3)
    torch.testing.assert_close(relevance_step(rows, even), rows + 1 / 3)
    one = torch.zeros(1, 3, 3)
    one[..., 2] = 0.5
    torch.testing.assert_close(relevance_step(rows, one), torch.tensor([[[0.25, 0.75, 0.5]]]))


def test_the_layers_are_multiplied_last_to_first() -> None:
    # Layer 1 sends everything to token 2, layer 2 (the last) everything to token 1.
    first, last = torch.zeros(1, 3, 3), torch.zeros(1, 3, 3)
    first[..., 2], last[..., 1] = 1, 1
    rows = rollout_rows([first, last], torch.tensor([[[1.0, 0.0, 0.0]]]))
    # Half stays at each step: 1 -> (1/2, 1/2, 0) -> (1/4, 1/4, 1/2).
    torch.testing.assert_close(rows, torch.tensor([[[0.25, 0.25, 0.5]]]))
