"""What the Fine-tune section says, and what it counts."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vitface.errors import VitFaceError
from napari_vitface.gui.fine_tune.fine_tune_options import FineTuneOptions
from napari_vitface.gui.fine_tune.labelled_frames import (
    LabelledFrames,
    of_document,
    on_disk,
    without,
)
from napari_vitface.gui.fine_tune.planner import Plan
from napari_vitface.gui.fine_tune.sentences import (
    headline,
    keypoint_rows,
    listed,
    notice_words,
    plan_words,
    stage_words,
    verdict_rows,
    verdict_words,
    waiting_words,
)
from napari_vitface.gui.fine_tune.training_run import Curve, TrainingRun, free_name, unfinished_runs
from napari_vitface.gui.model_info import model_info
from napari_vitface.jobs.results.evaluation import Comparison
from napari_vitface.jobs.results.models import CalibrationSummary, ModelFile
from napari_vitface.jobs.results.training import (
    ErrorsOfMeanPose,
    FrameCounts,
    PlanTrainingResult,
    TrainedConfidence,
    TrainResult,
    TrainSettings,
)
from napari_vitface.pose.edits import make_edit
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import NOT_VISIBLE, labelled
from napari_vitface.pose.metrics import ErrorSummary, Figures
from napari_vitface.project.project import Project
from napari_vitface.settings.option import declared
from napari_vitface.settings.training import TrainingSettings


def frames(count: int, video: str = "mouse", names: tuple[str, ...] = ("eye",)) -> LabelledFrames:
    return LabelledFrames(
        names,
        np.full(count, video),
        np.arange(count, dtype=np.int64),
        np.ones((count, len(names)), dtype=bool),
    )


RESULT = PlanTrainingResult(
    training={"mouse": 15},
    held_out={"mouse": 5},
    points=30,
    seen=False,
    kept=("eye",),
    fresh=("ear",),
    left_out=(),
    steps=300,
    seconds=130.0,
    tuning=0,
    judged_points=10,
    init="mine",
    alone=(),
)


# --------------------------------------------------------------------- before the press


def test_what_it_waits_for_is_said_with_numbers() -> None:
    assert waiting_words(Plan("too few", frames(1))).startswith(
        "1 frame is labelled: 3 more frames are needed"
    )
    assert waiting_words(Plan("too few", frames(3))).startswith(
        "3 frames are labelled: 1 more frame is needed"
    )
    assert waiting_words(Plan("ready", frames(20))) == ""


def test_the_plan_names_everything() -> None:
    words = plan_words(Plan("ready", frames(20), RESULT), FineTuneOptions(), "/x/mine.safetensors")
    for part in (
        "15 of your 20 labelled frames (30 points) of mouse, starting from mine.",
        "5 frames are held out (the last quarter of each video)",
        "New to mine, and learnt from nothing but the image features that serve all "
        "keypoints: ear.",
        "Quick (the head alone): 300 steps, roughly 2 min on this computer.",
    ):
        assert part in words
    assert "cut out" not in words


@pytest.mark.parametrize(
    ("options", "result", "part"),
    [
        ({"quick": False}, {}, "Full (the whole network)"),
        ({"start": "scratch"}, {"kept": [], "seconds": None}, "All keypoints are new to it"),
        ({}, {"kept": []}, "All keypoints are new to mouse-face, and learnt from nothing but its"),
        ({"start": "timm:vit_small"}, {}, "timm's vit_small"),
        ({"start": "timm:vit_small=/mine/a.safetensors"}, {}, "timm's vit_small of a.safetensors"),
        ({"val": "video:b"}, {}, "(all of b)"),
        ({"val": "time:0.4"}, {}, "(the last 40 % of each video)"),
        ({"val": "random:0.25"}, {}, "(25 % at random)"),
        ({}, {"seen": True}, "looks better than it is"),
        ({}, {"left_out": ["tail"]}, "left out: tail"),
        ({}, {"seconds": 5000.0}, "roughly 1 h 30 min"),
        ({}, {"seconds": 12.0}, "roughly 10 s"),
    ],
)
def test_the_plan_follows_the_options(
    options: dict[str, Any], result: dict[str, Any], part: str
) -> None:
    plan = Plan("ready", frames(20), replace(RESULT, **result))
    words = plan_words(plan, FineTuneOptions(**options), "mouse-face")
    assert part in words


def test_every_setting_with_a_row_in_the_form_is_an_option() -> None:
    options = {field.name for field in fields(FineTuneOptions)}
    shown = {name for name, each in declared(TrainingSettings).items() if each.option.label}
    assert {"steps", "learning_rate"} <= shown <= options


def test_an_image_size_is_read_or_refused() -> None:
    assert FineTuneOptions(image_size="").size() is None
    for text in ("240x320", "240 × 320", "240, 320"):
        assert FineTuneOptions(image_size=text).size() == (240, 320)
    for text in ("240", "tall", "0x10", "-1x10"):
        with pytest.raises(VitFaceError, match="240x320"):
            FineTuneOptions(image_size=text).size()


def test_random_weights_are_not_trained_the_quick_way() -> None:
    arguments = FineTuneOptions(quick=True, start="scratch", backbone="vit_x").arguments("m")
    assert arguments["quick"] is False
    assert arguments["backbone"] == "vit_x"
    assert FineTuneOptions(backbone="vit_x").arguments("m")["backbone"] is None
    assert FineTuneOptions().arguments("m")["init"] == "m"


def test_any_number_of_names_makes_a_sentence() -> None:
    assert [listed([f"v{i}" for i in range(count)]) for count in (0, 1, 2, 3)] == [
        "",
        "v0",
        "v0 and v1",
        "v0, v1 and v2",
    ]
    assert listed([f"v{i}" for i in range(9)]) == "v0, v1, v2, v3, v4 and 4 more"


# --------------------------------------------------------------------- while it runs


def test_stages_and_steps() -> None:
    keypoints = KeypointSet(("eye", "ear"))
    settings = TrainSettings(
        name="face", model="face", run="face", kept_in="face", init="mouse-face", quick=True,
        why="", device="cpu", precision="fp32", input_size=(64, 64), keypoints=keypoints, kept=(),
        fresh=(), left_out=(), frames=FrameCounts(15, 0, 5), stops_early=True,
        mean_pose=ErrorsOfMeanPose(None, None),
    )  # fmt: skip
    run = TrainingRun("face", Path("face"), "mouse-face", status="running")
    run.doing, run.done, run.total = "reading the frames", 3, 20
    assert stage_words(run) == "Reading the frames: 3 of 20"
    run.doing, run.step, run.steps, run.seconds_left = "training", 40, 300, 65.0
    assert stage_words(run) == "Step 40 of 300  ·  1 min 5 s left"
    run.settings = settings
    assert stage_words(run).endswith("left at most")


def test_paths_in_notices_are_those_in_the_project(tmp_path: Path) -> None:
    run = TrainingRun("face", tmp_path / "vitface" / "runs" / "face", "mouse-face")
    image = tmp_path / "labeled-data" / "mouse" / "img0003.png"
    run.notices = [f"1 label lies outside: ear in {image}."]
    assert notice_words(run) == f"1 label lies outside: ear in {Path('mouse') / image.name}."


# --------------------------------------------------------------------- the verdict


def result(
    verdict: dict[str, Any] | None = None,
    calibration: dict[str, Any] | None = None,
    against: dict[str, Any] | None = None,
    **changes: Any,
) -> TrainResult:
    def summed(points: int, median: float | None, mean: float | None) -> ErrorSummary:
        return ErrorSummary(points=points, missed=0, mean=mean, median=median, rmse=mean)

    def figures(median: float, mean: float) -> Figures:
        each = {"eye": summed(8, median, median), "ear": summed(4, None, None)}
        return Figures(
            **vars(summed(12, median, mean)), pck={}, seed_rmse=None, seed_pck=None,
            seed_accuracy=None, per_keypoint=each,
        )  # fmt: skip

    compared = Comparison(
        points=12, frames=5, before=6.0, after=3.0, gain=3.0, interval=(2.0, 4.0), better=True,
        than="mouse-face", sentence="", per_keypoint={},
    )  # fmt: skip
    confidence = TrainedConfidence(
        radius=11.0, calibration_error=None, calibration_error_by_chance=None, confidence_bins=(),
        calibrated_on_points=12, judged_apart=False,
    )  # fmt: skip
    whole = TrainResult(
        name="face", model="face.safetensors", run="face", report="report.html",
        init="mouse-face", quick=True, steps=300, steps_planned=300, kept_step=300,
        stopped="all steps done", seconds=9.0, frames=FrameCounts(15, 0, 5), judged_frames=(),
        seen_before=False, keypoints=("eye", "ear"), kept=("eye", "ear"), fresh=(), left_out=(),
        verdict=replace(compared, **(verdict or {})),
        against_mean_pose=replace(compared, **{"gain": 7.0, **(against or {})}),
        before=figures(5.5, 6.0), after=figures(2.5, 3.0), mean_pose=figures(9.0, 10.0),
        calibration=replace(confidence, **(calibration or {})),
    )  # fmt: skip
    return replace(whole, **changes)


def test_a_gain_is_called_one_only_if_it_is() -> None:
    assert headline(result()) == ("Better: median error 5.5 px before, 2.5 px now.", "info")
    text, level = headline(result(verdict={"better": None}))
    assert text.startswith("No better than chance explains")
    assert level == "warning"
    text, level = headline(result(verdict={"better": False, "gain": -3.0}))
    assert text.startswith("Worse")
    assert level == "warning"
    text, level = headline(result(verdict={"better": None, "interval": None}))
    assert text.startswith("Too few held-out frames")
    assert level == "warning"


def test_points_that_the_old_model_does_not_know_are_no_gain() -> None:
    found = result()
    found = replace(found, before=replace(found.before, missed=4))
    assert "mean error 6.0 px before, 3.0 px now" in headline(found)[0]


def test_what_the_verdict_rests_on() -> None:
    words = verdict_words(result())
    for part in (
        "5 frames that it was not trained on (12 points)",
        "fell by 3.0 px (95 % interval 2.0 to 4.0): more than chance",
        "better than always guessing the mean pose",
    ):
        assert part in words
    worse = verdict_words(result(verdict={"gain": -3.0, "interval": (-4.0, -2.0), "better": False}))
    assert "rose by 3.0 px (95 % interval 2.0 to 4.0)" in worse
    poor = verdict_words(result(against={"gain": -1.0, "better": False}))
    assert "worse than always guessing the mean pose" in poor
    assert "ended after 80 of 300" in verdict_words(result(stopped="asked", steps=80))


def test_a_model_that_no_step_made_better_is_said_to_be_the_old_one() -> None:
    assert "weights that it started with" in verdict_words(result(kept_step=0))
    assert "weights that it started with" not in verdict_words(result(kept_step=200))


def test_what_confidence_means_stands_with_the_verdict() -> None:
    known = verdict_words(result(calibration={"radius": 11.0, "calibration_error": 0.043}))
    assert "the chance to be within 11 px, off by 0.04 on held-out frames." in known
    few = verdict_words(result(calibration={"radius": 11.0, "calibration_error": None}))
    assert "the chance to be within 11 px." in few
    assert "own view" in verdict_words(result(calibration={"radius": None}))


def test_a_start_without_a_before_is_judged_by_the_mean_pose() -> None:
    found = replace(result(before=None, init="scratch"), verdict=None)
    text, level = headline(found)
    assert text == "Median error on held-out frames: 2.5 px, 9.0 px for the mean pose."
    assert level == "info"
    words = verdict_words(found)
    assert "smaller than that of the mean pose by 7.0 px (95 % interval 2.0 to 4.0)" in words
    assert "Label more frames" not in words
    assert words.count("mean pose") == 1
    few = replace(found, against_mean_pose=replace(found.against_mean_pose, interval=None))
    assert "Label more frames, so that more can be held out." in verdict_words(few)
    assert [row[0] for row in verdict_rows(found)] == ["now (face)", "mean pose"]
    assert keypoint_rows(found)[0] == ("eye", "8", "–", "2.5", "9.0")
    assert keypoint_rows(found)[1][3] == "–"


def test_a_trained_model_is_described_by_its_error_after_the_training() -> None:
    figures = {"median": 2.5, "mean": 3.0}
    metrics = {
        "after": figures,
        "before": {"median": 5.5, "mean": 6.0},
        "mean_pose": {"median": 9.0, "mean": 10.0},
    }
    entry = ModelFile(
        name="face", path="/x/face.safetensors", bundled=False, megabytes=1.0, backbone={},
        head={}, keypoints=("eye",), input_size=(64, 64), training={"metrics": metrics},
        calibration=None,
    )  # fmt: skip
    _, error, confidence = model_info(entry).sentences
    assert "median 2.5 px" in error
    assert "9.0" in error
    assert "own view, not calibrated" in confidence
    for calibration, meaning in (
        (CalibrationSummary(11.0, 300), "the chance to be within 11 px."),
        (CalibrationSummary(11.0, 300, (646, 864)), "within 11 px in frames of 864 x 646, and in"),
        (
            CalibrationSummary(4.0, 300, (480, 640), cropped=True),
            "within 4 px in frames of 640 x 480 with its crop, and",
        ),
    ):
        assert meaning in model_info(replace(entry, calibration=calibration)).sentences[-1]


def test_a_bundled_model_says_first_what_sets_it_apart() -> None:
    entry = ModelFile(
        name="fast", path="/x/fast.safetensors", bundled=True, megabytes=1.0, backbone={}, head={},
        keypoints=("eye",), input_size=(64, 64), training={"description": "It is quick."},
        calibration=None,
    )  # fmt: skip
    assert model_info(entry).sentences[:2] == ("It is quick.", "1 keypoint.")
    # A model that was trained from it is another one.
    assert model_info(replace(entry, bundled=False)).sentences[0] == "1 keypoint."


# --------------------------------------------------------------------- what is counted


@pytest.fixture
def project(tmp_path: Path, write_video: Any) -> Project:
    made = Project.create(tmp_path / "face", KeypointSet(("eye", "ear")), "me")
    made.add_video(write_video(tmp_path / "mouse.mp4"))
    made.add_video(write_video(tmp_path / "second.mp4"))
    return made


def test_labels_in_memory_and_on_disk_are_counted_alike(project: Project) -> None:
    from napari_vitface.video import open_video

    assert len(on_disk(project)) == 0
    with open_video(project.videos[0].path) as video:
        document = project.document("mouse", lambda frame: video[frame])
        points = {(frame, 0): labelled(10.0, 10.0) for frame in (3, 11, 20)}
        points[11, 1] = labelled(20.0, 20.0)
        # Called hidden: said, but not placed.
        points[3, 1] = NOT_VISIBLE
        document.do(make_edit(document.labels, "label", points))
        inside = of_document(document)
        assert inside.frames.tolist() == [3, 11, 20]
        assert inside.points == 4
        assert len(on_disk(project)) == 0
        document.save()
        outside = on_disk(project)
        assert outside.digest() == inside.digest()
        # Moving a point changes nothing that a plan depends on; taking one away does.
        document.do(make_edit(document.labels, "move", {(3, 0): labelled(12.0, 10.0)}))
        assert of_document(document).digest() == inside.digest()
        document.undo()
        document.do(make_edit(document.labels, "hide", {(11, 1): NOT_VISIBLE}))
        assert of_document(document).digest() != inside.digest()
        document.close()
    assert len(without(outside, ["mouse"])) == 0
    joined = LabelledFrames.joined([outside, frames(2, "second", ("tail",))], ("eye", "ear"))
    assert joined.names == ("eye", "ear", "tail")
    assert joined.by_video() == {"mouse": 3, "second": 2}
    assert joined.points == 6


def test_names_go_on_counting(project: Project) -> None:
    assert free_name(project.folder) == "face"
    (project.own_folder / "models").mkdir(parents=True)
    (project.own_folder / "models" / "face.safetensors").touch()
    assert free_name(project.folder) == "face-2"
    (project.own_folder / "runs" / "face-2").mkdir(parents=True)
    (project.own_folder / "runs" / "face-2" / "settings.json").write_text("{}")
    assert free_name(project.folder) == "face-3"


def test_what_is_no_run_is_not_offered(project: Project) -> None:
    assert unfinished_runs(project.folder) == []
    for name, content in (("notes", None), ("broken", "no json"), ("empty", "{}")):
        folder = project.own_folder / "runs" / name
        folder.mkdir(parents=True)
        if content is not None:
            (folder / "settings.json").write_text(content)
            (folder / "data.safetensors").touch()
    (found,) = unfinished_runs(project.folder)
    assert (found.name, found.step) == ("empty", 0)


def test_a_curve_is_read_back(tmp_path: Path) -> None:
    from napari_vitface.jobs.training.run import Curves

    curves = Curves()
    curves.add(0, None, 0.0, 0.1, 9.0, 10.0)
    curves.add(5, 0.25, 0.001, 1.0)
    curves.add(10, 0.125, 0.001, 2.0, 4.0, 5.0)
    curves.write(tmp_path / "curves.csv")
    read = Curve.read(tmp_path / "curves.csv")
    assert read.losses == [(5, 0.25), (10, 0.125)]
    assert read.errors == [(0, 9.0, 10.0), (10, 4.0, 5.0)]
    assert Curve.read(tmp_path / "nothing.csv") == Curve()
    (tmp_path / "cut.csv").write_text("step,loss\n5")
    assert Curve.read(tmp_path / "cut.csv") == Curve()
