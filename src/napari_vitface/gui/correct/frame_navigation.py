"""Commands that go from frame to frame: the next one, labelled, suggested, or of low confidence."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_vitface.gui.session import Session
    from napari_vitface.gui.which_frames.marks import FrameMarks


class FrameNavigation:
    """Those of the commands of the table of keys that change the frame on screen."""

    def __init__(self, session: Session, marks: FrameMarks, hint: Callable[[str], None]) -> None:
        self._session = session
        self._hint = hint
        self._marks = marks

    def next_frame(self) -> None:
        self._step(1)

    def previous_frame(self) -> None:
        self._step(-1)

    def next_labelled(self) -> None:
        """Go to the next frame in which a person said anything."""
        labels, frame = self._session.made.labels, self._session.frame
        self._go(labels.following(frame), "labelled frame after")

    def previous_labelled(self) -> None:
        """Go to the frame before in which a person said anything."""
        labels, frame = self._session.made.labels, self._session.frame
        self._go(labels.preceding(frame), "labelled frame before")

    def next_suggested(self) -> None:
        """Go to the next frame that was suggested for labelling."""
        self._go(_after(self._suggested(), self._session.frame), "suggested frame after")

    def previous_suggested(self) -> None:
        """Go to the suggested frame before."""
        self._go(_before(self._suggested(), self._session.frame), "suggested frame before")

    def next_low_confidence(self) -> None:
        """Go to the next frame with a prediction of low confidence."""
        self._go(_after(self._doubtful(), self._session.frame), "frame of low confidence after")

    def previous_low_confidence(self) -> None:
        """Go to the frame before with a prediction of low confidence."""
        self._go(_before(self._doubtful(), self._session.frame), "frame of low confidence before")

    def _step(self, step: int) -> None:
        frame = self._session.frame + step
        if 0 <= frame < self._session.made.frame_count:
            self._session.go_to(frame)

    def _go(self, frame: int | None, what: str) -> None:
        if frame is None:
            self._hint(f"There is no {what} this one.")
        else:
            self._hint("")
            self._session.go_to(frame)

    def _suggested(self) -> np.ndarray:
        return np.array(sorted(self._marks.suggested), np.int64)

    def _doubtful(self) -> np.ndarray:
        return self._marks.low_confidence


def _after(frames: np.ndarray, frame: int) -> int | None:
    place = int(np.searchsorted(frames, frame, side="right"))
    return int(frames[place]) if place < len(frames) else None


def _before(frames: np.ndarray, frame: int) -> int | None:
    place = int(np.searchsorted(frames, frame, side="left"))
    return int(frames[place - 1]) if place else None
