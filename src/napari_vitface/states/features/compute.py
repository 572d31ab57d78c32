"""Features of the frames of a video, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VideoError
from napari_vitface.settings.features import FeatureKind
from napari_vitface.states.features.extractor import Extractor, Material, Pictures
from napari_vitface.video.read_ahead import decode_ahead

#: A frame's crop at each of the scales that are wanted; None if it cannot be decoded.
Seen = tuple[NDArray[np.uint8], ...] | None
#: Frames a block: enough that Python's share is small, few enough that they stay in the cache.
BLOCK = 64
#: Blocks that are put together before they are asked for.
_DEPTH = 2


@dataclass(frozen=True)
class Block:
    """Features of some frames in order.

    Attributes
    ----------
    frames : (B,) int64
    values : tuple of (B, D) float32
        One for each extractor; rows of NaN where a frame (or, for one that looks at it, the frame
        before) cannot be decoded.
    decoded : (B,) bool
        Which of them can be, as far as any extractor looks at them.
    """

    frames: NDArray[np.int64]
    values: tuple[NDArray[np.float32], ...]
    decoded: NDArray[np.bool_]


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
    source = decode_ahead(lambda: _assemble(extractors, material, frames, size), _DEPTH)
    with closing(source):  # type: ignore[type-var]
        for numbers, batches, decoded in source:
            yield Block(numbers, tuple(map(_values, extractors, batches)), decoded)


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


def pictures_of(
    extractors: Sequence[Extractor], material: Material, frame: int
) -> tuple[Pictures, ...]:
    """What each extractor looks at in one frame.

    Raises
    ------
    VideoError
        It cannot be decoded.
    """
    ((_, batches, _),) = _assemble(extractors, material, range(frame, frame + 1), 1)
    if not all(batch.there.all() for batch in batches):
        raise VideoError(f"Frame {frame} of {material.video.path.name} cannot be decoded.")
    return tuple(batch.pictures for batch in batches)


@dataclass(frozen=True)
class _Batch:
    """Pictures for one extractor, and which of the block's frames these are."""

    pictures: Pictures
    there: NDArray[np.bool_]


#: Frames, what each extractor is given of them, and which of them can be decoded.
_Assembled = tuple[NDArray[np.int64], list[_Batch], NDArray[np.bool_]]


def _values(extractor: Extractor, batch: _Batch) -> NDArray[np.float32]:
    rows = np.full((len(batch.there), len(extractor.columns)), np.nan, np.float32)
    if batch.there.any():
        rows[batch.there] = extractor(batch.pictures)
    return rows


def _assemble(
    extractors: Sequence[Extractor], material: Material, frames: range | Sequence[int], size: int
) -> Iterator[_Assembled]:
    """The material of blocks of frames; runs on a thread of its own."""
    scales = [each.scale for each in extractors if each.scale is not None]
    if not scales:
        for start in range(0, len(frames), size):
            numbers = np.asarray(frames[start : start + size], np.int64)
            decoded = np.ones(len(numbers), np.bool_)
            yield numbers, [_blind(numbers)] * len(extractors), decoded
        return
    back = any(each.before for each in extractors)
    source = material.crop.read(
        material.video, _with_those_before(frames) if back else frames, scales
    )
    wanted = frames if isinstance(frames, range) else frozenset(frames)
    block: dict[int, tuple[Seen, Seen]] = {}
    last: tuple[int, Seen] = (-1, None)
    with closing(source):  # type: ignore[type-var]
        for number, seen in source:
            if number in wanted:
                # Before the first frame of the video stands itself.
                block[number] = seen, last[1] if number == last[0] + 1 and number else seen
                if len(block) == size:
                    yield _batches(extractors, block)
                    block = {}
            last = number, seen
        if block:
            yield _batches(extractors, block)


def _with_those_before(frames: range | Sequence[int]) -> Sequence[int]:
    if isinstance(frames, range) and frames.step == 1:
        return range(max(frames.start - 1, 0), frames.stop)
    return sorted({*frames} | {max(number - 1, 0) for number in frames})


def _batches(extractors: Sequence[Extractor], block: Mapping[int, tuple[Seen, Seen]]) -> _Assembled:
    numbers = np.array([*block])
    seen = list(block.values())
    batches, picture = [], 0
    for each in extractors:
        if each.scale is None:
            batches.append(_blind(numbers))
        else:
            batches.append(_batch(numbers, seen, picture, before=each.before))
            picture += 1
    return numbers, batches, np.array([now is not None for now, _ in seen])


def _blind(numbers: NDArray[np.int64]) -> _Batch:
    """What is given to who looks at no picture."""
    none = np.empty((len(numbers), 0, 0), np.uint8)
    return _Batch(Pictures(numbers, none, none[:0]), np.ones(len(numbers), np.bool_))


def _batch(
    numbers: NDArray[np.int64], seen: Sequence[tuple[Seen, Seen]], picture: int, *, before: bool
) -> _Batch:
    """One of the pictures of each frame, and that of the frame before if it is wanted."""
    there = np.zeros(len(numbers), np.bool_)
    now: list[NDArray[np.uint8]] = []
    earlier: list[NDArray[np.uint8]] = []
    for row, (this, last) in enumerate(seen):
        if this is None:
            continue
        if before:
            if last is None:
                continue
            earlier.append(last[picture])
        now.append(this[picture])
        there[row] = True
    if earlier and all(one is other for one, other in zip(now, earlier[1:], strict=False)):
        # Frames in a row: the same pictures, one on.
        run = np.stack([earlier[0], *now])
        return _Batch(Pictures(numbers[there], run[1:], run[:-1]), there)
    run = np.stack(now) if now else np.empty((0, 0, 0), np.uint8)
    return _Batch(Pictures(numbers[there], run, np.stack(earlier) if earlier else run[:0]), there)
