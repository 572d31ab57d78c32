"""The list of videos and the job that goes through it, with the real engine and no window."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_vitface.formats.poses import read_poses
from napari_vitface.gui.open_videos import open_for_window
from napari_vitface.gui.video_list.items import Item, Items, State
from napari_vitface.gui.video_list.kinds import JobKind
from napari_vitface.gui.video_list.list_store import Store
from napari_vitface.gui.video_list.queue import VideoQueue
from napari_vitface.gui.video_list.video_search import videos_in, videos_of
from napari_vitface.gui.workbench import Workbench, session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Pump


@pytest.fixture
def settings(tiny_model: Path) -> dict[str, Any]:
    return {"model": str(tiny_model), "precision": "fp32", "batch_size": 4}


@pytest.fixture
def videos(tmp_path: Path, write_video: Callable[..., Path]) -> list[Path]:
    """Two videos of one name in two folders, and between them a file that is none."""
    first, broken, last = (
        tmp_path / name for name in ("day 1/mouse.mp4", "day 1/torn.mp4", "day 2/mouse.mp4")
    )
    for path in (first, last):
        path.parent.mkdir()
        write_video(path, 12)
    broken.write_bytes(b"this is no video")
    return [first, broken, last]


def added(session: Workbench, pump: Pump, paths: list[Path]) -> VideoQueue:
    queue = session.video_list
    queue.add(paths)
    pump.until(lambda: len(queue.items) == len(paths))
    return queue


def states(queue: VideoQueue) -> list[str]:
    return [str(item.state) for item in queue.items]


def through(queue: VideoQueue, pump: Pump) -> None:
    pump.until(lambda: not queue.going and not queue.active and queue.running is None)


def test_one_that_fails_does_not_stop_the_others(
    session: Workbench, pump: Pump, videos: list[Path], settings: dict[str, Any]
) -> None:
    told: list[tuple[str, str]] = []
    session.told.connect(lambda *said: told.append(said))
    queue = added(session, pump, videos)
    pump.until(lambda: queue.items[0].length == 12)
    queue.start(settings)
    through(queue, pump)
    assert states(queue) == ["done", "failed", "done"]
    assert "torn.mp4" in queue.items[1].message
    # Videos of one name keep their results apart, beside themselves.
    for item in (queue.items[0], queue.items[2]):
        assert item.result == item.path.with_name("mouse_vitface_tiny.h5")
        assert item.speed > 0
        assert read_poses(item.result).xy.shape == (12, 3, 2)
    assert told == [
        ("The list is through: 2 of 3 videos predicted, 1 failed; the list says why.", "warning")
    ]


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.usefixtures("unhurried")
def test_an_engine_that_dies_costs_the_one_video_that_it_was_at(
    session: Workbench, pump: Pump, long_video: Path, tmp_path: Path, settings: dict[str, Any],
    write_video: Callable[..., Path],
) -> None:  # fmt: skip
    (tmp_path / "long").mkdir()
    first = Path(shutil.copy(long_video, tmp_path / "long"))
    queue = added(session, pump, [first, write_video(tmp_path / "short.mp4", 12)])
    queue.start(settings)
    pump.until(lambda: queue.items[0].done > 0)
    os.kill(session.engine.pid, signal.SIGKILL)
    through(queue, pump)
    assert states(queue) == ["failed", "done"]
    assert "SIGKILL" in queue.items[0].message
    # What it had done is on disk: begun again, it goes on from there.
    queue.again([queue.items[0]])
    queue.start(settings)
    through(queue, pump)
    assert states(queue) == ["done", "done"]
    assert read_poses(queue.items[0].result).xy.shape == (600, 3, 2)


def test_what_was_predicted_before_is_kept_unless_it_is_wanted_anew(
    session: Workbench, pump: Pump, videos: list[Path], settings: dict[str, Any]
) -> None:
    queue = added(session, pump, videos[:1])
    queue.start(settings)
    through(queue, pump)
    (item,) = queue.items
    result, written = item.result, item.result.stat().st_mtime_ns
    queue.again([item])
    queue.start(settings)
    through(queue, pump)
    assert item.state is State.DONE
    assert "before" in item.message
    assert result.stat().st_mtime_ns == written
    queue.again([item], replace=True)
    queue.start(settings)
    through(queue, pump)
    assert item.state is State.DONE
    assert "before" not in item.message
    assert result.stat().st_mtime_ns > written


def test_two_that_would_write_the_same_files_are_told(
    session: Workbench, pump: Pump, videos: list[Path], settings: dict[str, Any], tmp_path: Path
) -> None:
    queue = added(session, pump, [videos[0], videos[2]])
    queue.start({**settings, "output_dir": str(tmp_path / "results")})
    through(queue, pump)
    assert states(queue) == ["done", "failed"]
    assert str(videos[0]) in queue.items[1].message
    # Also where the first is begun and not finished.
    queue.items[0].result.unlink()
    queue.items[0].result.with_suffix(".csv").unlink()
    queue.items.update(queue.items[0], state=State.CANCELLED, done=3)
    queue.again([queue.items[1]])
    queue.start({**settings, "output_dir": str(tmp_path / "results")})
    through(queue, pump)
    assert states(queue) == ["cancelled", "failed"]


def test_a_video_that_vanished_has_an_error(
    session: Workbench, pump: Pump, videos: list[Path], settings: dict[str, Any]
) -> None:
    queue = added(session, pump, [videos[0]])
    videos[0].unlink()
    queue.start(settings)
    through(queue, pump)
    assert states(queue) == ["failed"]
    assert "mouse.mp4" in queue.items[0].message


def test_a_model_that_cannot_be_read_stops_the_list(
    session: Workbench, pump: Pump, videos: list[Path], tmp_path: Path
) -> None:
    told: list[str] = []
    session.told.connect(lambda text, level: told.append(text))
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(b"no model")
    queue = added(session, pump, videos)
    queue.start({"model": str(torn)})
    through(queue, pump)
    assert states(queue) == ["failed", "waiting", "waiting"]
    assert len(told) == 1
    assert "torn.safetensors" in told[0]


def test_the_order_can_be_changed_and_single_ones_left_out(
    session: Workbench, pump: Pump, videos: list[Path], settings: dict[str, Any]
) -> None:
    queue = added(session, pump, [videos[0], videos[2]])
    first, last = queue.items
    queue.move(last, 0)
    assert list(queue.items) == [last, first]
    queue.move(last, 1)
    assert list(queue.items) == [first, last]
    queue.cancel_items([first])
    queue.start(settings)
    through(queue, pump)
    assert (first.state, last.state) == (State.CANCELLED, State.DONE)
    assert not first.path.with_name("mouse_vitface_tiny.h5").exists()


def test_the_one_in_progress_is_cancelled_and_the_next_follows(
    session: Workbench, pump: Pump, videos: list[Path], settings: dict[str, Any], long_copy: Path
) -> None:
    queue = added(session, pump, [long_copy, videos[0]])
    long, short = queue.items
    queue.start({**settings, "batch_size": 1})
    pump.until(lambda: long.done > 0)
    pump.until(lambda: (queue.seconds_left or 0) > 0)
    queue.cancel_items([long])
    through(queue, pump)
    assert (long.state, short.state) == (State.CANCELLED, State.DONE)
    # What was done is kept, and the next run goes on from there.
    part = long_copy.with_name("long_vitface_tiny.part")
    assert part.exists()
    assert long.message == "Cancelled. What is done is kept."
    queue.again([long])
    queue.start(settings)
    pump.until(lambda: queue.run is not None and queue.run.item is long and queue.run.settings)
    assert queue.run.settings.fresh_from > 0
    # Windows lets nobody take a file away that is being written.
    if os.name == "posix":
        pump.until(lambda: long.done > 0)
        part.unlink()
    queue.stop()
    through(queue, pump)
    assert long.state is State.WAITING
    if os.name == "posix":
        assert long.message.startswith("Stopped. Nothing is kept: long_vitface_tiny.part is not in")
        assert long.done == 0


@pytest.fixture
def long_copy(unhurried: None, tmp_path: Path, long_video: Path) -> Path:
    copy = tmp_path / "long.mp4"
    copy.write_bytes(long_video.read_bytes())
    return copy


def test_the_list_comes_back_and_goes_on_on_one_press(
    session: Workbench,
    pump: Pump,
    videos: list[Path],
    settings: dict[str, Any],
    long_copy: Path,
    kept_list: Path,
    tmp_path: Path,
) -> None:
    queue = added(session, pump, [videos[0], long_copy, videos[2]])
    queue.set_crop([queue.items[2]], (8, 4, 64, 48))
    queue.start({**settings, "batch_size": 1})
    pump.until(lambda: queue.items[1].done > 3)
    # napari is killed: what is kept is what was written last.
    pump.until(lambda: json.loads(kept_list.read_text())["items"][1]["state"] == "running")
    kept = json.loads(kept_list.read_text())
    session.close()
    kept_list.write_text(json.dumps(kept))

    later = session_of(ViewerModel(), pump.post)
    try:
        queue = later.video_list
        assert states(queue) == ["done", "waiting", "waiting"]
        assert "when napari was closed" in queue.items[1].message
        assert queue.items[2].crop == (8, 4, 64, 48)
        assert queue.interrupted
        assert not queue.going
        queue.move(queue.items[1], 2)
        queue.start(queue.settings)
        pump.until(lambda: queue.items[1].state is State.DONE)
        pump.until(lambda: queue.run.item is queue.items[2] and queue.run.settings)
        # The frames that the first napari had predicted are not predicted anew.
        assert queue.run.settings.fresh_from > 0
        assert json.loads(kept_list.read_text())["settings"]["model"] == settings["model"]
    finally:
        later.close()


def test_a_second_napari_does_not_touch_the_list_of_the_first(
    session: Workbench, pump: Pump, videos: list[Path], kept_list: Path
) -> None:
    def kept() -> list[dict[str, Any]]:
        return json.loads(kept_list.read_text())["items"]

    added(session, pump, videos)
    pump.until(kept_list.exists)
    # The lengths are looked up after the videos are listed, and kept too.
    pump.until(lambda: [item["length"] for item in kept()] == [12, None, 12])
    before = kept_list.read_text()
    told: list[str] = []
    other = session_of(ViewerModel(), pump.post)
    try:
        other.told.connect(lambda text, level: told.append(text))
        assert not other.video_list.items
        added(other, pump, videos[:1])
        pump.until(lambda: bool(told))
    finally:
        other.close()
    assert "not kept" in told[0]
    assert kept_list.read_text() == before


@pytest.mark.parametrize("content", ["[", '{"format": 99, "items": []}', '{"format": 1}'])
def test_a_list_that_cannot_be_read_is_put_aside(
    kept_list: Path, content: str, session: Workbench
) -> None:
    kept_list.parent.mkdir(exist_ok=True)
    kept_list.write_text(content)
    queue = VideoQueue(session, Store(kept_list))
    assert not queue.items
    aside = kept_list.with_suffix(".unreadable.json")
    assert aside.read_text() == content
    assert str(aside) in queue.problem
    queue.close()


def test_points_come_to_the_video_on_screen(
    session: Workbench, pump: Pump, videos: list[Path], settings: dict[str, Any], long_copy: Path
) -> None:
    session.choose_model(settings["model"])
    queue = added(session, pump, [long_copy, videos[0]])
    queue.start({**settings, "batch_size": 1})
    pump.until(lambda: queue.items[0].done > 2)
    # Opened while the job runs: the poses that came before are there too.
    opened = session.add_video(open_for_window(long_copy))
    pump.until(lambda: opened.poses is not None)
    assert np.isfinite(opened.poses.xy[0]).all()
    assert np.isnan(opened.poses.xy[-1]).all()
    # They are not replaced meanwhile by what another program found.
    told: list[str] = []
    session.told.connect(lambda text, level: told.append(text))
    session.saved_predictions.open(long_copy.with_name("eks.csv"))
    assert told == ["Open eks.csv when the run on this video has ended."]
    # A video that waits has none, and gets them from its table when its turn is over.
    other = session.add_video(open_for_window(videos[0]))
    assert other.poses is None
    queue.cancel_items([queue.items[0]])
    through(queue, pump)
    assert np.isfinite(other.poses.xy).all()
    assert other.saved == queue.items[1].result


@pytest.mark.parametrize("ends_under_another", [False, True])
def test_a_model_chosen_while_the_list_reaches_a_video_that_is_not_on_screen(
    session: Workbench,
    pump: Pump,
    videos: list[Path],
    settings: dict[str, Any],
    long_copy: Path,
    ends_under_another: bool,
) -> None:
    session.choose_model(settings["model"])
    queue = added(session, pump, [long_copy])
    opened = session.add_video(open_for_window(long_copy))
    queue.start({**settings, "batch_size": 1})
    pump.until(lambda: opened.poses is not None)
    session.add_video(open_for_window(videos[0]))
    session.choose_model("mouse-face")
    done = queue.items[0].done
    pump.until(lambda: queue.items[0].done > done + 20)
    assert opened.poses is None
    if ends_under_another:
        through(queue, pump)
    session.choose_model(settings["model"])
    through(queue, pump)
    session.videos.show(opened)
    pump.until(lambda: opened.saved is not None)
    assert np.isfinite(opened.poses.xy).all()


def test_a_whole_table_is_marked_as_saved_whatever_model_is_chosen_at_the_end(
    session: Workbench, pump: Pump, videos: list[Path], settings: dict[str, Any]
) -> None:
    session.choose_model(settings["model"])
    queue = added(session, pump, [videos[0]])
    opened = session.add_video(open_for_window(videos[0]))
    session.add_video(open_for_window(videos[2]))
    note_saved = queue._poses.note_saved

    def chosen_just_before(run: Any) -> None:
        session.choose_model("mouse-face")
        note_saved(run)

    queue._poses.note_saved = chosen_just_before
    queue.start(settings)
    through(queue, pump)
    assert opened.saved == queue.items[0].result
    assert np.isfinite(opened.poses.xy).all()


def test_a_drawn_crop_belongs_to_its_video_alone(
    session: Workbench, pump: Pump, videos: list[Path], settings: dict[str, Any]
) -> None:
    queue = added(session, pump, [videos[0], videos[2]])
    session.add_video(open_for_window(videos[2]))
    session.set_crop((10, 20, 64, 48))
    assert [item.crop for item in queue.items] == [None, (10, 20, 64, 48)]
    crops = []
    queue.changed.connect(
        lambda: queue.run and queue.run.settings and crops.append(tuple(queue.run.settings.crop))
    )
    queue.start(settings)
    through(queue, pump)
    assert states(queue) == ["done", "done"]
    assert set(crops) - {()} == {(0, 0, 128, 96), (10, 20, 64, 48)}


def test_folders_are_looked_through(tmp_path: Path, write_video: Callable[..., Path]) -> None:
    for name in (
        "a10/cam1.mp4",
        "a2/cam1.mp4",
        "a2/cam2.AVI",
        "a2/cam1_vitface_mouse-face_overlay.mp4",
        "a2/._cam1.mp4",
        "a2/notes.txt",
        "stills/img1.png",
        "top.mp4",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()

    def names(found: list[Path]) -> list[str]:
        return [path.relative_to(tmp_path).as_posix() for path in found]

    assert names(videos_in(tmp_path)) == ["a2/cam1.mp4", "a2/cam2.AVI", "a10/cam1.mp4", "top.mp4"]
    assert names(videos_in(tmp_path, subfolders=False)) == ["top.mp4"]
    assert names(videos_in(tmp_path, "*cam2*; top*")) == ["a2/cam2.AVI", "top.mp4"]
    assert names(videos_in(tmp_path, "a2/*.mp4")) == ["a2/cam1.mp4"]
    # A folder of images is a video; a file is taken as it is.
    assert names(videos_of([tmp_path / "stills", tmp_path / "a2", tmp_path / "top.mp4"])) == [
        "stills",
        "a2/cam1.mp4",
        "a2/cam2.AVI",
        "top.mp4",
    ]


def test_the_same_video_is_listed_once(session: Workbench, pump: Pump, videos: list[Path]) -> None:
    link = videos[0].with_name("link.mp4")
    link.symlink_to(videos[0])
    queue = session.video_list
    queue.add([videos[0], link, videos[2], videos[2]])
    pump.until(lambda: len(queue.items) > 0)
    assert [item.path for item in queue.items] == [videos[0], videos[2]]


def test_another_job_is_one_declaration(
    session: Workbench, pump: Pump, videos: list[Path], settings: dict[str, Any]
) -> None:
    queue = added(session, pump, videos)
    queue.kind = JobKind(
        job="find_face",
        title="Find the face in",
        past="searched",
        arguments=lambda item, settings: {**settings, "video": item.path},
        place=lambda video, settings: video,
        found=lambda video, settings: None,
        table="",
        offered=lambda session, options: {},
        words=lambda settings: "",
    )
    queue.start(settings)
    through(queue, pump)
    # The model of the tests is not calibrated, or sees no face: either way each video is told.
    assert all(item.message for item in queue.items)
    assert "torn.mp4" in queue.items[1].message


def test_an_item_says_what_changed() -> None:
    items, said = Items(), []
    item = Item(Path("a.mp4"), Path("/a.mp4"))
    items.append(item)
    items.item_changed.connect(lambda item, names: said.append((item.path.name, names)))
    items.update(item, state=State.RUNNING, done=0)
    items.update(item, state=State.RUNNING)
    assert said == [("a.mp4", frozenset({"state"}))]
