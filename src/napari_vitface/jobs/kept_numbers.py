"""Numbers of frames as the part file of traces keeps them: whole ones in two bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.jobs.part_file import PartFile

#: What stands in the part file for a whole number that is not known.
_MISSING = np.iinfo(np.uint16).max


def stored(values: NDArray[np.float32], kind: np.dtype[Any]) -> NDArray[Any]:
    """Numbers of frames as a part file keeps them."""
    if kind != np.uint16:
        return values
    return np.where(np.isnan(values), np.float32(_MISSING), values).astype(np.uint16)


def loaded(part: PartFile, name: str, start: int, stop: int) -> NDArray[np.float32]:
    """The numbers of some frames."""
    return kept_values(next(part.rows(start, stop - start))[name])


def kept_values(rows: NDArray[Any]) -> NDArray[np.float32]:
    """What `stored` was given."""
    values = rows.astype(np.float32)
    if rows.dtype == np.uint16:
        values[rows[:, 0] == _MISSING] = np.nan
    return values
