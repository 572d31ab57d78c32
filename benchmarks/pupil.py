"""Pupils against twelve masks that a person drew, of seven animals that nothing was learned from.

The masks are the sample data of mouse-pupil-analysis (MIT, (c) 2024-2026 Yue Zhao,
doi:10.5281/zenodo.21897795). The network of the segmentation learned from drawn eyes alone; the
threshold finds a level in each picture. Beside them the mean ellipse of the other animals, as
shares of the picture, and the ellipse of the mask itself, which is the best that an ellipse can do
by this measure. How eyes are drawn and which variant is shipped was chosen on these masks, so they
are no untouched test. The number is the intersection of ellipse and mask over their union, the mean
over masks; the note has the errors of area and centre, and what each mask gives.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import Row
from benchmarks._real_recording import DATA
from napari_vitface.traces.ellipse import distance, ellipse_of, placed
from napari_vitface.traces.pupil import segmented, thresholded

Ellipse = NDArray[np.float32]


class DrawnMask(NamedTuple):
    """A picture of an eye, (h, w) uint8, and where a person saw the pupil, (h, w) bool."""

    animal: str
    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]


def run() -> list[Row]:
    """A row for each way to find the pupil."""
    if not (DATA / "pupil").exists():
        return [("pupil", "drawn masks", None, f"{DATA / 'pupil'} is absent")]
    masks = read_masks(DATA / "pupil")
    network, level = segmented(), thresholded(None)
    ways: dict[str, Callable[[DrawnMask], Ellipse]] = {
        "mean ellipse of other animals": lambda each: _mean(each, masks),
        "threshold": lambda each: level(each.image[None])[0],
        "segmentation": lambda each: network(each.image[None])[0],
        "the mask's own ellipse": lambda each: ellipse_of(each.mask.astype(np.float32)),
    }
    rows: list[Row] = []
    for name, way in ways.items():
        judged = [judge(way(each), each.mask) for each in masks]
        rows.append(("pupil", name, float(np.mean([each[0] for each in judged])), _note(judged)))
    return rows


def read_masks(folder: Path) -> list[DrawnMask]:
    """The masks by name, with their pictures."""
    found = []
    for path in sorted(folder.glob("masks_*/*.png")):
        # The name begins with the animal ("HQL090"), or with the day and the animal.
        animal = re.sub(r"^(\d{6}_)?([A-Z]*\d+)_.*", r"\2", path.stem)
        pictures = path.parent.with_name(path.parent.name.replace("masks", "images"))
        image = np.asarray(Image.open(pictures / path.name).convert("L"))
        # Palette images: the numbers of the colours count.
        found.append(DrawnMask(animal, image, np.asarray(Image.open(path)) > 0))
    return found


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
        f"error of area median {np.median(area):.1%}, mean {area.mean():.1%}, "
        f"{' '.join(f'{each:.0%}' for each in area)}; "
        f"of centre median {np.median(centre):.1f} px, mean {centre.mean():.1f} px, "
        f"{' '.join(f'{each:.1f}' for each in centre)}"
    )


def _mean(mask: DrawnMask, masks: Sequence[DrawnMask]) -> Ellipse:
    others = [each for each in masks if each.animal != mask.animal]
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
