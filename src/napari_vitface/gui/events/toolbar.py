"""The line of buttons above the timeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import QSize, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QMenu, QPushButton, QWidget

from napari_vitface.events.event_labels import EventLabel
from napari_vitface.gui.section import set_role


class EventsToolbar(QWidget):
    """Which label is drawn, and what is done with labels, events and files."""

    label_chosen = Signal(str)
    add_label_pressed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.labels = QComboBox()
        self.labels.setToolTip("The label that is drawn; a click in its lane chooses it as well")
        self.labels.setMinimumWidth(130)
        self.labels.setMaximumWidth(260)
        self.labels.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.labels.setIconSize(QSize(12, 12))
        self.labels.textActivated.connect(self.label_chosen)
        self.add_button = self._button("New label…", "Another label, with a lane of its own")
        self.add_button.clicked.connect(lambda: self.add_label_pressed.emit())
        self.label_menu = self._menu(
            "Label", "Rename, colour or remove the chosen label, or give it to the selected event"
        )
        self.mark_button = self._button("Mark", "")
        self.point_button = self._button("Point", "")
        self.delete_button = self._button("Delete", "")
        self.undo_button = self._button("Undo", "")
        self.redo_button = self._button("Redo", "")
        self.line = QLabel("")
        set_role(self.line, "hint")
        self.fit_button = self._button("Fit", "Show the whole video (double-click in a lane)")
        self.import_button = self._button(
            "Import…", "Add the events of a CSV or TSV table, an export of BORIS or BIDS"
        )
        self.export_menu = self._menu("Export", "Write the events for another program")
        self.save_button = self._button(
            "Save", "Write the events to their file; edits are safe in the journal before"
        )
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.labels)
        for widget in (self.add_button, self._menus["Label"]):
            layout.addWidget(widget)
        layout.addSpacing(8)
        for widget in (self.mark_button, self.point_button, self.delete_button):
            layout.addWidget(widget)
        for widget in (self.undo_button, self.redo_button):
            layout.addWidget(widget)
        layout.addSpacing(6)
        layout.addWidget(self.line, 1)
        for widget in (self.fit_button, self.import_button, self._menus["Export"]):
            layout.addWidget(widget)
        layout.addWidget(self.save_button)

    def _button(self, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        set_role(button, "tool")
        return button

    def _menu(self, text: str, tip: str) -> QMenu:
        if not hasattr(self, "_menus"):
            self._menus: dict[str, QPushButton] = {}
        button = self._menus[text] = self._button(text, tip)
        menu = QMenu(button)
        button.setMenu(menu)
        return menu

    def add_entry(self, menu: QMenu, text: str, work: Callable[[], object]) -> None:
        """Add an entry to one of the menus."""
        menu.addAction(text).triggered.connect(lambda *_: work())

    def show_labels(self, labels: Sequence[EventLabel], chosen: str) -> None:
        """Offer these labels."""
        self.labels.clear()
        for each in labels:
            picture = QPixmap(12, 12)
            picture.fill(QColor(each.colour))
            self.labels.addItem(QIcon(picture), each.name)
        self.labels.setCurrentText(chosen)
        for widget in (self.labels, self._menus["Label"]):
            widget.setEnabled(bool(labels))

    def set_usable(self, usable: bool) -> None:
        """Whether there is something to annotate."""
        self.setEnabled(usable)
