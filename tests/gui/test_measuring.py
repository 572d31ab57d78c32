"""Traces of videos, without a window: measured, plotted, drawn on the video, and of a list."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Vectors

from napari_vitface.formats.trace_table import read_traces
from napari_vitface.gui.on_video import frame_size
from napari_vitface.gui.traces.trace_layers import COMPONENT, PUPIL, outline_of
from napari_vitface.gui.video_list.items import State
from napari_vitface.gui.video_list.kinds import TRACES_OF_VIDEOS
from napari_vitface.gui.workbench import Workbench
from napari_vitface.video import open_video
from napari_vitface.video.video_writer import VideoWriter

REGION = (10, 8, 100, 80)


@pytest.fixture
def eye(tmp_path: Path) -> Path:
    """Ten frames of a pupil that grows; in the fifth the eye is shut."""
    path = tmp_path / "eye.mp4"
    y, x = np.mgrid[:96, :128]
    with VideoWriter(path, (96, 128), 25) as writer:
        for number in range(10):
            image = np.full((96, 128), 150, np.uint8)
            image[np.hypot(x - 60, (y - 45) * 1.3) < 40] = 90
            image[np.hypot(x - 60, y - 45) < 10 + number] = 20
            writer.write(image if number != 4 else np.full_like(image, 150))
    return path


@pytest.fixture
def measured(session: Workbench, pump: Any, eye: Path) -> Workbench:
    opened = session.add_video(open_video(eye))
    opened.regions = {"eye": REGION}
    settings = {"pupil": "threshold", "darker": 50.0, "components": 3}
    session.measuring.choose(("motion", "motion-svd", "pupil"), settings)
    session.measuring.measure()
    pump.until(lambda: session.measuring.measured.names)
    return session


def test_what_is_to_be_done_is_said_in_words_of_the_window(
    session: Workbench, pump: Any, eye: Path
) -> None:
    session.add_video(open_video(eye))
    session.measuring.choose(("pupil",), {})
    session.measuring.measure()
    pump.until(lambda: not session.measuring.runner.active)
    failure = session.measuring.runner.failure
    assert failure.endswith("Or say where the eye is (Draw region, with the name eye).")
    assert "--" not in failure


def test_traces_are_plotted_in_the_panels_of_their_units(measured: Workbench, eye: Path) -> None:
    opened = measured.current
    assert opened is not None
    assert opened.measured.names
    assert opened.measured.path == eye.with_name("eye_traces.csv")
    names = {panel: [each.name for each in found] for panel, found in opened.traces.items()}
    assert names["energy"] == ["motion energy eye"]
    assert names["components"] == [f"motion eye {number}" for number in (1, 2, 3)]
    assert names["area"] == ["pupil area"]
    area = opened.traces["area"][0].samples
    assert area is not None
    assert np.isnan(area).nonzero()[0].tolist() == [3, 4, 5]
    assert area[9] == pytest.approx(np.pi * 19**2, rel=0.05)


def test_the_pupil_and_a_component_are_drawn_on_the_video(measured: Workbench, pump: Any) -> None:
    layers = measured.trace_layers
    measured.go_to(9)
    pupil = layers.layer(PUPIL)
    assert isinstance(pupil, Vectors)
    corners = pupil.data[:, 0]
    np.testing.assert_allclose(corners.mean(axis=0), (45, 60), atol=0.5)
    np.testing.assert_allclose(np.hypot(*(corners - (45, 60)).T), 19, atol=0.6)
    measured.go_to(4)
    assert not len(pupil.data)
    layers.show_component("motion eye", 1)
    pump.until(lambda: layers.layer(COMPONENT) is not None)
    component = layers.layer(COMPONENT)
    assert isinstance(component, Image)
    # Between the middles of the first and the last square of four pixels.
    low, high = component.extent.world
    np.testing.assert_allclose(low, (REGION[1] + 1.5, REGION[0] + 1.5))
    np.testing.assert_allclose(high, (REGION[1] + 80 - 2.5, REGION[0] + 100 - 2.5))
    layers.show_component("", 1)
    layers.show_pupil(False)
    assert [layer.name for layer in measured.viewer.layers] == ["eye"]


def test_a_region_is_drawn_moved_and_replaced_by_name(session: Workbench, eye: Path) -> None:
    opened, tool = session.add_video(open_video(eye)), session.region_tool
    tool.draw("eye")
    layer = session.viewer.layers["regions"]
    assert frame_size(opened.layer) == (96, 128)
    layer.add_rectangles(np.array([[8, 10], [8, 50], [40, 50], [40, 10]]))
    assert opened.regions == {"eye": (10, 8, 41, 33)}
    layer.add_rectangles(np.array([[0, 0], [0, 2], [2, 2], [2, 0]]))
    assert "less than 6 pixels" in tool.problem
    session.viewer.layers.remove(layer)
    assert not opened.regions


def test_the_list_measures_videos_and_shows_those_that_are_open(
    session: Workbench, pump: Any, eye: Path, write_video: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    other = write_video(tmp_path / "elsewhere" / "other.mp4", 12)
    for video, frames, start in ((eye, 10, 100), (other, 12, 200)):
        np.savetxt(video.with_name(f"{video.stem}_triggers.txt"), start + np.arange(frames))
    session.add_video(open_video(eye))
    # However its folder is called.
    session.measuring.take_times(eye.parent / "elsewhere" / ".." / "eye_triggers.txt")
    queue = session.video_list
    queue.add([eye, other])
    pump.until(lambda: len(queue.items) == 2)
    queue.set_kind(TRACES_OF_VIDEOS)
    session.measuring.choose(("motion",), {"bin": 2})
    settings = TRACES_OF_VIDEOS.offered(session, session.prediction.options, session.measuring)
    assert TRACES_OF_VIDEOS.words(settings).startswith("motion  ·  whole frame")
    assert TRACES_OF_VIDEOS.words(settings).endswith("times from <video>_triggers.txt")
    queue.start(settings)
    pump.until(lambda: not queue.going)
    assert [item.state for item in queue.items] == [State.DONE, State.DONE]
    tables = [read_traces(video.with_name(f"{video.stem}_traces.csv")) for video in (eye, other)]
    assert [table.times[0] for table in tables if table.times is not None] == [100, 200]
    pump.until(lambda: session.measuring.measured.names)
    assert list(session.measuring.measured.names) == ["motion energy frame"]


def test_what_the_list_has_measured_otherwise_is_told_and_replaced_on_request(
    session: Workbench, pump: Any, eye: Path
) -> None:
    pytest.importorskip("pyarrow")
    queue, measuring = session.video_list, session.measuring
    queue.add([eye])
    pump.until(lambda: len(queue.items) == 1)
    (item,) = queue.items
    queue.set_kind(TRACES_OF_VIDEOS)

    def run(bins: int, *, again: bool = False) -> None:
        measuring.choose(("motion",), {"bin": bins})
        measuring.write_as("parquet", nwb=False)
        queue.again([item], replace=again)
        queue.start(TRACES_OF_VIDEOS.offered(session, session.prediction.options, measuring))
        pump.until(lambda: not queue.going)

    run(2)
    table = eye.with_name("eye_traces.parquet")
    assert (item.state, item.result) == (State.DONE, table)
    made = table.read_bytes()
    run(2)
    assert (item.state, item.result) == (State.DONE, table)
    assert item.message == "Was measured before; Again replaces it."
    run(4)
    assert item.state is State.FAILED
    assert item.message == "Was measured otherwise before; Again replaces it."
    assert table.read_bytes() == made
    # The button looks for that.
    assert item.again
    run(4, again=True)
    assert item.state is State.DONE
    assert table.read_bytes() != made


def test_times_of_triggers_and_nwb_are_asked_for_in_the_window(
    session: Workbench, pump: Any, eye: Path
) -> None:
    pytest.importorskip("pynwb")
    opened = session.add_video(open_video(eye))
    triggers = eye.with_name("triggers.csv")
    triggers.write_text("\n".join(["time", *(f"{100 + 0.5 * number}" for number in range(10))]))
    session.measuring.take_times(triggers)
    session.measuring.write_as("csv", nwb=True)
    session.measuring.measure()
    pump.until(lambda: session.measuring.measured.names)
    table = read_traces(opened.measured.path)
    np.testing.assert_allclose(table.times, 100 + 0.5 * np.arange(10))
    assert eye.with_name("eye_traces.nwb").exists()


def test_the_outline_rises_to_the_right_as_its_angle_says() -> None:
    now = {"x": 50.0, "y": 40.0, "longer axis": 20.0, "shorter axis": 6.0, "angle": 30.0}
    corners = outline_of(now)[:, 0]
    furthest = corners[np.hypot(*(corners - (40, 50)).T).argmax()] - (40, 50)
    assert furthest[0] * furthest[1] < 0
    assert not len(outline_of({**now, "x": np.nan}))
