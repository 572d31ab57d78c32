"""Whole jobs on a cluster: what one machine makes, and what can go wrong."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest

from napari_vitface.cluster import clusters, fitness
from napari_vitface.cluster.run_many import run_many
from napari_vitface.cluster.watching import _has_page
from napari_vitface.errors import VitFaceError
from napari_vitface.formats.labelled_images import Labels
from napari_vitface.jobs.convert import convert
from napari_vitface.jobs.evaluate import evaluate
from napari_vitface.jobs.events import Progress
from napari_vitface.jobs.explaining.attention_table import attention_data
from napari_vitface.jobs.explaining.frame_maps import explain_frames
from napari_vitface.jobs.states.features import features
from napari_vitface.jobs.suggesting.suggest import suggest
from napari_vitface.jobs.traces import traces
from napari_vitface.jobs.video_events import VideoFailed, VideoFinished
from napari_vitface.pose.keypoints import KeypointSet

FP32 = {"device": "cpu", "precision": "fp32", "batch_size": 4}


@pytest.fixture
def videos(write_video: Callable[..., Path], tmp_path: Path) -> list[Path]:
    return [write_video(tmp_path / f"mouse {n}.mp4", n) for n in (24, 30)]


def maker(file: Path) -> dict[str, Any]:
    """What a file, or the one beside it, says of the worker."""
    if file.suffix == ".h5":
        with h5py.File(file) as table:
            return json.loads(table.attrs["made_by"])
    if file.suffix == ".npz":
        with np.load(file) as arrays:
            return json.loads(str(arrays["made_by"]))
    return json.loads(file.with_suffix(".json").read_text())["made_by"]


def content(file: Path) -> list[Any]:
    """What a file holds, without when and by whom it was made."""
    found: list[Any] = []

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found.append((name, item[()].tobytes()))

    if file.suffix == ".h5":
        with h5py.File(file) as table:
            table.visititems(note)
    elif file.suffix == ".npz":
        with np.load(file) as arrays:
            found += [(name, arrays[name].tobytes()) for name in arrays if name != "made_by"]
    else:
        found.append(file.read_bytes())
    assert found
    return found


@pytest.mark.parametrize(
    ("job", "options", "ending", "model"),
    [
        (features, {"features": "hog", "output_dir": "."}, "_features_hog.h5", False),
        (features, {"features": "tokens", "output_dir": ".", **FP32}, "_features_tokens.h5", True),
        (traces, {"output_dir": "."}, "_traces.csv", False),
        (attention_data, {"output": "{}.csv", "frames": "::5", **FP32}, ".csv", True),
        (explain_frames, {"output": "{}.npz", "frames": "::9", **FP32}, ".npz", True),
    ],
)
def test_files_are_those_of_one_machine_bit_for_bit(
    client, tiny_model, videos, tmp_path, job, options, ending, model
):
    def options_in(folder: Path) -> dict[str, Any]:
        folder.mkdir()
        paths = {
            name: folder / value for name, value in options.items() if name.startswith("output")
        }
        return {**options, **paths, **({"model": tiny_model} if model else {})}

    *events, last = run_many(job, videos, client=client, **options_in(tmp_path / "together"))
    assert {each.video for each in events if isinstance(each, VideoFinished)} == {
        str(video) for video in videos
    }
    assert len(last.result.videos) == 2
    assert last.result.failed == ()
    for each in events:
        if isinstance(each, VideoFinished):
            assert each.made_by.versions == dict(fitness.versions_here())
            assert (each.made_by.computing is not None) == model
            assert each.made_by.seconds >= 0
    alone = options_in(tmp_path / "alone")
    for video in videos:
        if "output" in alone:
            alone["output"] = alone["output"].with_name(video.stem + ending)
        list(job(video, **alone))
        (made,) = (tmp_path / "together").glob(f"{video.stem}*{ending}")
        assert content(made) == content(tmp_path / "alone" / made.name)
        # A table of attention has no place for it.
        if job is not attention_data:
            assert maker(made)["worker"].startswith("inproc://")
            assert maker(made)["versions"] == dict(fitness.versions_here())
            assert maker(made)["seconds"] >= 0


def test_suggestions_are_those_of_one_machine(client, tiny_model, videos):
    *events, last = run_many(suggest, videos, client=client, model=tiny_model, count=3, **FP32)
    alone = [list(suggest(video, tiny_model, count=3, **FP32))[-1].result for video in videos]
    assert sorted(last.result.videos, key=lambda result: result.video) == alone
    done = [event for event in events if isinstance(event, Progress)]
    assert done[-1].done == done[-1].total > 0


@pytest.fixture
def labels(tmp_path: Path) -> Labels:
    """Noise with points."""
    from PIL import Image

    folder = tmp_path / "labeled-data" / "cam1"
    folder.mkdir(parents=True)
    paths = [folder / f"img{i:04}.png" for i in range(6)]
    rng = np.random.default_rng(0)
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (96, 128), dtype=np.uint8)).save(path)
    return Labels(
        KeypointSet(("eye", "nose tip")),
        rng.uniform(0, 64, (6, 2, 2)),
        tuple(paths),
        np.array(["cam1"] * 6),
        np.arange(6),
        "someone",
    )


def test_several_models_are_judged_on_the_same_labels(client, tiny_model, labels, tmp_path):
    other = tmp_path / "other.safetensors"
    other.write_bytes(tiny_model.read_bytes())
    options = {"labels": labels, "device": "cpu", "precision": "fp32"}
    *_, last = run_many(evaluate, [tiny_model, other], client=client, **options)
    alone = list(evaluate(tiny_model, **options))[-1].result
    assert {each.model for each in last.result.videos} == {"tiny", "other"}
    assert [replace(each, model="tiny") for each in last.result.videos] == [alone] * 2


def test_a_video_that_fails_is_named_and_others_go_on(client, videos, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video" * 1000)
    mapped = [f"Z:/lab={tmp_path}"]
    called = [f"Z:/lab/{path.name}" for path in (broken, *videos)]
    *events, last = run_many(traces, called, client=client, path_map=mapped, model="mouse-face")
    (failed,) = [event for event in events if isinstance(event, VideoFailed)]
    assert failed.video == "Z:/lab/broken.mp4"
    assert "broken.mp4" in failed.failed.message
    assert sorted(each.table for each in last.result.videos) == [
        rf"Z:\lab\mouse {n}_traces.csv" for n in (24, 30)
    ]
    with (tmp_path / "mouse 24_traces.csv").open() as table:
        assert len(list(csv.reader(table))) > 24


def test_commands_take_a_cluster(client, tiny_model, videos, tmp_path, monkeypatch, capsys):
    from napari_vitface.cli import main

    monkeypatch.setattr(clusters, "connected", lambda *_, **__: nullcontext(client))
    cluster = ["--cluster", "local:2"]
    model = ["--model", str(tiny_model), "--device", "cpu", "--precision", "fp32"]
    names = [str(video) for video in videos]
    maps = ["--frames", "::9", "--output", str(tmp_path / "{}.npz")]
    assert main(["states", "features", *names, "--features", "hog", *cluster]) == 0
    assert main(["traces", *names, *cluster]) == 0
    assert main(["attention", *names, *maps, *model, *cluster]) == 0
    assert main(["suggest", *names, "--count", "2", *model, *cluster]) == 0
    told = capsys.readouterr().out
    for video in videos:
        assert (tmp_path / f"{video.stem}.npz").exists()
        assert f"{video.stem}_features_hog.h5" in told
        assert f"{video.stem}_traces.csv" in told
        assert f"\n{video}\n" in told
    assert main(["attention", *names, *maps, *model, *cluster, "--faithfulness"]) == 1


def test_evaluate_takes_a_cluster(client, tiny_model, labels, tmp_path, monkeypatch, capsys):
    from napari_vitface.cli import main

    monkeypatch.setattr(clusters, "connected", lambda *_, **__: nullcontext(client))
    names = [name for name in labels.keypoints.names for _ in "xy"]
    rows = ["scorer,,," + "someone," * 4, "bodyparts,,," + ",".join(names), "coords,,,x,y,x,y"]
    for path, points in zip(labels.images, labels.xy, strict=True):
        where = ",".join(path.parts[-3:])
        rows.append(f"{where},{','.join(map(str, points.ravel()))}")
    table = labels.images[0].with_name("CollectedData_someone.csv")
    table.write_text("\n".join(rows).replace(",\n", "\n") + "\n")
    command = ["evaluate", str(tiny_model), str(table), "--device", "cpu", "--precision", "fp32"]
    told = []
    for cluster in ([], ["--cluster", "local:2"]):
        assert main([*command, *cluster]) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    assert "6 images, model tiny" in told[0]
    labelled = f"{tmp_path}/nowhere"
    assert main(["evaluate", str(tiny_model), labelled, "--cluster", "local:2"]) == 1
    assert "nowhere" in capsys.readouterr().err


def test_all_workers_are_counted_whenever_the_client_looks_at_the_scheduler_itself(client):
    ends = threading.Event()

    def look() -> None:
        while not ends.is_set():
            client.sync(client._update_scheduler_info)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        counts = {len(clusters.workers_of(client)) for _ in range(200)}
    finally:
        ends.set()
        thread.join()
    assert counts == {2}


def test_a_scheduler_without_a_page_is_no_error_in_anybody_s_log(client, caplog, capfd):
    assert _has_page(client) == (find_spec("bokeh") is not None)
    assert "Traceback" not in caplog.text + capfd.readouterr().err


def test_one_file_for_several_videos_is_refused(client, videos, tmp_path):
    with pytest.raises(VitFaceError, match=r"\{\} where the name"):
        next(run_many(attention_data, videos, client=client, output=tmp_path / "all.csv"))


@pytest.mark.parametrize(
    ("job", "options", "says"),
    [
        (traces, {"colour": "red"}, r"traces.* 'colour'.*\.$"),
        (features, {"colour": "red"}, r"features takes no 'colour'.*\.$"),
        (attention_data, {"colour": "red"}, r"attention_data takes no 'colour'.*hide_self.*\.$"),
        (convert, {}, r"convert.* missing .*'output'\.$"),
        ("traces", {}, r"'traces' is no job: .*\.$"),
    ],
)
def test_a_call_that_no_job_takes_is_refused_before_any_worker_sees_it(videos, job, options, says):
    nobody = SimpleNamespace(status="running")
    with pytest.raises(VitFaceError, match=says) as raised:
        next(run_many(job, videos, client=nobody, **options))
    assert "\n" not in str(raised.value)


def test_nothing_to_run_on_is_told_and_any_collection_of_paths_is_taken(videos):
    nobody = SimpleNamespace(status="running")
    with pytest.raises(VitFaceError, match="traces is given nothing to run on: name at least one"):
        next(run_many(traces, [], client=nobody))
    for several in (set(videos), dict.fromkeys(videos).keys()):
        with pytest.raises(VitFaceError, match="'colour'"):
            next(run_many(traces, several, client=nobody, colour="red"))
