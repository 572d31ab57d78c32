"""The command train: options, what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

SMALL = (
    "--init", "scratch", "--image-size", "32x48", "--steps", "2", "--batch-size", "2",
    "--device", "cpu", "--precision", "fp32",
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    from PIL import Image

    folder = tmp_path / "project" / "labeled-data" / "cam1"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    lines = ["scorer,me,me", "bodyparts,eye,eye", "coords,x,y"]
    for row in range(6):
        image = rng.integers(0, 255, (32, 48), dtype=np.uint8)
        Image.fromarray(image).save(folder / f"img{row:03d}.png")
        lines.append(f"labeled-data/cam1/img{row:03d}.png,{10 + row},{12 + row}")
    (folder / "CollectedData_me.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "project"


def test_it_prints_the_verdict_and_the_files(vitface, project):
    run = vitface("train", project, "--name", "mine", *SMALL)
    assert run.returncode == 0, run.stderr
    *sentences, model, report = run.stdout.splitlines()
    assert "that of the mean pose" in sentences[0]
    assert Path(model) == project / "vitface" / "models" / "mine.safetensors"
    assert Path(report).is_file()
    assert "step 2 of 2: loss" in run.stderr
    assert "mine: Training in fp32 on cpu." in run.stderr
    listed = vitface("models", project)
    assert "4 labelled frames of 1 recording, starting from scratch" in listed.stdout
    judged = vitface("evaluate", model, project, "--held-out", "--report", project / "judged")
    assert judged.returncode == 0, judged.stderr
    assert (project / "judged" / "report.html").is_file()
    assert (project / "judged" / "metrics.json").is_file()


def test_json_ends_with_the_result(vitface, project):
    run = vitface("train", project, "--json", "--augment", "flip=0.5", "--radius", "4", *SMALL)
    events = [json.loads(line) for line in run.stdout.splitlines()]
    assert {"Started", "Progress", "LossMeasured", "EpochFinished", "HeldOutShown"} <= {
        event["event"] for event in events
    }
    assert events[-1]["event"] == "Finished"
    result = events[-1]["result"]
    assert result == json.loads((Path(result["run"]) / "metrics.json").read_text())
    settings = json.loads((Path(result["run"]) / "settings.json").read_text())
    assert settings["settings"]["augmentation"]["flip"] == 0.5
    assert settings["options"]["radius"] == 4


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--image-size", "big"], 2, "give HEIGHTxWIDTH"),
        (["--augment", "flip"], 2, "give NAME=VALUE"),
        (["--steps", "0"], 2, "no whole number from 1"),
        (["--continue", "--overwrite"], 2, "not allowed with"),
        (["--val", "video:cam9"], 1, "there are: cam1"),
        (["--continue"], 1, "Name the run"),
        (["--init", "nothing.safetensors"], 1, "There is no model file"),
    ],
)
def test_what_is_wrong_is_said(vitface, project, arguments, status, message):
    run = vitface("train", project, *SMALL, *arguments)
    assert run.returncode == status
    assert message in run.stderr
    assert "Traceback" not in run.stderr
