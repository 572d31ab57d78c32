"""The command line: what is typed, what is printed, and the exit status."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import napari_vitface
from napari_vitface.formats.poses import read_poses

COMMANDS = [
    "demo",
    "predict",
    "attention",
    "train",
    "evaluate",
    "states",
    "traces",
    "suggest",
    "audit",
    "smooth",
    "convert",
    "export",
    "quantise",
    "models",
]

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


def one_sentence(run: subprocess.CompletedProcess[str]) -> str:
    """The only line on standard error, without the program's name."""
    lines = [line for line in run.stderr.splitlines() if line.startswith("napari-vitface: ")]
    assert len(lines) == 1, run.stderr
    assert "Traceback" not in run.stderr
    return lines[0].removeprefix("napari-vitface: ")


def objects(run: subprocess.CompletedProcess[str]) -> list[dict]:
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_help_lists_what_works_and_comes_at_once(as_user):
    began = time.monotonic()
    run = as_user("--help")
    passed = time.monotonic() - began
    assert run.returncode == 0
    commands = re.findall(r"^    (\w+)", run.stdout, re.MULTILINE)
    assert commands == COMMANDS
    assert passed < 5  # an import of torch takes longer on a busy machine


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_each_of_its_options(vitface, command):
    text = vitface(command, "--help").stdout
    options = re.findall(r"^  (--[\w-]+)(.*(?:\n {10,}.*)*)", text, re.MULTILINE)
    assert options
    assert all(len(explained.strip()) > 20 for _, explained in options)


@pytest.mark.parametrize("arguments", [["--help"], ["predict", "--help"], ["--version"]])
def test_no_help_needs_torch(arguments):
    code = (
        "import sys\n"
        "from napari_vitface.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'timm', 'napari', 'qtpy', 'pandas', 'numpy', 'av'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)


def test_version(vitface):
    assert vitface("--version").stdout.strip() == f"napari-vitface {napari_vitface.__version__}"


def test_a_user_gets_the_exit_statuses(as_user, video, tiny_model):
    done = as_user("predict", video, "--model", tiny_model, "--precision", "fp32", "--json")
    assert done.returncode == 0, done.stderr
    assert objects(done)[-1]["result"]["frames"] == 40
    refused = as_user("predict", video, "--model", tiny_model)
    assert refused.returncode == 1
    assert "already exist" in one_sentence(refused)
    assert as_user("predict", video, "--batch-size", "none").returncode == 2


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["paint"],
        ["predict"],
        ["predict", "a.mp4", "--frames", "five"],
        ["predict", "a.mp4", "--crop", "1,2,3"],
        ["predict", "a.mp4", "--crop", "1,2,0,4"],
        ["predict", "a.mp4", "--batch-size", "0"],
        ["predict", "a.mp4", "--device", "gpu"],
        ["predict", "a.mp4", "--precision", "fp8"],
        ["attention", "a.mp4", "--output", "a.png"],
        ["attention", "a.mp4", "--frame", "1", "--output", "a.jpg"],
        ["attention", "a.mp4", "--frame", "1", "--output", "a.png", "--discard", "1"],
        ["evaluate", "mouse-face"],
    ],
)
def test_wrong_arguments_end_with_status_2(vitface, arguments):
    run = vitface(*arguments)
    assert run.returncode == 2
    assert "usage: " in run.stderr
    assert run.stdout == ""


def test_predict_writes_the_tables_and_prints_where(vitface, video, tiny_model):
    run = vitface("predict", video, "--model", tiny_model, "--precision", "fp32")
    assert run.returncode == 0, run.stderr
    h5, csv = (video.with_name(f"mouse_vitface_tiny.{kind}") for kind in ("h5", "csv"))
    lines = run.stdout.splitlines()
    assert lines[0] == str(h5)
    assert lines[1].startswith(f"{csv} (40 frames, ")
    assert len(read_poses(h5)) == len(read_poses(csv)) == 40
    assert "100%" in run.stderr

    refused = vitface("predict", video, "--model", tiny_model)
    assert refused.returncode == 1
    assert "already exist" in one_sentence(refused)


def test_json_lines_tell_the_run_and_end_with_the_result(vitface, video, tiny_model):
    run = vitface(
        "predict", video, "--model", tiny_model, "--json", "--frames", "::2", "--crop", "4,4,40,40"
    )
    assert run.returncode == 0, run.stderr
    lines = [line for line in objects(run) if line["event"] != "Preparing"]
    assert lines[0]["event"] == "Started"
    assert lines[0]["settings"]["crop"] == [4, 4, 40, 40]
    assert sum(line["count"] for line in lines if line["event"] == "PosesPredicted") == 20
    assert lines[-1]["event"] == "Finished"
    assert lines[-1]["result"]["frames"] == 20
    assert Path(lines[-1]["result"]["h5"]).exists()
    assert "%" not in run.stderr


