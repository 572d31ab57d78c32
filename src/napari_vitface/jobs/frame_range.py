"""Which frames of a video are meant: ``START:STOP:STEP`` and its relatives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from napari_vitface.errors import VitFaceError
from napari_vitface.words import counted, listed

#: Runs that are named.
_MOST = 12


def parse_frames(text: str) -> slice:
    """The slice that ``START:STOP:STEP`` names; parts may be left out, as in Python.

    Raises
    ------
    VitFaceError
        If the text is something else.
    """
    parts = text.strip().split(":")
    try:
        if not 2 <= len(parts) <= 3:
            raise ValueError
        numbers = [int(part) if part.strip() else None for part in parts]
    except ValueError:
        raise VitFaceError(
            f"Frames are given as START:STOP:STEP, for example 0:1000 or ::10, not as {text!r}."
        ) from None
    frames = slice(*numbers)
    if frames.step is not None and frames.step < 1:
        raise VitFaceError(f"The step of the frames must be at least 1, not {frames.step}.")
    return frames


def frame_range(frames: slice | range | str | None, count: int, name: str) -> range:
    """The frames of a video of `count` frames that `frames` selects; None selects all.

    Raises
    ------
    VitFaceError
        If none is selected, or a range reaches beyond the video.
    """
    if isinstance(frames, str):
        frames = parse_frames(frames)
    if frames is None:
        frames = slice(None)
    if isinstance(frames, range):
        if frames.step < 1 or (len(frames) and (frames[0] < 0 or frames[-1] >= count)):
            raise VitFaceError(f"{name} has the frames 0 to {count - 1}, not all of {frames}.")
        chosen = frames
    else:
        chosen = range(count)[frames]
    if len(chosen) == 0:
        raise VitFaceError(f"{name} has {counted(count, 'frame')}, and none of them is selected.")
    return chosen


def name_runs(runs: Sequence[tuple[int, int]]) -> str:
    """Runs of frames as text for the user: ``3, 7-12 and 40``; those after `_MOST` are counted."""
    parts = [str(a) if a == b else f"{a}-{b}" for a, b in runs[:_MOST]]
    rest = sum(b - a + 1 for a, b in runs[_MOST:])
    if rest:
        parts.append(f"{rest} more")
    return listed(parts)


def limits_of(frames: range) -> tuple[int, int, int]:
    """Start, stop and step."""
    return frames.start, frames.stop, frames.step


def runs_of(frames: Iterable[int]) -> list[tuple[int, int]]:
    """Increasing frame numbers as (first, last) of each run without a gap."""
    runs: list[tuple[int, int]] = []
    for frame in frames:
        if runs and frame == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], frame)
        else:
            runs.append((frame, frame))
    return runs
