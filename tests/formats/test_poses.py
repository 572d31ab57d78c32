"""Predictions on disk: what comes back, who else can read it, and what a failure leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_vitface.errors import LabelError
from napari_vitface.formats.poses import PoseWriter, read_poses, write_poses
from napari_vitface.formats.predictions import Heading
from napari_vitface.pose.keypoints import MOUSE_FACE, KeypointSet
from napari_vitface.pose.table import PointState, PoseTable

NAN = np.nan
TWO = KeypointSet(("eye", "nose"))
SUFFIXES = [".h5", ".csv"]


def some_poses(count: int = 20, keypoints: KeypointSet = MOUSE_FACE) -> PoseTable:
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 640, (count, len(keypoints), 2))
    xy[count // 2] = NAN
    xy[0, 0] = NAN
    confidence = rng.uniform(0, 1, (count, len(keypoints))) * np.isfinite(xy).all(axis=-1)
    return PoseTable(keypoints, xy, confidence, frames=np.arange(count) * 3)


def assert_same(one: PoseTable, other: PoseTable) -> None:
    assert one.keypoints.names == other.keypoints.names
    np.testing.assert_array_equal(one.frames, other.frames)
    np.testing.assert_array_equal(one.xy, other.xy)
    np.testing.assert_array_equal(one.confidence, other.confidence)
    np.testing.assert_array_equal(one.state, other.state)


# --- round trips ----------------------------------------------------------------------------------

texts = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00\r"), min_size=1, max_size=12
).filter(lambda name: bool(name.strip()))
names = st.lists(texts, min_size=1, max_size=4, unique=True)
pixels = st.floats(-1e6, 1e6, width=32)


@st.composite
def tables(draw: st.DrawFn) -> PoseTable:
    keypoints = KeypointSet(tuple(draw(names)))
    frames = sorted(draw(st.sets(st.integers(0, 3_000_000), max_size=8)))
    shape = (len(frames), len(keypoints))
    present = draw(arrays(bool, shape))
    xy = np.where(present[..., None], draw(arrays(np.float32, (*shape, 2), elements=pixels)), NAN)
    confidence = np.where(
        present, draw(arrays(np.float32, shape, elements=st.floats(0, 1, width=32))), 0
    )
    return PoseTable(keypoints, xy, confidence, frames=frames)


@settings(max_examples=30)
@given(table=tables(), scorer=texts, suffix=st.sampled_from(SUFFIXES))
def test_a_table_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, table: PoseTable, scorer: str, suffix: str
) -> None:
    path = tmp_path_factory.mktemp("poses") / f"p{suffix}"
    write_poses(table, path, scorer=scorer)
    assert_same(read_poses(path), table)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_labelled_point_comes_back_as_predicted(tmp_path: Path, suffix: str) -> None:
    state = [[PointState.LABELLED, PointState.OCCLUDED]]
    table = PoseTable(TWO, [[[1, 2], [NAN, NAN]]], None, state)
    write_poses(table, tmp_path / f"p{suffix}", scorer="s")
    assert read_poses(tmp_path / f"p{suffix}").state.tolist() == [[1, 0]]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_confidence_without_a_point_is_not_written(tmp_path: Path, suffix: str) -> None:
    table = PoseTable(TWO, [[[1, 2], [NAN, 4]]], [[0.5, 0.9]])
    write_poses(table, tmp_path / f"p{suffix}", scorer="s")
    found = read_poses(tmp_path / f"p{suffix}")
    assert found.confidence.tolist() == [[0.5, 0]]
    assert np.isnan(found.xy[0, 1]).all()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_mouse_face_gets_its_skeleton_back(tmp_path: Path, suffix: str) -> None:
    write_poses(some_poses(), tmp_path / f"p{suffix}", scorer="s")
    assert read_poses(tmp_path / f"p{suffix}").keypoints == MOUSE_FACE


# --- as others see it -----------------------------------------------------------------------------


def test_pandas_finds_deeplabcut_s_table_without_a_key(tmp_path: Path) -> None:
    table = some_poses()
    write_poses(table, tmp_path / "p.h5", scorer="vitface_m")
    frame = pd.read_hdf(tmp_path / "p.h5")
    assert isinstance(frame, pd.DataFrame)
    assert frame.equals(pd.read_hdf(tmp_path / "p.h5", key="df_with_missing"))
    assert list(frame.columns.names) == ["scorer", "bodyparts", "coords"]
    assert list(frame.columns) == [
        ("vitface_m", name, coord)
        for name in MOUSE_FACE.names
        for coord in ("x", "y", "likelihood")
    ]
    assert frame.index.dtype == np.int64
    assert frame.index.tolist() == table.frames.tolist()
    assert set(frame.dtypes) == {np.dtype(np.float32)}
    nose = frame["vitface_m"]["nose tip"]
    np.testing.assert_array_equal(nose["x"], table.xy[:, 5, 0])
    np.testing.assert_array_equal(nose["likelihood"], table.confidence[:, 5])
    with h5py.File(tmp_path / "p.h5") as file:
        # Without it pandas 1 and 2 take the file for one of pandas 0.10 and fail.
        assert file["df_with_missing"].attrs["pandas_version"] == b"0.15.2"


def test_the_csv_has_deeplabcut_s_header_and_the_same_numbers(tmp_path: Path) -> None:
    keypoints = KeypointSet(("left, eye", 'a "nose"'))
    table = some_poses(4, keypoints)
    for suffix in SUFFIXES:
        write_poses(table, tmp_path / f"p{suffix}", scorer="s")
    text = (tmp_path / "p.csv").read_text(encoding="utf-8")
    assert text.splitlines()[:3] == [
        "scorer,s,s,s,s,s,s",
        'bodyparts,"left, eye","left, eye","left, eye","a ""nose""","a ""nose""","a ""nose"""',
        "coords,x,y,likelihood,x,y,likelihood",
    ]
    assert text.splitlines()[5] == "6,,,0,,,0"  # the frame without points
    frame = pd.read_csv(tmp_path / "p.csv", header=[0, 1, 2], index_col=0)
    expected = pd.read_hdf(tmp_path / "p.h5")
    assert isinstance(expected, pd.DataFrame)
    pd.testing.assert_frame_equal(frame.astype(np.float32), expected)


