"""What the list says: of one video in a few words, of all in a line."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from napari_vitface.gui.numbers import counted, digits
from napari_vitface.gui.style import duration
from napari_vitface.gui.video_list.items import Item, State
from napari_vitface.gui.video_list.queue import VideoQueue

_ENDED = {State.DONE: "done", State.FAILED: "failed", State.CANCELLED: "cancelled"}


def state_words(item: Item) -> str:
    """Where a video stands: "waiting", "34 %", "done"."""
    if item.state is State.RUNNING:
        return f"{100 * item.done // item.total} %" if item.total else "starting"
    if item.state is State.WAITING and item.done and item.total:
        return f"waiting at {100 * item.done // item.total} %"
    if item.state is State.WAITING and item.again:
        return "waiting, again"
    return _ENDED.get(item.state, "waiting")


def share_done(item: Item) -> float:
    """How full the bar of a video is, 0 to 1."""
    if item.state is State.DONE:
        return 1.0
    return min(1.0, item.done / item.total) if item.total else 0.0


def crop_words(crop: object) -> str:
    """The part of the frame that the model looks at, as it stands in the list."""
    if isinstance(crop, tuple):
        return f"{crop[2]} × {crop[3]} px"
    return {"auto": "find the face", "whole": "whole frame"}.get(str(crop), "as all")


def folders(items: Iterable[Item]) -> dict[int, str]:
    """The folder of each item by its id: what is not common to all, so that names are told apart.

    Empty if all lie in one folder.
    """
    parents = {id(item): item.path.parent for item in items}
    if len(set(parents.values())) < 2:
        return {}
    try:
        common = Path(os.path.commonpath(list(parents.values())))
    except ValueError:
        # On several drives.
        return {key: str(parent) for key, parent in parents.items()}
    return {key: parent.relative_to(common).as_posix() for key, parent in parents.items()}


def start_words(queue: VideoQueue, waiting: int, *, on_cluster: bool) -> tuple[str, str]:
    """What the button says that starts and stops the list, and its tooltip."""
    if queue.going:
        return "Stop", "What is done is kept; Go on goes on from there"
    if queue.interrupted:
        return f"Go on with {counted(waiting, 'video')}", "Each goes on from where it was"
    what = f"{queue.kind.title} {counted(waiting, 'video')}" if waiting else queue.kind.title
    if on_cluster:
        return what, "On the cluster; it goes on when napari is closed"
    return what, "One after the other, in this order"


def list_words(queue: VideoQueue) -> str:
    """How far all videos are, and how long it will take."""
    items = queue.items
    if not items:
        return ""
    done, failed = len(items.having(State.DONE)), len(items.having(State.FAILED))
    parts = [f"{digits(done)} of {counted(len(items), 'video')} done"]
    if failed:
        parts.append(f"{failed} failed")
    if queue.running is not None:
        left = queue.seconds_left
        parts.append("…" if left is None else f"{duration(left)} left for all")
    elif queue.interrupted:
        parts.append("stopped")
    return "  ·  ".join(parts)
