"""What is said, and offered, where the model is unsure in most frames."""

from __future__ import annotations

from psygnal import Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_vitface.gui.open_video import OpenVideo
from napari_vitface.gui.predict.prediction import Run
from napari_vitface.gui.section import Note, row_of, stack
from napari_vitface.gui.workbench import Workbench
from napari_vitface.pose.confidence import is_unsure, mostly_unsure, unsure_sentence
from napari_vitface.pose.table import PointState
from napari_vitface.words import in_window


class LowConfidence(QWidget):
    """A note with what may help as buttons; hidden while there is nothing to say."""

    #: Frames to label are to be looked for.
    suggest_wanted = Signal()

    def __init__(self, session: Workbench) -> None:
        super().__init__()
        self.note = Note()
        self.find_button = QPushButton("Find face")
        self.find_button.setToolTip("Let the model look for a face of the size that it knows")
        self.find_button.clicked.connect(lambda: session.face_finding.start())
        self.suggest_button = QPushButton("Suggest frames to label")
        self.suggest_button.setToolTip("Find frames that are worth correcting, to fine-tune on")
        self.suggest_button.clicked.connect(lambda: self.suggest_wanted.emit())
        stack(self, self.note, row_of(self.find_button, self.suggest_button))
        self.setVisible(False)

    def refresh(self, opened: OpenVideo, run: Run, *, finding: bool) -> bool:
        """Speak of a run that is over, or of the predictions that were read from disk.

        `run` is the last one of this video. What it said itself is not said again. True if there is
        something to say.
        """
        self.find_button.setEnabled(not finding)
        sentence = "" if run.status else _sentence(opened)
        share = run.result.low_confidence if run.result is not None else None
        self.note.say(sentence)
        unsure = bool(sentence) or (share is not None and share > 0.5)
        self.setVisible(unsure)
        return unsure


def _sentence(opened: OpenVideo) -> str:
    """What there is to say about the saved predictions of a video; empty if nothing."""
    poses = opened.poses
    # Other programs' likelihoods are on scales of their own.
    if poses is None or opened.saved is None or opened.source is not None:
        return ""
    known = (poses.state != PointState.ABSENT).any(axis=1)
    judged, unsure = int(known.sum()), int(is_unsure(poses.confidence[known]).sum())
    if not mostly_unsure(unsure, judged):
        return ""
    sentence = unsure_sentence(unsure, judged, opened.model, searched=opened.crop is not None)
    return in_window(sentence)
