"""How alike frames are by their features, and orders in which to see it (Dolensek et al., 2020)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError


def similarity(
    values: NDArray[np.float32], others: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Pearson's correlation of the features of frames.

    Parameters
    ----------
    values : (N, D) float32
    others : (M, D) float32, optional
        Default: the same.

    Returns
    -------
    (N, M) float32
        In [-1, 1]; NaN where a frame has no features, or all of them are the same number.

    Raises
    ------
    VitFaceError
        There are fewer than two features: a single number has no correlation.
    """
    if values.shape[1] < 2:
        raise VitFaceError(
            "Frames are compared by the correlation of their features, and these are a single "
            "number a frame; choose features that have more, such as hog."
        )
    one = _standardised(values)
    other = one if others is None else _standardised(others)
    return np.clip(one @ other.T, -1, 1)


def clustered(matrix: NDArray[np.float32]) -> NDArray[np.int64]:
    """The order of frames in which those that are alike stand together.

    As they are joined by hierarchical clustering (average linkage of 1 - correlation), the frames
    without features last. `matrix` (N, N) is of `similarity`.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage

    count = len(matrix)
    whole = np.flatnonzero(np.isfinite(np.diagonal(matrix)))
    if len(whole) < 3:
        return np.arange(count)
    near = np.ix_(whole, whole)
    distance = np.maximum(1 - matrix[near].astype(np.float64), 0)
    joined = linkage(distance[np.triu_indices(len(whole), 1)], "average")
    lost = np.setdiff1d(np.arange(count), whole)
    return np.concatenate([whole[leaves_list(joined)], lost])


def _standardised(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of mean 0 and length 1, so that their products are correlations."""
    centred = values - values.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", centred, centred))[:, None]
    # What is left of equal numbers is rounding.
    flat = length <= 1e-6 * np.abs(values).max(axis=1, keepdims=True, initial=0)
    length[flat] = np.nan
    standardised: NDArray[np.float32] = centred / length
    return standardised
