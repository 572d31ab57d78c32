"""Loaded models and open videos that several jobs use one after the other.

A job that is given a `Resources` borrows from it; without one it loads and closes its own. The
engine process holds one, so that the attention of the next frame does not load the model again.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Hashable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from napari_vitface.jobs.events import Event
from napari_vitface.jobs.preparing import preparing
from napari_vitface.jobs.video_events import MadeBy
from napari_vitface.settings.computing import Computing

if TYPE_CHECKING:
    from napari_vitface.model.predictor import KeypointModel
    from napari_vitface.video import Video

T = TypeVar("T")


@dataclass
class _Held(Generic[T]):
    value: T
    borrowers: int = 0


class _Shelf(Generic[T]):
    """Keeps the `capacity` last used values; never lets go of one that is borrowed. Thread-safe."""

    def __init__(self, capacity: int, dispose: Callable[[T], None]) -> None:
        self._lock = threading.RLock()
        self.capacity = capacity
        self._dispose = dispose
        self._held: OrderedDict[Hashable, _Held[T]] = OrderedDict()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._held

    @contextmanager
    def borrow(self, key: Hashable, make: Callable[[], T]) -> Iterator[T]:
        with self._lock:
            if key not in self._held:
                self._trim(self.capacity - 1)
                self._held[key] = _Held(make())
            self._held.move_to_end(key)
            held = self._held[key]
            held.borrowers += 1
        try:
            yield held.value
        finally:
            with self._lock:
                held.borrowers -= 1
                self._trim(self.capacity)

    def clear(self) -> None:
        for held in self._held.values():
            self._dispose(held.value)
        self._held.clear()

    def _trim(self, size: int) -> None:
        for key in list(self._held):
            if len(self._held) <= size:
                return
            if self._held[key].borrowers == 0:
                self._dispose(self._held.pop(key).value)


class Resources:
    """Models and videos kept open, the least recently used ones given up first.

    Parameters
    ----------
    models, videos : int
        How many to keep at most (more only while more are in use).

    """

    def __init__(self, models: int = 2, videos: int = 4) -> None:
        self._made_by: MadeBy | None = None
        self._began = 0.0
        self._models: _Shelf[KeypointModel] = _Shelf(models, lambda model: None)
        self._videos: _Shelf[Video] = _Shelf(videos, lambda video: video.close())

    def loading(
        self,
        stack: ExitStack,
        name: str | os.PathLike[str],
        computing: Computing = Computing(),  # noqa: B008, it is frozen
    ) -> Generator[Event, None, KeypointModel]:
        """A loaded model, lent until `stack` is closed; yields what is being done to load it.

        A file that changed on disk is loaded anew.
        """
        from napari_vitface.model.checkpoint import find_model, loading

        path = find_model(name)
        key = (str(path.absolute()), _stamp(path), computing)
        model: KeypointModel | None = None
        if key not in self._models:
            model = yield from preparing(loading(path, **vars(computing)))
        # Where an urgent job loaded the same one meanwhile, that is taken.
        return stack.enter_context(self._models.borrow(key, lambda: cast("KeypointModel", model)))

    @contextmanager
    def video(self, path: str | os.PathLike[str], *, white: int | None = None) -> Iterator[Video]:
        """An open video; a file that changed on disk is opened anew.

        `white` as in `napari_vitface.open_video`; default what its project sets, if it does.
        """
        from napari_vitface.project.white import white_of
        from napari_vitface.video import open_video

        path = Path(path)
        white = white_of(path, white)
        key = (str(path.absolute()), _stamp(path), white)
        with self._videos.borrow(key, lambda: open_video(path, white=white)) as video:
            yield video

    def begin(self, made_by: MadeBy) -> None:
        """Note which worker of a cluster begins a job with these, for what the job writes."""
        self._made_by, self._began = made_by, time.monotonic()

    def made_by(self) -> MadeBy | None:
        """The worker and its seconds since the job began; None where no cluster is."""
        if self._made_by is None:
            return None
        return replace(self._made_by, seconds=round(time.monotonic() - self._began, 2))

    def close(self) -> None:
        """Close every video and let go of every model."""
        self._models.clear()
        self._videos.clear()


@contextmanager
def shared_or_own(resources: Resources | None) -> Iterator[Resources]:
    """`resources` itself, or one of our own that is closed at the end."""
    if resources is not None:
        yield resources
        return
    own = Resources(models=1, videos=1)
    with closing(own):
        yield own


def _stamp(path: Path) -> Any:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
