"""Showing a job's events on a terminal, or as JSON lines for another program."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from napari_vitface.errors import escaped, one_line
from napari_vitface.jobs.events import (
    AttentionComputed,
    EpochFinished,
    Event,
    Failed,
    Finished,
    HeldOutShown,
    Notice,
    PosesPredicted,
    Preparing,
    Progress,
    Started,
)
from napari_vitface.jobs.failure import describe_failure, where_to_report
from napari_vitface.jobs.outputs import why_not_kept
from napari_vitface.jobs.results.prediction import FindFaceResult, PredictSettings
from napari_vitface.jobs.video_events import VideoFailed
from napari_vitface.record import plain_data

R = TypeVar("R")


class Cancelled(Exception):
    """The user pressed Ctrl-C; the job was closed and kept what it had."""


class Reporter:
    """Tells the user what happens: a bar and sentences on standard error, or JSON lines.

    Parameters
    ----------
    json_lines : bool
        Write every event to standard output as one JSON object a line, and nothing else there.
    """

    def __init__(self, *, json_lines: bool = False) -> None:
        self.json_lines = json_lines
        self._bar: Any = None
        self._preparing: Any = None
        self._stage = ""
        self._prepared = ""
        self._interrupted = False
        self._kept_in = ""

    def run(
        self,
        job: Iterator[Event],
        kind: type[R] | None = None,
        *,
        title: str = "",
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> R:
        """Go through a job and return the result of its `Finished`, which is of the `kind` given.

        `on_event` gets each event before it is shown.

        Raises
        ------
        Cancelled
            After Ctrl-C, when the job has been closed. A second Ctrl-C is a `KeyboardInterrupt`.
        """
        result: Any = None
        self._kept_in = ""
        if self._interrupted:
            raise Cancelled
        with _listening_for_ctrl_c() as interrupted, contextlib.closing(job):  # type: ignore[type-var]
            try:
                for event in job:
                    on_event(event)
                    if isinstance(event, Started):
                        self._kept_in = event.settings.kept_in or ""
                    self.show(event, title)
                    if isinstance(event, Finished):
                        result = event.result
                    elif interrupted.is_set():
                        raise Cancelled
            finally:
                self._close_bar()
            # It came too late to cancel this job, but not the next one.
            self._interrupted = interrupted.is_set()
        assert kind is None or isinstance(result, kind)
        return result

    def show(self, event: Event, title: str = "") -> None:
        """Show one event."""
        if self.json_lines:
            print(json.dumps(as_plain(event), allow_nan=False), flush=True)
            return
        match event:
            case Notice(message):
                self.say(message)
            case Preparing(message):
                self._prepare(message)
            case Started():
                self._start(event, title)
            case Progress():
                self._advance(event)
            case EpochFinished():
                self._judged(event)

    def say(self, sentence: str) -> None:
        """A sentence on standard error, above the bar."""
        bar = self._bar or self._preparing
        if bar is not None:
            bar.clear()
        print(one_line(sentence), file=sys.stderr, flush=True)
        if bar is not None:
            bar.refresh()

    def result(self, *lines: str) -> None:
        """What the user asked for, on standard output; with JSON lines, nothing.

        Names of files, and what these hold, may be quoted in a line: it is shown escaped.
        """
        if not self.json_lines:
            print(*map(escaped, lines), sep="\n", flush=True)

    def failed(self, job: str, error: BaseException, *, debug: bool = False) -> None:
        """The one sentence about an error, and its traceback if `debug`.

        One that is not the user's to mend comes with where to report it.
        """
        self._close_bar()
        failed = describe_failure(job, error)
        if self.json_lines:
            with contextlib.suppress(BrokenPipeError):
                plain = as_plain(dataclasses.replace(failed, detail=""))
                print(json.dumps(plain), flush=True)
        self.failure(failed, debug=debug)

    def failure(self, failed: Failed, *, debug: bool = False) -> None:
        """The same on standard error alone, of an error that was told elsewhere; above the bar."""
        if debug:
            for line in failed.detail.splitlines():
                self.say(line)
        self.say(f"napari-vitface: {failed.message}")
        if failed.unexpected:
            shown = "the lines above" if debug else "what it prints with --debug"
            self.say(
                f"This is a fault of napari-vitface. Please report it {where_to_report()}, with "
                f"the command and {shown}."
            )

    def cancelled(self, job: str) -> None:
        """Say that the job was cancelled."""
        self._close_bar()
        if self.json_lines:
            with contextlib.suppress(BrokenPipeError):
                print(json.dumps({"event": "Cancelled", "job": job}), flush=True)
        self.say(f"napari-vitface: cancelled. {self._left(job)}".rstrip())

    def _left(self, job: str) -> str:
        """What the job that was cancelled has left, seen now and not when it began."""
        if not self._kept_in:
            return ""
        if lost := why_not_kept(Path(self._kept_in)):
            return lost
        if job == "train":
            return (
                "The state is kept: the same command goes on from there, and --finish makes a "
                "model of it."
            )
        return "What is done is kept; the same command goes on from there."

    def _prepare(self, message: str) -> None:
        """A line with the time since it began: on a terminal in one place, in a log file each."""
        message = one_line(message)
        if not sys.stderr.isatty() or self._bar is not None:
            # A phrase that many steps have is said once.
            if message != self._prepared:
                self.say(f"{message} …")
            self._prepared = message
            return
        from tqdm import tqdm

        if self._preparing is None:
            self._preparing = tqdm(
                desc=message,
                bar_format="{desc} … {elapsed}",
                file=sys.stderr,
                leave=False,
                dynamic_ncols=True,
            )
        self._preparing.set_description_str(message)

    def _start(self, event: Started, title: str) -> None:
        # There may be one of what came before.
        self._close_bar()
        self._prepared = ""
        settings = event.settings
        if settings.why is not None:
            self.say(f"{settings.model}: {settings.why}")
        match settings:
            case PredictSettings(face=FindFaceResult(found=True) as face):
                self.say(face.sentence)
        resumed = settings.fresh_from or 0
        if resumed:
            self.say(f"Going on from frame {resumed} of {event.total} of an earlier run.")
        unit = f" {settings.unit or 'frames'}"
        self._open_bar(title or event.job, event.total, unit, initial=resumed)

    def _open_bar(self, title: str, total: int, unit: str, *, initial: int = 0) -> None:
        from tqdm import tqdm

        self._end_preparing()
        terminal = sys.stderr.isatty()
        self._bar = tqdm(
            total=total,
            initial=initial,
            desc=one_line(title),
            unit=unit,
            file=sys.stderr,
            # In a log file a line every now and then is enough.
            mininterval=0.1 if terminal else 10.0,
            dynamic_ncols=terminal,
            smoothing=0.1,
        )
        self._stage = ""

    def _advance(self, event: Progress) -> None:
        if self._bar is None:
            # Before the job knows enough to say that it starts.
            self._open_bar(event.message, event.total, "")
            self._stage = event.message
        elif event.message != self._stage:
            # A new stage (the labelled video) counts from the start again.
            self._stage = event.message
            self._bar.set_description(one_line(event.message), refresh=False)
            if event.total != self._bar.total:
                # It counts something else.
                self._bar.unit = ""
            self._bar.reset(event.total)
        # There may turn out to be less to do.
        self._bar.total = event.total
        self._bar.update(event.done - self._bar.n)

    def _judged(self, event: EpochFinished) -> None:
        """A line a judgement, so that a log file shows the course of a training."""
        if event.mean_error is None:
            return
        text = f"step {event.step} of {event.steps}: "
        text += "" if math.isnan(event.loss) else f"loss {event.loss:.3f}, "
        text += f"held-out error {event.median_error:.2f} px median, {event.mean_error:.2f} mean"
        if event.mean_pose_mean is not None:
            text += f" (mean pose {event.mean_pose_median:.2f}, {event.mean_pose_mean:.2f})"
        self.say(text)

    def _end_preparing(self) -> None:
        if self._preparing is not None:
            self._preparing.close()
            self._preparing = None

    def _close_bar(self) -> None:
        self._end_preparing()
        if self._bar is not None:
            self._bar.close()
            self._bar = None


@contextlib.contextmanager
def _listening_for_ctrl_c() -> Iterator[threading.Event]:
    """The first Ctrl-C sets the event, so that no write is cut in two; a second one interrupts."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def listen(number: int, frame: object) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()

    before = signal.signal(signal.SIGINT, listen)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def as_plain(event: Event) -> dict[str, object]:
    """An event as what JSON can hold: arrays are left to the files, their extent is told."""
    match event:
        case PosesPredicted(frames=frames):
            content: dict[str, object] = {
                "first": int(frames[0]) if len(frames) else None,
                "last": int(frames[-1]) if len(frames) else None,
                "count": len(frames),
            }
        case AttentionComputed():
            content = {
                "frame": event.frame,
                "names": list(event.names),
                "grid": list(event.maps.shape[1:]),
                "prefix_share": event.prefix_share.tolist(),
                "scale": list(event.scale),
                "translate": list(event.translate),
                "settings": event.settings,
            }
        case VideoFailed(video=video, failed=failed):
            content = {"video": video, "message": failed.message}
        case HeldOutShown():
            content = {
                "step": event.step,
                "videos": list(event.videos),
                "frames": event.frames.tolist(),
                "names": list(event.names),
                "labels": event.labels.tolist(),
                "xy": event.xy.tolist(),
                "confidence": event.confidence.tolist(),
            }
        case _:
            content = {
                field.name: getattr(event, field.name) for field in dataclasses.fields(event)
            }
    return {"event": type(event).__name__, **plain_data(content)}
