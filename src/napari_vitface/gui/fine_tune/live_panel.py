"""The course of a training, live: its curve, and held-out frames with labels and predictions."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from napari_vitface.gui.fine_tune.pictures import HeldOutPictures
from napari_vitface.gui.fine_tune.training_run import NO_RUN, TrainingRun
from napari_vitface.gui.given import given
from napari_vitface.gui.section import Fold, WrappedLabel, stack
from napari_vitface.gui.style import plot_colours

if TYPE_CHECKING:
    from napari_vitface.gui.fine_tune.curve_plot import CurvePlot
    from napari_vitface.jobs.events import HeldOutShown
    from napari_vitface.jobs.results.training import TrainSettings


class LivePanel(Fold):
    """Unfolded while a training runs, folded once when it is done, hidden without anything to draw.

    Attributes
    ----------
    run : TrainingRun
        Whose course is shown.
    """

    def __init__(self) -> None:
        inside = QWidget()
        super().__init__("Curve and held-out frames", inside)
        self._theme = "dark"
        self.pictures = HeldOutPictures()
        self.legend = WrappedLabel("Held out; ring: your label, dot: the model")
        self._inside = stack(inside, self.legend, self.pictures)
        self.run = NO_RUN
        #: The run whose curve was folded away at its end already.
        self._folded = NO_RUN

    @cached_property
    def plot(self) -> CurvePlot:
        """The curve, made when there is one: importing pyqtgraph takes half as long as the dock."""
        from napari_vitface.gui.fine_tune.curve_plot import CurvePlot

        plot = CurvePlot()
        plot.set_colours(*plot_colours(self._theme))
        self._inside.insertWidget(0, plot)
        return plot

    def show_run(self, run: TrainingRun) -> None:
        """Draw what is known of a run."""
        if run is not self.run:
            self.run = run
            self.button.setChecked(run is not NO_RUN)
        there = bool(run.curve.losses or run.curve.errors or run.shown)
        self.setVisible(there)
        if not there:
            return
        if run.status == "done" and self.button.isChecked():
            if self._folded is not run:
                self.button.setChecked(False)
            self._folded = run
        steps = run.result.steps if run.result is not None else 0
        self.plot.show_curve(run.curve, steps or run.steps)
        pictured = bool(self._show_frames())
        for widget in (self.pictures, self.legend):
            widget.setVisible(pictured)

    @given("run.settings")
    @given("run.shown")
    def _show_frames(self, shown: HeldOutShown, settings: TrainSettings) -> bool:
        keypoints = settings.keypoints
        colours = dict(zip(keypoints.names, keypoints.colours, strict=True))
        self.pictures.show_frames(shown, colours)
        return True

    def set_theme(self, name: str) -> None:
        """Draw in the colours of a theme of napari."""
        self._theme = name
        if "plot" in vars(self):
            self.plot.set_colours(*plot_colours(name))
