"""Make the pictures of the documentation from a real napari window on the drawn sample.

    python docs/screenshots.py
    python docs/screenshots.py states   # those of states alone
    python docs/screenshots.py traces   # that of traces alone
    python docs/screenshots.py mice     # what classifiers of real mice go by

Needs a display; without one, run it under ``xvfb-run -a -s "-screen 0 1400x1000x24"``. The machine
should do nothing else: the window says how fast it is. The last one needs no display, but the mice
of docs/states.md, in the folder ``der`` of the one that ``VITFACE_DATA`` names.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from qtpy.QtWidgets import QApplication

from napari_vitface.gui.actions import open_dock, open_events, open_frames, open_trajectories
from napari_vitface.gui.demo import open_demo
from napari_vitface.pose.keypoints import MOUSE_FACE
from napari_vitface.pose.table import PoseTable
from napari_vitface.sample import write_sample_video
from napari_vitface.sample.close_up import random_eye
from napari_vitface.sample.states import write_states_sample
from napari_vitface.video import VideoWriter, open_video

IMAGES = Path(__file__).parent / "images"
#: Frame of the sample that is shown.
FRAME = 60


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "sample.mp4"
        truth = write_sample_video(video)
        viewer = open_demo(video, block=False)
        viewer.window._qt_window.resize(1400, 1000)
        dock = viewer.window.dock_widgets["ViT Face (napari-vitface)"]
        prediction = dock.session.prediction
        wait(300, lambda: prediction.run is not None and prediction.run.status == "done")
        viewer.dims.set_current_step(0, FRAME)
        viewer.reset_view()
        attention = dock.session.attention
        wait(60, lambda: attention.status == "shown" and attention.shown.frame == FRAME)
        take(viewer, "window")
        attention_grid(viewer, dock)
        correcting(viewer, dock, Path(folder) / "my-project")
        trajectories(viewer, dock)
        put_away(viewer, "trajectories")
        fine_tuning(viewer, dock, truth)
        viewer.close()
        wait(1)
    states()
    traces()


def growing_pupil(path: Path) -> None:
    """A drawn eye whose pupil grows and shrinks; it blinks once."""
    image, pupil = random_eye(np.random.default_rng(1_000_011), (240, 320))
    y, x = np.mgrid[:240, :320]
    row, column = (float(np.mean(each)) for each in np.nonzero(pupil))
    away, dark = np.hypot(x - column, y - row), int(np.median(image[pupil]))
    with VideoWriter(path, image.shape, 30) as writer:
        for number in range(240):
            shown = image.copy()
            shown[away < 62 + 12 * np.sin(number / 25)] = dark
            if 100 <= number < 106:
                shown[:] = np.tile(image[:60], (4, 1))
            writer.write(shown)


def traces() -> None:
    """Motion and the pupil in the region of the eye, plotted and drawn on the video."""
    import napari

    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "eye.mp4"
        growing_pupil(video)
        viewer = napari.Viewer()
        viewer.window._qt_window.resize(1400, 1000)
        dock = open_dock(viewer)
        session, section = dock.session, dock.traces_section
        session.add_video(open_video(video))
        only(dock, "traces")
        section.kinds.choose("motion", "pupil")
        section.draw()
        corners = np.array([[4, 6], [4, 314], [234, 314], [234, 6]])
        viewer.layers["regions"].add_rectangles(corners)
        wait(1)
        section.measure_button.click()
        wait(300, lambda: session.measuring.measured.names)
        section.plot_button.click()
        viewer.dims.set_current_step(0, FRAME)
        viewer.layers.selection.active = session.current.layer
        viewer.reset_view()
        wait(3)
        take(viewer, "traces")
        viewer.close()
        wait(1)


def states() -> None:
    """The timeline of events, and a classifier of states with what it says of each frame."""
    import napari

    with tempfile.TemporaryDirectory() as folder:
        table = write_states_sample(Path(folder) / "trials", size=(240, 320))
        clip = table.with_name("mouse3_1_pain.mp4")
        viewer = napari.Viewer()
        viewer.window._qt_window.resize(1400, 1000)
        dock = open_dock(viewer)
        session = dock.session
        session.add_video(open_video(clip))
        only(dock, "states")
        open_events(viewer)
        annotating = session.annotating
        wait(30, lambda: annotating.document is not None)
        for label, onset, offset in (
            ("stimulus", 20, 20),
            ("pain face", 21, 38),
            ("still", 0, 12),
            ("still", 15, 20),
        ):
            annotating.add_label(label)
            annotating.draw(label, onset, offset)
        annotating.hint("")
        viewer.dims.set_current_step(0, 24)
        viewer.reset_view()
        take(viewer, "events")
        put_away(viewer, "events")
        section, classifying = dock.states_section, session.classifying
        classifying.open_table(table)
        section.form.label.setCurrentText("state")
        section.form.span.setText("20:34")
        section.responses_button.click()
        wait(300, lambda: not classifying.runner.active)
        take(viewer, "responses")
        open_trajectories(viewer).panel.toolbar.around_button.setChecked(False)
        put_away(viewer, "trajectories")
        section.form.span.setText("22:36")
        section.train_button.click()
        wait(900, lambda: not classifying.runner.active)
        section.predict_button.click()
        wait(60, lambda: not classifying.runner.active)
        open_trajectories(viewer)
        wait(3)
        dock.scroll_area.ensureWidgetVisible(section.judgement, 0, 0)
        dock.scroll_area.ensureWidgetVisible(section.said, 0, 20)
        viewer.reset_view()
        take(viewer, "states")
        put_away(viewer, "trajectories")
        frames(viewer, dock, [clip.with_name("mouse2_1_pain.mp4"), clip])
        viewer.close()
        wait(1)


def mice() -> None:
    """What classifiers of the mice of docs/states.md go by."""
    from napari_vitface.jobs.html_page import png
    from napari_vitface.jobs.states.explain import explain_states
    from napari_vitface.jobs.states.report_page import importance_figure
    from napari_vitface.jobs.states.train import train_states
    from napari_vitface.states.model_file import load_states_model

    data = Path(os.environ["VITFACE_DATA"]) / "der"
    settings = {"label": "microampere", "classes": ("0", "500"), "group": "animal"}
    settings |= {"window": (50, 100), "crop": (8, 6, 92, 76)}
    with tempfile.TemporaryDirectory() as folder:
        forest, linear = Path(folder) / "forest.vitstate", Path(folder) / "linear.vitstate"
        list(train_states(data / "trials.csv", output=forest, **settings))
        model = load_states_model(forest)
        cell = model.about.layouts[0]["cell"]
        drawn = importance_figure(model.pictures["importance"], model.pictures["face"], cell)
        (IMAGES / "states-importance.png").write_bytes(png(drawn))
        settings |= {"features": "tokens", "classifier": "logistic"}
        list(train_states(data / "trials.csv", output=linear, **settings))
        clip, picture = data / "ECO_3_000_M_500uA_0.mp4", IMAGES / "states-relevance.png"
        explained = explain_states(
            linear, clip, 60, state="500", method="relevance", output=picture
        )
        result = list(explained)[-1].result
        print(f"{result.left:.2f} is left, in random order {result.left_random:.2f}")


def attention_grid(viewer: Any, dock: Any) -> None:
    """All keypoints side by side."""
    only(dock, "attention")
    dock.attention_section.open_grid()
    wait(20)
    take(viewer, "attention-grid")
    put_away(viewer, "attention")


def correcting(viewer: Any, dock: Any, project: Path) -> None:
    """A project in which some points of the frame are placed and one is hidden."""
    session = dock.session
    session.attention.enabled = False
    only(dock, "correct")
    labelling = session.labelling
    labelling.documents.create(project, MOUSE_FACE, "Ann")
    wait(30, lambda: labelling.document is not None)
    for frame in (12, 35, FRAME):
        viewer.dims.set_current_step(0, frame)
        labelling.run("accept_all")
    nose = MOUSE_FACE.index("nose tip")
    x, y = session.shown_pose(FRAME).xy[nose]
    labelling.move({nose: (x + 6, y - 4)})
    labelling.selection.select({nose})
    take(viewer, "correct")


def trajectories(viewer: Any, dock: Any) -> None:
    """The dock below the canvas."""
    plotted = open_trajectories(viewer).panel
    wait(5)
    plotted.toolbar.panel_button("confidence").setChecked(True)
    take(viewer, "trajectories")


def frames(viewer: Any, dock: Any, clips: list[Path]) -> None:
    """Frames of two videos beside each other, and the face of an event of the last one."""
    session = dock.session
    compared, comparison = open_frames(viewer).panel, session.frame_comparison
    for clip in clips:
        session.show_video(clip)
        wait(30, lambda: session.annotating.document is not None)
        compared.together.setChecked(True)
        compared.compare()
        wait(60, lambda: comparison.result is not None and not comparison.runner.active)
    comparison.show_label("pain face")
    wait(30, lambda: comparison.face is not None)
    viewer.dims.set_current_step(0, 30)
    take(viewer, "frames")


def fine_tuning(viewer: Any, dock: Any, truth: PoseTable) -> None:
    """The verdict of a quick training on frames that are labelled as they were drawn."""
    session = dock.session
    for frame in range(4, len(truth), len(truth) // 24):
        session.labelling.move(
            {k: (x, y) for k, (x, y) in enumerate(truth.xy[frame].tolist())}, frame
        )
    only(dock, "fine-tune")
    tuned = session.fine_tune
    wait(60, lambda: tuned.plan.status == "ready")
    dock.fine_tune_section.start()
    wait(600, lambda: tuned.run is not None and not tuned.active)
    take(viewer, "fine-tune")


def put_away(viewer: Any, word: str) -> None:
    """Close the docks that have a word in their title."""
    for title, other in viewer.window.dock_widgets.items():
        if word in title.lower():
            other.parent().close()


def only(dock: Any, name: str) -> None:
    """Fold all sections but one."""
    for other, section in dock.sections.items():
        section.set_open(other == name)
    dock.open_section(name)


def take(viewer: Any, name: str) -> None:
    """Write a picture of the window, as a JPEG with exact colours: a third of a PNG's size."""
    wait(4)
    picture = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)).convert("RGB")
    picture.save(IMAGES / f"{name}.jpg", quality=90, subsampling=0)


def wait(seconds: float, until: Callable[[], bool] = lambda: False) -> None:
    """Let the window work until something holds, or for so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        QApplication.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    parts = {"states": states, "traces": traces, "mice": mice}
    sys.exit(parts.get("".join(sys.argv[1:]), main)())
