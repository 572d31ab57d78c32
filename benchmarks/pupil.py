"""Pupils against the masks that a person drew, of animals that nothing was learned from.

Twelve masks of seven animals (`scripts/train_pupil.py` says whose). Ellipses of the segmentation
come from a network that learned from drawn eyes and the masks of the other six animals; those of
the threshold from a level that is found in each picture. Beside them the mean ellipse of the other
animals, as shares of the picture, and the ellipse of the mask itself, which is the best that an
ellipse can do by this measure. The number is the intersection of ellipse and mask over their union,
the mean over masks; the note has the errors of area and centre. It trains for some minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks import Row
from benchmarks._real_recording import DATA
from napari_vitface.traces.ellipse import distance, ellipse_of, placed
from napari_vitface.traces.pupil import Finder, segmented, thresholded
from scripts.train_pupil import (
    DRAWN,
    STEPS,
    TUNING,
    DrawnMask,
    drawn_eyes,
    pretrained,
    read_masks,
    tuned,
)

Ellipse = NDArray[np.float32]


def run() -> list[Row]:
    """A row for each way to find the pupil."""
    if not (DATA / "pupil").exists():
        return [("pupil", "drawn masks", None, f"{DATA / 'pupil'} is absent")]
    masks = read_masks(DATA / "pupil")
    ways: dict[str, Callable[[DrawnMask, Sequence[DrawnMask]], Ellipse]] = {
        "mean ellipse of other animals": lambda mask, others: _mean(mask, others),
        "threshold": lambda mask, others: thresholded(None)(mask.image[None])[0],
        "segmentation, this animal left out": _left_out(masks),
        "the mask's own ellipse": lambda mask, others: ellipse_of(mask.mask.astype(np.float32)),
    }
    rows: list[Row] = []
    for name, way in ways.items():
        judged = [
            judge(way(each, [other for other in masks if other.animal != each.animal]), each.mask)
            for each in masks
        ]
        rows.append(("pupil", name, float(np.mean([each[0] for each in judged])), _note(judged)))
    return rows


def judge(ellipse: Ellipse, mask: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Intersection over union, relative error of area and error of centre in pixels."""
    drawn = ellipse_of(mask.astype(np.float32))
    if not np.isfinite(ellipse[0]):
        return 0.0, 1.0, float(np.hypot(*mask.shape))
    found = distance(ellipse, mask.shape) < 1
    area = np.pi * 4 * np.sqrt(ellipse[2] * ellipse[3] - ellipse[4] ** 2)
    overlap = (found & mask).sum() / (found | mask).sum()
    return (
        float(overlap),
        float(abs(area / mask.sum() - 1)),
        float(np.hypot(*(ellipse[:2] - drawn[:2]))),
    )


def _note(judged: Sequence[tuple[float, float, float]]) -> str:
    overlap, area, centre = np.array(judged).T
    return (
        f"IoU median {np.median(overlap):.2f}, {' '.join(f'{each:.2f}' for each in overlap)}; "
        f"error of area median {np.median(area):.1%}, mean {area.mean():.1%}; "
        f"of centre median {np.median(centre):.1f} px, mean {centre.mean():.1f} px"
    )


def _mean(mask: DrawnMask, others: Sequence[DrawnMask]) -> Ellipse:
    shares = [
        placed(
            ellipse_of(each.mask.astype(np.float32))[None],
            (1 / each.mask.shape[1], 1 / each.mask.shape[0]),
            (0.5 / each.mask.shape[1], 0.5 / each.mask.shape[0]),
        )
        for each in others
    ]
    height, width = mask.mask.shape
    found: Ellipse = placed(np.mean(shares, axis=0), (width, height), (0, 0))[0]
    return found


def _left_out(masks: Sequence[DrawnMask]) -> Callable[..., Ellipse]:
    drawn = drawn_eyes(DRAWN)
    start = pretrained(drawn, STEPS)
    finders: dict[str, Finder] = {}

    def find(mask: DrawnMask, others: Sequence[DrawnMask]) -> Ellipse:
        if mask.animal not in finders:
            finders[mask.animal] = segmented(tuned(start, drawn, others, TUNING))
        return finders[mask.animal](mask.image[None])[0]

    return find
