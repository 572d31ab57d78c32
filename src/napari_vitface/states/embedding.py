"""Maps of frames: a point for each, such that alike ones lie near each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError

#: Principal components that UMAP is given: it measures distances, and noise fills the others.
_COMPONENTS = 50


@dataclass(frozen=True)
class Embedding:
    """A two-dimensional map of frames.

    Attributes
    ----------
    points : (N, 2) float32
        NaN for frames without features.
    explained : tuple of float, or None
        Share of the variance along each axis; None where axes mean nothing (UMAP).
    """

    points: NDArray[np.float32]
    explained: tuple[float, ...] | None = None


def embed(
    values: NDArray[np.float32], method: Literal["pca", "umap"] = "pca", *, seed: int = 0
) -> Embedding:
    """A map of frames by their features.

    Parameters
    ----------
    values : (N, D) float32
        Rows with NaN are of frames without features.
    method : {"pca", "umap"}
        Principal components, or UMAP (McInnes et al., 2018), which keeps neighbours together and
        tells nothing by how far apart groups lie.
    seed : int
        Of UMAP.

    Raises
    ------
    VitFaceError
        Fewer than three frames have features, or UMAP is not installed.
    """
    whole = np.isfinite(values).all(axis=1)
    seen = values[whole]
    if len(seen) < 3:
        raise VitFaceError(
            f"A map needs at least 3 frames with features, and there are {len(seen)}."
        )
    points = np.full((len(values), 2), np.nan, np.float32)
    if method == "pca":
        points[whole], explained = principal(seen)
        return Embedding(points, explained)
    from sklearn.decomposition import PCA

    try:
        from umap import UMAP
    except ImportError as error:
        raise VitFaceError(
            "Maps by UMAP need the package umap-learn: install napari-vitface[umap], or choose pca."
        ) from error
    count = min(_COMPONENTS, *seen.shape)
    reduced = PCA(count, svd_solver="randomized", random_state=seed).fit_transform(seen)
    neighbours = min(15, len(seen) - 1)
    made = UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1)
    points[whole] = made.fit_transform(reduced)
    return Embedding(points)


def principal(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], tuple[float, ...]]:
    """Principal components of rows (N, D): scores (N, 2), and shares of the variance.

    In numpy, because importing scikit-learn takes longer than anybody waits for a map.
    """
    centred = (values - values.mean(axis=0)).astype(np.float64)
    small = centred.shape[0] < centred.shape[1]
    product = centred @ centred.T if small else centred.T @ centred
    variances, vectors = np.linalg.eigh(product)
    variances = np.maximum(variances[::-1][:2], 0)
    vectors = vectors[:, ::-1][:, :2]
    scores = vectors * np.sqrt(variances) if small else centred @ vectors
    # The sign of a component means nothing; let the same data always have the same map.
    scores = scores * np.where(
        scores[np.abs(scores).argmax(axis=0), range(scores.shape[1])] < 0, -1, 1
    )
    found = np.zeros((len(values), 2), np.float32)
    found[:, : scores.shape[1]] = scores
    total = max(float(np.trace(product)), 1e-300)
    return found, tuple(float(each) / total for each in variances)
