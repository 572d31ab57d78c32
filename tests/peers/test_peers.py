"""Projects in the hands of the real DeepLabCut 3 and Lightning Pose: ``tox run -e peers``.

Their packages are large, so they have an environment of their own, with this package in it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from napari_vitface import read_poses
from napari_vitface.pose.edits import make_edit
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import Point, labelled, occluded
from napari_vitface.project.label_reading import read_labels
from napari_vitface.project.project import Project
from napari_vitface.video import open_video
from napari_vitface.video.video_writer import VideoWriter

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3000),
    pytest.mark.skipif(
        not all(map(find_spec, ("deeplabcut", "lightning_pose"))),
        reason="no DeepLabCut and Lightning Pose here: tox run -e peers",
    ),
]

HERE = Path(__file__).parent
KEYPOINTS = KeypointSet(
    ("nose", "left ear", "right ear"),
    skeleton=(("nose", "left ear"),),
    swaps=(("left ear", "right ear"),),
    colours=("#ff0000", "#00ff00", "#0000ff"),
)
FRAMES = (0, 2, 3, 5, 7, 8, 11, 13)


def frame(index: int) -> np.ndarray:
    """A grey frame with a bright spot for each keypoint."""
    image = np.full((96, 96), 60, np.uint8)
    for k in range(len(KEYPOINTS)):
        x, y = spot(index, k)
        image[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3] = 250 - 60 * k
    return image


def spot(index: int, k: int) -> tuple[float, float]:
    return 20 + 3 * index + 0.25, 20 + 25 * k + 0.5


def run(script: str, *arguments: object) -> str:
    """What a script of another program prints."""
    done = subprocess.run(
        [sys.executable, str(HERE / script), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=2900,
        env={**os.environ, "MPLBACKEND": "agg", "QT_QPA_PLATFORM": "offscreen", "DLClight": "True"},
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    return done.stdout


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "whisk.mp4"
    with VideoWriter(path, (96, 96), 30) as writer:
        for index in range(16):
            writer.write(np.repeat(frame(index)[..., None], 3, axis=-1))
    return path


def label(project: Project, name: str, points: dict[tuple[int, int], Point]) -> None:
    with open_video(project.video(name).path) as opened:  # type: ignore[union-attr, arg-type]
        document = project.document(name, lambda index: opened[index])
        edit = make_edit(document.labels, "place", points)
        assert edit is not None
        document.do(edit)
        document.save()
        document.close()


POINTS: dict[tuple[int, int], Point] = {
    (f, k): labelled(*spot(f, k)) for f in FRAMES for k in range(3) if (f, k) != (3, 1)
}


def check_what_comes_back(project: Project, video: Path) -> None:
    """The labels are as they were, and the predictions are read."""
    labels = read_labels(project.folder)
    assert labels.problems == ()
    assert labels.frames.tolist() == list(FRAMES)
    for row, f in enumerate(FRAMES):
        for k in range(3):
            expected = (np.nan, np.nan) if (f, k) == (3, 1) else spot(f, k)
            np.testing.assert_array_equal(labels.xy[row, k], expected)
    for suffix in (".h5", ".csv"):
        (table,) = video.parent.glob(f"{video.stem}DLC*{suffix}")
        poses = read_poses(table)
        assert poses.keypoints.names == KEYPOINTS.names
        assert poses.frames.tolist() == list(range(16))
        assert np.isfinite(poses.xy).all()
    again = Project.open(project.folder)
    assert again.keypoints == KEYPOINTS
    assert again.problems == ()


def test_deeplabcut_trains_on_a_project_made_here(video: Path, tmp_path: Path) -> None:
    project = Project.create(tmp_path / "ours", KEYPOINTS, "Ann B")
    project.add_video(video)
    label(project, "whisk", {**POINTS, (3, 1): occluded(30, 40)})
    before = (project.folder / "labeled-data/whisk/CollectedData_Ann B.csv").read_bytes()
    run("deeplabcut_run.py", "train", project.config_path, video)
    check_what_comes_back(project, video)
    after = (project.folder / "labeled-data/whisk/CollectedData_Ann B.csv").read_bytes()
    assert after == before


def test_deeplabcut_trains_on_its_own_project_edited_here(video: Path, tmp_path: Path) -> None:
    printed = run("deeplabcut_run.py", "make", tmp_path, video)
    config = Path(printed.rsplit("CONFIG ", 1)[1].strip())
    data = yaml.safe_load(config.read_text())
    names = [f"part{k}" for k in range(2)]
    config.write_text(yaml.safe_dump({**data, "bodyparts": names, "skeleton": []}))
    project = Project.open(config)
    renames = dict(zip(names, KEYPOINTS.names, strict=False))
    project.change_keypoints(KEYPOINTS, renames)
    label(project, "whisk", POINTS)
    there = project.video("whisk")
    assert there is not None
    assert there.path is not None
    run("deeplabcut_run.py", "train", config, there.path)
    check_what_comes_back(project, there.path)


def test_lightning_pose_reads_and_trains_on_what_is_labelled_here(
    video: Path, tmp_path: Path
) -> None:
    root = tmp_path / "lightning"
    (root / "labeled-data" / "whisk").mkdir(parents=True)
    (root / "videos").mkdir()
    (root / "videos" / "whisk.mp4").write_bytes(video.read_bytes())
    settings = {"data_dir": str(root), "csv_file": "CollectedData.csv",
                "keypoint_names": list(KEYPOINTS.names)}  # fmt: skip
    (root / "config.yaml").write_text(yaml.safe_dump({"data": settings}))
    project = Project.open(root)
    document = project.document("whisk", frame)
    points = {**POINTS, (3, 1): occluded(30, 40)}
    document.do(make_edit(document.labels, "place", points))  # type: ignore[arg-type]
    document.save()
    document.close()
    run("lightning_pose_run.py", "read", root, "CollectedData.csv", tmp_path / "found.npz")
    with np.load(tmp_path / "found.npz") as found:
        assert found["names"].tolist() == list(KEYPOINTS.names)
        assert found["images"].tolist() == [f"labeled-data/whisk/img{f:04d}.png" for f in FRAMES]
        expected = np.full((len(FRAMES), 3), 2)
        expected[FRAMES.index(3), 1] = 1
        assert found["visible"].tolist() == expected.tolist()
        row = FRAMES.index(5)
        np.testing.assert_allclose(found["xy"][row], [spot(5, k) for k in range(3)], rtol=1e-6)
        assert found["heatmaps"].shape[:2] == (len(FRAMES), 3)
    assert pd.read_csv(root / "CollectedData.csv", header=[0, 1, 2], index_col=0).shape == (8, 9)
    before = (root / "CollectedData.csv").read_bytes()
    arguments = (root, "CollectedData.csv", root / "videos" / "whisk.mp4", tmp_path / "model")
    printed = run("lightning_pose_run.py", "train", *arguments)
    poses = read_poses(Path(printed.rsplit("PREDICTIONS ", 1)[1].strip()))
    assert poses.keypoints.names == KEYPOINTS.names
    assert poses.frames.tolist() == list(range(16))
    assert np.isfinite(poses.xy).all()
    assert (root / "CollectedData.csv").read_bytes() == before
