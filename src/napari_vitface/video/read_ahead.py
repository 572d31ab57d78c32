"""Running an iterator ahead of its reader, on a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def decode_ahead(source: Callable[[], Iterator[Item]], ahead: int) -> Iterator[Item]:
    """Iterate over `source()`, which runs on another thread up to `ahead` items in front.

    An error in the source is raised here, after the items before it. Closing the iterator stops
    the thread, closes the source, and waits for both.
    """
    items: queue.Queue[tuple[str, Item | BaseException | None]] = queue.Queue(max(1, ahead))
    stopped = threading.Event()

    def put(kind: str, item: Item | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                items.put((kind, item), timeout=0.05)
                return
            except queue.Full:
                continue

    def work() -> None:
        iterator = None
        try:
            iterator = source()
            for item in iterator:
                put("item", item)
                if stopped.is_set():
                    break
        except BaseException as error:  # handed to the reader, whatever it is
            put("error", error)
        else:
            put("end", None)
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=work, name="vitface-decode-ahead", daemon=True)
    thread.start()
    try:
        while True:
            kind, item = items.get()
            if kind == "item":
                yield item  # type: ignore[misc]
            elif kind == "error":
                raise item  # type: ignore[misc]
            else:
                return
    finally:
        stopped.set()
        thread.join()
