"""A fine-tune that was not finished: buttons to go on with it, to end or to discard it."""

from __future__ import annotations

from qtpy.QtWidgets import QMessageBox, QWidget

from napari_vitface.gui.fine_tune.fine_tuning import FineTune
from napari_vitface.gui.fine_tune.training_run import NO_RUN, Unfinished
from napari_vitface.gui.given import given
from napari_vitface.gui.section import WrappedLabel, row_of, set_look, stack, tipped_button


class UnfinishedPanel(QWidget):
    """Offers the run that can go on, the one on screen before others; hidden without one."""

    def __init__(self, fine_tune: FineTune) -> None:
        super().__init__()
        self._fine_tune = fine_tune
        self._offered: Unfinished | None = None
        self.question: QMessageBox | None = None
        self.line = WrappedLabel("", "value")
        self.continue_button = tipped_button("Continue", "Go on training from where it was stopped")
        self.continue_button.clicked.connect(lambda: self._resume())
        self.end_button = tipped_button("End here", "Judge what was reached, and use it as it is")
        self.end_button.clicked.connect(lambda: self._resume(finish=True))
        self.discard_button = tipped_button("Discard", "Give up what was reached")
        self.discard_button.clicked.connect(lambda: self.ask_to_discard())
        buttons = row_of(self.continue_button, self.end_button, self.discard_button)
        stack(self, self.line, buttons, spacing=7)

    @property
    def offers(self) -> bool:
        """Whether there is a run that can go on."""
        return self._offered is not None

    def refresh(self) -> None:
        """Look what can go on now."""
        fine_tune = self._fine_tune
        run = fine_tune.run
        others = [] if fine_tune.active else fine_tune.unfinished
        mine = [one for one in others if one.folder == run.folder]
        offered = self._offered = next(iter(mine or others), None)
        self.setVisible(self.offers)
        if offered is None:
            return
        set_look(self.continue_button, "primary" if mine or run is NO_RUN else "")
        self.end_button.setEnabled(offered.step > 0)
        where = f": step {offered.step} of {offered.steps}." if offered.steps else "."
        self.line.setText("" if mine else f"The fine-tune {offered.name} was not finished{where}")

    @given("_offered")
    def _resume(self, offered: Unfinished, *, finish: bool = False) -> None:
        self._fine_tune.resume(offered.folder, finish=finish)

    @given("_offered")
    def ask_to_discard(self, offered: Unfinished) -> None:
        """Ask before hours of training are thrown away."""
        question = self.question = QMessageBox(self)
        question.setWindowTitle("Fine-tune")
        question.setText(
            f"Give up {offered.name}, which stands at step {offered.step} of {offered.steps}?"
        )
        question.setInformativeText("Your labels stay; what was trained is deleted.")
        yes = question.addButton("Discard", QMessageBox.ButtonRole.DestructiveRole)
        keep = question.addButton("Keep", QMessageBox.ButtonRole.RejectRole)
        question.setDefaultButton(keep)

        def answered(_: int) -> None:
            if question.clickedButton() is yes:
                self._fine_tune.discard(offered.folder)
            question.deleteLater()

        question.finished.connect(answered)
        question.open()
