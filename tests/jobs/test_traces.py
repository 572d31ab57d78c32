"""Traces of a video as one table: complete, gone on with, and refused in a sentence."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_vitface.cli import main
from napari_vitface.errors import OutputExistsError, VitFaceError
from napari_vitface.formats.trace_table import read_traces
from napari_vitface.jobs import pace
from napari_vitface.jobs.events import Finished, Notice, Progress, Started
from napari_vitface.jobs.traces import traces
from napari_vitface.settings.traces import TRACES
from napari_vitface.video import open_video
from napari_vitface.video.video_writer import VideoWriter

FRAMES = 150
KINDS = "motion,motion-svd,movie-svd"


@pytest.fixture
def video(tmp_path: Path) -> Path:
    folder = tmp_path / "mouse"
    folder.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (FRAMES, 20, 24), dtype=np.uint8)
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"img{i:03d}.png")
    return folder


KILLED = """
import os, signal, sys
from napari_vitface.jobs import pace, traces as module
from napari_vitface.jobs.events import Progress
pace._EVERY = 0
seen = 0
for event in module.traces(sys.argv[1], sys.argv[2]):
    seen += isinstance(event, Progress)
    if seen == 2:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_run_that_was_killed_goes_on_to_the_same_table(video: Path, tmp_path: Path) -> None:
    *_, whole = traces(video, KINDS, output_dir=tmp_path / "undisturbed")
    subprocess.run([sys.executable, "-c", KILLED, str(video), KINDS], check=False)
    assert (tmp_path / "mouse_traces.part").exists()
    events = list(traces(video, KINDS))
    started = next(event for event in events if isinstance(event, Started))
    assert started.settings.fresh_from == 128
    assert isinstance(whole, Finished)
    expected = Path(whole.result.table).read_bytes()
    assert (tmp_path / "mouse_traces.csv").read_bytes() == expected
    assert sorted(path.name for path in tmp_path.glob("mouse_*")) == [
        "mouse_traces.csv", "mouse_traces.json", "mouse_traces_components.h5",
    ]  # fmt: skip


@pytest.mark.parametrize("kinds", ["motion,movie-svd", "motion"])
def test_frames_that_cannot_be_decoded_are_told_also_of_a_run_before(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kinds: str
) -> None:
    for broken in (7, 9, 140):
        path = video / f"img{broken:03d}.png"
        path.write_bytes(path.read_bytes()[:200])
    told = []
    for stop_early in (False, True):
        folder = tmp_path / str(stop_early)
        if stop_early:
            monkeypatch.setattr(pace, "_EVERY", 0)
            job = traces(video, kinds, output_dir=folder)
            while not isinstance(next(job), Progress):
                pass
            job.close()
        *events, last = traces(video, kinds, output_dir=folder)
        assert isinstance(last, Finished)
        assert last.result.broken == ((7, 7), (9, 9), (140, 140))
        table = read_traces(last.result.table)
        assert np.isnan(table.values[[7, 9, 140]]).all()
        # Of a frame after one that is missing, it is not known what moved.
        energy = table.names.index("motion energy frame")
        missing = np.flatnonzero(np.isnan(table.values[:, energy]))
        assert missing.tolist() == [0, 7, 8, 9, 10, 140, 141]
        told.append([event.message for event in events if isinstance(event, Notice)])
    assert told[0] == told[1] == ["3 frames of mouse could not be decoded: 7, 9 and 140."]


def test_a_run_that_was_closed_is_begun_anew_for_other_traces(video: Path, tmp_path: Path) -> None:
    every, pace._EVERY = pace._EVERY, 0
    try:
        job = traces(video, "motion")
        next(job), next(job)
        job.close()
    finally:
        pace._EVERY = every
    assert (tmp_path / "mouse_traces.part").exists()
    events = list(traces(video, "motion", settings={"bin": 2}))
    assert any("another traces" in event.message for event in events if isinstance(event, Notice))


def test_times_are_those_of_the_file_and_parquet_holds_the_same(tmp_path: Path) -> None:
    path = tmp_path / "mouse.mp4"
    rng = np.random.default_rng(0)
    with VideoWriter(path, (32, 48), 25) as writer:
        for _ in range(30):
            writer.write(rng.integers(0, 256, (32, 48), dtype=np.uint8))
    tables = []
    for form in ("csv", "parquet"):
        if form == "parquet":
            pytest.importorskip("pyarrow")
        *_, last = traces(path, "motion", frames="10:20", table=form)  # type: ignore[arg-type]
        assert isinstance(last, Finished)
        assert last.result.table == str(tmp_path / f"mouse_traces.{form}")
        tables.append(read_traces(last.result.table))
    with open_video(path) as opened:
        for table in tables:
            np.testing.assert_array_equal(table.frames, range(10, 20))
            np.testing.assert_allclose(table.times, opened.times[10:20], atol=1e-6)
            np.testing.assert_array_equal(table.values, tables[0].values)
            # What was before the first of some frames is known.
            assert np.isfinite(table.values).all()


