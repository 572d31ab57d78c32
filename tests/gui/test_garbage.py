"""On which thread what only refers to itself is deleted."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest

from napari_vitface.gui.main_thread import MainThread

pytestmark = pytest.mark.window


def test_garbage_is_collected_on_the_main_thread_while_others_work(qtbot: Any) -> None:
    collected_on: list[threading.Thread] = []

    class Widget:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            collected_on.append(threading.current_thread())

    holder = MainThread()
    gc.collect()
    Widget()
    kept: list[list[int]] = []
    thread = threading.Thread(target=lambda: kept.extend([] for _ in range(100_000)))
    thread.start()
    thread.join()
    assert not collected_on
    qtbot.waitUntil(lambda: bool(collected_on), timeout=60_000)
    assert collected_on == [threading.main_thread()]
    del holder
