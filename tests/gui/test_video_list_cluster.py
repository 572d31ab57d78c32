"""The list's job on a cluster: a process of its own, which is followed and found again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from napari.components import ViewerModel

from napari_vitface.cli.own_process import CommandRun
from napari_vitface.cli.parser import parse
from napari_vitface.formats.poses import read_poses
from napari_vitface.gui.video_list import cluster_work
from napari_vitface.gui.video_list.items import Item, State
from napari_vitface.gui.video_list.kinds import PREDICT, TRACES_OF_VIDEOS, Settings
from napari_vitface.gui.video_list.list_store import Store
from napari_vitface.gui.workbench import Workbench, session_of
from napari_vitface.lock import lock_open_file
from napari_vitface.record import plain_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Pump


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_work, "_EVERY", 0.02)


def listed(path: Path, **what: Any) -> Item:
    return Item(path, path, **what)


def test_items_that_are_asked_for_alike_are_one_command() -> None:
    settings: Settings = {
        "model": "mouse-face",
        "device": "auto",
        "batch_size": "auto",
        "crop": "auto",
        "output_dir": None,
        "frames": "::10",
        "overlay": True,
        "cluster": "local:2",
    }
    items = [listed(Path(f"/data/{name}.mp4"), crop=(1, 2, 30, 40)) for name in "ab"]
    command = PREDICT.command(items, PREDICT.arguments(items[0], settings), "local:2")
    arguments = parse(command)
    assert arguments.videos == [Path("/data/a.mp4"), Path("/data/b.mp4")]
    assert (arguments.cluster, arguments.json, arguments.overlay) == ("local:2", True, True)
    assert (arguments.crop, arguments.frames) == ((1, 2, 30, 40), slice(None, None, 10))
    assert (arguments.overwrite, arguments.output_dir) == (False, None)


def test_what_is_set_of_traces_is_a_command() -> None:
    settings: Settings = {
        "model": "mouse-face",
        "output_dir": None,
        "kinds": ["motion", "pupil"],
        "settings": {"pupil": "threshold", "across_blinks": 0.5, "components": 3},
        "regions": {"whisker pad": [1, 2, 30, 40], "eye": [5, 6, 20, 20]},
        "cluster": "local:2",
    }
    item = listed(Path("/data/a.mp4"), again=True)
    arguments = TRACES_OF_VIDEOS.arguments(item, settings)
    parsed = parse(TRACES_OF_VIDEOS.command([item], arguments, "local:2"))
    assert (parsed.command, parsed.videos) == ("traces", [Path("/data/a.mp4")])
    assert (parsed.cluster, parsed.json, parsed.overwrite) == ("local:2", True, True)
    assert parsed.kinds == "motion,pupil"
    assert dict(parsed.region) == {"whisker pad": (1, 2, 30, 40), "eye": (5, 6, 20, 20)}
    assert (parsed.pupil, parsed.across_blinks, parsed.components) == ("threshold", 0.5, 3)


def test_the_list_s_traces_are_those_that_the_command_tells_of(
    session: Workbench, pump: Pump, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"{name}.mp4" for name in "abc"]
    tables = [path.with_name(f"{path.stem}_traces.csv") for path in paths]

    def start(run: CommandRun, arguments: list[str], about: dict[str, Any]) -> None:
        """Tell what the command would."""
        named = parse(arguments).videos
        run.folder.mkdir(parents=True)
        content = json.dumps({**about, "arguments": arguments})
        (run.folder / "command.json").write_text(content)
        events: list[dict[str, Any]] = [
            {
                "event": "VideoFinished",
                "video": str(path),
                "result": {
                    "frames": 9,
                    "table": str(tables[paths.index(path)]),
                    "made": path != paths[1],
                },
            }
            for path in named
        ]
        lines = [json.dumps(event) + "\n" for event in (*events, {"event": "Finished"})]
        (run.folder / "events.jsonl").write_text("".join(lines))

    monkeypatch.setattr(CommandRun, "start", start)
    queue = session.video_list
    queue.items.extend(listed(path) for path in paths)
    traced: list[str] = []
    queue.traced.connect(lambda item: traced.append(item.path.name))
    queue.set_kind(TRACES_OF_VIDEOS)
    queue.start({"kinds": ["motion"], "settings": {}, "regions": {}, "cluster": "local:2"})
    assert queue.cluster.active
    pump.until(lambda: not queue.going and not queue.cluster.active)
    assert [item.state for item in queue.items] == ["done"] * 3
    assert [item.result for item in queue.items] == tables
    assert [item.message != "" for item in queue.items] == [False, True, False]
    assert sorted(traced) == ["a.mp4", "b.mp4", "c.mp4"]


@pytest.mark.skipif(os.name != "posix", reason="holds the lock as a POSIX process inherits it")
def test_a_run_that_went_on_without_napari_is_found_again(
    session: Workbench, pump: Pump, kept_list: Path, tmp_path: Path
) -> None:
    session.close()
    items = [listed(tmp_path / f"{name}.mp4", state=State.RUNNING) for name in "abc"]
    store = Store(kept_list)
    store.save("predict", {"model": "m", "cluster": "local:2"}, plain_data(items))
    store.close()
    folder = kept_list.with_name("cluster-run")
    folder.mkdir()
    arguments = ["predict", *(str(item.path) for item in items)]
    (folder / "command.json").write_text(json.dumps({"model": "m", "arguments": arguments}))
    events: list[dict[str, Any]] = [
        {"event": "Started", "job": "predict", "total": 300},
        {"event": "VideoProgress", "video": str(items[1].path), "done": 30, "total": 100},
        {
            "event": "WorkersSeen",
            "workers": [{"address": "tcp://1", "host": "desk", "frames_per_second": 12.5}],
            "dashboard": "http://desk:8787/status",
        },
        {"event": "Progress", "done": 130, "total": 300, "seconds_left": 9.0, "message": ""},
        {
            "event": "VideoFinished",
            "video": str(items[0].path),
            "result": {"frames": 100, "h5": str(tmp_path / "a.h5"), "made": True},
        },
        {"event": "VideoFailed", "video": str(items[2].path), "message": "c.mp4 is torn."},
    ]
    file = folder / "events.jsonl"
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    with file.open("ab") as opened:
        assert lock_open_file(opened.fileno())
        worker = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=opened)
    later = session_of(ViewerModel(), pump.post)
    told: list[str] = []
    later.told.connect(lambda text, level: told.append(text))
    try:
        queue = later.video_list
        assert queue.going
        pump.until(lambda: queue.items[2].state is State.FAILED)
        assert [item.state for item in queue.items] == ["done", "running", "failed"]
        assert queue.items[0].result == tmp_path / "a.h5"
        assert queue.items[2].message == "c.mp4 is torn."
        assert (queue.items[1].done, queue.items[1].total) == (30, 100)
        assert queue.seconds_left == 9.0
        assert queue.cluster.workers[0].frames_per_second == 12.5
        assert queue.cluster.dashboard == "http://desk:8787/status"
        worker.communicate()
        pump.until(lambda: not queue.cluster.active)
        # It told of no end.
        assert queue.items[1].state is State.WAITING
        assert "log.txt" in told[-1]
        assert not queue.going
    finally:
        worker.kill()
        later.close()


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("VITFACE_CLUSTER"), reason="tox run -e cluster")
def test_the_list_is_predicted_by_processes(
    session: Workbench,
    pump: Pump,
    tiny_model: Path,
    tmp_path: Path,
    write_video: Callable[..., Path],
) -> None:
    queue = session.video_list
    paths = [write_video(tmp_path / f"{name}.mp4", 40) for name in "ab"]
    queue.add([*paths])
    pump.until(lambda: len(queue.items) == 2)
    queue.set_crop([queue.items[1]], (8, 4, 64, 48))
    queue.start({"model": str(tiny_model), "precision": "fp32", "cluster": "local:2"})
    assert queue.running is not None
    pump.until(lambda: not queue.going and not queue.cluster.active)
    assert [item.state for item in queue.items] == ["done", "done"]
    for item in queue.items:
        assert len(read_poses(item.result).frames) == 40
    assert (read_poses(queue.items[1].result).xy.max(axis=(0, 1)) < (72, 52)).all()
    assert not {"torch", "distributed"} & set(sys.modules)


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("VITFACE_CLUSTER"), reason="tox run -e cluster")
def test_the_list_is_measured_by_processes(
    session: Workbench, pump: Pump, tmp_path: Path, write_video: Callable[..., Path]
) -> None:
    queue = session.video_list
    paths = [write_video(tmp_path / f"{name}.mp4", 40) for name in "ab"]
    queue.add([*paths])
    pump.until(lambda: len(queue.items) == 2)
    queue.set_kind(TRACES_OF_VIDEOS)
    regions = {"pad": [8, 4, 64, 48]}
    queue.start(
        {
            "model": "mouse-face",
            "kinds": ["motion"],
            "settings": {},
            "regions": regions,
            "cluster": "local:2",
        }
    )
    pump.until(lambda: not queue.going and not queue.cluster.active)
    assert [item.state for item in queue.items] == ["done", "done"]
    for item in queue.items:
        assert len(item.result.read_text().splitlines()) > 40
    assert not {"torch", "distributed"} & set(sys.modules)
