"""What the jobs on model files end with."""

from __future__ import annotations

from dataclasses import dataclass

from napari_vitface.jobs.events import Result


@dataclass(frozen=True)
class ExportResult(Result):
    """A model was written as an ONNX file.

    Attributes
    ----------
    model : str
        Its name.
    file : str
    megabytes : float
        Size of the file, in millions of bytes.
    moved : float or None
        How far its points of two drawn faces are from the checkpoint's at most, in input pixels;
        None where ONNX Runtime is not installed, so that it was not tried.
    """

    model: str
    file: str
    megabytes: float
    moved: float | None


@dataclass(frozen=True)
class QuantiseResult(Result):
    """A model was made ready for int8 on this computer.

    Attributes
    ----------
    frames : int
        On which it was made ready and judged, one half each.
    moved : float
        Input pixels that half of the points of the frames kept apart move by at most.
    agrees : bool
        Whether that is little enough for it to be used.
    """

    frames: int
    moved: float
    agrees: bool
