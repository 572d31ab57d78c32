"""Fine-tuning from labels to a model in use, with the real engine; the last part in a window."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_vitface.engine import Engine
from napari_vitface.gui.fine_tune.fine_tune_options import FineTuneOptions
from napari_vitface.gui.fine_tune.fine_tuning import FineTune
from napari_vitface.gui.fine_tune.training_run import NO_RUN
from napari_vitface.gui.open_videos import open_for_window
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.project.label_reading import read_labels
from napari_vitface.video import VideoWriter

if TYPE_CHECKING:
    from conftest import Pump
    from napari.components import ViewerModel

    from napari_vitface.gui.dock import ViTFaceDock
    from napari_vitface.gui.workbench import Workbench

WAIT = 600_000
FACE = KeypointSet(("eye", "nose tip", "mouth"))
#: Takes the tiny model from tens of pixels to a few.
SHORT = FineTuneOptions(steps=100, batch_size=8, learning_rate=0.01, device="cpu", precision="fp32")
#: More steps than any test waits for.
LONG = FineTuneOptions(quick=False, steps=5000, batch_size=4, device="cpu", precision="fp32")


def spot_at(frame: int) -> tuple[float, float]:
    """Where the spot is, which comes back to the same places every eight frames."""
    turn = 2 * np.pi * frame / 8
    return 64 + 36 * np.cos(turn), 46 + 26 * np.sin(turn)


def write_spot(path: Path, frames: int = 40) -> Path:
    """A grey video of a bright spot that goes round over black."""
    y, x = np.mgrid[:96, :128]
    with VideoWriter(path, (96, 128), 50.0) as writer:
        for frame in range(frames):
            across, down = spot_at(frame)
            spot = 255 * np.exp(-((x - across) ** 2 + (y - down) ** 2) / 8)
            writer.write(spot.astype(np.uint8))
    return path


def label(session: Workbench, frames: range) -> None:
    """Place the keypoints on and beside the bright spot, as a user does."""
    for frame in frames:
        x, y = spot_at(frame)
        places = {0: (x, y), 1: (x + 10, y), 2: (x, y + 8)}
        assert session.labelling.move(places, frame)


def make_project(session: Workbench, until: Callable[..., None], video: Path, folder: Path) -> None:
    """A project with the video in it; its labels are open when this returns."""
    session.add_video(open_for_window(video))
    until(lambda: not session.labelling.documents.opening)
    session.labelling.documents.create(folder, FACE, "me")
    until(lambda: session.labelling.document is not None)


@pytest.fixture
def video_path(tmp_path: Path) -> Path:
    return write_spot(tmp_path / "mouse.mp4")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "face"


@pytest.fixture
def ready(
    session: Workbench, pump: Pump, tiny_model: Path, video_path: Path, home: Path
) -> FineTune:
    """A tiny model in use, and a video with every second frame labelled, nothing saved."""
    session.choose_model(str(tiny_model))
    make_project(session, pump.until, video_path, home)
    label(session, range(0, 40, 2))
    session.fine_tune.configure(SHORT)
    return session.fine_tune


def reopened(session: Workbench, pump: Pump, video: Path) -> FineTune:
    """The fine-tunes of a session on a video that was labelled before."""
    session.add_video(open_for_window(video))
    pump.until(lambda: session.labelling.document is not None)
    return session.fine_tune


# --------------------------------------------------------------------- before the press


def test_the_plan_says_what_is_there_before_anything_is_saved(ready: FineTune, pump: Pump) -> None:
    pump.until(lambda: ready.plan.status == "ready")
    assert len(ready.plan.labels) == 20
    assert ready.plan.labels.points == 60
    assert ready.plan.result.training == {"mouse": 15}
    assert ready.plan.result.held_out == {"mouse": 5}
    assert ready.plan.result.kept == FACE.names
    assert ready.plan.result.steps == 100


def test_what_training_needs_is_loaded_while_labels_are_made(
    session: Workbench,
    pump: Pump,
    video_path: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari.components import ViewerModel as Model

    from napari_vitface.gui.workbench import session_of

    asked: list[str] = []
    monkeypatch.setattr(Engine, "warm_up", lambda _, job: asked.append(job))
    make_project(session, pump.until, video_path, home)
    label(session, range(3))
    pump.until(lambda: len(session.fine_tune.plan.labels) == 3)
    assert asked == []
    label(session, range(3, 5))
    pump.until(lambda: asked == ["train"])
    assert session.fine_tune.plan.status == "ready"
    # Who opens a project that is labelled does not wait for it.
    session.close()
    asked.clear()
    viewer = Model()
    again = session_of(viewer, pump.post)
    opened = reopened(again, pump, video_path)
    pump.until(lambda: opened.plan.status == "ready")
    assert asked == []
    label(again, range(5, 6))
    pump.until(lambda: asked == ["train"])


def test_too_few_labels_and_none_at_all(
    session: Workbench, pump: Pump, video_path: Path, home: Path
) -> None:
    fine_tune = session.fine_tune
    pump.until(lambda: fine_tune.plan.status == "no video")
    session.add_video(open_for_window(video_path))
    pump.until(lambda: fine_tune.plan.status == "no project")
    assert not fine_tune.start()
    session.labelling.documents.create(home, FACE, "me")
    pump.until(lambda: fine_tune.plan.status == "too few")
    assert fine_tune.plan.missing == 4
    label(session, range(3))
    pump.until(lambda: len(fine_tune.plan.labels) == 3)
    assert fine_tune.plan.missing == 1
    assert not fine_tune.plan.can_start
    session.labelling.undo()
    pump.until(lambda: fine_tune.plan.missing == 2)


def test_a_choice_that_cannot_be_is_refused_before_the_press(
    ready: FineTune, pump: Pump, home: Path
) -> None:
    ready.configure(FineTuneOptions(val="video:other"))
    pump.until(lambda: ready.plan.status == "refused")
    assert "other" in ready.plan.message
    ready.configure(FineTuneOptions(image_size="tall"))
    pump.until(lambda: "tall" in ready.plan.message)
    assert not ready.start()
    assert "240x320" in ready.refused
    assert not (home / "vitface" / "runs").exists()


# --------------------------------------------------------------------- from the press to the end


def test_labels_are_saved_and_a_better_model_is_in_use(
    ready: FineTune,
    session: Workbench,
    pump: Pump,
    home: Path,
    tiny_model: Path,
    video_path: Path,
) -> None:
    offered: list[str] = []
    ready.models_found.connect(lambda models: offered.extend(m.choice for m in models))
    assert ready.start()
    assert not session.labelling.document.unsaved
    assert len(read_labels(home)) == 20
    pump.until(lambda: not ready.active)
    run = ready.run
    assert run.status == "done", run.message
    assert run.result.after.median < run.result.before.median
    assert run.result.verdict.better is True
    assert run.curve.errors[-1][1] < run.curve.errors[0][1]
    assert len(run.shown.images) == len(run.shown.frames) > 0
    assert session.model == run.model == str(home / "vitface" / "models" / "face.safetensors")
    assert run.old_model == str(tiny_model)
    assert session.model_keypoints.names == FACE.names
    assert run.report is not None
    pump.until(lambda: run.model in offered)
    ready.use(run.old_model)
    assert session.model == str(tiny_model)
    # The next one has a name of its own.
    assert ready.proposed_name == "face-2"
    # Who comes back another day finds the verdict again.
    session.close()
    from napari.components import ViewerModel as Model

    from napari_vitface.gui.workbench import session_of

    viewer = Model()
    again = session_of(viewer, pump.post)
    later = reopened(again, pump, video_path)
    pump.until(lambda: later.run is not NO_RUN)
    assert later.run.status == "done"
    assert later.run.result == run.result
    # The file of curves holds them in fewer digits.
    np.testing.assert_allclose(later.run.curve.errors, run.curve.errors, rtol=1e-3)
    assert later.run.report == run.report
    assert not later.resume()
    again.close()


def test_labels_go_on_being_corrected_and_attention_is_answered(
    ready: FineTune, session: Workbench, pump: Pump, viewer_model: ViewerModel
) -> None:
    ready.configure(LONG)
    ready.start()
    pump.until(lambda: ready.run.step > 5)
    session.attention.enabled = True
    viewer_model.dims.set_point(0, 31)
    pump.until(lambda: session.attention.status == "shown")
    assert session.attention.shown.frame == 31
    assert session.labelling.move({0: (20.0, 30.0)}, 31)
    before = ready.run.step
    pump.until(lambda: ready.run.step > before + 5)
    ready.cancel()
    pump.until(lambda: not ready.active)
    # What was labelled meanwhile counts for the next one.
    pump.until(lambda: len(ready.plan.labels) == 21)


def test_stop_continue_and_end(ready: FineTune, session: Workbench, pump: Pump, home: Path) -> None:
    ready.configure(LONG)
    ready.start()
    pump.until(lambda: ready.run.step > 10)
    ready.cancel()
    pump.until(lambda: not ready.active)
    stopped = ready.run
    assert stopped.status == "cancelled"
    assert stopped.can_continue
    pump.until(lambda: [one.name for one in ready.unfinished] == ["face"])
    assert ready.unfinished[0].step >= stopped.step
    assert not (home / "vitface" / "models" / "face.safetensors").exists()
    assert ready.resume()
    pump.until(lambda: ready.run.step > stopped.step)
    assert any("Going on from step" in text for text in ready.run.notices)
    # The judgement before the first step is still part of the curve.
    assert ready.run.curve.errors[0][0] == 0
    ready.cancel()
    pump.until(lambda: not ready.active)
    reached = ready.run.step
    assert ready.resume(finish=True)
    pump.until(lambda: not ready.active)
    assert ready.run.status == "done", ready.run.message
    assert reached <= ready.run.result.steps < 5000
    assert session.model == ready.run.model
    pump.until(lambda: not ready.unfinished)


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_the_engine_may_die_and_the_window_may_be_opened_anew(
    ready: FineTune,
    session: Workbench,
    pump: Pump,
    engine: Any,
    viewer_model: ViewerModel,
    video_path: Path,
) -> None:
    ready.configure(LONG)
    ready.start()
    pump.until(lambda: len(ready.run.curve.losses) > 1)
    os.kill(session.engine.pid, signal.SIGKILL)
    pump.until(lambda: not ready.active)
    assert ready.run.status == "failed"
    assert "engine" in ready.run.message
    assert "\n" not in ready.run.message
    assert ready.run.can_continue
    session.close()

    from napari.components import ViewerModel as Model

    from napari_vitface.gui.workbench import session_of

    viewer = Model()
    again = session_of(viewer, pump.post)
    fine_tune = reopened(again, pump, video_path)
    pump.until(lambda: bool(fine_tune.unfinished))
    (one,) = fine_tune.unfinished
    assert (one.name, one.start, one.steps) == ("face", "tiny", 5000)
    assert fine_tune.resume(one.folder)
    pump.until(lambda: fine_tune.run.status == "running" and fine_tune.run.step > 5)
    fine_tune.cancel()
    pump.until(lambda: not fine_tune.active)
    pump.until(lambda: bool(fine_tune.unfinished))
    assert fine_tune.discard(one.folder)
    pump.until(lambda: not fine_tune.unfinished)
    assert not fine_tune.resume()
    again.close()


# --------------------------------------------------------------------- what goes wrong


def test_a_conflict_is_shown_and_nothing_is_trained(
    ready: FineTune, session: Workbench, home: Path
) -> None:
    assert session.labelling.saving.save()
    (table,) = home.glob("labeled-data/mouse/CollectedData_me.h5")
    text = table.with_suffix(".csv")
    lines = text.read_text().splitlines()
    values = lines[3].split(",")
    values[3] = "1.5"
    text.write_text("\n".join([*lines[:3], ",".join(values), *lines[4:]]) + "\n")
    table.unlink()
    assert session.labelling.move({0: (50.0, 50.0)}, 0)
    assert not ready.start()
    assert ready.run is NO_RUN
    assert "section 4" in ready.refused
    assert session.labelling.saving.conflict is not None
    assert not (home / "vitface" / "runs").exists()


def test_labels_of_other_open_videos_are_saved_too(
    ready: FineTune, session: Workbench, pump: Pump, home: Path
) -> None:
    other = write_spot(home.parent / "second.mp4")
    session.add_video(open_for_window(other))
    pump.until(lambda: not session.labelling.documents.opening)
    session.labelling.documents.add_current()
    pump.until(lambda: session.labelling.document is not None)
    label(session, range(0, 12, 3))
    pump.until(lambda: ready.plan.labels.by_video() == {"mouse": 20, "second": 4})
    ready.start()
    ready.cancel()
    pump.until(lambda: not ready.active)
    assert set(read_labels(home).videos.tolist()) == {"mouse", "second"}


def test_a_name_that_is_taken_is_one_sentence(
    ready: FineTune, pump: Pump, home: Path, tiny_model: Path
) -> None:
    models = home / "vitface" / "models"
    models.mkdir(parents=True)
    shutil.copy(tiny_model, models / "taken.safetensors")
    ready.configure(FineTuneOptions(quick=False, steps=5, name="taken"))
    ready.start()
    pump.until(lambda: not ready.active)
    assert ready.run.status == "failed"
    assert "taken" in ready.run.message
    assert "\n" not in ready.run.message
    ready.configure(FineTuneOptions(quick=False, steps=5, name="a/b"))
    ready.start()
    pump.until(lambda: not ready.active)
    assert "a/b" in ready.run.message


def test_images_that_cannot_be_read_are_told(
    ready: FineTune, session: Workbench, pump: Pump, home: Path
) -> None:
    assert session.labelling.saving.save()
    images = sorted(home.glob("labeled-data/mouse/img*.png"))
    images[0].write_bytes(b"no image")
    ready.configure(LONG)
    ready.start()
    pump.until(lambda: ready.run.step > 0 or not ready.active)
    assert any(images[0].name in text for text in ready.run.notices)
    ready.cancel()
    pump.until(lambda: not ready.active)
    for image in images:
        image.write_bytes(b"no image")
    ready.start()
    pump.until(lambda: not ready.active)
    assert ready.run.status == "failed"
    assert "can be read" in ready.run.message


def test_a_training_in_another_process_is_left_alone(
    ready: FineTune, pump: Pump, home: Path
) -> None:
    from napari_vitface.jobs.training.run import RunFiles

    ready.configure(LONG)
    ready.start()
    pump.until(lambda: ready.run.step > 0)
    ready.cancel()
    pump.until(lambda: not ready.active)
    # Held by this process, which is not the engine's.
    with RunFiles.of("face", home / "vitface", flat=False).locked():
        ready.resume()
        pump.until(lambda: not ready.active)
        assert ready.run.status == "failed"
        assert "another process" in ready.run.message
        assert not ready.discard(ready.run.folder)
        assert "another process" in ready.refused
    assert ready.run.can_continue


def test_what_came_before_the_disk_was_full_is_kept(
    ready: FineTune, session: Workbench, pump: Pump, home: Path
) -> None:
    if os.name != "posix" or os.geteuid() == 0:
        runs = home / "vitface" / "runs"
        runs.parent.mkdir(parents=True, exist_ok=True)
        # Root may write anywhere, but not below a file.
        runs.write_text("in the way")
    else:
        (home / "vitface").mkdir(exist_ok=True)
        (home / "vitface").chmod(0o500)
    ready.start()
    pump.until(lambda: not ready.active)
    assert ready.run.status == "failed"
    assert "choose another output folder" in ready.run.message
    assert len(read_labels(home)) == 20


# --------------------------------------------------------------------- in a window


@pytest.fixture
def labelled_dock(
    dock: ViTFaceDock,
    qtbot: Any,
    tiny_model: Path,
    video_path: Path,
    home: Path,
) -> ViTFaceDock:
    session = dock.session
    session.choose_model(str(tiny_model))
    make_project(session, lambda done: qtbot.waitUntil(done, timeout=WAIT), video_path, home)
    label(session, range(0, 40, 2))
    form = dock.fine_tune_section.form
    form.widgets["steps"].value = 100
    form.widgets["batch_size"].value = 8
    form.widgets["learning_rate"].value = 0.01
    form.device.value = "cpu"
    form.precision.value = "fp32"
    return dock


def press(qtbot: Any, button: Any) -> None:
    from qtpy.QtCore import Qt

    assert button.isVisible()
    assert button.isEnabled()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def cut_off(dock: ViTFaceDock) -> list[Any]:
    """Widgets of the section that do not show all of their text, or reach out of the dock."""
    from qtpy.QtWidgets import QApplication, QLabel, QPushButton, QWidget

    QApplication.processEvents()
    width = dock.scroll_area.viewport().width()
    assert dock.width() <= 380
    cut: list[Any] = []
    for widget in dock.fine_tune_section.findChildren(QWidget):
        if not widget.isVisible():
            continue
        right = widget.mapTo(dock.scroll_area.viewport(), widget.rect().topRight()).x()
        if right > width:
            cut.append((type(widget).__name__, right))
        if isinstance(widget, QPushButton | QLabel) and widget.text():
            text = max(widget.text().replace("&", "").split("\n"), key=len)
            wraps = isinstance(widget, QLabel) and widget.wordWrap()
            elides = type(widget).__name__ == "QElidingLabel"
            needed = widget.fontMetrics().horizontalAdvance(text)
            if not wraps and not elides and needed > widget.width():
                cut.append((type(widget).__name__, text, needed, widget.width()))
    return cut


@pytest.mark.window
def test_one_press_ends_with_a_better_model_in_use(
    labelled_dock: ViTFaceDock, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dock = labelled_dock
    section, session = dock.fine_tune_section, dock.session
    fine_tune = session.fine_tune
    qtbot.waitUntil(lambda: fine_tune.plan.status == "ready", timeout=WAIT)
    words = section.plan.text()
    for part in ("15 of your 20 labelled frames", "of mouse", "tiny", "5 frames are held out"):
        assert part in words
    assert section.start_button.text() == "Fine-tune on 20 frames"
    section.options.button.setChecked(True)
    assert cut_off(dock) == []
    # Importing what it is drawn by can take as long as this training.
    assert section.live.plot is not None
    press(qtbot, section.start_button)
    assert section.stop_button.isVisible()
    assert not section.start_button.isVisible()
    qtbot.waitUntil(lambda: len(fine_tune.run.curve.errors) > 2, timeout=WAIT)
    assert section.live.plot.isVisible()
    # They have their height once Qt has laid them out.
    qtbot.waitUntil(lambda: section.live.pictures.height() > 100, timeout=WAIT)
    assert section.live.pictures.isVisible()
    assert "Held-out error" in section.error.text()
    assert "mean pose" in section.error.text()
    assert cut_off(dock) == []
    qtbot.waitUntil(lambda: not fine_tune.active, timeout=WAIT)
    run = fine_tune.run
    assert run.status == "done", run.message
    before, after, constant = (float(median) for _, median, _ in section.verdict.figures.rows)
    assert after < before
    assert after == round(run.result.after.median, 1)
    assert constant == round(run.result.mean_pose.median, 1)
    assert section.verdict.line.text().startswith("Better: median error")
    assert "more than chance" in section.verdict.words.text()
    assert "15 points" in section.verdict.words.text()
    assert [row[0] for row in section.verdict.keypoints.rows] == list(FACE.names)
    section.verdict.fold.button.setChecked(True)
    section.live.button.setChecked(True)
    assert cut_off(dock) == []
    # In use, listed and chosen in the Predict section.
    combo = dock.predict_section.model
    assert session.model == run.model
    assert combo.currentData() == run.model
    qtbot.waitUntil(lambda: "median" in dock.predict_section.about_model.text(), timeout=WAIT)
    opened: list[str] = []
    monkeypatch.setattr(
        "napari_vitface.gui.fine_tune.section.QDesktopServices.openUrl",
        lambda url: opened.append(url.toLocalFile()),
    )
    press(qtbot, section.report_button)
    assert Path(opened[0]).name == "report.html"
    assert Path(opened[0]).is_file()
    press(qtbot, section.use_button)
    assert session.model == run.old_model
    assert "not in use" in section.verdict.use.text()
    press(qtbot, section.use_button)
    assert session.model == run.model
    press(qtbot, section.predict_button)
    qtbot.waitUntil(lambda: session.prediction.run is not None, timeout=WAIT)
    qtbot.waitUntil(lambda: not session.prediction.active, timeout=WAIT)
    assert session.prediction.run.status == "done", session.prediction.run.message
    assert session.current.saved.name == "mouse_vitface_face.h5"
    # What it finds where nothing is labelled is near the spot.
    found = session.current.poses.xy[1:28:2, 0]
    truth = np.array([spot_at(frame) for frame in range(1, 28, 2)])
    assert np.median(np.linalg.norm(found - truth, axis=1)) < before


@pytest.mark.window
def test_stop_continue_and_discard_by_buttons(labelled_dock: ViTFaceDock, qtbot: Any) -> None:
    dock = labelled_dock
    section, fine_tune = dock.fine_tune_section, dock.session.fine_tune
    section.form.widgets["steps"].value = 5000
    qtbot.waitUntil(lambda: fine_tune.plan.can_start, timeout=WAIT)
    press(qtbot, section.start_button)
    qtbot.waitUntil(lambda: len(fine_tune.run.curve.losses) > 1, timeout=WAIT)
    press(qtbot, section.stop_button)
    qtbot.waitUntil(section.unfinished.continue_button.isVisible, timeout=WAIT)
    assert "Stopped at step" in section.ended.text()
    assert section.start_button.text().startswith("Begin anew")
    assert cut_off(dock) == []
    step = fine_tune.run.step
    press(qtbot, section.unfinished.continue_button)
    qtbot.waitUntil(lambda: fine_tune.run.step > step, timeout=WAIT)
    assert not section.unfinished.continue_button.isVisible()
    press(qtbot, section.stop_button)
    qtbot.waitUntil(section.unfinished.discard_button.isVisible, timeout=WAIT)
    press(qtbot, section.unfinished.discard_button)
    question = section.unfinished.question
    qtbot.waitUntil(question.isVisible, timeout=WAIT)
    press(qtbot, next(b for b in question.buttons() if b.text() == "Discard"))
    qtbot.waitUntil(lambda: not section.unfinished.discard_button.isVisible(), timeout=WAIT)
    assert section.ended.text() == ""
    assert section.start_button.text() == "Fine-tune on 20 frames"


@pytest.mark.window
def test_the_section_says_what_it_waits_for(
    dock: ViTFaceDock, qtbot: Any, video_path: Path, home: Path
) -> None:
    section = dock.fine_tune_section
    assert section.hint.text() == "Waits for a video."
    assert not section.start_button.isEnabled()
    make_project(dock.session, lambda done: qtbot.waitUntil(done, timeout=WAIT), video_path, home)
    qtbot.waitUntil(lambda: "at least 4" in section.hint.text(), timeout=WAIT)
    label(dock.session, range(3))
    qtbot.waitUntil(lambda: "1 more frame is needed" in section.hint.text(), timeout=WAIT)
    assert not section.start_button.isEnabled()
    assert section.status == "3 frames"


@pytest.mark.window
def test_naparis_menu_opens_the_section(dock: ViTFaceDock, qtbot: Any) -> None:
    from napari._app_model import get_app_model

    app = get_app_model()
    entries = [
        item.command.id
        for item in app.menus.get_menu("napari/layers/annotate")
        if hasattr(item, "command")
    ]
    assert "napari-vitface.fine_tune" in entries
    dock.fine_tune_section.set_open(False)
    app.commands.execute_command("napari-vitface.fine_tune").result()
    assert dock.fine_tune_section.header.isChecked()
