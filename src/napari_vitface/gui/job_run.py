"""One run of a job as the window sees it, whatever the job: how far it is and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from psygnal import Signal

from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.given import given
from napari_vitface.jobs.events import (
    Cancelled,
    Event,
    Failed,
    Finished,
    Notice,
    Preparing,
    Progress,
    Result,
    Settings,
    Started,
)
from napari_vitface.jobs.outputs import why_not_kept

if TYPE_CHECKING:
    from napari_vitface.engine import Request
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.session import Session

#: What happens while a job has not said anything yet, and nothing else is before it.
STARTING = "Starting the engine"


@dataclass(kw_only=True)
class JobRun:
    """The run in progress or the last one.

    Attributes
    ----------
    status : str
        "starting", "running", "cancelling", "done", "cancelled" or "failed"; empty of no run.
    doing : str
        What the job says that it does; empty before it said anything.
    message, error : str
        The error's sentence and the name of its class when failed.
    """

    status: str = "starting"
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    doing: str = ""
    settings: Settings | None = None
    result: Result | None = None
    notices: list[str] = field(default_factory=list)
    message: str = ""
    error: str = ""

    @property
    def active(self) -> bool:
        return self.status in ("starting", "running", "cancelling")

    @property
    @given("settings")
    def lost(self, settings: Settings) -> str:
        """Why nothing that was done is kept on the disk, seen now; empty if it is."""
        return why_not_kept(Path(settings.kept_in)) if settings.kept_in and self.done else ""

    @property
    @given("settings")
    def why(self, settings: Settings) -> str | None:
        """Why it computes where it does."""
        return settings.why

    def take(self, event: Event) -> None:
        """Note what an event says about the run."""
        match event:
            case Preparing():
                self.doing = event.message
            case Started():
                self.status = "running" if self.status == "starting" else self.status
                self.total = event.total
                self.settings = event.settings
                self.doing = event.message
            case Progress():
                self.done, self.total = event.done, event.total
                self.seconds_left = event.seconds_left
                self.doing = event.message
            case Notice():
                self.notices.append(event.message)
            case Finished():
                self.status = "done"
                self.result = event.result
                self.done = self.total
            case Cancelled():
                self.status = "cancelled"
            case Failed():
                self.status, self.message, self.error = "failed", event.message, event.error


@dataclass
class VideoRun(JobRun):
    """The run of a job on an open video."""

    opened: OpenVideo


R = TypeVar("R", bound=JobRun)
V = TypeVar("V", bound=VideoRun)


class Runner(Generic[R]):
    """Runs one job at a time for a session."""

    started = Signal()
    #: The run made progress or ended.
    changed = Signal()

    def __init__(self, session: Session) -> None:
        self._session = session
        self._request: Request | None = None
        self.run: R | None = None

    @property
    def last(self) -> JobRun:
        """The run in progress or the last one; one without a status before there was any."""
        return self.run or JobRun(status="")

    @property
    def active(self) -> bool:
        """Whether a run is in progress."""
        return self.last.active

    @property
    def failure(self) -> str:
        """Why the last run failed; empty if it did not, or there was none."""
        return self.last.message

    def begin(
        self,
        run: R,
        job: str,
        arguments: Mapping[str, object],
        on_event: Callable[[Event], bool] = lambda event: False,
        *,
        urgent: bool = False,
    ) -> None:
        """Give the job to the engine.

        `on_event` gets each event after the run took it; if it returns True, nobody else is told.
        An `urgent` job is answered between two steps of a long one rather than after it.
        """
        self.run = run
        self.started.emit()

        def arrived(event: Event) -> None:
            run.take(event)
            if isinstance(event, Failed):
                self._fail(run, event.message)
                return
            told = False
            try:
                told = on_event(event)
            finally:
                # The run took it, whatever becomes of what it brought.
                if not told:
                    self.changed.emit()

        try:
            options = {"urgent": True} if urgent else {}
            self._request = self._session.submit(job, arguments, arrived, **options)
        except Exception as error:
            run.error = type(error).__name__
            self._fail(run, sentence_of(job, error))
            return
        self.changed.emit()

    def cancel(self) -> None:
        """Stop the run in progress."""
        run = self.last
        if not run.active:
            return
        run.status = "cancelling"
        if self._request is not None:
            self._request.cancel()
        if not self._session.closed:
            # What is left of the widgets of a window that goes must not be reached any more.
            self.changed.emit()

    def _fail(self, run: R, message: str) -> None:
        # The section that shows the run says it; telling the session would say it twice.
        run.status, run.message = "failed", message
        self.changed.emit()


class VideoRunner(Runner[V]):
    """Runs a job on one open video at a time."""

    def common(self, opened: OpenVideo) -> dict[str, object]:
        """What jobs on a video are given alike."""
        session = self._session
        return {
            "video": opened.path,
            "white": opened.white,
            "model": session.model,
            "device": session.device,
            "precision": session.precision,
        }

    @given("run")
    def of(self, run: V, opened: OpenVideo | None) -> V | None:
        """The run in progress or the last one, if it is of this video."""
        return run if run.opened is opened else None

    def last_of(self, opened: OpenVideo | None) -> JobRun:
        """The same; one without a status if there was none of this video."""
        return self.of(opened) or JobRun(status="")

    def cancel(self, opened: OpenVideo | None = None) -> None:
        """Stop the run (of one video, if given); what is done stays on disk."""
        if opened in (None, self.run and self.run.opened):
            super().cancel()
