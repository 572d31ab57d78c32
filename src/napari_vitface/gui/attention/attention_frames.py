"""Attention over many frames: the mean map, numbers as data, and a video; with progress, one at a
time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.gui.attention.attention_settings import MapKey, map_key
from napari_vitface.gui.attention.colours import attention_colormap
from napari_vitface.gui.job_run import JobRun, Runner
from napari_vitface.gui.open_video import on_video
from napari_vitface.gui.trajectories.measured_traces import MeasuredTrace
from napari_vitface.jobs.events import AttentionComputed, AttentionMeasured, Event, Finished
from napari_vitface.jobs.results.attention import AttentionDataResult

if TYPE_CHECKING:
    from napari_vitface.gui.attention.follower import AttentionFollower
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.overlays import Overlays
    from napari_vitface.gui.session import Session

_JOBS = {
    "mean": "explain_frames",
    "measure": "attention_data",
    "video": "attention_video",
}

#: Panels of the Trajectories dock and the numbers that they show.
_PANELS = {"near": "near", "spread": "entropy", "tokens": "prefix"}
_UNITS = {"near": "of attention", "spread": "", "tokens": "of attention"}


@dataclass(kw_only=True)
class FramesRun(JobRun):
    """One run over many frames.

    Attributes
    ----------
    what : str
        "mean", "measure" or "video".
    key : MapKey
        How maps are computed.
    frames : range
    parts : list of AttentionMeasured
        What was measured so far.
    """

    what: str
    opened: OpenVideo
    key: MapKey
    frames: range
    parts: list[AttentionMeasured] = field(default_factory=list)


@dataclass
class Measured:
    """Attention of a video in numbers.

    Attributes
    ----------
    key : MapKey
        How the maps were computed.
    frames : range
        What was asked for.
    parts : list of AttentionMeasured
        In the order of the frames.
    result : AttentionDataResult or None
        Of the job, once it is over; None if it was cancelled.
    """

    opened: OpenVideo
    key: MapKey
    frames: range
    parts: list[AttentionMeasured] = field(default_factory=list)
    result: AttentionDataResult | None = None

    @property
    def count(self) -> int:
        """Frames that were measured."""
        return sum(len(part.frames) for part in self.parts)

    def save(self, path: Path) -> None:
        """Write the numbers as CSV, as the command ``attention`` does."""
        from napari_vitface.jobs.explaining.attention_table import DataTable

        with DataTable(path) as table:
            for part in self.parts:
                table.write(part)

    def elsewhere(self) -> dict[int, str]:
        """Frames in which the network looks elsewhere for a keypoint, and for which."""
        from napari_vitface.jobs.explaining.attention_table import looked_for_elsewhere

        return {
            frame: f"{', '.join(names)}: tracked while looking elsewhere"
            for part in self.parts
            for frame, names in looked_for_elsewhere(part).items()
        }

    def traces(self, length: int) -> list[MeasuredTrace]:
        """What is plotted for a video of `length` frames.

        Between measured frames the last one is held, so that every tenth gives a line, too.
        """
        if not self.parts:
            return []
        frames = np.concatenate([part.frames for part in self.parts])
        order = np.argsort(frames, kind="stable")
        frames = frames[order]
        every = np.arange(length)
        row = np.searchsorted(frames, every, side="right") - 1
        near = (row >= 0) & (every - frames[np.maximum(row, 0)] < self.frames.step)
        traces = []
        for panel, attribute in _PANELS.items():
            values = np.concatenate([getattr(part, attribute) for part in self.parts])[order]
            for column, name in enumerate(self.parts[0].names):
                samples = np.full(length, np.nan, np.float32)
                samples[near] = values[row[near], column]
                label = f"{name} attention {attribute}"
                traces.append(
                    MeasuredTrace(panel, (name,), label, samples=samples, of=_UNITS[panel])  # type: ignore[arg-type]
                )
        return traces


class AttentionFrames(Runner[FramesRun]):
    """Runs the jobs on many frames for a session."""

    def __init__(self, session: Session, follower: AttentionFollower, overlays: Overlays) -> None:
        super().__init__(session)
        self._follower = follower
        self._overlays = overlays
        #: What was measured last.
        self.measured: Measured | None = None

    # ----------------------------------------------------------------- what can be asked for

    def mean(self, frames: range) -> None:
        """Compute the mean map over frames and show it."""
        self._start("mean", frames, {"average": True}, self._on_mean)

    def measure(self, frames: range) -> None:
        """Measure the attention of all keypoints over frames; plot it as it is there."""
        self._start("measure", frames, {}, self._on_measured, everything=True)

    def video(self, frames: range, output: Path, caption: str) -> None:
        """Write the frames with the chosen map over each, in the colours of the canvas."""
        overlays, target = self._overlays, self._follower.settings.target
        shown = self._follower.status == "shown"
        arguments: dict[str, object] = {
            "output": output,
            "keypoint": target if isinstance(target, str) else list(target),
            "colours": colour_table(overlays.attention_colours),
            "opacity": overlays.attention_opacity,
            "limit": self._follower.limit if shown else None,
            "caption": caption,
        }

        def on_event(_: FramesRun, event: Event) -> bool:
            if isinstance(event, Finished):
                self._session.tell(f"Wrote {output}.")
            return False

        self._start("video", frames, arguments, on_event)

    # ----------------------------------------------------------------- what comes

    @on_video
    def _start(
        self,
        opened: OpenVideo,
        what: str,
        frames: range,
        more: dict[str, object],
        on_event: Callable[[FramesRun, Event], bool],
        *,
        everything: bool = False,
    ) -> None:
        if self.active or not len(frames):
            return
        key = map_key(self._session, opened, self._follower.settings, everything=everything)
        run = FramesRun(what=what, opened=opened, key=key, frames=frames)
        arguments = {**key.common(), "keypoint": key.keypoint, "frames": frames, **more}
        self.begin(run, _JOBS[what], arguments, lambda event: on_event(run, event))

    def _on_mean(self, run: FramesRun, event: Event) -> bool:
        if isinstance(event, AttentionComputed):
            if run.opened is self._session.current and self._follower.enabled:
                self._follower.show_mean(run.key, event)
            return True
        return False

    def _on_measured(self, run: FramesRun, event: Event) -> bool:
        if isinstance(event, AttentionMeasured):
            run.parts.append(event)
            return True
        if not run.active and run.parts:
            result = run.result if isinstance(run.result, AttentionDataResult) else None
            measured = Measured(run.opened, run.key, run.frames, run.parts, result)
            self.measured = measured
            length = len(run.opened.video)
            self._session.put_traces(run.opened, measured.traces(length), measured.elsewhere())
        return False


def colour_table(name: str) -> NDArray[np.float32]:
    """A colour map of the canvas as (N, 4) numbers."""
    return np.asarray(attention_colormap(name).colors, np.float32)
