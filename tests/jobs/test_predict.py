from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from napari_vitface.errors import CheckpointError, VideoError, VitFaceError
from napari_vitface.formats.format import read_as
from napari_vitface.formats.poses import read_poses
from napari_vitface.jobs.events import (
    Event,
    Finished,
    Notice,
    PosesPredicted,
    Preparing,
    Progress,
    Started,
)
from napari_vitface.jobs.predict import predict
from napari_vitface.jobs.resources import Resources
from napari_vitface.model.checkpoint import load_model
from napari_vitface.video import open_video


@pytest.fixture
def run(tiny_model: Path, resources: Resources) -> Callable[..., list[Event]]:
    def run(video: Path, **options: Any) -> list[Event]:
        return [event for event in start(video, **options) if not isinstance(event, Preparing)]

    def start(video: Path, **options: Any) -> Iterator[Event]:
        options = {"precision": "fp32", "resources": resources, **options}
        return predict(video, tiny_model, **options)

    run.start = start  # type: ignore[attr-defined]
    return run


def table_of(video: Path, suffix: str = ".h5"):
    return read_poses(video.with_name(f"{video.stem}_vitface_tiny{suffix}"))


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def predicted(events: list[Event]) -> np.ndarray:
    return np.concatenate([e.frames for e in events if isinstance(e, PosesPredicted)])


def cancel_after(job: Iterator[Event], batches: int) -> None:
    for event in job:
        batches -= isinstance(event, PosesPredicted)
        if batches == 0:
            break
    job.close()


def test_events_tell_the_run_from_start_to_end(run, video):
    events = run(video)
    first, *middle, last = events
    assert isinstance(first, Started)
    assert (first.job, first.total) == ("predict", 60)
    assert first.settings.precision == "fp32"
    assert first.settings.device == "cpu"
    assert first.settings.crop == (0, 0, 128, 96)
    assert first.settings.keypoints.names == ("eye", "nose tip", "mouth")
    assert first.settings.fresh_from == 0
    assert isinstance(last, Finished)
    assert last.result.frames == 60
    assert last.result.broken == ()
    np.testing.assert_array_equal(predicted(events), np.arange(60))
    done = [event.done for event in middle if isinstance(event, Progress)]
    assert done == sorted(done)
    assert done[-1] == 60


def test_both_tables_hold_what_was_shown_and_nothing_else_stays(run, video):
    # A run on a cluster was stopped.
    spans = video.with_name("mouse_vitface_tiny.spans")
    spans.mkdir()
    (spans / "0000000000-0000000030.npz").write_bytes(b"a part")
    events = run(video)
    xy = np.concatenate([e.xy for e in events if isinstance(e, PosesPredicted)])
    sure = np.concatenate([e.confidence for e in events if isinstance(e, PosesPredicted)])
    for suffix in (".h5", ".csv"):
        table = table_of(video, suffix)
        np.testing.assert_array_equal(table.frames, np.arange(60))
        np.testing.assert_array_equal(table.xy, xy)
        np.testing.assert_array_equal(table.confidence, sure)
    assert np.isfinite(xy).all()
    assert (xy >= -0.5).all()
    assert (xy <= [127.5, 95.5]).all()
    assert names_in(video.parent) == {
        "mouse.mp4",
        "mouse_vitface_tiny.h5",
        "mouse_vitface_tiny.csv",
    }


def test_the_points_are_the_model_s_own_on_each_frame(run, video, tiny_model):
    run(video)
    table = table_of(video)
    model = load_model(tiny_model, precision="fp32")
    with open_video(video) as frames:
        for frame in (0, 17, 59):
            xy, confidence = model.predict_images([frames[frame]])
            # The decoder scales straight from the video's colours: within 2 grey levels.
            np.testing.assert_allclose(table.xy[frame], xy[0], atol=0.5)
            np.testing.assert_allclose(table.confidence[frame], confidence[0], atol=0.01)


