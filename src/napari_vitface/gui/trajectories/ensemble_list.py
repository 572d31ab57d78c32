"""The list of other models' predictions that are smoothed together with those on screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QWidget,
)

from napari_vitface.gui.given import given
from napari_vitface.gui.predict.other_tables import other_models
from napari_vitface.gui.section import stack
from napari_vitface.jobs.outputs import results_folder

if TYPE_CHECKING:
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.session import Session

#: Two rows and a little: the button below has to be seen without scrolling.
_HEIGHT = 52


class EnsembleList(QWidget):
    """Tables beside the video, each with a tick, and others that the user adds."""

    #: Other tables are ticked, or there are others.
    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._session: Session | None = None
        self._opened: OpenVideo | None = None
        self._folder = Path()
        self.list = QListWidget()
        self.list.setFixedHeight(_HEIGHT)
        self.list.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.itemChanged.connect(lambda *_: self.changed.emit())
        self.add_button = QPushButton("Add table…")
        self.add_button.setToolTip("Another model's predictions of this video, in any format")
        self.add_button.clicked.connect(lambda: self.ask())
        stack(self, self.list, self.add_button, spacing=4)

    @property
    def chosen(self) -> list[str]:
        """The tables that are ticked, as an operation names them: from the video's folder on."""
        folder = self._folder
        paths = [path for path, item in self._items().items() if item.checkState() == _TICKED]
        return [str(path.relative_to(folder) if path.parent == folder else path) for path in paths]

    @property
    def any_chosen(self) -> bool:
        """Whether there is an ensemble to smooth."""
        return any(item.checkState() == _TICKED for item in self._items().values())

    def show_video(self, session: Session, opened: OpenVideo) -> None:
        """Offer what is there of a video; looked for when somebody looks."""
        self._session, self._opened = session, opened
        self._folder = results_folder(opened.path)
        self.list.clear()
        self.look_again()

    @given("_opened")
    def look_again(self, opened: OpenVideo) -> None:
        """Take the table whose points are on screen now out, and look for others."""
        for path, item in self._items().items():
            if _is_own(path, opened):
                self.list.takeItem(self.list.row(item))
        if self.isVisible():
            self._look()

    def showEvent(self, event: Any) -> None:
        """Look on the disk for tables."""
        super().showEvent(event)
        self.look_again()

    @given("_opened")
    def ask(self, opened: OpenVideo) -> None:
        """Let the user choose tables from the disk."""
        from napari_vitface.formats.format import suffixes

        kinds = f"Predictions ({' '.join(f'*{suffix}' for suffix in suffixes('predictions'))})"
        names, _ = QFileDialog.getOpenFileNames(
            self, "Predictions of other models", str(opened.path.parent), kinds
        )
        for name in names:
            self.add(Path(name), ticked=True)

    @given("_opened")
    def add(self, opened: OpenVideo, path: Path, *, ticked: bool = False) -> None:
        """Put a table into the list, unless its points are those on screen."""
        if _is_own(path, opened):
            return
        item = self._items().get(path)
        if item is None:
            prefix = f"{opened.path.stem}_vitface_"
            item = QListWidgetItem(path.stem.removeprefix(prefix))
            item.setData(Qt.ItemDataRole.UserRole, path)
            item.setToolTip(str(path))
            item.setCheckState(Qt.CheckState.Unchecked)
            self.list.addItem(item)
        if ticked:
            item.setCheckState(_TICKED)
        self.changed.emit()

    def _items(self) -> dict[Path, QListWidgetItem]:
        found = self.list.findItems("", Qt.MatchFlag.MatchContains)
        return {item.data(Qt.ItemDataRole.UserRole): item for item in found}

    @given("_session")
    @given("_opened")
    def _look(self, opened: OpenVideo, session: Session) -> None:
        own = opened.source or opened.saved
        folder = self._folder if own is None else own.parent

        def show(found: list[Path] | Exception) -> None:
            if opened is self._opened and not isinstance(found, Exception):
                for path in found:
                    self.add(path)

        session.in_background(lambda: other_models(opened.path, folder, own), show)


def _is_own(path: Path, opened: OpenVideo) -> bool:
    """Whether a table holds the points on screen, in this form or another."""
    own = opened.source or opened.saved
    return own is not None and path.with_suffix("") == own.with_suffix("")


_TICKED = Qt.CheckState.Checked
