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
    from sklearn.decomposition import PCA

    whole = np.isfinite(values).all(axis=1)
    seen = values[whole]
    if len(seen) < 3:
        raise VitFaceError(
            f"A map needs at least 3 frames with features, and there are {len(seen)}."
        )
    points = np.full((len(values), 2), np.nan, np.float32)
    if method == "pca" or seen.shape[1] == 1:
        # A single feature has a line for a map.
        fitted = PCA(min(2, seen.shape[1]), svd_solver="covariance_eigh")
        points[whole] = 0
        points[whole, : fitted.n_components] = fitted.fit_transform(seen)
        return Embedding(points, tuple(map(float, fitted.explained_variance_ratio_)))
    try:
        from umap import UMAP
    except ImportError as error:
        raise VitFaceError(
            "Maps by UMAP need the package umap-learn: install napari-vitface[umap], or choose pca."
        ) from error
    count = min(_COMPONENTS, *seen.shape)
    reduced = PCA(count, svd_solver="randomized", random_state=seed).fit_transform(seen)
    neighbours = min(15, len(seen) - 1)
    points[whole] = UMAP(n_neighbors=neighbours, random_state=seed).fit_transform(reduced)
    return Embedding(points)
