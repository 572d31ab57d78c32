"""Traces of keypoints, which are found by their role in the face and not by their name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.kinematics.bouts import lasting, movement_bouts
from napari_vitface.kinematics.traces import Trace
from napari_vitface.kinematics.whisking import envelope_and_phase
from napari_vitface.traces.measure import Column, Kept, MeasureOfFrames, TraceMaterial
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.pose.table import PoseTable
    from napari_vitface.settings.traces import Bouts, Eye, Mouth, Nose, Whiskers

Series = dict[Column, NDArray[Any]]


class KeypointTraces(MeasureOfFrames):
    """Traces that are known from the positions of keypoints alone."""

    def __init__(self, series: Series) -> None:
        self.columns = list(series)
        self._values = np.stack([np.asarray(each, np.float32) for each in series.values()], axis=1)

    def rows(self, kept: Kept, start: int, stop: int) -> NDArray[np.float32]:
        return self._values[start:stop]


def eye(kind: Eye, material: TraceMaterial) -> KeypointTraces:
    """Opening of the eye: its height by its length, and where it is closed."""
    points = _Points(material, kind.sure)
    top, bottom, front, back = (
        points.one(role, kind.title) for role in ("eye-top", "eye-bottom", "eye-front", "eye-back")
    )
    across = Trace("distance", (bottom, top)), Trace("distance", (back, front))
    height, length = (each.values(points.table) for each in across)
    opening = np.divide(height, length, out=np.full(len(height), np.nan), where=length > 0)
    there = np.isfinite(opening)
    usual = np.median(opening[there]) if there.any() else np.nan
    closed = lasting(there & (opening < kind.closed * usual), shortest=1, gap=1)
    blink = np.where(there | closed, closed, np.nan)
    return KeypointTraces({Column("eye opening"): opening, Column("eye blink"): blink})


def whiskers(kind: Whiskers, material: TraceMaterial) -> KeypointTraces:
    """Midpoint and angle of the whisker pad; envelope and phase of whisking."""
    points = _Points(material, kind.sure)
    xy = points.several("whisker", kind.title, least=2)
    middle = xy.mean(axis=1)
    angle = _unwrapped(Trace("direction", ("first", "last")).measure(xy[:, [0, -1]]))
    try:
        envelope, phase = envelope_and_phase(angle, points.rate, kind.band_low, kind.band_high)
    except ValueError as error:
        raise VitFaceError(
            f"Whisking in {material.video.path.name} cannot be measured: {error}; choose another "
            "band (--band-low, --band-high)."
        ) from error
    return KeypointTraces(
        {
            Column("whisker pad x", "px"): middle[:, 0],
            Column("whisker pad y", "px"): middle[:, 1],
            Column("whisker angle", "°"): angle,
            Column("whisking envelope", "°"): envelope,
            Column("whisking phase", "°"): phase,
        },
    )


def nose(kind: Nose, material: TraceMaterial) -> KeypointTraces:
    """Where the nose is, and how fast it moves."""
    return _moving("nose", kind.title, _Points(material, kind.sure))


def mouth(kind: Mouth, material: TraceMaterial) -> KeypointTraces:
    """Where the mouth is, and how fast it moves."""
    return _moving("mouth", kind.title, _Points(material, kind.sure))


def bouts(kind: Bouts, material: TraceMaterial) -> KeypointTraces:
    """Bouts of movement of the mouth (licking) and of paws, else the whole face (grooming)."""
    points = _Points(material, kind.sure)
    licking = points.speed(points.several("mouth", kind.title))
    paws = points.roles["paw"] or points.table.keypoints.names
    grooming = points.speed(points.of(paws))
    series = {}
    for name, speed in (("licking", licking), ("grooming", grooming)):
        series[Column(f"{name} bout")] = movement_bouts(
            speed, points.rate, above=kind.above, shortest=kind.shortest, gap=kind.pause
        )
    return KeypointTraces(series)


class _Points:
    """Keypoints of the frames that are measured, those of little confidence left out."""

    def __init__(self, material: TraceMaterial, sure: float) -> None:
        assert material.poses is not None
        self.material = material
        self.roles = material.roles
        poses = material.poses
        rows = slice(material.frames.start, material.frames.stop)
        xy = poses.xy[rows].astype(np.float32)
        xy[poses.confidence[rows] < sure] = np.nan
        self.table: PoseTable = type(poses)(
            poses.keypoints, xy, poses.confidence[rows], poses.state[rows], poses.frames[rows]
        )
        self.times = material.times
        if len(self.times) < 2 or self.times[-1] <= self.times[0]:
            raise VitFaceError(
                f"{material.video.path.name} has no times, which these traces need; make a video "
                "with a frame rate of it."
            )
        self.rate = float(1 / np.median(np.diff(self.times)))

    def one(self, role: str, title: str) -> str:
        """Name of the keypoint of a role."""
        return self._named(role, title, 1)[0]

    def several(self, role: str, title: str, least: int = 1) -> NDArray[np.float32]:
        """(N, n, 2) positions of the keypoints of a role."""
        return self.of(self._named(role, title, least))

    def of(self, names: Sequence[str]) -> NDArray[np.float32]:
        """(N, n, 2) positions of keypoints."""
        columns = [self.table.keypoints.index(name) for name in names]
        found: NDArray[np.float32] = self.table.xy[:, columns]
        return found

    def speed(self, xy: NDArray[np.float32]) -> NDArray[np.float64]:
        """(N,) mean speed of those of (N, n, 2) positions that are known, in px/s."""
        steps = np.hypot(*np.moveaxis(np.diff(xy.astype(np.float64), axis=0), -1, 0))
        known = np.isfinite(steps)
        total = np.where(known, steps, 0).sum(axis=1)
        mean = np.divide(total, known.sum(axis=1), out=np.full(len(steps), np.nan),
                         where=known.any(axis=1))  # fmt: skip
        between = np.diff(self.times)
        found = np.divide(mean, between, out=np.full(len(mean), np.nan), where=between > 0)
        return np.concatenate([[np.nan], found])

    def _named(self, role: str, title: str, least: int) -> tuple[str, ...]:
        names = self.roles[role]
        if len(names) < least:
            known = ", ".join(self.table.keypoints.names)
            raise VitFaceError(
                f"{title} needs {'a keypoint' if least == 1 else counted(least, 'keypoint')} of "
                f"the role {role} (say which with --role {role}=NAME), and the predictions of "
                f"{self.material.video.path.name} name none; there is {known}."
            )
        return names


def _moving(role: str, title: str, points: _Points) -> KeypointTraces:
    xy = points.several(role, title)
    middle = xy.mean(axis=1)
    return KeypointTraces(
        {
            Column(f"{role} x", "px"): middle[:, 0],
            Column(f"{role} y", "px"): middle[:, 1],
            Column(f"{role} speed", "px/s"): points.speed(xy),
        },
    )


def _unwrapped(angle: NDArray[np.float32]) -> NDArray[np.float64]:
    """An angle in degrees without jumps of a whole turn; NaN where it is."""
    result = angle.astype(np.float64)
    there = np.isfinite(result)
    result[there] = np.unwrap(result[there], period=360)
    return result
