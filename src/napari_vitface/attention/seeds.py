"""Seed tokens: what each map starts from, the tokens that the head reads to place a keypoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from napari_vitface.errors import VitFaceError
from napari_vitface.model.heatmap_decoding import heatmap_mass
from napari_vitface.model.network import KeypointNetwork

#: The map that no keypoint explains: the class token's row.
GLOBAL = "global"

Points = Mapping[str, tuple[float, float]]


def seed_rows(
    network: KeypointNetwork,
    output: Tensor,
    names: Sequence[str],
    *,
    points: Points | None = None,
    together: bool = False,
) -> tuple[Tensor, dict[str, str]]:
    """The seed tokens that each map starts from, and what they are.

    Parameters
    ----------
    network : KeypointNetwork
    output : (B, K, h, w) or (B, K, 2) tensor
        Of the network.
    names : sequence of str
        Keypoints, ``"global"``, or names of `points`.
    points : mapping of str to (x, y)
        Input pixels; such a map starts from the patch there.
    together : bool
        Start ``"global"`` from the heatmaps of all keypoints instead of the class token.

    Returns
    -------
    rows : (B, M, N) tensor
        Rows sum to 1.
    start : dict
        For ``"keypoint"``, ``"global"`` and ``"point"``, as far as they are wanted: in words.
    """
    backbone = network.backbone
    prefix, patches = backbone.num_prefix_tokens, backbone.grid[0] * backbone.grid[1]
    points = points or {}
    rows = torch.zeros(len(output), len(names), prefix + patches, device=output.device)
    start = {}
    keypoints = [m for m, name in enumerate(names) if name in network.keypoints.names]
    if keypoints and network.heatmap_size is None:
        token = backbone.class_token
        rows[:, keypoints] = _token_row(token, prefix, patches).to(rows)
        start["keypoint"] = f"{_token_name(token)}, the same for all keypoints"
    elif keypoints:
        places = [network.keypoints.index(names[m]) for m in keypoints]
        mass = heatmap_mass(output[:, places], backbone.grid)
        rows[:, keypoints, prefix:] = mass.flatten(2)
        start["keypoint"] = "the share of its heatmap in each patch"
    if GLOBAL in names and together:
        mass = heatmap_mass(output, backbone.grid)
        rows[:, names.index(GLOBAL), prefix:] = mass.flatten(2).mean(dim=1)
        start[GLOBAL] = "the heatmaps of all keypoints"
    elif GLOBAL in names:
        token = backbone.class_token
        rows[:, names.index(GLOBAL)] = _token_row(token, prefix, patches).to(rows)
        start[GLOBAL] = _token_name(token)
    for m, name in enumerate(names):
        if name in points:
            rows[:, m, prefix + _patch_at(points[name], network, name)] = 1
            start["point"] = "the patch at the point"
    return rows, start


def own_patches(rows: Tensor, names: Sequence[str], prefix: int) -> Tensor:
    """How far each patch is a map's own, (B, M, patches) in [0, 1].

    The patch that holds most of what the map starts from counts in full, the others by their share
    of that. The global map has no patches of its own.
    """
    begin = rows[:, :, prefix:]
    strongest = begin.amax(dim=2, keepdim=True).clamp(min=1e-12)
    explained = torch.tensor([name != GLOBAL for name in names], device=rows.device)
    return (begin / strongest) * explained[:, None]


def _patch_at(point: tuple[float, float], network: KeypointNetwork, name: str) -> int:
    (height, width), (rows, columns) = network.input_size, network.backbone.grid
    # Pixel centres are whole numbers: the first pixel reaches from -0.5 to 0.5.
    column = int((point[0] + 0.5) * columns // width)
    row = int((point[1] + 0.5) * rows // height)
    if not (0 <= row < rows and 0 <= column < columns):
        raise VitFaceError(
            f"The point {name} lies outside of what the model sees; choose one inside."
        )
    return row * columns + column


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
