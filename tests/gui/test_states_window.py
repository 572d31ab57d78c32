"""States in a real window: from events on a timeline to what a classifier says of each frame."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_vitface.events.trials import read_trials
from napari_vitface.gui.actions import open_events, open_trajectories
from napari_vitface.gui.states.classifying import free_file
from napari_vitface.gui.states.trials_dialog import TrialsDialog
from napari_vitface.jobs.events import Cancelled, Failed
from napari_vitface.jobs.results.classifying import PredictStatesResult, TrialStates
from napari_vitface.jobs.video_events import VideoFailed, VideoFinished
from napari_vitface.video import VideoWriter, open_video

if TYPE_CHECKING:
    from napari_vitface.gui.dock import ViTFaceDock
    from napari_vitface.gui.states.section import StatesSection

pytestmark = pytest.mark.window

#: Frames of each state in turn: stripes across and stripes down.
TURN, TURNS = 12, 4


@pytest.fixture(scope="session")
def striped(made_once: Callable[..., Path]) -> Path:
    """A folder of two videos of two animals, one darker than the other."""

    def make(folder: Path) -> Path:
        noise = np.random.default_rng(0)
        stripes = np.where(np.arange(48) // 4 % 2, 150, 60)
        across, down = np.tile(stripes[:, None], 48), np.tile(stripes, (48, 1))
        for name, light in (("one", 0), ("two", 40)):
            with VideoWriter(folder / f"{name}.mp4", (48, 48), 20.0) as writer:
                for frame in range(TURN * TURNS):
                    picture = (down if frame // TURN % 2 else across) + light
                    writer.write((picture + noise.normal(0, 8, (48, 48))).astype(np.uint8))
        return folder

    return made_once("striped-videos", make)


@pytest.fixture
def videos(striped: Path, tmp_path: Path) -> list[Path]:
    paths = []
    for file in sorted(striped.glob("*.mp4")):
        paths.append(tmp_path / file.name)
        paths[-1].write_bytes(file.read_bytes())
    return paths


def set_up(section: StatesSection) -> None:
    """What is quick."""
    section.form.span.setText(f"0:{TURN}")
    section.form.classifier.setCurrentIndex(section.form.classifier.findData("logistic"))
    section.form.more_rows.widgets["permutations"].setValue(0)  # type: ignore[attr-defined]


def test_from_events_on_the_timeline_to_what_each_frame_shows(
    dock: ViTFaceDock, videos: list[Path], qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, section = dock.session, dock.states_section
    states, annotating = session.classifying, session.annotating
    assert "Open a table of trials" in section.hint.text()
    assert section.status == "waits for trials"
    assert not section.train_button.isEnabled()
    assert not section.predict_button.isEnabled()
    # Events of both videos.
    open_events(dock.session.viewer)
    for path in videos:
        session.add_video(open_video(path))
        qtbot.waitUntil(lambda: annotating.document is not None)
        for turn in range(TURNS):
            annotating.draw(("across", "down")[turn % 2], turn * TURN, (turn + 1) * TURN)
    # Which of them are trials of which animal.
    answers: list[TrialsDialog] = []

    def answer(dialog: TrialsDialog) -> int:
        answers.append(dialog)
        for row, animal in enumerate(("Ada", "Bob")):
            dialog.table.item(row, 1).setText(animal)
        return 1

    monkeypatch.setattr(TrialsDialog, "exec_", answer)
    section.events_button.click()
    assert answers[0].table.item(0, 3).text() == "2 across, 2 down"
    assert section.about.text().endswith("8 trials of 2 animals")
    assert section.form.label.currentText() == "label"
    assert list(section.form.classes) == ["across", "down"]
    # Trained and judged on the animal left out.
    set_up(section)
    section.train_button.click()
    qtbot.waitUntil(lambda: not states.runner.active)
    assert states.runner.run is not None
    assert states.runner.run.status == "done", states.runner.run.message
    assert section.judgement.isVisible()
    figures = section.judgement.table.text()
    assert "by animal" in figures
    assert "chance" in figures
    assert "brightness alone" in figures
    assert states.trained is not None
    assert states.trained.evaluation.trials.balanced_accuracy == 1.0
    # What it says of the video on screen, frame by frame.
    assert section.predict_button.property("role") == "primary"
    section.predict_button.click()
    qtbot.waitUntil(lambda: not states.runner.active)
    assert states.runner.run.status == "done", states.runner.run.message
    assert "across: " in section.said.text()
    opened = session.current
    assert opened is not None
    traces = {trace.name: trace for trace in opened.traces["state"]}
    assert set(traces) == {"across", "down", "unlike anything seen"}
    labels = {each.name: each.colour for each in session.annotating.labels}
    assert {name: traces[name].colour for name in labels} == labels
    unlike = traces["unlike anything seen"]
    assert unlike.dashed
    assert unlike.colour not in labels.values()
    down = traces["down"].samples
    assert down is not None
    assert (down[TURN : 2 * TURN] > 0.5).all()
    assert (down[:TURN] < 0.5).all()
    # And features of it for one's own analysis.
    section.features_button.click()
    qtbot.waitUntil(lambda: not states.runner.active)
    assert states.runner.run.status == "done", states.runner.run.message
    assert videos[1].with_name("two_features_hog.h5").exists()
    # And in the plot, though nothing is tracked.
    section.plot_button.click()
    plotted = open_trajectories(dock.session.viewer).panel
    for _ in range(5):
        QApplication.processEvents()
    assert plotted.plot.isVisible()
    assert plotted.plot.shown == ["state"]
    assert [trace.name for trace in plotted.plot.panels["state"].traces] == list(traces)
    # All videos of the table at once, of which one is gone meanwhile.
    videos[0].rename(videos[0].with_suffix(".away"))
    section.all_button.click()
    qtbot.waitUntil(lambda: not states.runner.active)
    assert states.runner.run.status == "done", states.runner.run.message
    assert section.all_told.isVisible()
    # A row for each trial, whose window is its own.
    rows = section.all_told.table.cells
    assert [row[0] for row in rows] == [*(f"two.mp4 at {k * TURN}" for k in range(4)), "one.mp4"]
    assert [float(row[1]) > 0.5 for row in rows[:-1]] == [True, False, True, False]
    assert rows[-1][-1] == "failed"
    assert "one.mp4" in section.all_told.table.item(4, 0).toolTip()
    videos[0].with_suffix(".away").rename(videos[0])
    # All figures as a page.
    opened_pages: list[str] = []
    monkeypatch.setattr(
        QDesktopServices, "openUrl", lambda url: opened_pages.append(url.toLocalFile())
    )
    section.report_button.click()
    qtbot.waitUntil(lambda: not states.runner.active)
    assert states.runner.run.status == "done", states.runner.run.message
    (page,) = opened_pages
    assert "across" in Path(page).read_text(encoding="utf-8")
    # Another video has not been asked about.
    session.show_video(videos[0])
    assert section.said.text() == ""


def test_what_was_told_of_videos_stays_when_the_rest_is_cancelled(
    dock: ViTFaceDock, tmp_path: Path
) -> None:
    states, table = dock.session.classifying, dock.states_section.all_told
    states.model = tmp_path / "m.vitstate"
    submitted: list[tuple[str, Any, Callable[[Any], None]]] = []

    def submit(job: str, arguments: Any, on_event: Callable[[Any], None]) -> Any:
        submitted.append((job, arguments, on_event))
        return SimpleNamespace(cancel=lambda: on_event(Cancelled("predict_states")))

    rows = "".join(f"{name}.mp4,{onset}\n" for name in ("a", "b", "c") for onset in (4, 9))
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.mp4").touch()
    (tmp_path / "trials.csv").write_text("video,onset_frame\n" + rows)
    states.open_table(tmp_path / "trials.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dock.session, "submit", submit)
        dock.states_section.all_button.click()
        ((job, arguments, say),) = submitted
        assert job == "predict_states"
        # The window is counted from the onsets of the table.
        assert arguments["onsets"][str(tmp_path / "a.mp4")] == [(4.0, "frames"), (9.0, "frames")]
        said = [
            TrialStates(
                video=str(tmp_path / "a.mp4"), probabilities={"x": 0.9, "y": 0.1}, value=None,
                unlike=0.0, frames=5, table=None, onset=onset,
            )
            for onset in (4, 9)
        ]  # fmt: skip
        one = PredictStatesResult(model="m.vitstate", states=("x", "y"), trials=tuple(said))
        say(VideoFinished(said[0].video, one))
        say(VideoFailed(str(tmp_path / "b.mp4"), Failed("predict_states", "It is empty.")))
        assert len(table.table.cells) == 3
        assert "not reached" not in table.about.text()
        states.runner.cancel()
    assert [row[0] for row in table.table.cells] == ["a.mp4 at 4", "a.mp4 at 9", "b.mp4"]
    assert "1 video by m.vitstate" in table.about.text()
    assert "1 of 3 videos was not reached" in table.about.text()
    assert table.isVisibleTo(dock)


def test_a_table_of_trials(
    dock: ViTFaceDock, videos: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    session, section, form = dock.session, dock.states_section, dock.states_section.form
    table = tmp_path / "trials.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ("clip", "animal", "dose", "kind"),
                ("one.mp4", "Ada", 0, "saline"),
                ("two.mp4", "Bob", 10, "drug"),
            ]
        )
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a, **k: (str(table), ""))
    section.table_button.click()
    assert section.about.text() == "trials.csv: 2 trials of 2 animals"
    section._show_trial(1)
    assert session.current is not None
    assert session.current.path.name == "one.mp4"
    form.label.setCurrentText("kind")
    assert not form.graded.isEnabled()
    form.label.setCurrentText("dose")
    assert list(form.classes) == ["0", "10"]
    assert form.values()["classes"] is None
    form.classes["10"].setChecked(False)
    assert "two classes or more" in section.refused.text()
    assert not section.train_button.isEnabled()
    form.graded.setChecked(True)
    assert section.train_button.isEnabled()
    assert "ridge" in [form.classifier.itemData(k) for k in range(form.classifier.count())]
    assert "logistic" not in [form.classifier.itemData(k) for k in range(form.classifier.count())]
    # What looks at the ViT itself takes no features.
    assert form.features.isEnabled()
    form.classifier.setCurrentIndex(form.classifier.findData("probe"))
    assert not form.features.isEnabled()
    form.classifier.setCurrentIndex(form.classifier.findData("ridge"))
    assert form.features.isEnabled()
    form.span.setText("50-100")
    section.train_button.click()
    assert "'50-100' is no window" in section.refused.text()
    assert not session.classifying.runner.active
    form.span.setText("5:20")
    assert section.refused.text() == ""
    values = form.values()
    assert (values["label"], values["graded"], values["window"]) == ("dose", True, (5, 20))
    # A table that cannot be read is said, and the one before stays.
    table.write_text("animal\nAda\n")
    section.table_button.click()
    assert "has no column of videos" in section.error.text()
    assert section.about.text() == "trials.csv: 2 trials of 2 animals"


def test_a_classifier_takes_the_place_of_none(tmp_path: Path) -> None:
    table = tmp_path / "trials.csv"
    assert free_file(table, "dose (µg/kg)").name == "trials_dose-µg-kg-.vitstate"
    (tmp_path / "trials_dose.vitstate").touch()
    (tmp_path / "trials_dose-2.vitstate").touch()
    assert free_file(table, "dose").name == "trials_dose-3.vitstate"


def test_what_fails_is_said_where_it_was_pressed(
    dock: ViTFaceDock, videos: list[Path], tmp_path: Path, qtbot: Any
) -> None:
    states, section = dock.session.classifying, dock.states_section
    table = tmp_path / "trials.csv"
    table.write_text("clip,animal,state\none.mp4,Ada,x\ntwo.mp4,Bob,y\n")
    states.open_table(table)
    set_up(section)
    section.train_button.click()
    qtbot.waitUntil(lambda: not states.runner.active)
    # Each animal has one state only: animal and state are one.
    assert section.error.isVisible()
    assert section.error.text()
    dock.session.add_video(open_video(videos[0]))
    states.use_model(table)
    section.predict_button.click()
    qtbot.waitUntil(lambda: not states.runner.active)
    assert "trials.csv" in section.error.text()


def test_what_was_opened_last_is_what_is_said(
    dock: ViTFaceDock, videos: list[Path], qtbot: Any, tmp_path: Path
) -> None:
    states, error = dock.session.classifying, dock.states_section.error
    table, bad = tmp_path / "trials.csv", tmp_path / "bad.csv"
    table.write_text("video,animal,kind\none.mp4,a,x\ntwo.mp4,b,y\n")
    bad.write_text("video,animal,kind\n")
    assert states.open_table(table)
    dock.states_section.form.label.setCurrentText("kind")
    videos[1].unlink()
    dock.states_section.train_button.click()
    qtbot.waitUntil(lambda: not states.runner.active)
    assert "two.mp4" in error.text()
    assert "is not there" in error.text()
    assert not states.open_table(bad)
    assert "holds no trials" in error.text()
    videos[1].write_bytes(videos[0].read_bytes())
    assert states.open_table(table)
    assert error.text() == ""


def test_events_are_asked_for_where_there_are_none(dock: ViTFaceDock, videos: list[Path]) -> None:
    dock.session.add_video(open_video(videos[0]))
    dock.states_section.events_button.click()
    assert "There are no events yet" in dock.states_section.error.text()
    titles = dock.session.viewer.window.dock_widgets
    assert "ViT Face events (napari-vitface)" in titles


def test_animals_that_were_named_before_are_known(
    dock: ViTFaceDock, videos: list[Path], qtbot: Any
) -> None:
    session, states = dock.session, dock.session.classifying
    session.add_video(open_video(videos[0]))
    qtbot.waitUntil(lambda: session.annotating.document is not None)
    session.annotating.draw("across", 0, 5)
    path = states.proposed_table()
    assert path is not None
    (video,) = states.annotated()
    assert states.make_table(path, [replace(video, animal="Ada", session="1")])
    assert [(each.animal, each.session) for each in states.annotated()] == [("Ada", "1")]
    assert read_trials(path).column("label") == ("across",)


def test_several_features_and_a_crop_that_follows_the_face(
    dock: ViTFaceDock, videos: list[Path], tmp_path: Path
) -> None:
    section = dock.states_section
    form = section.form
    table = tmp_path / "trials.csv"
    table.write_text("video,kind\n" + "".join(f"{v.name},{v.stem}\n" for v in videos))
    dock.session.classifying.open_table(table)
    assert "Keypoints" not in section.picture.text()
    form.features.choose("hog", "motion")
    assert form.features.text() == "hog + motion"
    assert form.values()["features"] == "hog,motion"
    assert form.feature_rows["hog"].isVisibleTo(form.more.content)
    # One always is chosen.
    form.features.choose("motion")
    form.features._actions["motion"].trigger()
    assert form.features.names == ("motion",)
    form.follow.setCurrentIndex(form.follow.findData("pose"))
    assert form.values()["follow"] == "pose"
    assert "are not there for one.mp4, two.mp4" in section.picture.text()


def drawn(view: Any) -> dict[str, str]:
    """Colours of the lines of the means around onsets."""
    return {
        label.text: sample.item.opts["pen"].color().name()
        for sample, label in view.plot.plotItem.legend.items
    }


def test_responses_of_trials_and_of_events(
    dock: ViTFaceDock, videos: list[Path], qtbot: Any, tmp_path: Path
) -> None:
    session, section = dock.session, dock.states_section
    states, responses = session.classifying, session.responses
    table = tmp_path / "trials.csv"
    rows = ["video,animal,onset_frame,kind"]
    for path, animal in zip(videos, ("Ada", "Bob"), strict=True):
        for turn in range(1, TURNS):
            rows.append(f"{path.name},{animal},{turn * TURN},{('across', 'down')[turn % 2]}")
    table.write_text("\n".join(rows) + "\n")
    states.open_table(table)
    section.form.label.setCurrentText("kind")
    section.responses_button.click()
    assert "begin at the first frame of a window" in section.refused.text()
    session.add_video(open_video(videos[0]))
    section.form.span.setText(f"0:{TURN}")
    section.responses_button.click()
    qtbot.waitUntil(lambda: not states.runner.active)
    assert states.runner.run is not None
    assert states.runner.run.status == "done", states.runner.run.message
    # The means, the numbers of each trial, and its frames in the plot over time.
    plotted = open_trajectories(session.viewer).panel
    view = plotted.around
    assert view.isVisible()
    assert not plotted.plot.isVisible()
    assert view.source.currentText() == "trials of the table"
    assert [view.trace.itemText(k) for k in range(view.trace.count())] == ["across", "down"]
    means = {(row[0], row[1]): row for row in view.table.cells}
    assert means["down", "down"][2] == "4"
    assert float(means["down", "down"][3]) > 0.5
    assert float(means["across", "down"][3]) < -0.5
    view.rows.setCurrentText("each trial")
    assert len(view.table.cells) == 6 * 2
    assert {row[1] for row in view.table.cells} == {"Ada", "Bob"}
    last = next(k for k, row in enumerate(view.table.cells) if row[:2] == ["two", "Bob"])
    view.table.chosen.emit(last)
    assert session.current is not None
    assert session.current.path == videos[1]
    assert session.frame == responses.of_table.trials[last].onset  # type: ignore[union-attr]
    down = next(trace for trace in session.current.traces["likeness"] if trace.name == "down")
    assert down.samples is not None
    assert np.nanmean(down.samples[TURN : 2 * TURN]) > np.nanmean(down.samples[2 * TURN : 36]) + 0.5
    view.table.copy()
    assert QApplication.clipboard().text().startswith("trial\tanimal\tstate\ttrace\tsize")
    # Events of the video on screen instead.
    view.source.setCurrentIndex(1)
    view.source.activated.emit(1)
    assert "Draw events on the timeline" in view.about.text()
    qtbot.waitUntil(lambda: session.annotating.document is not None)
    for turn in range(1, TURNS):
        session.annotating.draw(("across", "down")[turn % 2], turn * TURN, (turn + 1) * TURN)
    qtbot.waitUntil(lambda: len(responses.shown.trials) == 6)
    assert "over events" in view.about.text()
    view.rows.setCurrentText("means")
    means = {(row[0], row[1]): row for row in view.table.cells}
    assert means["down", "down"][2] == "2"
    # In the colours that the labels have on the timeline, also when they change.
    session.annotating.recolour("down", "#d55e00")
    qtbot.waitUntil(lambda: drawn(view)["down (n = 2)"] == "#d55e00")
    labels = {each.name: each.colour for each in session.annotating.labels}
    assert drawn(view)["across (n = 1)"] == labels["across"]
    plotted.toolbar.around_button.setChecked(False)
    assert plotted.plot.isVisible()
    assert not view.isVisible()
