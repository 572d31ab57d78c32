"""Writing the predictions of the current video in another program's format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QPushButton

from napari_vitface.formats.conversion import check_needs, write_predictions
from napari_vitface.formats.format import Format, writers
from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.gui.predict.shown_points import labels_left_out, shown_points

if TYPE_CHECKING:
    from napari_vitface.gui.workbench import Workbench


class ExportButton(QPushButton):
    """Asks where to and in which format, and says what that cannot hold."""

    def __init__(self, session: Workbench) -> None:
        super().__init__("Export…")
        self._session = session
        self.setToolTip("Write the predictions in another program's format")
        self.clicked.connect(lambda: self.ask())

    @on_video
    def ask(self, opened: OpenVideo) -> None:
        """Ask for a file; the kind of file that is chosen is the format."""
        if opened.predictions is None:
            return
        kinds = {_kind(one): one for one in writers("predictions")}
        stem, model = opened.path.stem, opened.model
        # A table that was opened is mostly named after its video already; a model may be, too, and
        # be that of other videos.
        whole = model.startswith(stem) and model != self._session.model_name
        start = opened.path.with_name(model if whole else f"{stem}_{model}")
        path, kind = QFileDialog.getSaveFileName(
            self, "Export predictions", str(start), ";;".join(kinds)
        )
        if path:
            self.export(Path(path), _meant(path, kinds.get(kind), list(kinds.values())))

    def export(self, path: Path, to: Format) -> None:
        """Write the points that are shown, without those of labels, which is told."""
        session, opened = self._session, self._session.current
        found = None if opened is None else shown_points(opened)
        if opened is None or found is None:
            return
        labels = labels_left_out(opened)
        if not path.name.lower().endswith(to.endings):
            path = path.with_name(path.name + to.endings[0])
            if path.exists():
                # The dialog asked about the name without its ending.
                session.tell(f"{path.name} exists: choose it by its whole name to replace it.")
                return

        def write() -> list[str]:
            check_needs(found, to, opened.path)
            return write_predictions(path, found, to)

        def tell(lost: list[str] | Exception) -> None:
            if isinstance(lost, Exception):
                session.tell(sentence_of(f"writing {path.name}", lost), "warning")
            else:
                session.tell(" ".join([f"Written to {path.name}.", *lost, *labels]))

        session.in_background(write, tell)


def _meant(path: str, chosen: Format | None, every: Sequence[Format]) -> Format:
    """The format that was chosen, unless the name ends as files of other formats alone do.

    Some systems' own dialogs do not tell which one was chosen.
    """
    of_name = [one for one in every if path.lower().endswith(one.endings)]
    if chosen is not None and (chosen in of_name or not of_name):
        return chosen
    return of_name[0] if of_name else every[0]


def _kind(one: Format) -> str:
    title = one.title.rpartition(" (")[0]
    return f"{title[0].upper()}{title[1:]} ({' '.join(f'*{ending}' for ending in one.endings)})"
