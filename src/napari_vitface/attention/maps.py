"""Attention maps of keypoints: one map a keypoint on the patch grid, by any of the methods."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_vitface.attention.blanking import Area
from napari_vitface.attention.choices import Choices, Compute, Found, resolve
from napari_vitface.attention.seeds import Points, own_patches, seed_rows
from napari_vitface.errors import VitFaceError
from napari_vitface.model.predictor import KeypointModel
from napari_vitface.model.probe import attention_of
from napari_vitface.settings.attention import DEFAULT, choose
from napari_vitface.settings.attention_method import AttentionMethod, LayeredMethod, MapSettings
from napari_vitface.settings.option import Value
from napari_vitface.steps import result_of


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
    settings : MapSettings
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
    total: NDArray[np.float32]
    settings: MapSettings
    stayed: NDArray[np.float32] | None = None


def attention_maps(
    model: KeypointModel, canvas: NDArray[np.uint8] | Tensor, **asked: Any
) -> AttentionMaps:
    """Where the network looked to place each keypoint; see `attention_steps`."""
    return result_of(attention_steps(model, canvas, **asked))[0]


def attention_steps(
    model: KeypointModel,
    canvas: NDArray[np.uint8] | Tensor,
    *,
    keypoints: str | Sequence[str] = "all",
    points: Points | None = None,
    method: str | AttentionMethod = DEFAULT,
    story: bool = False,
    stayed: bool = False,
    area: Area | None = None,
    pixel: tuple[float, float] = (1.0, 1.0),
    **settings: Value,
) -> Generator[tuple[int, int], None, list[AttentionMaps]]:
    """Where the network looked to place each keypoint, in steps.

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
        Further maps, by name, that start from any place: input pixels. Not for every method.
    method : str or AttentionMethod
        One of `napari_vitface.settings.attention.methods`.
    story : bool
        Give the maps after each layer of a range, first to last, from one pass through the
        network. With layers A to B - 1, they are those of A alone, of A and A + 1, and so on to all
        of them: what had been gathered by then in the patches that hold the keypoint. Raw attention
        is each layer's own.
    stayed : bool
        The last maps tell which part of them no attention moved.
    area : (top, left, height, width), optional
        The part of the input that shows the frame; the rest is padding and is never blanked.
    pixel : (x, y) float
        Video pixels an input pixel, the unit of distances.
    **settings
        Of a method that is given by its name: the fields of its class.

    Yields
    ------
    (done, total) : int
        After each step, where there are several.

    Returns
    -------
    list of AttentionMaps
        One, or with `story` one a layer.

    Raises
    ------
    VitFaceError
        An argument does not fit the model; one sentence.
    """
    asked = resolve(
        model.network,
        choose(method, settings) if isinstance(method, str) else method,
        keypoints=keypoints,
        points=points,
        story=story,
        stayed=stayed,
        area=area,
        pixel=pixel,
    )
    compute: Compute = asked.how.load()
    try:
        answer = compute(model, torch.as_tensor(canvas), asked)
        found = (yield from answer) if isinstance(answer, Generator) else answer
    except ImportError as error:
        if asked.how.requires is None:
            raise
        library, extra = asked.how.requires
        raise VitFaceError(
            f"The method {asked.how.name} needs the library {library}, which is not installed; "
            f"install napari-vitface[{extra}], or choose another method."
        ) from error
    return _maps_of(model, asked, found)


def _maps_of(
    model: KeypointModel, asked: Choices[AttentionMethod], found: Found
) -> list[AttentionMaps]:
    """What a method found, on the patch grid: without prefix tokens, own patches out if hidden."""
    backbone = model.network.backbone
    patches = backbone.grid[0] * backbone.grid[1]
    xy, confidence = model.finish(found.output)
    own: Tensor | None = None
    if asked.how.hide_self:
        rows = found.rows
        if rows is None:
            rows, _ = seed_rows(model.network, found.output, asked.names)
        own = own_patches(rows, asked.names, backbone.num_prefix_tokens)

    def on_grid(values: Tensor) -> NDArray[np.float32]:
        return values.unflatten(2, backbone.grid).cpu().numpy()

    every = []
    for index, (end, result) in enumerate(zip(asked.ends, found.maps, strict=True)):
        maps = result[:, :, -patches:]
        hidden = torch.zeros_like(maps) if own is None else maps * own.to(maps)
        total = torch.ones_like(maps[:, :, 0]) if found.total is None else found.total[index]
        stayed: NDArray[np.float32] | None = None
        if found.stayed is not None and end == asked.ends[-1]:
            kept = found.stayed[:, :, -patches:]
            stayed = on_grid(kept if own is None else kept * (1 - own))
        settings: MapSettings = {**asked.how.described(), **_described(model)}
        if isinstance(asked.how, LayeredMethod):
            first = end - 1 if asked.how.one_layer else asked.layers.start
            settings["layers"], settings["start"] = [first, end], dict(found.start)
        every.append(
            AttentionMaps(
                names=asked.names,
                maps=on_grid(maps - hidden),
                prefix_share=result[:, :, :-patches].sum(dim=2).cpu().numpy(),
                own_share=hidden.sum(dim=2).cpu().numpy(),
                xy=xy,
                confidence=confidence,
                settings=settings,
                total=total.cpu().numpy(),
                stayed=stayed,
            )
        )
    return every


def _described(model: KeypointModel) -> MapSettings:
    blocks = model.network.backbone.blocks
    attention: Any = attention_of(blocks[0])
    return {
        "depth": len(blocks),
        "heads": int(attention.num_heads),
        "precision": model.precision,
        "model": model.name,
    }
