"""The form for smoothing and gap filling beside the plot."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSpinBox,
    QWidget,
)

from napari_vitface.gui.kept_choices import KeptChoices
from napari_vitface.gui.section import WrappedLabel, labelled_rows, set_look, stack
from napari_vitface.gui.trajectories.ensemble_list import EnsembleList
from napari_vitface.kinematics import describe_operation
from napari_vitface.kinematics.operations import MAX_WINDOW
from napari_vitface.pose.edits import Operation

_METHODS = (
    ("Median filter", "median", "Takes out single wrong frames and keeps quick movements."),
    ("Savitzky-Golay filter", "savgol", "Smooths noise and keeps the shape of movements."),
    ("Fill gaps", "linear", "Straight lines over missing and doubtful predictions."),
    (
        "Ensemble",
        "ensemble",
        "Smooths these predictions with those of the ticked models, by how far they agree; a band "
        "shows how sure that is.",
    ),
)


class OddSpinBox(QSpinBox):
    """A number of frames that has a middle; an even one that is typed becomes the next odd one."""

    def __init__(self) -> None:
        super().__init__()
        self.setRange(3, MAX_WINDOW)
        self.setSingleStep(2)
        self.editingFinished.connect(lambda: self.setValue(self.value() | 1))


class FilterForm(QScrollArea):
    """Method and numbers, Apply, what is done so far, Undo and Redo, and the filtered table."""

    #: An operation (without the keypoints and frames that "only" stands for).
    applied = Signal(dict)
    undo_pressed = Signal()
    redo_pressed = Signal()
    save_pressed = Signal()

    def __init__(self, kept: KeptChoices) -> None:
        super().__init__()
        self._rate, self._usable = 0.0, False
        self.method = QComboBox()
        for text, key, help_text in _METHODS:
            self.method.addItem(text, key)
            self.method.setItemData(self.method.count() - 1, help_text, Qt.ItemDataRole.ToolTipRole)
        self.help = WrappedLabel()
        self.models = EnsembleList()
        self.window_size = OddSpinBox()
        self.window_size.setValue(5)
        self.order = QSpinBox()
        self.order.setRange(0, 9)
        self.order.setValue(2)
        self.order.setToolTip("Degree of the polynomial that is fitted to each window")
        self.longest = QSpinBox()
        self.longest.setRange(1, 100_000)
        self.longest.setValue(10)
        self.longest.setToolTip("Longer gaps stay")
        self.confidence = QDoubleSpinBox()
        self.confidence.setRange(0.0, 1.0)
        self.confidence.setSingleStep(0.05)
        self.confidence.setPrefix("at least ")
        self.confidence.setSpecialValueText("any")
        self.confidence.setToolTip(
            "Predictions below this confidence count as missing: they are no input to smoothing, "
            "and gap filling replaces them"
        )
        self.keypoints = QComboBox()
        self.keypoints.addItem("all", False)
        self.keypoints.addItem("plotted", True)
        self.frames = QComboBox()
        self.frames.addItem("all", False)
        self.frames.addItem("in view", True)
        grid, self._labels = labelled_rows(
            ("Method", self.method),
            ("Window", self.window_size),
            ("Order", self.order),
            ("Longest gap", self.longest),
            ("Confidence", self.confidence),
            ("Keypoints", self.keypoints),
            ("Frames", self.frames),
        )
        self._fields: list[QWidget] = [self.method, self.window_size, self.order, self.longest]
        self.apply_button = QPushButton("Apply")
        set_look(self.apply_button, "primary")
        self.apply_button.setToolTip(
            "Changes what is shown of the predictions, never the files or your labels"
        )
        self.apply_button.clicked.connect(lambda: self.applied.emit(self.operation()))
        self.state = WrappedLabel("", "value")
        self.undo_button = QPushButton("Undo")
        self.undo_button.clicked.connect(self.undo_pressed)
        self.redo_button = QPushButton("Redo")
        self.redo_button.clicked.connect(self.redo_pressed)
        self.save_button = QPushButton("Save filtered table")
        self.save_button.clicked.connect(self.save_pressed)
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        for button in (self.undo_button, self.redo_button):
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            buttons.addWidget(button, 1)
        inside = QWidget()
        layout = stack(inside, grid, margins=(6, 2, 6, 4))
        layout.insertWidget(1, self.help)
        layout.addWidget(self.models)
        layout.addWidget(self.apply_button)
        layout.addWidget(self.state)
        layout.addLayout(buttons)
        layout.addWidget(self.save_button)
        layout.addStretch(1)
        self.setWidget(inside)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFixedWidth(256)
        self.method.currentIndexChanged.connect(lambda *_: self._refresh())
        self.window_size.valueChanged.connect(lambda *_: self._refresh())
        self.longest.valueChanged.connect(lambda *_: self._refresh())
        self.models.changed.connect(self._refresh)
        kept.follow(self, "method", "window_size", "order", "longest")
        kept.follow(self, "confidence", "keypoints", "frames")
        self._refresh()

    def operation(self) -> Operation:
        """What is set, without the keypoints and frames."""
        method = self.method.currentData()
        operation: Operation
        if method == "linear":
            operation = {"fill": "linear", "longest": self.longest.value()}
        elif method == "ensemble":
            operation = {"smooth": "ensemble", "tables": self.models.chosen}
        else:
            operation = {"smooth": method, "window": self.window_size.value() | 1}
            if method == "savgol":
                operation["order"] = min(self.order.value(), operation["window"] - 1)
        if self.confidence.value() > 0:
            operation["confidence"] = round(self.confidence.value(), 4)
        return operation

    @property
    def only_plotted(self) -> bool:
        """Whether the operation is for the plotted keypoints alone."""
        return bool(self.keypoints.currentData())

    @property
    def only_in_view(self) -> bool:
        """Whether the operation is for the frames in view alone."""
        return bool(self.frames.currentData())

    def set_rate(self, rate: float) -> None:
        """Frames a second, to say how long a window is; 0 if unknown."""
        self._rate = rate
        self._refresh()

    def set_state(
        self,
        operations: list[Operation],
        share: float | None,
        undo: str,
        redo: str,
        usable: bool,
        waits: bool = False,
        problem: str = "",
    ) -> None:
        """What is done, how far the work on it is, and what can be undone and redone.

        `waits`: the predictions are still coming in, and are filtered when they are complete.
        `problem`: why what is done is not shown.
        """
        lines = [
            f"{number}. {describe_operation(each)}" for number, each in enumerate(operations, 1)
        ]
        if share is not None:
            lines.append(f"Working … {100 * share:.0f} %")
        elif lines and waits:
            lines.append("Shown when the prediction is done.")
        elif problem:
            lines.append(f"Not shown: {problem}")
        self.state.setText("\n".join(lines))
        self._usable = usable
        self._refresh()
        self.save_button.setEnabled(usable and share is None)
        for button, word, what in (
            (self.undo_button, "Undo", undo),
            (self.redo_button, "Redo", redo),
        ):
            button.setEnabled(bool(what))
            button.setToolTip(f"{word} {what}" if what else f"Nothing to {word.lower()}")

    def set_table_name(self, name: str) -> None:
        """Name of the file that the filtered table goes to."""
        self.save_button.setToolTip(
            f"Writes {name}.h5 and .csv: predictions as they are shown, with your labels in their "
            "place"
        )

    def _refresh(self) -> None:
        method = self.method.currentData()
        shown: dict[QWidget, bool] = {
            self.window_size: method in ("median", "savgol"),
            self.order: method == "savgol",
            self.longest: method == "linear",
        }
        for field, label in zip(self._fields, self._labels, strict=False):
            field.setVisible(shown.get(field, True))
            label.setVisible(shown.get(field, True))
        ensemble = method == "ensemble"
        self.models.setVisible(ensemble)
        self.apply_button.setEnabled(self._usable and (not ensemble or self.models.any_chosen))
        box = self.longest if method == "linear" else self.window_size
        box.setSuffix(" frame" if box.value() == 1 else " frames")
        text = _METHODS[self.method.currentIndex()][2]
        if self._rate > 0 and not ensemble:
            seconds = box.value() / self._rate
            length = f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.3g} s"
            text += f" {box.value()}{box.suffix()}: {length}."
        self.help.setText(text)
