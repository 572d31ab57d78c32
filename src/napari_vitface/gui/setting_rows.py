"""Rows of a form for declared settings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLineEdit, QWidget

from napari_vitface.gui.section import labelled_rows
from napari_vitface.gui.settings_widgets import sentence, widget_of
from napari_vitface.settings.option import Setting, Value


class SettingRows(QWidget):
    """A row for each of some settings, with the widget that its declaration asks for."""

    changed = Signal()

    def __init__(self, settings: Mapping[str, Setting]) -> None:
        super().__init__()
        self._settings = dict(settings)
        self._values: dict[str, Value] = {n: each.default for n, each in settings.items()}
        self._texts: dict[str, QLineEdit] = {}
        self.widgets: dict[str, QWidget] = {}
        rows = []
        for name, each in settings.items():
            if each.default is None or each.kind is object:
                # No widget of magicgui is empty.
                text = self._texts[name] = QLineEdit()
                text.setPlaceholderText("automatic")
                text.textChanged.connect(lambda *_: self.changed.emit())
                widget: QWidget = text
            else:
                widget = widget_of(each, partial(self._on_value, name)).native
            widget.setToolTip(sentence(each.option.help))
            self.widgets[name] = widget
            rows.append((each.option.label or name.replace("_", " ").capitalize(), widget))
        grid, _ = labelled_rows(*rows)
        grid.setContentsMargins(10, 0, 0, 0)
        self.setLayout(grid)

    def values(self) -> dict[str, Value]:
        """What is set.

        Raises
        ------
        VitFaceError
            If a text is none of what can be set.
        """
        typed = {
            name: self._settings[name].read(text.text().strip())
            for name, text in self._texts.items()
            if text.text().strip()
        }
        return {**self._values, **typed}

    def _on_value(self, name: str, value: Value) -> None:
        self._values[name] = value
        self.changed.emit()
