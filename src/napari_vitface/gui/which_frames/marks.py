"""Frames of the current video that are worth going to: suggested ones, and those of low confidence.

Knows no widget and no Qt. The Correct section steps from mark to mark, the trajectories draw ticks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_vitface.pose.table import PointState

if TYPE_CHECKING:
    from napari_vitface.gui.open_video import OpenVideo, Suggestion
    from napari_vitface.gui.predict.prediction import Prediction
    from napari_vitface.gui.session import Session
    from napari_vitface.pose.labels import FrameLabels
    from napari_vitface.pose.table import PoseTable

#: Confidence below which a point is doubtful, unless the user chooses another.
THRESHOLD = 0.6
#: Rows looked at together: few enough to stay in the processor's cache.
_ROWS_AT_ONCE = 20_000


class FrameMarks:
    """Marked frames of the current video; each video keeps its own.

    Labels take marks away: a frame that holds one is suggested no longer, and a point that a
    person placed, or called hidden, makes no frame doubtful.
    """

    #: Other frames are marked than before.
    changed = Signal()

    def __init__(self, session: Session, prediction: Prediction) -> None:
        self._session = session
        self._prediction = prediction
        #: Lowest confidence in each frame of `_table`, 1 where nothing was predicted.
        self._lowest: NDArray[np.float32] = np.empty(0, dtype=np.float32)
        self._table: PoseTable | None = None
        self._low: NDArray[np.int64] | None = None
        self._predicting = False
        session.video_changed.connect(self.refresh)
        session.poses_changed.connect(self.refresh)
        prediction.changed.connect(self._on_prediction)

    # ----------------------------------------------------------------- suggested

    @property
    def suggestions(self) -> tuple[Suggestion, ...]:
        """What was suggested for the current video, the best first, labelled meanwhile or not."""
        return self._session.made.suggestions

    @property
    def suggested(self) -> dict[int, str]:
        """Suggested frames that hold no label yet, and why, the best first."""
        labels = self._session.made.labels
        return {
            suggestion.frame: suggestion.why
            for suggestion in self.suggestions
            if suggestion.frame not in labels
        }

    def suggest(self, opened: OpenVideo, suggestions: Iterable[Suggestion]) -> None:
        """Put suggestions in the place of a video's earlier ones."""
        opened.suggestions = tuple(suggestions)
        if opened is self._session.current:
            self.changed.emit()

    # ----------------------------------------------------------------- low confidence

    @property
    def threshold(self) -> float:
        """Confidence below which a point makes its frame doubtful."""
        return self._session.kept.of("marks.threshold", THRESHOLD)

    @threshold.setter
    def threshold(self, value: float) -> None:
        value = float(value)
        if value != self.threshold:
            self._session.kept.note("marks.threshold", value)
            self._low = None
            self.changed.emit()

    @property
    def low_confidence(self) -> NDArray[np.int64]:
        """Frames with a predicted point below the threshold, sorted; not to be written to."""
        if self._low is None:
            self._low = self._find_low()
            self._low.flags.writeable = False
        return self._low

    def _find_low(self) -> NDArray[np.int64]:
        table = self._session.predictions
        if table is None:
            self._table, self._lowest = None, np.empty(0, dtype=np.float32)
            return np.empty(0, dtype=np.int64)
        if table is not self._table:
            self._table, self._lowest = table, _lowest(table)
        low = self._lowest < self.threshold
        labels = self._session.made.labels
        for frame in labels.frames().tolist():
            if frame < len(low) and low[frame]:
                low[frame] = self._is_low(table, labels, frame)
        return np.flatnonzero(low)

    def _is_low(self, table: PoseTable, labels: FrameLabels, frame: int) -> bool:
        """Whether a point that nobody said anything about is doubtful in a frame."""
        said = labels.states(frame)
        names = labels.keypoints.names
        spoken = {name for name, state in zip(names, said, strict=True) if state}
        return any(
            table.state[frame, k] == PointState.PREDICTED
            and table.confidence[frame, k] < self.threshold
            for k, name in enumerate(table.keypoints.names)
            if name not in spoken
        )

    # ----------------------------------------------------------------- what changes marks

    def refresh(self) -> None:
        """Look again: video, predictions or all labels are others."""
        self._low = None
        self.changed.emit()

    def note_label(self, frame: int) -> None:
        """The labels of a frame are others."""
        table, labels = self._table, self._session.made.labels
        if table is not None and self._low is not None:
            was = bool(_position(self._low, frame)[1])
            now = frame < len(table) and self._is_low(table, labels, frame)
            if was != now:
                place = _position(self._low, frame)[0]
                self._low = (
                    np.insert(self._low, place, frame) if now else np.delete(self._low, place)
                )
                self._low.flags.writeable = False
                self.changed.emit()
                return
        if any(suggestion.frame == frame for suggestion in self.suggestions):
            self.changed.emit()

    def _on_prediction(self) -> None:
        # Rows are filled in place while a run goes on; they are looked at when it is over.
        active = self._prediction.active
        if self._predicting and not active:
            self._table = None
            self.refresh()
        self._predicting = active


def _lowest(table: PoseTable) -> NDArray[np.float32]:
    lowest = np.ones(len(table), dtype=np.float32)
    for start in range(0, len(table), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        predicted = table.state[rows] == PointState.PREDICTED
        sure = np.where(predicted, table.confidence[rows], np.float32(1))
        # Keypoint by keypoint: a third of the time of `np.min` along the short axis.
        for keypoint in range(sure.shape[1]):
            np.minimum(lowest[rows], sure[:, keypoint], out=lowest[rows])
    return lowest


def _position(frames: NDArray[np.int64], frame: int) -> tuple[int, bool]:
    """Where a frame is in sorted frames, or would be, and whether it is there."""
    place = int(np.searchsorted(frames, frame))
    return place, place < len(frames) and int(frames[place]) == frame
