"""What a save of labels did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SaveReport:
    """What a save did.

    Attributes
    ----------
    frames : int
        Frames with labels, all in all.
    files : tuple of Path
        Label files that were written; none if the disk said the same already.
    images : tuple of Path
        Images of labelled frames that were written.
    adopted : int
        Points that another program had changed and that were taken over (one step of undo).
    problems : tuple of str
        Sentences about what is not as it should be although the labels are saved.
    """

    frames: int
    files: tuple[Path, ...] = ()
    images: tuple[Path, ...] = ()
    adopted: int = 0
    problems: tuple[str, ...] = ()
