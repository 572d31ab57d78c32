"""Writing the predictions of the current video in another program's format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton

from napari_vitface.formats.conversion import check_needs, write_predictions
from napari_vitface.formats.format import Format
from napari_vitface.gui.export_dialog import export
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
        """Ask for a file; the points that are shown are written, without those of labels."""
        found = shown_points(opened)
        if found is None:
            return
        labels = labels_left_out(opened)
        stem, model = opened.path.stem, opened.model
        # A table that was opened is mostly named after its video already; a model may be, too, and
        # be that of other videos.
        whole = model.startswith(stem) and model != self._session.model_name
        start = opened.path.with_name(model if whole else f"{stem}_{model}")

        def write(path: Path, to: Format) -> list[str]:
            check_needs(found, to, opened.path)
            return [*write_predictions(path, found, to), *labels]

        export(self._session, self, "predictions", start, write)
