"""Pictures for reports: frames with labels and predictions, and plots of figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.jobs.html_page import blank

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from napari_vitface.pose.metrics import ConfidenceBin, Figures

#: Colours that can be told apart in any kind of colour vision: model, before, mean pose, loss.
MODEL, BEFORE, CONSTANT, LOSS = "#0072b2", "#e69f00", "#999999", "#cc79a7"


@dataclass(frozen=True)
class Picture:
    """One judged frame.

    Attributes
    ----------
    image : (C, H, W) uint8
        The model's input.
    labels, xy : (K, 2)
        In pixels of `image`.
    errors : (K,)
        In video pixels, NaN where there is no label.
    names : sequence of str
    title : str
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.float32]
    xy: NDArray[np.float32]
    errors: NDArray[np.float64]
    names: Sequence[str]
    title: str

    @property
    def worst(self) -> float:
        """The largest error; -1 if nothing is labelled."""
        found = self.errors[np.isfinite(self.errors)]
        return float(found.max()) if found.size else -1.0


def worst_frames(pictures: Sequence[Picture], count: int = 6) -> Figure | None:
    """The frames with the largest errors; labels as rings, predictions as crosses."""
    chosen = sorted(pictures, key=lambda picture: picture.worst, reverse=True)[:count]
    chosen = [picture for picture in chosen if picture.worst >= 0]
    if not chosen:
        return None
    columns = min(3, len(chosen))
    rows = -(-len(chosen) // columns)
    figure = blank(4.2 * columns, 3.6 * rows)
    for place, picture in enumerate(chosen):
        axes = figure.add_subplot(rows, columns, place + 1)
        image = picture.image.transpose(1, 2, 0)
        axes.imshow(image[..., 0] if image.shape[2] == 1 else image, cmap="gray", vmin=0, vmax=255)
        judged = np.isfinite(picture.errors)
        for k in np.flatnonzero(judged).tolist():
            axes.plot(*zip(picture.labels[k], picture.xy[k], strict=True), color="#56b4e9", lw=0.8)
        axes.plot(*picture.labels[judged].T, "o", mfc="none", mec="#f0e442", ms=6, label="label")
        axes.plot(*picture.xy[judged].T, "+", color="#56b4e9", ms=6, label="model")
        k = int(np.nanargmax(np.where(judged, picture.errors, np.nan)))
        axes.set_title(
            f"{picture.title}\n{picture.names[k]} off by {picture.errors[k]:.0f} px", fontsize=8
        )
        axes.set_axis_off()
        if place == 0:
            axes.legend(loc="lower right", fontsize=7, framealpha=0.6)
    return figure


def course(rows: Sequence[Sequence[float | None]], mean_pose: float | None) -> Figure:
    """Loss and held-out error over the steps, with the mean pose as a line."""
    figure = blank(8, 3.2)
    loss_axes, error_axes = figure.subplots(1, 2)
    table = np.array(rows, dtype=float).reshape(-1, 6)
    judged = np.isfinite(table[:, 4])
    loss_axes.plot(table[:, 0], table[:, 1], color=LOSS, lw=1.2)
    loss_axes.set(xlabel="step", ylabel="loss")
    error_axes.plot(table[judged, 0], table[judged, 4], color=MODEL, marker=".", label="mean")
    error_axes.plot(
        table[judged, 0], table[judged, 3], color=MODEL, ls="--", marker=".", label="median"
    )
    if mean_pose is not None:
        error_axes.axhline(mean_pose, color=CONSTANT, label="mean pose (mean)")
    error_axes.set(xlabel="step", ylabel="held-out error (video px)")
    error_axes.set_ylim(bottom=0)
    error_axes.legend(fontsize=8)
    return figure


def per_keypoint(sides: Sequence[tuple[str, str, Figures]]) -> Figure:
    """Median error of each keypoint; `sides` are (label, colour, figures)."""
    names = list(sides[0][2].per_keypoint)
    figure = blank(8, 0.9 + 0.3 * len(names))
    axes = figure.add_subplot()
    height = 0.8 / len(sides)
    for i, (label, colour, found) in enumerate(sides):
        values = [found.per_keypoint[name].median or 0 for name in names]
        axes.barh(np.arange(len(names)) + i * height, values, height, color=colour, label=label)
    axes.set_yticks(np.arange(len(names)) + height * (len(sides) - 1) / 2, names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("median error (video px)")
    axes.legend(fontsize=8)
    return figure


def against_confidence(bins: Sequence[ConfidenceBin]) -> Figure:
    """Left: how often points of a confidence are right; right: their median error."""
    figure = blank(8, 3.2)
    right_axes, error_axes = figure.subplots(1, 2)
    sure = [row.confidence for row in bins]
    size = [12 + 100 * row.points / max(r.points for r in bins) for row in bins]
    if bins and bins[0].right is not None:
        right_axes.plot([0, 1], [0, 1], color=CONSTANT, lw=1)
        right_axes.scatter(sure, [row.right for row in bins], size, color=MODEL)
        right_axes.set(xlabel="confidence", ylabel="share of points that are right")
        right_axes.set(xlim=(0, 1), ylim=(0, 1.02))
    else:
        right_axes.set_axis_off()
        right_axes.text(0.5, 0.5, "confidence is not calibrated", ha="center", fontsize=9)
    error_axes.scatter(sure, [row.median or np.nan for row in bins], size, color=MODEL)
    error_axes.set(xlabel="confidence", ylabel="median error (video px)", xlim=(0, 1))
    error_axes.set_ylim(bottom=0)
    return figure
