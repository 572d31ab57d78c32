"""The keypoints of the frame on screen: colour, name, and what is known of each."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QSizePolicy,
    QTreeWidget,
    QTreeWidgetItem,
)

from napari_vitface.gui.correct import point_icon
from napari_vitface.gui.correct.canvas import PLACE
from napari_vitface.gui.correct.point_icon import (
    LABELLED,
    MISSING,
    NOT_VISIBLE,
    OCCLUDED,
    PREDICTED,
)
from napari_vitface.gui.given import given
from napari_vitface.gui.shown_pose import ShownPose
from napari_vitface.gui.workbench import Workbench
from napari_vitface.pose.table import PointState

#: Longer sets scroll.
_ROWS = 16
#: Height of a row in pixels.
_ROW = 20


class KeypointList(QTreeWidget):
    """One row a keypoint; a click selects it on the canvas and lets the next click place it."""

    def __init__(self, session: Workbench) -> None:
        super().__init__()
        self._session = session
        self._filling = False
        self.setAccessibleName("Keypoints")
        self.setColumnCount(2)
        self.setHeaderHidden(True)
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setIconSize(QSize(16, 16))
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        # Keys go to the viewer: letters are commands and not a search in this list.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        header = self.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.itemSelectionChanged.connect(self._on_selection)
        self.itemPressed.connect(self._on_pressed)

    def refresh(self) -> None:
        """Show the frame on screen and the selection."""
        self._filling = True
        try:
            if not self._fill():
                self._have_rows(0)
        finally:
            self._filling = False

    def _have_rows(self, count: int) -> None:
        while self.topLevelItemCount() > count:
            self.takeTopLevelItem(self.topLevelItemCount() - 1)
        for _ in range(self.topLevelItemCount(), count):
            new = QTreeWidgetItem(["", ""])
            new.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            new.setSizeHint(0, QSize(0, _ROW))
            self.addTopLevelItem(new)
        self._set_height(count)

    @given("_session.labelling.pose")
    def _fill(self, pose: ShownPose) -> bool:
        labelling, names = self._session.labelling, pose.keypoints.names
        self._have_rows(len(names))
        target = labelling.selection.target if labelling.canvas.tool == PLACE else None
        chosen = set(labelling.selection.indices)
        faint = self.palette().text().color()
        faint.setAlphaF(0.55)
        for k, name in enumerate(names):
            item = self.topLevelItem(k)
            assert item is not None
            look, words = look_of(pose, k)
            if k == target:
                words = "next click ◂" if look == MISSING else f"{words}, next click ◂"
            item.setText(0, name)
            item.setText(1, words)
            item.setToolTip(0, f"{name}: {words}")
            alpha = round(float(pose.confidence[k]), 1)
            item.setIcon(0, point_icon.point_icon(look, pose.keypoints.colours[k], alpha))
            quiet = look in (MISSING, NOT_VISIBLE, PREDICTED) and k != target
            item.setForeground(1, faint if quiet else self.palette().text().color())
            font = item.font(1)
            font.setBold(k == target)
            item.setFont(1, font)
            item.setBackground(1, _WANTED if k == target else QColor(0, 0, 0, 0))
            if item.isSelected() != (k in chosen):
                item.setSelected(k in chosen)
        selected = self.selectedItems()
        if len(selected) == 1:
            self.scrollToItem(selected[0])
        return True

    def _set_height(self, rows: int) -> None:
        wanted = min(rows, _ROWS) * _ROW + 2 * self.frameWidth()
        if self.minimumHeight() != wanted:
            self.setFixedHeight(wanted)

    def _on_selection(self) -> None:
        if self._filling:
            return
        rows = [self.indexOfTopLevelItem(item) for item in self.selectedItems()]
        self._session.labelling.selection.select(rows)

    def _on_pressed(self, item: QTreeWidgetItem, _: int) -> None:
        if len(self.selectedItems()) == 1 and item.isSelected():
            self._session.labelling.selection.choose(self.indexOfTopLevelItem(item))


_WANTED = QColor(255, 213, 74, 60)


def look_of(pose: ShownPose, keypoint: int) -> tuple[str, str]:
    """How a keypoint of a frame looks (see `point_icon`), and the words for it."""
    state, drawn = pose.state[keypoint], bool(pose.drawn[keypoint])
    if state == PointState.LABELLED:
        return LABELLED, "placed"
    if state == PointState.OCCLUDED:
        return (OCCLUDED, "occluded") if drawn else (NOT_VISIBLE, "not visible")
    if drawn:
        return PREDICTED, f"predicted, {100 * float(pose.confidence[keypoint]):.0f} %"
    return MISSING, "missing"
