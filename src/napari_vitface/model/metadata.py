"""What the metadata of a checkpoint say: the keys of its JSON, for readers and writers alike.

What comes from a file has been looked at by `napari_vitface.model.checkpoint.read_metadata`. Keys
that a file need not have are asked for with ``get``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict


class FramesOf(TypedDict, total=False):
    """Frames of one recording: those that are listed, or all but those that are."""

    video: str
    frames: list[int]
    all_but: list[int]


class Calibration(TypedDict, total=False):
    """Tables from raw confidence to the chance of a small error; see `model.calibration`."""

    #: One table for all keypoints, or one for each.
    x: Sequence[float]
    y: Sequence[float]
    keypoints: Sequence[Mapping[str, Sequence[float]]]
    #: Distance that confidence is about, in pixels of frames of ``frame_size`` (height, width) with
    #: the crop of the checkpoint; see `model.calibration.radius_of` for others.
    radius: float
    frame_size: Sequence[int]
    #: On how many points it was fitted.
    points: int


class TrainingSummary(TypedDict, total=False):
    """How a model came to be, and how good it is."""

    summary: str
    #: What sets a bundled model apart from others, a sentence.
    description: str
    #: Of a bundled model, whose name stays when its weights are replaced.
    version: str
    data: str
    licence: str
    citations: Sequence[str]
    started_from: str
    quick: bool
    #: Of the training, or of each of its stages.
    steps: int | Sequence[int]
    batch_size: int
    seed: int
    script: str
    trained_on: Sequence[str]
    settings: Mapping[str, object]
    #: Frames by what they were used for.
    trained_frames: Sequence[FramesOf]
    held_out: FramesOf | Sequence[FramesOf]
    tuned_on: Sequence[FramesOf]
    calibrated_on: Sequence[FramesOf]
    #: Figures by what was judged: after, before, mean_pose, real, ...
    metrics: Mapping[str, Mapping[str, object]]
    calibration_error: float | None
    #: How far confidence is from the share of points near enough, by what was judged.
    calibration: Mapping[str, object]
    #: Mean position of each keypoint, pixels of frames of the size (height, width) beside it.
    mean_pose: Sequence[Sequence[float | None]]
    mean_pose_frame_size: Sequence[int]
    #: Value of white by folder of labelled images.
    white: Mapping[str, int]


class BackboneDescription(TypedDict, total=False):
    """See `napari_vitface.model.backbone.Backbone.to_dict`."""

    timm_name: str
    timm_args: dict[str, object]
    input_size: Sequence[int]
    channels: int


class HeadDescription(TypedDict):
    """A head by its name in `napari_vitface.settings.heads`, and its arguments."""

    name: str
    args: dict[str, object]


class KeypointsDescription(TypedDict, total=False):
    """See `napari_vitface.pose.keypoints.KeypointSet`."""

    names: Sequence[str]
    skeleton: Sequence[Sequence[str]]
    swaps: Sequence[Sequence[str]]
    colours: Sequence[str]


class NetworkDescription(TypedDict):
    """See `napari_vitface.model.network.KeypointNetwork.to_dict`."""

    backbone: BackboneDescription
    head: HeadDescription
    keypoints: KeypointsDescription


class PreprocessingDescription(TypedDict, total=False):
    """See `napari_vitface.model.preprocessing.Preprocessing`."""

    input_size: Sequence[int]
    channels: int
    crop: Sequence[int] | None
    pad_value: int
    mean: Sequence[float]
    std: Sequence[float]


class Shares(TypedDict):
    """Weights that a bundled model has in common with another, whose file alone holds them."""

    model: str
    #: SHA-256 of these weights.
    digest: str
    weights: Sequence[str]


class Metadata(TypedDict):
    """All of it."""

    format: int
    network: NetworkDescription
    preprocessing: PreprocessingDescription
    calibration: Calibration | None
    training: TrainingSummary
    shares: NotRequired[Shares]


def held_out_frames(training: TrainingSummary) -> list[FramesOf]:
    """What the training kept apart, a part for each recording; a file may hold one part alone."""
    held = training.get("held_out") or []
    return list(held) if isinstance(held, Sequence) else [held]
