"""What the Trajectories dock writes: plotted traces, pictures of the plot, the filtered table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QRectF
from qtpy.QtGui import QPainter
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import VitFaceError
from napari_vitface.gui.trajectories.files import (
    filtered_paths,
    plotted_columns,
    write_filtered,
    write_traces,
)
from napari_vitface.jobs.outputs import output_stem, results_folder

if TYPE_CHECKING:
    from napari_vitface.gui.session import Session
    from napari_vitface.gui.trajectories.labels import LabelRows
    from napari_vitface.gui.trajectories.plot import TrajectoryPlot
    from napari_vitface.kinematics import Trace


def ask_for_file(parent: QWidget, session: Session, picture: bool) -> Path | None:
    """Let the user name a CSV file, or a picture as PNG or SVG; None if they do not want to."""
    if session.current is None:
        return None
    path = session.current.path
    start = str(results_folder(path) / f"{output_stem(path)}_trajectories")
    kinds = "PNG (*.png);;SVG (*.svg)" if picture else "CSV (*.csv)"
    name, chosen = QFileDialog.getSaveFileName(parent, "Export", start, kinds)
    if not name:
        return None
    target = Path(name)
    known = (".png", ".svg") if picture else (".csv",)
    if target.suffix.lower() not in known:
        suffix = ".svg" if chosen.startswith("SVG") else known[0]
        target = target.with_name(target.name + suffix)
    return target


def export_csv(
    session: Session,
    path: Path,
    traces: Sequence[Trace],
    labels: LabelRows,
    frames: tuple[int, int],
) -> None:
    """Write traces of frames first to last (exclusive) in the background, and say so."""
    opened = session.current
    if opened is None:
        return
    times = opened.video.times if opened.video.frame_rate > 0 else None
    # The labels may be edited while the file is written.
    columns = plotted_columns(traces, session.predictions, labels.copy(), times)
    _write(session, lambda: write_traces(path, columns, *frames, times), [path])


def export_picture(session: Session, path: Path, plot: TrajectoryPlot) -> None:
    """Write what is plotted as PNG, twice as fine as on screen, or as SVG; and say so."""
    try:
        with atomic_write(path) as temporary:
            (_write_svg if path.suffix.lower() == ".svg" else _write_png)(plot, temporary)
    except OSError as error:
        session.tell(f"{path} could not be written ({error.strerror or error}).", "error")
    else:
        session.tell(f"Wrote {path}.")


def save_filtered(session: Session, labels: LabelRows, parent: QWidget) -> None:
    """Write the predictions as they are shown beside those of the model, and say so."""
    opened, table = session.current, session.predictions
    if opened is None or table is None:
        return
    paths = filtered_paths(opened.path, opened.saved, opened.model)
    if any(path.exists() for path in paths) and not _may_replace(paths, parent):
        return
    rows, model = labels.copy(), opened.model
    _write(session, lambda: write_filtered(paths, table, rows, model), paths)


def _may_replace(paths: Sequence[Path], parent: QWidget) -> bool:
    answer = QMessageBox.question(
        parent, "Filtered table", f"{paths[0].name} is already there. Replace it?"
    )
    return bool(answer == QMessageBox.StandardButton.Yes)


def _write(session: Session, work: Callable[[], None], paths: Sequence[Path]) -> None:
    def done(result: Any) -> None:
        names = " and ".join(path.name for path in paths)
        if isinstance(result, VitFaceError):
            session.tell(str(result), "error")
        elif isinstance(result, Exception):
            reason = getattr(result, "strerror", None) or str(result)
            session.tell(f"{names} could not be written ({reason}).", "error")
        else:
            session.tell(f"Wrote {names} to {paths[0].parent}.")

    session.in_background(work, done)


def _write_png(plot: TrajectoryPlot, path: Path) -> None:
    if not plot.picture().save(str(path)):
        raise OSError("is the disk full?")


def _write_svg(plot: TrajectoryPlot, path: Path) -> None:
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
        raise OSError("is the disk full?")
    plot.paint_on(painter, QRectF(0, 0, size.width(), size.height()))
    painter.end()
