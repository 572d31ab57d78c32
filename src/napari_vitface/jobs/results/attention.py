"""What the jobs on attention begin and end with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from napari_vitface.jobs.events import Result, Settings
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.record import Record, optional, spread
from napari_vitface.settings.attention_method import MapSettings
from napari_vitface.settings.option import Value


@dataclass(frozen=True, kw_only=True)
class ExplainSettings(Settings):
    """What maps are computed.

    Attributes
    ----------
    method : str
    frames : (start, stop, step) or (start, stop), optional
    radius : float, optional
        Video pixels about a keypoint that count as near.
    chosen : mapping
        Settings of the method that were chosen, by name.
    """

    method: str
    frames: tuple[int, ...] | None = optional()
    radius: float | None = optional()
    chosen: Mapping[str, Value] = spread()


@dataclass(frozen=True)
class Faithfulness(Record):
    """How far a keypoint moves when what its map points at is blanked, video pixels.

    Attributes
    ----------
    name : str
        What the map explains.
    score, nearest_score : float
        Of the map, and of patches about the keypoint: 0 is chance, towards 1 better; NaN where
        nothing moved.
    explains : bool
        The map is clearly better than chance.
    attended, random, nearest : tuple of float
        Moves with the most attended, random and nearest patches blanked, for each of the shares.
    """

    name: str
    score: float
    nearest_score: float
    explains: bool
    attended: tuple[float, ...]
    random: tuple[float, ...]
    nearest: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class AttentionResult(Result):
    """What the jobs that compute maps have in common.

    Attributes
    ----------
    source : str
        The video or image.
    settings : MapSettings
        Exactly what was computed.
    faithfulness : tuple of Faithfulness, optional
        Of these maps, where the command line measured it.
    """

    source: str
    settings: MapSettings
    faithfulness: tuple[Faithfulness, ...] | None = optional()


@dataclass(frozen=True, kw_only=True)
class ExplainResult(AttentionResult):
    """The maps of one frame.

    Attributes
    ----------
    frame : int
    names : tuple of str
        What each map explains.
    prefix_share : tuple of float
        Share of attention taken by prefix tokens, for each map.
    keypoints : KeypointSet
        Of the model.
    output : str or None
        The file that was written.
    """

    frame: int
    names: tuple[str, ...]
    prefix_share: tuple[float, ...]
    keypoints: KeypointSet
    output: str | None


@dataclass(frozen=True, kw_only=True)
class ExplainFramesResult(AttentionResult):
    """The maps of some frames, or their mean.

    Attributes
    ----------
    frames : int
        That were looked at.
    range : (start, stop, step)
        That were asked for.
    unreadable : tuple of int
        Frames that cannot be decoded.
    names, keypoints, output
        See `ExplainResult`.
    """

    frames: int
    range: tuple[int, int, int]
    unreadable: tuple[int, ...]
    names: tuple[str, ...]
    keypoints: KeypointSet
    output: str | None


@dataclass(frozen=True, kw_only=True)
class KeypointAttention(Record):
    """How a network looks at one keypoint over some frames.

    Attributes
    ----------
    name : str
    tracked : int
        Frames in which the model is sure of it.
    looks_near, looks_elsewhere, looks_even : int
        In so many of these its map lies about it, elsewhere, or in no place.
    entropy, near, near_even, prefix : float or None
        Medians, see `napari_vitface.jobs.events.AttentionMeasured`.
    flagged : bool
        It is often tracked while the network looks elsewhere.
    elsewhere_frames : str
        When that is so, in words.
    """

    name: str
    tracked: int
    looks_near: int
    looks_elsewhere: int
    looks_even: int
    entropy: float | None
    near: float | None
    near_even: float | None
    prefix: float | None
    flagged: bool
    elsewhere_frames: str


@dataclass(frozen=True, kw_only=True)
class AttentionDataResult(AttentionResult):
    """Attention of some frames in numbers.

    Attributes
    ----------
    frames, range, unreadable
        See `ExplainFramesResult`.
    radius : float
        Video pixels about a keypoint that count as near.
    csv : str or None
        The table that was written.
    keypoints : tuple of KeypointAttention
    """

    frames: int
    range: tuple[int, int, int]
    unreadable: tuple[int, ...]
    radius: float
    csv: str | None
    keypoints: tuple[KeypointAttention, ...]


@dataclass(frozen=True, kw_only=True)
class AttentionVideoResult(AttentionResult):
    """Frames with a map over each are written.

    Attributes
    ----------
    output : str
        The video.
    frames : int
    unreadable : tuple of int
        Frames that cannot be decoded, which are black.
    names : tuple of str
        Whose maps; of several, the mean is shown.
    limit : float or None
        The value of full colour.
    """

    output: str
    frames: int
    unreadable: tuple[int, ...]
    names: tuple[str, ...]
    limit: float | None


@dataclass(frozen=True, kw_only=True)
class FaithfulnessResult(AttentionResult):
    """Whether maps explain anything.

    Attributes
    ----------
    frames, unreadable : tuple of int
        That were measured, and that cannot be decoded.
    shares : tuple of float
        Of the frame's patches that were blanked.
    maps : tuple of Faithfulness
    """

    frames: tuple[int, ...]
    unreadable: tuple[int, ...]
    shares: tuple[float, ...]
    maps: tuple[Faithfulness, ...]
