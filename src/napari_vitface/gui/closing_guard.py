"""Asking before long work is stopped because its window, or the dock, is closed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QDockWidget, QMessageBox, QWidget

from napari_vitface.gui.numbers import counted, digits
from napari_vitface.gui.workbench import Workbench
from napari_vitface.jobs.outputs import why_not_kept


@dataclass(frozen=True)
class Running:
    """What would be stopped, in words.

    Attributes
    ----------
    title : str
    now : str
        How far it is, a sentence.
    then : str
        What closing does to it, and what is kept.
    """

    title: str
    now: str
    then: str


class ClosingGuard(QObject):
    """Keeps window and dock open while a model or a classifier is trained, or states are told of
    many videos, unless the user says otherwise.

    Parameters
    ----------
    session : Workbench
    dock : QWidget
        What is closed with napari's dock around it.
    """

    def __init__(self, session: Workbench, dock: QWidget) -> None:
        super().__init__(dock)
        self._session = session
        self._dock = dock
        self._window: QWidget | None = None
        self._holder: QDockWidget | None = None
        #: What is to be undone when nothing is watched any more.
        self._watched = contextlib.ExitStack()
        #: The question that is open.
        self.question: QMessageBox | None = None
        session.ended.connect(self._let_go)

    def watch(self) -> None:
        """Watch the window and the dock that the widget is in now."""
        holder = self._dock.parent()
        while holder is not None and not isinstance(holder, QDockWidget):
            holder = holder.parent()
        if holder is None or holder.parent() is None:
            return
        window = cast(QWidget, holder.parent()).window()
        if window is not self._window:
            self._window = window
            window.installEventFilter(self)
            self._watched.callback(self._leave, window)
        if holder is not self._holder:
            self._holder = holder
            self._watched.callback(vars(holder).pop, "destroyOnClose", None)
            # What the x of napari's dock calls; Qt knows nothing of that button.
            close = getattr(holder, "destroyOnClose", None)
            if close is not None:
                holder.destroyOnClose = (  # type: ignore[attr-defined]
                    lambda: close() if self.may_close("the dock") else None
                )

    def _let_go(self) -> None:
        """Nothing is asked any more; what is being taken down must not call back."""
        self._window = self._holder = None
        self._watched.close()

    def _leave(self, window: QWidget) -> None:
        # Qt may have taken the window down before the session heard of it.
        with contextlib.suppress(RuntimeError):
            window.removeEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stop the window's closing if the user wants what runs to go on."""
        if event.type() == QEvent.Type.Close and watched is self._window:
            # A program that closes a viewer takes its layers away first, and is not asked.
            by_user = event.spontaneous() or len(self._session.viewer.layers) > 0
            if by_user and not self.may_close("napari"):
                event.ignore()
                return True
        return False

    def may_close(self, what: str) -> bool:
        """Whether nothing long is running, or the user lets it be stopped."""
        running = [] if self._session.closed else list(self._running())
        if not running:
            return True
        if self.question is not None:
            return False
        question = self.question = QMessageBox(self._dock)
        question.setIcon(QMessageBox.Icon.Question)
        question.setWindowTitle(running[0].title)
        question.setText(f"{' '.join(each.now for each in running)} Close {what}?")
        question.setInformativeText("\n".join(each.then for each in running))
        keep = question.addButton("Keep open", QMessageBox.ButtonRole.RejectRole)
        stop = question.addButton("Stop and close", QMessageBox.ButtonRole.DestructiveRole)
        question.setDefaultButton(keep)
        question.setEscapeButton(keep)
        try:
            question.exec_()
            return question.clickedButton() is stop or not list(self._running())
        finally:
            self.question = None
            question.deleteLater()

    def _running(self) -> Iterator[Running]:
        tuned = self._session.fine_tune.run
        if tuned.active:
            reached = f" at step {digits(tuned.step)} of {digits(tuned.steps)}"
            kept = (
                "What it has reached is kept: open the video again, and Continue in section 5 "
                "(Fine-tune) goes on from there."
            )
            lost = why_not_kept(tuned.folder) if tuned.settings else ""
            yield Running(
                "A model is being trained",
                f"The model {tuned.name} is being trained{reached if tuned.steps else ''}.",
                f"Closing stops the training. {lost or kept}",
            )
        classifying = self._session.classifying
        if classifying.working == "train":
            yield Running(
                "A classifier is being trained",
                "A classifier of states is being trained.",
                "Closing stops the training, and nothing of it is kept.",
            )
        elif classifying.working == "predict all":
            done = len({trial.video for trial in classifying.told_of_all.trials})
            yield Running(
                "States are being predicted",
                f"States were told of {digits(done)} of {counted(classifying.asked_of, 'video')}.",
                "Closing stops here. The tables beside the videos that are done stay.",
            )