def test_a_cancelled_run_goes_on_where_it_stopped_and_ends_with_the_same_table(run, video):
    run(video)
    whole = table_of(video)
    for path in video.parent.glob("*_vitface_*"):
        path.unlink()
    cancel_after(run.start(video), batches=3)
    assert names_in(video.parent) == {"mouse.mp4", "mouse_vitface_tiny.part"}
    cancel_after(run.start(video), batches=3)  # one is shown again, two are new
    events = run(video)
    # Batches of 1, 8 and 8 frames, and then of 1 and 8.
    assert events[0].settings.fresh_from == 26
    np.testing.assert_array_equal(predicted(events), np.arange(60))
    table = table_of(video)
    np.testing.assert_allclose(table.xy, whole.xy, atol=1e-4)
    np.testing.assert_allclose(table.confidence, whole.confidence, atol=1e-4)
    assert "mouse_vitface_tiny.part" not in names_in(video.parent)


def test_a_run_cancelled_before_its_first_frame_leaves_nothing(run, video):
    before = set(threading.enumerate())
    job = run.start(video)
    assert any(isinstance(event, Started) for event in job)
    job.close()
    assert names_in(video.parent) == {"mouse.mp4"}
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if thread.name.startswith("vitface-")]


def test_a_run_with_other_settings_begins_anew_and_says_so(run, video):
    cancel_after(run.start(video), batches=2)
    events = run(video, crop=(10, 10, 80, 60))
    assert events[0].settings.fresh_from == 0
    notices = [event.message for event in events if isinstance(event, Notice)]
    assert any("another crop" in message and "begins anew" in message for message in notices)
    assert len(table_of(video)) == 60


def test_a_changed_video_begins_anew(run, video, write_video):
    cancel_after(run.start(video), batches=2)
    write_video(video, frames=40)
    events = run(video)
    assert any("another video" in e.message for e in events if isinstance(e, Notice))
    assert len(table_of(video)) == 40


def test_existing_tables_are_refused_and_untouched_unless_overwriting(run, video):
    run(video)
    h5 = video.with_name("mouse_vitface_tiny.h5")
    before = h5.read_bytes()
    with pytest.raises(VitFaceError, match=r"already exist in .*--overwrite"):
        run(video, frames="0:5")
    assert h5.read_bytes() == before
    assert "mouse_vitface_tiny.part" not in names_in(video.parent)
    run(video, frames="0:5", overwrite=True)
    assert len(table_of(video)) == 5


def test_what_was_made_with_the_same_settings_is_kept_and_told(run, video):
    first = run(video, frames="::2")[-1].result
    before = Path(first.h5).stat().st_mtime_ns
    (only,) = run(video, frames="::2")
    assert only.result == replace(first, made=False, seconds=0.0, frames_per_second=None)
    assert Path(first.h5).stat().st_mtime_ns == before
    os.utime(video, ns=(1, 1))
    with pytest.raises(VitFaceError, match="already exist"):
        run(video, frames="::2")


def test_overwriting_keeps_the_old_tables_until_the_new_ones_are_complete(run, video):
    run(video)
    before = video.with_name("mouse_vitface_tiny.h5").read_bytes()
    cancel_after(run.start(video, frames="::2", overwrite=True), batches=1)
    assert video.with_name("mouse_vitface_tiny.h5").read_bytes() == before
    # What is left of the second run must not let the third one past the check.
    with pytest.raises(VitFaceError, match="already exist"):
        run(video, frames="::2")


def test_frames_and_crop_choose_rows_and_place(run, video):
    run(video, frames="5:50:7", crop=(20, 30, 80, 60))
    table = table_of(video)
    assert table.frames.tolist() == list(range(5, 50, 7))
    assert (table.xy >= [19.5, 29.5]).all()
    assert (table.xy <= [99.5, 89.5]).all()


def test_results_go_to_another_folder(run, video, tmp_path):
    result = run(video, output_dir=tmp_path / "out" / "deep")[-1].result
    assert Path(result.csv).parent == tmp_path / "out" / "deep"
    assert names_in(video.parent) == {"mouse.mp4", "out"}


def images_with_broken_ones(folder: Path, broken: list[int]) -> Path:
    from PIL import Image

    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(30):
        path = folder / f"img{i:04}.png"
        Image.fromarray(rng.integers(0, 255, (96, 128), dtype=np.uint8)).save(path)
        if i in broken:
            data = path.read_bytes()
            path.write_bytes(data[:60] + bytes(len(data) - 60))
    return folder


