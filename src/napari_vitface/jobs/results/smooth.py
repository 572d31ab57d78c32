"""What smoothing an ensemble ends with."""

from __future__ import annotations

from dataclasses import dataclass

from napari_vitface.jobs.events import Result


@dataclass(frozen=True, kw_only=True)
class SmoothResult(Result):
    """Several models' predictions of a video were written as one table.

    Attributes
    ----------
    file : str
        What was written.
    tables : tuple of str
        What it was made of.
    written_as : str
        Name of the format.
    frames, points : int
        Rows of the table, and points in them.
    lost : tuple of str
        What does not come along, in sentences.
    """

    file: str
    tables: tuple[str, ...]
    written_as: str
    frames: int
    points: int
    lost: tuple[str, ...]
