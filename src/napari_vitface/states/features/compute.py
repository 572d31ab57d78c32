"""Features of the frames of a video, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VideoError
from napari_vitface.settings.features import FeatureKind
from napari_vitface.states.features.extractor import Extractor, Material, Pictures

#: A frame's crop at each of the scales that are wanted; None if it cannot be decoded.
Seen = tuple[NDArray[np.uint8], ...] | None
#: Frames a block: enough that Python's share is small, few enough that they stay in the cache.
BLOCK = 64


@dataclass(frozen=True)
class Block:
    """Features of some frames in order.

    Attributes
    ----------
    frames : (B,) int64
    values : tuple of (B, D) float32
        One for each extractor; rows of NaN where a frame (or, for one that looks at it, the frame
        before) cannot be decoded.
    """

    frames: NDArray[np.int64]
    values: tuple[NDArray[np.float32], ...]


def make_extractors(kinds: Sequence[FeatureKind], material: Material) -> tuple[Extractor, ...]:
    """What computes each of the kinds.

    Raises
    ------
    VitFaceError
        A kind cannot be computed of this material.
    """
    return tuple(kind.load()(kind, material) for kind in kinds)


def compute(
    extractors: Sequence[Extractor],
    material: Material,
    frames: range | Sequence[int],
    *,
    size: int = BLOCK,
) -> Iterator[Block]:
    """Compute features of frames.

    Parameters
    ----------
    extractors : sequence of Extractor
        Of `make_extractors` with the same material.
    frames : range or sequence of int
        Increasing.
    size : int
        Frames a block, at most.
    """
    scales = [each.scale for each in extractors if each.scale is not None]
    if not scales:
        for start in range(0, len(frames), size):
            yield _block(extractors, np.asarray(frames[start : start + size], np.int64), {}, {})
        return
    back = any(each.before for each in extractors)
    numbers = _with_those_before(frames) if back else frames
    wanted = frames if not back else frozenset(frames)
    source = material.crop.read(material.video, numbers, scales)
    images: dict[int, Seen] = {}
    before: dict[int, Seen] = {}
    last: tuple[int, Seen] = (-1, None)
    try:
        for number, seen in source:
            if number in wanted:
                images[number] = seen
                # Before the first frame of the video stands itself.
                before[number] = last[1] if number == last[0] + 1 and number else seen
                if len(images) == size:
                    yield _block(extractors, np.array([*images]), images, before)
                    images, before = {}, {}
            last = number, seen
        if images:
            yield _block(extractors, np.array([*images]), images, before)
    finally:
        source.close()  # type: ignore[attr-defined]


def features_of(
    kinds: Sequence[FeatureKind], material: Material, frames: range | Sequence[int] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32], tuple[Extractor, ...]]:
    """Features of a short video, side by side.

    Parameters
    ----------
    frames : range or sequence of int, optional
        Increasing; default all.

    Returns
    -------
    frames : (N,) int64
    values : (N, D) float32
        The columns of each kind after those of the one before.
    extractors : tuple of Extractor
        What they were computed with, which says what the columns are.
    """
    extractors = make_extractors(kinds, material)
    chosen = range(len(material.video)) if frames is None else frames
    blocks = list(compute(extractors, material, chosen))
    if not blocks:
        raise VideoError(f"No frame of {material.video.path.name} is selected.")
    return (
        np.concatenate([block.frames for block in blocks]),
        np.concatenate([np.hstack(block.values) for block in blocks]),
        extractors,
    )


def _with_those_before(frames: range | Sequence[int]) -> list[int]:
    return sorted({*frames} | {max(number - 1, 0) for number in frames})


def _block(
    extractors: Sequence[Extractor],
    frames: NDArray[np.int64],
    images: Mapping[int, Seen],
    before: Mapping[int, Seen],
) -> Block:
    values = []
    picture = 0
    for each in extractors:
        rows = np.full((len(frames), len(each.columns)), np.nan, np.float32)
        if each.scale is None:
            rows[:] = each(Pictures(frames))
        else:
            now = [images[number] for number in frames.tolist()]
            earlier = [before[number] for number in frames.tolist()] if each.before else now
            pairs = [
                (one[picture], other[picture])
                for one, other in zip(now, earlier, strict=True)
                if one is not None and other is not None
            ]
            whole = np.array(
                [
                    one is not None and other is not None
                    for one, other in zip(now, earlier, strict=True)
                ]
            )
            if pairs:
                rows[whole] = each(
                    Pictures(
                        frames[whole],
                        np.stack([one for one, _ in pairs]),
                        np.stack([other for _, other in pairs]) if each.before else None,
                    )
                )
            picture += 1
        values.append(rows)
    return Block(frames, tuple(values))
