"""Editing a project's keypoints: names, new ones, skeleton and left/right pairs."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_vitface.gui.section import Note, WrappedLabel, set_look
from napari_vitface.pose.keypoints import KeypointSet

_NAMES = (
    "Rename by typing over a name; labels stay with their keypoint. New keypoints go to the end. "
    "None can be taken away, as that would take labels with it."
)
_SKELETON = "Lines that are drawn between keypoints."
_SWAPS = "Pairs that look alike on the left and the right: Swap exchanges them."


class KeypointEditor(QDialog):
    """Names, skeleton and pairs on three tabs; `changed` carries the new set and the renames."""

    #: (keypoint set, {old name: new name})
    changed = Signal(object, object)

    def __init__(
        self, keypoints: KeypointSet, more: KeypointSet | None, parent: QWidget | None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keypoints")
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.resize(420, 480)
        self._keypoints = keypoints
        self.edits: list[QLineEdit] = []
        self._grid = QGridLayout()
        self._grid.setColumnStretch(0, 1)
        rows = QWidget()
        column = QVBoxLayout(rows)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self._grid)
        column.addStretch(1)
        names = QWidget()
        layout = QVBoxLayout(names)
        layout.addWidget(WrappedLabel(_NAMES, "hint"))
        layout.addWidget(_scrolled(rows), 1)
        self.add_button = QPushButton("Add a keypoint")
        self.add_button.clicked.connect(lambda: self.add().setFocus())
        layout.addWidget(self.add_button)
        missing = [n for n in (more.names if more is not None else ()) if n not in keypoints.names]
        self.model_button = QPushButton(f"Add the model's other {len(missing)}")
        self.model_button.setToolTip(", ".join(missing))
        self.model_button.setVisible(bool(missing))
        self.model_button.clicked.connect(lambda: self._add_all(missing))
        layout.addWidget(self.model_button)
        for name in keypoints.names:
            self.add(name, removable=False)
        self.skeleton = PairList(self.names, _SKELETON, "Add a line")
        self.swaps = PairList(self.names, _SWAPS, "Add a pair")
        for pairs, there in ((self.skeleton, keypoints.skeleton), (self.swaps, keypoints.swaps)):
            for a, b in there:
                pairs.add(keypoints.index(a), keypoints.index(b))
        self.tabs = QTabWidget()
        self.tabs.addTab(names, "Names")
        self.tabs.addTab(self.skeleton, "Skeleton")
        self.tabs.addTab(self.swaps, "Left and right")
        self.tabs.currentChanged.connect(lambda _: self._rename())
        self.problem = Note()
        self.save_button = QPushButton("Change the project")
        set_look(self.save_button, "primary")
        self.save_button.clicked.connect(lambda: self._save())
        cancel = QPushButton("Cancel")
        cancel.clicked.connect(self.reject)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(cancel)
        buttons.addWidget(self.save_button)
        whole = QVBoxLayout(self)
        whole.addWidget(self.tabs, 1)
        whole.addWidget(self.problem)
        whole.addLayout(buttons)
        self._check()

    def names(self) -> list[str]:
        """The names as they stand in the form."""
        return [edit.text().strip() for edit in self.edits]

    def add(self, name: str = "", removable: bool = True) -> QLineEdit:
        """A line for one more keypoint."""
        edit = QLineEdit(name)
        edit.setPlaceholderText("Name of the new keypoint")
        edit.textChanged.connect(lambda _: self._check())
        row = self._grid.rowCount()
        self._grid.addWidget(edit, row, 0)
        self.edits.append(edit)
        if removable:
            remove = _cross()

            def take_away() -> None:
                place = self.edits.index(edit)
                self.edits.pop(place)
                for pairs in (self.skeleton, self.swaps):
                    pairs.without(place)
                edit.deleteLater()
                remove.deleteLater()
                self._check()

            remove.clicked.connect(take_away)
            self._grid.addWidget(remove, row, 1)
        self._check()
        return edit

    def result_set(self) -> KeypointSet:
        """The keypoints as they stand in the form; `ValueError` if they make no set."""
        names = self.names()
        old = self._keypoints
        colours = KeypointSet(tuple(names)).colours[len(old) :]
        return KeypointSet(
            tuple(names),
            tuple((names[a], names[b]) for a, b in self.skeleton.pairs()),
            tuple((names[a], names[b]) for a, b in self.swaps.pairs()),
            (*old.colours, *colours),
        )

    def _add_all(self, names: list[str]) -> None:
        for name in names:
            if name not in self.names():
                self.add(name)
        self.model_button.setVisible(False)

    def _rename(self) -> None:
        for pairs in (self.skeleton, self.swaps):
            pairs.rename()

    def _check(self) -> None:
        if not hasattr(self, "save_button"):
            return
        names = self.names()
        twice = sorted({name for name in names if name and names.count(name) > 1})
        text = f"{twice[0]} stands there twice." if twice else ""
        if not all(names):
            text = "Give every keypoint a name."
        self.problem.say(text)
        self.save_button.setEnabled(not text)

    def _save(self) -> None:
        try:
            keypoints = self.result_set()
        except ValueError as error:
            self.problem.say(str(error))
            return
        old = self._keypoints.names
        pairs = zip(old, keypoints.names, strict=False)
        self.changed.emit(keypoints, {a: b for a, b in pairs if a != b})
        self.accept()


class PairList(QWidget):
    """Pairs of keypoints, each chosen from two lists."""

    def __init__(self, names: Callable[[], list[str]], about: str, add: str) -> None:
        super().__init__()
        self._names = names
        self._boxes: list[tuple[QComboBox, QComboBox, QWidget]] = []
        self._rows = QVBoxLayout()
        rows = QWidget()
        column = QVBoxLayout(rows)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self._rows)
        column.addStretch(1)
        self.add_button = QPushButton(add)
        self.add_button.clicked.connect(lambda: self.add(0, min(1, len(self._names()) - 1)))
        layout = QVBoxLayout(self)
        layout.addWidget(WrappedLabel(about, "hint"))
        layout.addWidget(_scrolled(rows), 1)
        layout.addWidget(self.add_button)

    def add(self, first: int, second: int) -> tuple[QComboBox, QComboBox]:
        """One more pair, by positions."""
        boxes = QComboBox(), QComboBox()
        row = QWidget()
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        for box, chosen in zip(boxes, (first, second), strict=True):
            box.addItems(self._names())
            box.setCurrentIndex(chosen)
            line.addWidget(box, 1)
        remove = _cross()
        line.addWidget(remove)
        entry = (*boxes, row)
        self._boxes.append(entry)
        self._rows.addWidget(row)

        def take_away() -> None:
            self._boxes.remove(entry)
            row.deleteLater()

        remove.clicked.connect(take_away)
        return boxes

    def pairs(self) -> list[tuple[int, int]]:
        """The chosen pairs, by positions, each once; a keypoint with itself is no pair."""
        found: list[tuple[int, int]] = []
        for first, second, _ in self._boxes:
            pair = (first.currentIndex(), second.currentIndex())
            if pair[0] != pair[1] and pair not in found and pair[::-1] not in found:
                found.append(pair)
        return found

    def rename(self) -> None:
        """Offer the names as they stand now."""
        names = self._names()
        for first, second, _ in self._boxes:
            for box in (first, second):
                chosen = box.currentIndex()
                box.clear()
                box.addItems(names)
                box.setCurrentIndex(chosen)

    def without(self, place: int) -> None:
        """The keypoint at a position is gone: so are its pairs, and later ones move up."""
        chosen = [(entry, [box.currentIndex() for box in entry[:2]]) for entry in self._boxes]
        for entry, places in chosen:
            if place in places:
                self._boxes.remove(entry)
                entry[2].deleteLater()
        self.rename()
        for entry, places in chosen:
            for box, index in zip(entry[:2], places, strict=True):
                box.setCurrentIndex(index - (index > place))


def _scrolled(widget: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setWidget(widget)
    area.setWidgetResizable(True)
    return area


def _cross() -> QToolButton:
    button = QToolButton()
    button.setText("✕")
    button.setToolTip("Take away")
    return button
