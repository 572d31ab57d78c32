"""The list of videos below the canvas: what is in it, how it goes, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPoint, QSize, Qt
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QWidget,
)
from superqt import QElidingLabel

from napari_vitface.gui.connections import Connections
from napari_vitface.gui.plugin_docks import FACE_CLOSED, open_below
from napari_vitface.gui.section import Note, WrappedLabel, set_look, set_role, stack
from napari_vitface.gui.style import style_sheet
from napari_vitface.gui.video_list.cluster_row import ClusterRow
from napari_vitface.gui.video_list.folder_dialog import FolderDialog
from napari_vitface.gui.video_list.items import Item, State
from napari_vitface.gui.video_list.kinds import KINDS, Settings
from napari_vitface.gui.video_list.sentences import crop_words, list_words, start_words
from napari_vitface.gui.video_list.table_model import Column, VideoTable, dropped_paths
from napari_vitface.gui.video_list.table_view import VideoTableView
from napari_vitface.gui.workbench import Workbench
from napari_vitface.video import IMAGE_SUFFIXES, video_suffixes

if TYPE_CHECKING:
    from napari.viewer import Viewer

NAME = "ViT Face videos"

_EMPTY = (
    "Drop videos or folders here, or add them above. They are gone through one after the other, "
    "with what the ViT Face dock is set to; one that fails does not stop the others."
)
#: What all videos without a crop of their own are predicted from.
_FACES = (("whole frame", None), ("face, found in each", "auto"))


class VideoListDock(QWidget):
    """Shows the session's `VideoQueue` and passes on what the user wants of it."""

    def __init__(self, session: Workbench, viewer: Viewer) -> None:
        super().__init__()
        self.setObjectName("vitface-videos")
        self.session = session
        self._viewer = viewer
        self._queue = queue = session.video_list
        self._closed = False
        self.add_button = QPushButton("Add videos…")
        self.add_button.clicked.connect(lambda: self.choose_files())
        self.folder_button = QPushButton("Add folder…")
        self.folder_button.setToolTip("Add the videos in a folder and its subfolders")
        self.folder_button.clicked.connect(lambda: self.choose_folder())
        self.up_button = QPushButton("↑")
        self.up_button.setToolTip("Earlier in the order (Alt+Up); rows can be dragged too")
        self.up_button.clicked.connect(lambda: self.move_chosen(-1))
        self.down_button = QPushButton("↓")
        self.down_button.setToolTip("Later in the order (Alt+Down); rows can be dragged too")
        self.down_button.clicked.connect(lambda: self.move_chosen(1))
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Leave these videos out; what is done of them is kept")
        self.cancel_button.clicked.connect(lambda: queue.cancel_items(self.chosen))
        self.again_button = QPushButton("Again")
        self.again_button.setToolTip(
            "Let these videos wait for another turn; results that are there are replaced"
        )
        self.again_button.clicked.connect(lambda: self.again())
        self.remove_button = QPushButton("Remove")
        self.remove_button.setToolTip("Take these videos off the list; files stay (Del)")
        self.remove_button.clicked.connect(lambda: queue.remove(self.chosen))
        self.summary = QElidingLabel("")
        self.start_button = QPushButton("")
        self.start_button.clicked.connect(lambda: self.start_or_stop())
        self.empty = WrappedLabel(_EMPTY)
        self.table = VideoTable(queue.items, self)
        self.table.dropped.connect(queue.add)
        self.table.dragged.connect(queue.move)
        self.view = VideoTableView(self.table)
        self.view.doubleClicked.connect(lambda index: self.open(queue.items[index.row()]))
        self.view.selectionModel().selectionChanged.connect(lambda *_: self.refresh())
        self.view.customContextMenuRequested.connect(self._on_menu)
        for key, work in (
            ("Delete", lambda: queue.remove(self.chosen)),
            ("Alt+Up", lambda: self.move_chosen(-1)),
            ("Alt+Down", lambda: self.move_chosen(1)),
        ):
            self.view.add_key(key, work)
        self.settings = QElidingLabel("")
        self.faces = QComboBox()
        for text, crop in _FACES:
            self.faces.addItem(text, crop)
        self.faces.setToolTip(
            "The part of the frame that the model looks at, in videos without a crop of their own"
        )
        self.faces.activated.connect(lambda _: self._on_faces())
        self.kind = QComboBox()
        for kind in KINDS.values():
            self.kind.addItem(kind.title, kind.job)
        self.kind.setToolTip("What is done with each video")
        self.kind.activated.connect(lambda _: queue.set_kind(KINDS[self.kind.currentData()]))
        self.runs_on = ClusterRow(queue)
        self.runs_on.chosen.connect(lambda: self.refresh())
        self.renew_button = QPushButton("Use the present settings")
        self.renew_button.setToolTip("Go on with what the ViT Face dock is set to now")
        self.renew_button.clicked.connect(lambda: self.renew())
        self.note = Note()
        self._lay_out()
        self.setAcceptDrops(True)
        self._connections = Connections()
        for signal, slot in (
            (queue.changed, self.refresh),
            (queue.items.item_changed, self._on_item),
            (session.model_changed, self.refresh),
            (session.measuring.chosen, self.refresh),
            (session.region_tool.changed, self.refresh),
            (session.prediction.options_changed, self.refresh),
            (session.ended, self._on_ended),
            (viewer.events.theme, self._restyle),
        ):
            self._connections.connect(signal, slot)
        self.destroyed.connect(lambda *_: self.close_links())
        self._restyle()
        session.kept.follow(self, "faces")
        if queue.settings:
            self._show_settings_kept()
        self.refresh()

    def _lay_out(self) -> None:
        bar, below = QHBoxLayout(), QHBoxLayout()
        for line in (bar, below):
            line.setSpacing(5)
        for button in (self.up_button, self.down_button):
            button.setFixedWidth(30)
        self.summary.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for widget in (
            self.add_button,
            self.folder_button,
            self.up_button,
            self.down_button,
            self.again_button,
            self.cancel_button,
            self.remove_button,
        ):
            bar.addWidget(widget)
        bar.addWidget(self.summary, 1)
        bar.addWidget(self.kind)
        bar.addWidget(self.start_button)
        set_role(self.settings, "hint")
        below.addWidget(self.settings, 1)
        below.addWidget(self.renew_button)
        self._faces_label = QLabel("Looks at")
        set_role(self._faces_label, "hint")
        below.addWidget(self.runs_on)
        below.addWidget(self._faces_label)
        below.addWidget(self.faces)
        layout = stack(self, bar, self.empty, spacing=4, margins=(6, 4, 6, 4))
        layout.addWidget(self.view, 1)
        layout.addWidget(self.note)
        layout.addLayout(below)

    def sizeHint(self) -> QSize:
        return QSize(900, 290)

    def minimumSizeHint(self) -> QSize:
        return QSize(400, 150)

    # ----------------------------------------------------------------- what the user does

    @property
    def chosen(self) -> list[Item]:
        """The videos whose rows are selected, from top to bottom."""
        rows = self.view.selectionModel().selectedRows()
        return [self._queue.items[row] for row in sorted(index.row() for index in rows)]

    def choose_files(self) -> None:
        """Ask for files and add them."""
        endings = " ".join(f"*{suffix}" for suffix in (*video_suffixes(), *IMAGE_SUFFIXES))
        paths, _ = QFileDialog.getOpenFileNames(
            self, "Add videos", self._start_folder(), f"Videos ({endings});;All files (*)"
        )
        if paths:
            self._queue.add([Path(path) for path in paths])

    def choose_folder(self) -> None:
        """Ask for a folder and which videos in it, and add them."""
        dialog = FolderDialog(self.session, self)
        if dialog.choose_folder(self._start_folder()) and dialog.exec():
            self._queue.add(dialog.found)

    def start_or_stop(self) -> None:
        """Go through what waits; or leave off."""
        if self._queue.going:
            self._queue.stop()
        else:
            self._queue.start(self.wanted_settings())

    def wanted_settings(self) -> Settings:
        """Those of the start that is to be gone on with, or what the window is set to now."""
        if self._queue.interrupted:
            return self._queue.settings
        return self._present_settings()

    def renew(self) -> None:
        """Go on with what the window is set to now."""
        self._queue.settings = self._present_settings()
        self.refresh()

    def again(self) -> None:
        """Give the selected videos another turn; results that are there are replaced."""
        there = [item for item in self.chosen if item.state is State.DONE or item.again]
        self._queue.again(there, replace=True)
        self._queue.again(self.chosen)

    def move_chosen(self, step: int) -> None:
        """Move the selected videos up (-1) or down (1) by one place."""
        chosen, items = self.chosen, self._queue.items
        places = [items.index(item) + step for item in chosen]
        if not places or min(places) < 0 or max(places) >= len(items):
            return
        for item, place in list(zip(chosen, places, strict=True))[::-step]:
            self._queue.move(item, place)

    def open(self, item: Item) -> None:
        """Show a video with its points."""
        if item.model:
            self.session.choose_model(item.model)
        if self.session.show_video(item.path) is not None and isinstance(item.crop, tuple):
            self.session.set_crop(item.crop)

    def _start_folder(self) -> str:
        items = self._queue.items
        return str(items[-1].path.parent) if items else self.session.folder

    def _on_menu(self, place: QPoint) -> None:
        menu = QMenu(self)
        chosen = self.chosen
        if not chosen:
            return
        menu.addAction("Open", lambda: self.open(chosen[0]))
        for button in (self.again_button, self.cancel_button, self.remove_button):
            menu.addAction(button.text(), button.click).setEnabled(button.isEnabled())
        if self._queue.kind.looks:
            self._add_crops(menu.addMenu("Looks at"), chosen)
        menu.exec(self.view.viewport().mapToGlobal(place))

    def _add_crops(self, menu: QMenu, chosen: list[Item]) -> None:
        drawn = self.session.made.crop
        for text, crop in (
            ("as the other videos", None),
            (crop_words("whole"), "whole"),
            (crop_words("auto"), "auto"),
            *([(f"the crop on screen, {crop_words(drawn)}", drawn)] if drawn else []),
        ):
            menu.addAction(text, self._setting(chosen, crop))

    def _setting(self, chosen: list[Item], crop: Any) -> Callable[[], None]:
        return lambda: self._queue.set_crop(chosen, crop)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files and folders."""
        if dropped_paths(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Add what is dropped anywhere on the dock."""
        self._queue.add(dropped_paths(event.mimeData()))
        event.acceptProposedAction()

    # ----------------------------------------------------------------- what is shown

    def refresh(self, *_: Any) -> None:
        """Bring buttons and lines up to date with the list."""
        if self._closed:
            return
        queue, items, chosen = self._queue, self._queue.items, self.chosen
        states = {item.state for item in chosen}
        self.empty.setVisible(not items)
        self.view.setVisible(bool(items))
        self.view.setColumnHidden(Column.FOLDER, not self.table.in_several_folders)
        self.view.setColumnHidden(Column.FACE, not queue.kind.looks)
        for button in (self.up_button, self.down_button, self.remove_button):
            button.setEnabled(bool(chosen))
        # The videos of a cluster are stopped together.
        can_cancel = bool(states & {State.WAITING, State.RUNNING}) and not queue.cluster.active
        self.cancel_button.setEnabled(can_cancel)
        self.runs_on.refresh()
        self.again_button.setEnabled(bool(states & {State.DONE, State.FAILED, State.CANCELLED}))
        waiting = len(items.having(State.WAITING))
        text, tip = start_words(queue, waiting, on_cluster=bool(self.runs_on.settings))
        self.start_button.setText(text)
        self.start_button.setToolTip(tip)
        self.start_button.setEnabled(queue.going or bool(waiting))
        set_look(self.start_button, "" if queue.going else "primary")
        self.summary.setText(list_words(queue))
        self._show_settings(chosen)

    def _show_settings(self, chosen: list[Item]) -> None:
        queue = self._queue
        wanted = queue.settings if queue.interrupted else self._present_settings()
        self.settings.setText(queue.kind.words(wanted))
        self.settings.setToolTip(queue.kind.words(wanted))
        self.faces.setEnabled(not queue.going)
        self.faces.setVisible(queue.kind.looks)
        self._faces_label.setVisible(queue.kind.looks)
        self.kind.setCurrentIndex(self.kind.findData(queue.kind.job))
        self.kind.setEnabled(not queue.going)
        self.renew_button.setVisible(
            queue.interrupted and not queue.going and wanted != self._present_settings()
        )
        told = next((item for item in chosen if item.message), None)
        if told is not None:
            level = "error" if told.state is State.FAILED else "info"
            self.note.say(f"{told.path.name}: {told.message}", level)
        else:
            self.note.say("" if queue.items else queue.problem, "warning")

    def _present_settings(self) -> Settings:
        session, kind = self.session, self._queue.kind
        settings = kind.offered(session, session.prediction.options, session.measuring)
        if kind.looks:
            settings["crop"] = self.faces.currentData()
        return {**settings, **self.runs_on.settings}

    def _show_settings_kept(self) -> None:
        settings = self._queue.settings
        if "crop" in settings:
            self.faces.setCurrentIndex([crop for _, crop in _FACES].index(settings["crop"]))
        self.runs_on.choice.choose(settings.get("cluster", ""))

    def _on_faces(self) -> None:
        if self._queue.interrupted:
            self._queue.settings["crop"] = self.faces.currentData()
        self.refresh()

    def _on_item(self, item: Item, what: frozenset[str]) -> None:
        if "message" in what or "state" in what:
            self.refresh()

    def _restyle(self, event: Any = None) -> None:
        self.setStyleSheet(style_sheet(self._viewer))
        self.view.bars.set_theme(self._viewer)
        self.view.viewport().update()

    def _on_ended(self) -> None:
        # A start would begin with an engine that is closed.
        self.close_links()
        self.setEnabled(False)
        self.note.say(FACE_CLOSED, "warning")

    def close_links(self) -> None:
        """Let go of the session and the viewer."""
        if self._closed:
            return
        self._closed = True
        self.table.close()
        self._connections.undo()


def open_video_list(session: Workbench) -> VideoListDock | None:
    """The list of a session's window below the canvas, opened and brought to the front."""
    return open_below(session, NAME, lambda viewer: VideoListDock(session, viewer))
