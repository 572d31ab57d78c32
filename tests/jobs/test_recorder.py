from __future__ import annotations

import os
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from napari_vitface.errors import VitFaceError
from napari_vitface.formats.poses import read_poses
from napari_vitface.formats.predictions import Heading
from napari_vitface.jobs.outputs import Outputs
from napari_vitface.jobs.part_file import PartFile, record_type
from napari_vitface.jobs.recorder import Recorder
from napari_vitface.pose.keypoints import KeypointSet

KEYPOINTS = KeypointSet(("eye", "nose"))


def rows_of(start: int, stop: int) -> np.ndarray:
    rows = np.zeros(stop - start, dtype=record_type(2))
    rows["frame"] = np.arange(start, stop)
    rows["xy"] = np.arange(start, stop)[:, None, None]
    rows["confidence"] = 0.25
    return rows


def start(folder: Path, frames: int) -> tuple[Recorder, PartFile]:
    outputs = Outputs.beside(folder / "mouse.mp4", "m")
    part = PartFile(outputs.part, {}, record_type(2), range(frames))
    return Recorder(part, outputs, Heading(KEYPOINTS, "vitface_m")), part


def test_rows_of_an_earlier_run_come_first_in_the_tables(tmp_path):
    recorder, part = start(tmp_path, 100)
    for i in range(0, 40, 8):
        recorder.put(rows_of(i, i + 8))
    recorder.stop()
    part.leave()
    assert [path.name for path in tmp_path.iterdir()] == ["mouse_vitface_m.part"]
    recorder, part = start(tmp_path, 100)
    recorder.put(rows_of(40, 100))
    recorder.finish()
    part.remove()
    for suffix in (".h5", ".csv"):
        table = read_poses(tmp_path / f"mouse_vitface_m{suffix}")
        np.testing.assert_array_equal(table.frames, np.arange(100))
        np.testing.assert_array_equal(table.xy[:, 1, 0], np.arange(100))
    assert len(list(tmp_path.iterdir())) == 2


def test_an_error_in_writing_is_raised_by_the_next_call_and_stop_never_raises(tmp_path):
    recorder, part = start(tmp_path, 100)
    recorder.put(rows_of(0, 8))
    part._file.close()
    # Rows are written beside: even the first may come too late for the file.
    with pytest.raises((VitFaceError, ValueError)):  # noqa: PT012
        recorder.put(rows_of(8, 16))
        recorder.finish()
    recorder.stop()
    assert [path.name for path in tmp_path.iterdir()] == ["mouse_vitface_m.part"]


@pytest.mark.skipif(os.name != "posix", reason="Windows renames no folder with open files")
def test_a_folder_that_is_renamed_during_the_run_is_not_said_to_hold_what_it_has_not(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    recorder, part = start(folder, 100)
    recorder.put(rows_of(0, 8))
    deadline = time.monotonic() + 60
    while part.count < 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(VitFaceError, match=r"results was moved, renamed or deleted during the run"):
        recorder.finish()
    recorder.stop()
    part.leave()
    again = PartFile(tmp_path / "elsewhere" / part.path.name, {}, record_type(2), range(100))
    assert again.count == 8
    again.leave()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_frames(tmp_path):
    def peak(frames: int) -> int:
        folder = tmp_path / str(frames)
        folder.mkdir()
        tracemalloc.start()
        try:
            recorder, part = start(folder, frames)
            for i in range(0, frames, 512):
                recorder.put(rows_of(i, min(frames, i + 512)))
            recorder.finish()
            part.remove()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1000)  # what is imported and made once
    # Frame numbers are sorted at the end, some 40 bytes a frame; the rows themselves, or objects
    # made of them, would double that.
    assert peak(40_000) < peak(10_000) + 30_000 * 50
