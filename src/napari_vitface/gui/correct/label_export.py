"""Writing all labels of the project in another program's format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from napari_vitface.formats.conversion import write_labels
from napari_vitface.formats.format import Format
from napari_vitface.gui.export_dialog import export

if TYPE_CHECKING:
    from napari_vitface.gui.workbench import Workbench
    from napari_vitface.project.project import Project


def export_labels(session: Workbench, project: Project, parent: QWidget) -> None:
    """Save the labels of the project, ask for a file and write them there, of all videos."""
    from napari_vitface.project.label_reading import read_labels

    problem = session.labelling.saving.save_all(project)
    if problem:
        session.tell(f"Nothing was exported, because the labels could not be saved: {problem}")
        return

    def write(path: Path, to: Format) -> list[str]:
        return write_labels(path, read_labels(project.labels_path), to)

    # Beside the images, which tables of labels name by their place.
    start = project.folder / f"{project.folder.name}_labels"
    export(session, parent, "labels", start, write)
