"""What a classifier said of several videos: a row each, which leads to the video."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QPushButton, QWidget

from napari_vitface.gui.numbers import counted, digits
from napari_vitface.gui.numbers_table import NumbersTable
from napari_vitface.gui.section import WrappedLabel, row_of, stack
from napari_vitface.gui.states.classifying import NOTHING_TOLD
from napari_vitface.jobs.results.classifying import PredictStatesResult, TrialStates

#: Rows that are seen without scrolling, at most.
_MOST = 8
#: Pixels of the names of videos at least.
_NARROWEST = 90


class ToldTable(QWidget):
    """A table with Copy and Save.

    Signals
    -------
    chosen : Path
        The video of the row that was clicked.
    written : Path
        Where the table was saved.
    """

    chosen = Signal(object)
    written = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._shown = NOTHING_TOLD
        self._asked = 0
        self._videos: list[Path] = []
        self.about = WrappedLabel("", "value")
        self.table = NumbersTable()
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip("Copy the table, or its selected rows, for a spreadsheet")
        self.save_button = QPushButton("Save CSV…")
        self.save_button.setToolTip("Write the table to a file")
        stack(self, self.about, self.table, row_of(self.copy_button, self.save_button))
        self.table.chosen.connect(lambda row: self.chosen.emit(self._videos[row]))
        self.copy_button.clicked.connect(lambda: self.table.copy())
        self.save_button.clicked.connect(lambda: self.save())
        self.setVisible(False)

    def show_result(self, told: PredictStatesResult, asked: int = 0) -> None:
        """Show what was said of videos, of `asked` if no more come; hidden while it is nothing."""
        self.setVisible(told != NOTHING_TOLD)
        if (told, asked) == (self._shown, self._asked):
            return
        self._shown, self._asked = told, asked
        failed = {each.video: each.message for each in told.failed}
        said = [each.video for each in told.trials]
        self._videos = [Path(video) for video in (*said, *failed)]
        states = told.states or ("value",)
        rows = [[_name(each), *_cells(each, states)] for each in told.trials]
        rows += [[Path(video).name, *[""] * len(states), "failed"] for video in failed]
        tips = [f"Show {Path(each.video).name}" for each in told.trials] + list(failed.values())
        self.table.show_rows(["video", *states, "unlike"], rows, tips)
        shown = max(2, min(len(rows), _MOST)) * 22 + 46
        self.table.setFixedHeight(shown)
        self.table.fit_first(_NARROWEST)
        done = len(set(said))
        words = f"{counted(done, 'video')} by {Path(told.model).name}; tables beside them."
        if failed:
            words += f" {counted(len(failed), 'video')} failed: point at it to see why."
        if (left := asked - done - len(failed)) > 0:
            was = "was" if left == 1 else "were"
            words += f" {digits(left)} of {counted(asked, 'video')} {was} not reached."
        self.about.setText(
            words + " unlike: share of the frames that are unlike anything seen in training."
        )

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.table.fit_first(_NARROWEST)

    def save(self) -> None:
        """Ask for a file, and write the table."""
        model = Path(self._shown.model)
        start = model.with_name(f"{model.stem}_videos.csv")
        self.table.ask_to_save(start, self.written.emit)


def _name(trial: TrialStates) -> str:
    """The video, and which trial of it."""
    name = Path(trial.video).name
    return name if trial.onset is None else f"{name} at {trial.onset}"


def _cells(trial: TrialStates, states: tuple[str, ...]) -> list[str]:
    if trial.probabilities is None:
        said = [f"{trial.value:.3g}" if trial.value is not None else ""]
    else:
        said = [f"{trial.probabilities[state]:.2f}" for state in states]
    return [*said, f"{100 * trial.unlike:.0f} %"]