def test_broken_frames_have_no_points_and_are_named_and_the_run_goes_on(run, tmp_path):
    folder = images_with_broken_ones(tmp_path / "images", [7, 12, 13, 14, 29])
    events = run(folder)
    table = read_poses(tmp_path / "images_vitface_tiny.h5")
    rows = np.isnan(table.xy).all(axis=(1, 2))
    assert np.flatnonzero(rows).tolist() == [7, 12, 13, 14, 29]
    assert (table.confidence[rows] == 0).all()
    assert np.isfinite(table.xy[~rows]).all()
    assert events[-1].result.broken == ((7, 7), (12, 14), (29, 29))
    assert isinstance(events[-2], Notice)
    assert events[-2].message == (
        "5 frames of images could not be decoded and have no points: 7, 12-14 and 29."
    )


def test_broken_frames_of_an_earlier_run_are_named_too(run, tmp_path):
    folder = images_with_broken_ones(tmp_path / "images", [1, 20])
    cancel_after(run.start(folder), batches=2)
    events = run(folder)
    assert events[0].settings.fresh_from == 9
    assert events[-1].result.broken == ((1, 1), (20, 20))


def test_a_video_cut_off_in_the_middle_is_predicted_as_far_as_it_goes(run, tmp_path, write_video):
    whole = write_video(tmp_path / "mouse.mkv", frames=60, keyframe_interval=10)
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) * 2 // 3])
    events = run(whole)
    count = events[0].total
    assert 10 < count < 60
    assert len(read_poses(tmp_path / "mouse_vitface_tiny.h5")) == count
    assert read_as("predictions", tmp_path / "mouse_vitface_tiny.h5").video == "mouse.mkv"


def test_a_stack_and_a_single_image_are_predicted_like_a_video(run, tmp_path):
    import tifffile

    stack = np.random.default_rng(0).integers(0, 60_000, (5, 96, 128), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "stack.tif", stack)
    run(tmp_path / "stack.tif")
    assert len(read_poses(tmp_path / "stack_vitface_tiny.h5")) == 5
    folder = images_with_broken_ones(tmp_path / "images", [])
    run(folder / "img0003.png")
    assert len(read_poses(folder / "img0003_vitface_tiny.csv")) == 1


def test_the_overlay_is_a_video_of_the_same_frames_with_the_points_on_them(run, video):
    result = run(video, frames="10:30:2", overlay=True)[-1].result
    table = table_of(video)
    with open_video(result.overlay) as overlay, open_video(video) as frames:
        assert overlay.shape == (10, 96, 128, 3)
        assert overlay.frame_rate == pytest.approx(15)
        assert overlay.times[-1] == pytest.approx(9 / 15, abs=0.01)
        for i in (0, 9):
            drawn = overlay[i].astype(int)
            difference = np.abs(drawn - frames[10 + 2 * i][..., None]).max(axis=-1)
            x, y = np.rint(table.xy[i]).astype(int).T
            inside = np.clip(x, 1, 126), np.clip(y, 1, 94)
            assert all(
                difference[b - 1 : b + 2, a - 1 : a + 2].max() > 15
                for a, b in zip(*inside, strict=True)
            )


def test_a_run_cancelled_in_its_overlay_draws_it_next_time_without_predicting_again(run, video):
    job = run.start(video, overlay=True)
    for event in job:
        if isinstance(event, Progress) and event.message:
            break
    job.close()
    whole = table_of(video)
    assert "mouse_vitface_tiny_overlay.mp4" not in names_in(video.parent)
    events = run(video, overlay=True)
    assert events[0].settings.fresh_from == 60
    assert events[-1].result.frames_per_second is None
    assert names_in(video.parent) == {
        "mouse.mp4",
        "mouse_vitface_tiny.h5",
        "mouse_vitface_tiny.csv",
        "mouse_vitface_tiny_overlay.mp4",
    }
    np.testing.assert_array_equal(table_of(video).xy, whole.xy)


