"""The project of the Correct section: make one, open one, its videos and keypoints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QFileDialog,
    QMenu,
    QMessageBox,
    QPushButton,
    QSizePolicy,
    QWidget,
)
from superqt import QElidingLabel

from napari_vitface.errors import one_line
from napari_vitface.gui.correct.keypoint_editor import KeypointEditor
from napari_vitface.gui.correct.label_export import export_labels
from napari_vitface.gui.correct.project_dialog import ProjectDialog
from napari_vitface.gui.correct.project_places import proposed_folder
from napari_vitface.gui.eliding_box import ElidingComboBox
from napari_vitface.gui.given import given
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.gui.section import Note, WrappedLabel, beside, set_look, set_role, stack
from napari_vitface.gui.workbench import Workbench
from napari_vitface.pose.keypoints import KeypointSet

if TYPE_CHECKING:
    from napari_vitface.project.document import LabelDocument
    from napari_vitface.project.project import Project

_WHY = "Where should your corrections be kept?"


class ProjectBar(QWidget):
    """Name of the project with its menu, the video to work on, and what is wrong with the files."""

    def __init__(self, session: Workbench) -> None:
        super().__init__()
        self._session = session
        self._documents = session.labelling.documents
        self.dialog: ProjectDialog | None = None
        self.editor: KeypointEditor | None = None
        self.question: QMessageBox | None = None
        self.new_button = QPushButton("New project…")
        self.new_button.setToolTip("Make a folder for labels, which DeepLabCut opens too")
        self.new_button.clicked.connect(lambda: self.ask_for_new())
        self.open_button = QPushButton("Open project…")
        self.open_button.setToolTip("A DeepLabCut project, or one of its labeled-data folders")
        self.open_button.clicked.connect(lambda: self.choose_project())
        self.name = QElidingLabel("")
        set_role(self.name, "strong")
        self.menu_button = QPushButton("Project")
        menu = QMenu(self.menu_button)
        menu.addAction("New project…", self.ask_for_new)
        menu.addAction("Open project…", self.choose_project)
        menu.addSeparator()
        menu.addAction("Keypoints…", self.edit_keypoints)
        menu.addAction("Export labels…", lambda: self._export_labels())
        menu.addAction("Show the folder", self._show_folder)
        self.menu_button.setMenu(menu)
        self.menu_button.setMinimumWidth(84)
        self.videos = ElidingComboBox()
        self.videos.setToolTip("The project's videos")
        self.videos.activated.connect(self._on_video_chosen)
        self.outside = WrappedLabel("", "value")
        self.add_button = QPushButton("Add this video to the project")
        self.add_button.clicked.connect(lambda: self._documents.add_current())
        self.problems = Note()
        for button in (self.new_button, self.open_button):
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        first = beside(self.new_button, self.open_button)
        second = beside(self.name, self.menu_button, wide=(self.name,))
        stack(self, first, second, self.videos, self.outside, self.add_button, self.problems)
        self._documents.changed.connect(self.refresh)
        session.labelling.home_wanted.connect(self._on_home_wanted)
        self.refresh()

    # ----------------------------------------------------------------- projects

    def ask_for_new(self, why: str = "") -> ProjectDialog:
        """Show the form for a new project; nothing waits for it."""
        opened = self._session.current
        folder = proposed_folder(opened.path) if opened is not None else Path.home() / "labels"
        dialog = self.dialog = ProjectDialog(folder, self._first_keypoints(), why, self)
        dialog.made.connect(self._documents.create)
        dialog.open_wanted.connect(lambda: self._open_instead(dialog))
        dialog.rejected.connect(self._on_cancelled)
        dialog.finished.connect(lambda _: dialog.deleteLater())
        dialog.open()
        return dialog

    def choose_project(self) -> bool:
        """Ask for a project, or a folder of labels, and open it."""
        path, _ = QFileDialog.getOpenFileName(
            self,
            "Open a project: its config.yaml, or a CollectedData file",
            self._session.folder,
            "Projects and labels (config.yaml *.yaml CollectedData_*.csv CollectedData_*.h5)",
        )
        if path:
            self._documents.open(Path(path))
        return bool(path)

    @given("_documents.project")
    def edit_keypoints(self, project: Project) -> KeypointEditor:
        """Show the editor of the project's keypoints."""
        more = self._session.made.predicted_keypoints
        editor = self.editor = KeypointEditor(project.keypoints, more, self)
        editor.changed.connect(self._documents.change_keypoints)
        editor.finished.connect(lambda _: editor.deleteLater())
        editor.open()
        return editor

    def _on_home_wanted(self) -> None:
        # After the mouse event that caused it: a dialog within it would keep the canvas waiting.
        QTimer.singleShot(0, self._ask_for_home)

    def _ask_for_home(self) -> None:
        if not self._session.labelling.waits:
            return
        if self._documents.project is not None:
            self._ask_to_add()
        elif self.dialog is None or not _is_open(self.dialog):
            self.ask_for_new(_WHY)

    @on_video
    @given("_documents.project")
    def _ask_to_add(self, project: Project, opened: OpenVideo) -> None:
        if self.question and _is_open(self.question):
            return
        question = self.question = QMessageBox(self)
        question.setWindowTitle("Project")
        question.setText(f"Keep the labels of {opened.path.name} in {project.folder.name} too?")
        add = question.addButton("Add the video", QMessageBox.ButtonRole.AcceptRole)
        new = question.addButton("New project…", QMessageBox.ButtonRole.ActionRole)
        question.addButton(QMessageBox.StandardButton.Cancel)
        question.setDefaultButton(add)
        question.setWindowModality(Qt.WindowModality.WindowModal)

        def answered(_: int) -> None:
            if question.clickedButton() is add:
                self._documents.add_current()
            elif question.clickedButton() is new:
                self.ask_for_new(_WHY)
            else:
                self._on_cancelled()
            question.deleteLater()

        question.finished.connect(answered)
        question.open()

    def _open_instead(self, dialog: ProjectDialog) -> None:
        if self.choose_project():
            dialog.accept()

    def _on_cancelled(self) -> None:
        labelling = self._session.labelling
        if labelling.waits:
            labelling.drop_waiting()

    def _first_keypoints(self) -> KeypointSet | None:
        return self._session.made.predicted_keypoints or self._session.model_keypoints

    @given("_documents.project")
    def _export_labels(self, project: Project) -> None:
        export_labels(self._session, project, self)

    @given("_documents.project")
    def _show_folder(self, project: Project) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(project.folder)))

    # ----------------------------------------------------------------- videos

    def _on_video_chosen(self, index: int) -> None:
        path = self.videos.itemData(index)
        if path is not None:
            self._session.show_video(Path(path))
            self.refresh()

    # ----------------------------------------------------------------- what is shown

    def refresh(self, *_: Any) -> None:
        """Bring every line up to date with the files."""
        files, made = self._documents, self._session.made
        project, document = files.project, files.document
        nothing = project is None
        for widget in (self.new_button, self.open_button):
            widget.setVisible(nothing)
        self.name.setVisible(not nothing)
        self.menu_button.setVisible(not nothing)
        set_look(self.new_button, "primary" if nothing and not made.waiting else "")
        self.videos.clear()
        self._show_project()
        self.videos.setVisible(self.videos.count() > 1)
        busy = nothing or document is not None or files.opening or bool(files.problem)
        outside = "" if busy else made.path.name
        self.add_button.setVisible(bool(outside))
        text = "Opening the labels of this video …" if files.opening else ""
        self.outside.setText(f"{outside} is not in this project yet." if outside else text)
        problems = [files.problem, *(self._problems_of_labels() or ())]
        level = "error" if files.problem else "warning"
        self.problems.say("\n".join(map(one_line, filter(None, problems))), level)

    @given("_documents.document")
    def _problems_of_labels(self, document: LabelDocument) -> list[str]:
        told = document.disagreement.text if document.disagreement else ""
        problems = [text for text in document.problems if text != told]
        return list(dict.fromkeys([*problems, document.read_only]))

    @given("_documents.project")
    def _show_project(self, project: Project) -> None:
        self.name.setText(project.folder.name)
        self.name.setToolTip(f"{project.folder}\nlabelled by {project.scorer}")
        made = self._session.made
        own = None if made.waiting else made.path.resolve()
        for entry in project.videos:
            # Without the video its labelled images can still be looked at.
            path = entry.path or (entry.folder if entry.folder.is_dir() else None)
            gone = "" if entry.path else " (images only)" if path else " (not here)"
            self.videos.addItem(entry.name + gone, path)
            if path is not None and path.resolve() == own:
                self.videos.setCurrentIndex(self.videos.count() - 1)


def _is_open(dialog: QWidget) -> bool:
    try:
        return bool(dialog.isVisible())
    except RuntimeError:
        # Qt has taken it apart already.
        return False
