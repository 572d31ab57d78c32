"""Rows of predictions: made of a batch of frames, and what is to be said of them all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.jobs.events import Notice
from napari_vitface.jobs.frame_range import name_runs, runs_of
from napari_vitface.jobs.part_file import is_broken, record_type
from napari_vitface.pose.confidence import is_unsure, mostly_unsure, unsure_sentence
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.jobs.frame_batches import Batch
    from napari_vitface.model.predictor import KeypointModel
    from napari_vitface.model.preprocessing import View


def predicted_rows(model: KeypointModel, view: View, batch: Batch) -> NDArray[np.void]:
    """(N,) records (`napari_vitface.jobs.part_file.record_type`) of the frames of a batch."""
    rows = np.empty(len(batch.frames), dtype=record_type(len(model.keypoints)))
    rows["frame"] = batch.frames
    rows["xy"] = np.nan
    rows["confidence"] = np.nan
    if batch.canvas is not None:
        xy, confidence = model.predict(batch.canvas)
        rows["xy"][batch.decoded] = view.to_frame(xy)
        rows["confidence"][batch.decoded] = confidence
    return rows


class Tally:
    """Counts over all rows of a video, which are noted in their order.

    Attributes
    ----------
    broken : list of (first, last)
        Frames that could not be decoded.
    judged, unsure : int
        Frames that could, and those of them in which the model is unsure.
    """

    def __init__(self) -> None:
        self.broken: list[tuple[int, int]] = []
        self.judged = self.unsure = 0

    def note(self, rows: NDArray[np.void]) -> None:
        """Count some more rows."""
        is_whole = ~is_broken(rows)
        self.judged += int(is_whole.sum())
        self.unsure += int(is_unsure(rows["confidence"][is_whole]).sum())
        broken = rows["frame"][~is_whole]
        if len(broken):
            # Kept as ranges: a video whose second half is broken must not fill the memory.
            for first, last in runs_of(broken.tolist()):
                if self.broken and first <= self.broken[-1][1] + 1:
                    first = self.broken.pop()[0]
                self.broken.append((first, last))

    @property
    def low_confidence(self) -> float | None:
        """Share of the frames in which the model is unsure; None if none could be decoded."""
        return round(self.unsure / self.judged, 4) if self.judged else None

    def notices(self, video: str, model: str, *, searched: bool) -> Iterator[Notice]:
        """What the user should know: whether the model is mostly unsure, and broken frames.

        Parameters
        ----------
        video, model : str
            Their names.
        searched : bool
            Whether the face was looked for.
        """
        if mostly_unsure(self.unsure, self.judged):
            yield Notice(unsure_sentence(self.unsure, self.judged, model, searched=searched))
        count = sum(last - first + 1 for first, last in self.broken)
        if count:
            yield Notice(
                f"{counted(count, 'frame')} of {video} could "
                f"not be decoded and {'has' if count == 1 else 'have'} no points: "
                f"{name_runs(self.broken)}."
            )
