"""From poses and attention maps to what napari layers hold: arrays in, arrays out, no window.

napari orders coordinates (y, x); pose tables order them (x, y). Both put integer coordinates on
pixel centres, so nothing is shifted here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.gui.shown_pose import ShownPose
from napari_vitface.jobs.events import AttentionComputed
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PointState

#: What an attention map can explain besides a keypoint's name.
GLOBAL = "global"
ALL_KEYPOINTS = "all"

#: A point of confidence 0 is still to be seen, faintly.
_FAINTEST = 0.12

#: Where napari keeps what is not drawn: the corner, which no mouse pointer is exactly on.
_NOWHERE = -0.5

#: Shape, relative diameter and width of the ring of a point, by what it is.
_LOOKS = {
    PointState.ABSENT: ("disc", 1.0, 0.0),
    PointState.PREDICTED: ("disc", 1.0, 0.0),
    PointState.LABELLED: ("disc", 1.25, 0.22),
    PointState.OCCLUDED: ("x", 1.25, 0.1),
}


@dataclass(frozen=True)
class PointRows:
    """The K rows of the Points layer for one frame; row k is keypoint k.

    How a point looks says what it is, by shape and not by colour alone: a disc that fades with
    confidence is a prediction, a larger full disc in a white ring was placed by a person, and a
    cross is where a person thinks that a hidden point is.

    Attributes
    ----------
    positions : (K, 2) float64
        y, x in video pixels; the frame's corner for a keypoint that the frame does not have.
    shown : (K,) bool
        Whether the frame has the keypoint.
    colours : (K, 4) float32
        Red, green, blue of the keypoint and alpha of its confidence.
    confidence : (K,) float32
    states : tuple of str
        "absent", "predicted", "labelled" or "occluded".
    symbols : tuple of str
        napari's names of the shapes.
    scale : (K,) float32
        Diameter, as a multiple of a prediction's; 0 for a keypoint that the frame does not have,
        as napari draws the points of a two-dimensional layer whether they are shown or not.
    ring : (K,) float32
        Width of the white ring as a share of the diameter.
    """

    positions: NDArray[np.float64]
    shown: NDArray[np.bool_]
    colours: NDArray[np.float32]
    confidence: NDArray[np.float32]
    states: tuple[str, ...]
    symbols: tuple[str, ...]
    scale: NDArray[np.float32]
    ring: NDArray[np.float32]

    @property
    def borders(self) -> NDArray[np.float32]:
        """(K, 4) colours of the rings: white, or nothing where there is no point.

        napari draws the smoothed edge of a ring of no width.
        """
        borders = np.ones((len(self.shown), 4), np.float32)
        borders[:, 3] = self.shown
        return borders


def point_rows(pose: ShownPose) -> PointRows:
    """The Points rows of the frame on screen."""
    shown = pose.drawn
    positions = np.where(shown[:, None], pose.xy[:, ::-1], _NOWHERE)
    colours = keypoint_colours(pose.keypoints)
    # What a person placed is not a guess: no fading.
    certain = np.where(pose.said, np.float32(1.0), pose.confidence)
    colours[:, 3] = np.where(shown, _FAINTEST + (1.0 - _FAINTEST) * certain, 0.0)
    looks = [_LOOKS[PointState(int(value))] for value in pose.state]
    return PointRows(
        positions,
        shown,
        colours,
        pose.confidence,
        tuple(PointState(int(value)).name.lower() for value in pose.state),
        tuple(symbol for symbol, _, _ in looks),
        np.array([scale for _, scale, _ in looks], np.float32) * shown,
        np.array([ring for _, _, ring in looks], np.float32) * shown,
    )


def keypoint_colours(keypoints: KeypointSet) -> NDArray[np.float32]:
    """(K, 4) opaque colours of the keypoints, 0 to 1."""
    colours = np.ones((len(keypoints), 4), np.float32)
    for k, text in enumerate(keypoints.colours):
        colours[k, :3] = [int(text[i : i + 2], 16) / 255.0 for i in (1, 3, 5)]
    return colours


def skeleton_vectors(
    rows: PointRows, keypoints: KeypointSet
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The skeleton of one frame for a Vectors layer.

    Returns
    -------
    vectors : (E, 2, 2) float32
        Start (y, x) and direction of each edge whose two keypoints are there.
    colours : (E, 4) float32
        White, as faint as the fainter end.
    """
    edges = [(a, b) for a, b in keypoints.edges() if rows.shown[a] and rows.shown[b]]
    vectors = np.zeros((len(edges), 2, 2), np.float32)
    colours = np.ones((len(edges), 4), np.float32)
    for row, (a, b) in enumerate(edges):
        vectors[row] = rows.positions[a], rows.positions[b] - rows.positions[a]
        colours[row, 3] = 0.8 * min(rows.colours[a, 3], rows.colours[b, 3])
    return vectors, colours


def point_size(frame_size: tuple[int, int]) -> float:
    """Diameter of a point in video pixels that suits a frame of (height, width)."""
    return max(3.0, 0.014 * float(np.hypot(*frame_size)))


#: Units of maps: shares of a whole, and how far a keypoint moves.
EVEN = "times an even spread"
PIXELS = "px"


@dataclass(frozen=True)
class AttentionPicture:
    """One attention map as an Image layer takes it.

    Attributes
    ----------
    data : (gh, gw) float32
        For shares, a multiple of an even spread over the grid: 1 is what every patch would get if
        the network looked everywhere alike.
    scale, translate : (y, x) float
        Of the layer, in video pixels.
    prefix_share : float
        Share of attention that went to class token and registers, which have no place to draw.
    unit : str
        What the numbers of `data` are, to be read after a number.
    """

    data: NDArray[np.float32]
    scale: tuple[float, float]
    translate: tuple[float, float]
    prefix_share: float
    unit: str = EVEN


def attention_rows(computed: AttentionComputed, target: str | tuple[str, ...]) -> list[int]:
    """Which of the maps belong to `target`: a name in ``computed.names``, several, or ``"all"``.

    Raises
    ------
    KeyError
        If there is no such map.
    """
    if target == ALL_KEYPOINTS:
        return [i for i, name in enumerate(computed.names) if name != GLOBAL]
    wanted = (target,) if isinstance(target, str) else target
    if missing := [name for name in wanted if name not in computed.names]:
        there = ", ".join(computed.names)
        raise KeyError(f"no attention map of {', '.join(missing)}; there are: {there}")
    return [computed.names.index(name) for name in wanted]


def attention_picture(
    computed: AttentionComputed, target: str | tuple[str, ...]
) -> AttentionPicture:
    """The map of `target`, the mean of the maps where it names several; see `attention_rows`."""
    rows = attention_rows(computed, target)
    data = computed.maps[rows].mean(axis=0)
    share = float(computed.prefix_share[rows].mean())
    said = computed.settings.get("unit")
    unit = EVEN if said is None else PIXELS if "pixels" in said else str(said)
    return AttentionPicture(
        np.ascontiguousarray(data, np.float32) * np.float32(data.size if unit == EVEN else 1),
        (float(computed.scale[0]), float(computed.scale[1])),
        (float(computed.translate[0]), float(computed.translate[1])),
        share,
        unit,
    )


def colour_limit(picture: AttentionPicture) -> float:
    """A round upper colour limit for maps like this one, to be kept for all frames."""
    peak = float(np.nanmax(picture.data, initial=0.0))
    if not np.isfinite(peak) or peak <= 0.0:
        return 1.0
    step = 10.0 ** np.floor(np.log10(peak)) / 2.0
    return float(np.ceil(peak / step) * step)
