"""What is edited, and whose every edit is in a journal before it counts."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Generic

from napari_vitface.errors import LabelError
from napari_vitface.history import E, History
from napari_vitface.project.journal import Journal

#: What the undo line says of changes that another program made.
ADOPTED = "take over what another program changed"
#: Attempts to save while another program is writing the same files.
ATTEMPTS = 5


class Journalled(Generic[E]):
    """Something of one video, open for editing in this process alone.

    Not for several threads at a time.

    Attributes
    ----------
    name : str
        Of the video.
    journal : Journal
    history : History
        Its `changed` callables hear of every edit.
    """

    #: What it is, for sentences: "labels".
    what: ClassVar[str]
    name: str
    journal: Journal
    history: History[E]

    @property
    def read_only(self) -> str:
        """Why nothing can be edited; empty if it can."""
        return self.journal.refused

    @property
    def is_open(self) -> bool:
        """Whether `close` was not called yet."""
        return self.journal.is_open

    def do(self, edit: E) -> None:
        """Carry out an edit; it is on the disk when this returns.

        Raises
        ------
        LabelError
            If it cannot be made safe, or was made from what has changed since. Then nothing is
            changed.
        """
        self.history.do(edit)

    def undo(self) -> E | None:
        """Take back the last edit, as safely as `do`; None if there is none."""
        return self.history.undo()

    def redo(self) -> E | None:
        """Do again what was undone last, as safely as `do`; None if there is nothing."""
        return self.history.redo()

    def _check_writable(self, folder: Path) -> None:
        """Raise `LabelError` if the journal takes no edits, or the folder to save in is gone."""
        if self.journal.refused:
            raise LabelError(self.journal.refused)
        if not folder.is_dir():
            raise LabelError(
                f"The {self.what} of {self.name} were not saved, because {folder} is not there: is "
                "its drive connected? They stay in memory."
            )

    def _never_settled(self, path: Path) -> LabelError:
        """What is told if another program wrote the files at each of the `ATTEMPTS`."""
        return LabelError(
            f"The {self.what} of {self.name} were not saved, because another program keeps writing "
            f"to {path}: save again when it has finished."
        )
