"""The bar of a run, what it is doing, how long it will take, and the button that stops it."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QProgressBar, QPushButton, QSizePolicy, QWidget

from napari_vitface.gui.job_run import STARTING, JobRun, Runner
from napari_vitface.gui.numbers import counted, digits
from napari_vitface.gui.section import Note, WrappedLabel, beside, stack
from napari_vitface.gui.style import duration


class RunProgress(QWidget):
    """Progress of a `JobRun`; hidden while none is active.

    Parameters
    ----------
    runner : Runner
        What Cancel stops.
    noun : str
        What is counted: "frame". Empty: only the share and the time left are said.
    cancel_help : str
        Tooltip of Cancel.
    """

    def __init__(self, runner: Runner[Any], noun: str, cancel_help: str) -> None:
        super().__init__()
        self._noun = noun
        self.bar = QProgressBar()
        self.bar.setTextVisible(True)
        self.bar.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip(cancel_help)
        self.cancel_button.clicked.connect(lambda: runner.cancel())
        self.doing = WrappedLabel("", "value")
        line = beside(self.bar, self.cancel_button, wide=(self.bar,), spacing=6)
        stack(self, line, self.doing, spacing=7)
        self.setVisible(False)

    def show_run(
        self,
        run: JobRun,
        *,
        waiting: str = "",
        stopping: str = "Stopping after the batch in progress …",
    ) -> None:
        """Show where a run stands; one that is over hides everything.

        `waiting` says what is before it, if something is.
        """
        self.setVisible(run.active)
        if not run.active:
            return
        self.cancel_button.setEnabled(run.status != "cancelling")
        self.bar.setRange(0, run.total)
        self.bar.setValue(run.done)
        if run.status == "cancelling":
            self.doing.setText(stopping)
        elif run.status == "starting":
            self.doing.setText(f"{run.doing or waiting or STARTING} …")
        else:
            self.doing.setText(self._words(run))

    def _words(self, run: JobRun) -> str:
        parts = []
        if self._noun:
            parts.append(f"{digits(run.done)} of {counted(run.total, self._noun)}")
        if run.seconds_left is not None:
            parts.append(f"{duration(run.seconds_left)} left")
        first = "  ·  ".join(parts)
        return "\n".join(filter(None, (first, run.doing)))


def say_end(note: Note, run: JobRun) -> None:
    """Say in a note why a run failed, or what it had to remark; nothing before it is over."""
    if run.status == "failed":
        note.say(run.message, "error")
    else:
        note.say("" if run.active else "\n".join(run.notices), "info")
