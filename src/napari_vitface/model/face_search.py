"""Where in a picture the face is: where a model is sure, over time, of one as large as it knows.

A model that learned faces of one size finds those that are half or one and a half times as large
too, and is less sure of them. So it looks at windows on a few scales, and then again at the part of
the frame in which the points that it found would lie where those of its training do.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.model.calibration import calibrate

if TYPE_CHECKING:
    from napari_vitface.model.predictor import KeypointModel
    from napari_vitface.model.preprocessing import Preprocessing, View

Crop = tuple[int, int, int, int]

#: Widths of the windows in parts of the whole frame's, and in how many frames they are looked at.
#: Faces from half to 1.3 times as large as in training are found, so that one of them fits from an
#: eighth of the frame on. A finer scale is looked at only if the coarser ones have no face.
_LEVELS = ((0.6, 2), (0.36, 2), (0.22, 1))
#: Neighbouring windows begin so far apart, in parts of their size.
_STRIDE = 0.45
#: Windows that are looked at again, nearer and in all frames.
_STARTS = 2
#: Looks at the likeliest part until it stays where it is.
_ROUNDS = 2
#: Parts narrower than this share of the model's input hold too little to see.
_NARROWEST = 0.2
#: Parts of the frame that share this much of both together are the same.
_SAME = 0.75
#: So much less sure may a model be where the face is as large as in training: it is right there by
#: pixels that it does not see in a smaller face, of which it may be as sure.
_ALIKE = 0.05
#: Share of the confidence that calibration allows at most from which on, less what the pose
#: deviates from that of training, it is a face. Confidence was 0.9 on faces of the right size, and
#: at most 0.31 in every window of footage without one.
_FACE = 0.5
#: Where the model's file does not say where the points of its training lay, they are taken to fill
#: this part of the input's height and width.
_EXTENT = 0.55


@dataclass(frozen=True)
class Face:
    """Where `find_face` found the face.

    Attributes
    ----------
    crop : (x, y, w, h) or None
        The part of the frame to look at, in video pixels. None: what the model looks at without
        being told, because the face is as large as in training there, or there is none.
    found : bool
        Whether the model is sure enough that this is a face.
    confidence : float
        Mean of the keypoints' there, or, if nothing was found, in the likeliest place; median over
        the frames.
    usual : float
        The same for what the model looks at without being told.
    seen : int
        Images that went through the model.
    """

    crop: Crop | None
    found: bool
    confidence: float
    usual: float
    seen: int


@dataclass(frozen=True)
class _Look:
    """A part of the frame as the model sees it.

    `score` is the confidence less what the pose deviates from that of training, and `better` the
    part in which the pose would lie as in training.
    """

    crop: Crop
    confidence: float
    score: float
    better: Crop


def find_face(
    frames: Sequence[NDArray[Any]], model: KeypointModel, *, white: int | None = None
) -> Generator[tuple[int, int], None, Face]:
    """Find the part of the frame in which a model is sure of a face as large as in training.

    Yields the number of images that it has seen and the most that there can be, at first and after
    each pass.

    Parameters
    ----------
    frames : sequence of (H, W) or (H, W, 3) arrays
        Some frames of one video, spread over it.
    model : KeypointModel
        Its confidence has to say something: not one with a regression head.
    white : int, optional
        See `napari_vitface.video.scale_image`.
    """
    eye = _Eye(frames, model, white)
    everything = range(len(frames))
    levels = [(eye.windows(scale), _spread(len(frames), count)) for scale, count in _LEVELS]
    most = sum(len(windows) * len(some) for windows, some in levels)
    most += (1 + _STARTS * len(levels) + _ROUNDS) * len(frames)

    def look(crop: Crop, some: Sequence[int]) -> Generator[tuple[int, int], None, _Look]:
        found = eye.look(crop, some)
        yield eye.seen, most
        return found

    yield 0, most
    usual = best = yield from look(eye.usual, everything)
    for windows, some in levels:
        if best.score >= eye.enough:
            break
        looks: list[_Look] = []
        for window in windows:
            looks.append((yield from look(window, some)))
        for start in _distinct(looks):
            nearer = yield from look(start.better, everything)
            best = max(best, nearer, key=lambda one: one.score)
            if best.score >= eye.enough:
                break
    for _ in range(_ROUNDS):
        if _overlap(best.better, best.crop) >= _SAME:
            break
        nearer = yield from look(best.better, everything)
        if nearer.score < min(best.score, max(eye.enough, best.score - _ALIKE)):
            break
        best = nearer
    if best.score < eye.enough:
        return Face(None, False, best.confidence, usual.confidence, eye.seen)
    if _overlap(best.crop, usual.crop) >= _SAME:
        # What another crop could win is less than what the search is exact to.
        return Face(None, True, usual.confidence, usual.confidence, eye.seen)
    return Face(best.crop, True, best.confidence, usual.confidence, eye.seen)


class _Eye:
    """Shows parts of some frames to a model."""

    def __init__(
        self, frames: Sequence[NDArray[Any]], model: KeypointModel, white: int | None
    ) -> None:
        self._frames = frames
        self._model = model
        self._white = white
        self._size = frames[0].shape[0], frames[0].shape[1]
        self.seen = 0
        #: What the model looks at without being told.
        self.usual = usual_view(model.preprocessing, self._size).crop
        #: Confidence from which on there is a face.
        most = calibrate(np.ones(len(model.keypoints), np.float32), model.calibration)
        self.enough = _FACE * float(most.mean())
        pose = _training_pose(model)
        #: Where the points lay in training, seen from either side; input pixels.
        self._poses = []
        if pose is not None:
            mirrored = pose.copy()
            mirrored[:, 0] = model.preprocessing.input_size[1] - 1 - pose[:, 0]
            self._poses = [pose, mirrored]

    def windows(self, scale: float) -> list[Crop]:
        """Overlapping parts of the frame; none where they would be too small to see."""
        height, width = self._model.preprocessing.input_size
        across = scale * max(self._size[1], self._size[0] * width / height)
        if across < _NARROWEST * width:
            return []
        w, h = self._fitting(across, across * height / width)
        return [(x, y, w, h) for y in _places(self._size[0], h) for x in _places(self._size[1], w)]

    def look(self, crop: Crop, some: Sequence[int]) -> _Look:
        """See a part of some of the frames."""
        from napari_vitface.video import scale_image

        view = self._model.preprocessing.with_crop(crop).view(self._size)
        images = [scale_image(self._frames[i], view.scale, white=self._white) for i in some]
        xy, sure = self._model.predict(view.pad(np.stack(images)))
        self.seen += len(images)
        confidence = float(np.median(sure.mean(axis=1)))
        factor, shift, deviation = self._fit(xy.astype(np.float64), sure.astype(np.float64))
        height, width = self._model.preprocessing.input_size
        corners = np.array([[0, 0], [width, height]]) - 0.5
        left_top, right_bottom = view.to_frame(factor * corners + shift)
        w, h = self._fitting(*(right_bottom - left_top))
        middle = (left_top + right_bottom + 1) / 2
        x, y = np.clip(np.round(middle - [w / 2, h / 2]), 0, [self._size[1] - w, self._size[0] - h])
        better = (int(x), int(y), w, h)
        return _Look(crop, confidence, confidence * max(0.0, 1 - deviation), better)

    def _fitting(self, w: float, h: float) -> tuple[int, int]:
        """Width and height as whole pixels that the frame has, and not too few."""
        height, width = self._model.preprocessing.input_size
        grown = max(1.0, _NARROWEST * width / w, _NARROWEST * height / h)
        return (
            min(self._size[1], max(1, round(w * grown))),
            min(self._size[0], max(1, round(h * grown))),
        )

    def _fit(
        self, xy: NDArray[np.float64], sure: NDArray[np.float64]
    ) -> tuple[float, NDArray[np.float64], float]:
        """Factor and shift (x, y) from the pose of training to the points (N, K, 2) of all frames.

        The third value is how far the points deviate from it, in parts of the pose's size: by being
        another pose, and by moving about. Points of which the model is surer weigh more.
        """
        height, width = self._model.preprocessing.input_size
        weights = sure**2 + 1e-12
        if not self._poses:
            middle, size = _extent(xy, weights / weights.sum())
            factor = size / (_EXTENT * float(np.hypot(height, width)) / np.sqrt(12))
            return factor, middle - factor * (np.array([width, height]) - 1) / 2, 0.0
        fits = []
        for pose in self._poses:
            known = np.isfinite(pose).all(axis=1)
            points, target = xy[:, known], np.broadcast_to(pose[known], xy[:, known].shape)
            share = weights[:, known] / weights[:, known].sum()
            middle, size = _extent(points, share)
            its_middle, its_size = _extent(target, share)
            factor = size / max(its_size, 1e-6)
            shift = middle - factor * its_middle
            square = ((points - factor * target - shift) ** 2).sum(axis=-1)
            fits.append((factor, shift, float(np.sqrt((share * square).sum())) / max(size, 1e-6)))
        return min(fits, key=lambda fit: fit[2])


def usual_view(preprocessing: Preprocessing, frame_size: tuple[int, int]) -> View:
    """What a model looks at in frames (H, W) without being told: its own crop if that fits."""
    try:
        return preprocessing.view(frame_size)
    except VitFaceError:
        return preprocessing.with_crop(None).view(frame_size)


def _training_pose(model: KeypointModel) -> NDArray[np.float64] | None:
    """Where the points of training lay in the model's input; None if the checkpoint does not say.

    NaN for keypoints that no training frame had.
    """
    training = model.training
    pose, size = training.get("mean_pose"), training.get("mean_pose_frame_size")
    if pose is None or size is None:
        return None
    try:
        view = model.preprocessing.view((size[0], size[1]))
    except VitFaceError:
        return None
    found = view.to_input(np.array(pose, dtype=np.float64))
    return found if np.isfinite(found).all(axis=1).sum() > 1 else None


def _extent(
    points: NDArray[np.float64], share: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Middle (x, y) of weighted points and their mean distance (root of squares) from it."""
    middle = (share[..., None] * points).sum(axis=(0, 1))
    return middle, float(np.sqrt((share * ((points - middle) ** 2).sum(axis=-1)).sum()))


def _places(length: int, part: int) -> list[int]:
    """Where parts of an axis begin so that they overlap and reach both ends."""
    count = int(np.ceil((length - part) / (_STRIDE * part) - 1e-9)) + 1
    return [round(place) for place in np.linspace(0, length - part, count)]


def _spread(total: int, count: int) -> list[int]:
    """Some of the frames, away from the ends."""
    return sorted({int((i + 0.5) * total / count) for i in range(count)})


def _distinct(looks: list[_Look]) -> list[_Look]:
    """The best looks that lead to different places."""
    chosen: list[_Look] = []
    for look in sorted(looks, key=lambda one: -one.score):
        if len(chosen) == _STARTS:
            break
        if all(_overlap(look.better, other.better) < 0.5 for other in chosen):
            chosen.append(look)
    return chosen


def _overlap(a: Crop, b: Crop) -> float:
    """Common area of two crops over that of both together."""
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    down = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    common = max(0, across) * max(0, down)
    return common / (a[2] * a[3] + b[2] * b[3] - common)
