"""Facemap's ``<video>_proc.npy``: the centre of the pupil, and what is not read of it.

The file is a pickle of arrays, which is not run. The centre is a row and a column of the pupil's
region, so that its corner is added; whole numbers are indices of pixels. `com` is as it was found,
`com_smooth`, which Facemap also saves, has outliers replaced.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import LabelError, damage_told
from napari_vitface.formats.format import Format
from napari_vitface.formats.predictions import Choice, Predictions
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable
from napari_vitface.words import counted

#: Of a region: 0 is a pupil.
_PUPIL = 0
_OTHERS = {
    "motion": "motion energy",
    "motSVD": "components of motion",
    "movSVD": "components of the movie",
    "blink": "the eye's blinking",
    "running": "running",
}


def _can_open(path: Path) -> bool:
    return path.name.endswith("_proc.npy")


def _read(path: Path, choice: Choice) -> Predictions:
    from napari_vitface.formats.array_pickle import load_npy

    with damage_told(path, "what Facemap saves"):
        saved = load_npy(path.read_bytes())
        pupils = list(_pupils(saved))
        videos = [str(name) for name in _items(_items(saved["filenames"])[0])]
        parts = len(_items(saved["filenames"]))
        others = [name for key, name in _OTHERS.items() if _items(saved.get(key))]
    if not pupils:
        kept = f"; of what it holds ({', '.join(others)}) nothing is a point" if others else ""
        raise LabelError(f"{path} holds no pupil{kept}.")
    seen = list(dict.fromkeys(videos[video] for video, _ in pupils))
    video = choice.of_tables(seen, path)
    centres = [xy for number, xy in pupils if videos[number] == video]
    names = ["pupil"] if len(centres) == 1 else [f"pupil {i + 1}" for i in range(len(centres))]
    if parts > 1:
        others.append(
            f"where the first of {counted(parts, 'recording')}, which follow each other, ends"
        )
    return Predictions(
        PoseTable(KeypointSet(tuple(names)), np.stack(centres, axis=1)),
        "Facemap",
        video=video,
        left_behind=("the area and the axes of the pupil", *others),
    )


def _pupils(saved: Any) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """The video of each pupil, by its number, and its centre (T, 2) in pixels of the video."""
    from napari_vitface.formats.array_pickle import plain

    regions = [region for region in _items(saved["rois"]) if plain(region["rind"]) == _PUPIL]
    for region, pupil in zip(regions, _items(saved["pupil"]), strict=True):
        centre = np.asarray(plain(pupil["com"]), np.float64)
        corner = [np.ravel(plain(region[name]))[0] for name in ("xrange", "yrange")]
        yield int(plain(region["ivid"])), centre[:, ::-1] + np.array(corner, np.float64)


def _items(value: Any) -> list[Any]:
    """What is in a list, if it is one."""
    from napari_vitface.formats.array_pickle import plain

    found = plain(value)
    return list(found) if isinstance(found, list | tuple | np.ndarray) else []


FACEMAP_PROC = Format(
    "facemap-proc",
    "what Facemap measured (_proc.npy)",
    (".npy",),
    _can_open,
    read_poses=_read,
    holds=frozenset({"video", "scorer"}),
)
