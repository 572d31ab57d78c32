"""What the Attention section is made of beside the map on screen, one set a session."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from napari_vitface.gui.attention.canvas import AttentionCanvas
from napari_vitface.gui.attention.check import MapCheck
from napari_vitface.gui.attention.export import AttentionExport
from napari_vitface.gui.attention.frames import AttentionFrames
from napari_vitface.gui.attention.grid import AttentionGrid
from napari_vitface.gui.attention.player import LayerPlayer

if TYPE_CHECKING:
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

    def __init__(self, session: Session) -> None:
        self.canvas = AttentionCanvas(session)
        self.player = LayerPlayer(session)
        self.grid = AttentionGrid(session)
        self.check = MapCheck(session)
        self.frames = AttentionFrames(session)
        self.export = AttentionExport(session)
        session.ended.connect(self.canvas.close)


_tools: weakref.WeakKeyDictionary[Session, AttentionTools] = weakref.WeakKeyDictionary()


def tools_of(session: Session) -> AttentionTools:
    """The tools of a session, made if there are none."""
    tools = _tools.get(session)
    if tools is None:
        tools = _tools[session] = AttentionTools(session)
    return tools
