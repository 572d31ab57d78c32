"""Section 5: train a model on the corrected frames, see it get better, and use it."""

from __future__ import annotations

from typing import Any

from napari.utils.theme import get_theme
from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QColor, QDesktopServices
from qtpy.QtWidgets import (
    QHBoxLayout,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_vitface.gui.fine_tune.form import FineTuneForm
from napari_vitface.gui.fine_tune.pictures import HeldOutPictures
from napari_vitface.gui.fine_tune.plot import CurvePlot
from napari_vitface.gui.fine_tune.run import Run, Unfinished
from napari_vitface.gui.fine_tune.verdict import Verdict
from napari_vitface.gui.fine_tune.words import (
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
from napari_vitface.gui.models import ModelInfo
from napari_vitface.gui.section import Fold, Note, Section, WrappedLabel, set_look
from napari_vitface.gui.style import count
from napari_vitface.gui.workbench import Workbench


class FineTuneSection(Section):
    """What will happen, the button, how it goes, and the verdict."""

    #: The user wants to see what the new model finds.
    predict_wanted = Signal()

    def __init__(self, session: Workbench, parent: QWidget | None = None) -> None:
        super().__init__(5, "Fine-tune", parent)
        self._session = session
        self._fine_tune = fine_tune = session.fine_tune
        self.question: QMessageBox | None = None
        self._models: dict[str, None] = {}
        self._predicting = False

        self.unfinished = WrappedLabel("", "value")
        self.plan = WrappedLabel("", "value")
        self.form = FineTuneForm()
        self.options = Fold("Options", self.form)
        self.start_button = _button("Fine-tune", "Save the labels and train a new model on them")
        self.start_button.clicked.connect(lambda: self.start())
        self.refused = Note()

        self.bar = QProgressBar()
        self.bar.setTextVisible(True)
        self.bar.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.stop_button = QPushButton("Stop")
        self.stop_button.setToolTip("Stop; what was reached is kept and can be continued")
        self.stop_button.clicked.connect(lambda: fine_tune.stop())
        self.doing = WrappedLabel("", "value")
        self.about = WrappedLabel("", "hint")
        self.error = WrappedLabel("", "value")

        self.ended = Note()
        self.continue_button = _button("Continue", "Go on training from where it was stopped")
        self.continue_button.clicked.connect(lambda: self._resume())
        self.end_button = _button("End here", "Judge what was reached, and use it as it is")
        self.end_button.clicked.connect(lambda: self._resume(finish=True))
        self.discard_button = _button("Discard", "Give up what was reached")
        self.discard_button.clicked.connect(lambda: self.ask_to_discard())
        self.verdict = Verdict()

        self.predict_button = _button("Predict with it", "Find the keypoints in this video anew")
        self.predict_button.clicked.connect(lambda: self.predict_wanted.emit())
        self.use_button = _button("Use the old model", "")
        self.use_button.clicked.connect(lambda: self._switch_model())
        self.report_button = _button("Open report", "All figures, plots and the worst frames")
        self.report_button.clicked.connect(lambda: self.open_report())

        self.plot = CurvePlot()
        self.pictures = HeldOutPictures()
        self.legend = WrappedLabel("Held out; ring: your label, dot: the model")
        live = QWidget()
        inside = QVBoxLayout(live)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(5)
        for widget in (self.plot, self.legend, self.pictures):
            inside.addWidget(widget)
        self.live = Fold("Curve and held-out frames", live)
        self.notices = Note()

        self.content.addWidget(self.ended)
        self.content.addWidget(self.verdict)
        self.content.addWidget(self.predict_button)
        self.content.addLayout(_row(self.use_button, self.report_button))
        self.content.addWidget(self.unfinished)
        self.content.addLayout(_row(self.continue_button, self.end_button, self.discard_button))
        progress = QHBoxLayout()
        progress.setSpacing(6)
        progress.addWidget(self.bar, 1)
        progress.addWidget(self.stop_button)
        self.content.addLayout(progress)
        for part in (self.doing, self.error, self.about, self.live, self.notices):
            self.content.addWidget(part)
        self.content.addWidget(self.plan)
        self.content.addWidget(self.options)
        self.content.addWidget(self.start_button)
        self.content.addWidget(self.refused)

        self.form.changed.connect(self._on_form)
        session.computing_changed.connect(self._on_computing)
        self.pictures.chosen.connect(self._on_picture)
        fine_tune.changed.connect(self.refresh)
        fine_tune.planned.connect(self.refresh)
        fine_tune.measured.connect(self._refresh_live)
        session.model_changed.connect(self.refresh)
        session.poses_changed.connect(self.refresh)
        session.crop_changed.connect(self.refresh)
        session.prediction.changed.connect(self._on_prediction)
        viewer = session.viewer
        if viewer is not None:
            viewer.events.theme.connect(self._restyle)
        session.ended.connect(self._let_go)
        self._shown_run: Run | None = None
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

    def _resume(self, *, finish: bool = False) -> None:
        offered = self._offered()
        if offered is not None:
            self._fine_tune.resume(offered.folder, finish=finish)

    def ask_to_discard(self) -> QMessageBox | None:
        """Ask before hours of training are thrown away."""
        offered = self._offered()
        if offered is None:
            return None
        question = self.question = QMessageBox(self)
        question.setWindowTitle("Fine-tune")
        question.setText(
            f"Give up {offered.name}, which stands at step {offered.step} of {offered.steps}?"
        )
        question.setInformativeText("Your labels stay; what was trained is deleted.")
        yes = question.addButton("Discard", QMessageBox.ButtonRole.DestructiveRole)
        keep = question.addButton("Keep", QMessageBox.ButtonRole.RejectRole)
        question.setDefaultButton(keep)

        def answered(_: int) -> None:
            if question.clickedButton() is yes:
                self._fine_tune.discard(offered.folder)
            question.deleteLater()

        question.finished.connect(answered)
        question.open()
        return question

    def open_report(self) -> None:
        """Show the report in the browser."""
        run = self._fine_tune.run
        if run is not None and run.report is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(run.report)))

    def _switch_model(self) -> None:
        run = self._fine_tune.run
        if run is not None and run.model:
            new = self._session.model == run.model
            self._fine_tune.use(run.old_model if new else run.model)

    def _on_prediction(self) -> None:
        # Every batch of a prediction comes by here.
        active = self._session.prediction.active
        if active != self._predicting:
            self._predicting = active
            self.refresh()

    def _on_picture(self, video: str, frame: int) -> None:
        document = self._session.labelling.document
        if document is not None and document.files.images.name == video:
            self._session.go_to(frame)

    # ----------------------------------------------------------------- what is shown

    def refresh(self, *_: Any) -> None:
        """Bring every line up to date with the session."""
        fine_tune = self._fine_tune
        run, plan = fine_tune.run, fine_tune.plan
        active = run is not None and run.active
        waits = waiting_words(plan)
        self.set_waiting(not active and bool(waits))
        self.hint.setText("" if active else waits)
        if not active:
            self.form.set_videos(list(plan.labels.by_video()))
            self.form.set_proposed_name(fine_tune.proposed_name)
        self._refresh_plan(active)
        self._refresh_progress(run if active else None)
        self._refresh_end(run if not active else None)
        self._refresh_offer(active)
        if not active or run is not self._shown_run:
            # While it runs, `measured` says when there is something new to draw.
            self._refresh_live()
        self.notices.say(notice_words(run) if run is not None else "", "warning")
        self.notices.setToolTip("\n".join(run.notices) if run is not None else "")
        self.refused.say("" if active else fine_tune.refused or plan.message, "error")
        self.status = self._words(run)

    def _words(self, run: Run | None) -> str:
        if run is None:
            frames = len(self._fine_tune.plan.labels)
            return count(frames, "frame") if frames else ""
        match run.status:
            case "running" if run.steps:
                return f"{100 * run.step // run.steps} %"
            case "starting" | "running":
                return "starting"
            case "done":
                return change_words(run)
        return run.status

    def _refresh_plan(self, active: bool) -> None:
        fine_tune, session = self._fine_tune, self._session
        plan, run = fine_tune.plan, fine_tune.run
        ready = plan.can_start and not active
        words = ""
        if ready:
            cropped = session.current is not None and session.current.crop is not None
            words = plan_words(plan, fine_tune.options, session.model, cropped=cropped)
        self.plan.setText(words)
        offer = not active and plan.status not in ("no video", "no project", "counting")
        self.options.setVisible(offer)
        self.options.set_summary(self.form.summary(session.model))
        self.start_button.setVisible(not active)
        self.start_button.setEnabled(ready)
        frames = count(len(plan.labels), "frame")
        again = run is not None and run.status == "done"
        words = "Fine-tune again" if again else "Fine-tune"
        if self._offered() is not None:
            words = "Begin anew"
        self.start_button.setText(f"{words} on {frames}" if ready else "Fine-tune")
        waits = self._offered() is not None or again
        set_look(self.start_button, "" if waits else "primary")

    def _refresh_progress(self, run: Run | None) -> None:
        for widget in (self.bar, self.stop_button):
            widget.setVisible(run is not None)
        if run is None:
            for label in (self.doing, self.error, self.about):
                label.setText("")
            return
        self.about.setText(run_words(run))
        self.about.setToolTip("" if run.settings is None else run.settings.why)
        self.stop_button.setEnabled(run.status != "stopping")
        if run.total > 1 and run.status != "starting":
            self.bar.setRange(0, run.total)
            self.bar.setValue(run.done)
        else:
            self.bar.setRange(0, 0)
        prediction = self._session.prediction
        if run.status == "starting" and not run.stage and prediction.active:
            self.doing.setText("Waits for the prediction to end …")
        else:
            self.doing.setText(stage_words(run))
        self.error.setText(error_words(run))

    def _refresh_end(self, run: Run | None) -> None:
        done = run is not None and run.status == "done"
        self.verdict.show_result(run.result if run is not None and done else None)
        for button in (self.use_button, self.report_button):
            button.setVisible(done)
        self._refresh_predict(run if done else None)
        if run is None:
            self.ended.say("")
            return
        match run.status:
            case "failed":
                self.ended.say(run.message, "error")
            case "stopped":
                self.ended.say(stopped_words(run), "info")
            case _:
                self.ended.say("")
        if done:
            self.report_button.setEnabled(run.report is not None)
            new = self._session.model == run.model
            self.use_button.setText("Use the old model" if new else "Use the new model")
            self.use_button.setEnabled(bool(run.old_model) or not new)
            other = start_name(run.old_model if new else run.model)
            self.use_button.setToolTip(f"Predict and explain with {other}")
            self.verdict.show_use(run.name, new)

    def _refresh_predict(self, run: Run | None) -> None:
        session = self._session
        opened = session.current
        wanted = run is not None and session.model == run.model and opened is not None
        wanted = wanted and not session.prediction.active
        self.predict_button.setVisible(wanted)
        if opened is not None:
            there = opened.poses is not None and opened.model == session.model_name
            self.predict_button.setText("Predict again with it" if there else "Predict with it")
            set_look(self.predict_button, "" if there else "primary")

    def _offered(self) -> Unfinished | None:
        """The run that Continue goes on with."""
        fine_tune = self._fine_tune
        if fine_tune.active or not fine_tune.unfinished:
            return None
        run = fine_tune.run
        if run is not None:
            for one in fine_tune.unfinished:
                if one.folder == run.folder:
                    return one
        return fine_tune.unfinished[0]

    def _refresh_offer(self, active: bool) -> None:
        offered, run = self._offered(), self._fine_tune.run
        for button in (self.continue_button, self.end_button, self.discard_button):
            button.setVisible(offered is not None)
        mine = offered is not None and run is not None and run.folder == offered.folder
        set_look(self.continue_button, "primary" if mine or run is None else "")
        text = ""
        if offered is not None and not mine:
            text = f"The fine-tune {offered.name} was not finished"
            text += f": step {offered.step} of {offered.steps}." if offered.steps else "."
        self.unfinished.setText(text)
        if offered is not None:
            self.end_button.setEnabled(offered.step > 0)

    def _refresh_live(self) -> None:
        run = self._fine_tune.run
        there = run is not None and bool(run.curve.losses or run.curve.errors or run.shown)
        if run is not self._shown_run:
            self._shown_run = run
            self.live.button.setChecked(run is not None)
        self.live.setVisible(there)
        if run is None or not there:
            return
        if run.status == "done" and self.live.button.isChecked() and not self._folded_once(run):
            self.live.button.setChecked(False)
        steps = run.steps if run.result is None else run.result.steps or run.steps
        self.plot.show_curve(run.curve, steps)
        keypoints = None if run.settings is None else run.settings.keypoints
        colours = {}
        if keypoints is not None:
            colours = dict(zip(keypoints.names, keypoints.colours, strict=True))
        self.pictures.show_frames(run.shown, colours)
        self.pictures.setVisible(run.shown is not None)
        self.legend.setVisible(run.shown is not None)
        if run.active:
            self.error.setText(error_words(run))

    def _folded_once(self, run: Run) -> bool:
        """Whether the curve of this run was folded away at its end already."""
        folded = getattr(self, "_folded", None) is run
        self._folded = run
        return folded

    # ----------------------------------------------------------------- colours and the end

    def _restyle(self, event: Any = None) -> None:
        viewer = self._session.viewer
        if viewer is not None:
            theme = get_theme(viewer.theme)
            back, text = (QColor(*c.as_rgb_tuple()[:3]) for c in (theme.canvas, theme.text))
            self.plot.set_colours(text, back)

    def _let_go(self) -> None:
        viewer = self._session.viewer
        if viewer is not None:
            viewer.events.theme.disconnect(self._restyle)


def _button(text: str, words: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(words)
    button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return button


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(5)
    for widget in widgets:
        row.addWidget(widget, 1)
    return row
