"""Points that another program changed on disk meanwhile: keep mine or keep theirs, for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QPushButton,
    QRadioButton,
    QScrollArea,
    QWidget,
)

from napari_vitface.gui.given import given
from napari_vitface.gui.numbers import counted
from napari_vitface.gui.section import Note, WrappedLabel, beside, set_look, stack
from napari_vitface.gui.workbench import Workbench
from napari_vitface.pose.table import PointState

if TYPE_CHECKING:
    from napari_vitface.pose.labels import Point
    from napari_vitface.project.disagreement import Disagreement
    from napari_vitface.project.label_snapshot import Kind
    from napari_vitface.project.merge import SaveConflict

_KINDS: tuple[Kind, ...] = ("h5", "csv")
OURS, THEIRS = "ours", "theirs"

#: More conflicts than these are decided together: nobody reads through hundreds of them.
_LISTED = 50
#: Height of the list in pixels before it scrolls.
_HEIGHT = 260


class ConflictPanel(QWidget):
    """Hidden while there is no conflict. Nothing was overwritten; the choice is carried out.

    Two files of the same labels that disagree are a conflict too, between the files.
    """

    def __init__(self, session: Workbench) -> None:
        super().__init__()
        self._session = session
        self._shown: SaveConflict | None = None
        self.groups: dict[tuple[int, int], QButtonGroup] = {}
        self.note = Note()
        self._rest = OURS
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self.mine_button = QPushButton("All mine")
        self.mine_button.clicked.connect(lambda: self._choose_all(OURS))
        self.theirs_button = QPushButton("All theirs")
        self.theirs_button.clicked.connect(lambda: self._choose_all(THEIRS))
        self.save_button = QPushButton("Save as chosen")
        set_look(self.save_button, "primary")
        self.save_button.clicked.connect(lambda: self.resolve())
        self.file_buttons = {kind: QPushButton(f"Use the .{kind} file") for kind in _KINDS}
        for kind, button in self.file_buttons.items():
            button.setToolTip("The other file is replaced; a copy of it is kept")
            button.clicked.connect(lambda _=False, k=kind: session.labelling.saving.choose_file(k))
        buttons = beside(self.mine_button, self.theirs_button, self.save_button)
        stack(self, self.note, self._area, buttons, beside(*self.file_buttons.values()))
        session.labelling.saving.conflict_found.connect(lambda _: self.refresh())
        self.refresh()

    def refresh(self) -> None:
        """Show the conflict of the last save, if it is not decided."""
        conflict = self._session.labelling.saving.conflict
        for button in self.file_buttons.values():
            button.setVisible(False)
        disagrees = bool(self._show_disagreement())
        self.setVisible(disagrees or conflict is not None)
        for widget in (self._area, self.mine_button, self.theirs_button, self.save_button):
            widget.setVisible(not disagrees)
        if not disagrees and conflict is not self._shown:
            self._show(conflict)

    @given("_session.labelling.saving.disagreement")
    def _show_disagreement(self, disagreement: Disagreement) -> bool:
        self._shown = None
        self.note.say(disagreement.text, "warning")
        for kind in disagreement.readable:
            self.file_buttons[kind].setVisible(True)
        return True

    def _show(self, conflict: SaveConflict | None) -> None:
        self._shown = conflict
        self.groups.clear()
        self._list_points()

    @given("_shown")
    def _list_points(self, conflict: SaveConflict) -> None:
        items = conflict.conflicts
        points = counted(len(items), "point")
        self.note.say(
            f"Not saved, and nothing was overwritten: another program changed {points} that you "
            "changed too. Choose whose to keep.",
            "warning",
        )
        rows = QWidget()
        grid = QGridLayout(rows)
        grid.setContentsMargins(4, 4, 4, 4)
        grid.setColumnStretch(0, 1)
        for item in items[:_LISTED]:
            row = grid.rowCount()
            go = QPushButton(f"Frame {item.frame}, {item.name}")
            go.setToolTip("Go to this frame")
            go.clicked.connect(lambda _=False, f=item.frame: self._session.go_to(f))
            go.setProperty("role", "fold")
            group = QButtonGroup(rows)
            for place, (side, point) in enumerate(((OURS, item.ours), (THEIRS, item.theirs))):
                title = "mine" if side == OURS else "theirs"
                button = QRadioButton(f"{title}: {words(point)}")
                button.setChecked(side == OURS)
                group.addButton(button, place)
                grid.addWidget(button, row + 1 + place, 0)
            grid.addWidget(go, row, 0)
            self.groups[item.frame, item.keypoint] = group
        if len(items) > _LISTED:
            more = f"… and {len(items) - _LISTED} more, which go with All mine or All theirs."
            grid.addWidget(WrappedLabel(more, "hint"), grid.rowCount(), 0)
        self._rest = OURS
        self._area.setWidget(rows)
        self._area.setFixedHeight(min(rows.sizeHint().height() + 4, _HEIGHT))

    @given("_shown")
    def resolve(self, conflict: SaveConflict) -> None:
        """Save with what is chosen."""
        keep = {(item.frame, item.keypoint): self._rest for item in conflict.conflicts}
        for place, group in self.groups.items():
            keep[place] = OURS if group.checkedId() == 0 else THEIRS
        self._session.labelling.saving.resolve(keep)

    def _choose_all(self, side: str) -> None:
        self._rest = side
        for group in self.groups.values():
            group.button(0 if side == OURS else 1).setChecked(True)


def words(point: Point) -> str:
    """A point in a few words."""
    if point.state == PointState.ABSENT:
        return "no label"
    place = f"{point.x:.1f}, {point.y:.1f}" if point.placed else ""
    if point.state == PointState.OCCLUDED:
        return f"occluded at {place}" if place else "not visible"
    return place
