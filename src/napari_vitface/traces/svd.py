"""Singular vectors of matrices that come in parts, in bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Columns of a matrix that are worked on at once in double precision.
_AT_ONCE = 2048


def left_vectors(
    matrix: NDArray[np.float32], count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The first left singular vectors and singular values of a matrix.

    By the eigenvectors of its smaller Gram matrix in double precision: of values down to 1e-6 of
    the largest these are good, and it takes a fraction of the time of a whole SVD.

    Parameters
    ----------
    matrix : (P, n) float32
    count : int
        How many, at most; fewer where the matrix has a smaller rank.

    Returns
    -------
    vectors : (P, k) float32
    values : (k,) float32
        Descending.
    """
    from scipy.linalg import eigh

    tall = matrix.shape[0] > matrix.shape[1]
    gram = _gram(matrix if tall else matrix.T)
    size = len(gram)
    count = min(count, size)
    found, vectors = eigh(
        gram, subset_by_index=(size - count, size - 1), overwrite_a=True, check_finite=False
    )
    values = np.sqrt(np.maximum(found[::-1], 0.0))
    vectors = vectors[:, ::-1]
    # Below, rounding has made the vector.
    good = values > 1e-6 * max(values[0], 1e-30) if count else values > 0
    values, vectors = values[good], vectors[:, good]
    if tall:
        vectors = matrix @ (vectors / values).astype(np.float32)
    return np.ascontiguousarray(vectors, np.float32), values.astype(np.float32)


class RunningSvd:
    """Left singular vectors and values of a matrix whose columns come in parts.

    Of each part the first vectors are kept, scaled by their values; when these become too many,
    they are replaced by the first of their own (incremental SVD by blocks: Baker et al. 2012,
    doi:10.1016/j.laa.2011.07.018).

    Parameters
    ----------
    of_part : int
        Vectors that are kept of each part.
    count : int
        Vectors that are wanted in the end. Twice as many are carried along.
    """

    def __init__(self, of_part: int, count: int) -> None:
        self.of_part = of_part
        self.count = count
        self._room = 4 * max(count, of_part)
        self._kept: list[NDArray[np.float32]] = []

    def add(self, part: NDArray[np.float32]) -> None:
        """Take in (P, n) columns."""
        vectors, values = left_vectors(part, self.of_part)
        self._kept.append(vectors * values)
        if sum(each.shape[1] for each in self._kept) + self.of_part > self._room:
            vectors, values = left_vectors(np.hstack(self._kept), self._room // 2)
            self._kept = [vectors * values]

    def finish(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(P, k) vectors and (k,) values of all that was taken in.

        The largest number of each vector is positive.
        """
        matrix = np.hstack(self._kept)
        self._kept = []
        vectors, values = left_vectors(matrix, self.count)
        largest = np.abs(vectors).argmax(axis=0)
        vectors *= np.sign(vectors[largest, np.arange(vectors.shape[1])])
        return vectors, values


def _gram(tall: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n, n) products of the columns of a (P, n) matrix."""
    gram = np.zeros((tall.shape[1],) * 2)
    for start in range(0, len(tall), _AT_ONCE):
        rows = tall[start : start + _AT_ONCE].astype(np.float64)
        gram += rows.T @ rows
    return gram
