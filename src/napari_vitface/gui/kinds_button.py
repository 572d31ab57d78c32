"""A button whose menu chooses kinds of what is computed, one or several."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QMenu, QPushButton, QSizePolicy

from napari_vitface.gui.settings_widgets import sentence
from napari_vitface.settings.kind import Kind


class _StayingMenu(QMenu):
    """Stays open while several are chosen."""

    def mouseReleaseEvent(self, event: object) -> None:
        action = self.activeAction()
        if action is not None and action.isCheckable():
            action.trigger()
            return
        super().mouseReleaseEvent(event)  # type: ignore[arg-type]


class KindsButton(QPushButton):
    """Says which kinds are chosen; at least one always is.

    Signals
    -------
    changed
        Others are chosen.
    """

    changed = Signal()

    def __init__(self, kinds: Sequence[Kind], chosen: str) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setToolTip("What is computed of each frame; several kinds are put beside each other")
        # As the lists above and below it.
        self.setStyleSheet("text-align: left;")
        menu = _StayingMenu(self)
        menu.setToolTipsVisible(True)
        self._titles = {kind.name: kind.title for kind in kinds}
        self._actions = {}
        for kind in kinds:
            action = self._actions[kind.name] = menu.addAction(kind.title)
            action.setCheckable(True)
            action.setChecked(kind.name == chosen)
            action.setToolTip(sentence(kind.help))
            action.toggled.connect(lambda on, name=kind.name: self._on_toggled(name, on))
        self.setMenu(menu)
        self._say()

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are chosen, in their order."""
        return tuple(name for name, action in self._actions.items() if action.isChecked())

    def choose(self, *names: str) -> None:
        """Choose these and no others."""
        for name in names:
            self._actions[name].setChecked(True)
        for name, action in self._actions.items():
            action.setChecked(name in names)

    def _on_toggled(self, name: str, on: bool) -> None:
        if not on and not self.names:
            self._actions[name].setChecked(True)
            return
        self._say()
        self.changed.emit()

    def _say(self) -> None:
        names = self.names
        first = self._titles[names[0]]
        self.setText(first if len(names) == 1 else " + ".join(names))
