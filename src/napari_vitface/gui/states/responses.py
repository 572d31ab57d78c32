"""Responses around onsets: of the trials of a table, or of the events of the video on screen.

Knows napari's viewer model through the session, but no widget and no Qt.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_vitface.events.event_labels import colours_of
from napari_vitface.events.trials import Trials
from napari_vitface.gui.given import given
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.gui.states.classifying import Classifying, StatesRun
from napari_vitface.gui.trajectories.measured_traces import MeasuredTrace
from napari_vitface.gui.trajectories.panel_kinds import LIKENESS, STATE
from napari_vitface.gui.trajectories.peri_event import PeriEvent, TrialNumbers
from napari_vitface.jobs.events import Event, Failed, Finished
from napari_vitface.jobs.outputs import output_path
from napari_vitface.jobs.results.responses import AlignTracesResult, Curve, ResponsesResult

if TYPE_CHECKING:
    from napari_vitface.events.intervals import Interval
    from napari_vitface.gui.events.annotating import Annotating
    from napari_vitface.gui.session import Session

#: Whose responses are shown.
Source = Literal["table", "video"]
#: Seconds around an event that are shown; frames, where no rate is known.
_SECONDS, _FRAMES = 2.0, 40

_NO_TRACES = (
    "There is no trace to average yet: press Predict under States, or Likeness in the dock of "
    "frames, or Responses under States for the trials of a table."
)
_NO_EVENTS = "Draw events on the timeline: traces are averaged around their onsets."


class Responses:
    """What the States section computes and the Trajectories dock shows around onsets.

    Attributes
    ----------
    of_table : PeriEvent or None
        Of the trials of the last table that was asked for.
    source : {"table", "video"}
    shown : PeriEvent
    """

    #: Something else is shown, or missing.
    changed = Signal()
    #: The responses of a table were computed.
    found = Signal()

    def __init__(self, session: Session, classifying: Classifying, annotating: Annotating) -> None:
        self._session = session
        self._classifying = classifying
        self._annotating = annotating
        self._watched = False
        self._similarity: dict[Path, list[MeasuredTrace]] = {}
        self.of_table: PeriEvent | None = None
        self.source: Source = "video"
        self.shown = PeriEvent("")
        session.video_changed.connect(self._on_video)
        session.traces_changed.connect(self._refresh)
        annotating.changed.connect(self._refresh)

    # ----------------------------------------------------------------- trials of a table

    @given("_classifying.trials")
    def compute(self, trials: Trials, settings: Mapping[str, Any]) -> None:
        """Compare the trials of the table with prototypes of other animals."""
        states = self._classifying
        if states.runner.active:
            return
        names = ("label", "classes", "window", "features", "follow")
        arguments = {
            "trials": trials.path,
            "crop": states.crop,
            "settings": settings["feature_settings"],
            "model": self._session.model,
            "device": self._session.device,
            "precision": self._session.precision,
            "overwrite": True,
            **{name: settings[name] for name in names if name in settings},
        }

        def on_event(event: Event) -> bool:
            match event:
                case Finished(result=ResponsesResult() as result):
                    self._take(result, trials, str(settings["label"]))
            return False

        states.runner.begin(StatesRun(work="responses"), "responses", arguments, on_event)

    def _take(self, result: ResponsesResult, trials: Trials, label: str) -> None:
        self.of_table = responses_of(result, trials, label)
        onsets = {each.row: each.onset for each in self.of_table.trials}
        self._similarity = similarity_traces(Path(result.similarity), trials, onsets)
        self.source = "table"
        self._plot_similarity()
        self._refresh()
        self.found.emit()

    @on_video
    def _plot_similarity(self, opened: OpenVideo) -> None:
        traces = self._similarity.get(opened.path.resolve())
        if traces is None:
            return
        count = len(opened.video)
        colours = colours_of([trace.name for trace in traces], self._annotating.labels)
        fitted = [replace(trace.of_length(count), colour=colours[trace.name]) for trace in traces]
        self._session.put_traces(opened, fitted, opened.elsewhere)

    # ----------------------------------------------------------------- what is shown

    @property
    def sources(self) -> dict[Source, str]:
        """What can be chosen, and what it is called."""
        found: dict[Source, str] = {}
        if self.of_table is not None:
            found["table"] = "trials of the table"
        return {**found, "video": "events of this video"}

    @property
    def colours(self) -> dict[str, str]:
        """Of the states that are shown: those that labels of their names have on the timeline."""
        return colours_of(self.shown.states, self._annotating.labels)

    def watch(self, watched: bool) -> None:
        """Keep what is shown up to date, as long as somebody looks."""
        self._watched = watched
        self._refresh()

    def choose(self, source: Source) -> None:
        """Show those of the table, or of the video on screen."""
        self.source = source
        self._refresh()

    def go_to(self, path: Path, onset: int) -> None:
        """Show the frame of an onset."""
        if self._session.show_video(path) is not None:
            self._session.go_to(onset)

    def _on_video(self) -> None:
        self._plot_similarity()
        self._refresh()

    def _refresh(self) -> None:
        if not self._watched:
            return
        if self.source == "table" and self.of_table is not None:
            self._show(self.of_table)
            return
        self.source = "video"
        made, events = self._session.made, list(self._annotating.events)
        traces = [t for kind in (STATE, LIKENESS) for t in made.traces.get(kind, [])]
        if made.waiting or not traces or not events:
            missing = _NO_EVENTS if traces else _NO_TRACES
            self._show(PeriEvent(made.waiting_elsewhere or missing))
        else:
            self._align(traces, events)

    @on_video
    def _align(
        self, opened: OpenVideo, traces: Sequence[MeasuredTrace], events: Sequence[Interval]
    ) -> None:
        rate = opened.video.frame_rate
        span = max(1, min(round(_SECONDS * rate) or _FRAMES, len(opened.video) // 2))
        arguments = {
            "traces": {trace.name: windows(trace, events, span) for trace in traces},
            "states": [event.label for event in events],
            "before": span,
            "rate": rate,
            "groups": [str(number) for number in range(len(events))],
        }

        def on_event(event: Event) -> None:
            if opened is not self._session.current or self.source != "video":
                return
            match event:
                case Finished(result=AlignTracesResult() as result):
                    self._show(_of_video(opened, events, result))
                case Failed():
                    self._show(PeriEvent(event.message))

        self._session.submit("align_traces", arguments, on_event, urgent=True, replaces="align")

    def _show(self, shown: PeriEvent) -> None:
        self.shown = shown
        self.changed.emit()


def windows(trace: MeasuredTrace, events: Sequence[Interval], span: int) -> NDArray[np.float32]:
    """(n, 2 span) samples around the onsets of events; NaN outside of the video."""
    padded = np.pad(trace.samples, span, constant_values=np.nan)
    return np.stack([padded[each.onset : each.onset + 2 * span] for each in events])


def _of_video(
    opened: OpenVideo, events: Sequence[Interval], result: AlignTracesResult
) -> PeriEvent:
    trials = tuple(
        TrialNumbers(
            name=f"frame {events[each.trial].onset}",
            row=each.trial,
            group="",
            state=events[each.trial].label,
            trace=each.trace,
            size=each.size,
            peak=each.peak,
            latency=each.latency,
            video=opened.path,
            onset=events[each.trial].onset,
        )
        for each in result.responses
    )
    return PeriEvent(
        about=(
            f"{opened.label}: traces around the onsets of its events, mean and 95 % interval over "
            "events."
        ),
        file=output_path(opened.path, "_around_events.csv"),
        timed=opened.video.frame_rate > 0,
        quantity="",
        unit="trial",
        curves=result.curves,
        summaries=result.summaries,
        trials=trials,
    )


def responses_of(result: ResponsesResult, trials: Trials, label: str) -> PeriEvent:
    """What the job on the trials of a table wrote."""
    rows = {trial.row: trial for trial in trials.trials}
    numbers = []
    with Path(result.table).open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            trial = rows[int(line["row"])]
            numbers.append(
                TrialNumbers(
                    name=trial.video.stem,
                    row=trial.row,
                    group=line[result.unit] if result.unit != "trial" else "",
                    state=line["state"],
                    trace=line["prototype"],
                    size=float(line["size"]),
                    peak=float(line["peak"]),
                    latency=float(line["latency"]),
                    video=trial.video,
                    onset=int(line["onset_frame"]),
                )
            )
    counts = {(each.state, each.prototype): each.trials for each in result.summaries}
    curves: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    names = ("time", "mean", "low", "high")
    with Path(result.curves).open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            key = line["state"], line["prototype"]
            curves[key].append([float(line[name]) for name in names])
    made = []
    for (state, trace), lines in curves.items():
        times, mean, low, high = np.array(lines).T
        made.append(
            Curve(
                state=state,
                trace=trace,
                trials=counts[state, trace],
                times=times,
                mean=mean.astype(np.float32),
                low=low.astype(np.float32),
                high=high.astype(np.float32),
            )
        )
    return PeriEvent(
        about=(
            f"{trials.path.name}: similarity to the typical face of each {label}, which is of "
            f"other {result.unit}s alone; mean and 95 % interval. All numbers: "
            f"{Path(result.table).name}."
        ),
        file=Path(result.table).with_name(f"{Path(result.table).stem}_shown.csv"),
        timed=result.timed,
        quantity="similarity",
        unit=result.unit,
        curves=tuple(made),
        summaries=result.summaries,
        trials=tuple(numbers),
    )


def similarity_traces(
    file: Path, trials: Trials, onsets: Mapping[int, int]
) -> dict[Path, list[MeasuredTrace]]:
    """For each video of the table, how like the prototype of each state its frames are.

    A frame that two trials share is shown as it is after the onset of one.
    """
    rows = {trial.row: trial.video.resolve() for trial in trials.trials}
    found: dict[Path, dict[int, list[float]]] = defaultdict(dict)
    with file.open(newline="", encoding="utf-8") as opened:
        reader = csv.reader(opened)
        _, _, _, *names = next(reader)
        for row, _, frame, *values in reader:
            of_video, number = found[rows[int(row)]], int(frame)
            if number >= onsets[int(row)] or number not in of_video:
                of_video[number] = [float(value) for value in values]
    traces: dict[Path, list[MeasuredTrace]] = {}
    for video, frames in found.items():
        samples = np.full((max(frames) + 1, len(names)), np.nan, np.float32)
        samples[list(frames)] = list(frames.values())
        traces[video] = [
            MeasuredTrace(
                LIKENESS,  # type: ignore[arg-type]
                (f"likeness {name}",),
                name,
                samples=np.ascontiguousarray(samples[:, k]),
                of="correlation",
            )
            for k, name in enumerate(names)
        ]
    return traces
