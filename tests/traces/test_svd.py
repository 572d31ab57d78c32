"""Singular vectors of a matrix that comes in parts are those of the whole of it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_vitface.traces.svd import RunningSvd, left_vectors


def decaying(rows: int, columns: int) -> NDArray[np.float32]:
    """A matrix whose singular values fall by a tenth from one to the next."""
    rng = np.random.default_rng(0)
    left = np.linalg.qr(rng.normal(size=(rows, 40)))[0]
    right = np.linalg.qr(rng.normal(size=(columns, 40)))[0]
    return ((left * 1000 * 0.9 ** np.arange(40)) @ right.T).astype(np.float32)


@pytest.mark.parametrize("shape", [(300, 60), (60, 300)])
def test_they_are_those_of_numpy_up_to_their_sign(shape: tuple[int, int]) -> None:
    matrix = decaying(*shape)
    vectors, values = left_vectors(matrix, 10)
    expected, all_values, _ = np.linalg.svd(matrix, full_matrices=False)
    np.testing.assert_allclose(values, all_values[:10], rtol=1e-5)
    np.testing.assert_allclose(np.abs((vectors * expected[:, :10]).sum(axis=0)), 1, atol=1e-5)


def test_what_has_no_more_directions_gives_no_more_vectors() -> None:
    matrix = np.outer(np.arange(1, 50), np.arange(1, 9)).astype(np.float32)
    assert left_vectors(matrix, 5)[0].shape == (49, 1)


def test_parts_give_what_the_whole_gives_in_bounded_memory() -> None:
    matrix = decaying(200, 900)
    running = RunningSvd(of_part=25, count=8)
    kept = []
    for start in range(0, 900, 30):
        running.add(matrix[:, start : start + 30])
        kept.append(sum(each.shape[1] for each in running._kept))
    vectors, values = running.finish()
    expected, all_values, _ = np.linalg.svd(matrix, full_matrices=False)
    assert max(kept) <= 4 * 25
    np.testing.assert_allclose(values[:6], all_values[:6], rtol=1e-3)
    np.testing.assert_allclose(np.abs((vectors * expected[:, :8]).sum(axis=0))[:6], 1, atol=1e-3)
    assert (vectors[np.abs(vectors).argmax(axis=0), np.arange(8)] > 0).all()
