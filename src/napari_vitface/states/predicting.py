"""What a trained classifier of states says of frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.states.features.extractor import Layout
from napari_vitface.states.model_file import StatesModel
from napari_vitface.states.samples import NONE, taken


@dataclass(frozen=True)
class States:
    """What it says of N frames.

    Attributes
    ----------
    frames : (N,) int64
    scores : (N, K) float64
        As the classifier gives them.
    values : (N, K) float64
        Calibrated: probabilities, or (N, 1) numbers.
    distance : (N,) float32
        To the training frames; above 1 a frame is unlike anything seen.
    """

    frames: NDArray[np.int64]
    scores: NDArray[np.float64]
    values: NDArray[np.float64]
    distance: NDArray[np.float32]

    @property
    def unlike(self) -> NDArray[np.bool_]:
        """(N,) whether a frame is unlike anything seen."""
        return self.distance > 1

    def of_trial(self, model: StatesModel, rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(K,) of some frames together."""
        mean = self.scores[rows].mean(axis=0, keepdims=True)
        return model.about.evaluation.tuning.trials.apply(mean)[0]


def predict_frames(
    model: StatesModel,
    values: Sequence[NDArray[np.float32]],
    before: Sequence[NDArray[np.float32]] | None,
    layouts: tuple[Layout, ...],
    frames: NDArray[np.int64],
    video: str,
) -> States:
    """Tell the state of frames.

    Parameters
    ----------
    values : sequence of (N, D) float32
        Features of each kind.
    before : sequence of (D,) float32, or None
        What each was before the window.
    layouts : tuple of Layout
        How they were computed.
    frames : (N,) int64
    video : str
        Its name, for sentences.

    Raises
    ------
    VitFaceError
        They are not those that it was trained on, or it needs what is before the window.
    """
    about = model.about
    if layouts != about.layouts:
        raise VitFaceError(
            f"The features of {video} are not those that the classifier was trained on: its frames "
            "or their crop have another size. Use a video of the same camera."
        )
    tuning = about.evaluation.tuning
    if tuning.baseline != NONE and before is None:
        raise VitFaceError(
            f"The classifier compares with frames before the window, and {video} has none that can "
            "be decoded; choose a later window, or train with the baseline none."
        )
    plain = np.hstack(values)
    earlier = None if before is None else np.concatenate(before)
    scores = model.fitted.predict(taken(plain, earlier, tuning.baseline))
    return States(frames, scores, tuning.frames.apply(scores), model.novelty.distances(plain))
