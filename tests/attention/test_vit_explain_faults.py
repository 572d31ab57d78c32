"""Faults that circulate in implementations of rollout, each written out and told apart.

They are those of the widely copied vit-explain. Each test shows that the maps here agree with the
formula where the faulty variant does not, by ten times the rounding that is allowed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from napari_vitface.attention.gradients import ScorePass, WeightGradient, gradient_rows
from napari_vitface.attention.maps import attention_maps
from napari_vitface.attention.rollout import discard_lowest, rollout_rows
from napari_vitface.model.predictor import KeypointModel

Floats = NDArray[np.float64]
MakeModel = Callable[..., KeypointModel]
Canvas = Callable[..., NDArray[np.uint8]]


def layers(batch: int = 2, tokens: int = 10, depth: int = 3) -> Floats:
    """(depth, batch, tokens, tokens) attention, sharp enough that mistakes show."""
    scores = np.random.default_rng(0).normal(size=(depth, batch, tokens, tokens)) * 2
    weights = np.exp(scores)
    return weights / weights.sum(axis=3, keepdims=True)


def rollout(fused: Floats) -> Floats:
    """The formula: (B, N, N) of (depth, B, N, N)."""
    identity = np.eye(fused.shape[-1])
    product = np.broadcast_to(identity, fused.shape[1:])
    for layer in fused:
        mixed = layer + identity
        product = mixed / mixed.sum(axis=2, keepdims=True) @ product
    return product


def ours(fused: Floats, discard: float = 0.0) -> Floats:
    tokens = fused.shape[-1]
    every = torch.eye(tokens).expand(fused.shape[1], tokens, tokens)
    return rollout_rows([torch.from_numpy(f).float() for f in fused], every, discard).numpy()


def differ(a: Floats, b: Floats) -> bool:
    return float(np.abs(a - b).max()) > 1e-3


def test_rows_are_divided_by_their_own_sums() -> None:
    def faulty(fused: Floats) -> Floats:
        product = np.broadcast_to(np.eye(fused.shape[-1]), fused.shape[1:])
        for layer in fused:
            mixed = (layer + np.eye(fused.shape[-1])) / 2
            # a / a.sum(dim=-1) without keepdim: column j is divided by the sum of row j.
            mixed = mixed / mixed.sum(axis=2)[:, None, :]
            product = mixed @ product
        return product

    # Discarding makes row sums unequal; before that both are right by luck.
    fused = np.where(layers() < 0.1, 0.0, layers())
    np.testing.assert_allclose(ours(fused), rollout(fused), atol=1e-5)
    assert differ(faulty(fused), rollout(fused))
    np.testing.assert_allclose(ours(fused).sum(axis=2), 1, atol=1e-5)
    assert differ(faulty(fused).sum(axis=2), np.ones((2, 10)))


def test_the_lowest_of_each_row_are_discarded() -> None:
    def faulty(fused: Floats, ratio: float) -> Floats:
        flat = fused.reshape(len(fused), -1).copy()
        lowest = np.argsort(flat, axis=1)[:, : int(flat.shape[1] * ratio)]
        # "indices != 0" spares flat index 0 alone, and of the first image's indices only.
        lowest = lowest[:, lowest[0] != 0]
        flat[0, lowest[0]] = 0
        return flat.reshape(fused.shape)

    fused = layers(depth=1)[0]
    fused[:, 4] = 0.1
    fused[:, 4, 2:4] = 0.05, 0.15
    expected = fused.copy()
    for image in expected:
        for row in image:
            row[row < np.sort(row)[5]] = 0
    found = discard_lowest(torch.from_numpy(fused), 0.5).numpy()
    np.testing.assert_allclose(found, expected)
    assert differ(faulty(fused, 0.5), expected)
    # A row that attends weakly everywhere loses everything to the faulty ratio, and never here.
    assert (found.sum(axis=2) > 0.3).all()
    # The second image keeps all its weights in the faulty variant.
    assert (faulty(fused, 0.5)[1] > 0).all()
    assert (found[1] == 0).any()


def test_each_layer_has_its_own_gradient(make_model: MakeModel) -> None:
    network = make_model(depth=4, sharpen=4).network
    passed = ScorePass(network, torch.randn(1, 1, 64, 96))
    steps: list[WeightGradient] = []
    for _ in passed.follow_back(["eye"], range(4), steps.append):
        pass
    weights = [step.weights.double().numpy() for step in reversed(steps)]
    gradients = [step.gradient.double().numpy() for step in reversed(steps)]

    def with_gradients(of_layers: list[Floats]) -> Floats:
        pairs = zip(weights, of_layers, strict=True)
        return rollout(np.stack([np.maximum(w * g, 0).mean(axis=1) for w, g in pairs]))[0]

    rows = torch.eye(25)[None]
    names = ["eye"] * 25
    walk = gradient_rows(passed, rows, names, range(4), [4])
    found = last(walk)[0, 0].numpy()
    np.testing.assert_allclose(found, with_gradients(gradients), atol=1e-4)
    # Backward hooks are called last layer first, and the faulty variant zips them as they come.
    assert differ(with_gradients(gradients[::-1]), with_gradients(gradients))


def last(walk) -> torch.Tensor:  # type: ignore[no-untyped-def]
    while True:
        try:
            next(walk)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("method", ["rollout", "relevance"])
def test_every_image_of_a_batch_has_its_own_map(
    make_model: MakeModel, canvas: Canvas, method: str
) -> None:
    model = make_model(sharpen=4)
    images = canvas(3)
    together = attention_maps(model, images, method=method).maps
    alone = [attention_maps(model, image[None], method=method).maps[0] for image in images]
    np.testing.assert_allclose(together, np.stack(alone), atol=1e-4)
    # result[0] for all, as the faulty variant gives it, is another map.
    assert np.abs(together[0] - alone[1]).max() > 0.01 * alone[1].max()


def test_a_grid_that_is_not_square_keeps_its_shape(make_model: MakeModel, canvas: Canvas) -> None:
    size = (64, 144)  # 4 x 9 = 36 patches, of which int(sqrt(36)) = 6 would make a square
    model = make_model(size=size)
    maps = attention_maps(model, canvas(1, size), layers=":").maps
    assert maps.shape[2:] == (4, 9)
    faulty = maps.reshape(*maps.shape[:2], 6, 6)
    # Row 1, column 0 is patch 9; a square puts patch 6 there.
    assert maps[0, 0, 1, 0] == maps[0, 0].ravel()[9]
    assert faulty[0, 0, 1, 0] == maps[0, 0].ravel()[6] != maps[0, 0, 1, 0]


@pytest.mark.parametrize("method", ["rollout", "raw", "gradient-rollout", "relevance"])
def test_hooks_are_removed(make_model: MakeModel, canvas: Canvas, method: str) -> None:
    model = make_model()

    def hooks(network: nn.Module) -> int:
        kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
        return sum(len(getattr(module, kind)) for module in network.modules() for kind in kinds)

    for _ in range(3):
        attention_maps(model, canvas(1), method=method)
    assert hooks(model.network) == 0
    # The faulty variant registers in its constructor and never removes: they add up.
    for _ in range(3):
        for block in model.network.backbone.blocks:
            block.attn.attn_drop.register_forward_hook(lambda *_: None)  # type: ignore[union-attr]
    assert hooks(model.network) == 9
