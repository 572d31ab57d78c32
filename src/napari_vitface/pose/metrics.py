"""How far predicted keypoints are from labelled ones.

Everything is in the pixels of the video unless it says otherwise. A keypoint that a person did not
label is not judged: its error is NaN. One that is labelled but was not predicted has an infinite
error, so that leaving out hard points never makes a model look better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vitface.pose.bootstrap import Intervals
from napari_vitface.record import Record, optional


@dataclass(frozen=True, kw_only=True)
class ErrorSummary(Record):
    """Pixel errors in a few figures.

    Attributes
    ----------
    points : int
        Labelled points that were judged.
    missed : int
        Of these, not predicted at all.
    mean, median, rmse : float or None
        Pixels. Missed points count in the median as infinitely far; the mean and the RMSE are those
        of the points that were predicted. None where there is nothing to take a figure of, and for
        a median that is infinite.
    """

    points: int
    missed: int
    mean: float | None
    median: float | None
    rmse: float | None


@dataclass(frozen=True, kw_only=True)
class Figures(ErrorSummary):
    """Every figure that a model is judged by.

    Attributes
    ----------
    pck : mapping of str to float or None
        Threshold in pixels -> share of points that are nearer.
    seed_rmse, seed_pck, seed_accuracy : float or None
        As ViT_facemap defines them; None where there is nothing to judge by.
    per_keypoint : mapping of str to ErrorSummary
    intervals : Intervals, optional
        Of the errors.
    """

    pck: Mapping[str, float | None]
    seed_rmse: float | None
    seed_pck: float | None
    seed_accuracy: float | None
    per_keypoint: Mapping[str, ErrorSummary]
    intervals: Intervals | None = optional()  # noqa: RUF009


@dataclass(frozen=True, kw_only=True)
class ConfidenceBin(Record):
    """Points whose confidence lies in one interval.

    Attributes
    ----------
    low, high : float
        The interval.
    points : int
    confidence : float
        Mean.
    median, mean : float or None
        Errors, see `ErrorSummary`.
    right : float or None
        Share of the points that are right; None if it is not known how near that is.
    """

    low: float
    high: float
    points: int
    confidence: float
    median: float | None
    mean: float | None
    right: float | None


#: Thresholds in video pixels at which `figures` gives the PCK.
PCK_THRESHOLDS = (2, 4, 6, 8, 10, 15, 20)

#: Side of the square that the seed project squashed its frames to, in pixels.
SEED_SIDE = 224


def pixel_errors(predicted: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Euclidean distance of each predicted keypoint from its label.

    Parameters
    ----------
    predicted, truth : (N, K, 2) array of float
        x, y in pixels, NaN where there is no point. `predicted` may also be (K, 2): one pose that
        is compared with every row, as the mean pose is.

    Returns
    -------
    (N, K) array of float64
        NaN where there is no label, infinity where there is a label but no prediction.
    """
    truth = np.asarray(truth, dtype=np.float64)
    predicted = np.broadcast_to(np.asarray(predicted, dtype=np.float64), truth.shape)
    errors = np.hypot(*np.moveaxis(predicted - truth, -1, 0))
    labelled = np.isfinite(truth).all(axis=-1)
    found = np.isfinite(predicted).all(axis=-1)
    errors[labelled & ~found] = np.inf
    errors[~labelled] = np.nan
    return errors


