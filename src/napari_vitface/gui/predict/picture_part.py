"""Which part of the picture models look at: said, found, drawn or taken back, beside Predict."""

from __future__ import annotations

from qtpy.QtWidgets import QLabel, QPushButton, QSizePolicy, QWidget

from napari_vitface.gui.crop_rectangle import Crop
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.gui.run_progress import RunProgress
from napari_vitface.gui.section import Note, WrappedLabel, beside, row_of, stack
from napari_vitface.gui.workbench import Workbench


class PicturePart(QWidget):
    """A line that says which part, three buttons, and how the search for the face goes."""

    def __init__(self, session: Workbench) -> None:
        super().__init__()
        self._session = session
        self.part = WrappedLabel("", "value")
        self.find_button = QPushButton("Find face")
        self.find_button.setToolTip(
            "The model looks at several places of some frames and proposes the part with the face"
        )
        self.find_button.clicked.connect(lambda: session.face_finding.start())
        self.draw_button = QPushButton("Draw")
        self.draw_button.clicked.connect(lambda: session.crop_tool.draw())
        self.whole_button = QPushButton("Whole frame")
        self.whole_button.setToolTip("Let models look at all of the picture")
        self.whole_button.clicked.connect(lambda: session.crop_tool.clear())
        self.progress = RunProgress(
            session.face_finding, "", "Stop looking; the crop stays as it is"
        )
        self.note = Note()
        line = beside(QLabel("Picture"), self.part, wide=(self.part,), spacing=8)
        for button in (self.find_button, self.draw_button, self.whole_button):
            button.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self.buttons = row_of(self.find_button, self.draw_button, self.whole_button)
        stack(self, line, self.buttons, self.progress, self.note)
        session.video_changed.connect(self.refresh)
        session.crop_changed.connect(self.refresh)
        session.crop_tool.changed.connect(self.refresh)
        session.face_finding.changed.connect(self.refresh)
        session.prediction.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Bring everything up to date with the session."""
        self.setVisible(bool(self._show_video()))

    @on_video
    def _show_video(self, opened: OpenVideo) -> bool:
        session = self._session
        tool, finding = session.crop_tool, session.face_finding
        self.part.setText(self._words(opened.crop))
        cropped = opened.crop is not None
        self.draw_button.setText("Adjust" if cropped else "Draw")
        self.draw_button.setToolTip(
            "Move the rectangle on the canvas, or drag its corners"
            if cropped
            else "Draw a rectangle; models look at nothing outside it"
        )
        self.buttons.setEnabled(not finding.active and not session.prediction.active)
        self.whole_button.setEnabled(cropped or tool.drawing)
        self.progress.show_run(finding.last, stopping="Stopping after a few views …")
        text, level = finding.words(opened) or ("", "info")
        self.note.say(text, level)
        return True

    def _words(self, crop: Crop | None) -> str:
        tool = self._session.crop_tool
        if crop is not None:
            x, y, width, height = crop
            return f"{width} × {height} px at x {x}, y {y}"
        if tool.drawing:
            return tool.problem or "drag a rectangle around the face"
        return "whole frame"
