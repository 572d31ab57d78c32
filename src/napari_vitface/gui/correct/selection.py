"""Which keypoints are selected, and which one a click places."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

if TYPE_CHECKING:
    from napari_vitface.gui.shown_pose import ShownPose
    from napari_vitface.pose.keypoints import KeypointSet


class KeypointSelection:
    """One selection for the canvas, the list, the trajectories and the keys.

    Parameters
    ----------
    keypoints : callable
        The keypoints shown, or None.
    pose : callable
        The frame on screen, or None.
    """

    #: Which keypoints are selected, or what a click places, changed.
    changed = Signal()

    def __init__(
        self, keypoints: Callable[[], KeypointSet | None], pose: Callable[[], ShownPose | None]
    ) -> None:
        self._keypoints = keypoints
        self._pose = pose
        self._indices: tuple[int, ...] = ()
        self._choice: int | None = None

    @property
    def indices(self) -> tuple[int, ...]:
        """Positions of the selected keypoints, ascending."""
        return self._indices

    def select(self, indices: Iterable[int]) -> None:
        """Select keypoints, on the canvas and in the list."""
        keypoints = self._keypoints()
        count = len(keypoints) if keypoints is not None else 0
        chosen = tuple(sorted({int(k) for k in indices if 0 <= k < count}))
        if chosen != self._indices:
            self._indices = chosen
            self.changed.emit()

    def choose(self, keypoint: int) -> None:
        """Select one keypoint and let the next click place it."""
        self._choice = keypoint
        if self._indices == (keypoint,):
            self.changed.emit()
        else:
            self.select([keypoint])

    def forget_choice(self) -> None:
        """Let clicks place what is missing, in order."""
        self._choice = None

    @property
    def target(self) -> int | None:
        """The keypoint that a click places: the chosen one, else the next missing one."""
        pose = self._pose()
        if pose is None:
            return None
        if self._choice is not None and self._choice < len(pose.keypoints):
            return self._choice
        missing = np.nonzero(~pose.drawn & ~pose.said)[0]
        return int(missing[0]) if len(missing) else None

    def next_keypoint(self) -> None:
        """Select the keypoint below in the list, of the last one the first."""
        self._step(1)

    def previous_keypoint(self) -> None:
        """Select the keypoint above in the list, of the first one the last."""
        self._step(-1)

    def _step(self, step: int) -> None:
        keypoints = self._keypoints()
        if keypoints is None:
            return
        # Without a selection, forwards from before the first and backwards from the first.
        ends = self._indices or (0, -1)
        self.choose((ends[-1 if step > 0 else 0] + step) % len(keypoints))
