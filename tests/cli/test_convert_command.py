"""The command ``convert`` as a user types it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_vitface import read_poses, write_poses
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    poses = PoseTable(KeypointSet(("nose", "ear")), np.ones((3, 2, 2)), frames=[0, 2, 3])
    write_poses(poses, tmp_path / "p.csv", scorer="me")
    return tmp_path / "p.csv"


def test_a_file_is_written_and_what_is_lost_is_told(vitface: Run, table: Path) -> None:
    out = table.with_name("out.h5")
    run = vitface("convert", table, out, "--to", "sleap-analysis")
    assert run.returncode == 0
    assert run.stdout.strip() == (
        f"{out} (predictions of 3 frames, 6 points; from deeplabcut-csv to sleap-analysis)"
    )
    (told,) = (line for line in run.stderr.splitlines() if "left behind" in line)
    what = "which frames were left out and who made the points"
    assert told.endswith(f"sleap-analysis cannot hold {what}: these are left behind.")
    assert np.isnan(read_poses(out).xy[1]).all()


def test_with_json_the_result_has_the_sentences(vitface: Run, table: Path) -> None:
    out = table.with_name("out.nc")
    run = vitface("convert", table, out, "--frame-rate", "25", "--json")
    result = json.loads(run.stdout.splitlines()[-1])["result"]
    assert result["lost"] == []
    assert (result["read_as"], result["written_as"]) == ("deeplabcut-csv", "movement")
    assert read_poses(out).frames.tolist() == [0, 2, 3]


def test_what_cannot_be_told_ends_with_one_sentence(vitface: Run, table: Path) -> None:
    run = vitface("convert", table, table.with_name("out.csv"))
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr == (
        "napari-vitface: out.csv can be written as deeplabcut-csv, eks-csv or tidy-csv: say which "
        "(--to).\n"
    )
    assert vitface("convert", table, "out.nc", "--frame-rate", "fast").returncode == 2
    assert vitface("convert", table, table, "--to", "tidy-csv").returncode == 1
    assert table.read_text().startswith("scorer")
