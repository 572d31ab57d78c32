"""Axes of the panels over time: frames with their times below, and few, short numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_vitface.gui.numbers import digits
from napari_vitface.gui.trajectories.pg import pg

#: Width of what stands to the left of the panels: what they show, and the numbers of the axis. The
#: same in all, so that times stand below each other.
LEFT = 112


class FrameAxis(pg.AxisItem):
    """The axis below the panels: each tick says its frame and, below, its time."""

    def __init__(self) -> None:
        super().__init__("bottom")
        self._times: NDArray[np.float64] = np.empty(0)
        self.setStyle(tickLength=-4, tickTextOffset=3, maxTextLevel=1, hideOverlappingLabels=False)
        self.setHeight(34)

    def set_times(self, times: NDArray[np.float64] | None) -> None:
        """Seconds of each frame; None if they are not known."""
        self._times = np.empty(0) if times is None else times
        self.setHeight(34 if len(self._times) else 20)
        self.picture = None
        self.update()

    def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:
        # About one tick in 110 pixels, at round frame numbers; a frame is not divided.
        wanted = max(1.0, (high - low) * 110 / max(size, 1))
        power = 10 ** np.floor(np.log10(wanted))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= wanted)
        return [(float(max(1, round(step))), 0.0)]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        texts = []
        for value in values:
            frame = round(value)
            text = digits(frame)
            if 0 <= frame < len(self._times):
                text += f"\n{clock(float(self._times[frame]), self._decimals(spacing))}"
            texts.append(text)
        return texts

    def _decimals(self, spacing: float) -> int:
        """Decimals of seconds that tell neighbouring ticks apart."""
        times = self._times
        if len(times) < 2:
            return 0
        step = spacing * float(times[-1] - times[0]) / (len(times) - 1)
        return 0 if step >= 1 else 1 if step >= 0.1 else 2 if step >= 0.01 else 3


def clock(seconds: float, decimals: int) -> str:
    """A time in a video: 4.2 s, 1:05, 2:00:05."""
    seconds = round(seconds, decimals)
    if seconds < 60:
        return f"{seconds:.{decimals}f} s"
    minutes, rest = divmod(seconds, 60)
    width = 3 + decimals if decimals else 2
    hours, minutes = divmod(int(minutes), 60)
    start = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{start}:{rest:0{width}.{decimals}f}"


class ValueAxis(pg.AxisItem):
    """The axis on the left: few, short numbers."""

    def __init__(self) -> None:
        super().__init__("left")
        self.setWidth(LEFT)
        self.setStyle(tickLength=-4, tickTextOffset=4, maxTextLevel=0)
        self.enableAutoSIPrefix(False)

    def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:
        wanted = max((high - low) * 26 / max(size, 1), 1e-9)
        power = 10 ** np.floor(np.log10(wanted))
        step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= wanted)
        return [(float(step), 0.0)]
