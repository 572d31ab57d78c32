"""What the Attention section is made of beside the map on screen, one set a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_vitface.gui.attention.attention_canvas import AttentionCanvas
from napari_vitface.gui.attention.attention_frames import AttentionFrames
from napari_vitface.gui.attention.check import MapCheck
from napari_vitface.gui.attention.map_export import AttentionExport
from napari_vitface.gui.attention.map_grid import AttentionGrid
from napari_vitface.gui.attention.player import LayerPlayer

if TYPE_CHECKING:
    from napari_vitface.gui.attention.follower import AttentionFollower
    from napari_vitface.gui.correct.selection import KeypointSelection
    from napari_vitface.gui.overlays import Overlays
    from napari_vitface.gui.session import Session


class AttentionTools:
    """The tools of one session; they end with it.

    Attributes
    ----------
    canvas : AttentionCanvas
        Clicks on points and patches.
    player : LayerPlayer
        The layers, one after the other.
    grid : AttentionGrid
        Many maps beside each other.
    check : MapCheck
        Whether a map explains anything.
    frames : AttentionFrames
        Many frames: mean, numbers, video.
    export : AttentionExport
        Files of the map on screen.
    """

    def __init__(
        self,
        session: Session,
        follower: AttentionFollower,
        overlays: Overlays,
        selection: KeypointSelection,
    ) -> None:
        self.canvas = AttentionCanvas(session, follower, overlays, selection)
        self.player = LayerPlayer(session, follower)
        self.grid = AttentionGrid(session, follower, selection)
        self.check = MapCheck(session, follower)
        self.frames = AttentionFrames(session, follower, overlays)
        self.export = AttentionExport(session, follower, overlays)
