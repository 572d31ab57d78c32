"""Where Python's garbage of the window is deleted: on the main thread, beside which threads go on.

Python collects cyclic garbage on whichever thread makes an object when there are many new ones.
Widgets of a window that was closed are such garbage, and Qt's objects may be deleted by the thread
that they belong to alone: on another one, deleting them ends the process, or waits for the main
thread, which waits for it.
"""

from __future__ import annotations

import gc
import sys
from collections import deque
from itertools import count

from qtpy.QtCore import QCoreApplication, QObject, QTimer
from qtpy.QtWidgets import QApplication

_NAME = "vitface-garbage"
#: Milliseconds between two looks.
_EVERY = 500
#: New objects at which any thread collects after all: the main thread seems to be busy for long.
_MANY = 200_000
#: As Python has it: of the collections, every so manyth goes on to the next older generation.
_OLDER = 10
#: The oldest, which takes a tenth of a second or two, where there is so much more of all, or after
#: so many times as long.
_GROWN, _LONG = 1.1, 10

_AT_FIRST = gc.get_threshold()
_left: deque[object] = deque()


def collect_on_main_thread() -> None:
    """Have this done from now on, while the application runs; called on its main thread."""
    application = QApplication.instance()
    if application is not None and application.findChild(QObject, _NAME) is None:
        _Collector(application)


def leave(held: object) -> None:
    """Have the main thread let go of something, which another thread must not be the last to."""
    _left.append(held)


class _Collector(QObject):
    """Collects every now and then, if there is as much as Python would collect at."""

    def __init__(self, application: QCoreApplication) -> None:
        super().__init__(application)
        self.setObjectName(_NAME)
        self._usual = _AT_FIRST
        self._numbers = count(1)
        self._blocks = sys.getallocatedblocks()
        application.aboutToQuit.connect(self._give_back)
        timer = QTimer(self)
        timer.timeout.connect(self._look)
        timer.start(_EVERY)
        self._look()

    def _look(self) -> None:
        _left.clear()
        found = gc.get_threshold()
        # Who has switched it off collects by another plan.
        if not gc.isenabled() or not found[0]:
            return
        if found[0] < _MANY:
            self._usual = found
            gc.set_threshold(_MANY, *found[1:])
        if gc.get_count()[0] > self._usual[0]:
            self._collect(next(self._numbers))

    def _collect(self, number: int) -> None:
        blocks = sys.getallocatedblocks()
        much = blocks > _GROWN * self._blocks or number % (_LONG * _OLDER**2) == 0
        if number % _OLDER**2 == 0 and much:
            gc.collect()
            self._blocks = sys.getallocatedblocks()
        else:
            gc.collect(int(number % _OLDER == 0))
            self._blocks = min(self._blocks, blocks)

    def _give_back(self) -> None:
        """Nothing looks while no event loop runs."""
        gc.set_threshold(*self._usual)