def test_one_bad_video_of_several_does_not_stop_the_others(vitface, video, tiny_model):
    bad = video.with_name("bad.mp4")
    bad.write_bytes(b"no video at all")
    run = vitface("predict", bad, video, "--model", tiny_model, "--json")
    assert run.returncode == 1
    assert str(bad) in one_sentence(run)
    result = objects(run)[-1]["result"]
    assert [part["frames"] for part in result["videos"]] == [40]
    assert [part["video"] for part in result["failed"]] == [str(bad)]
    assert len(read_poses(video.with_name("mouse_vitface_tiny.h5"))) == 40
    # For people, what failed is said at the end once more.
    run = vitface("predict", bad, video, "--model", tiny_model, "--overwrite")
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1] == f"1 of 2 videos predicted; failed: {bad}"


def test_a_choice_that_cannot_be_had_is_told_once_and_not_for_each_video(vitface, video):
    run = vitface("traces", video, video.with_name("other.mp4"), "--kinds", "movie")
    assert run.returncode == 1
    assert "There is no trace 'movie'; choose among motion" in one_sentence(run)


def test_videos_whose_results_would_have_one_name_are_refused(vitface, video, tiny_model):
    other = video.with_suffix(".avi")
    other.write_bytes(video.read_bytes())
    run = vitface("predict", video, other, "--model", tiny_model)
    assert run.returncode == 1
    assert "2 of the videos are called mouse" in one_sentence(run)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "none.mp4"], "none.mp4 does not exist"),
        (["predict", "mouse.mp4", "--model", "cat-face"], "no model named 'cat-face'"),
        (["predict", "mouse.mp4", "--model", "mouse.mp4"], "safetensors"),
        (["attention", "none.mp4", "--frame", "0", "--output", "a.png"], "none.mp4"),
        (["evaluate", "cat-face", "none"], "none"),
        (["models", "nowhere"], "no folder nowhere"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_status_1(vitface, video, arguments, words):
    run = vitface(*arguments, cwd=video.parent)
    assert run.returncode == 1
    assert words in one_sentence(run)


def test_debug_shows_the_traceback_and_json_the_failure(vitface, tmp_path):
    run = vitface("predict", "none.mp4", "--debug", "--json", cwd=tmp_path)
    assert run.returncode == 1
    assert "Traceback" in run.stderr
    assert "VideoError" in run.stderr
    assert objects(run)[-1]["event"] == "Failed"
    assert "none.mp4" in objects(run)[-1]["message"]


#: The command with a rest after each batch, so that it takes long and computes little.
_SLOWLY = """
import sys, time
from napari_vitface.cli import main
from napari_vitface.jobs.pace import Pace

step = Pace.step
Pace.step = lambda self, frames: time.sleep(0.04) or step(self, frames)
sys.exit(main(sys.argv[1:]))
"""


def started(arguments: list[str], environment: dict[str, str], part: Path) -> subprocess.Popen[str]:
    """A prediction that has written something and goes on for some seconds."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOWLY, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 600
    while not (part.exists() and part.stat().st_size > 1500):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


@posix
@pytest.mark.slow
def test_ctrl_c_and_kill_keep_what_is_done_and_the_same_command_goes_on(
    vitface, environment, long_video, tiny_model
):
    arguments = ["predict", str(long_video), "--model", str(tiny_model), "--precision", "fp32"]
    arguments += ["--batch-size", "8"]
    from napari_vitface.jobs.part_file import record_type

    part = long_video.with_name("mouse_vitface_tiny.part")
    process = started(arguments, environment, part)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=600)
    assert process.returncode == 130
    assert "napari-vitface: cancelled. What is done is kept" in errors
    assert "Traceback" not in errors
    assert sorted(path.name for path in long_video.parent.iterdir()) == [
        "mouse.mp4",
        "mouse_vitface_tiny.part",
    ]
    size = part.stat().st_size
    with part.open("ab") as file:
        file.write(bytes(range(100)))  # as if it had been killed within a record

    process = started(arguments, environment, part)
    while part.stat().st_size < size + 20 * record_type(3).itemsize:
        time.sleep(0.01)
    process.kill()
    process.communicate()

    finished = vitface(*arguments)
    assert finished.returncode == 0, finished.stderr
    assert re.search(r"Going on from frame \d+ of 1000", finished.stderr)
    resumed = read_poses(long_video.with_name("mouse_vitface_tiny.h5"))
    assert sorted(path.name for path in long_video.parent.iterdir()) == [
        "mouse.mp4",
        "mouse_vitface_tiny.csv",
        "mouse_vitface_tiny.h5",
    ]
    again = vitface(*arguments, "--overwrite")
    assert again.returncode == 0, again.stderr
    whole = read_poses(long_video.with_name("mouse_vitface_tiny.h5"))
    np.testing.assert_allclose(resumed.xy, whole.xy, atol=1e-3)
    np.testing.assert_allclose(resumed.confidence, whole.confidence, atol=1e-4)


def test_output_that_nobody_reads_is_no_error_message(environment, video, tiny_model):
    command = f'"{sys.executable}" -m napari_vitface models "{tiny_model.parent}" --json'
    run = subprocess.run(
        f"{command} | true", shell=True, env=environment, capture_output=True, text=True, check=True
    )
    assert "Traceback" not in run.stderr


def test_attention_writes_maps_that_numpy_reads_without_pickle(vitface, video, tiny_model):
    file = video.with_name("maps.npz")
    run = vitface(
        *["attention", video, "--frame", -1, "--model", tiny_model, "--output", file, "--json"],
        *["--keypoint", "nose tip", "--layers", "0:1", "--head-fusion", "max", "--discard", "0.5"],
    )
    assert run.returncode == 0, run.stderr
    assert objects(run)[-1]["result"]["output"] == str(file)
    with np.load(file, allow_pickle=False) as maps:
        assert maps["maps"].shape == (1, 4, 5)
        assert maps["names"].tolist() == ["nose tip"]
        assert int(maps["frame"]) == 39
        assert maps["scale"] == pytest.approx([12.8, 12.8])
        assert maps["xy"].shape == (3, 2)
        settings = json.loads(str(maps["settings"]))
    assert settings["layers"] == [0, 1]
    assert (settings["head_fusion"], settings["discard"]) == ("max", 0.5)


def test_attention_draws_a_picture(vitface, video, tiny_model):
    from PIL import Image

    file = video.with_name("map.png")
    run = vitface("attention", video, "--frame", 3, "--model", tiny_model, "--output", file)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == f"{file} (4 maps)"
    with Image.open(file) as picture:
        assert min(picture.size) > 500
        assert picture.mode == "RGB"


def test_attention_into_a_folder_that_is_not_there_is_told(vitface, video, tiny_model):
    file = video.parent / "nowhere" / "a.npz"
    run = vitface("attention", video, "--frame", 3, "--model", tiny_model, "--output", file)
    assert run.returncode == 1
    assert str(file) in one_sentence(run)


def test_models_lists_what_a_project_has_with_its_accuracy(vitface, tmp_path, judged_model):
    folder = tmp_path / "vitface" / "models"
    folder.mkdir(parents=True)
    (folder / "mine.safetensors").write_bytes(judged_model.read_bytes())
    run = vitface("models", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "mine\n" in run.stdout
    assert "vit_tiny_patch16_224" in run.stdout
    assert "mean 30.5, median 22.25" in run.stdout
    # Of the bundled models alone: names that stay when their weights are replaced.
    assert run.stdout.count("version of weights     4\n") == 1
    assert run.stdout.count("version of weights     1\n") == 1
    assert run.stdout.startswith("mouse-face (bundled)\n")
    assert run.stdout.count("Takes a third of the time of mouse-face, and is nearly as exact.") == 1
    lines = objects(vitface("models", tmp_path, "--json"))
    assert "mine" in [model["name"] for model in lines[-1]["result"]["models"]]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """A small folder of labelled frames in DeepLabCut's form."""
    from PIL import Image

    folder = tmp_path / "labeled-data" / "cam"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    names = ("eye", "nose tip", "mouth")
    lines = [
        "scorer,,," + ",".join(["me"] * 6),
        "bodyparts,,," + ",".join(name for name in names for _ in "xy"),
        "coords,,," + ",".join(["x,y"] * 3),
    ]
    for i in range(4):
        picture = rng.integers(0, 255, (48, 64), dtype=np.uint8)
        Image.fromarray(picture).save(folder / f"img{i:04}.png")
        points = ",".join(f"{value:.1f}" for value in rng.uniform(5, 40, 6))
        lines.append(f"labeled-data,cam,img{i:04}.png,{points}")
    (folder / "CollectedData_me.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_evaluate_prints_the_errors_beside_the_mean_pose(vitface, labels, judged_model):
    run = vitface("evaluate", judged_model, labels, "--precision", "fp32")
    assert run.returncode == 0, run.stderr
    header, _, everything, *each = run.stdout.splitlines()
    assert re.split(r"\s{2,}", header) == [
        "error in pixels",
        "points",
        *("model median", "model mean", "model RMSE"),
        *("mean pose median", "mean pose mean", "mean pose RMSE"),
    ]
    cells = re.split(r"\s{2,}", everything)
    assert cells[:2] == ["all keypoints", "12"]
    assert all(float(cell) > 0 for cell in cells[2:])
    assert each[0].startswith("eye")
    result = objects(vitface("evaluate", judged_model, labels, "--json"))[-1]["result"]
    assert result["points"] == 12
    assert result["mean_pose"]["points"] == 12
