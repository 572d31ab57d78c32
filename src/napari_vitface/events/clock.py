"""Between the frames of a video and seconds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import LabelError


class Clock:
    """When each frame of a video is shown.

    Parameters
    ----------
    rate : float
        Frames a second.
    times : (T,) float64, optional
        Seconds of each frame, ascending, where they are known one by one: not all videos are
        regular. They are counted from the first one.

    Raises
    ------
    LabelError
        If there is no such rate.
    """

    def __init__(self, rate: float, times: NDArray[np.float64] | None = None) -> None:
        if not (np.isfinite(rate) and rate > 0):
            raise LabelError(f"A video does not have {rate:g} frames a second.")
        self.rate = float(rate)
        self._times = np.zeros(1) if times is None or len(times) < 2 else times - times[0]

    def seconds(self, frame: int) -> float:
        """Seconds from the first frame to this one; also behind the last, where an event ends."""
        times = self._times
        last = len(times) - 1
        known = min(max(frame, 0), last)
        return float(times[known]) + (frame - known) / self.rate

    def frame(self, seconds: float) -> int:
        """The frame that is nearest in time; negative before the video."""
        times = self._times
        if seconds < 0:
            return round(seconds * self.rate)
        last = len(times) - 1
        if seconds > times[-1]:
            return last + round((seconds - float(times[-1])) * self.rate)
        after = int(np.searchsorted(times, seconds))
        before = max(after - 1, 0)
        return before if seconds - times[before] <= times[after] - seconds else after
