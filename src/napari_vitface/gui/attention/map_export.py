"""Files of the map on screen: a picture with its label, and its numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import atomic_write
from napari_vitface.gui.attention.attention_settings import Target
from napari_vitface.gui.attention.colours import attention_colormap
from napari_vitface.gui.attention.follower import ShownMap
from napari_vitface.gui.attention.map_captions import (
    describe_many,
    describe_map,
    heading,
    title_map,
)
from napari_vitface.gui.background_writing import write_in_background
from napari_vitface.gui.given import given
from napari_vitface.gui.layers import GLOBAL, AttentionPicture, attention_rows
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.jobs.events import AttentionComputed
from napari_vitface.jobs.explaining.map_video import Look, draw_overlay
from napari_vitface.jobs.outputs import output_path
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.video.caption import Caption

if TYPE_CHECKING:
    from napari_vitface.gui.attention.follower import AttentionFollower
    from napari_vitface.gui.overlays import Overlays
    from napari_vitface.gui.session import Session


def draw_map(
    image: NDArray[Any],
    computed: AttentionComputed,
    picture: AttentionPicture,
    limit: float,
    colours: NDArray[np.floating[Any]],
    opacity: float,
    *,
    target: Target,
    keypoints: KeypointSet | None,
    caption: str,
    white: int | None,
) -> NDArray[np.uint8]:
    """A frame at its full size with a map over it, its points, and what it is below it.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) array of uint8 or uint16
    limit, colours, opacity
        As on the canvas.
    keypoints : KeypointSet, optional
        Of the model; None draws no points.
    caption : str
        Its first line is the heading.

    Returns
    -------
    (H + strip, W, 3) array of uint8
    """
    names: list[str] = []
    if keypoints is not None and len(keypoints) == len(computed.xy) and target != GLOBAL:
        names = [computed.names[row] for row in attention_rows(computed, target)]
    look = Look(colours, opacity)
    drawn = draw_overlay(image, picture.data, computed, limit, look, names, keypoints, white)
    heading, _, rest = caption.partition("\n")
    return Caption(rest, drawn.shape[1]).below(drawn, heading)


class AttentionExport:
    """Writes what the follower of a session shows, in the background, and says so."""

    def __init__(self, session: Session, follower: AttentionFollower, overlays: Overlays) -> None:
        self._session = session
        self._follower = follower
        self._overlays = overlays

    @property
    def possible(self) -> bool:
        """Whether there is a map to write."""
        return self._follower.map is not None

    def suggested(self, opened: OpenVideo, suffix: str) -> Path:
        """Where a file of the map on screen would go: beside the video."""
        follower = self._follower
        target = follower.settings.target
        of = target if isinstance(target, str) else "-".join(target[:3])
        when = "mean" if follower.mean is not None else f"frame{self._session.frame}"
        ending = f"_{when}_attention_{of.replace(' ', '-')}{suffix}"
        return output_path(opened.path, ending)

    @given("_follower.map")
    def caption(self, shown: ShownMap) -> str:
        """The label of the map on screen: a heading, and how it was computed."""
        follower, computed = self._follower, shown.computed
        target = follower.settings.target
        about = describe_map(computed, target, shown.picture, follower.limit, follower.depth)
        return f"{title_map(computed, target)}\n{about}".replace("\u2011", "-")

    def caption_of_many(self) -> str:
        """How maps like the one on screen are computed, whichever the frame."""
        follower, shown = self._follower, self._follower.map
        target = follower.settings.target
        if shown is None:
            return heading(target)
        settings, unit = shown.computed.settings, shown.picture.unit
        return describe_many(settings, target, unit, follower.limit, follower.depth)

    @on_video
    @given("_follower.map")
    def picture(self, shown: ShownMap, opened: OpenVideo, path: Path) -> None:
        """Write the frame with the map as PNG."""
        session, follower = self._session, self._follower
        frame, limit, target = session.frame, follower.limit, follower.settings.target
        overlays, caption = self._overlays, self.caption() or ""
        colours = np.asarray(attention_colormap(overlays.attention_colours).colors, np.float32)
        opacity = overlays.attention_opacity
        # A mean over frames has no one place for its points.
        known = None if follower.mean is not None else follower.keypoints

        def work() -> None:
            from PIL import Image

            drawn = draw_map(
                opened.video[frame],
                shown.computed,
                shown.picture,
                limit,
                colours,
                opacity,
                target=target,
                keypoints=known,
                caption=caption,
                white=opened.video.white,
            )
            with atomic_write(path) as temporary:
                Image.fromarray(drawn).save(temporary, format="PNG")

        write_in_background(session, work, path)

    @on_video
    @given("_follower.map")
    @given("_follower.keypoints")
    def numbers(
        self, keypoints: KeypointSet, shown: ShownMap, opened: OpenVideo, path: Path
    ) -> None:
        """Write the maps that were computed, on the patch grid, with all settings as NPZ."""
        from napari_vitface.jobs.explaining.map_files import write_maps

        source = str(opened.path)

        def work() -> None:
            write_maps(path, [shown.computed], source=source, keypoints=keypoints)

        write_in_background(self._session, work, path)
