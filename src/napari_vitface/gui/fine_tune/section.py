"""Section 5: train a model on the corrected frames, see it get better, and use it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QProgressBar,
    QPushButton,
    QSizePolicy,
)

from napari_vitface.gui.fine_tune.live_panel import LivePanel
from napari_vitface.gui.fine_tune.sentences import (
    change_words,
    error_words,
    notice_words,
    plan_words,
    run_words,
    stage_words,
    start_name,
    stopped_words,
    waiting_words,
)
from napari_vitface.gui.fine_tune.training_form import FineTuneForm
from napari_vitface.gui.fine_tune.training_run import TrainingRun
from napari_vitface.gui.fine_tune.unfinished_panel import UnfinishedPanel
from napari_vitface.gui.fine_tune.verdict_panel import Verdict
from napari_vitface.gui.given import given
from napari_vitface.gui.model_info import ModelInfo
from napari_vitface.gui.numbers import counted
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.gui.section import (
    Fold,
    Note,
    Section,
    WrappedLabel,
    beside,
    row_of,
    set_look,
    tipped_button,
)
from napari_vitface.gui.workbench import Workbench

if TYPE_CHECKING:
    from napari_vitface.project.document import LabelDocument


class FineTuneSection(Section):
    """What will happen, the button, how it goes, and the verdict."""

    #: The user wants to see what the new model finds.
    predict_wanted = Signal()

    def __init__(self, session: Workbench) -> None:
        super().__init__(5, "Fine-tune")
        self._session = session
        self._fine_tune = fine_tune = session.fine_tune
        self._models: dict[str, None] = {}
        self._predicting = False

        self.unfinished = UnfinishedPanel(fine_tune)
        self.plan = WrappedLabel("", "value")
        self.form = FineTuneForm()
        self.options = Fold("Options", self.form)
        self.start_button = tipped_button(
            "Fine-tune", "Save the labels and train a new model on them"
        )
        self.start_button.clicked.connect(lambda: self.start())
        self.refused = Note()

        self.bar = QProgressBar()
        self.bar.setTextVisible(True)
        self.bar.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.stop_button = QPushButton("Stop")
        self.stop_button.setToolTip("Stop; what was reached is kept and can be continued")
        self.stop_button.clicked.connect(lambda: fine_tune.cancel())
        self.doing = WrappedLabel("", "value")
        self.about = WrappedLabel("", "hint")
        self.error = WrappedLabel("", "value")

        self.ended = Note()
        self.verdict = Verdict()

        self.predict_button = tipped_button(
            "Predict with it", "Find the keypoints in this video anew"
        )
        self.predict_button.clicked.connect(lambda: self.predict_wanted.emit())
        self.use_button = tipped_button("Use the old model", "")
        self.use_button.clicked.connect(lambda: self._switch_model())
        self.report_button = tipped_button("Open report", "All figures, plots and the worst frames")
        self.report_button.clicked.connect(lambda: self.open_report())

        self.live = LivePanel()
        self.notices = Note()

        self.add(self.ended, self.verdict, self.predict_button)
        self.add(row_of(self.use_button, self.report_button), self.unfinished)
        progress = beside(self.bar, self.stop_button, wide=(self.bar,), spacing=6)
        self.add(progress, self.doing, self.error, self.about, self.live, self.notices, self.plan)
        self.add(self.options, self.start_button, self.refused)

        self.form.changed.connect(self._on_form)
        session.computing_changed.connect(self._on_computing)
        self.live.pictures.chosen.connect(self._on_picture)
        fine_tune.changed.connect(self.refresh)
        fine_tune.planned.connect(self.refresh)
        fine_tune.measured.connect(self._refresh_live)
        session.model_changed.connect(self.refresh)
        session.poses_changed.connect(self.refresh)
        session.crop_changed.connect(self.refresh)
        session.prediction.changed.connect(self._on_prediction)
        theme = session.viewer.events.theme
        theme.connect(self._restyle)
        session.ended.connect(lambda: theme.disconnect(self._restyle))
        self._restyle()
        self.refresh()

    # ----------------------------------------------------------------- what there is to choose

    def set_models(self, models: list[ModelInfo]) -> None:
        """Offer more models to start from."""
        self._models.update({model.choice: None for model in models})
        self.form.set_models(list(self._models))

    def set_devices(self, devices: list[tuple[str, str]]) -> None:
        """Offer devices to train on."""
        self.form.set_devices(devices)

    def _on_computing(self) -> None:
        """What is set for predicting is what a fine-tune starts with, until it is set here."""
        self.form.compute_with(self._session.device, self._session.precision)

    def _on_form(self) -> None:
        self._fine_tune.configure(self.form.options())
        self.refresh()

    # ----------------------------------------------------------------- buttons

    def start(self) -> None:
        """Save the labels and train on them."""
        if self._fine_tune.start():
            # The next model needs another name.
            self.form.name.value = ""

    @given("_fine_tune.run.report")
    def open_report(self, report: Path) -> None:
        """Show the report in the browser."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(report)))

    def _switch_model(self) -> None:
        run = self._fine_tune.run
        new = self._session.model == run.model
        self._fine_tune.use(run.old_model if new else run.model)

    def _on_prediction(self) -> None:
        # Every batch of a prediction comes by here.
        active = self._session.prediction.active
        if active != self._predicting:
            self._predicting = active
            self.refresh()

    @given("_session.labelling.document")
    def _on_picture(self, document: LabelDocument, video: str, frame: int) -> None:
        if document.files.images.name == video:
            self._session.go_to(frame)

    # ----------------------------------------------------------------- what is shown

    def refresh(self, *_: Any) -> None:
        """Bring every line up to date with the session."""
        fine_tune, run = self._fine_tune, self._fine_tune.run
        plan = fine_tune.plan
        waits = waiting_words(plan)
        self.set_waiting(not run.active and bool(waits))
        self.hint.setText("" if run.active else waits)
        if not run.active:
            self.form.set_videos(list(plan.labels.by_video()))
            self.form.set_proposed_name(fine_tune.proposed_name)
        self.unfinished.refresh()
        self._refresh_plan(run)
        self._refresh_progress(run)
        self._refresh_end(run)
        if not run.active or run is not self.live.run:
            # While it runs, `measured` says when there is something new to draw.
            self._refresh_live()
        self.notices.say(notice_words(run), "warning")
        self.notices.setToolTip("\n".join(run.notices))
        self.refused.say("" if run.active else fine_tune.refused or plan.message, "error")
        self.status = self._words(run)

    def _words(self, run: TrainingRun) -> str:
        match run.status:
            case "":
                frames = len(self._fine_tune.plan.labels)
                return counted(frames, "frame") if frames else ""
            case "running" if run.steps:
                return f"{100 * run.step // run.steps} %"
            case "starting" | "running":
                return "starting"
            case "done":
                return change_words(run)
        return {"cancelling": "stopping", "cancelled": "stopped"}.get(run.status, run.status)

    def _refresh_plan(self, run: TrainingRun) -> None:
        fine_tune, session = self._fine_tune, self._session
        plan = fine_tune.plan
        ready = plan.can_start and not run.active
        words = ""
        if ready:
            cropped = session.made.crop is not None
            words = plan_words(plan, fine_tune.options, session.model, cropped=cropped)
        self.plan.setText(words)
        offer = not run.active and plan.status not in ("no video", "no project", "counting")
        self.options.setVisible(offer)
        self.options.set_summary(self.form.summary(session.model))
        self.start_button.setVisible(not run.active)
        self.start_button.setEnabled(ready)
        again = run.status == "done"
        words = "Fine-tune again" if again else "Fine-tune"
        if self.unfinished.offers:
            words = "Begin anew"
        frames = counted(len(plan.labels), "frame")
        self.start_button.setText(f"{words} on {frames}" if ready else "Fine-tune")
        set_look(self.start_button, "" if self.unfinished.offers or again else "primary")

    def _refresh_progress(self, run: TrainingRun) -> None:
        for widget in (self.bar, self.stop_button):
            widget.setVisible(run.active)
        if not run.active:
            for label in (self.doing, self.error, self.about):
                label.setText("")
            return
        self.about.setText(run_words(run))
        self.about.setToolTip(run.why or "")
        self.stop_button.setEnabled(run.status != "cancelling")
        if run.total > 1 and run.status != "starting":
            self.bar.setRange(0, run.total)
            self.bar.setValue(run.done)
        else:
            self.bar.setRange(0, 0)
        prediction = self._session.prediction
        if run.status == "starting" and not run.doing and prediction.active:
            self.doing.setText("Waits for the prediction to end …")
        else:
            self.doing.setText(stage_words(run))
        self.error.setText(error_words(run))

    def _refresh_end(self, run: TrainingRun) -> None:
        done = run.status == "done"
        self.verdict.show_result(run.result if done else None)
        for button in (self.use_button, self.report_button):
            button.setVisible(done)
        self.predict_button.setVisible(bool(self._can_predict(run)))
        match run.status:
            case "failed":
                self.ended.say(run.message, "error")
            case "cancelled":
                self.ended.say(stopped_words(run), "info")
            case _:
                self.ended.say("")
        if done:
            self.report_button.setEnabled(bool(run.report))
            new = self._session.model == run.model
            self.use_button.setText("Use the old model" if new else "Use the new model")
            self.use_button.setEnabled(bool(run.old_model) or not new)
            other = start_name(run.old_model if new else run.model)
            self.use_button.setToolTip(f"Predict and explain with {other}")
            self.verdict.show_use(run.name, new)

    @on_video
    def _can_predict(self, opened: OpenVideo, run: TrainingRun) -> bool:
        """Whether the new model is in use and idle; what the button says then."""
        session = self._session
        if run.status != "done" or session.model != run.model:
            return False
        there = opened.poses is not None and opened.model == session.model_name
        self.predict_button.setText("Predict again with it" if there else "Predict with it")
        set_look(self.predict_button, "" if there else "primary")
        return not session.prediction.active

    def _refresh_live(self) -> None:
        run = self._fine_tune.run
        self.live.show_run(run)
        if run.active:
            self.error.setText(error_words(run))

    # ----------------------------------------------------------------- colours and the end

    def _restyle(self, event: Any = None) -> None:
        self.live.set_theme(self._session.viewer.theme)
