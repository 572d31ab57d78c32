"""Which labelled frames a model is trained on, and which are kept apart to judge it.

Frames of one recording that are near each other in time are near copies. A model is therefore
judged on a block of time or on a recording that it was not trained on; at random only if asked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import LabelError
from napari_vitface.words import counted

#: Share of the labelled frames that is kept apart.
FRACTION = 0.25
#: Labelled frames below which nothing is trained.
FEWEST_FRAMES = 4
#: Kept apart frames from which a part of them may choose when to stop and calibrate confidence.
#: Of fewer frames, all are needed to judge.
FEWEST_TO_TUNE = 16


@dataclass(frozen=True)
class Split:
    """Rows of the labels by what they are used for; no row is in two of them.

    Attributes
    ----------
    training : (n,) array of int
        Trained on.
    tuning : (n,) array of int
        Kept apart to choose when to stop and to calibrate confidence. Empty if there are few
        frames: then training does not stop early and confidence is calibrated on `judging`.
    judging : (n,) array of int
        Used for nothing but the verdict.
    seen : bool
        Frames to judge by were trained on by the model that training starts from, because all
        frames were.
    """

    training: NDArray[np.intp]
    tuning: NDArray[np.intp]
    judging: NDArray[np.intp]
    seen: bool = False

    @property
    def held_out(self) -> NDArray[np.intp]:
        """Rows that are not trained on, sorted."""
        return np.sort(np.concatenate([self.tuning, self.judging]))


def split_frames(
    videos: NDArray[np.str_],
    frames: NDArray[np.int64],
    val: str = "time",
    *,
    seed: int = 0,
    seen: NDArray[np.bool_] | None = None,
) -> Split:
    """Divide labelled frames into those to train on and those to judge by.

    Parameters
    ----------
    videos, frames : (N,) arrays
        The recording and the frame number of each row.
    val : str
        ``"time"`` (the last quarter of the labelled frames of each recording),
        ``"time:FRACTION"``, ``"video:NAME"`` or ``"random:FRACTION"``.
    seed : int
        Of the choice at random.
    seen : (N,) array of bool, optional
        Frames that the model training starts from was trained on. They cannot judge it: frames
        kept apart are chosen among the others, so that frames once kept apart remain so.

    Raises
    ------
    LabelError
        One sentence: too few frames, no such recording, or a `val` that means nothing.
    """
    kind, value = parse_val(val)
    count = len(frames)
    if count < FEWEST_FRAMES:
        raise LabelError(
            f"Only {counted(count, 'frame is', 'frames are')} labelled; label at least "
            f"{FEWEST_FRAMES}, better 20, of different poses."
        )
    known = np.zeros(count, dtype=bool) if seen is None else np.asarray(seen, dtype=bool)
    order = np.lexsort((frames, videos))
    if kind == "video":
        names = sorted(set(videos.tolist()))
        if value not in names:
            raise LabelError(
                f"There are no labels of a recording {value!r} to judge by; there are: "
                f"{', '.join(names)}."
            )
        if len(names) == 1:
            raise LabelError(
                f"All labelled frames are of the recording {value}, so none are left to train on; "
                "judge by a block of time instead (time)."
            )
        held = [order[videos[order] == value]]
        is_seen = bool(known[held[0]].any())
    else:
        fraction = FRACTION if value is None else float(value)
        rows = [order[videos[order] == name] for name in sorted(set(videos.tolist()))]
        if kind == "random":
            shuffled = np.random.default_rng(seed).permutation(count)
            rows = [shuffled]
        held, is_seen = _held_parts(rows, fraction, known)
    kept_apart = np.concatenate(held) if held else np.empty(0, dtype=np.intp)
    training = np.setdiff1d(np.arange(count), kept_apart)
    if not len(kept_apart) or not len(training):
        raise LabelError(
            f"The {counted(count, 'labelled frame is', 'labelled frames are')} too few to train on "
            "some and judge by others; label more frames, or keep a larger share of them apart."
        )
    if len(kept_apart) < FEWEST_TO_TUNE:
        return Split(training, np.empty(0, dtype=np.intp), np.sort(kept_apart), is_seen)
    # Halves of each block of time: no frame that judges has a near copy that tuned.
    tuning = np.sort(np.concatenate([part[: len(part) // 2] for part in held]))
    judging = np.sort(np.concatenate([part[len(part) // 2 :] for part in held]))
    return Split(training, tuning, judging, is_seen)


def parse_val(val: str) -> tuple[str, str | None]:
    """The kind of split and its value; `LabelError` if `val` means nothing."""
    kind, colon, value = val.partition(":")
    if kind == "video" and value:
        return kind, value
    if kind in ("time", "random"):
        if not colon:
            return kind, None
        try:
            if 0 < float(value) < 1:
                return kind, value
        except ValueError:
            pass
        raise LabelError(
            f"{value!r} is no share of the frames to keep apart; give a number between 0 and 1, "
            f"as in {kind}:0.25."
        )
    raise LabelError(
        f"{val!r} does not say which frames to judge by; choose time, time:FRACTION, video:NAME or "
        "random:FRACTION."
    )


def _held_parts(
    rows: list[NDArray[np.intp]], fraction: float, known: NDArray[np.bool_]
) -> tuple[list[NDArray[np.intp]], bool]:
    """The last `fraction` of each list, of rows that the model has not seen if there are enough."""
    wanted = [round(fraction * len(part)) for part in rows]
    if not any(wanted):
        # Many recordings of few frames each, or few frames at all: the longest gives one.
        wanted[int(np.argmax([len(part) for part in rows]))] = 1
    fresh = [part[~known[part]] for part in rows]
    if not sum(len(part) for part in fresh):
        held = [part[len(part) - n :] for part, n in zip(rows, wanted, strict=True)]
        return [part for part in held if len(part)], True
    held = [part[max(0, len(part) - n) :] for part, n in zip(fresh, wanted, strict=True)]
    if not sum(len(part) for part in held):
        longest = max(fresh, key=len)
        held = [longest[-1:]]
    return [part for part in held if len(part)], False
