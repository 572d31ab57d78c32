"""Waiting for slow work without a frozen window."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

#: Quicker work is simply waited for; a dialog that flashes up would only irritate.
_PATIENCE = 0.3


def run_waiting(work: Callable[[], Result], message: str) -> Result:
    """Run `work` on a thread; the window goes on being drawn and says `message` until it is done.

    Without a Qt application, or away from its main thread, `work` is simply called. Whatever
    `work` raises is raised here.
    """
    from qtpy.QtCore import QEventLoop, Qt, QThread, QTimer
    from qtpy.QtWidgets import QApplication, QProgressDialog

    application = QApplication.instance()
    if application is None or QThread.currentThread() is not application.thread():
        return work()
    outcome: list[Result] = []
    error: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as raised:
            error.append(raised)

    thread = threading.Thread(target=run, name="vitface-waiting", daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    if thread.is_alive():
        dialog = QProgressDialog(message, "", 0, 0, QApplication.activeWindow())
        dialog.setCancelButton(None)
        dialog.setWindowModality(Qt.WindowModality.ApplicationModal)
        dialog.setWindowTitle("napari-vitface")
        dialog.setMinimumDuration(0)
        dialog.show()
        loop = QEventLoop()
        timer = QTimer()
        timer.timeout.connect(lambda: None if thread.is_alive() else loop.quit())
        timer.start(30)
        loop.exec_()
        timer.stop()
        dialog.close()
        dialog.deleteLater()
    if error:
        raise error[0]
    return outcome[0]
