"""What the Trajectories dock writes: plotted traces, pictures of the plot, the filtered table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QRectF
from qtpy.QtGui import QPainter
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import VitFaceError
from napari_vitface.gui.background_writing import write_in_background, write_now
from napari_vitface.gui.trajectories.exports import (
    filtered_paths,
    plotted_columns,
    write_filtered,
    write_traces,
)
from napari_vitface.jobs.outputs import output_path

if TYPE_CHECKING:
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.session import Session
    from napari_vitface.gui.trajectories.label_rows import LabelRows
    from napari_vitface.gui.trajectories.trajectory_plot import TrajectoryPlot
    from napari_vitface.kinematics import Trace
    from napari_vitface.pose.table import PoseTable


def ask_for_file(
    parent: QWidget | None, opened: OpenVideo, write: Callable[[Path], None], *, picture: bool
) -> None:
    """Let the user name a CSV file, or a picture as PNG or SVG, and have it written."""
    start = str(output_path(opened.path, "_trajectories"))
    kinds = "PNG (*.png);;SVG (*.svg)" if picture else "CSV (*.csv)"
    name, chosen = QFileDialog.getSaveFileName(parent, "Export", start, kinds)
    if not name:
        return
    target = Path(name)
    known = (".png", ".svg") if picture else (".csv",)
    if target.suffix.lower() not in known:
        suffix = ".svg" if chosen.startswith("SVG") else known[0]
        target = target.with_name(target.name + suffix)
    write(target)


def export_csv(
    session: Session,
    opened: OpenVideo,
    path: Path,
    traces: Sequence[Trace],
    table: PoseTable,
    labels: LabelRows,
    frames: tuple[int, int],
) -> None:
    """Write traces of frames first to last (exclusive) in the background, and say so."""
    times = opened.video.times if opened.video.frame_rate > 0 else None
    # The labels may be edited while the file is written.
    columns = plotted_columns(traces, table, labels.copy(), times)
    write_in_background(session, lambda: write_traces(path, columns, *frames, times), path)


def export_picture(session: Session, path: Path, plot: TrajectoryPlot) -> None:
    """Write what is plotted as PNG, twice as fine as on screen, or as SVG; and say so."""

    def work() -> None:
        draw = _draw_svg if path.suffix.lower() == ".svg" else _draw_png
        with atomic_write(path) as temporary:
            if not draw(plot, temporary):
                raise VitFaceError(f"{path} could not be written; is the disk full?")

    write_now(session, work, path)


def save_filtered(
    session: Session, opened: OpenVideo, labels: LabelRows, parent: QWidget | None
) -> None:
    """Write the predictions as they are shown beside those of the model, and say so."""
    table = opened.predictions
    if table is None:
        return
    paths = filtered_paths(opened.path, opened.saved, opened.model)
    if any(path.exists() for path in paths) and not _may_replace(paths, parent):
        return
    rows, model = labels.copy(), opened.model
    write_in_background(session, lambda: write_filtered(paths, table, rows, model), *paths)


def _may_replace(paths: Sequence[Path], parent: QWidget | None) -> bool:
    answer = QMessageBox.question(
        parent, "Filtered table", f"{paths[0].name} is already there. Replace it?"
    )
    return bool(answer == QMessageBox.StandardButton.Yes)


def _draw_png(plot: TrajectoryPlot, path: Path) -> bool:
    return bool(plot.picture().save(str(path)))


def _draw_svg(plot: TrajectoryPlot, path: Path) -> bool:
    from qtpy.QtSvg import QSvgGenerator

    size = plot.viewport().size()
    generator = QSvgGenerator()
    generator.setFileName(str(path))
    generator.setSize(size)
    generator.setViewBox(QRectF(0, 0, size.width(), size.height()))
    # Text has the size that it has on screen, and ticks stand where they do there.
    generator.setResolution(plot.viewport().logicalDpiX())
    generator.setTitle("Trajectories")
    painter = QPainter()
    if not painter.begin(generator):
        return False
    plot.paint_on(painter, QRectF(0, 0, size.width(), size.height()))
    return bool(painter.end())
