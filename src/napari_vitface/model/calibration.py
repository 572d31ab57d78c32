"""Turning a model's raw confidence into the probability that a point is right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vitface.model.metadata import Calibration
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.words import counted


def calibrate(
    confidence: NDArray[np.float32], calibration: Calibration | None
) -> NDArray[np.float32]:
    """Pass confidences (..., K) through the checkpoint's calibration.

    Parameters
    ----------
    calibration : mapping, optional
        A rising piecewise linear table ``{"x": [...], "y": [...]}`` for all keypoints, or
        ``{"keypoints": [table, ...]}`` with one a keypoint; more keys may stand beside. None or
        empty: unchanged.
    """
    confidence = np.clip(confidence, 0.0, 1.0).astype(np.float32)
    if not calibration:
        return confidence
    if "keypoints" not in calibration:
        return _interpolate(confidence, calibration)
    tables = calibration["keypoints"]
    return np.stack(
        [_interpolate(confidence[..., k], table) for k, table in enumerate(tables)], axis=-1
    )


def radius_of(
    calibration: Calibration, preprocessing: Preprocessing, magnification: ArrayLike
) -> NDArray[np.float64]:
    """Distance that confidence is about, in pixels of frames as large as a model is given them.

    Confidence follows from the model's input alone, so that it is about a number of input pixels,
    and about fewer pixels of the video the smaller its crop is.

    Parameters
    ----------
    calibration : mapping
        ``radius`` is in pixels of frames of ``frame_size``; of frames of any size without that.
    preprocessing : Preprocessing
        Of the checkpoint.
    magnification : float or array
        Input pixels per pixel of each frame, see `View`.

    Returns
    -------
    array like `magnification`
    """
    size = calibration.get("frame_size")
    seen = np.asarray(magnification, dtype=np.float64)
    stated = seen if size is None else preprocessing.view((size[0], size[1])).magnification
    return np.asarray(calibration["radius"] * (stated / seen))


def check_calibration(calibration: Calibration | None, keypoints: int) -> None:
    """Raise `ValueError` unless `calibration` is a table that `calibrate` takes."""
    if not calibration:
        return
    tables = calibration.get("keypoints", [calibration])
    if "keypoints" in calibration and len(tables) != keypoints:
        raise ValueError(
            f"calibration has {counted(len(tables), 'table')} for {counted(keypoints, 'keypoint')}"
        )
    for table in tables:
        x, y = np.asarray(table["x"], dtype=float), np.asarray(table["y"], dtype=float)
        if x.ndim != 1 or x.shape != y.shape or len(x) == 0:
            raise ValueError("calibration x and y must be lists of one length")
        if (np.diff(x) <= 0).any() or (np.diff(y) < 0).any():
            raise ValueError("calibration x must rise and y must not fall")
        if not (np.isfinite(x).all() and (y >= 0).all() and (y <= 1).all()):
            raise ValueError("calibration must be finite, and y within 0..1")


def _interpolate(confidence: NDArray[np.float32], table: Mapping[str, Any]) -> NDArray[np.float32]:
    return np.interp(confidence, table["x"], table["y"]).astype(np.float32)
