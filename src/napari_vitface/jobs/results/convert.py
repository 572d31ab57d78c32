"""What converting a file ends with."""

from __future__ import annotations

from dataclasses import dataclass

from napari_vitface.jobs.events import Result


@dataclass(frozen=True, kw_only=True)
class ConvertResult(Result):
    """Predictions or labels were written in another format.

    Attributes
    ----------
    file : str
        What was written.
    content : str
        "predictions" or "labels".
    read_as, written_as : str
        Names of the formats.
    frames, points : int
        Of predictions the frames of the table; of labels the labelled images.
    lost : tuple of str
        What does not come along, in sentences.
    """

    file: str
    content: str
    read_as: str
    written_as: str
    frames: int
    points: int
    lost: tuple[str, ...]
