"""Where Python's cyclic garbage is collected: on the main thread, beside which threads go on.

Python collects on whichever thread makes an object when there are many new ones. Widgets of a
window that was closed are such garbage, and Qt's objects may be deleted by the thread that they
belong to alone: on another one, deleting them ends the process, or waits for the main thread, which
waits for it.
"""

from __future__ import annotations

import gc
import sys
from itertools import count

from qtpy.QtCore import QObject, QTimer
from qtpy.QtWidgets import QApplication

_NAME = "vitface-garbage"
#: Milliseconds between two looks.
_EVERY = 500
#: New objects at which any thread collects after all: the main thread seems to be busy for long.
_MANY = 200_000
#: As Python has it: of the collections, every so manyth goes on to the next older generation.
_OLDER = 10
#: The oldest, which takes a tenth of a second or two, only where there is so much more of all.
_GROWN = 1.1


def collect_on_main_thread() -> None:
    """Have this done from now on, as long as the application runs; called on its main thread."""
    application = QApplication.instance()
    if application is not None and application.findChild(QObject, _NAME) is None:
        _Collector(application)


class _Collector(QObject):
    """Collects every now and then, if there is as much as Python would collect at."""

    def __init__(self, application: QObject) -> None:
        super().__init__(application)
        self.setObjectName(_NAME)
        self._numbers = count(1)
        self._blocks = sys.getallocatedblocks()
        self._usual, *older = gc.get_threshold()
        # Who has switched it off collects by another plan.
        if self._usual and gc.isenabled():
            gc.set_threshold(max(_MANY, self._usual), *older)
            timer = QTimer(self)
            timer.timeout.connect(self._look)
            timer.start(_EVERY)

    def _look(self) -> None:
        if gc.get_count()[0] > self._usual:
            number = next(self._numbers)
            if number % _OLDER**2 == 0 and sys.getallocatedblocks() > _GROWN * self._blocks:
                gc.collect()
                self._blocks = sys.getallocatedblocks()
            else:
                gc.collect(int(number % _OLDER == 0))