def test_deeplabcut_s_own_predictions_are_read(tmp_path: Path) -> None:
    columns = pd.MultiIndex.from_product(
        [["DLC_resnet50"], ["eye", "nose"], ["x", "y", "likelihood"]],
        names=["scorer", "bodyparts", "coords"],
    )
    values = np.random.default_rng(0).uniform(0, 1, (5, 6))
    frame = pd.DataFrame(values, columns=columns, index=range(5))
    frame.to_hdf(tmp_path / "v.h5", key="df_with_missing", mode="w", format="table")
    frame.to_csv(tmp_path / "v.csv")
    for suffix in SUFFIXES:
        poses = read_poses(tmp_path / f"v{suffix}")
        assert poses.keypoints == TWO
        np.testing.assert_array_equal(poses.xy[:, 1], values[:, 3:5].astype(np.float32))
        np.testing.assert_array_equal(poses.confidence[:, 0], values[:, 2].astype(np.float32))


def test_rows_in_any_order_are_sorted_and_likelihoods_kept_in_range(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(
        "scorer,s,s,s\nbodyparts,eye,eye,eye\ncoords,x,y,likelihood\n7,1,2,1.5\n3,4,5,\n"
    )
    poses = read_poses(path)
    assert poses.frames.tolist() == [3, 7]
    assert poses.confidence.tolist() == [[0], [1]]


def test_sleap_s_arrays_hold_the_same_poses_with_a_place_for_every_frame(tmp_path: Path) -> None:
    table = some_poses()
    write_poses(table, tmp_path / "p.h5", scorer="s")
    dense = table.dense(int(table.frames[-1]) + 1)
    with h5py.File(tmp_path / "p.h5") as file:
        np.testing.assert_array_equal(file["tracks"][0], dense.xy.transpose(2, 1, 0))
        scores = file["point_scores"][0].T
        np.testing.assert_array_equal(scores[table.frames], table.confidence)
        assert np.isnan(np.delete(scores, table.frames, axis=0)).all()
        occupied = np.isfinite(dense.xy).all(axis=-1).any(axis=-1)
        np.testing.assert_array_equal(file["track_occupancy"][:, 0], occupied)
        row = table.confidence[1]
        assert file["instance_scores"][0, 3] == pytest.approx(row.mean())
        assert [name.decode() for name in file["node_names"]] == list(MOUSE_FACE.names)
        np.testing.assert_array_equal(file["edge_inds"], MOUSE_FACE.edges())


def test_far_frames_take_no_room_in_sleap_s_arrays(tmp_path: Path) -> None:
    path = tmp_path / "p.h5"
    far = PoseTable(TWO, np.ones((3, 2, 2)), frames=[0, 1_000_000, 5_000_000])
    write_poses(far, path, scorer="s")
    assert path.stat().st_size < 2_000_000
    with h5py.File(path) as file:
        assert file["tracks"].shape == (1, 2, 2, 5_000_001)
        assert np.flatnonzero(file["track_occupancy"][:, 0]).tolist() == far.frames.tolist()
        assert (file["tracks"][0, :, :, 5_000_000] == 1).all()


# --- writing as the poses come --------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 7, 64, 5000])
def test_pieces_make_the_same_file_as_one(tmp_path: Path, step: int) -> None:
    table = some_poses(10_000, TWO)
    paths = [tmp_path / f"p{suffix}" for suffix in SUFFIXES]
    with PoseWriter(*paths, heading=Heading(TWO, "s")) as writer:
        for start in range(0, len(table), step):
            rows = slice(start, start + step)
            writer.append(table.frames[rows], table.xy[rows], table.confidence[rows])
        assert writer.count == len(table)
    for path in paths:
        assert_same(read_poses(path), table)


def test_files_appear_when_the_writer_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "p.h5"
    path.write_bytes(b"what was there")
    writer = PoseWriter(path, tmp_path / "p.csv", heading=Heading(TWO, "s"))
    writer.append([0], np.ones((1, 2, 2)), np.ones((1, 2)))
    assert path.read_bytes() == b"what was there"
    assert not (tmp_path / "p.csv").exists()
    writer.close()
    writer.close()
    assert len(read_poses(path)) == len(read_poses(tmp_path / "p.csv")) == 1
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(ValueError, match="closed"):
        writer.append([1], np.ones((1, 2, 2)), np.ones((1, 2)))


@pytest.mark.parametrize("rows", [10, 10_000])
def test_giving_up_leaves_what_was_there(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "p.h5"
    path.write_bytes(b"what was there")

    def begin_and_fail() -> None:
        with PoseWriter(path, tmp_path / "p.csv", heading=Heading(TWO, "s")) as writer:
            writer.append(np.arange(rows), np.ones((rows, 2, 2)), np.ones((rows, 2)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin_and_fail()
    assert path.read_bytes() == b"what was there"
    assert [file.name for file in tmp_path.iterdir()] == ["p.h5"]


@pytest.mark.parametrize("frames", [[3, 3], [4, 2], [-1, 0]])
def test_frames_only_go_forward(tmp_path: Path, frames: list[int]) -> None:
    with PoseWriter(tmp_path / "p.csv", heading=Heading(TWO, "s")) as writer:
        with pytest.raises(ValueError, match="increase strictly"):
            writer.append(frames, np.ones((2, 2, 2)), np.ones((2, 2)))
        writer.append([5], np.ones((1, 2, 2)), np.ones((1, 2)))
        with pytest.raises(ValueError, match="increase strictly"):
            writer.append([5], np.ones((1, 2, 2)), np.ones((1, 2)))
    assert read_poses(tmp_path / "p.csv").frames.tolist() == [5]


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path) -> None:
    script = """
import sys
import numpy as np
from napari_vitface.formats.poses import PoseWriter
from napari_vitface.formats.predictions import Heading
from napari_vitface.pose.keypoints import MOUSE_FACE

def peak():
    # Not ru_maxrss, which begins with the peak of the process that started this one.
    lines = dict(line.split(":") for line in open("/proc/self/status"))
    return int(lines["VmHWM"].split()[0])
xy, confidence = np.ones((500, 12, 2)), np.ones((500, 12))
def write(count):
    with PoseWriter(sys.argv[1], heading=Heading(MOUSE_FACE, "s")) as writer:
        for start in range(0, count, 500):
            writer.append(np.arange(start, start + 500), xy, confidence)
    return peak()
write(100_000)  # fills the caches of HDF5
small = peak()
print((write(400_000) - small) / 1024)
"""
    if sys.platform != "linux":
        pytest.skip("peak memory is measured as Linux counts it")
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "p.h5")], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    # 300 000 rows more are 46 MB.
    assert float(run.stdout) < 25


# --- what cannot be written or read ---------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files as POSIX does")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_disk_that_fills_up_gets_one_sentence_and_leaves_what_was_there(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"p{suffix}"
    path.write_bytes(b"what was there")
    script = """
import resource, signal, sys
import numpy as np
from napari_vitface.errors import VitFaceError
from napari_vitface.formats.poses import PoseWriter
from napari_vitface.formats.predictions import Heading
from napari_vitface.pose.keypoints import MOUSE_FACE

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
rng = np.random.default_rng(0)
try:
    with PoseWriter(sys.argv[1], heading=Heading(MOUSE_FACE, "s")) as writer:
        for start in range(0, 100_000, 1000):
            frames = np.arange(start, start + 1000)
            writer.append(frames, rng.random((1000, 12, 2)), rng.random((1000, 12)))
except VitFaceError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, timeout=600
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(f"p{suffix} could not be written to {tmp_path} (")
    assert run.stdout.count("\n") == 1
    assert path.read_bytes() == b"what was there"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_folder_that_is_not_there_gets_one_sentence(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(LabelError, match=r"could not be written to .*gone"):
        write_poses(some_poses(), tmp_path / "gone" / f"p{suffix}", scorer="s")


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"written as \.h5.*\.csv.*, not as p\.txt"):
        write_poses(some_poses(), tmp_path / "p.txt", scorer="s")
    with pytest.raises(LabelError, match=r"not as p\.txt"):
        PoseWriter(tmp_path / "p.h5", tmp_path / "p.txt", heading=Heading(TWO, "s"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rows", ["img1.png,1,2,1\n", "0,1,2,1\n0,3,4,1\n", "-1,1,2,1\n"])
def test_rows_that_are_no_frames_get_one_sentence(tmp_path: Path, rows: str) -> None:
    path = tmp_path / "p.csv"
    path.write_text("scorer,s,s,s\nbodyparts,eye,eye,eye\ncoords,x,y,likelihood\n" + rows)
    with pytest.raises(LabelError, match=r"p\.csv"):
        read_poses(path)
