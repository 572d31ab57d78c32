"""Goes through the list: asks the engine for one video at a time and takes in how it goes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.given import given
from napari_vitface.gui.job_run import Runner
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.gui.video_list.autosave import Autosave, Content
from napari_vitface.gui.video_list.cluster_work import ClusterWork
from napari_vitface.gui.video_list.items import Item, Items, State, same_results
from napari_vitface.gui.video_list.kinds import KINDS, PREDICT, JobKind, Settings
from napari_vitface.gui.video_list.list_store import Store
from napari_vitface.gui.video_list.poses_on_screen import ItemRun, PosesOnScreen
from napari_vitface.gui.video_list.video_search import measure, videos_of
from napari_vitface.jobs.events import (
    Cancelled,
    Event,
    Finished,
    PosesPredicted,
    Preparing,
    Progress,
    Started,
)
from napari_vitface.record import plain_data

if TYPE_CHECKING:
    from napari_vitface.gui.predict.prediction import Prediction
    from napari_vitface.gui.session import Session

#: What is wrong with the model, or with the engine itself, is wrong for every video.
_WRONG_FOR_ALL = ("CheckpointError", "BackboneError", "EngineError")

_UNFINISHED = (State.WAITING, State.RUNNING, State.CANCELLED)


class VideoQueue(Runner[ItemRun]):
    """The list of videos of a session, and the job that goes through it.

    Attributes
    ----------
    items : Items
    kind : JobKind
    settings : dict
        What the job was last started with; empty before that, and when it is through.
    cluster : ClusterWork
        The job, where it runs on a cluster.
    going : bool
        Whether the next video is begun when one ends.
    """

    #: (`Item`): its traces were measured, or were there.
    traced = Signal(object)

    def __init__(
        self, session: Session, prediction: Prediction, store: Store | None = None
    ) -> None:
        super().__init__(session)
        self._poses = PosesOnScreen(session, prediction)
        self.items = Items()
        self.kind: JobKind = PREDICT
        self.settings = Settings()
        self.going = False
        self._store = store or Store()
        self._turn = 0
        # Frames a second of the video that was done last.
        self._speed: float | None = None
        self._keeping = Autosave(session, self._store, self._content)
        #: What went wrong with the list of the last time; empty if nothing did.
        self.problem = ""
        self.cluster = ClusterWork(session, self.items, self._store.path.with_name("cluster-run"))
        self._restore()
        self.cluster.changed.connect(self.changed.emit)
        self.cluster.finished.connect(self._note_traces)
        self.cluster.ended.connect(self._on_cluster_end)
        for changed in ("inserted", "removed", "moved"):
            getattr(self.items.events, changed).connect(self._on_list)
        self.items.item_changed.connect(self._on_item)
        session.crop_changed.connect(self._on_crop)

    # ----------------------------------------------------------------- what is in it

    def add(self, paths: Iterable[Path]) -> None:
        """Append videos, and those in folders; looked for on a thread."""
        chosen = list(paths)

        def look() -> list[Item]:
            return [Item(path.absolute(), path.resolve()) for path in videos_of(chosen)]

        self._session.in_background(look, self._append)

    def _append(self, found: list[Item] | Exception) -> None:
        if isinstance(found, Exception):
            self._session.tell(sentence_of("looking for the videos", found), "error")
            return
        # Told once below, not for each.
        with self.changed.blocked():
            fresh = self.items.append_new(found)
        if not found:
            self._session.tell("There are no videos in what was chosen.", "warning")
        elif not fresh:
            self._session.tell("All of these videos are in the list already.", "info")
        measure(self._session, self.items, fresh)
        self._continue()

    def remove(self, items: Iterable[Item]) -> None:
        """Take videos off the list; results stay on disk."""
        for item in list(items):
            self.cancel_items([item])
            self.items.remove(item)

    def move(self, item: Item, place: int) -> None:
        """Give a video another place in the order."""
        now = self.items.index(item)
        place = min(max(place, 0), len(self.items) - 1)
        if now != place:
            # `move` counts places before the item is taken out.
            self.items.move(now, place + 1 if place > now else place)

    def result_of(self, path: Path, model: str) -> Path | None:
        """The table of a video by a model that a job of the list left, wherever it is."""
        done = (each for each in self.items.of(path) if each.state is State.DONE)
        return next((each.result for each in done if each.model == model), None)

    # ----------------------------------------------------------------- running

    @property
    def running(self) -> Item | None:
        """The video that is being worked on."""
        return next(iter(self.items.having(State.RUNNING)), None)

    @property
    @given("run")
    def at(self, run: ItemRun) -> Item:
        """The video of the run in progress or the last one."""
        return run.item

    @property
    def interrupted(self) -> bool:
        """Whether a start before this one is not at its end: it goes on with its own settings."""
        return bool(self.settings) and bool(self.items.having(State.WAITING, State.RUNNING))

    @property
    def seconds_left(self) -> float | None:
        """Until all videos are done; None while the speed is not known."""
        if self.cluster.active:
            return self.cluster.seconds_left
        return self._seconds_left()

    @given("running")
    def _seconds_left(self, item: Item) -> float | None:
        if not (speed := item.speed or self._speed):
            return None
        # A job may go through every tenth frame only.
        share = item.total / item.length if item.total and item.length else 1.0
        waiting = self.items.having(State.WAITING)
        lengths = [each.length or item.length or item.total for each in waiting]
        now = (item.total or item.length or 0) / speed
        if self.at is item and self.last.seconds_left is not None:
            now = self.last.seconds_left
        return now + sum(lengths) * share / speed

    def set_kind(self, kind: JobKind) -> None:
        """Have another job done with the videos, which wait for it anew."""
        if self.going or kind is self.kind:
            return
        self.kind = kind
        self.settings = Settings()
        for item in self.items:
            self.items.update(item, done=0, result=None)
            self.items.wait(item)
        self._keeping.keep()
        self.changed.emit()

    def start(self, settings: Settings) -> None:
        """Go through what waits, one video after the other."""
        self.settings = settings.copy()
        self.going = True
        self._keeping.keep()
        self._next()

    def stop(self) -> None:
        """Leave off; the video in progress keeps what is done and waits for the next start."""
        self.going = False
        if self.cluster.active:
            self.cluster.stop()
        elif self.active:
            self.cancel()
        else:
            for item in self.items.having(State.RUNNING):
                self.items.wait(item)
        self.changed.emit()

    def cancel_items(self, items: Iterable[Item]) -> None:
        """Leave videos out; the next one follows. On a cluster, all are stopped together."""
        if self.cluster.active:
            return
        for item in items:
            if item.state is State.RUNNING and item is self.at:
                self.cancel()
            if item.state in (State.WAITING, State.RUNNING):
                self.items.update(item, state=State.CANCELLED, message="Cancelled.")
        self._continue()

    def again(self, items: Iterable[Item], *, replace: bool = False) -> None:
        """Let videos wait for their turn once more; `replace` what is there of them."""
        for item in items:
            if item.state not in (State.WAITING, State.RUNNING):
                self.items.wait(item, again=replace)
        self._continue()

    def set_crop(self, items: Iterable[Item], crop: Any) -> None:
        """Give videos a crop of their own for their next turn; None takes it away."""
        for item in items:
            if item.state is not State.RUNNING:
                self.items.update(item, crop=crop)

    def close(self) -> None:
        """Keep the list as it is; a cluster works on, else what is running is interrupted."""
        self.cluster.close()
        self.going = False
        self._session.crop_changed.disconnect(self._on_crop)
        self._keeping.close()
        self.cancel()

    def _continue(self) -> None:
        if self.going and self.running is None:
            self._next()
        self.changed.emit()

    def _next(self) -> None:
        """Begin with the next video, once it is known that nothing of it is there."""
        if not self.going or self.active or self.cluster.active or self.running is not None:
            return
        waiting = self.items.having(State.WAITING)
        if not waiting:
            self.going = False
            # The next start is a new one.
            self.settings = Settings()
            self._keeping.keep()
            for words, level in self.items.end_words(self.kind.past):
                self._session.tell(words, level)
            self.changed.emit()
            return
        if self.settings.get("cluster") and self.kind.command is not None:
            self.going = self.cluster.start(self.kind, self.settings)
            return
        item, settings, kind = waiting[0], self.settings.copy(), self.kind
        rivals = [each for each in self.items.having(*_UNFINISHED) if each is not item]
        results = {each.result: each for each in self.items.having(State.DONE)}
        self.items.update(item, state=State.RUNNING, message="", done=0, total=0, speed=None)
        self._turn = turn = self._turn + 1
        self.changed.emit()

        def look() -> Path | None:
            """What is there of the video; on a thread, because disks may be slow."""
            found = kind.found(item.path, settings)
            place = kind.place(item.path, settings)
            for other in rivals:
                if other.done and kind.place(other.path, settings) == place:
                    raise same_results(item, other)
            if found in results:
                raise same_results(item, results[found])
            return None if item.again else found

        def looked(found: Path | Exception | None) -> None:
            if turn != self._turn or item.state is not State.RUNNING:
                # Cancelled meanwhile, or stopped and started anew.
                self._next()
            elif isinstance(found, Exception):
                message = sentence_of(f"looking for results of {item.path.name}", found)
                self.items.update(item, state=State.FAILED, message=message)
                self._next()
            elif found is not None:
                before = {"state": State.DONE, "message": kind.was_before, "result": found}
                self.items.update(item, **before, model=settings.get("model", ""))
                self._next()
            else:
                self._begin(item)

        self._session.in_background(look, looked)

    def _begin(self, item: Item) -> None:
        run = ItemRun(item, self.settings.get("model", ""))
        arguments = self.kind.arguments(item, self.settings)
        self.begin(run, self.kind.job, arguments, lambda event: self._on_event(run, event))

    def _on_event(self, run: ItemRun, event: Event) -> bool:
        """Take in what the job says; True if nobody has to hear of it."""
        item = run.item
        match event:
            case Preparing():
                self.items.update(item, message=run.doing)
            case Started():
                self.items.update(item, total=run.total, message=run.doing)
                self._poses.show(run)
            case PosesPredicted():
                run.poses.append(event)
                self._poses.show(run)
                return True
            case Progress():
                left, speed = run.seconds_left, item.speed
                if left:
                    speed = (run.total - run.done) / left
                self.items.update(
                    item, done=run.done, total=run.total, speed=speed, message=run.doing
                )
            case Finished(result=result):
                run.end(self.items, result, self.kind)
                self._speed = item.speed
                self._note_traces(item)
                self._poses.note_saved(run)
                self._over(run)
            case Cancelled():
                run.leave(self.items)
                self._over(run)
        return False

    def _fail(self, run: ItemRun, message: str) -> None:
        """Note an error with its video, and go on unless it is one of all videos."""
        run.status, run.message = "failed", message
        if run.error in _WRONG_FOR_ALL:
            self.going = False
            self._session.tell(f"The list of videos stopped: {message}", "error")
        there = run.error == "OutputExistsError"
        if there:
            message = f"Was {self.kind.past} otherwise before; Again replaces it."
        if run.item.state is State.RUNNING:
            self.items.update(
                run.item, state=State.FAILED, message=message, speed=None, again=there
            )
        self._over(run)

    def _over(self, run: ItemRun) -> None:
        run.poses.clear()
        self._session.soon(self._next)
        self.changed.emit()

    def _note_traces(self, item: Item) -> None:
        if self.kind.job == "traces":
            self.traced.emit(item)

    def _on_cluster_end(self, whole: bool) -> None:
        """Go on with what was added meanwhile, or is asked for otherwise; or leave off."""
        self.going = self.going and whole
        self._session.soon(self._next)
        self.changed.emit()

    # ----------------------------------------------------------------- the video on screen

    @given("run")
    def is_filling(self, run: ItemRun, opened: OpenVideo) -> bool:
        """Whether the job in progress brings poses of this video by the chosen model."""
        return run.active and self._poses.is_of(opened, run)

    @on_video
    def _on_crop(self, opened: OpenVideo) -> None:
        """The crop that is drawn on a video of the list is the list's too."""
        self.set_crop(self.items.of(opened.path), opened.crop or "whole")

    # ----------------------------------------------------------------- kept between two starts

    def _restore(self) -> None:
        try:
            kept = self._store.load()
        except Exception as error:
            self.problem = sentence_of("reading the list of videos", error)
            return
        if kept is None:
            return
        self.kind = KINDS.get(kept.job, PREDICT)
        self.settings = kept.settings
        for item in kept.items:
            if item.state is State.RUNNING:
                self.items.wait(item, "Was in progress when napari was closed.", again=item.again)
            self.items.append(item)
        self.cluster.find_again()
        self.going = self.cluster.active

    def _on_list(self) -> None:
        self._keeping.keep()
        self.changed.emit()

    def _on_item(self, item: Item, what: frozenset[str]) -> None:
        # Progress alone is not worth a write to the disk.
        if what & {"state", "crop", "length", "again"}:
            self._keeping.keep()

    def _content(self) -> Content:
        return self.kind.job, self.settings.copy(), plain_data(list(self.items))
