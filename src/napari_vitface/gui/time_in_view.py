"""Which part of the video docks show that have a time axis: they show the same."""

from __future__ import annotations

from psygnal import Signal


class TimeInView:
    """The frames in view; docks set it and follow it.

    Attributes
    ----------
    frames : (float, float)
        Left and right end, in frames.
    """

    #: Other frames are in view.
    changed = Signal(float, float)

    def __init__(self) -> None:
        self.frames = (0.0, 0.0)

    def show(self, start: float, stop: float) -> None:
        """Have these frames in view everywhere."""
        if (start, stop) != self.frames:
            self.frames = (start, stop)
            self.changed.emit(start, stop)