def test_a_bad_video_or_model_is_told_before_anything_is_written(run, video, tiny_model):
    with pytest.raises(VideoError, match="does not exist"):
        run(video.with_name("none.mp4"))
    with pytest.raises(CheckpointError, match="no model named 'mouse-fase'"):
        list(predict(video, "mouse-fase"))
    with pytest.raises(VitFaceError, match="does not lie within the frame"):
        run(video, crop=(100, 0, 80, 60))
    with pytest.raises(VitFaceError, match="none of them is selected"):
        run(video, frames="70:80")
    assert names_in(video.parent) == {"mouse.mp4"}


def test_a_folder_that_cannot_be_written_to_is_told(run, video):
    (video.parent / "file").touch()
    with pytest.raises(VitFaceError, match="cannot be made"):
        run(video, output_dir=video.parent / "file" / "out")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_told(run, video):
    video.parent.chmod(0o555)
    try:
        with pytest.raises(VitFaceError, match="Nothing can be written to the folder"):
            run(video)
    finally:
        video.parent.chmod(0o755)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of `size` at `folder`."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("this machine does not let us mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount a small disk"
)
def test_a_full_disk_is_told_in_one_sentence_and_the_run_goes_on_when_there_is_room(
    run, video, tmp_path
):
    with small_disk(tmp_path / "disk", "4m") as disk:
        job = run.start(video, output_dir=disk)
        while not isinstance(next(job), PosesPredicted):
            pass
        (disk / "other").write_bytes(bytes(shutil.disk_usage(disk).free - 8192))
        with pytest.raises(VitFaceError) as caught:
            list(job)
        message = str(caught.value)
        assert "\n" not in message
        assert "No space left on device" in message
        assert "they are kept in mouse_vitface_tiny.part: make room and run the same" in message
        assert names_in(disk) == {"other", "mouse_vitface_tiny.part"}
        (disk / "other").unlink()
        events = run(video, output_dir=disk)
        assert events[0].settings.fresh_from >= 8
        assert names_in(disk) == {"mouse_vitface_tiny.h5", "mouse_vitface_tiny.csv"}
        assert len(read_poses(disk / "mouse_vitface_tiny.csv")) == 60


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount a small disk"
)
def test_a_disk_that_is_full_from_the_start_is_told_and_nothing_stays(run, video, tmp_path):
    with small_disk(tmp_path / "disk", "64k") as disk:
        with pytest.raises(VitFaceError, match=r"stopped after 0 frames .*make room"):
            run(video, output_dir=disk)
        assert names_in(disk) == set()


def test_two_runs_of_the_same_video_do_not_mix(run, video):
    job = run.start(video)
    assert any(isinstance(event, Started) for event in job)
    with pytest.raises(VitFaceError, match="Another run is writing"):
        run(video)
    job.close()
    assert len(predicted(run(video))) == 60


# --- the recording --------------------------------------------------------------------------------


def test_the_white_of_a_deep_recording_is_told_and_can_be_set(tmp_path, tiny_model):
    import tifffile

    deep = np.random.default_rng(0).integers(0, 4096, (6, 48, 64), dtype=np.uint16)
    eight = (deep >> 4).astype(np.uint8)
    results = {}
    for name, stack, white in (("deep", deep, None), ("eight", eight, None), ("set", deep, 65535)):
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, stack, photometric="minisblack")
        events = list(predict(path, tiny_model, precision="fp32", white=white))
        with h5py.File(tmp_path / f"{name}_vitface_tiny.h5") as table:
            made = json.loads(table.attrs["vitface"])
        assert made["white"] == (white or {"deep": 4095, "eight": 255}[name])
        assert (made["model"], made["crop"]) == ("tiny", [0, 0, 64, 48])
        started = next(event for event in events if isinstance(event, Started))
        shown = [event.xy for event in events if isinstance(event, PosesPredicted)]
        results[name] = started.settings.white, np.concatenate(shown)
    assert {name: white for name, (white, _) in results.items()} == {
        "deep": 4095, "eight": 255, "set": 65535,
    }  # fmt: skip
    moved = [np.abs(results[name][1] - results["eight"][1]).max() for name in ("deep", "set")]
    assert moved[0] < 1 < moved[1]
