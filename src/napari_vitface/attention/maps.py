"""Attention maps of keypoints: one map a keypoint on the patch grid, by any of the methods."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, TypeVar, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_vitface.attention.capture import capture_fused
from napari_vitface.attention.choices import (
    GRADIENTS,
    METHODS,
    PERTURBATIONS,
    Choices,
    Layers,
    resolve,
    resolve_layers,
)
from napari_vitface.attention.fused import borrowed_workspace
from napari_vitface.attention.gradients import ScorePass, gradient_rows
from napari_vitface.attention.perturbations import Blanks, perturbation_maps
from napari_vitface.attention.rollout import discard_lowest, rollout_rows, stayed_rows
from napari_vitface.attention.starts import GLOBAL, own_patches, start_rows
from napari_vitface.model.predictor import KeypointModel
from napari_vitface.model.probe import attention_of

__all__ = [
    "GLOBAL",
    "METHODS",
    "AttentionMaps",
    "Blanks",
    "MapSettings",
    "attention_maps",
    "attention_steps",
    "attention_story",
    "resolve_layers",
    "start_rows",
]

Result = TypeVar("Result")


@dataclass(frozen=True)
class AttentionMaps:
    """Attention of B images, M maps each.

    Attributes
    ----------
    names : tuple of str
        What each map explains: a keypoint, ``"global"``, or a point.
    maps : (B, M, gh, gw) float32
        On the patch grid: weights, or what ``settings["unit"]`` says.
    prefix_share : (B, M) float32
        Weight taken by prefix tokens (class token, registers). For rollout, gradient rollout and
        relevance, and for raw attention fused by mean without discard, map, prefix share and own
        share together sum to 1.
    own_share : (B, M) float32
        What `hide_self` took out of the map, the keypoint's own patches; 0 without it.
    xy : (B, K, 2) float32
        Keypoints of the same forward pass, input pixels.
    confidence : (B, K) float32
    settings : dict
        Exactly what was computed, for labels and files.
    total : (B, M) float32
        What the weights were divided by: 1, but for relevance, whose rows grow from layer to
        layer; maps * total are the values of its formula.
    stayed : (B, M, gh, gw) float32
        The part of the maps that no attention moved: what the residual connections alone carried
        on from where a map starts. Only if it was asked for.
    """

    names: tuple[str, ...]
    maps: NDArray[np.float32]
    prefix_share: NDArray[np.float32]
    own_share: NDArray[np.float32]
    xy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    settings: dict[str, Any] = field(default_factory=dict)
    total: NDArray[np.float32] | None = None
    stayed: NDArray[np.float32] | None = None


class MapSettings(TypedDict, total=False):
    """What can be chosen for a map; each has a default. See `attention_maps`."""

    keypoints: str | Sequence[str]
    points: Mapping[str, tuple[float, float]] | None
    method: str
    layers: Layers
    head_fusion: str
    head: int | None
    discard: float
    hide_self: bool
    blanks: Blanks | None


def attention_maps(
    model: KeypointModel, canvas: NDArray[np.uint8] | Tensor, **settings: Unpack[MapSettings]
) -> AttentionMaps:
    """Where the network looked to place each keypoint.

    A heatmap head reads patch tokens, so keypoint k starts from the share of its heatmap that
    lies in each patch. A regression head reads the class token (or the mean of the patches) for
    all keypoints at once, so all its maps are the same, and ``settings["start"]`` says so. The
    ``"global"`` map starts from the class token, or from the mean of the patches where there is
    none; with gradients it is that of all keypoints together, and with occlusion and superpixels
    the mean over keypoints.

    Parameters
    ----------
    model : KeypointModel
    canvas : (B, C, H, W) uint8
        Model inputs, from `View.pad`.
    keypoints : str or sequence of str
        ``"all"`` (each keypoint, then ``"global"``), ``"global"``, or names of keypoints.
    points : mapping of str to (x, y), optional
        Further maps, by name, that start from any place: input pixels. For rollout and raw.
    method : {"rollout", "raw", "gradient-rollout", "relevance", "occlusion", "superpixels"}
        Rollout over a range of layers (Abnar and Zuidema); the attention weights of one layer;
        rollout of the weights times their gradient, where positive; generic relevance (Chefer,
        Gur and Wolf); a grey square slid over the image; Shapley values of superpixels.
    layers : optional
        ``"A:B"`` or (A, B): blocks A to B - 1, counted from 0, negative from the end; for
        ``"raw"`` the number of one block. Default: all; the last third for ``"rollout"``, which
        over all is nearly even, and the last one for ``"raw"``. A story has all by default.
    head_fusion : {"mean", "max", "min"}
    head : int, optional
        One head (of one layer, for ``"raw"``) instead of fusing.
    discard : float
        In [0, 1): share of each row's weights, the lowest, that is set to 0; see
        `napari_vitface.attention.rollout.discard_lowest`.
    hide_self : bool
        Take the patches that a keypoint starts from out of its map: residual connections make
        them outshine what else was looked at. Each patch loses the share that it holds of the
        start, relative to the strongest.
    blanks : Blanks, optional
        For occlusion and superpixels.

    Raises
    ------
    VitFaceError
        An argument does not fit the model; one sentence.
    """
    return _last(attention_steps(model, canvas, **settings))[0]


def attention_story(
    model: KeypointModel, canvas: NDArray[np.uint8] | Tensor, **settings: Unpack[MapSettings]
) -> list[AttentionMaps]:
    """The maps after each layer of a range, first to last, from one pass through the network.

    With layers A to B - 1, the maps are those of A alone, of A and A + 1, and so on to all of
    them: what had been gathered by then in the patches that hold the keypoint. Raw attention is
    each layer's own. Settings are those of `attention_maps`.
    """
    return _last(attention_steps(model, canvas, story=True, **settings))


def attention_steps(
    model: KeypointModel,
    canvas: NDArray[np.uint8] | Tensor,
    *,
    story: bool = False,
    stayed: bool = False,
    blanks: Blanks | None = None,
    **settings: Any,
) -> Generator[tuple[int, int], None, list[AttentionMaps]]:
    """The work of `attention_maps` or `attention_story` in steps, for callers that do more.

    With `stayed`, the last maps tell which part of them no attention moved.

    Yields
    ------
    (done, total) : int
        After each step, where there are several.

    Returns
    -------
    list of AttentionMaps
        One, or with `story` one a layer.
    """
    choices = resolve(model.network, story=story, **settings)
    images = torch.as_tensor(canvas)
    if choices.method in PERTURBATIONS:
        blanked = yield from _by_blanking(model, images, choices, blanks or Blanks())
        return [blanked]
    layers = choices.layers
    ends = list(range(layers.start + 1, layers.stop + 1)) if story else [layers.stop]
    by = _by_gradients if choices.method in GRADIENTS else _by_attention
    rows, results, start, output, left = yield from by(model, images, choices, ends, stayed)
    xy, confidence = model.finish(output)
    backbone = model.network.backbone
    prefix = backbone.num_prefix_tokens
    found = []
    for stop, result in zip(ends, results, strict=True):
        total = torch.ones_like(result[:, :, 0])
        if choices.method == "relevance":
            total = result.sum(dim=2)
            result = result / total[:, :, None]
        maps = result[:, :, prefix:]
        own = torch.zeros_like(maps)
        if choices.hide_self:
            own = maps * own_patches(rows, choices.names, prefix)
        there: NDArray[np.float32] | None = None
        if left is not None and stop == ends[-1]:
            kept = (left / total[:, :, None])[:, :, prefix:]
            if choices.hide_self:
                kept = kept * (1 - own_patches(rows, choices.names, prefix))
            there = kept.unflatten(2, backbone.grid).cpu().numpy()
        first = stop - 1 if choices.method == "raw" else layers.start
        found.append(
            AttentionMaps(
                names=choices.names,
                maps=(maps - own).unflatten(2, backbone.grid).cpu().numpy(),
                prefix_share=result[:, :, :prefix].sum(dim=2).cpu().numpy(),
                own_share=own.sum(dim=2).cpu().numpy(),
                xy=xy,
                confidence=confidence,
                settings={
                    **choices.described(),
                    "layers": [first, stop],
                    "start": start,
                    **_described(model),
                },
                total=total.cpu().numpy(),
                stayed=there,
            )
        )
    return found


#: What maps start from (B, M, N), rows (B, M, N) for each end, the start in words, the output, and
#: what stayed of the rows of the last end.
_Found = tuple[Tensor, Sequence[Tensor], dict[str, str], Tensor, Tensor | None]


def _by_attention(
    model: KeypointModel, images: Tensor, choices: Choices, ends: Sequence[int], stayed: bool
) -> Generator[tuple[int, int], None, _Found]:
    """Rows of rollout or raw attention. One step: the workspace is not to be left in the middle."""
    network, first = model.network, choices.layers.start
    blocks = network.backbone.blocks[first : choices.layers.stop]
    with torch.inference_mode(), borrowed_workspace(network) as workspace:
        with capture_fused(blocks, choices.head_fusion, choices.head, workspace) as fused:
            output = network(model.to_images(images))
        rows, start = start_rows(network, output, choices.names, points=choices.points)
        results = []
        for stop in ends:
            if choices.method == "raw":
                results.append(rows @ discard_lowest(fused[stop - 1 - first], choices.discard))
            else:
                results.append(rollout_rows(fused[: stop - first], rows, choices.discard))
        left = None
        if stayed and choices.method == "raw":
            left = torch.zeros_like(results[-1])
        elif stayed:
            left = stayed_rows(fused, rows, choices.discard)
    yield from ()
    return rows, results, start, output, left


def _by_gradients(
    model: KeypointModel, images: Tensor, choices: Choices, ends: Sequence[int], stayed: bool
) -> Generator[tuple[int, int], None, _Found]:
    """Rows of gradient rollout or relevance, a step for each block on the way back."""
    network, layers = model.network, choices.layers
    passed = ScorePass(network, model.to_images(images), layers.start)
    rows, start = start_rows(network, passed.output, choices.names, together=True)
    left: list[Tensor] = []
    steps = gradient_rows(
        passed,
        rows,
        choices.names,
        layers,
        ends,
        method=choices.method,
        fusion=choices.head_fusion,
        head=choices.head,
        discard=choices.discard,
        stayed=left if stayed else None,
    )
    total = len(network.backbone.blocks) - layers.start
    while True:
        try:
            done = next(steps)
        except StopIteration as end:
            kept = torch.stack(left, dim=1) if stayed else None
            return rows, end.value, start, passed.output, kept
        yield done, total


def _by_blanking(
    model: KeypointModel, images: Tensor, choices: Choices, blanks: Blanks
) -> Generator[tuple[int, int], None, AttentionMaps]:
    """Maps by occlusion or superpixels, a step for each batch or order."""
    network = model.network
    with torch.inference_mode():
        output = network(model.to_images(images))
    xy, confidence = model.finish(output)
    every, described = yield from perturbation_maps(
        model, images, xy, confidence, choices.method, blanks
    )
    maps = np.stack(
        [
            every.mean(axis=1) if name == GLOBAL else every[:, network.keypoints.index(name)]
            for name in choices.names
        ],
        axis=1,
    )
    own = np.zeros_like(maps)
    if choices.hide_self:
        rows, _ = start_rows(network, output, choices.names)
        hidden = own_patches(rows, choices.names, network.backbone.num_prefix_tokens)
        own = maps * hidden.unflatten(2, network.backbone.grid).cpu().numpy()
    return AttentionMaps(
        names=choices.names,
        maps=maps - own,
        prefix_share=np.zeros(maps.shape[:2], dtype=np.float32),
        own_share=own.sum(axis=(2, 3)),
        xy=xy,
        confidence=confidence,
        settings={**choices.described(), **described, **_described(model)},
        total=np.ones(maps.shape[:2], dtype=np.float32),
    )


def _described(model: KeypointModel) -> dict[str, Any]:
    blocks = model.network.backbone.blocks
    attention: Any = attention_of(blocks[0])
    return {
        "depth": len(blocks),
        "heads": int(attention.num_heads),
        "precision": model.precision,
        "model": model.name,
    }


def _last(steps: Generator[Any, None, Result]) -> Result:
    """What a generator returns when it has been gone through."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
