"""How each method of `napari_vitface.settings.attention` is computed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_vitface.attention import occlusion as squares
from napari_vitface.attention.blanking import Blanker
from napari_vitface.attention.capture import capture_fused
from napari_vitface.attention.choices import Choices, Found, Steps
from napari_vitface.attention.fused import borrowed_workspace
from napari_vitface.attention.gradients import ScorePass, gradient_rows
from napari_vitface.attention.rollout import discard_lowest, rollout_rows, stayed_rows
from napari_vitface.attention.seeds import GLOBAL, seed_rows
from napari_vitface.attention.superpixels import superpixel_values
from napari_vitface.model.predictor import KeypointModel
from napari_vitface.settings.attention import Occlusion, Superpixels
from napari_vitface.settings.attention_method import BlankingMethod, FusedMethod, LayeredMethod
from napari_vitface.steps import told_as


def rollout(model: KeypointModel, images: Tensor, asked: Choices[FusedMethod]) -> Found:
    """Rows of the rollout over ranges of layers that begin alike."""
    first, discard = asked.layers.start, asked.how.discard

    def rows_at(fused: Sequence[Tensor], rows: Tensor, end: int) -> Tensor:
        return rollout_rows(fused[: end - first], rows, discard)

    return _from_weights(model, images, asked, rows_at, lambda f, r: stayed_rows(f, r, discard))


def raw(model: KeypointModel, images: Tensor, asked: Choices[FusedMethod]) -> Found:
    """Rows of single layers' attention."""
    first, discard = asked.layers.start, asked.how.discard

    def rows_at(fused: Sequence[Tensor], rows: Tensor, end: int) -> Tensor:
        return rows @ discard_lowest(fused[end - 1 - first], discard)

    return _from_weights(model, images, asked, rows_at, lambda _, rows: torch.zeros_like(rows))


def _from_weights(
    model: KeypointModel,
    images: Tensor,
    asked: Choices[FusedMethod],
    rows_at: Callable[[Sequence[Tensor], Tensor, int], Tensor],
    stayed: Callable[[Sequence[Tensor], Tensor], Tensor],
) -> Found:
    """In one step: the workspace is not to be left in the middle."""
    network, how = model.network, asked.how
    blocks = network.backbone.blocks[asked.layers.start : asked.layers.stop]
    with torch.inference_mode(), borrowed_workspace(network) as workspace:
        with capture_fused(blocks, how.head_fusion, how.head, workspace) as fused:
            output = network(model.to_images(images))
        rows, start = seed_rows(network, output, asked.names, points=asked.points)
        maps = [rows_at(fused, rows, end) for end in asked.ends]
        kept = stayed(fused, rows) if asked.stayed else None
    return Found(output, maps, start, rows, stayed=kept)


def gradient_rollout(model: KeypointModel, images: Tensor, asked: Choices[FusedMethod]) -> Steps:
    """Rows of the rollout of weights times gradients, a step for each block on the way back."""
    how = asked.how
    return _from_gradients(
        model, images, asked, True, fusion=how.head_fusion, head=how.head, discard=how.discard
    )


def relevance(model: KeypointModel, images: Tensor, asked: Choices[LayeredMethod]) -> Steps:
    """Rows of the relevance as shares, and what they sum to."""
    return _from_gradients(model, images, asked, False)


def _from_gradients(
    model: KeypointModel,
    images: Tensor,
    asked: Choices[LayeredMethod],
    normalised: bool,
    *,
    fusion: str = "mean",
    head: int | None = None,
    discard: float = 0.0,
) -> Steps:
    network, layers = model.network, asked.layers
    passed = ScorePass(network, model.to_images(images), layers.start)
    rows, start = seed_rows(network, passed.output, asked.names, together=True)
    left: list[Tensor] = []
    steps = gradient_rows(
        passed,
        rows,
        asked.names,
        layers,
        asked.ends,
        normalised=normalised,
        fusion=fusion,
        head=head,
        discard=discard,
        stayed=left if asked.stayed else None,
    )
    blocks = len(network.backbone.blocks) - layers.start
    maps = yield from told_as(steps, lambda done: (done, blocks))
    kept = torch.stack(left, dim=1) if asked.stayed else None
    if normalised:
        return Found(passed.output, list(maps), start, rows, stayed=kept)
    total = [each.sum(dim=2) for each in maps]
    shares = [each / whole[:, :, None] for each, whole in zip(maps, total, strict=True)]
    if kept is not None:
        kept = kept / total[-1][:, :, None]
    return Found(passed.output, shares, start, rows, total, kept)


def occlusion(model: KeypointModel, images: Tensor, asked: Choices[Occlusion]) -> Steps:
    """How far keypoints move, or what confidence they lose, under squares; a step a batch."""
    how, grid = asked.how, model.network.backbone.grid

    def maps_of(
        blanker: Blanker, xy: NDArray[np.float32], confidence: NDArray[np.float32]
    ) -> Generator[int, None, NDArray[np.float32]]:
        moved, lost = yield from squares.occlusion(
            blanker, xy, confidence, grid, square=how.square, pixel=asked.pixel
        )
        return moved if how.measure == "moved" else lost

    return _by_blanking(model, images, asked, maps_of, grid[0] * grid[1])


def superpixels(model: KeypointModel, images: Tensor, asked: Choices[Superpixels]) -> Steps:
    """Shapley values of superpixels, a step an order."""
    how, grid = asked.how, model.network.backbone.grid

    def maps_of(
        blanker: Blanker, xy: NDArray[np.float32], _: NDArray[np.float32]
    ) -> Generator[int, None, NDArray[np.float32]]:
        values, _labels = yield from superpixel_values(
            blanker, xy, grid, segments=how.segments, orders=how.orders, pixel=asked.pixel
        )
        return values

    return _by_blanking(model, images, asked, maps_of, how.orders)


def _by_blanking(
    model: KeypointModel,
    images: Tensor,
    asked: Choices[BlankingMethod],
    maps_of: Callable[..., Generator[int, None, NDArray[np.float32]]],
    count: int,
) -> Steps:
    """Maps (K, gh, gw) of each image in `count` steps; that of all keypoints is their mean."""
    network = model.network
    with torch.inference_mode():
        output = network(model.to_images(images))
    xy, confidence = model.finish(output)
    every: list[NDArray[np.float32]] = []

    def counted(done: int) -> tuple[int, int]:
        return len(every) * count + done, len(images) * count

    for b, image in enumerate(images):
        blanker = Blanker(model, image.cpu(), asked.area, asked.how.grey)
        every.append((yield from told_as(maps_of(blanker, xy[b], confidence[b]), counted)))
    found = np.stack(every)
    maps = [
        found.mean(axis=1) if name == GLOBAL else found[:, network.keypoints.index(name)]
        for name in asked.names
    ]
    return Found(output, [torch.as_tensor(np.stack(maps, axis=1)).flatten(2)])
