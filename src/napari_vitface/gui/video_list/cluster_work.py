"""The list's job on a cluster: a command in a process of its own, which this follows.

The process goes on when napari is closed, and is found again at the next start.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_vitface.cli.own_process import CommandRun, News
from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.video_list.items import Item, Items, State
from napari_vitface.gui.video_list.kinds import KINDS, PREDICT
from napari_vitface.words import in_window

if TYPE_CHECKING:
    from napari_vitface.gui.session import Session
    from napari_vitface.gui.video_list.kinds import JobKind, Settings

#: Seconds between two looks at what the process told.
_EVERY = 0.5


@dataclass(frozen=True)
class WorkerSeen:
    """A worker: its address, its computer, and frames a second, None while not known."""

    address: str
    host: str
    frames_per_second: float | None


class ClusterWork:
    """Follows one run at a time and notes in the list how it goes.

    Attributes
    ----------
    doing : str
        What is being done before the videos are; empty then.
    done, total : int
        Frames of all videos of the run.
    seconds_left : float or None
    workers : list of WorkerSeen
    dashboard : str or None
        Address of Dask's own page about the workers.
    """

    changed = Signal()
    #: (`Item`): its results are there.
    finished = Signal(object)
    #: The run is over: whether it came to its end.
    ended = Signal(bool)

    def __init__(self, session: Session, items: Items, folder: Path) -> None:
        self._session = session
        self._items = items
        self._run = CommandRun(folder)
        self.active = False
        self._stopping = False
        self._clear()

    def _clear(self) -> None:
        self.doing, self.done, self.total = "", 0, 0
        self.seconds_left: float | None = None
        self.workers: list[WorkerSeen] = []
        self.dashboard: str | None = None
        self._by_path: dict[str, Item] = {}

    def find_again(self) -> None:
        """Follow what was begun before napari was closed, if anything was."""
        if self._run.begun:
            self._follow()

    def start(self, kind: JobKind, settings: Settings) -> bool:
        """Begin with all that waits and is asked for alike; False if nothing does."""
        waiting = self._items.having(State.WAITING)
        if not waiting:
            return False
        asked = {item: kind.arguments(item, settings) for item in waiting}
        first = asked[waiting[0]]
        alike = [item for item in waiting if {**asked[item], "video": first["video"]} == first]
        assert kind.command is not None
        command = kind.command(alike, first, settings["cluster"])
        try:
            self._run.start(command, {"job": kind.job, "model": settings.get("model", "")})
        except OSError as error:
            self._session.tell(sentence_of("starting the cluster", error), "error")
            return False
        self._follow()
        return True

    def stop(self) -> None:
        """Have the process leave off; what is done is kept."""
        self._stopping = True
        self._run.stop()
        self.doing = "Stopping"
        self.changed.emit()

    def close(self) -> None:
        """Follow no longer; the process goes on."""
        self.active = False

    def _follow(self) -> None:
        self._clear()
        self.active, self._stopping = True, False
        self.doing = "Starting"
        about = self._run.about
        self._model = str(about.get("model", ""))
        self._kind = KINDS.get(about.get("job", ""), PREDICT)
        named = set(about.get("arguments", ()))
        self._by_path = {
            os.path.abspath(item.path): item  # noqa: PTH100 - as the run calls it
            for item in self._items
            if str(item.path) in named
        }
        for item in self._by_path.values():
            if item.state is State.WAITING:
                self._items.update(item, state=State.RUNNING, message="", speed=None)
        self._look_later()
        self.changed.emit()

    def _look_later(self) -> None:
        def look() -> tuple[bool, list[News]]:
            time.sleep(_EVERY)
            # In this order: what is told last comes before the end.
            return self._run.alive, self._run.news()

        self._session.in_background(look, self._looked)

    def _looked(self, found: tuple[bool, list[News]] | Exception) -> None:
        """Take in what the process told since the last time, and see whether it is still there."""
        if not self.active:
            return
        alive, news = (False, []) if isinstance(found, Exception) else found
        for event in news:
            if "message" in event:
                event["message"] = in_window(str(event["message"]))
            self._take(event)
            if event.get("event") in ("Finished", "Cancelled", "Failed"):
                self._end(event)
                return
        if not alive:
            self._end(
                {
                    "event": "Failed",
                    "message": f"The process that ran the cluster ended by "
                    f"itself; {self._run.log} has what it printed last.",
                }
            )
            return
        self._look_later()
        self.changed.emit()

    def _take(self, event: News) -> None:
        item = self._by_path.get(str(event.get("video", "")))
        match event:
            case {"event": "Preparing", "message": message}:
                self.doing = message
            case {"event": "Started"}:
                self.doing = ""
                self.total = event["total"]
            case {"event": "Progress", "message": "", "done": done, "total": total}:
                self.done, self.total = done, total
                self.seconds_left = event.get("seconds_left")
            case {"event": "WorkersSeen"}:
                self.workers = [WorkerSeen(**worker) for worker in event["workers"]]
                self.dashboard = event["dashboard"]
            case {"event": "Notice", "message": message}:
                self._session.tell(message, "info")
            case {"event": "VideoProgress", "done": done, "total": total} if item is not None:
                self._items.update(item, done=done, total=total)
            case {"event": "VideoFinished", "result": result} if item is not None:
                made = result.get("made", True)
                self._items.update(
                    item,
                    state=State.DONE,
                    message="" if made else self._kind.was_before,
                    done=result["frames"],
                    total=result["frames"],
                    result=Path(result[self._kind.table]),
                    model=self._model,
                    again=False,
                )
                self.finished.emit(item)
            case {"event": "VideoFailed", "message": message} if item is not None:
                self._items.update(item, state=State.FAILED, message=message, speed=None)

    def _end(self, event: News) -> None:
        """Let what is not done wait for another start."""
        self.active = False
        for item in self._by_path.values():
            if item.state is State.RUNNING:
                self._items.wait(item, "Stopped. It goes on from here.", again=item.again)
        if event["event"] == "Failed":
            self._session.tell(str(event["message"]), "error")
        self._run.over()
        self._clear()
        self.changed.emit()
        self.ended.emit(event["event"] == "Finished" and not self._stopping)
