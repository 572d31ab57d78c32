"""What an edit acts on: a frame of a video that is open, with the points that are shown of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_vitface.gui.correct.point_commands import name_of
from napari_vitface.gui.on_video import frame_size

if TYPE_CHECKING:
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.shown_pose import ShownPose


@dataclass(frozen=True)
class EditedFrame:
    """A frame of an open video, with the points that are shown of it."""

    opened: OpenVideo
    index: int
    pose: ShownPose

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return frame_size(self.opened.layer)

    def name(self, points: Iterable[int], noun: str = "point") -> str:
        """Some of its keypoints in a few words."""
        return name_of(self.pose.keypoints, points, noun)
