"""Labelling of the video on screen: its document, edits, saving, the canvas, getting around, keys.

The one place where those are made and joined; all but the canvas are told apart from the window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_vitface.gui.correct.canvas import LabelCanvas
from napari_vitface.gui.correct.documents import Documents
from napari_vitface.gui.correct.editing import LabelEditing
from napari_vitface.gui.correct.frame_navigation import FrameNavigation
from napari_vitface.gui.correct.keys import CommandTargets, KeyBinder, commands
from napari_vitface.gui.correct.saving import LabelSaving
from napari_vitface.gui.events.annotating import Annotating

if TYPE_CHECKING:
    from napari_vitface.gui.overlays import Overlays
    from napari_vitface.gui.session import Session
    from napari_vitface.gui.which_frames.marks import FrameMarks


class Labelling(LabelEditing):
    """What the Correct section, the canvas and the keys call."""

    def __init__(self, session: Session, overlays: Overlays, marks: FrameMarks) -> None:
        documents = Documents(session)
        self.saving = LabelSaving(session, documents)
        super().__init__(session, documents, self.saving)
        self.canvas = LabelCanvas(session, self, overlays)
        self.walk = FrameNavigation(session, marks, self.hint)
        self.annotating = Annotating(session, documents)
        self._targets = CommandTargets(
            self, self.selection, self.saving, self.canvas, self.walk, self.annotating
        )
        self._keys = KeyBinder(self.run)
        self._keys.bind(session.viewer)
        self._keys.repeat(session.viewer)
        overlays.points_made.connect(self._keys.bind)

    def run(self, command: str) -> None:
        """Carry out a command of the table of keys; a drag in progress counts up to here."""
        self.canvas.end_drag()
        commands()[command].carry_out(self._targets)

    def leave_viewer(self) -> None:
        """Let go of the canvas and the keys."""
        self._keys.unbind()
        self.canvas.close()
