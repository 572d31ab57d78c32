"""The command ``attention``: its files, its tables, and options that do not go together."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from napari_vitface.settings.attention import METHODS
from napari_vitface.video import open_video


def objects(run) -> list[dict]:
    return [json.loads(line) for line in run.stdout.splitlines()]


def one_sentence(run) -> str:
    lines = [line for line in run.stderr.splitlines() if line.startswith("napari-vitface: ")]
    assert len(lines) == 1, run.stderr
    assert lines[0].endswith(".")
    return lines[0]


@pytest.fixture
def attention(vitface, video, tiny_model):
    """Run the command on the video with the tiny model."""

    def run(*arguments: object, output: str = "a.npz"):
        file = video.with_name(output)
        common = ["--model", tiny_model, "--precision", "fp32", "--output", file]
        return vitface("attention", video, *common, *arguments), file

    return run


@pytest.mark.parametrize("method", METHODS)
def test_every_method_writes_its_maps(attention, method):
    if method == "superpixels":
        pytest.importorskip("captum")
    run, file = attention(
        *["--frame", 3, "--method", method, "--keypoint", "eye", "--keypoint", "global"],
        *["--segments", 4, "--orders", 2],
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == f"{file} (2 maps)"
    with np.load(file, allow_pickle=False) as stored:
        assert stored["names"].tolist() == ["eye", "global"]
        assert stored["maps"].shape == (2, 4, 5)
        assert json.loads(str(stored["settings"]))["method"] == method


def test_layers_heads_and_points(attention):
    run, file = attention(
        *["--frame", -1, "--keypoint", "eye", "--point", "20,30.5", "--each-layer"],
        *["--layers", "0:2", "--head", 1, "--hide-self"],
    )
    assert run.returncode == 0, run.stderr
    with np.load(file) as stored:
        assert stored["names"].tolist() == ["eye", "(20, 30.5)"]
        assert stored["layers"].tolist() == [[0, 1], [0, 2]]
        assert json.loads(str(stored["settings"]))["head_fusion"] == "head 1"


def test_a_range_as_data_mean_picture_and_video(attention):
    run, file = attention("--frames", "::10", "--keypoint", "mouth")
    assert run.stdout.strip() == f"{file} (1 map of 4 frames)"
    run, file = attention("--frames", "0:4", "--average", output="a.png")
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == f"{file} (4 maps, mean over 4 frames)"
    run, file = attention("--frames", "0:5", "--keypoint", "mouth", output="a.mp4")
    assert run.returncode == 0, run.stderr
    assert "Writing the video" in run.stderr
    with open_video(file) as written:
        assert len(written) == 5
    run, file = attention("--frame", 2, "--keypoint", "mouth", "--each-layer", output="b.mp4")
    assert run.returncode == 0, run.stderr
    with open_video(file) as written:
        assert len(written) == 2


def test_numbers_as_a_table(attention):
    run, file = attention("--frames", ":6", "--radius", 12, output="a.csv")
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert lines[0].split()[:4] == ["keypoint", "tracked", "near", "elsewhere"]
    assert [line.split()[0] for line in lines[1:4]] == ["eye", "nose", "mouth"]
    assert lines[-1] == f"{file} (6 frames)"
    with file.open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 18
    run, _ = attention("--frame", -1, "--json", output="a.csv")
    result = objects(run)[-1]["result"]
    assert result["frames"] == 1
    assert result["range"] == [39, 40, 1]
    measured = next(line for line in objects(run) if line["event"] == "AttentionMeasured")
    assert measured["frames"] == [39]


def test_faithfulness_is_printed_and_kept(attention):
    run, file = attention("--frame", 3, "--faithfulness", "--keypoint", "eye")
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert "10 % of the frame are blanked, frame 3" in lines[0]
    assert lines[2].startswith("eye")
    assert lines[-1] == f"{file} (1 map)"
    with np.load(file) as stored:
        assert list(json.loads(str(stored["settings"]))["faithfulness"]) == ["eye"]
    run, file = attention(
        *["--frames", "0:4", "--average", "--faithfulness", "--json"], output="a.png"
    )
    result = objects(run)[-1]["result"]
    assert result["output"] == str(file)
    assert [each["name"] for each in result["faithfulness"]] == [
        *("eye", "nose tip", "mouth", "global")
    ]
    assert len(result["faithfulness"][0]["attended"]) == 4


@pytest.mark.parametrize(
    ("arguments", "output", "words"),
    [
        (["--frame", 1, "--average"], "a.npz", "--average needs a range"),
        (["--frame", 1], "a.mp4", "A video needs a range"),
        (["--frames", ":3"], "a.png", "A picture shows one frame"),
        (["--frames", ":3", "--average"], "a.mp4", "name a .npz or .png"),
        (["--frames", ":3", "--average"], "a.csv", "leave --average out"),
        (["--frames", ":3", "--each-layer"], "a.npz", "for the maps of one frame"),
        (["--frame", 1, "--point", "1,2"], "a.csv", "for the maps of one frame"),
        (["--frame", 1, "--method", "relevance", "--discard", 0.5], "a.npz", "nothing discarded"),
        (["--frame", 1, "--point", "900,2"], "a.npz", "outside of what the model sees"),
    ],
)
def test_options_that_do_not_go_together_are_one_sentence(attention, arguments, output, words):
    run, file = attention(*arguments, output=output)
    assert run.returncode == 1
    assert words in one_sentence(run)
    assert not file.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--frame", "1", "--frames", ":3"],
        ["--frame", "1", "--method", "magic"],
        ["--frame", "1", "--point", "5"],
        ["--frame", "1", "--measure", "fear"],
        ["--frame", "1", "--orders", "0"],
    ],
)
def test_wrong_arguments_end_with_status_2(attention, arguments):
    run, _ = attention(*arguments)
    assert run.returncode == 2
    assert "usage: " in run.stderr
