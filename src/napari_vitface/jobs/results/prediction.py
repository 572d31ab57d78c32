"""What predictions, and searches for a face, begin and end with."""

from __future__ import annotations

from dataclasses import dataclass

from napari_vitface.jobs.events import Result, Settings
from napari_vitface.pose.keypoints import KeypointSet

#: x, y, width and height, video pixels.
Box = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class FindFaceSettings(Settings):
    """A face is looked for."""

    video: str
    model: str


@dataclass(frozen=True)
class FindFaceResult(Result):
    """What a search for the face found.

    Attributes
    ----------
    video, model : str
        A path and a name.
    found : bool
        Whether there is a face.
    crop : (x, y, w, h) or None
        The part of the frame to look at, video pixels; None where the model had better look at
        what it looks at without one.
    confidence, usual_confidence : float
        With that crop and without: mean of the keypoints', median over the frames.
    seen : int
        Images that went through the model.
    sentence : str
        For the user.
    """

    video: str
    model: str
    found: bool
    crop: Box | None
    confidence: float
    usual_confidence: float
    seen: int
    sentence: str


@dataclass(frozen=True, kw_only=True)
class PredictSettings(Settings):
    """What a prediction computes, and with what.

    Attributes
    ----------
    video : str
    frame_rate : float or None
    frames : (start, stop, step)
    device, precision : str
    batch_size : int
    crop : (x, y, w, h)
        What the model looks at, video pixels.
    white : int or None
        Value of white in the video, see `napari_vitface.video.Video.white`.
    face : FindFaceResult or None
        What the search for the face found, if there was one.
    keypoints : KeypointSet
    """

    video: str
    frame_rate: float | None
    frames: tuple[int, int, int]
    model: str
    device: str
    precision: str
    why: str
    batch_size: int
    crop: Box
    white: int | None
    face: FindFaceResult | None
    keypoints: KeypointSet
    fresh_from: int
    kept_in: str


@dataclass(frozen=True, kw_only=True)
class PredictResult(Result):
    """The predictions of one video are written.

    Attributes
    ----------
    video, model : str
        A path and a name.
    h5, csv : str
        The tables.
    overlay : str or None
        The labelled video, if one was asked for.
    frames : int
    broken : tuple of (first, last)
        Frames without points because they cannot be decoded.
    low_confidence : float or None
        Share of the frames in which the model is sure of fewer than half of the keypoints
        (`napari_vitface.pose.confidence`); None if no frame could be decoded.
    crop, white, face, device, precision, batch_size
        See `PredictSettings`.
    seconds : float
        That predicting took.
    frames_per_second : float or None
        None if an earlier run had done all.
    made : bool
        False if the files were there already, made by a run with the same settings.
    """

    video: str
    model: str
    h5: str
    csv: str
    overlay: str | None
    frames: int
    broken: tuple[tuple[int, int], ...]
    low_confidence: float | None
    crop: Box
    white: int | None
    face: FindFaceResult | None
    seconds: float
    frames_per_second: float | None
    device: str
    precision: str
    batch_size: int
    made: bool = True
