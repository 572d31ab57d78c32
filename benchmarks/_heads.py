"""Heads of real mice in other laboratories, cut out as faces are filmed.

Of the four head-fixed mice of Direct Emotional Response Videos (Caldarelli, Papini, Pizzorusso,
Mazziotti 2025, doi:10.5281/zenodo.17661945, MIT), whose heads are 55 pixels wide, eye and nose tip
were placed by hand in 24 frames at 15 times their size (`der_faces.csv`); nothing else of the face
is told apart there. The model that ships learnt from two of these mice, and the others judge.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.io import imread
from skimage.util import img_as_ubyte

from benchmarks._real_recording import DATA
from napari_vitface.pose.keypoints import MOUSE_FACE
from napari_vitface.project.label_reading import read_labels
from napari_vitface.video import open_video

Floats = NDArray[np.float64]

DER = DATA / "der"
MIRROR = DATA / "mirror_mouse_labels"
TAUGHT = ("ECO_3_000_M", "ECO_4_RR0_F")
JUDGING = ("ECO_4_RRR_F", "ECO_5_0RR_F")
HAND_PLACED = Path(__file__).parent / "der_faces.csv"
SIZE = (288, 384)
_FRONT, _BACK, _TIP = (MOUSE_FACE.index(name) for name in ("eye front", "eye back", "nose tip"))
#: Frames of each clip of a taught mouse that have the mean of its points, for the head is fixed.
_FURTHER = (5, 20, 60, 85)
#: Width of the eye of the mouse in the mirror, in pixels of its video, measured on one frame.
_MIRROR_EYE = 10.0


class Picture(NamedTuple):
    """A grey picture and its keypoints (12, 2) in pixels, NaN where nobody can tell.

    Values are 0 to 255, of frames as float. `eye` is the width of the eye.
    """

    image: NDArray[Any]
    xy: Floats
    eye: float


def eye_width(xy: Floats) -> float:
    """From its front to its back corner."""
    return float(np.linalg.norm(xy[_FRONT] - xy[_BACK]))


def judging_heads() -> Iterator[Picture]:
    """Frames of the mice that judge, at four places and sizes each, every other one mirrored."""
    rng = np.random.default_rng(0)
    for frame in _placed(JUDGING):
        for side in range(4):
            yield _cut_out(frame, _window(frame.xy, rng), mirrored=side % 2 == 1)


def taught_heads() -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Pictures and points (12, 2) of the mice that the model that ships learnt from."""
    rng = np.random.default_rng(7)
    for mouse in TAUGHT:
        placed = list(_placed((mouse,)))
        mean = placed[0]._replace(xy=np.mean([frame.xy for frame in placed], axis=0))
        frames = [frame for frame in placed for _ in range(6)]
        for clip in sorted(DER.glob(f"{mouse}_*.mp4")):
            frames += [mean._replace(image=_grey(clip, number)) for number in _FURTHER]
        for frame in frames:
            for mirrored in (False, True):
                picture = _cut_out(frame, _window(frame.xy, rng), mirrored=mirrored)
                yield picture.image, picture.xy.astype(np.float32)


def mirror_heads() -> Iterator[Picture]:
    """The head of the mouse in a mirror, of which the nose tip was labelled by Lightning Pose."""
    labels = read_labels(MIRROR)
    nose = labels.keypoints.index("nose_top")
    rng = np.random.default_rng(5)
    for path, placed in zip(labels.images, labels.xy, strict=True):
        xy = np.full((len(MOUSE_FACE), 2), np.nan)
        x, y = xy[_TIP] = placed[nose]
        image = img_as_ubyte(imread(path, as_gray=True)).astype(np.float64)
        # Below 200 pixels there is the mirror.
        frame = Picture(image[:200], xy, _MIRROR_EYE)
        for side in range(2):
            width = rng.uniform(80, 140)
            left = x + rng.uniform(4, 18) - width
            window = left, rng.uniform(0, max(0.1, min(4, y))), width
            yield _cut_out(frame, window, mirrored=side == 1)


def _placed(mice: Collection[str]) -> Iterator[Picture]:
    """Frames with points placed by hand."""
    frames: dict[tuple[str, int], Floats] = defaultdict(lambda: np.full((12, 2), np.nan))
    with HAND_PLACED.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["clip"].startswith(tuple(mice)):
                points = frames[row["clip"], int(row["frame"])]
                points[MOUSE_FACE.index(row["keypoint"])] = float(row["x"]), float(row["y"])
    for (clip, frame), xy in frames.items():
        yield Picture(_grey(DER / clip, frame), xy, eye_width(xy))


def _grey(clip: Path, frame: int) -> Floats:
    with open_video(clip) as video:
        image = np.asarray(video[frame], dtype=np.float64)
    return image if image.ndim == 2 else image.mean(axis=-1)


def _window(xy: Floats, rng: np.random.Generator) -> tuple[float, float, float]:
    """Left, top and width of a piece about eye and nose.

    The whole face is to be in the picture, of which only eye and nose are known.
    """
    low, high = np.nanmin(xy, axis=0), np.nanmax(xy, axis=0)
    width = rng.uniform(46, 80)
    height = 0.75 * width
    left = rng.uniform(max(0, high[0] + 12 - width), max(1, low[0] - 3))
    return left, rng.uniform(max(0, high[1] + 12 - height), low[1] - 4), width


def _cut_out(frame: Picture, window: tuple[float, float, float], *, mirrored: bool) -> Picture:
    """A piece of a frame, enlarged, with points and lengths in its pixels."""
    left, top, width = window
    scale = SIZE[1] / width
    x, y = np.meshgrid(
        left + (np.arange(SIZE[1]) + 0.5) / scale - 0.5,
        top + (np.arange(SIZE[0]) + 0.5) / scale - 0.5,
    )
    grey = ndimage.map_coordinates(frame.image, [y, x], order=3, mode="nearest")
    points = (frame.xy + 0.5 - (left, top)) * scale - 0.5
    if mirrored:
        grey = grey[:, ::-1]
        points[:, 0] = SIZE[1] - 1 - points[:, 0]
    enlarged = np.clip(grey, 0, 255).round().astype(np.uint8)
    return Picture(enlarged, points, frame.eye * scale)
