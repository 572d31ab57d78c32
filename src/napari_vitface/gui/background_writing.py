"""Files that the user asked for: written, and told where; or why not, in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_vitface.gui.error_sentences import sentence_of

if TYPE_CHECKING:
    from napari_vitface.gui.session import Session


def save_as(
    parent: QWidget,
    title: str,
    start: Path,
    kinds: str,
    ending: str,
    write: Callable[[Path], object],
    *,
    others: bool = False,
) -> None:
    """Ask for a file and have it written, if one is named.

    `others`: whatever else the name ends in is left as it is, too.
    """
    name, _ = QFileDialog.getSaveFileName(parent, title, str(start), kinds)
    if name:
        path = Path(name)
        has_one = bool(path.suffix) if others else path.suffix.lower() == ending
        write(path if has_one else path.with_name(path.name + ending))


def write_in_background(session: Session, work: Callable[[], None], *paths: Path) -> None:
    """Write files of one folder on a thread."""
    session.in_background(work, lambda error: _tell(session, paths, error))


def write_now(session: Session, work: Callable[[], None], *paths: Path) -> None:
    """Write files of one folder here, as what is drawn by Qt must be."""
    error: Exception | None = None
    try:
        work()
    except Exception as raised:
        error = raised
    _tell(session, paths, error)


def _tell(session: Session, paths: tuple[Path, ...], error: Exception | None) -> None:
    names = " and ".join(path.name for path in paths)
    if error is None:
        session.tell(f"Wrote {names} to {paths[0].parent}.")
    else:
        session.tell(sentence_of(f"writing {names}", error), "error")
