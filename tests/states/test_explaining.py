"""Maps of what an answer hangs on, where it is known what it hangs on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.states.relevance import relevance, rollout
from napari_vitface.model.checkpoint import load_model
from napari_vitface.settings.features import choose
from napari_vitface.states import explaining
from napari_vitface.states.features.compute import make_extractors, pictures_of
from napari_vitface.states.features.crop import FixedCrop
from napari_vitface.states.features.extractor import Material
from napari_vitface.states.fitted import Forest, Linear, Logistic
from napari_vitface.video import open_video


def frame_of(material: Material, kind: str, fitted: Any, states: tuple[str, ...] = ("a", "b")):
    extractors = make_extractors(choose(kind, {"token": "mean"}), material)
    tuning = SimpleNamespace(baseline="none")
    about = SimpleNamespace(states=states, evaluation=SimpleNamespace(tuning=tuning))
    model: Any = SimpleNamespace(about=about, fitted=fitted)
    return explaining.Frame(model, extractors, pictures_of(extractors, material, 3), None)


def linear(columns: int, weights: np.ndarray, kind: type = Linear):
    ones = np.ones(columns)
    return kind(0 * ones, ones, weights, np.zeros(weights.shape[1]))


def test_occlusion_finds_the_only_place_that_is_looked_at(folder_of, noise, material_of) -> None:
    material = material_of(folder_of(noise))
    extractor = make_extractors(choose("hog", {}), material)[0]
    rows, columns = extractor.cells
    weights = np.zeros((rows, columns, 8, 1))
    # What is painted over has no edges at all.
    weights[2, 7] = 1
    fitted = linear(rows * columns * 8, weights.reshape(-1, 1))
    frame = frame_of(material, "hog", fitted, states=())
    grid = explaining.grid_of(material.crop.size)
    heat = explaining.occlusion(frame, 0, grid)
    where = (np.unravel_index(heat.argmax(), heat.shape) + np.array(0.5)) / grid
    np.testing.assert_allclose(where, [2.5 / rows, 7.5 / columns], atol=0.12)
    assert heat[:, : grid[1] // 3].max() < heat.max() / 10
    faithful = explaining.faithfulness(frame, 0, heat)
    assert faithful.found < faithful.random / 2
    wrong = explaining.faithfulness(frame, 0, -heat)
    assert wrong.found > faithful.random


@pytest.mark.parametrize(("kind", "wants"), [("brightness", False), ("motion", True)])
def test_frames_before_are_painted_for_what_looks_at_them_alone(
    folder_of, noise, material_of, kind: str, wants: bool
) -> None:
    frame = frame_of(material_of(folder_of(noise)), kind, linear(1, np.ones((1, 1))), states=())
    (pictures,) = frame.pictures
    hidden = np.zeros((5, 4, 4), bool)
    hidden[1:, 0, 0] = True
    painted = explaining._painted(pictures, hidden)
    assert len(painted.images) == 5
    assert len(painted.before) == (5 if wants else 0)
    assert frame.scores(hidden).shape == (5, 1)


@pytest.fixture
def tokens(folder_of, noise, tiny_model: Path) -> Material:
    video = open_video(folder_of(noise))
    model = load_model(tiny_model, device="cpu", precision="fp32", batch_size=4)
    return Material(video, FixedCrop.of(video, (4, 6, 40, 30)), model=model)


def relevance_by_hand(frame: explaining.Frame, direction: np.ndarray) -> np.ndarray:
    """The rows over tokens, from attention that is written out."""
    extractor: Any = frame.extractors[0]
    vit = extractor._model.network.backbone.model
    found: list[torch.Tensor] = []
    hook = vit.blocks[0].register_forward_pre_hook(lambda _, inputs: found.append(inputs[0]))
    extractor(frame.pictures[0])
    hook.remove()
    x = found[0].clone().detach().requires_grad_(True)
    weights = []
    for block in vit.blocks:
        attn = block.attn
        b, n, c = x.shape
        qkv = attn.qkv(block.norm1(x)).reshape(b, n, 3, attn.num_heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        weights.append(torch.softmax(attn.q_norm(q) @ attn.k_norm(k).mT * attn.scale, dim=-1))
        mixed = (weights[-1] @ v).transpose(1, 2).reshape(b, n, c)
        x = x + block.ls1(attn.proj(mixed))
        x = x + block.ls2(block.mlp(block.norm2(x)))
    prefix = n - int(np.prod(extractor._model.network.backbone.grid))
    score = (vit.norm(x)[:, prefix:].mean(dim=1) @ torch.from_numpy(direction)).sum()
    row = torch.zeros(1, n)
    row[:, prefix:] = 1 / (n - prefix)
    start = row
    gradients = torch.autograd.grad(score, weights)
    for weight, gradient in zip(reversed(weights), reversed(gradients), strict=True):
        row = row + row @ (weight * gradient).clamp(min=0).mean(dim=1)[0]
    return (row - start)[0, prefix:].detach().numpy()


def test_relevance_is_that_of_the_state_s_own_sum(tokens: Material) -> None:
    dimensions = tokens.model.network.backbone.embed_dim
    weights = np.random.default_rng(0).normal(size=(dimensions, 2))
    frame = frame_of(tokens, "tokens", linear(dimensions, weights, Logistic))
    grid = tokens.model.network.backbone.grid
    found = relevance(frame, 1, (30, 40))
    direction = ((weights[:, 1] - weights[:, 0]) / 2).astype(np.float32)
    by_hand = relevance_by_hand(frame, direction).reshape(grid)
    assert found.max() > 0
    # Cells of the crop hold what the patches hold in whose part of the input they lie.
    np.testing.assert_allclose(np.unique(found), np.unique(by_hand), rtol=1e-3, atol=1e-8)
    other = relevance(frame, 0, (30, 40))
    assert np.abs(other - found).max() > 0.1 * found.max()


def test_rollout_asks_no_state_and_is_a_share_of_attention(tokens: Material) -> None:
    dimensions = tokens.model.network.backbone.embed_dim
    frame = frame_of(tokens, "tokens", linear(dimensions, np.ones((dimensions, 2)), Logistic))
    one, other = (rollout(frame, state, (6, 8)) for state in (0, 1))
    np.testing.assert_array_equal(one, other)
    assert one.min() > 0
    assert one.max() < 1


def test_what_a_classifier_cannot_be_asked_is_refused(tokens: Material, material_of) -> None:
    none: Any = np.zeros(1, np.int32)
    forest = Forest(none, none - 1, np.zeros(1), none, none, np.ones((1, 2), np.float32))
    with pytest.raises(VitFaceError, match="needs a classifier with gradients"):
        relevance(frame_of(tokens, "tokens", forest), 0, (6, 8))
    with pytest.raises(VitFaceError, match="of tokens alone"):
        rollout(frame_of(tokens, "motion", forest), 0, (6, 8))
