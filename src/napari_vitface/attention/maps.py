"""Attention maps of keypoints: one forward pass, one map a keypoint on the patch grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_vitface.attention.capture import capture_attention
from napari_vitface.attention.rollout import HEAD_FUSIONS, discard_lowest, fuse_heads, rollout_rows
from napari_vitface.errors import VitFaceError
from napari_vitface.model.decoding import heatmap_mass
from napari_vitface.model.heads import RegressionHead
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.predictor import KeypointModel
from napari_vitface.model.probe import attention_of

METHODS = ("rollout", "raw")
#: The map that no keypoint explains: the class token's row.
GLOBAL = "global"


@dataclass(frozen=True)
class AttentionMaps:
    """Attention of B images, M maps each.

    Attributes
    ----------
    names : tuple of str
        What each map explains: a keypoint or ``"global"``.
    maps : (B, M, gh, gw) float32
        Weights on the patch grid.
    prefix_share : (B, M) float32
        Weight taken by prefix tokens (class token, registers). For rollout, and for raw attention
        fused by mean without discard, map, prefix share and own share together sum to 1.
    own_share : (B, M) float32
        Weight of the keypoint's own patches that `hide_self` took out of the map; 0 without it.
    xy : (B, K, 2) float32
        Keypoints of the same forward pass, input pixels.
    confidence : (B, K) float32
    settings : dict
        Exactly what was computed, for labels and files.
    """

    names: tuple[str, ...]
    maps: NDArray[np.float32]
    prefix_share: NDArray[np.float32]
    own_share: NDArray[np.float32]
    xy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    settings: dict[str, Any] = field(default_factory=dict)


def attention_maps(
    model: KeypointModel,
    canvas: NDArray[np.uint8] | Tensor,
    *,
    keypoints: str | Sequence[str] = "all",
    method: str = "rollout",
    layers: str | int | tuple[int | None, int | None] | None = None,
    head_fusion: str = "mean",
    head: int | None = None,
    discard: float = 0.0,
    hide_self: bool = False,
) -> AttentionMaps:
    """Where the network looked to place each keypoint.

    A heatmap head reads patch tokens, so keypoint k starts from the share of its heatmap that
    lies in each patch. A regression head reads the class token (or the mean of the patches) for
    all keypoints at once, so all its maps are the same, and `settings["start"]` says so. The
    ``"global"`` map starts from the class token, or from the mean of the patches where there is
    none.

    Parameters
    ----------
    model : KeypointModel
    canvas : (B, C, H, W) uint8
        Model inputs, from `View.pad`.
    keypoints : str or sequence of str
        ``"all"`` (each keypoint, then ``"global"``), ``"global"``, or names of keypoints.
    method : {"rollout", "raw"}
        Rollout over a range of layers, or the attention weights of one layer.
    layers : optional
        ``"A:B"`` or (A, B): blocks A to B - 1, counted from 0, negative from the end; for
        ``"raw"`` the number of one block. Default: all, and the last one for ``"raw"``.
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

    Raises
    ------
    VitFaceError
        An argument does not fit the model; one sentence.
    """
    network = model.network
    names = _names(keypoints, network)
    chosen = resolve_layers(layers, len(network.backbone.blocks), method)
    _check(method, head_fusion, head, discard, network)
    images = torch.as_tensor(canvas)
    blocks = network.backbone.blocks[chosen.start : chosen.stop]
    with (
        torch.inference_mode(),
        capture_attention(blocks, lambda weights: fuse_heads(weights, head_fusion, head)) as fused,
    ):
        output = network(model.to_images(images))
        rows, start = start_rows(network, output, names)
        if method == "rollout":
            result = rollout_rows(fused, rows, discard)
        else:
            result = rows @ discard_lowest(fused[0], discard)
        xy, confidence = model.finish(output)
    prefix = network.backbone.num_prefix_tokens
    own = torch.zeros_like(result[:, :, prefix:])
    if hide_self:
        begin = rows[:, :, prefix:]
        strongest = begin.amax(dim=2, keepdim=True).clamp(min=1e-12)
        explained = torch.tensor([name != GLOBAL for name in names], device=own.device)
        own = result[:, :, prefix:] * ((begin / strongest) * explained[:, None])
    maps = result[:, :, prefix:] - own
    return AttentionMaps(
        names=names,
        maps=maps.unflatten(2, network.backbone.grid).cpu().numpy(),
        prefix_share=result[:, :, :prefix].sum(dim=2).cpu().numpy(),
        own_share=own.sum(dim=2).cpu().numpy(),
        xy=xy,
        confidence=confidence,
        settings={
            "method": method,
            "layers": [chosen.start, chosen.stop],
            "head_fusion": head_fusion if head is None else f"head {head}",
            "discard": discard,
            "hide_self": hide_self,
            "start": start,
            "precision": model.precision,
            "model": model.name,
        },
    )


def start_rows(
    network: KeypointNetwork, output: Tensor, names: Sequence[str]
) -> tuple[Tensor, dict[str, str]]:
    """The tokens that each map starts from, (B, M, N) with rows summing to 1, and what they are."""
    backbone = network.backbone
    prefix, patches = backbone.num_prefix_tokens, backbone.grid[0] * backbone.grid[1]
    rows = torch.zeros(len(output), len(names), prefix + patches, device=output.device)
    start = {}
    explained = [m for m, name in enumerate(names) if name != GLOBAL]
    if explained and isinstance(network.head, RegressionHead):
        token = network.head.class_token
        rows[:, explained] = _token_row(token, prefix, patches).to(rows)
        start["keypoint"] = f"{_token_name(token)}, the same for all keypoints"
    elif explained:
        places = [network.keypoints.index(names[m]) for m in explained]
        rows[:, explained, prefix:] = heatmap_mass(output[:, places], backbone.grid).flatten(2)
        start["keypoint"] = "the share of its heatmap in each patch"
    if GLOBAL in names:
        token = backbone.class_token
        rows[:, names.index(GLOBAL)] = _token_row(token, prefix, patches).to(rows)
        start[GLOBAL] = _token_name(token)
    return rows, start


def _token_row(token: int | None, prefix: int, patches: int) -> Tensor:
    """(N,): all weight on one prefix token, or spread evenly over the patches."""
    row = torch.zeros(prefix + patches)
    if token is None:
        row[prefix:] = 1 / patches
    else:
        row[token] = 1
    return row


def _token_name(token: int | None) -> str:
    return "the mean of all patches" if token is None else "the class token"


def resolve_layers(
    layers: str | int | tuple[int | None, int | None] | None, count: int, method: str
) -> range:
    """Blocks as a range within 0..count, from what the user gave; see `attention_maps`.

    Raises
    ------
    VitFaceError
        It is no range of blocks of a model with `count` of them.
    """
    try:
        if layers is None:
            first, stop = (None, None) if method == "rollout" else (count - 1, count)
        elif isinstance(layers, str):
            parts = [int(part) if part.strip() else None for part in layers.split(":")]
            if len(parts) == 1 and parts[0] is not None:
                first, stop = parts[0], parts[0] + 1 or None
            else:
                first, stop = parts
        elif isinstance(layers, int):
            first, stop = layers, layers + 1 or None
        else:
            first, stop = layers
        for bound in (first, stop):
            if bound is not None and not -count <= bound <= count:
                raise ValueError
        chosen = range(*slice(first, stop).indices(count))
    except (ValueError, TypeError):
        chosen = range(0)
    if not len(chosen):
        raise VitFaceError(
            f"Layers {layers!r} are no range of the model's {count} blocks; give A:B with "
            f"0 <= A < B <= {count}."
        )
    if method == "raw" and len(chosen) != 1:
        raise VitFaceError(
            f"Raw attention is of one layer, and {layers!r} are {len(chosen)}; give one number "
            f"from 0 to {count - 1}."
        )
    return chosen


def _names(keypoints: str | Sequence[str], network: KeypointNetwork) -> tuple[str, ...]:
    known = network.keypoints.names
    if isinstance(keypoints, str):
        if keypoints == "all":
            return (*known, GLOBAL)
        keypoints = (keypoints,)
    unknown = [name for name in keypoints if name != GLOBAL and name not in known]
    if unknown or not keypoints:
        raise VitFaceError(
            f"The model has no keypoint {', '.join(map(repr, unknown)) or 'of no name'}; choose "
            f"all, global, or from: {', '.join(known)}."
        )
    return tuple(keypoints)


def _check(
    method: str, head_fusion: str, head: int | None, discard: float, network: KeypointNetwork
) -> None:
    if method not in METHODS:
        raise VitFaceError(
            f"There is no attention method {method!r}; choose {' or '.join(METHODS)}."
        )
    if head_fusion not in HEAD_FUSIONS:
        raise VitFaceError(
            f"Heads cannot be fused by {head_fusion!r}; choose {', '.join(HEAD_FUSIONS)}."
        )
    if not 0 <= discard < 1:
        raise VitFaceError(f"The discard ratio must be at least 0 and below 1, not {discard}.")
    if head is not None:
        attention: Any = attention_of(network.backbone.blocks[0])
        heads = int(attention.num_heads)
        if not 0 <= head < heads:
            raise VitFaceError(f"The model has heads 0 to {heads - 1}, not {head}.")
