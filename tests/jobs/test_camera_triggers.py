"""Times of the camera's triggers in place of those of the file, and traces as NWB."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_vitface.cli import main
from napari_vitface.errors import VitFaceError
from napari_vitface.formats.trace_table import read_traces
from napari_vitface.jobs.camera_triggers import (
    naming_rule,
    read_triggers,
    serves_all,
    triggers_of,
)
from napari_vitface.jobs.traces import traces
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

TIMES = [1204.5, 1204.52, 1204.561]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.txt", "1204.5\n1204.52\n1204.561\n"),
        ("t.csv", "time (s)\n1204.5\n1204.52\n1204.561\n"),
        ("t.csv", "frame,Trigger time\n0,1204.5\n1,1204.52\n2,1204.561\n"),
        ("t.tsv", "timestamps\tpulse\n1204.5\t1\n1204.52\t1\n1204.561\t1\n"),
        ("t.csv", "frame;time\n0;1204,5\n1;1204,52\n2;1204,561\n"),
    ],
)
def test_times_are_found_in_tables_and_plain_text(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_triggers(tmp_path / name, "mouse.mp4", 3).tolist() == TIMES


def test_times_are_found_in_an_array_of_numpy(tmp_path: Path) -> None:
    np.save(tmp_path / "cam.times.npy", np.array(TIMES)[:, None])
    assert read_triggers(tmp_path / "cam.times.npy", "mouse.mp4", 3).tolist() == TIMES
    np.save(tmp_path / "many.npy", np.ones((3, 2)))
    with pytest.raises(VitFaceError, match="one number a frame"):
        read_triggers(tmp_path / "many.npy", "mouse.mp4", 3)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1\n2\n3\n4\n", r"has 4 times, but mouse\.mp4 has 3 frames"),
        ("1\n3\n3\n", "do not increase: number 3 is not later"),
        ("1\nNaN\n3\n", "number 2 is not later than the one before, or missing"),
        ("a,b\n1,2\n3,4\n5,6\n", "Which column of .* cannot be told"),
        ("1,2\n3,4\n5,6\n", "Which column of .* cannot be told"),
        ("time\n1\nsoon\n3\n", "'soon' in row 3, column time"),
    ],
)
def test_what_is_no_time_for_each_frame_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(VitFaceError, match=sentence):
        read_triggers(tmp_path / "t.csv", "mouse.mp4", 3)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A folder of images, which has no times of its own."""
    folder = tmp_path / "mouse"
    folder.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (30, 16, 24), dtype=np.uint8)
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"img{i:03d}.png")
    return folder


def test_speeds_and_the_table_go_by_the_triggers(video: Path, tmp_path: Path) -> None:
    from napari_vitface import write_poses

    xy = np.stack([np.arange(30), np.zeros(30)], axis=-1)[:, None]
    write_poses(PoseTable(KeypointSet(("nose",)), xy), tmp_path / "p.csv", scorer="me")
    seconds = 100 + np.arange(30) / 50
    np.savetxt(tmp_path / "t.txt", seconds)
    list(traces(video, "nose", predictions=tmp_path / "p.csv", triggers=tmp_path / "t.txt"))
    found = read_traces(tmp_path / "mouse_traces.csv")
    assert found.times is not None
    np.testing.assert_allclose(found.times, seconds, atol=1e-6)
    speed = found.values[1:, found.names.index("nose speed")]
    np.testing.assert_allclose(speed, 50, rtol=1e-4)


def test_nwb_has_the_traces_of_the_table(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pynwb = pytest.importorskip("pynwb")
    np.savetxt(tmp_path / "t.txt", 100 + np.arange(30) / 50)
    command = ["traces", str(video), "--kinds", "motion,motion-svd", "--components", "3", "--nwb"]
    assert main(command) == 1
    assert "NWB needs the time of each frame" in capsys.readouterr().err
    assert main([*command, "--triggers", str(tmp_path / "t.txt"), "--frames", "5:25"]) == 0
    assert "mouse_traces.nwb" in capsys.readouterr().out
    table = read_traces(tmp_path / "mouse_traces.csv")
    with pynwb.NWBHDF5IO(str(tmp_path / "mouse_traces.nwb"), "r") as io:
        series = io.read().processing["behavior"].data_interfaces
        assert set(series) == {"frame", "motion energy frame", "motion frame"}
        energy, components = series["motion energy frame"], series["motion frame"]
        assert series["frame"].data[:].tolist() == list(range(5, 25))
        assert energy.unit == "grey levels"
        np.testing.assert_allclose(components.timestamps[:], table.times, atol=1e-6)
        np.testing.assert_array_equal(energy.data[:], table.values[:, 0])
        np.testing.assert_array_equal(components.data[:], table.values[:, 1:])
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("given", ["sync/{}.txt", "sync"])
def test_each_of_several_videos_has_triggers_by_its_name(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.chdir(tmp_path)
    other = video.rename(tmp_path / "mouse1")
    shutil.copytree(other, tmp_path / "mouse2")
    Path("sync").mkdir()
    for number in (1, 2):
        np.savetxt(f"sync/mouse{number}.txt", 100 * number + np.arange(30) / 50)
    assert main(["traces", "mouse1", "mouse2", "--kinds", "motion", "--triggers", given]) == 0
    for number in (1, 2):
        found = read_traces(tmp_path / f"mouse{number}_traces.csv")
        assert found.times is not None
        assert found.times[0] == 100 * number


def test_a_folder_has_one_file_of_triggers_for_a_video(tmp_path: Path) -> None:
    with pytest.raises(VitFaceError, match=r"none of the files mouse\.csv, .* and mouse\.npy"):
        triggers_of(tmp_path, Path("mouse.mp4"))
    for ending in (".csv", ".npy"):
        (tmp_path / f"mouse{ending}").touch()
    with pytest.raises(VitFaceError, match="several of the files"):
        triggers_of(tmp_path, Path("mouse.mp4"))


def test_the_name_of_a_video_may_be_that_of_a_folder() -> None:
    rule = Path("sessions/{}/times.csv")
    assert serves_all(rule)
    assert triggers_of(rule, Path("data/mouse.mp4")) == Path("sessions/mouse/times.csv")


@pytest.mark.parametrize(
    ("triggers", "video", "rule"),
    [
        ("/sync/mouse1_triggers.csv", "/data/mouse1.mp4", "/sync/{}_triggers.csv"),
        ("/sync/camera_a.csv", "/data/a.mp4", "/sync/camera_{}.csv"),
        ("/sync/camera.csv", "/data/a.mp4", None),
        ("/sync/mouse10.csv", "/data/mouse1.mp4", None),
    ],
)
def test_the_rule_of_a_file_of_triggers(triggers: str, video: str, rule: str | None) -> None:
    assert naming_rule(Path(triggers), Path(video)) == (None if rule is None else Path(rule))


def test_one_file_for_several_videos_is_refused(
    video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["traces", str(video), str(video) + "2", "--triggers", "t.csv"]) == 1
    assert "Each of 2 videos has triggers of its own: write {}" in capsys.readouterr().err
    assert main(["traces", str(video), str(video) + "2", "--predictions", "p.csv"]) == 1
    assert "p.csv is one table for 2 videos: write {}" in capsys.readouterr().err
    assert main(["traces", str(video), "--triggers", "a.csv", "--triggers", "b.csv"]) == 1
    assert "mouse has triggers of its own: give --triggers once." in capsys.readouterr().err
    assert main(["traces", str(video), "--kinds", "nose", "--predictions", "."]) == 1
    assert "nexpected" not in capsys.readouterr().err
