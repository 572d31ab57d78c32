"""The pupil: the ellipse of what is seen of it in the region of the eye, and blinks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VideoError, VitFaceError
from napari_vitface.kinematics.bouts import lasting
from napari_vitface.settings.traces import DRAW_EYE, EYE
from napari_vitface.steps import Steps
from napari_vitface.traces.ellipse import NONE, ROW, axes, distance, ellipse_of, placed
from napari_vitface.traces.measure import (
    Column,
    Kept,
    MeasureOfFrames,
    Rectangle,
    TraceMaterial,
    within,
)
from napari_vitface.traces.motion import sums
from napari_vitface.video.scale import Scale

if TYPE_CHECKING:
    from napari_vitface.settings.traces import Pupil
    from napari_vitface.states.features.crop import FixedCrop
    from napari_vitface.states.features.extractor import Layout, Pictures

#: (B, h, w) pictures of the eye to (B, 6) ellipses in their pixels.
Finder = Callable[[NDArray[np.uint8]], NDArray[np.float32]]

#: About the keypoints of the eye, as shares of their extent on each side.
_MARGIN = 0.25
#: Share of the region that a pupil covers at most.
_LARGEST = 0.6
#: Where a picture shows what is found, and what is just outside of it, as distances of its ellipse.
_INSIDE, _OUTSIDE = 0.7, (1.1, 1.4)
#: Rows or columns that are looked at for this.
_SAMPLED = 40
#: What is found may be all of a black eye where just outside of it there is no iris, because that
#: is nearer to the brightness of the skin than to that inside; and is, where it covers half of what
#: lies between the eye's keypoints. A pupil is rarely as large, and then its iris is dark.
_NEARER = _HALF = 0.5
#: Frames that a level of grey is found from.
_TRIED = 20
#: Thresholds are taken of pictures of about this many rows or columns.
_SIDE = 80

COLUMNS = [
    Column("pupil area", "px²"),
    Column("pupil x", "px"),
    Column("pupil y", "px"),
    Column("pupil longer axis", "px"),
    Column("pupil shorter axis", "px"),
    Column("pupil angle", "°"),
    Column("pupil confidence"),
    Column("pupil blink"),
]


def pupil(kind: Pupil, material: TraceMaterial) -> PupilTraces:
    """The measure of the eye of a video."""
    return PupilTraces(kind, material)


class PupilTraces(MeasureOfFrames):
    """Traces of the pupil, which are missing during blinks unless these are interpolated."""

    def __init__(self, kind: Pupil, material: TraceMaterial) -> None:
        self._eye = None if EYE in material.regions else _eye_of(material, kind.sure)
        self.rectangles = [eye_region(material, kind.sure)]
        self.columns = COLUMNS
        self._kind = kind
        self._material = material
        self._values = np.empty((0, len(COLUMNS)), np.float32)

    def extractor(self, window: FixedCrop) -> PupilExtractor:
        rectangle = self.rectangles[0]
        if self._kind.pupil == "segmentation":
            finder = segmented()
        else:
            finder = thresholded(_level(self._kind, self._material, rectangle))
        return PupilExtractor(finder, rectangle, window)

    def prepare(self, kept: Kept) -> Steps[None]:
        yield "Finding blinks"
        rows = kept.read(0, kept.count)
        no_iris = self._without_iris(rows)
        black = no_iris and self._covers_eye(rows)
        name = self._material.video.path.name
        if black:
            self.notices = [
                f"The eye in {name} is dark from lid to lid and from corner to corner: the pupil "
                "cannot be told from it and is missing. Say where the eye is "
                f"{DRAW_EYE} to measure it all the same."
            ]
            rows[np.isfinite(rows[:, 5]), :6] = NONE
        elif no_iris and self._eye is None:
            self.notices = [
                f"About what was found in {name} there is no iris to be seen: it may be all of a "
                "dark eye. Look at the ellipses on the video before you trust the traces."
            ]
        blink = blinks(rows[:, 5], self._kind.pupil_sure)
        rows[blink, :5] = np.nan
        if self._kind.across_blinks > 0:
            self._interpolate(rows, blink)
        longer, shorter, angle = axes(rows)
        known = np.where(np.isnan(rows[:, 5]) | black, np.nan, blink)
        area = np.pi / 4 * longer * shorter
        shown = (area, rows[:, 0], rows[:, 1], longer, shorter, angle, rows[:, 5], known)
        self._values = np.stack(shown, axis=1).astype(np.float32)

    def rows(self, kept: Kept, start: int, stop: int) -> NDArray[np.float32]:
        return self._values[start:stop]

    def _without_iris(self, rows: NDArray[np.float32]) -> bool:
        """Whether just outside of what is found the picture is as bright as the skin."""
        sure = rows[rows[:, 5] >= self._kind.pupil_sure, 6]
        sure = sure[np.isfinite(sure)]
        return bool(len(sure)) and bool(np.median(sure) > _NEARER)

    def _covers_eye(self, rows: NDArray[np.float32]) -> bool:
        """Whether what is found is most of the eye, as far as keypoints say."""
        if self._eye is None:
            return False
        low, high = self._eye
        longer, shorter, _ = axes(rows[rows[:, 5] >= self._kind.pupil_sure])
        return bool(np.median(longer * shorter) > _HALF * np.prod(np.maximum(high - low, 1)))

    def _interpolate(self, rows: NDArray[np.float32], blink: NDArray[np.bool_]) -> None:
        times = self._material.times
        if len(times) > 1 and times[-1] <= times[0]:
            raise VitFaceError(
                f"{self._material.video.path.name} has no times, so blinks cannot be interpolated "
                "by their seconds; make a video with a frame rate of it."
            )
        there = np.flatnonzero(np.isfinite(rows[:, 0]))
        between = zip(there[:-1].tolist(), there[1:].tolist(), strict=True)
        for before, after in between:
            inside = slice(before + 1, after)
            if blink[inside].any() and times[after] - times[before] <= self._kind.across_blinks:
                share = (times[inside] - times[before]) / (times[after] - times[before])
                step = rows[after, :5] - rows[before, :5]
                rows[inside, :5] = rows[before, :5] + share[:, None] * step


class PupilExtractor:
    """Keeps of each frame the ellipse, a row of `napari_vitface.traces.ellipse`, and a contrast."""

    before = False

    def __init__(self, finder: Finder, rectangle: Rectangle, window: FixedCrop) -> None:
        self.scale: Scale | None = Scale(None, window.size, grey=True)
        self.columns: tuple[str, ...] = (*ROW, "outside")
        self.about: Layout = {}
        self._find = finder
        self._corner = rectangle[:2]
        self._place = within(window, rectangle)

    def __call__(self, pictures: Pictures) -> NDArray[np.float32]:
        rows, columns = self._place
        eyes = pictures.images[:, rows, columns]
        found = self._find(eyes)
        area = 4 * np.pi * np.sqrt(found[:, 2] * found[:, 3] - found[:, 4] ** 2)
        # What fills the region is the dark, or a lid.
        found[area > _LARGEST * eyes[0].size] = NONE
        outside = [_outside(image, row) for image, row in zip(eyes, found, strict=True)]
        return np.column_stack([placed(found, (1, 1), self._corner), outside]).astype(np.float32)


def _outside(image: NDArray[np.uint8], row: NDArray[np.float32]) -> float:
    """How bright it is just outside of an ellipse: 0 as inside of it, 1 as the skin in its region.

    NaN where there is no ellipse, or nothing outside of it.
    """
    if not np.isfinite(row[0]):
        return np.nan
    # Every so many pixels are enough for medians.
    step = max(1, min(image.shape) // _SAMPLED)
    image, row = image[::step, ::step], placed(row[None], (1 / step, 1 / step), (0, 0))[0]
    away = distance(row, image.shape)
    low, high = _OUTSIDE
    inside, outside = image[away < _INSIDE], image[(away > low) & (away < high)]
    if not inside.size or not outside.size:
        return np.nan
    dark, bright = float(np.median(inside)), float(np.percentile(image, 90))
    return (float(np.median(outside)) - dark) / max(bright - dark, 1.0)


def segmented() -> Finder:
    """Ellipses by the bundled network (`napari_vitface.model.pupil_network`)."""
    from napari_vitface.model.pupil_network import INPUT, PupilModel

    model = PupilModel.load()

    def find(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows = np.stack([ellipse_of(share) for share in model(images)])
        height, width = images.shape[1:]
        return placed(rows, (width / INPUT[1], height / INPUT[0]), (0, 0))

    return find


def thresholded(level: float | None) -> Finder:
    """Ellipses of what is darker than a level; than one of each picture itself if that is None."""
    from napari_vitface.traces.dark_pupil import darker, level_of, without_reflections

    def find(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        small, bin_ = _binned(images)
        clean = [without_reflections(image) for image in small]
        rows = [ellipse_of(darker(each, level or level_of([each]))) for each in clean]
        return placed(np.stack(rows), (bin_, bin_), (0, 0))

    return find


def blinks(confidence: NDArray[np.float32], sure: float) -> NDArray[np.bool_]:
    """Frames of too little confidence, and the one before and behind, whose lids are moving."""
    closed = lasting(confidence < sure, shortest=1, gap=2)
    wide = closed.copy()
    wide[1:] |= closed[:-1]
    wide[:-1] |= closed[1:]
    return wide


def eye_region(material: TraceMaterial, sure: float) -> Rectangle:
    """The region named `EYE`, or else about the median keypoints of the eye.

    Raises
    ------
    VitFaceError
        There is neither.
    """
    if EYE in material.regions:
        return material.regions[EYE]
    low, high = _eye_of(material, sure)
    side = np.maximum(high - low, 1)
    # Lids nearly meet in some tables: a region that is too flat would cut the pupil.
    side[1] = max(side[1], side[0] / 2)
    middle, half = (low + high) / 2, side * (0.5 + _MARGIN)
    size = np.array([material.video.shape[2], material.video.shape[1]])
    first = np.clip(np.floor(middle - half), 0, size - 2).astype(int)
    last = np.clip(np.ceil(middle + half), first + 2, size).astype(int)
    return int(first[0]), int(first[1]), int(last[0] - first[0]), int(last[1] - first[1])


def _eye_of(
    material: TraceMaterial, sure: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the greatest x and y of the median keypoints of the eye."""
    assert material.poses is not None
    names = [name for role, found in material.roles.items() if role[:4] == "eye-" for name in found]
    poses = material.poses
    rows = slice(material.frames.start, material.frames.stop)
    places = [poses.keypoints.index(name) for name in names]
    xy = poses.xy[rows, places].astype(np.float64)
    xy[poses.confidence[rows, places] < sure] = np.nan
    seen = [each[np.isfinite(each).all(axis=1)] for each in np.moveaxis(xy, 1, 0)]
    middles = [np.median(each, axis=0) for each in seen if len(each)]
    if len(middles) < 3:
        raise VitFaceError(
            f"The pupil of {material.video.path.name} is looked for in the region of the eye, and "
            "its predictions have fewer than three keypoints of that (say which they are with "
            f"--role eye-front=NAME); say where the eye is {DRAW_EYE}."
        )
    return np.min(middles, axis=0), np.max(middles, axis=0)


def _level(kind: Pupil, material: TraceMaterial, rectangle: Rectangle) -> float:
    """The level that was said, or one found in frames spread over the video."""
    from napari_vitface.traces.dark_pupil import level_of, without_reflections

    if kind.darker is not None:
        return kind.darker
    frames = material.frames
    numbers = np.unique(np.linspace(frames.start, frames.stop - 1, _TRIED).astype(int)).tolist()
    scale = Scale(rectangle, (rectangle[3], rectangle[2]), grey=True)
    pictures = material.video.frames(numbers, scale=scale)
    seen = [image for _, image in pictures if image is not None]
    if not seen:
        raise VideoError(f"No frame of {material.video.path.name} can be decoded.")
    return level_of(map(without_reflections, _binned(np.stack(seen))[0]))


def _binned(images: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """(B, h, w) pictures averaged in squares, and the side of these."""
    bin_ = max(1, min(images.shape[1:]) // _SIDE)
    height, width = (side // bin_ * bin_ for side in images.shape[1:])
    return (sums(images[:, :height, :width], bin_) / bin_**2).astype(np.uint8), bin_
