from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.part_file import (
    PartFile,
    is_broken,
    kept_from_others,
    record_type,
)

FRAMES = range(10, 60, 5)


def rows_of(frames: range, keypoints: int = 2) -> np.ndarray:
    rows = np.zeros(len(frames), dtype=record_type(keypoints))
    rows["frame"] = frames
    rows["xy"] = np.random.default_rng(0).normal(size=rows["xy"].shape)
    rows["confidence"] = 0.5
    return rows


def open_part(path: Path, **changed: object) -> PartFile:
    fingerprint = {"video": [1, 2], "model": "abc", "crop": [0, 0, 5, 5], **changed}
    return PartFile(path, fingerprint, record_type(2), FRAMES)


def content(part: PartFile) -> np.ndarray:
    return np.concatenate([np.zeros(0, record_type(2)), *part.rows()])


def test_records_are_there_when_the_file_is_opened_again(tmp_path):
    part = open_part(tmp_path / "a.part")
    assert (part.count, part.mismatch) == (0, None)
    part.append(rows_of(FRAMES)[:3])
    part.append(rows_of(FRAMES)[3:4])
    part.leave()
    again = open_part(tmp_path / "a.part")
    assert again.count == 4
    np.testing.assert_array_equal(content(again), rows_of(FRAMES)[:4])
    np.testing.assert_array_equal(np.concatenate(list(again.rows(1, size=2))), rows_of(FRAMES)[1:4])
    again.remove()
    assert not (tmp_path / "a.part").exists()


def test_others_are_kept_from_a_file_and_it_stays_as_it_is(tmp_path):
    path = tmp_path / "a.part"
    with kept_from_others(path):
        with pytest.raises(VitFaceError, match="Another run is writing"):
            open_part(path)
        with pytest.raises(VitFaceError, match="Another run"), kept_from_others(path):
            pass
    assert not path.exists()
    part = open_part(path)
    part.append(rows_of(FRAMES)[:3])
    part.leave()
    before = path.read_bytes()
    with kept_from_others(path):
        pass
    assert path.read_bytes() == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(cut=st.integers(0, 600))
def test_a_file_cut_off_anywhere_keeps_its_whole_records(tmp_path, cut):
    path = tmp_path / "a.part"
    path.unlink(missing_ok=True)
    part = open_part(path)
    header = path.stat().st_size
    part.append(rows_of(FRAMES))
    part.leave()
    os.truncate(path, min(cut, path.stat().st_size))
    kept = max(0, (path.stat().st_size - header) // part.dtype.itemsize)
    again = open_part(path)
    assert again.count == kept
    again.append(rows_of(FRAMES)[kept:])
    np.testing.assert_array_equal(content(again), rows_of(FRAMES))
    again.leave()


def test_zeros_that_a_power_failure_left_are_dropped(tmp_path):
    part = open_part(tmp_path / "a.part")
    part.append(rows_of(FRAMES)[:3])
    part.leave()
    with part.path.open("ab") as file:
        file.write(bytes(4 * part.dtype.itemsize + 7))
    again = open_part(tmp_path / "a.part")
    assert again.count == 3
    again.leave()


def test_a_record_of_which_half_is_zeros_is_not_believed(tmp_path):
    part = open_part(tmp_path / "a.part")
    header = part.path.stat().st_size
    part.append(rows_of(FRAMES))
    part.leave()
    size = part.dtype.itemsize
    with part.path.open("r+b") as file:
        file.seek(header + 4 * size + size // 2)
        file.write(bytes(size - size // 2))
    again = open_part(tmp_path / "a.part")
    assert again.count == 4
    np.testing.assert_array_equal(content(again), rows_of(FRAMES)[:4])
    again.leave()


def test_records_of_another_run_are_not_believed(tmp_path):
    # Blocks of a file that was here before: right in themselves, under the header of this run.
    for name, model in (("old", "abc"), ("new", "xyz")):
        part = open_part(tmp_path / name, model=model)
        header = part.path.stat().st_size
        part.append(rows_of(FRAMES)[: 10 if name == "old" else 2])
        part.leave()
    with part.path.open("ab") as file:
        file.write((tmp_path / "old").read_bytes()[header + 2 * part.dtype.itemsize :])
    again = open_part(tmp_path / "new", model="xyz")
    assert again.count == 2
    again.leave()


def test_a_part_file_of_an_older_version_is_begun_anew(tmp_path):
    (tmp_path / "a.part").write_bytes(b"napari-vitface part 1\n{}\n" + bytes(400))
    part = open_part(tmp_path / "a.part")
    assert (part.count, part.mismatch) == (0, ("format",))
    part.leave()


@pytest.mark.parametrize("key", ["video", "model", "crop"])
def test_a_file_of_another_run_is_begun_anew_and_says_in_what_it_differs(tmp_path, key):
    part = open_part(tmp_path / "a.part")
    part.append(rows_of(FRAMES))
    part.leave()
    other = open_part(tmp_path / "a.part", **{key: "other"})
    assert (other.count, other.mismatch) == (0, (key,))
    assert list(other.rows()) == []
    other.leave()


@pytest.mark.parametrize("data", [b"hello", b"napari-vitface part 2\n{broken", b"\x00" * 5000])
def test_a_file_that_is_none_of_ours_is_begun_anew(tmp_path, data):
    (tmp_path / "a.part").write_bytes(data)
    part = open_part(tmp_path / "a.part")
    assert (part.count, part.mismatch) == (0, ("format",))
    part.append(rows_of(FRAMES))
    np.testing.assert_array_equal(content(part), rows_of(FRAMES))
    part.leave()


def test_a_file_without_records_does_not_stay(tmp_path):
    open_part(tmp_path / "a.part").leave()
    assert list(tmp_path.iterdir()) == []


def test_two_runs_cannot_write_the_same_file(tmp_path):
    part = open_part(tmp_path / "a.part")
    with pytest.raises(VitFaceError, match="Another run is writing"):
        open_part(tmp_path / "a.part")
    code = (
        "import sys; from napari_vitface.jobs.part_file import PartFile, record_type\n"
        "PartFile(__import__('pathlib').Path(sys.argv[1]), {}, record_type(2), range(3))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(part.path)], capture_output=True, text=True, check=False
    )
    assert "Another run is writing" in run.stderr
    part.leave()
    open_part(tmp_path / "a.part").leave()


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(VitFaceError, match="Nothing can be written to the folder"):
        open_part(tmp_path / "file" / "a.part")


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on the size of files")
def test_a_full_disk_leaves_whole_records(tmp_path):
    import resource

    part = open_part(tmp_path / "a.part")
    part.append(rows_of(FRAMES)[:2])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = part.path.stat().st_size + part.dtype.itemsize + 5
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            part.append(rows_of(FRAMES)[2:])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert part.count == 2
    part.append(rows_of(FRAMES)[2:])
    np.testing.assert_array_equal(content(part), rows_of(FRAMES))
    part.leave()


def test_broken_frames_are_told_from_frames_without_points():
    rows = rows_of(FRAMES)
    rows["confidence"][3] = np.nan
    rows["xy"][4] = np.nan
    assert np.flatnonzero(is_broken(rows)).tolist() == [3]
