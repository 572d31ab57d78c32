"""The ViT Face dock: its sections in the order of work, in one scrolling column."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QSize, QTimer
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QShowEvent
from qtpy.QtWidgets import QApplication, QVBoxLayout, QWidget

from napari_vitface.gui.attention.section import AttentionSection
from napari_vitface.gui.closing_guard import ClosingGuard
from napari_vitface.gui.connections import Connections
from napari_vitface.gui.correct.section import CorrectSection
from napari_vitface.gui.docked import DockedWidget
from napari_vitface.gui.error_report import note_engine
from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.file_kinds import kind_of
from napari_vitface.gui.fine_tune.section import FineTuneSection
from napari_vitface.gui.fitted_view import FittedView
from napari_vitface.gui.main_thread import MainThread
from napari_vitface.gui.model_info import ModelInfo, bundled_names, model_info
from napari_vitface.gui.notifications import notify, take_errors
from napari_vitface.gui.predict.section import PredictSection
from napari_vitface.gui.scroll_area import Column, SteadyScrollArea
from napari_vitface.gui.section import ADDED, Note, Section
from napari_vitface.gui.states.section import StatesSection
from napari_vitface.gui.style import style_sheet
from napari_vitface.gui.traces.section import TracesSection
from napari_vitface.gui.video_section import VideoSection
from napari_vitface.gui.workbench import session_of
from napari_vitface.jobs.events import Event, Finished
from napari_vitface.jobs.results.models import DescribeResult, ModelsResult
from napari_vitface.plugins import leave_out

if TYPE_CHECKING:
    from napari.viewer import Viewer


#: Letters that a line of the dock has room for.
_LETTERS = 44


class ViTFaceDock(DockedWidget):
    """The dock of one viewer. Closing it lets go of the viewer; hiding it changes nothing."""

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        take_errors()
        viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.setObjectName("vitface")
        self._main_thread = MainThread(self)
        self.session = session_of(viewer, self._main_thread.post)
        # First of all: the engine takes seconds to import PyTorch.
        with suppress(Exception):  # Told when it is asked something.
            self.session.engine.warm_up("predict")
        self.note = Note()
        self.video_section = VideoSection(self.session)
        self.predict_section = PredictSection(self.session)
        self.attention_section = AttentionSection(self.session)
        self.correct_section = CorrectSection(self.session)
        self.fine_tune_section = FineTuneSection(self.session)
        self.states_section = StatesSection(self.session)
        self.traces_section = TracesSection(self.session)
        #: Those of other packages.
        self.added: dict[str, Section] = {}
        for kind in ADDED.values():
            try:
                self.added[kind.name] = kind.make(self.session, len(self.sections) + 1)
            except Exception as error:
                leave_out(f"the section {kind.name}", error)
        column = Column()
        inside = QVBoxLayout(column)
        inside.setContentsMargins(2, 2, 2, 6)
        inside.setSpacing(8)
        for section in self.sections.values():
            inside.addWidget(section)
        inside.addStretch(1)
        self.scroll_area = SteadyScrollArea(column)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.scroll_area)
        # Below, where it moves nothing that the user is about to press.
        layout.addWidget(self.note)
        self._widen()
        self.setAcceptDrops(True)
        self._view = FittedView(self.session, viewer, self)
        self.closing = ClosingGuard(self.session, self)
        self._restyle()
        self._connections = Connections()
        self._connections.connect(viewer.events.theme, self._restyle)
        self.session.told.connect(self._on_told)
        self.session.video_changed.connect(self._clear_note)
        self.session.prediction.started.connect(self._clear_note)
        # The widget's end, however it comes, is the session's end.
        session = self.session
        self.destroyed.connect(lambda *_: session.close())
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(session.close)
        self._offer_models([ModelInfo(name) for name in bundled_names()])
        self.session.fine_tune.models_found.connect(self._offer_models)
        self.fine_tune_section.predict_wanted.connect(self.predict_section.predict)
        self.predict_section.low_confidence.suggest_wanted.connect(self._suggest_frames)
        # After the dock is on screen.
        QTimer.singleShot(0, self._meet_engine)

    @property
    def sections(self) -> dict[str, Section]:
        """The sections by name, from top to bottom."""
        return {
            "video": self.video_section,
            "predict": self.predict_section,
            "attention": self.attention_section,
            "correct": self.correct_section,
            "fine-tune": self.fine_tune_section,
            "states": self.states_section,
            "traces": self.traces_section,
            **self.added,
        }

    def open_section(self, name: str) -> None:
        """Unfold a section and bring it into view."""
        section = self.sections[name]
        section.set_open(True)
        QTimer.singleShot(0, lambda: self.scroll_area.ensureWidgetVisible(section, 0, 20))

    def _suggest_frames(self) -> None:
        self.open_section("correct")
        self.correct_section.suggest_frames()

    def sizeHint(self) -> QSize:
        return QSize(340, 700)

    def open(self, path: Path) -> None:
        """Open a video, a project, or predictions of the video on screen."""
        kind = kind_of(path)
        if kind == "project":
            self.open_section("correct")
            self.session.labelling.documents.open(path, add=False)
        elif kind == "predictions":
            self.open_section("predict")
            self.session.saved_predictions.open(path)
        else:
            self.video_section.open(path)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what is dropped on the dock; for the canvas see `dropping`."""
        for url in event.mimeData().urls():
            if url.isLocalFile():
                self.open(Path(url.toLocalFile()))
        event.acceptProposedAction()

    def changeEvent(self, event: QEvent) -> None:
        """Be as wide as its words need."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._widen()

    def _widen(self) -> None:
        # Buttons stand three in a row, and letters are not of one size on all computers.
        self.setMinimumWidth(max(310, _LETTERS * self.fontMetrics().averageCharWidth()))

    def showEvent(self, event: QShowEvent) -> None:
        """Know the window that it is in."""
        super().showEvent(event)
        self.closing.watch()

    def close_links(self) -> None:
        """Let go of the viewer and end the engine; the dock is of no use afterwards."""
        self._connections.undo()
        self.session.close()

    def _restyle(self, event: Any = None) -> None:
        self.setStyleSheet(style_sheet(self.session.viewer))

    def _on_told(self, text: str, level: str) -> None:
        self.note.say(text, level)
        if not self.note.isVisible():
            # The dock is hidden, or behind another one.
            notify(text, level)

    def _clear_note(self) -> None:
        self.note.say("")

    def _offer_models(self, models: list[ModelInfo]) -> None:
        """Models to predict with and to start from."""
        self.predict_section.set_models(models)
        self.fine_tune_section.set_models(models)

    def _meet_engine(self) -> None:
        """Ask the engine what there is, long before the first run needs it."""
        if self.session.closed:
            return

        def on_models(event: Event) -> None:
            if isinstance(event, Finished) and isinstance(event.result, ModelsResult):
                models = [model_info(entry) for entry in event.result.models]
                self.session.known_models.update({m.choice: m.keypoints for m in models})
                self._offer_models(models)

        def on_description(event: Event) -> None:
            if isinstance(event, Finished) and isinstance(event.result, DescribeResult):
                note_engine(event.result)
                pairs = zip(event.result.devices, event.result.device_names, strict=True)
                devices = [
                    (f"{device} ({name})" if name else device, device) for device, name in pairs
                ]
                self.predict_section.form.set_devices(devices)
                self.fine_tune_section.set_devices(devices)

        try:
            self.session.submit("models", {}, on_models)
            self.session.submit("describe", {}, on_description)
        except Exception as error:
            self.session.tell(sentence_of("starting the engine", error), "error")
