"""Asking for a new project: where it is, who labels, and which keypoints."""

from __future__ import annotations

import getpass
from pathlib import Path

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_vitface.gui.numbers import counted
from napari_vitface.gui.section import Note, WrappedLabel, labelled_rows, set_look
from napari_vitface.pose.keypoints import KeypointSet

_ABOUT = (
    "Labels are kept in a project: a folder that DeepLabCut, napari-deeplabcut and Lightning Pose "
    "open too. Every edit is on disk at once."
)


class ProjectDialog(QDialog):
    """A form with sensible answers filled in; `made` says what was chosen.

    Parameters
    ----------
    folder : Path
        Where the project is proposed.
    keypoints : KeypointSet or None
        The keypoints to begin with: those of the predictions or of the model.
    why : str
        A sentence at the top: why this is asked now.
    """

    #: (folder, keypoint set, scorer)
    made = Signal(object, object, str)
    #: The user has a project already.
    open_wanted = Signal()

    def __init__(
        self,
        folder: Path,
        keypoints: KeypointSet | None,
        why: str,
        parent: QWidget | None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("New project")
        self._base = keypoints
        self.why = WrappedLabel(why, "strong")
        self.about = WrappedLabel(_ABOUT, "hint")
        self.folder = QLineEdit(str(folder))
        self.folder.setMinimumWidth(340)
        browse = QPushButton("Choose…")
        browse.clicked.connect(lambda: self._choose())
        where = QHBoxLayout()
        where.addWidget(self.folder, 1)
        where.addWidget(browse)
        self.scorer = QLineEdit(default_scorer())
        self.scorer.setToolTip("Whose labels these are; it is part of the files' names")
        self.names = QPlainTextEdit("\n".join(keypoints.names) if keypoints is not None else "")
        self.names.setPlaceholderText("One keypoint a line, for example\neye\nnose tip\nmouth")
        self.names.setMinimumHeight(180)
        self.count = QLabel()
        grid, _ = labelled_rows(("Folder", where), ("Labelled by", self.scorer))
        self.problem = Note()
        self.make_button = QPushButton("Make project")
        self.make_button.setDefault(True)
        set_look(self.make_button, "primary")
        self.make_button.clicked.connect(lambda: self._make())
        self.open_button = QPushButton("Open a project…")
        self.open_button.setToolTip("Keep the labels in a project that there is already")
        self.open_button.clicked.connect(lambda: self.open_wanted.emit())
        cancel = QPushButton("Cancel")
        cancel.clicked.connect(self.reject)
        buttons = QHBoxLayout()
        buttons.addWidget(self.open_button)
        buttons.addStretch(1)
        buttons.addWidget(cancel)
        buttons.addWidget(self.make_button)
        for button in (browse, self.open_button, cancel):
            button.setAutoDefault(False)
        layout = QVBoxLayout(self)
        layout.addWidget(self.why)
        layout.addWidget(self.about)
        layout.addLayout(grid)
        layout.addWidget(self.count)
        layout.addWidget(self.names, 1)
        layout.addWidget(self.problem)
        layout.addLayout(buttons)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        for edit in (self.folder, self.scorer):
            edit.textChanged.connect(lambda _: self._check())
        self.names.textChanged.connect(self._check)
        self._check()

    def keypoints(self) -> KeypointSet | None:
        """The keypoints that are typed in, with what is known of those of the base set."""
        names = [line.strip() for line in self.names.toPlainText().splitlines() if line.strip()]
        if not names or len(set(names)) < len(names):
            return None
        return with_names(self._base, names)

    def _choose(self) -> None:
        start = Path(self.folder.text()).expanduser()
        chosen = QFileDialog.getExistingDirectory(self, "Folder of the project", str(start.parent))
        if chosen:
            path = Path(chosen)
            # An empty folder becomes the project, any other one gets it inside.
            inside = path if not any(path.iterdir()) else path / start.name
            self.folder.setText(str(inside))

    def _check(self) -> None:
        lines = [line.strip() for line in self.names.toPlainText().splitlines() if line.strip()]
        twice = sorted({name for name in lines if lines.count(name) > 1})
        folder = self.folder.text().strip()
        text = ""
        if twice:
            text = f"{twice[0]} stands there twice; each keypoint needs a name of its own."
        elif folder and (Path(folder).expanduser() / "config.yaml").exists():
            text = "There is a project in this folder already; open it, or choose another folder."
        self.problem.say(text)
        self.count.setText(f"{counted(len(lines), 'keypoint')}, one a line")
        good = bool(folder and self.scorer.text().strip() and lines) and not text
        self.make_button.setEnabled(good)

    def _make(self) -> None:
        keypoints = self.keypoints()
        if keypoints is not None:
            folder = Path(self.folder.text().strip()).expanduser()
            self.made.emit(folder, keypoints, self.scorer.text().strip())
            self.accept()


def with_names(base: KeypointSet | None, names: list[str]) -> KeypointSet:
    """A set of these names that keeps the skeleton, pairs and colours of another where it can."""
    if base is None:
        return KeypointSet(tuple(names))
    if list(base.names) == names:
        return base
    there = set(names)
    colours = list(KeypointSet(tuple(names)).colours)
    for place, name in enumerate(names):
        if name in base.names:
            colours[place] = base.colours[base.index(name)]
    return KeypointSet(
        tuple(names),
        tuple(pair for pair in base.skeleton if there.issuperset(pair)),
        tuple(pair for pair in base.swaps if there.issuperset(pair)),
        tuple(colours),
    )


def default_scorer() -> str:
    """The user's name, as far as it can be part of a file's name."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):
        name = ""
    return "".join(letter for letter in name if letter.isalnum() or letter in "-") or "me"
