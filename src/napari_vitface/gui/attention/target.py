"""The box that says whose attention is shown: all keypoints, the whole image, one or several."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QMenu, QSizePolicy, QWidgetAction

from napari_vitface.gui.attention.attention_settings import Target, of
from napari_vitface.gui.layers import ALL_KEYPOINTS, GLOBAL


class TargetBox(QComboBox):
    """A list of targets; its last line opens a menu in which several keypoints are ticked."""

    #: The user chose another target.
    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setToolTip("Whose map is shown; clicking on a point of the video chooses it, too")
        self._names: tuple[str, ...] = ()
        self._targets: list[Target] = []
        self._target: Target = ALL_KEYPOINTS
        self._fill()
        self.activated.connect(self._on_activated)

    @property
    def names(self) -> tuple[str, ...]:
        """The keypoints that are offered."""
        return self._names

    @property
    def target(self) -> Target:
        """What is chosen."""
        return self._target

    def set_names(self, names: Sequence[str]) -> None:
        """Offer these keypoints."""
        if tuple(names) != self._names:
            self._names = tuple(names)
            self._fill()

    def set_target(self, target: Target) -> None:
        """Show what is chosen."""
        if target != self._target or target not in self._targets:
            self._target = target
            self._fill()

    def _fill(self) -> None:
        self._targets = [ALL_KEYPOINTS, GLOBAL, *self._names]
        if self._target not in self._targets:
            self._targets.insert(2, self._target)
        self.blockSignals(True)
        self.clear()
        for target in self._targets:
            self.addItem(_words(target))
        if len(self._names) > 2:
            self.addItem("Several keypoints…")
        self.setCurrentIndex(self._targets.index(self._target))
        self.blockSignals(False)

    def _on_activated(self, index: int) -> None:
        if index < len(self._targets):
            self._target = self._targets[index]
            self.chosen.emit(self._target)
            return
        self.setCurrentIndex(self._targets.index(self._target))
        menu = self.several_menu()
        menu.exec_(self.mapToGlobal(self.rect().bottomLeft()))
        menu.deleteLater()

    def several_menu(self) -> QMenu:
        """A menu with a box for each keypoint, which stays open while they are ticked."""
        menu = QMenu(self)
        if isinstance(self._target, tuple):
            ticked = set(self._target)
        else:
            ticked = {self._target} & set(self._names)
        boxes: dict[str, QCheckBox] = {}

        def choose(_: object) -> None:
            names = tuple(name for name, box in boxes.items() if box.isChecked())
            if names:
                self.set_target(names[0] if len(names) == 1 else names)
                self.chosen.emit(self._target)

        for name in self._names:
            box = boxes[name] = QCheckBox(name)
            box.setChecked(name in ticked)
            box.toggled.connect(choose)
            action = QWidgetAction(menu)
            action.setDefaultWidget(box)
            menu.addAction(action)
        return menu


def _words(target: Target) -> str:
    if target == ALL_KEYPOINTS:
        return "All keypoints (mean)"
    if target == GLOBAL:
        return "Whole image (global)"
    return target if isinstance(target, str) else f"{of(target)} (mean)"