def mean_pose(xy: ArrayLike) -> NDArray[np.float64]:
    """Mean position of each keypoint over the frames where it is labelled.

    The constant that every model has to beat.

    Parameters
    ----------
    xy : (N, K, 2) array of float
        NaN where there is no point.

    Returns
    -------
    (K, 2) array of float64
        NaN for a keypoint that is labelled nowhere.
    """
    xy = np.asarray(xy, dtype=np.float64)
    labelled = np.isfinite(xy).all(axis=-1, keepdims=True)
    count = labelled.sum(axis=0)
    total = np.where(labelled, xy, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def summary(errors: ArrayLike) -> ErrorSummary:
    """Mean, median and root mean square of pixel errors, with the number of points behind them.

    Parameters
    ----------
    errors : array of float, any shape
        As from `pixel_errors`.
    """
    errors = np.asarray(errors, dtype=np.float64)
    judged = errors[~np.isnan(errors)]
    found = judged[np.isfinite(judged)]
    middle = float(np.median(judged)) if judged.size else np.inf
    return ErrorSummary(
        points=int(judged.size),
        missed=int(judged.size - found.size),
        mean=float(found.mean()) if found.size else None,
        median=middle if np.isfinite(middle) else None,
        rmse=float(np.sqrt(np.mean(found**2))) if found.size else None,
    )


def pck(errors: ArrayLike, threshold: ArrayLike) -> float | None:
    """Share of labelled keypoints that lie nearer than `threshold` to their label.

    Parameters
    ----------
    errors : (N, K) array of float
        As from `pixel_errors`.
    threshold : float or array that broadcasts against `errors`
        In pixels; (N, 1) for one threshold a frame. Points with a NaN threshold are not judged.

    Returns
    -------
    float or None
        In [0, 1]; None if there is no point to judge.
    """
    errors = np.asarray(errors, dtype=np.float64)
    limits = np.broadcast_to(np.asarray(threshold, dtype=np.float64), errors.shape)
    judged = ~np.isnan(errors) & ~np.isnan(limits)
    if not judged.any():
        return None
    return float((errors[judged] < limits[judged]).mean())


def seed_rmse(errors: ArrayLike) -> float | None:
    """RMSE as ViT_facemap defines it: that of each image, averaged over the images.

    Parameters
    ----------
    errors : (N, K) array of float
        As from `pixel_errors`. Images without a judged point are left out.
    """
    errors = np.asarray(errors, dtype=np.float64)
    judged = np.isfinite(errors)
    count = judged.sum(axis=1)
    squares = np.where(judged, errors, 0.0) ** 2
    images = np.sqrt(squares.sum(axis=1)[count > 0] / count[count > 0])
    return float(images.mean()) if images.size else None


def seed_pck(predicted: ArrayLike, truth: ArrayLike, front: int, back: int) -> float | None:
    """PCK as ViT_facemap defines it: points within a tenth of the eye's width in the same image.

    Parameters
    ----------
    predicted, truth : (N, K, 2) array of float
    front, back : int
        Positions of "eye front" and "eye back" among the keypoints. Images in which either is not
        labelled have no unit and are not judged.
    """
    truth = np.asarray(truth, dtype=np.float64)
    width = np.hypot(*(truth[:, front] - truth[:, back]).T)
    return pck(pixel_errors(predicted, truth), 0.1 * width[:, None])


def seed_accuracy(predicted: ArrayLike, truth: ArrayLike, frame_size: ArrayLike) -> float | None:
    """Accuracy as ViT_facemap defines it: share of coordinates within 4 px of a 224-px square.

    The seed squashed its frames to 224 x 224, so x and y are scaled differently, and it counted x
    and y on their own.

    Parameters
    ----------
    predicted, truth : (N, K, 2) array of float
        Video pixels.
    frame_size : (height, width) or (N, 2) array of these
        Size of the frames in pixels.
    """
    truth = np.asarray(truth, dtype=np.float64)
    predicted = np.broadcast_to(np.asarray(predicted, dtype=np.float64), truth.shape)
    sizes = np.broadcast_to(np.asarray(frame_size, dtype=np.float64), (len(truth), 2))
    scale = SEED_SIDE / sizes[:, ::-1]
    distances = np.abs(predicted - truth) * scale[:, None, :]
    judged = np.isfinite(truth).all(axis=-1)
    if not judged.any():
        return None
    return float((distances[judged] <= 4).mean())


def calibration_error(confidence: ArrayLike, right: ArrayLike, bins: int = 10) -> float | None:
    """Expected calibration error: how far confidence is from the share of points that are right.

    The points are put into `bins` equal intervals of confidence; the result is the difference
    between mean confidence and share of right points in each, averaged with the number of points
    (Guo et al., "On calibration of modern neural networks", 2017).

    Parameters
    ----------
    confidence : array of float in [0, 1]
    right : array of bool of the same shape
        Whether each point lies where confidence says it probably does.

    Returns
    -------
    float or None
        In [0, 1]; None without points.
    """
    confidence = np.asarray(confidence, dtype=np.float64).ravel()
    right = np.asarray(right, dtype=np.float64).ravel()
    if not confidence.size:
        return None
    place = np.clip((confidence * bins).astype(int), 0, bins - 1)
    surplus = np.bincount(place, weights=confidence - right, minlength=bins)
    return float(np.abs(surplus).sum() / confidence.size)


def confidence_bins(
    confidence: ArrayLike, errors: ArrayLike, radius: ArrayLike | None
) -> tuple[ConfidenceBin, ...]:
    """Error against confidence, in ten equal intervals of confidence.

    Parameters
    ----------
    confidence : (N, K) array of float in [0, 1]
    errors : (N, K) array of float
        As from `pixel_errors`.
    radius : float or (N, 1) array, optional
        Distance in pixels within which a point is right.

    Returns
    -------
    tuple of ConfidenceBin
        For each interval with points; of the errors, those of points that were predicted.
    """
    sure = np.asarray(confidence, dtype=np.float64)
    errors = np.asarray(errors, dtype=np.float64)
    judged = ~np.isnan(errors)
    place = np.clip((sure * 10).astype(int), 0, 9)
    rows: list[ConfidenceBin] = []
    for k in range(10):
        here = judged & (place == k)
        if not here.any():
            continue
        right = None
        if radius is not None:
            limit = np.broadcast_to(np.asarray(radius, dtype=np.float64), errors.shape)
            right = float((errors[here] <= limit[here]).mean())
        found = summary(errors[here])
        rows.append(
            ConfidenceBin(
                low=k / 10,
                high=(k + 1) / 10,
                points=found.points,
                confidence=float(sure[here].mean()),
                median=found.median,
                mean=found.mean,
                right=right,
            )
        )
    return tuple(rows)


def figures(
    predicted: ArrayLike, truth: ArrayLike, names: Sequence[str], frame_size: ArrayLike
) -> Figures:
    """Every figure that a model is judged by, but intervals.

    Parameters
    ----------
    predicted : (N, K, 2) or (K, 2) array of float
        Video pixels; one pose is compared with every frame.
    truth : (N, K, 2) array of float
        Labels, NaN where there is none.
    names : sequence of K str
        "eye front" and "eye back" among them are the unit of the seed project's PCK.
    frame_size : (height, width) or (N, 2) array of these
        Size of the frames in pixels.
    """
    errors = pixel_errors(predicted, truth)
    whole = np.broadcast_to(np.asarray(predicted, dtype=np.float64), np.shape(truth))
    share = None
    if "eye front" in names and "eye back" in names:
        share = seed_pck(whole, truth, names.index("eye front"), names.index("eye back"))
    return Figures(
        **vars(summary(errors)),
        pck={str(threshold): pck(errors, threshold) for threshold in PCK_THRESHOLDS},
        seed_rmse=seed_rmse(errors),
        seed_pck=share,
        seed_accuracy=seed_accuracy(whole, truth, frame_size),
        per_keypoint={name: summary(errors[:, k]) for k, name in enumerate(names)},
    )
