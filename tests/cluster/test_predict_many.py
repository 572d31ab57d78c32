"""Videos predicted on a cluster: the same tables as without one, and what can go wrong."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from napari_vitface.cluster import fitness, predict_tasks
from napari_vitface.cluster.predict_many import predict_many
from napari_vitface.errors import ClusterError, VitFaceError
from napari_vitface.formats.poses import read_poses
from napari_vitface.jobs.events import Notice, Progress, Started
from napari_vitface.jobs.video_events import VideoFailed, VideoFinished

pytestmark = pytest.mark.usefixtures("small_spans")


def table_of(video: Path) -> Path:
    return video.with_name(f"{video.stem}_vitface_tiny.csv")


def made(video: Path) -> dict[str, Any]:
    with h5py.File(table_of(video).with_suffix(".h5")) as file:
        return json.loads(file.attrs["vitface"])


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def failures(events) -> list[str]:
    return [event.failed.message for event in events if isinstance(event, VideoFailed)]


def same_tables(one: Path, other: Path) -> bool:
    """Whether the tables of two CSV files, and of the HDF5 files beside them, are the same."""
    tables = [read_poses(path.with_suffix(".h5")) for path in (one, other)]
    return (
        one.read_bytes() == other.read_bytes()
        and tables[0].frames.tobytes() == tables[1].frames.tobytes()
        and tables[0].xy.tobytes() == tables[1].xy.tobytes()
        and tables[0].confidence.tobytes() == tables[1].confidence.tobytes()
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_size": 7, "frames": slice(13, None, 3)},
        {"crop": (10, 5, 80, 70), "precision": "bf16"},
    ],
)
def test_tables_are_those_of_one_machine_bit_for_bit(
    together, alone, write_video, tmp_path, options
):
    from napari_vitface.model.processor import has_bf16_units

    if options.get("precision") == "bf16" and not has_bf16_units():
        pytest.skip("workers without units for bf16 are not fit for it")
    videos = [write_video(tmp_path / f"mouse {n}.mp4", n) for n in (60, 150)]
    events = together(*videos, **options)
    for video in videos:
        assert same_tables(alone(video, tmp_path / "alone", **options), table_of(video))
    cluster = made(videos[1])["cluster"]
    # It was cut, and nothing is left of how.
    assert len(cluster["spans"]) > 3
    assert not list(tmp_path.glob("*.spans"))
    assert [len(event.result.videos) for event in events[-1:]] == [2]
    assert {event.video for event in events if isinstance(event, VideoFinished)} == set(
        map(str, videos)
    )


def test_a_recording_of_twelve_bits_and_broken_images_come_out_the_same(together, alone, tmp_path):
    from PIL import Image

    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(60):
        path = folder / f"img{i:04}.png"
        Image.fromarray(rng.integers(0, 4000, (96, 128), dtype=np.uint16)).save(path)
        if i in (7, 12, 13, 40):
            data = path.read_bytes()
            path.write_bytes(data[:60] + bytes(len(data) - 60))
    events = together(folder)
    table = tmp_path / "images_vitface_tiny.csv"
    assert same_tables(alone(folder, tmp_path / "alone"), table)
    assert events[-1].result.videos[0].broken == ((7, 7), (12, 13), (40, 40))
    assert any("7, 12-13 and 40" in event.message for event in events if isinstance(event, Notice))


def test_the_table_says_who_made_which_frames_with_what(together, write_video, tmp_path):
    video = write_video(tmp_path / "mouse.mp4")
    together(video, crop=(0, 0, 100, 90))
    about = made(video)
    assert about["crop"] == [0, 0, 100, 90]
    cluster = about["cluster"]
    assert about["asked"]["looking"]["precision"] == "fp32"
    assert len(about["asked"]["model"]) == 64
    assert cluster["versions"] == dict(fitness.versions_here())
    first, last, workers, seconds = zip(*cluster["spans"], strict=True)
    assert (first[0], last[-1]) == (0, 59)
    assert [a - 1 for a in first[1:]] == list(last[:-1])
    assert set(workers) <= set(range(len(cluster["workers"])))
    assert min(seconds) >= 0


def test_progress_counts_the_frames_of_all_videos(together, write_video, tmp_path):
    videos = [write_video(tmp_path / f"{n}.mp4", n) for n in (60, 40)]
    events = together(*videos)
    begun = next(i for i, event in enumerate(events) if isinstance(event, Started))
    assert events[begun].total == 100
    done = [event.done for event in events[begun:] if isinstance(event, Progress)]
    assert done == sorted(done)
    assert done[-1] == 100


def test_what_was_done_is_not_done_again(
    together, alone, write_video, tmp_path, client, tiny_model, monkeypatch
):
    video = write_video(tmp_path / "mouse.mp4", 150)
    job = predict_many(
        [video], tiny_model, client=client, precision="fp32", batch_size=4, device="cpu"
    )
    spans = tmp_path / "mouse_vitface_tiny.spans"
    for _ in job:
        if len(list(spans.glob("[0-9]*.npz"))) >= 3:
            break
    job.close()
    assert not table_of(video).exists()
    before = {path: path.stat().st_mtime_ns for path in spans.glob("[0-9]*.npz")}
    predicted: list[Any] = []
    write = predict_tasks.SpanFolder.write

    def noted(folder, span, *content):
        predicted.append(span)
        write(folder, span, *content)

    monkeypatch.setattr(predict_tasks.SpanFolder, "write", noted)
    events = together(video)
    assert sum(stop - first for first, stop in predicted) < 150
    started = next(event for event in events if isinstance(event, Started))
    assert started.settings.fresh_from > 0
    assert len(before) >= 3
    assert same_tables(alone(video, tmp_path / "alone"), table_of(video))


def test_a_run_with_other_settings_begins_anew_and_says_so(
    together, alone, write_video, tmp_path, tiny_model
):
    video = write_video(tmp_path / "mouse.mp4")
    spans = predict_tasks.SpanFolder(tmp_path / "mouse_vitface_tiny.spans")
    spans.begin({"asked": {"something": "else"}})
    spans.write((0, 60), np.zeros(60), {})
    events = together(video)
    assert any("begins anew" in event.message for event in events if isinstance(event, Notice))
    assert same_tables(alone(video, tmp_path / "alone"), table_of(video))


def test_the_same_again_finds_done_what_is_done_and_refuses_what_was_made_otherwise(
    together, alone, write_video, tmp_path
):
    videos = [write_video(tmp_path / f"{name}.mp4") for name in ("here", "there", "other")]
    alone(videos[0], tmp_path)
    together(videos[1])
    alone(videos[2], tmp_path, crop=(0, 0, 90, 90))
    times = [table_of(video).stat().st_mtime_ns for video in videos]
    *_, last = events = together(*videos, write_video(tmp_path / "new.mp4"))
    made = {Path(each.video).stem: each.made for each in last.result.videos}
    assert made == {"here": False, "there": False, "new": True}
    (told,) = failures(events)
    assert "other_vitface_tiny.h5" in told
    assert "--overwrite" in told
    assert [table_of(video).stat().st_mtime_ns for video in videos] == times
    first = together(videos[1], overwrite=True)[-1].result.videos[0]
    again = together(videos[1])[-1].result.videos[0]
    assert again.made is False
    assert (again.frames, again.broken, again.low_confidence, again.crop, again.batch_size) == (
        first.frames,
        first.broken,
        first.low_confidence,
        first.crop,
        first.batch_size,
    )


def test_a_video_is_worked_on_by_one_command_at_a_time(
    together, alone, write_video, tmp_path, client, tiny_model
):
    video, other = write_video(tmp_path / "mouse.mp4"), write_video(tmp_path / "other.mp4")
    part = tmp_path / "mouse_vitface_tiny.part"
    job = predict_many(
        [video], tiny_model, client=client, precision="fp32", batch_size=4, device="cpu"
    )
    next(event for event in job if isinstance(event, Started))
    told = failures(together(video, other))
    assert told == [f"Another run is writing {part}; wait for it or cancel it."]
    with pytest.raises(VitFaceError, match="Another run is writing"):
        alone(video, tmp_path)
    job.close()
    assert not part.exists()
    assert failures(together(video)) == []


def test_videos_that_cannot_be_predicted_are_named_and_others_go_on(
    together, write_video, tmp_path
):
    good, gone, broken = (tmp_path / f"{name}.mp4" for name in ("good", "gone", "broken"))
    write_video(good)
    broken.write_bytes(b"not a video" * 1000)
    there = write_video(tmp_path / "there.mp4")
    table_of(there).write_text("a result")
    events = together(good, gone, broken, there)
    told = failures(events)
    assert sorted(name for text in told for name in ("gone", "broken", "there") if name in text)
    assert len(told) == 3
    assert {Path(each.video).stem for each in events[-1].result.failed} == {
        "gone",
        "broken",
        "there",
    }
    assert len(read_poses(table_of(good)).frames) == 60
    assert table_of(there).read_text() == "a result"


@pytest.mark.parametrize("becomes", [None, "another recording", "half of one"])
def test_a_video_that_vanishes_or_changes_is_named_and_has_no_table(
    together, write_video, tmp_path, monkeypatch, becomes
):
    video, good = (write_video(tmp_path / f"{name}.mp4", 100) for name in ("mouse", "good"))
    other = good.read_bytes() + b"more" if becomes == "another recording" else b"half a video"
    write = predict_tasks.SpanFolder.write

    def then_changed(folder, *content):
        write(folder, *content)
        if "mouse" in folder.path.name and becomes is None:
            video.unlink(missing_ok=True)
        elif "mouse" in folder.path.name:
            video.write_bytes(other)

    monkeypatch.setattr(predict_tasks.SpanFolder, "write", then_changed)
    (told,) = failures(together(video, good))
    was = "moved, renamed or deleted" if becomes is None else "replaced or changed"
    assert f"{video} was {was} while it was being read" in told
    assert [table_of(each).exists() for each in (video, good)] == [False, True]


def test_the_labelled_video_comes_along(together, write_video, tmp_path):
    video = write_video(tmp_path / "mouse.mp4")
    result = together(video, overlay=True)[-1].result.videos[0]
    assert Path(result.overlay).name == "mouse_vitface_tiny_overlay.mp4"
    assert names_in(tmp_path) == [
        "mouse.mp4",
        "mouse_vitface_tiny.csv",
        "mouse_vitface_tiny.h5",
        "mouse_vitface_tiny_overlay.mp4",
    ]


def test_paths_are_mapped_there_and_back(together, write_video, tmp_path):
    write_video(tmp_path / "mouse.mp4")
    result = together("Z:/lab/mouse.mp4", path_map=[f"Z:/lab={tmp_path}"])[-1].result
    assert result.videos[0].video == r"Z:\lab\mouse.mp4"
    assert table_of(tmp_path / "mouse.mp4").exists()


def test_a_worker_that_does_not_see_a_folder_is_named(together, write_video, tmp_path, monkeypatch):
    video = write_video(tmp_path / "mouse.mp4")
    look, asked = fitness._look_around, []

    def blind(*arguments):
        asked.append(arguments)
        is_first = len(asked) == 1
        return replace(look(*arguments), sees=()) if is_first else look(*arguments)

    monkeypatch.setattr(fitness, "_look_around", blind)
    with pytest.raises(ClusterError, match=rf"Worker \S+ on \S+ does not see {tmp_path}: mount"):
        together(video)


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ({"napari-vitface": "9.9"}, "has 9.9 of napari-vitface"),
        ({"torch": "2.0.0+cu118"}, r"has 2.0.0\+cu118 of torch"),
        ({"torch": None}, "does not have torch"),
    ],
)
def test_other_versions_are_told_before_anything_else(client, monkeypatch, versions, words):
    def version(package):
        if versions.get(package, "") is None:
            raise fitness.metadata.PackageNotFoundError(package)
        return versions.get(package) or dict(here)[package]

    here = fitness.versions_here()
    monkeypatch.setattr(fitness, "versions_here", lambda: here)
    monkeypatch.setattr(fitness.metadata, "version", version)
    with pytest.raises(ClusterError, match=words):
        fitness.compare_versions(client)


def test_a_model_of_another_content_is_told(client, tiny_model, tmp_path):
    other = shutil.copy(tiny_model, tmp_path)
    needs = fitness.Needs(fitness.versions_here(), str(other), "0" * 64)
    with pytest.raises(ClusterError, match=r"has another model in .*tiny\.safetensors"):
        fitness.compare_workers(client, needs, [])
    needs = fitness.Needs(fitness.versions_here(), str(tmp_path / "none.safetensors"), "0" * 64)
    with pytest.raises(ClusterError, match=r"does not see .*none\.safetensors"):
        fitness.compare_workers(client, needs, [])


def test_int8_and_results_of_one_name_are_refused(together, tmp_path):
    with pytest.raises(ClusterError, match="int8"):
        together(tmp_path / "mouse.mp4", precision="int8")
    with pytest.raises(VitFaceError, match="are called mouse"):
        together(tmp_path / "mouse.mp4", tmp_path / "mouse.avi")
