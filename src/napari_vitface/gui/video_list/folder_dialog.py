"""Which videos of a folder: a pattern, with or without subfolders, and how many that are."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.given import given
from napari_vitface.gui.numbers import counted
from napari_vitface.gui.section import Note, WrappedLabel, labelled_rows, row_of
from napari_vitface.gui.session import Session
from napari_vitface.gui.style import style_sheet
from napari_vitface.gui.video_list.video_search import videos_in

#: Milliseconds after the last key before the folder is looked through.
_PAUSE = 250


class FolderDialog(QDialog):
    """Asks for a folder and a pattern. `found` holds the videos once they are looked for."""

    def __init__(self, session: Session, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Add the videos of a folder")
        self._session = session
        self._searches = 0
        self.found: list[Path] = []
        self.folder: Path | None = None
        self.place = QElidingLabel("")
        self.folder_button = QPushButton("Another folder…")
        self.folder_button.clicked.connect(lambda: self.choose_folder(str(self.folder or "")))
        self.pattern = QLineEdit()
        self.pattern.setPlaceholderText("every video, or for example *cam1*.mp4; */left.avi")
        self.pattern.setToolTip(
            "Names with * and ?, several parted by semicolons; one with a slash is held against "
            "the path within the folder"
        )
        self.subfolders = QCheckBox("Also in its subfolders")
        self.subfolders.setChecked(True)
        self.outcome = WrappedLabel("", "hint")
        self.problem = Note()
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.add_button = self.buttons.addButton("Add", QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addLayout(
            labelled_rows(
                ("Folder", row_of(self.place, self.folder_button)), ("Names", self.pattern)
            )[0]
        )
        layout.addWidget(self.subfolders)
        layout.addWidget(self.outcome)
        layout.addWidget(self.problem)
        layout.addStretch(1)
        layout.addWidget(self.buttons)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE)
        self._timer.timeout.connect(self._search)
        self.pattern.textEdited.connect(lambda _: self._search_soon())
        self.subfolders.toggled.connect(lambda _: self._search_soon())
        self.setStyleSheet(style_sheet(session.viewer))
        self.resize(520, 210)

    def choose_folder(self, start: str) -> bool:
        """Ask for the folder; False if none was chosen."""
        path = QFileDialog.getExistingDirectory(self, "Videos in", start)
        if path:
            self.set_folder(Path(path))
        return bool(path)

    def set_folder(self, folder: Path) -> None:
        """Look through a folder."""
        self.folder = folder
        self.place.setText(str(folder))
        self.place.setToolTip(str(folder))
        self._search_soon()

    def _search_soon(self) -> None:
        self.add_button.setEnabled(False)
        self.outcome.setText("Looking …")
        self._timer.start()

    @given("folder")
    def _search(self, folder: Path) -> None:
        pattern = self.pattern.text()
        self._searches += 1
        search, subfolders = self._searches, self.subfolders.isChecked()

        def found(videos: list[Path] | Exception) -> None:
            if search == self._searches:
                self._show(folder, videos)

        self._session.in_background(
            lambda: videos_in(folder, pattern, subfolders=subfolders), found
        )

    def _show(self, folder: Path, videos: list[Path] | Exception) -> None:
        self.found = videos if isinstance(videos, list) else []
        self.add_button.setEnabled(bool(self.found))
        self.problem.say("")
        if isinstance(videos, Exception):
            self.outcome.setText("")
            self.problem.say(sentence_of("looking through the folder", videos), "error")
        elif not videos:
            self.outcome.setText("No video has such a name.")
        else:
            self.add_button.setText(f"Add {counted(len(videos), 'video')}")
            names = [path.relative_to(folder).as_posix() for path in videos]
            shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
            self.outcome.setText(f"{counted(len(videos), 'video')}: {shown}")
