"""Which keypoints are selected, and which one a click places."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

import numpy as np
from psygnal import Signal

from napari_vitface.gui.given import given

if TYPE_CHECKING:
    from napari_vitface.gui.shown_pose import ShownPose
    from napari_vitface.pose.keypoints import KeypointSet


class Shown(Protocol):
    """What keypoints are selected of."""

    @property
    def keypoints(self) -> KeypointSet | None:
        """What is shown, if anything is."""

    @property
    def pose(self) -> ShownPose | None:
        """The frame on screen, if there is one."""


class KeypointSelection:
    """One selection for the canvas, the list, the trajectories and the keys.

    Parameters
    ----------
    shown : Shown
        What is on screen.
    """

    #: Which keypoints are selected, or what a click places, changed.
    changed = Signal()

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._indices: tuple[int, ...] = ()
        self._choice: int | None = None

    @property
    def indices(self) -> tuple[int, ...]:
        """Positions of the selected keypoints, ascending."""
        return self._indices

    def select(self, indices: Iterable[int]) -> None:
        """Select keypoints, on the canvas and in the list."""
        chosen = self._known(indices) or ()
        if chosen != self._indices:
            self._indices = chosen
            self.changed.emit()

    @given("_shown.keypoints")
    def _known(self, keypoints: KeypointSet, indices: Iterable[int]) -> tuple[int, ...]:
        return tuple(sorted({int(k) for k in indices if 0 <= k < len(keypoints)}))

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
    @given("_shown.pose")
    def target(self, pose: ShownPose) -> int | None:
        """The keypoint that a click places: the chosen one, else the next missing one."""
        if self._choice in range(len(pose.keypoints)):
            return self._choice
        missing = np.nonzero(~pose.drawn & ~pose.said)[0]
        return int(missing[0]) if len(missing) else None

    def next_keypoint(self) -> None:
        """Select the keypoint below in the list, of the last one the first."""
        self._step(1)

    def previous_keypoint(self) -> None:
        """Select the keypoint above in the list, of the first one the last."""
        self._step(-1)

    @given("_shown.keypoints")
    def _step(self, keypoints: KeypointSet, step: int) -> None:
        # Without a selection, forwards from before the first and backwards from the first.
        ends = self._indices or (0, -1)
        self.choose((ends[-1 if step > 0 else 0] + step) % len(keypoints))
