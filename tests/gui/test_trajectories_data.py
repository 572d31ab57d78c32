"""What lies behind the Trajectories dock, without a window."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vitface.errors import LabelError
from napari_vitface.formats.format import read_as
from napari_vitface.formats.poses import read_poses, write_poses
from napari_vitface.gui.predict.other_tables import other_models
from napari_vitface.gui.predict.shown_points import shown_points
from napari_vitface.gui.trajectories.axes import clock
from napari_vitface.gui.trajectories.exports import (
    filtered_paths,
    plotted_columns,
    write_filtered,
    write_traces,
)
from napari_vitface.gui.trajectories.label_rows import LabelRows
from napari_vitface.gui.trajectories.trace_store import TraceStore, untracked
from napari_vitface.jobs.outputs import table_paths
from napari_vitface.jobs.smooth import smooth
from napari_vitface.kinematics import Trace, apply_operations
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import ABSENT, NOT_VISIBLE, FrameLabels, Point, labelled, occluded
from napari_vitface.pose.table import PointState, PoseTable
from napari_vitface.video import open_video

if TYPE_CHECKING:
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.workbench import Workbench

THREE = KeypointSet(("eye", "nose tip", "mouth"))
NO_ROWS = LabelRows(FrameLabels(THREE))
MEDIAN = {"smooth": "median", "window": 5}


def noisy(length: int, seed: int = 0) -> PoseTable:
    rng = np.random.default_rng(seed)
    xy = 50 + np.cumsum(rng.normal(0, 1, (length, 3, 2)), axis=0)
    xy[rng.random((length, 3)) < 0.1] = np.nan
    return PoseTable(THREE, xy, rng.random((length, 3)))


# --------------------------------------------------------------------- traces in the background


def test_a_long_table_is_gone_through_in_the_background(session: Workbench, pump: Any) -> None:
    told: list[None] = []
    store = TraceStore(session, lambda: told.append(None))
    table = noisy(400_000)
    traces = [Trace(kind, ("eye",)) for kind in ("x", "y", "speed", "confidence")]
    store.want(traces)
    store.set_table(table, None)
    assert store.building
    pump.until(lambda: not store.building)
    assert told
    for trace in traces:
        _, y = store.envelope(trace, 0, len(table), 500)
        values = trace.values(table)
        assert np.nanmin(y) == np.nanmin(values)
        assert np.nanmax(y) == np.nanmax(values)


def test_another_table_ends_the_work_on_the_last_one(session: Workbench, pump: Any) -> None:
    store = TraceStore(session, lambda: None)
    trace = Trace("x", ("eye",))
    store.want([trace, Trace("y", ("eye",)), Trace("x", ("mouth",))])
    store.set_table(noisy(500_000), None)
    last = noisy(450_000, seed=1)
    store.set_table(last, None)
    pump.until(lambda: not store.building)
    assert np.nanmax(store.envelope(trace, 0, 450_000, 300)[1]) == np.nanmax(last.xy[:, 0, 0])


@pytest.mark.parametrize("columns", [1000, 40])
def test_a_variance_is_a_band_around_each_run_of_positions(
    session: Workbench, columns: int
) -> None:
    store = TraceStore(session, lambda: None)
    x = Trace("x", ("eye",))
    store.want([x, Trace("confidence", ("eye",))])
    table = noisy(300)
    table.xy[:, 0] = 50
    table.xy[150:] = np.nan
    variance = np.full((300, 3, 2), 4, np.float32)
    variance[100:] = np.nan
    store.set_table(table, None, variance)
    at, edge = store.band(x, 0, 300, columns)
    known = np.isfinite(edge)
    np.testing.assert_allclose(np.unique(edge[known]), [50 - 3.92, 50 + 3.92], rtol=1e-6)
    assert at[known].max() < 120
    # An outline goes back to where it begins, and ends there.
    assert known.tolist() == [True] * (len(edge) - 1) + [False]
    assert not len(store.band(Trace("confidence", ("eye",)), 0, 300, columns)[0])
    store.set_table(table, None)
    assert not len(store.band(x, 0, 300, columns)[0])


def test_poses_that_come_in_later_are_taken_in(session: Workbench, pump: Any) -> None:
    store = TraceStore(session, lambda: None)
    x, speed = Trace("x", ("eye",)), Trace("speed", ("eye",))
    store.want([x, speed])
    table = PoseTable.empty(THREE, 600_000)
    store.set_table(table, None)
    pump.until(lambda: not store.building)
    assert np.isnan(store.envelope(x, 0, 600_000, 300)[1]).all()
    table.xy[100_000:100_010] = np.arange(10)[:, None, None] * 3.0
    store.touched(100_000, 100_010)
    table.xy[5:9] = 77.0
    store.touched(5, 9)
    store.catch_up()
    pump.until(lambda: not store.building)
    y = store.envelope(x, 0, 600_000, 300)[1]
    assert (np.nanmin(y), np.nanmax(y)) == (0.0, 77.0)
    assert np.nanmax(store.envelope(speed, 0, 600_000, 300)[1]) == pytest.approx(3 * 2**0.5)


def test_what_the_table_does_not_have_is_not_drawn(session: Workbench) -> None:
    store = TraceStore(session, lambda: None)
    store.set_table(noisy(100), None)
    tail = Trace("x", ("tail",))
    store.want([tail])
    assert len(store.envelope(tail, 0, 100, 100)[0]) == 0
    assert store.middle(tail) is None
    assert store.middle(Trace("x", ("eye",))) == pytest.approx(
        np.nanmedian(store.table.xy[:, 0, 0])
    )


# --------------------------------------------------------------------- labels as rows

points = st.one_of(
    st.just(ABSENT),
    st.just(NOT_VISIBLE),
    st.builds(labelled, st.floats(0, 500), st.floats(0, 500)),
    st.builds(occluded, st.floats(0, 500), st.floats(0, 500)),
)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2), points), max_size=30))
def test_rows_that_follow_the_labels_are_the_labels(edits: list[tuple[int, int, Point]]) -> None:
    labels = FrameLabels(THREE)
    rows = LabelRows(labels)
    for frame, keypoint, point in edits:
        labels.set(frame, keypoint, point)
        rows.update(labels, frame)
    anew = LabelRows(labels)
    for name in ("frames", "xy", "states"):
        np.testing.assert_array_equal(getattr(rows, name), getattr(anew, name))
    assert rows.frames.tolist() == labels.frames().tolist()


def test_a_copy_of_the_rows_stays_as_it_is() -> None:
    labels = FrameLabels(THREE)
    labels.set(3, 0, labelled(1, 2))
    rows = LabelRows(labels)
    copy = rows.copy()
    labels.set(3, 0, labelled(9, 9))
    labels.set(4, 0, labelled(9, 9))
    rows.update(labels, 3)
    rows.update(labels, 4)
    assert copy.frames.tolist() == [3]
    assert copy.xy[0, 0].tolist() == [1, 2]


def test_labels_of_several_keypoints_make_a_derived_trace() -> None:
    labels = FrameLabels(THREE)
    labels.set(2, 0, labelled(10, 10))
    labels.set(2, 1, labelled(13, 14))
    labels.set(5, 0, labelled(10, 10))
    labels.set(7, 0, labelled(0, 0))
    labels.set(7, 1, occluded(0, 8))
    rows = LabelRows(labels)
    frames, values, seen = rows.values(Trace("distance", ("eye", "nose tip")), 0, 100)
    assert frames.tolist() == [2, 7]
    assert values.tolist() == [5, 8]
    assert seen.tolist() == [True, False]
    assert rows.values(Trace("speed", ("eye",)), 0, 100)[0].size == 0
    assert rows.values(Trace("x", ("tail",)), 0, 100)[0].size == 0
    assert rows.values(Trace("x", ("eye",)), 3, 7)[0].tolist() == [5]


# --------------------------------------------------------------------- files


def test_plotted_traces_come_back_from_the_csv(tmp_path: Path) -> None:
    table, times = noisy(20_000), np.arange(20_000) / 100
    labels = FrameLabels(THREE)
    labels.set(9_000, 0, labelled(1.25, 2.5))
    traces = [
        Trace("x", ("eye",)),
        Trace("speed", ("mouth",)),
        Trace("confidence", ("eye",)),
        Trace("distance", ("eye", "mouth"), "opening"),
    ]
    columns = plotted_columns(traces, table, LabelRows(labels), times)
    path = tmp_path / "traces.csv"
    write_traces(path, columns, 8_990, 19_999, times)
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == [
        "frame",
        "time (s)",
        "eye x (px)",
        "eye x (px) labelled",
        "mouth speed (px/s)",
        "eye confidence",
        "opening (px)",
    ]
    assert [int(row[0]) for row in rows] == list(range(8_990, 19_999))
    assert float(rows[10][1]) == 90.0
    for column, trace in ((2, traces[0]), (4, traces[1]), (5, traces[2]), (6, traces[3])):
        written = np.array([float(row[column] or "nan") for row in rows], np.float32)
        np.testing.assert_array_equal(written, trace.values(table, 8_990, 19_999, times))
    assert {row[0]: row[3] for row in rows if row[3]} == {"9000": "1.25"}


def test_without_predictions_the_csv_holds_the_labels(tmp_path: Path) -> None:
    labels = FrameLabels(THREE)
    labels.set(1, 2, labelled(3, 4))
    traces = [Trace("y", ("mouth",)), Trace("y", ("eye",))]
    columns = plotted_columns(traces, untracked(3), LabelRows(labels), None)
    write_traces(tmp_path / "t.csv", columns, 0, 3)
    assert (tmp_path / "t.csv").read_text().splitlines() == [
        "frame,mouth y (px) labelled",
        "0,",
        "1,4",
        "2,",
    ]


@pytest.mark.parametrize("suffix", [".h5", ".csv"])
def test_the_filtered_table_is_what_is_shown(tmp_path: Path, suffix: str) -> None:
    table = apply_operations(noisy(9_000), [MEDIAN])
    other_order = KeypointSet(("mouth", "eye", "paw"))
    labels = FrameLabels(other_order)
    labels.set(8_500, 1, labelled(1.5, 2.5))
    labels.set(8_500, 0, NOT_VISIBLE)
    labels.set(20, 0, occluded(7, 8))
    labels.set(21, 2, labelled(5, 5))
    path = tmp_path / f"mouse_vitface_m_filtered{suffix}"
    write_filtered([path], table, LabelRows(labels), "m")
    back = read_poses(path)
    assert back.keypoints.names == THREE.names
    expected, confidence = table.xy.copy(), table.confidence.copy()
    absent = ~np.isfinite(expected).all(axis=-1)
    expected[absent], confidence[absent] = np.nan, 0
    expected[8_500, 0], confidence[8_500, 0] = (1.5, 2.5), 1
    expected[8_500, 2], confidence[8_500, 2] = np.nan, 0
    expected[20, 2], confidence[20, 2] = (7, 8), 0
    np.testing.assert_array_equal(back.xy, expected)
    np.testing.assert_array_equal(back.confidence, confidence)
    # What the window holds is untouched.
    assert not (table.xy[8_500] == (1.5, 2.5)).any()


def test_the_filtered_table_is_named_as_deeplabcut_would(tmp_path: Path) -> None:
    names = filtered_paths(tmp_path / "mouse.1.mp4", None, "mouse-face")
    assert [path.name for path in names] == [
        "mouse.1_vitface_mouse-face_filtered.h5",
        "mouse.1_vitface_mouse-face_filtered.csv",
    ]
    elsewhere = filtered_paths(tmp_path / "mouse.mp4", tmp_path / "results" / "p.h5", "m")
    assert {path.parent for path in elsewhere} == {tmp_path / "results"}


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "x_filtered.csv"
    with pytest.raises(LabelError, match="could not be written"):
        write_filtered([path], noisy(5), NO_ROWS, "m")


@pytest.mark.parametrize(
    ("seconds", "decimals", "text"),
    [
        (0.0, 0, "0 s"),
        (1.25, 2, "1.25 s"),
        (59.5, 1, "59.5 s"),
        (65.0, 0, "1:05"),
        (65.25, 2, "1:05.25"),
        (59.999, 0, "1:00"),
        (3599.99, 1, "1:00:00.0"),
        (7205.0, 0, "2:00:05"),
    ],
)
def test_times_are_written_as_on_a_clock(seconds: float, decimals: int, text: str) -> None:
    assert clock(seconds, decimals) == text


# --------------------------------------------------------------------- filters


@pytest.fixture
def opened(session: Workbench, video_path: Path) -> OpenVideo:
    video = session.add_video(open_video(video_path))
    session.set_poses(video, noisy(40), session.model_name)
    return video


def test_without_a_project_filters_are_edits_too(session: Workbench, opened: OpenVideo) -> None:
    raw = opened.poses
    before = raw.xy.copy()
    fill = {"fill": "linear", "longest": 3}
    changes: list[None] = []
    session.poses_changed.connect(lambda: changes.append(None))
    assert session.filters.do(dict(MEDIAN))
    assert session.filters.do(dict(fill))
    both = apply_operations(noisy(40), [MEDIAN, fill])
    np.testing.assert_array_equal(session.predictions.xy, both.xy)
    assert session.filters.undo_text == "fill gaps up to 3 frames"
    session.labelling.undo()
    np.testing.assert_array_equal(session.predictions.xy, apply_operations(noisy(40), [MEDIAN]).xy)
    session.labelling.redo()
    np.testing.assert_array_equal(session.predictions.xy, both.xy)
    session.labelling.undo()
    session.labelling.undo()
    assert session.predictions is raw
    assert not session.labelling.undo()
    np.testing.assert_array_equal(raw.xy, before)
    assert len(changes) == 6


def test_the_canvas_shows_the_filtered_points(session: Workbench, opened: OpenVideo) -> None:
    session.go_to(7)
    session.filters.do({"smooth": "savgol", "window": 9, "order": 1})
    shown = session.shown_pose(7)
    np.testing.assert_array_equal(shown.xy, session.predictions.xy[7])
    assert not np.array_equal(shown.xy, opened.poses.xy[7], equal_nan=True)


def test_filters_belong_to_the_model_whose_predictions_they_changed(
    session: Workbench, opened: OpenVideo
) -> None:
    session.filters.do(dict(MEDIAN))
    other = noisy(40, seed=5)
    session.set_poses(opened, other, "other")
    assert session.predictions is other
    assert session.filters.operations == []
    session.set_poses(opened, noisy(40), session.model_name)
    np.testing.assert_array_equal(session.predictions.xy, apply_operations(noisy(40), [MEDIAN]).xy)


def test_what_is_no_filter_is_refused(session: Workbench, opened: OpenVideo) -> None:
    told: list[tuple[str, str]] = []
    session.told.connect(lambda text, level: told.append((text, level)))
    assert not session.filters.do({"smooth": "median", "window": 4})
    assert told
    assert told[0][1] == "error"
    assert session.filters.undo_text == ""


def test_a_long_video_is_filtered_in_the_background(
    session: Workbench, opened: OpenVideo, pump: Any
) -> None:
    long = noisy(150_000)
    session.set_poses(opened, long, session.model_name)
    session.filters.do(dict(MEDIAN))
    assert session.filters.share is not None
    assert session.predictions is long
    # A second one before the first is done: the result is that of both.
    session.filters.do({"fill": "linear", "longest": 2})
    pump.until(lambda: session.filters.share is None)
    expected = apply_operations(long, [MEDIAN, {"fill": "linear", "longest": 2}])
    np.testing.assert_array_equal(session.predictions.xy, expected.xy)
    # And an undo while it is going on: that of what is left.
    session.filters.do({"smooth": "savgol", "window": 21, "order": 2})
    session.labelling.undo()
    pump.until(lambda: session.filters.share is None)
    np.testing.assert_array_equal(session.predictions.xy, expected.xy)


@pytest.fixture
def models(opened: OpenVideo, session: Workbench) -> list[Path]:
    """Tables beside the video: the one on screen, and those of two models."""
    random, found = np.random.default_rng(1), []
    for model in (session.model_name, "b", "c"):
        table = noisy(40)
        table.xy += random.normal(0, 1, table.xy.shape)
        h5, _ = table_paths(opened.path, model)
        write_poses(table, h5, scorer=model)
        found.append(h5)
    write_filtered(filtered_paths(opened.path, None, "b"), noisy(40), NO_ROWS, "b")
    opened.saved = found[0]
    session.set_poses(opened, read_poses(found[0]), session.model_name)
    return found


def test_an_ensemble_is_an_edit_with_a_variance_that_is_undone(
    session: Workbench,
    opened: OpenVideo,
    models: list[Path],
    pump: Any,
    tmp_path: Path,
    make_session: Callable[[], Workbench],
) -> None:
    raw, told = opened.poses, []
    session.told.connect(lambda text, level: told.append(text))
    before = [path.read_bytes() for path in models]
    assert other_models(opened.path, opened.path.parent, opened.saved) == models[1:]
    project_of(session, pump, tmp_path / "project")
    session.labelling.move({1: (30.0, 40.0)}, 12)
    ensemble = {"smooth": "ensemble", "tables": [path.name for path in models[1:]]}
    assert session.filters.do(dict(ensemble))
    pump.until(lambda: session.filters.undo_text == "ensemble of 3 models")
    # What the command would write.
    *_, end = smooth(models, tmp_path / "out.csv")
    written = read_as("predictions", Path(end.result.file))
    shown = opened.predictions
    np.testing.assert_allclose(shown.xy, written.poses.xy, atol=1e-4)
    np.testing.assert_allclose(opened.shown_variance, written.variance, rtol=1e-4)
    assert shown_points(opened).variance is not None
    assert session.labelling.labels.point(12, 1) == labelled(30.0, 40.0)
    session.labelling.undo()
    assert session.predictions is raw
    assert opened.shown_variance is None
    session.labelling.redo()
    pump.until(lambda: session.predictions is not raw)
    np.testing.assert_array_equal(session.predictions.xy, shown.xy)
    session.filters.do(dict(MEDIAN))
    assert opened.shown_variance is None
    session.labelling.undo()
    pump.until(lambda: opened.shown_variance is not None)
    assert [path.read_bytes() for path in models] == before
    assert not told
    # In another window the tables are read again, and one that has gone is told.
    models[2].unlink()
    path, model = opened.path, session.model_name
    session.close()
    again = make_session()
    again.told.connect(lambda text, level: told.append(text))
    video = again.add_video(open_video(path))
    again.set_poses(video, read_poses(models[0]), model)
    pump.until(lambda: again.filters.problem)
    assert "There is no file or folder" in again.filters.problem
    assert again.predictions is video.poses
    assert again.filters.problem in told
    again.labelling.undo()
    assert again.filters.problem == ""


def test_an_ensemble_of_what_does_not_fit_is_no_edit(
    session: Workbench, opened: OpenVideo, models: list[Path], pump: Any
) -> None:
    told: list[str] = []
    session.told.connect(lambda text, level: told.append(text))
    other = opened.path.with_name("other.csv")
    write_poses(PoseTable(KeypointSet(("eye", "tail")), np.ones((3, 2, 2))), other, scorer="me")
    write_poses(noisy(41), opened.path.with_name("long.csv"), scorer="me")
    for name, sentence in (("other.csv", "other keypoints"), ("long.csv", "of another video")):
        session.filters.do({"smooth": "ensemble", "tables": [name]})
        pump.until(lambda: session.filters.share is None)
        assert sentence in told.pop()
    assert session.filters.undo_text == ""
    assert session.predictions is opened.poses
    # Something else that is done before it is ready is done in its place.
    session.filters.do({"smooth": "ensemble", "tables": [models[1].name]})
    session.filters.do(dict(MEDIAN))
    pump.until(lambda: told)
    assert told == ["Something else was done meanwhile: ensemble of 2 models was not."]
    assert [each["smooth"] for each in session.filters.operations] == ["median"]


def project_of(session: Workbench, pump: Any, folder: Path) -> None:
    session.labelling.documents.create(folder, THREE, "anna")
    pump.until(lambda: session.labelling.document is not None)


def test_in_a_project_filters_are_undone_with_the_corrections(
    session: Workbench, opened: OpenVideo, pump: Any, tmp_path: Path
) -> None:
    project_of(session, pump, tmp_path / "project")
    labelling = session.labelling
    labelling.move({1: (30.0, 40.0)}, 12)
    session.filters.do(dict(MEDIAN))
    smooth = apply_operations(noisy(40), [MEDIAN])
    np.testing.assert_array_equal(session.predictions.xy, smooth.xy)
    # The label is where it was put, whatever is done to predictions.
    assert labelling.labels.point(12, 1) == labelled(30.0, 40.0)
    assert session.shown_pose(12).xy[1].tolist() == [30.0, 40.0]
    assert session.shown_pose(12).state[1] == PointState.LABELLED
    labelling.undo()
    assert session.predictions is opened.poses
    assert labelling.labels.point(12, 1) == labelled(30.0, 40.0)
    labelling.undo()
    assert labelling.labels.point(12, 1) == ABSENT
    session.labelling.redo()
    session.labelling.redo()
    np.testing.assert_array_equal(session.predictions.xy, smooth.xy)


def test_a_project_takes_over_what_was_filtered_before_and_keeps_it(
    session: Workbench,
    opened: OpenVideo,
    pump: Any,
    tmp_path: Path,
    make_session: Callable[[], Workbench],
) -> None:
    session.filters.do(dict(MEDIAN))
    project_of(session, pump, tmp_path / "project")
    smooth = apply_operations(noisy(40), [MEDIAN])
    np.testing.assert_array_equal(session.predictions.xy, smooth.xy)
    assert [each["window"] for each in session.labelling.document.operations] == [5]
    assert session.filters.undo_text == "median filter over 5 frames"
    # The journal brings it back in another window.
    path, model = opened.path, session.model_name
    session.close()
    again = make_session()
    video = again.add_video(open_video(path))
    again.labelling.documents.open(tmp_path / "project")
    pump.until(lambda: again.labelling.document is not None)
    again.set_poses(video, noisy(40), model)
    np.testing.assert_array_equal(again.predictions.xy, smooth.xy)
    again.labelling.undo()
    assert again.predictions is video.poses


@pytest.fixture
def make_session(engine: Any, pump: Any) -> Callable[[], Workbench]:
    """Sessions on viewer models of their own."""
    from napari.components import ViewerModel

    from napari_vitface.gui.workbench import session_of

    made: list[Workbench] = []
    viewers: list[ViewerModel] = []

    def make() -> Workbench:
        viewers.append(ViewerModel())
        made.append(session_of(viewers[-1], pump.post))
        return made[-1]

    yield make
    for each in made:
        each.close()
