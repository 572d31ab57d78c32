"""Section 2: run a model over the video and see how it goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QLabel,
    QPushButton,
)
from superqt import QFlowLayout

from napari_vitface.gui.eliding_box import ElidingComboBox
from napari_vitface.gui.given import given
from napari_vitface.gui.model_info import ModelInfo
from napari_vitface.gui.numbers import counted
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.gui.overlays import KEYPOINTS, SKELETON
from napari_vitface.gui.plugin_docks import TRAJECTORIES
from napari_vitface.gui.predict.export_button import ExportButton
from napari_vitface.gui.predict.low_confidence import LowConfidence
from napari_vitface.gui.predict.options_form import PredictOptionsForm
from napari_vitface.gui.predict.picture_part import PicturePart
from napari_vitface.gui.predict.prediction import Run
from napari_vitface.gui.run_progress import RunProgress
from napari_vitface.gui.section import Fold, Note, Section, WrappedLabel, beside, set_look
from napari_vitface.gui.session_dock import open_session_dock
from napari_vitface.gui.workbench import Workbench
from napari_vitface.jobs.results.prediction import PredictResult, PredictSettings
from napari_vitface.pose.table import PointState

_ANOTHER_FILE = "Model file…"
_PREDICTIONS = "Open predictions…"
_MODEL_TIP = "The model that looks for the keypoints"


class PredictSection(Section):
    """Model, options, Predict, progress with time left, Cancel, and what came of it."""

    def __init__(self, session: Workbench) -> None:
        super().__init__(2, "Predict")
        self._session = session
        self._models: dict[str, ModelInfo] = {}

        self.model = ElidingComboBox()
        self.model.setToolTip(_MODEL_TIP)
        row = beside(QLabel("Model"), self.model, wide=(self.model,), spacing=8)
        self.about_model = WrappedLabel()
        self.picture = PicturePart(session)
        self.form = PredictOptionsForm(session)
        self.options = Fold("Options", self.form)

        self.predict_button = QPushButton("Predict")
        self.predict_button.clicked.connect(lambda: self.predict())
        keeps = "Stop; what is done is kept and the next run goes on from it"
        self.progress = RunProgress(session.prediction, "frame", keeps)
        self.bar, self.doing = self.progress.bar, self.progress.doing
        self.cancel_button = self.progress.cancel_button
        self.device = WrappedLabel("", "hint")
        self.result = Note()
        self.notices = Note()
        self.low_confidence = LowConfidence(session)
        self.folder_button = QPushButton("Show files")
        self.folder_button.setToolTip("Open the folder with the tables")
        self.folder_button.clicked.connect(lambda: self._show_in_folder())
        self.export_button = ExportButton(session)
        self.plot_button = QPushButton("Plot")
        self.plot_button.setToolTip("Open the trajectories below the canvas")
        self.plot_button.clicked.connect(lambda: open_session_dock(session.viewer, TRAJECTORIES))

        self.points = QCheckBox("Points")
        self.names = QCheckBox("Names")
        self.skeleton = QCheckBox("Skeleton")
        # In a narrow dock they go on in a second line.
        show = QFlowLayout()
        show.setHorizontalSpacing(10)
        show.setVerticalSpacing(4)
        self.show_label = QLabel("Show")
        show.addWidget(self.show_label)
        for box in (self.points, self.names, self.skeleton):
            box.setChecked(True)
            self.show_label.setMinimumHeight(box.sizeHint().height())
            show.addWidget(box)

        self.add(row, self.about_model, self.picture, self.options)
        # A line of its own: what it says can be long.
        self.add(self.predict_button)
        buttons = self.plot_button, self.folder_button, self.export_button
        self.add(beside(*buttons, spacing=6))
        self.add(self.progress, self.notices, self.low_confidence, self.device, self.result, show)

        overlays = session.overlays
        self.points.toggled.connect(lambda on: overlays.show(KEYPOINTS, on))
        self.skeleton.toggled.connect(lambda on: overlays.show(SKELETON, on))
        self.names.toggled.connect(lambda on: setattr(overlays, "names_visible", on))
        overlays.wanted_changed.connect(self._on_wanted)
        self.model.activated.connect(self._on_model)
        self.form.changed.connect(self.refresh)
        session.video_changed.connect(self._show_choice)
        session.video_changed.connect(self.refresh)
        session.poses_changed.connect(self.refresh)
        session.model_changed.connect(self._list_models)
        session.model_changed.connect(self.refresh)
        session.prediction.changed.connect(self.refresh)
        session.face_finding.changed.connect(self.refresh)
        session.video_list.changed.connect(self.refresh)
        self._list_models()
        self.refresh()

    # ----------------------------------------------------------------- models

    def set_models(self, models: list[ModelInfo]) -> None:
        """Offer models; the chosen one stays chosen."""
        self._models.update({model.choice: model for model in models})
        self._list_models()
        self.refresh()

    def choose_model_file(self) -> None:
        """Ask for a checkpoint and choose it."""
        path, _ = QFileDialog.getOpenFileName(self, "Choose a model", "", "Models (*.safetensors)")
        if path:
            self.use_model(path)
        else:
            self._list_models()

    def use_model(self, choice: str | Path) -> None:
        """Choose a bundled model by name or a checkpoint by path."""
        self._session.choose_model(str(choice))

    def _list_models(self) -> None:
        choices = list(self._models)
        if self._session.model not in choices:
            choices.append(self._session.model)
        self.model.clear()
        for row, choice in enumerate(choices):
            self.model.addItem(Path(choice).name, choice)
            about = self._models.get(choice, ModelInfo(choice)).sentences
            self.model.setItemData(row, "\n".join(about), Qt.ItemDataRole.ToolTipRole)
        self.model.insertSeparator(len(choices))
        self.model.addItem(_ANOTHER_FILE, None)
        self.model.addItem(_PREDICTIONS, None)
        self.model.setItemData(
            self.model.count() - 1,
            "Show what another program predicted of this video",
            Qt.ItemDataRole.ToolTipRole,
        )
        self._show_choice()

    def _show_choice(self) -> None:
        """Show in the list what the points on screen come from."""
        source = self._session.made.source
        last = self.model.count() - 1
        self.model.setItemText(last, f"Opened: {source.name}" if source else _PREDICTIONS)
        self.model.setToolTip(str(source) if source else _MODEL_TIP)
        self.model.setCurrentIndex(last if source else self.model.findData(self._session.model))

    def open_predictions(self) -> None:
        """Ask for a table of another program and show it."""
        self._open_table_of()
        self._show_choice()

    @on_video
    def _open_table_of(self, opened: OpenVideo) -> None:
        from napari_vitface.formats.format import suffixes

        kinds = f"Predictions ({' '.join(f'*{suffix}' for suffix in suffixes('predictions'))})"
        path, _ = QFileDialog.getOpenFileName(
            self, "Open predictions", str(opened.path.parent), kinds
        )
        if path:
            self._session.saved_predictions.open(Path(path))

    def _on_model(self, index: int) -> None:
        choice = self.model.itemData(index)
        if index == self.model.count() - 1:
            self.open_predictions()
        elif choice is None:
            self.choose_model_file()
        else:
            self.use_model(choice)

    # ----------------------------------------------------------------- running

    def predict(self) -> None:
        """Start a run with what is set."""
        overwrite = self._session.made.saved is not None
        self._session.prediction.start(self.form.options(overwrite=overwrite))

    @given("_session.made.saved")
    def _show_in_folder(self, saved: Path) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(saved.parent)))

    def _on_wanted(self, what: str, wanted: bool) -> None:
        box = {KEYPOINTS: self.points, SKELETON: self.skeleton}.get(what)
        if box is not None and box.isChecked() != wanted:
            box.blockSignals(True)
            box.setChecked(wanted)
            box.blockSignals(False)

    # ----------------------------------------------------------------- what is shown

    def refresh(self, *_: Any) -> None:
        """Bring every line up to date with the session."""
        active = self._session.prediction.active
        self.options.set_summary(self.form.summary())
        self.options.setEnabled(not active)
        self.model.setEnabled(not active)
        self.predict_button.setVisible(not active)
        self.predict_button.setToolTip("")
        if self._session.made.waiting:
            self._show_waiting()
        self._show_video()

    def _show_waiting(self) -> None:
        self.set_waiting(True)
        self.hint.setText(self._session.made.waiting)
        self.status = ""
        self._describe_model(True)
        self.predict_button.setText("Predict")
        self.predict_button.setEnabled(False)
        for widget in (self.show_label, self.points, self.names, self.skeleton, self.folder_button,
                       self.plot_button, self.export_button, self.low_confidence):  # fmt: skip
            widget.setVisible(False)
        self.device.setText("")
        for note in (self.notices, self.result):
            note.say("")
        self._refresh_progress()

    @on_video
    def _show_video(self, opened: OpenVideo) -> None:
        session = self._session
        self.set_waiting(False)
        own = opened.source is None
        run = session.prediction.last_run(opened)
        self._describe_model(own)
        # Not on the whole frame while the face is being looked for.
        self.predict_button.setEnabled(not session.face_finding.active)
        there = opened.poses is not None
        for widget in (self.show_label, self.points, self.names, self.skeleton, self.plot_button,
                       self.export_button):  # fmt: skip
            widget.setVisible(there)
        self.folder_button.setVisible(opened.saved is not None)
        self._refresh_hint(opened, run)
        self._mention_list(opened)
        self._refresh_progress()
        finding = session.face_finding.active
        if self.low_confidence.refresh(opened, run, finding=finding):
            self.status = "low confidence"
        self._say_source(opened)
        self._show_run(run)

    def _describe_model(self, own: bool) -> None:
        model = self._session.model
        info = self._models.get(model, ModelInfo(model))
        self.about_model.setText(" ".join(info.sentences) if own else "")

    def _refresh_hint(self, opened: OpenVideo, run: Run) -> None:
        active = self._session.prediction.active
        predicted = 0
        if not active and opened.poses is not None and opened.saved:
            predicted = int((opened.poses.state != PointState.ABSENT).any(axis=1).sum())
        finished = predicted == len(opened.video)
        # The points on screen may be those of another part of the picture.
        moved = run.crop != opened.crop
        set_look(self.predict_button, "" if finished and not moved else "primary")
        frames = counted(self.form.frame_count, "frame")
        if active:
            self.hint.setText("")
            self.predict_button.setText("Predict")
        elif run.status == "cancelled":
            kept = "What is done is kept; Go on predicts the rest." if run.done else ""
            lost = run.lost
            self.hint.setText(f"Cancelled. {lost or kept}".rstrip())
            self.predict_button.setText(f"{'Predict' if lost else 'Go on with'} {frames}")
            self.status = "cancelled"
        elif predicted and opened.saved:
            self.hint.setText("Move the slider to look at the points.")
            same = self.form.frame_count == predicted
            self.predict_button.setText("Predict again" if same else f"Predict {frames}")
            self.predict_button.setToolTip(f"Replaces {opened.saved.name}")
            total = counted(len(opened.video), "frame")
            self.status = "done" if finished else f"{predicted} of {total}"
        elif opened.source is not None:
            self.hint.setText("Move the slider to look at the points.")
            self.predict_button.setText(f"Predict {frames}")
            self.predict_button.setToolTip(f"With {self._session.model_name}")
            set_look(self.predict_button, "")
            self.status = "opened"
        else:
            self.hint.setText("Press Predict: points appear on the video as they are found.")
            self.predict_button.setText(f"Predict {frames}")
            self.status = "ready"

    def _mention_list(self, opened: OpenVideo) -> None:
        """Say what the list of videos does meanwhile, if it runs."""
        videos = self._session.video_list
        if self._session.prediction.active or not (videos.going or videos.active):
            return
        if videos.is_filling(opened):
            self.hint.setText("The list of videos is at this one: points appear as they are found.")
            self.predict_button.setEnabled(False)
            self.status = "in the list"
        else:
            self.hint.setText(
                "The list of videos is running. Predict comes after the video that it is at."
            )

    def _refresh_progress(self) -> None:
        prediction, waiting = self._session.prediction, ""
        if self._session.fine_tune.active:
            waiting = "Waits for the fine-tune to end, which section 5 can stop"
        elif self._session.video_list.active:
            waiting = "Waits for the video that the list of videos is at"
        run = prediction.last
        self.progress.show_run(run, waiting=waiting)
        if run.active:
            self.status = f"{100 * run.done // run.total} %" if run.total else "starting"

    def _show_run(self, run: Run) -> None:
        """What the last run of this video computed with, had to say and came to."""
        self.device.setText(device_line(run.settings))
        self.device.setToolTip(run.why or "")
        self.notices.say("\n".join(run.notices), "warning")
        if run.status == "failed":
            self.result.say(run.message, "error")
            self.status = "failed"
        elif run.result is not None:
            self.result.say(result_line(run.result, run.opened.path), "info")

    def _say_source(self, opened: OpenVideo) -> None:
        """Where the points come from, if not from a run in this window."""
        if opened.source is not None:
            self.result.say(
                f"Showing {opened.source.name}, as another program saved it. Choose a model to go "
                "back to its points.",
                "info",
            )
        elif opened.saved is not None and opened.poses is not None:
            self.result.say(f"Opened {opened.saved.name}, found beside the video.", "info")
        else:
            self.result.say("")


def device_line(settings: PredictSettings | None) -> str:
    """What the run computes with and why, in one line."""
    if settings is None:
        return ""
    line = f"{settings.device.upper()}, {settings.precision}"
    # "bf16 on cpu: measured 12.7 ms an image, fp32 on cpu 30.5 ms; points move ...": the timing.
    _, colon, why = settings.why.partition(": ")
    why = why.partition(";")[0].rstrip(".")
    return f"{line} — {why}" if colon and why else line


def result_line(result: PredictResult, video: Path) -> str:
    """Where the results are, and at which speed they came."""
    paths = [Path(path) for path in (result.h5, result.csv, result.overlay) if path]
    folder = paths[0].parent
    where = "beside the video" if folder == video.parent else f"in {folder}"
    text = f"Saved {_listed([path.name for path in paths])} {where}."
    speed = result.frames_per_second
    if speed:
        text += f" {counted(speed, 'frame')} a second."
    return text


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + f" and {names[-1]}"
