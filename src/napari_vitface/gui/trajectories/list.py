"""The list beside the plot: which keypoints are plotted, and traces made of several of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_vitface.gui.section import WrappedLabel, stack
from napari_vitface.kinematics import Trace
from napari_vitface.kinematics.traces import KEYPOINTS_OF, MEANING, Kind
from napari_vitface.pose.keypoints import KeypointSet

#: Colours of traces made of several keypoints, in the order in which they are added.
DERIVED_COLOURS = ("#ffffff", "#ffd866", "#7fdbff", "#ff9ecf", "#b8f28a", "#c9b6ff")

_KEYPOINT, _TRACE = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1

_ADDED: tuple[tuple[str, Kind], ...] = (
    ("Distance", "distance"),
    ("Angle at a keypoint", "angle"),
    ("Direction of a line", "direction"),
)


@dataclass
class TraceChoice:
    """What the user wants plotted.

    Attributes
    ----------
    hidden : set of str
        Keypoints that are not wanted; new ones are plotted.
    derived : list of Trace
        Traces made of several keypoints.
    hidden_derived : set of Trace
        Those of them that are not ticked.
    """

    hidden: set[str] = field(default_factory=set)
    derived: list[Trace] = field(default_factory=list)
    hidden_derived: set[Trace] = field(default_factory=set)


class TraceList(QWidget):
    """Names with boxes to tick; below them buttons to add and remove derived traces."""

    #: Other traces are to be plotted.
    changed = Signal()
    #: The user clicked on the name of a keypoint.
    chosen = Signal(str)

    def __init__(self, choice: TraceChoice) -> None:
        super().__init__()
        #: Colours of the keypoints that can be plotted, by name.
        self._colours: dict[str, str] = {}
        self._choice = choice
        self.list = QListWidget()
        self.list.setIconSize(QSize(10, 10))
        self.list.setUniformItemSizes(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setToolTip(
            "Tick what is plotted. Click on a name to select the keypoint on the video; "
            "double-click to plot nothing else."
        )
        self.list.itemChanged.connect(self._on_ticked)
        self.list.itemClicked.connect(self._on_clicked)
        self.list.itemDoubleClicked.connect(self._on_double_clicked)
        self.list.currentItemChanged.connect(lambda *_: self._refresh_buttons())
        self.all_button = QPushButton("All")
        self.all_button.setToolTip("Plot all keypoints")
        self.all_button.clicked.connect(lambda: self._tick_all(True))
        self.none_button = QPushButton("None")
        self.none_button.setToolTip("Plot no keypoint")
        self.none_button.clicked.connect(lambda: self._tick_all(False))
        self.add_button = QPushButton("Add…")
        self.add_button.setToolTip("Add a distance or an angle between keypoints, to be plotted")
        self.add_button.clicked.connect(lambda: self.ask_for_trace())
        self.remove_button = QPushButton("Remove")
        self.remove_button.setToolTip("Remove the distance or angle that is selected in the list")
        self.remove_button.clicked.connect(lambda: self.remove_current())
        rows = []
        for buttons in (
            (self.all_button, self.none_button),
            (self.add_button, self.remove_button),
        ):
            row = QHBoxLayout()
            row.setSpacing(4)
            for button in buttons:
                button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
                row.addWidget(button, 1)
            rows.append(row)
        layout = stack(self, rows[0], spacing=4)
        layout.addWidget(self.list, 1)
        layout.addLayout(rows[1])
        self._refresh_buttons()

    # ----------------------------------------------------------------- what is chosen

    @property
    def keypoints(self) -> list[str]:
        """Names of the keypoints that are ticked."""
        return [name for name in self._colours if name not in self._choice.hidden]

    @property
    def derived(self) -> list[Trace]:
        """Traces made of several keypoints that are ticked."""
        return [trace for trace in self._choice.derived if trace not in self._choice.hidden_derived]

    @property
    def all_derived(self) -> list[Trace]:
        """Traces made of several keypoints, ticked or not."""
        return list(self._choice.derived)

    def colour(self, trace: Trace) -> QColor:
        """What a trace is drawn in."""
        if trace.derived:
            place = self._choice.derived.index(trace) if trace in self._choice.derived else 0
            return QColor(DERIVED_COLOURS[place % len(DERIVED_COLOURS)])
        return QColor(self._colours[trace.keypoints[0]])

    def set_keypoints(self, *sets: KeypointSet | None) -> None:
        """List keypoints, those of the first set first; what was unticked stays so, by name."""
        colours: dict[str, str] = {}
        for each in filter(None, sets):
            for name, colour in zip(each.names, each.colours, strict=True):
                colours.setdefault(name, colour)
        if list(colours.items()) != list(self._colours.items()):
            self._colours = colours
            self._fill()

    def show_only(self, names: Sequence[str]) -> None:
        """Tick these keypoints and no others."""
        self._choice.hidden = set(self._colours) - set(names)
        self._fill()
        self.changed.emit()

    def set_selected(self, names: Sequence[str]) -> None:
        """Mark the keypoint that is selected on the video."""
        self.list.blockSignals(True)
        self.list.setCurrentRow(-1)
        for row in range(self.list.count()):
            item = self.list.item(row)
            if len(names) == 1 and item.data(_KEYPOINT) == names[0]:
                self.list.setCurrentItem(item)
        self.list.blockSignals(False)
        self._refresh_buttons()

    def add(self, trace: Trace) -> None:
        """Plot a trace made of several keypoints."""
        if trace not in self._choice.derived:
            self._choice.derived.append(trace)
        self._choice.hidden_derived.discard(trace)
        self._fill()
        self.changed.emit()

    def remove_current(self) -> None:
        """Forget the derived trace that is selected in the list."""
        item = self.list.currentItem()
        trace = item.data(_TRACE) if item is not None else None
        if trace is not None:
            self._choice.derived.remove(trace)
            self._choice.hidden_derived.discard(trace)
            self._fill()
            self.changed.emit()

    def ask_for_trace(self) -> None:
        """Let the user add a derived trace."""
        dialog = TraceDialog(list(self._colours), self)
        if dialog.exec():
            self.add(dialog.trace())

    # ----------------------------------------------------------------- the list

    def _fill(self) -> None:
        self.list.blockSignals(True)
        self.list.clear()
        for name, colour in self._colours.items():
            item = self._item(name, QColor(colour), name not in self._choice.hidden)
            item.setData(_KEYPOINT, name)
        for trace in self._choice.derived if self._colours else ():
            ticked = trace not in self._choice.hidden_derived
            item = self._item(trace.label, self.colour(trace), ticked)
            item.setData(_TRACE, trace)
            item.setToolTip(f"{trace.label}: {MEANING[trace.kind]}")
        self.list.blockSignals(False)
        self._refresh_buttons()

    def _item(self, text: str, colour: QColor, ticked: bool) -> QListWidgetItem:
        swatch = QPixmap(10, 10)
        swatch.fill(colour)
        item = QListWidgetItem(QIcon(swatch), text)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
        item.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
        self.list.addItem(item)
        return item

    def _on_ticked(self, item: QListWidgetItem) -> None:
        ticked = item.checkState() == Qt.CheckState.Checked
        trace, name, choice = item.data(_TRACE), item.data(_KEYPOINT), self._choice
        if trace is not None:
            (choice.hidden_derived.discard if ticked else choice.hidden_derived.add)(trace)
        else:
            (choice.hidden.discard if ticked else choice.hidden.add)(name)
        self.changed.emit()

    def _on_clicked(self, item: QListWidgetItem) -> None:
        if item.data(_KEYPOINT) is not None:
            self.chosen.emit(item.data(_KEYPOINT))

    def _on_double_clicked(self, item: QListWidgetItem) -> None:
        if item.data(_KEYPOINT) is not None:
            self.show_only([item.data(_KEYPOINT)])

    def _tick_all(self, ticked: bool) -> None:
        self.show_only(list(self._colours) if ticked else [])

    def _refresh_buttons(self) -> None:
        item = self.list.currentItem()
        self.remove_button.setEnabled(item is not None and item.data(_TRACE) is not None)
        self.add_button.setEnabled(len(self._colours) > 1)
        for button in (self.all_button, self.none_button):
            button.setEnabled(bool(self._colours))


class TraceDialog(QDialog):
    """Asks for a distance, an angle or a direction: of which keypoints, and its name."""

    def __init__(self, names: Sequence[str], parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Add a trace")
        self.kind = QComboBox()
        for text, kind in _ADDED:
            if KEYPOINTS_OF[kind] <= len(names):
                self.kind.addItem(text, kind)
        self.help = WrappedLabel()
        self.boxes = [QComboBox() for _ in range(3)]
        for place, box in enumerate(self.boxes):
            box.addItems(list(names))
            box.setCurrentIndex(min(place, len(names) - 1))
            box.currentIndexChanged.connect(lambda *_: self._refresh())
        self.name = QLineEdit()
        self.form = QFormLayout()
        self.form.addRow("Kind", self.kind)
        self.form.addRow(self.help)
        for text, box in zip(("From", "To", "And"), self.boxes, strict=True):
            self.form.addRow(text, box)
        self.form.addRow("Name", self.name)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addLayout(self.form)
        layout.addWidget(self.buttons)
        self.setMinimumWidth(320)
        if {"eye top", "eye bottom"} <= set(names):
            # What most people measure first on a mouse's face.
            self.boxes[0].setCurrentText("eye top")
            self.boxes[1].setCurrentText("eye bottom")
            self.name.setText("eye opening")
        self._suggested = self.name.text()
        self.kind.currentIndexChanged.connect(lambda *_: self._on_kind())
        self._on_kind()

    def trace(self) -> Trace:
        """What the user asked for."""
        kind: Kind = self.kind.currentData()
        names = tuple(box.currentText() for box in self.boxes[: KEYPOINTS_OF[kind]])
        return Trace(kind, names, self.name.text().strip())

    def _on_kind(self) -> None:
        kind: Kind = self.kind.currentData()
        self.help.setText(f"{MEANING[kind]}.")
        words = ("From", "At", "To") if kind == "angle" else ("From", "To", "")
        for word, box in zip(words, self.boxes, strict=True):
            label = self.form.labelForField(box)
            if isinstance(label, QLabel):
                label.setText(word)
        self.form.setRowVisible(self.boxes[2], kind == "angle")
        self._refresh()

    def _refresh(self) -> None:
        kind: Kind = self.kind.currentData()
        names = [box.currentText() for box in self.boxes[: KEYPOINTS_OF[kind]]]
        different = len(set(names)) == len(names)
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(different)
        if not hasattr(self, "_suggested"):
            return
        # The suggested name is that of the suggested keypoints.
        fits = kind == "distance" and names == ["eye top", "eye bottom"]
        if self._suggested and self.name.text() == self._suggested and not fits:
            self.name.clear()
        if different:
            self.name.setPlaceholderText(Trace(kind, tuple(names)).label)
