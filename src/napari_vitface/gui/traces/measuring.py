"""Traces as the window measures and shows them: of the video on screen, or as a list's job.

Knows napari's viewer model through the session, but no widget and no Qt.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_vitface.events.event_labels import PALETTE
from napari_vitface.formats.trace_table import ENDINGS, TraceTable, read_traces
from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.job_run import VideoRun, VideoRunner
from napari_vitface.gui.open_video import on_video
from napari_vitface.gui.traces.measured import NOTHING, Measured
from napari_vitface.gui.trajectories.measured_traces import MeasuredTrace
from napari_vitface.gui.trajectories.panel_kinds import COMPONENTS, PANEL_OF_UNIT
from napari_vitface.jobs.events import Event, Finished
from napari_vitface.jobs.outputs import output_path
from napari_vitface.jobs.results.traces import TracesResult
from napari_vitface.settings.traces import DEFAULT, EYE, TRACES

if TYPE_CHECKING:
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.session import Session
    from napari_vitface.gui.video_list.items import Item

#: Components of each region that are plotted; the table has all of them.
_PLOTTED = 6


class TraceMeasuring:
    """What the Traces section calls and shows.

    Attributes
    ----------
    runner : VideoRunner
    kinds : tuple of str
        What is measured.
    settings : mapping
        Of these kinds.
    table : "csv" or "parquet"
        Form of the table.
    nwb : bool
        Whether the traces are written as NWB too.
    """

    #: Another table of traces is shown, or none.
    shown = Signal()
    #: Something else is to be measured.
    chosen = Signal()

    def __init__(self, session: Session) -> None:
        self._session = session
        self.runner: VideoRunner[VideoRun] = VideoRunner(session)
        self.kinds: tuple[str, ...] = (DEFAULT,)
        self.settings: Mapping[str, Any] = {}
        self.table = "csv"
        self.nwb = False
        session.video_changed.connect(self._on_video)

    @property
    def measured(self) -> Measured:
        """What is shown of the video on screen."""
        return self._session.made.measured

    def choose(self, kinds: tuple[str, ...], settings: Mapping[str, Any]) -> None:
        """Measure these kinds the next time."""
        self.kinds, self.settings = kinds, settings
        self.chosen.emit()

    def write_as(self, table: str, *, nwb: bool) -> None:
        """Write these files the next time."""
        self.table, self.nwb = table, nwb
        self.chosen.emit()

    @on_video
    def take_times(self, opened: OpenVideo, triggers: Path | None) -> None:
        """Take the times of frames of the video on screen from its triggers; None: its file's."""
        opened.triggers = triggers
        self.chosen.emit()

    @property
    def needs_poses(self) -> bool:
        """Whether keypoints of the video on screen are to be predicted before."""
        needs = {need for name in self.kinds for need in TRACES[name].needs}
        drawn = EYE in self._session.made.regions
        return "poses" in needs or ("eye" in needs and not drawn)

    @on_video
    def measure(self, opened: OpenVideo) -> None:
        """Measure the chosen kinds of the video on screen; what was there is replaced."""
        if self.runner.active:
            return
        arguments = {
            "video": opened.path,
            "white": opened.white,
            "model": self._session.model,
            "predictions": opened.source or opened.saved,
            "kinds": list(self.kinds),
            "settings": dict(self.settings),
            "regions": dict(opened.regions),
            "table": self.table,
            "nwb": self.nwb,
            "triggers": opened.triggers,
            "overwrite": True,
        }

        def on_event(event: Event) -> bool:
            match event:
                case Finished(result=TracesResult() as result):
                    self.load(opened, Path(result.table))
            return False

        self.runner.begin(VideoRun(opened=opened), "traces", arguments, on_event)

    def load(self, opened: OpenVideo, path: Path) -> None:
        """Show a table of traces of a video; it is read on a thread."""

        def read() -> tuple[TraceTable, Path | None]:
            components = path.with_name(f"{path.stem}_components.h5")
            return read_traces(path), components if components.exists() else None

        def then(found: tuple[TraceTable, Path | None] | Exception) -> None:
            if opened not in self._session.videos:
                return
            if isinstance(found, Exception):
                self._session.tell(sentence_of("reading traces", found), "error")
                return
            table, components = found
            count = len(opened.video)
            opened.measured = Measured(path, components, table.names, _pupil(table, count))
            for panel in PANEL_OF_UNIT.values():
                opened.traces.pop(panel, None)
            opened.traces.pop(COMPONENTS, None)
            self._session.put_traces(opened, plotted_traces(table, count), opened.elsewhere)
            self.shown.emit()

        self._session.in_background(read, then)

    def note_done(self, item: Item) -> None:
        """A video of the list was measured: show that, if it is open."""
        opened = self._session.videos.find(item.path)
        if opened is not None and item.result is not None:
            self.load(opened, item.result)

    def _on_video(self) -> None:
        self._look_for_table()
        self.shown.emit()

    @on_video
    def _look_for_table(self, opened: OpenVideo) -> None:
        """Show what was measured of a video before."""
        if opened.measured is NOTHING:
            there = (output_path(opened.path, f"_traces{ending}") for ending in ENDINGS)
            found = max(
                filter(Path.exists, there), key=lambda path: path.stat().st_mtime, default=None
            )
            if found is not None:
                self.load(opened, found)


def plotted_traces(table: TraceTable, count: int) -> list[MeasuredTrace]:
    """The traces of a table in the panel of their unit; of components the first ones.

    Parameters
    ----------
    count : int
        Frames of the video.
    """
    places: dict[str, int] = {}
    traces = []
    for column, (name, unit) in enumerate(zip(table.names, table.units, strict=True)):
        number = _component(name)
        if number > _PLOTTED or unit not in PANEL_OF_UNIT:
            continue
        panel = COMPONENTS if number else PANEL_OF_UNIT[unit]
        place = places[panel] = places.get(panel, -1) + 1
        traces.append(
            MeasuredTrace(
                panel,  # type: ignore[arg-type]
                (name,),
                name,
                samples=_samples(table, column, count),
                of=unit,
                colour=PALETTE[place % len(PALETTE)],
            )
        )
    return traces


def _component(name: str) -> int:
    """The number of a component; 0 for other traces."""
    first, _, number = name.rpartition(" ")
    of = first.partition(" ")[0]
    is_one = of in ("motion", "movie") and not first.startswith("motion energy")
    return int(number) if is_one and number.isdigit() else 0


def _pupil(table: TraceTable, count: int) -> dict[str, NDArray[np.float32]]:
    return {
        name.removeprefix("pupil "): _samples(table, column, count)
        for column, name in enumerate(table.names)
        if name.startswith("pupil ")
    }


def _samples(table: TraceTable, column: int, count: int) -> NDArray[np.float32]:
    samples = np.full(count, np.nan, np.float32)
    there = table.frames < count
    samples[table.frames[there]] = table.values[there, column]
    return samples
