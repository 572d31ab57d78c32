"""Numbers for each frame and keypoint that another part of the window measured, to be plotted with
the trajectories."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from psygnal import Signal

from napari_vitface.kinematics import Trace

if TYPE_CHECKING:
    from napari_vitface.gui.session import OpenVideo, Session
    from napari_vitface.pose.table import PoseTable


@dataclass(frozen=True, eq=False)
class MeasuredTrace(Trace):
    """A trace that holds its own values; two of them are never the same.

    Attributes
    ----------
    kind : str
        Key of the panel that it belongs to.
    samples : (T,) float32
        One for each frame of the video; NaN where nothing was measured.
    of : str
        Unit.
    """

    samples: NDArray[np.float32] | None = None
    of: str = ""

    def __post_init__(self) -> None:
        """Any kind will do."""

    @property
    def label(self) -> str:
        return self.name

    def unit(self, timed: bool = True) -> str:
        return self.of

    def fits(self, table: PoseTable) -> bool:
        return self.samples is not None and len(self.samples) == len(table)

    def values(
        self,
        table: PoseTable,
        start: int = 0,
        stop: int | None = None,
        times: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float32]:
        assert self.samples is not None
        return np.ascontiguousarray(self.samples[start:stop])

    def measure(self, xy: ArrayLike) -> NDArray[np.float32]:
        """Nothing: positions alone do not say it."""
        return np.full(len(np.asarray(xy)), np.nan, np.float32)


class MeasuredTraces:
    """What was measured of the videos of a session, by panel."""

    #: There are other traces.
    changed = Signal()

    def __init__(self, session: Session) -> None:
        self._session = weakref.ref(session)
        self._traces: weakref.WeakKeyDictionary[OpenVideo, dict[str, list[MeasuredTrace]]] = (
            weakref.WeakKeyDictionary()
        )
        self._elsewhere: weakref.WeakKeyDictionary[OpenVideo, dict[int, str]] = (
            weakref.WeakKeyDictionary()
        )

    def put(
        self, opened: OpenVideo, traces: Iterable[MeasuredTrace], elsewhere: Mapping[int, str]
    ) -> None:
        """Have these plotted of a video, in place of those of the same panels.

        Parameters
        ----------
        elsewhere : mapping of int to str
            Frames in which a keypoint is tracked while the network looks elsewhere, and which
            keypoints these are.
        """
        self._elsewhere[opened] = dict(elsewhere)
        panels: dict[str, list[MeasuredTrace]] = {}
        for trace in traces:
            panels.setdefault(trace.kind, []).append(trace)
        self._traces.setdefault(opened, {}).update(panels)
        self.changed.emit()

    @property
    def panels(self) -> set[str]:
        """Keys of the panels for which the current video has traces."""
        return set(self._current())

    @property
    def elsewhere(self) -> dict[int, str]:
        """Frames of the current video in which a keypoint is looked for elsewhere, and which."""
        session = self._session()
        if session is None or session.current is None:
            return {}
        return self._elsewhere.get(session.current, {})

    def of(self, panel: str, keypoints: Sequence[str]) -> list[MeasuredTrace]:
        """The traces of the current video in a panel, for some keypoints, in their order."""
        traces = {trace.keypoints[0]: trace for trace in self._current().get(panel, [])}
        return [traces[name] for name in keypoints if name in traces]

    def _current(self) -> dict[str, list[MeasuredTrace]]:
        session = self._session()
        if session is None or session.current is None:
            return {}
        return self._traces.get(session.current, {})


_measured: weakref.WeakKeyDictionary[Session, MeasuredTraces] = weakref.WeakKeyDictionary()


def measured_traces(session: Session) -> MeasuredTraces:
    """The measured traces of a session."""
    found = _measured.get(session)
    if found is None:
        found = _measured[session] = MeasuredTraces(session)
    return found
