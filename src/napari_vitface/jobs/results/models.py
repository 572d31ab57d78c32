"""What the jobs on model files end with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_vitface.jobs.events import Result
from napari_vitface.model.metadata import Metadata
from napari_vitface.record import Record


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


@dataclass(frozen=True, kw_only=True)
class ModelFile(Record):
    """A model that can be used, and what is known about it.

    Attributes
    ----------
    name, path : str
    bundled : bool
        It comes with the package.
    megabytes : float
        Size of the file, in millions of bytes.
    backbone, head : mapping
        As the checkpoint describes them.
    keypoints : tuple of str
    input_size : (height, width)
        Pixels.
    training : mapping
        What the checkpoint says about its training and accuracy.
    calibration : CalibrationSummary or None
        None if its confidence is its own view.
    """

    name: str
    path: str
    bundled: bool
    megabytes: float
    backbone: Mapping[str, Any]
    head: Mapping[str, Any]
    keypoints: tuple[str, ...]
    input_size: tuple[int, int]
    training: Mapping[str, Any]
    calibration: CalibrationSummary | None


#: What confidence is without a calibration.
NOT_CALIBRATED = "the model's own view, not calibrated"


@dataclass(frozen=True)
class CalibrationSummary(Record):
    """What confidence is about: `radius`, video pixels, and on how many `points` it was fitted.

    In frames of another size than `frame_size` (height, width), and with another crop than that of
    the checkpoint, the radius is in proportion. `cropped` says whether that has one.
    """

    radius: float | None
    points: int | None
    frame_size: tuple[int, int] | None = None
    cropped: bool = False

    @classmethod
    def of(cls, metadata: Metadata) -> CalibrationSummary | None:
        """That of a checkpoint; None if it has no calibration."""
        calibration = metadata.get("calibration")
        if not calibration:
            return None
        size = calibration.get("frame_size")
        return cls(
            calibration.get("radius"),
            calibration.get("points"),
            None if size is None else (size[0], size[1]),
            metadata["preprocessing"].get("crop") is not None,
        )

    @property
    def meaning(self) -> str:
        """As a sentence goes on after "confidence is"."""
        if self.radius is None:
            return NOT_CALIBRATED
        text = f"the chance to be within {self.radius:.3g} px"
        if self.frame_size is None:
            return text
        height, width = self.frame_size
        here = f"{text} in frames of {width} x {height}"
        if self.cropped:
            return f"{here} with its crop, and in proportion with others"
        return f"{here}, and in proportion in others or in a crop"


@dataclass(frozen=True)
class ModelsResult(Result):
    """The models that there are."""

    models: tuple[ModelFile, ...]


@dataclass(frozen=True, kw_only=True)
class DescribeResult(Result):
    """What the engine runs on.

    Attributes
    ----------
    python, system, napari_vitface, torch, timm : str
        Versions.
    devices, device_names : tuple of str
        What torch can compute on, as it is chosen and as it is called.
    threads : int
        That torch uses.
    processor, capability : str
        Its name, and the instructions of it that torch uses.
    """

    python: str
    system: str
    napari_vitface: str
    torch: str
    timm: str
    devices: tuple[str, ...]
    device_names: tuple[str, ...]
    threads: int
    processor: str
    capability: str
