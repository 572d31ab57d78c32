"""Gradient rollout and relevance against plain numpy, and gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_vitface.attention import gradients
from napari_vitface.attention.capture import capture_attention
from napari_vitface.attention.gradients import (
    HALF_SCALE,
    ScorePass,
    WeightGradient,
    keypoint_scores,
    positive_part,
)
from napari_vitface.attention.maps import attention_maps, attention_steps
from napari_vitface.errors import VitFaceError
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.predictor import KeypointModel

MakeModel = Callable[..., KeypointModel]
Canvas = Callable[..., NDArray[np.uint8]]
Floats = NDArray[np.float64]


def weights_and_gradients(
    network: KeypointNetwork, images: Tensor, keypoint: int | None
) -> tuple[list[Floats], list[Floats], Floats]:
    """Weights and gradients (B, heads, N, N) of each block and the logits, in one plain graph.

    `keypoint` None is the sum of all scores. No code of the package but the network takes part.
    """
    weights: list[Tensor] = []
    handles, fused = [], []
    for name, module in network.backbone.named_modules():
        if hasattr(module, "fused_attn"):
            fused.append((module, module.fused_attn))
            module.fused_attn = False  # type: ignore[assignment]
        if name.endswith("attn_drop"):
            handles.append(
                module.register_forward_hook(lambda _m, _i, output: weights.append(output))
            )
    with torch.enable_grad():
        logits = network(images)
        heat = torch.exp(logits - logits.amax(dim=(2, 3), keepdim=True)).detach()
        heat = heat / heat.sum(dim=(2, 3), keepdim=True)
        scores = (heat * logits).sum(dim=(2, 3))
        score = scores.sum() if keypoint is None else scores[:, keypoint].sum()
        gradients = torch.autograd.grad(score, weights)
    for handle in handles:
        handle.remove()
    for module, was in fused:
        module.fused_attn = was  # type: ignore[assignment]
    return (
        [each.detach().double().numpy() for each in weights],
        [each.double().numpy() for each in gradients],
        logits.detach().double().numpy(),
    )


def reference_row(
    weights: list[Floats],
    gradients: list[Floats],
    start: Floats,
    method: str,
    fusion: str = "mean",
    discard: float = 0.0,
) -> Floats:
    """`start` (B, N) times the full product of either method, as plainly as it can be written."""
    batch, _, tokens, _ = weights[0].shape
    product = np.broadcast_to(np.eye(tokens), (batch, tokens, tokens)).copy()
    for layer, gradient in zip(weights, gradients, strict=True):
        positive = np.maximum(layer * gradient, 0)
        for b in range(batch):
            if method == "relevance":
                product[b] = product[b] + positive[b].mean(axis=0) @ product[b]
                continue
            fused = getattr(positive[b], fusion)(axis=0)
            for row in fused:
                count = int(discard * tokens)
                if count:
                    row[row < np.sort(row)[count]] = 0.0
            mixed = fused + np.eye(tokens)
            mixed /= mixed.sum(axis=1, keepdims=True)
            product[b] = mixed @ product[b]
    return np.einsum("bi,bij->bj", start, product)


def reference_start(network: KeypointNetwork, logits: Floats, keypoint: int | None) -> Floats:
    """(B, N): the heatmap's share in each patch; for None the mean of those of all keypoints."""
    heat = np.exp(logits - logits.max(axis=(2, 3), keepdims=True))
    heat /= heat.sum(axis=(2, 3), keepdims=True)
    (gh, gw), (b, k, h, w) = network.backbone.grid, heat.shape
    patches = heat.reshape(b, k, gh, h // gh, gw, w // gw).sum(axis=(3, 5)).reshape(b, k, -1)
    chosen = patches.mean(axis=1) if keypoint is None else patches[:, keypoint]
    return np.concatenate([np.zeros((b, network.backbone.num_prefix_tokens)), chosen], axis=1)


def agrees(
    model: KeypointModel,
    images: NDArray[np.uint8],
    method: str,
    fusion: str = "mean",
    discard: float = 0.0,
) -> None:
    network = model.network
    found = attention_maps(model, images, method=method, head_fusion=fusion, discard=discard)
    assert found.total is not None
    prefix = network.backbone.num_prefix_tokens
    inputs = model.to_images(torch.from_numpy(images))
    for m, keypoint in enumerate([0, 1, 2, None]):
        weights, gradients, logits = weights_and_gradients(network, inputs, keypoint)
        start = reference_start(network, logits, keypoint)
        row = reference_row(weights, gradients, start, method, fusion, discard)
        total = row.sum(axis=1) if method == "relevance" else np.ones(len(images))
        np.testing.assert_allclose(found.total[:, m], total, rtol=1e-3)
        row /= total[:, None]
        maps = row[:, prefix:].reshape(found.maps[:, m].shape)
        # The blocks here are sharpened until they are chaotic: single precision shows.
        np.testing.assert_allclose(found.maps[:, m], maps, atol=2e-4 * maps.max(), rtol=0)
        np.testing.assert_allclose(found.prefix_share[:, m], row[:, :prefix].sum(1), atol=1e-4)
        # The gradients are not all zero, or agreeing would mean nothing.
        assert np.abs(row - start).max() > 1e-3


@pytest.mark.parametrize("method", ["gradient-rollout", "relevance"])
def test_every_family_agrees_with_the_plain_formula(
    make_model: MakeModel,
    canvas: Canvas,
    family: tuple[str, tuple[int, int]],
    method: str,
) -> None:
    name, size = family
    model = make_model(name, size=size, sharpen=4)
    # As in the window: the model has predicted before, under inference mode.
    model.predict(canvas(1, size))
    agrees(model, canvas(2, size), method)


@pytest.mark.parametrize("fusion", ["mean", "max", "min"])
@pytest.mark.parametrize("discard", [0.0, 0.5])
def test_every_setting_agrees_with_the_plain_formula(
    make_model: MakeModel, canvas: Canvas, fusion: str, discard: float
) -> None:
    agrees(make_model(sharpen=4), canvas(2), "gradient-rollout", fusion, discard)


def follow(
    passed: ScorePass, names: list[str], layers: range, **options: Any
) -> list[WeightGradient]:
    found: list[WeightGradient] = []
    for _ in passed.follow_back(names, layers, found.append, **options):
        pass
    return found


def test_gradients_are_finite_differences(make_model: MakeModel) -> None:
    network = make_model(depth=4, sharpen=4).network.double()
    images = torch.randn(1, 1, 64, 96, dtype=torch.float64)
    passed = ScorePass(network, images)
    found = follow(passed, ["nose tip"], range(4))
    assert [step.layer for step in found] == [3, 2, 1, 0]
    heat = torch.softmax(passed.output[0, 1].flatten(), dim=0)

    def score(layer: int, change: Tensor) -> float:
        handle = network.backbone.blocks[layer].attn.attn_drop.register_forward_hook(
            lambda _m, _i, output: output + change
        )
        with torch.no_grad(), capture_attention(network.backbone.blocks, lambda a: 0):
            logits = network(images)
        handle.remove()
        return float((heat * logits[0, 1].flatten()).sum())

    for step in found:
        direction = torch.randn_like(step.weights)
        small = 1e-5
        slope = score(step.layer, small * direction) - score(step.layer, -small * direction)
        slope /= 2 * small
        assert float((step.gradient * direction).sum()) == pytest.approx(slope, rel=1e-5)


def test_a_score_is_the_height_of_the_peak_in_a_form_that_all_of_it_shares() -> None:
    logits = torch.full((1, 2, 6, 8), -20.0)
    logits[0, 0, 2, 3] = 5.0
    logits[0, 1, 1, 1] = logits[0, 1, 4, 6] = 3.0
    logits.requires_grad_()
    scores = keypoint_scores(logits)
    torch.testing.assert_close(scores.detach(), torch.tensor([[5.0, 3.0]]))
    (gradient,) = torch.autograd.grad(scores[0, 1], logits)
    # Softmax weights that are constants: two peaks share, and no pixel counts against another.
    assert gradient[0, 1, 1, 1] == pytest.approx(0.5)
    assert (gradient >= 0).all()
    assert gradient[0, 0].abs().max() == 0


def test_together_one_by_one_and_alone_gradients_are_the_same(make_model: MakeModel) -> None:
    network = make_model(sharpen=4).network
    images = torch.randn(2, 1, 64, 96)
    names = ["mouth", "global", "eye"]
    passed = ScorePass(network, images)
    one_by_one = follow(passed, names, range(3), together=False)
    together = follow(passed, names, range(3), together=True)
    alone = follow(ScorePass(network, images[1:]), ["eye"], range(3))
    assert [(s.layer, s.index) for s in together] == [(s.layer, s.index) for s in one_by_one]
    for a, b in zip(one_by_one, together, strict=True):
        torch.testing.assert_close(a.gradient, b.gradient, atol=1e-5, rtol=1e-3)
    for a, b in zip(one_by_one[2::3], alone, strict=True):
        torch.testing.assert_close(a.gradient[1:], b.gradient, atol=1e-5, rtol=1e-3)


def test_graphs_that_are_kept_or_made_again_give_the_same_gradients_and_are_let_go(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_model(sharpen=4).network
    images = torch.randn(2, 1, 64, 96)
    kept = ScorePass(network, images)
    monkeypatch.setattr(gradients, "KEPT", 0)
    again = ScorePass(network, images)
    torch.testing.assert_close(kept.output, again.output, atol=1e-5, rtol=1e-4)
    assert sorted(kept._graphs) == [0, 1, 2]
    assert again._graphs == {}
    for together in (False, True):
        # The second time nothing is left of what was kept.
        found = [
            follow(passed, ["mouth", "eye"], range(3), together=together)
            for passed in (kept, again)
        ]
        for a, b in zip(*found, strict=True):
            torch.testing.assert_close(a.gradient, b.gradient, atol=1e-5, rtol=1e-3)
        assert kept._graphs == {}


def test_the_global_score_is_the_sum_of_all(make_model: MakeModel) -> None:
    network = make_model(sharpen=4).network
    passed = ScorePass(network, torch.randn(1, 1, 64, 96))
    found = follow(passed, ["eye", "nose tip", "mouth", "global"], range(3))
    for layer in range(3):
        each = [step.gradient for step in found if step.layer == layer]
        torch.testing.assert_close(each[3], each[0] + each[1] + each[2], atol=1e-5, rtol=1e-3)


def test_a_range_of_layers_has_the_gradients_of_all_that_comes_after(
    make_model: MakeModel,
) -> None:
    network = make_model(depth=4, sharpen=4).network
    images = torch.randn(1, 1, 64, 96)
    everything = follow(ScorePass(network, images), ["eye"], range(4))
    some = follow(ScorePass(network, images, 1), ["eye"], range(1, 3))
    assert [step.layer for step in some] == [2, 1]
    for a, b in zip(some, everything[1:3], strict=True):
        torch.testing.assert_close(a.gradient, b.gradient, atol=1e-5, rtol=1e-3)


def test_half_precision_does_not_lose_small_gradients(make_model: MakeModel) -> None:
    network = make_model(sharpen=4).network
    images = torch.randn(1, 1, 64, 96)
    exact = follow(ScorePass(network, images), ["eye"], range(3))
    half = follow(ScorePass(network.half(), images.half()), ["eye"], range(3))
    for a, b in zip(exact, half, strict=True):
        assert b.gradient.dtype == torch.float32
        assert (a.gradient - b.gradient).abs().max() < 0.05 * a.gradient.abs().max()
    assert HALF_SCALE > 1


@pytest.mark.parametrize("method", ["gradient-rollout", "relevance"])
def test_a_model_in_bf16_gives_nearly_the_same_maps(
    make_model: MakeModel, canvas: Canvas, method: str
) -> None:
    exact, fast = make_model(sharpen=3), make_model(sharpen=3, precision="bf16")
    fast.network.load_state_dict(exact.network.state_dict())
    expected = attention_maps(exact, canvas(2), method=method)
    found = attention_maps(fast, canvas(2), method=method)
    total = found.maps.sum(axis=(2, 3)) + found.prefix_share
    np.testing.assert_allclose(total, 1, atol=1e-4)
    assert np.abs(found.maps - expected.maps).max() < 0.1 * expected.maps.max()


@pytest.mark.parametrize("method", ["gradient-rollout", "relevance"])
def test_the_network_and_torch_are_as_before_between_steps_and_after(
    make_model: MakeModel, canvas: Canvas, method: str
) -> None:
    model = make_model(sharpen=4)
    parameters = list(model.network.parameters())
    parameters[3].requires_grad_(False)
    asked = [parameter.requires_grad for parameter in parameters]

    def state() -> list[object]:
        return [
            (
                getattr(module, "fused_attn", None),
                len(module._forward_hooks),
                len(module._forward_pre_hooks),
            )
            for module in model.network.modules()
        ]

    before = state()
    with torch.no_grad():
        for _ in attention_steps(model, canvas(1), method=method):
            assert not torch.is_grad_enabled()
            assert [parameter.requires_grad for parameter in parameters] == asked
            assert state() == before
    assert all(parameter.grad is None for parameter in parameters)
    fails = model.network.head.register_forward_hook(
        lambda *_: (_ for _ in ()).throw(RuntimeError("out of luck"))
    )
    with pytest.raises(RuntimeError, match="out of luck"):
        attention_maps(model, canvas(1), method=method)
    fails.remove()
    assert state() == before
    assert [parameter.requires_grad for parameter in parameters] == asked


def test_the_pose_is_that_of_a_prediction(make_model: MakeModel, canvas: Canvas) -> None:
    model = make_model(sharpen=4)
    xy, confidence = model.predict(canvas(2))
    found = attention_maps(model, canvas(2), method="relevance")
    np.testing.assert_allclose(found.xy, xy, atol=0.02)
    np.testing.assert_allclose(found.confidence, confidence, atol=1e-3)
    assert found.settings["start"]["global"] == "the heatmaps of all keypoints"


@pytest.mark.parametrize("method", ["gradient-rollout", "relevance"])
def test_coordinates_alone_have_no_score(
    make_model: MakeModel, canvas: Canvas, method: str
) -> None:
    with pytest.raises(VitFaceError, match=r"bare coordinates; choose rollout, raw or occlusion"):
        attention_maps(make_model(head="regression"), canvas(1), method=method)


def test_tokens_that_change_between_blocks_are_refused(
    make_model: MakeModel, canvas: Canvas
) -> None:
    model = make_model()
    model.network.backbone.blocks[1].register_forward_pre_hook(lambda _m, inputs: (inputs[0] * 1,))
    with pytest.raises(VitFaceError, match="between its blocks"):
        attention_maps(model, canvas(1), method="relevance")


def test_only_what_speaks_for_a_keypoint_counts() -> None:
    weights = torch.tensor([[[[0.25, 0.75]]]])
    gradient = torch.tensor([[[[2.0, -1.0]]]])
    torch.testing.assert_close(positive_part(weights, gradient), torch.tensor([[[[0.5, 0.0]]]]))
