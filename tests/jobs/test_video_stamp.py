"""A video that another one replaces during a run is noticed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_vitface.errors import VideoError
from napari_vitface.formats.poses import read_poses
from napari_vitface.jobs.events import Event, Finished, PosesPredicted, Started
from napari_vitface.jobs.predict import predict
from napari_vitface.jobs.resources import Resources
from napari_vitface.jobs.video_stamp import VideoStamp


@pytest.fixture
def run(tiny_model: Path, resources: Resources) -> Callable[..., list[Event]]:
    def run(
        video: Path, change: Callable[[Path], object] = bool, at: type[Event] = Started
    ) -> list[Event]:
        events: list[Event] = []
        for event in predict(video, tiny_model, precision="fp32", resources=resources):
            if isinstance(event, at) and not any(isinstance(e, at) for e in events):
                change(video)
            events.append(event)
        return events

    return run


def moved_over(video: Path) -> None:
    """Another file of the same size and time."""
    status = video.stat()
    other = video.with_name("other.mp4")
    other.write_bytes(bytes(reversed(video.read_bytes())))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(video)


def recorded_on(video: Path) -> None:
    with video.open("ab") as file:
        file.write(bytes(100))


def written_again(video: Path) -> None:
    """The same bytes, by a program that writes into the file."""
    os.utime(video, (1, 1))


@pytest.mark.parametrize("change", [moved_over, recorded_on, written_again])
def test_a_video_that_changes_during_a_run_gets_no_table(
    run: Callable[..., list[Event]], video: Path, change: Callable[[Path], None]
) -> None:
    with pytest.raises(VideoError, match=r"mouse\.mp4 was replaced or changed while it was being"):
        run(video, change)
    assert {path.suffix for path in video.parent.iterdir()} <= {".mp4", ".part"}


def test_a_video_that_is_put_back_goes_on_where_it_stopped(
    run: Callable[..., list[Event]], video: Path
) -> None:
    away = video.with_name("renamed.mp4")
    with pytest.raises(VideoError, match="was moved, renamed or deleted"):
        run(video, lambda path: path.rename(away), at=PosesPredicted)
    assert not list(video.parent.glob("*.h5"))
    away.rename(video)
    started = next(event for event in run(video) if isinstance(event, Started))
    assert started.settings.fresh_from == 60
    assert len(read_poses(video.with_name("mouse_vitface_tiny.h5"))) == 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for i in range(6):
        Image.fromarray(np.full((96, 128), 20 * i, np.uint8)).save(folder / f"img{i}.png")
    return folder


def test_labels_saved_among_images_are_no_change_of_them(
    run: Callable[..., list[Event]], folder: Path
) -> None:
    events = run(folder, lambda path: (path / "CollectedData_anna.csv").write_text("scorer"))
    assert isinstance(events[-1], Finished)


def test_an_older_image_of_the_same_size_in_another_s_place_is_a_change(folder: Path) -> None:
    stamp = VideoStamp.of(folder)
    stamp.check(folder)
    image = folder / "img3.png"
    size = image.stat().st_size
    data = bytearray(image.read_bytes())
    data[-20] ^= 1
    image.write_bytes(bytes(data))
    os.utime(image, (10, 10))
    assert image.stat().st_size == size
    with pytest.raises(VideoError, match="frames was replaced or changed"):
        stamp.check(folder)
