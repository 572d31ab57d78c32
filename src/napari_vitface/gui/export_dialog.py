"""Exporting: where to, and in which of the formats that hold predictions, or labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_vitface.formats.format import Content, Format, writers
from napari_vitface.gui.error_sentences import sentence_of

if TYPE_CHECKING:
    from napari_vitface.gui.session import Session


def export(
    session: Session,
    parent: QWidget,
    content: Content,
    start: Path,
    write: Callable[[Path, Format], list[str]],
) -> None:
    """Ask for a file and write it on a thread; what came of it is told.

    Parameters
    ----------
    start : path
        The name that is proposed, without an ending.
    write : callable
        Writes a file in a format, and says in sentences what that cannot hold.
    """
    kinds = {_kind(one): one for one in writers(content)}
    name, kind = QFileDialog.getSaveFileName(
        parent, f"Export {content}", str(start), ";;".join(kinds)
    )
    if not name:
        return
    # The kind of file that was chosen is the format.
    path, to = Path(name), _meant(name, kinds.get(kind), list(kinds.values()))
    if not path.name.lower().endswith(to.endings):
        path = path.with_name(path.name + to.endings[0])
        if path.exists():
            # The dialog asked about the name without its ending.
            session.tell(f"{path.name} exists: choose it by its whole name to replace it.")
            return

    def tell(lost: list[str] | Exception) -> None:
        if isinstance(lost, Exception):
            session.tell(sentence_of(f"writing {path.name}", lost), "warning")
        else:
            session.tell(" ".join([f"Written to {path.name}.", *lost]))

    session.in_background(lambda: write(path, to), tell)


def _meant(path: str, chosen: Format | None, every: Sequence[Format]) -> Format:
    """The format that was chosen, unless the name ends as files of other formats alone do.

    Some systems' own dialogs do not tell which one was chosen.
    """
    of_name = [one for one in every if path.lower().endswith(one.endings)]
    if chosen is not None and (chosen in of_name or not of_name):
        return chosen
    return of_name[0] if of_name else every[0]


def _kind(one: Format) -> str:
    title = one.title.rpartition(" (")[0] or one.title
    return f"{title[0].upper()}{title[1:]} ({' '.join(f'*{ending}' for ending in one.endings)})"