def test_what_cannot_be_done_is_said(video: Path, tmp_path: Path) -> None:
    for kinds, frames, sentence in (
        ("motion,whisk", None, "no trace 'whisk'; choose among motion, "),
        ("motion", "::2", "frames in a row"),
        ("motion", "500:", "none of them is selected"),
    ):
        with pytest.raises(VitFaceError, match=sentence):
            list(traces(video, kinds, frames=frames))
    with pytest.raises(VitFaceError, match="does not lie within the frames"):
        list(traces(video, regions={"pad": (10, 10, 20, 20)}))
    list(traces(video))
    with pytest.raises(OutputExistsError, match=r"mouse_traces\.csv already exists"):
        list(traces(video, settings={"bin": 2}))


def test_what_was_made_in_the_same_way_is_done_and_nothing_else_is(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyarrow")
    asked = ["traces", str(video), "--kinds", "motion,movie-svd", "--table", "parquet"]
    asked += ["--components", "3"]
    assert main(asked) == 0
    first = capsys.readouterr().out
    table = tmp_path / "mouse_traces.parquet"
    before = table.stat().st_mtime_ns, table.read_bytes()
    assert main(asked) == 0
    told = capsys.readouterr().out
    assert "already done: 4 traces" in told
    assert "spatial components" in told
    assert "already done" not in first
    assert (table.stat().st_mtime_ns, table.read_bytes()) == before
    for other in (["--kinds", "motion"], ["--bin", "2"], ["--region", "pad=0,0,8,8"]):
        assert main([*asked, *other]) == 1
        assert "already exists" in capsys.readouterr().err
    # Another form is not there yet, and what lacks a part or is of another video is not done.
    assert main(["traces", str(video)]) == 1
    (tmp_path / "mouse_traces_components.h5").unlink()
    assert main(asked) == 1
    assert main([*asked, "--overwrite"]) == 0
    image = video / "img000.png"
    image.write_bytes((video / "img001.png").read_bytes())
    assert main(asked) == 1
    (tmp_path / "mouse_traces.json").write_text("[" * 100_000)
    assert main(asked) == 1


def test_a_disk_that_is_too_small_is_told_before_the_video_is_read(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(video)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(VitFaceError, match="larger bins"):
        list(traces(video, "movie-svd"))


def test_the_command_measures_several_videos(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "rat"
    status = main(["traces", str(video), str(missing), "--region", "pad=0,0,8,8", "--bin", "2"])
    assert status == 1
    out = capsys.readouterr()
    assert "mouse_traces.csv (1 trace): 150 frames" in out.out
    assert "rat does not exist" in out.err
    table = read_traces(tmp_path / "mouse_traces.csv")
    assert table.names == ("motion energy pad",)
    with pytest.raises(SystemExit):
        main(["traces", str(video), "--region", "0,0,8,8"])
    assert "a region is given as NAME=X,Y,W,H" in capsys.readouterr().err


TOY = """
from dataclasses import dataclass
from typing import Annotated
import numpy as np
from napari_vitface.settings.option import Option
from napari_vitface.settings.traces import TraceKind
from napari_vitface.traces.measure import Column, MeasureOfFrames
from napari_vitface.video.scale import Scale

@dataclass(frozen=True, kw_only=True)
class Corner(TraceKind):
    name = "corner"
    title = "Corner"
    help = "the pixel in the corner of the frame"
    compute = __name__ + ":measure"
    power: Annotated[int, Option(help="of the pixel", ge=1)] = 1

def measure(kind, material):
    found = MeasureOfFrames()
    found.rectangles, found.columns = [(0, 0, 1, 1)], [Column("corner", "grey levels")]
    found.extractor = lambda window: Pixel(kind.power, window.size)
    return found

class Pixel:
    columns, before, about = ("corner",), False, {}
    def __init__(self, power, size):
        self.power, self.scale = power, Scale(None, size, grey=True)
    def __call__(self, pictures):
        return pictures.images[:, 0, :1].astype(np.float32) ** self.power

TOY = Corner()
"""


def test_a_kind_of_another_package_is_measured(video: Path, install: Callable[..., None]) -> None:
    install(TRACES, TOY)
    *_, last = traces(video, "motion,corner", settings={"power": 2})
    assert isinstance(last, Finished)
    table = read_traces(last.result.table)
    assert table.names == ("motion energy frame", "corner")
    with open_video(video) as opened:
        np.testing.assert_array_equal(
            table.values[:, 1], [float(opened[frame][0, 0]) ** 2 for frame in range(FRAMES)]
        )
