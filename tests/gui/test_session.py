from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel

from napari_vitface.formats.format import FORMATS
from napari_vitface.formats.poses import write_poses
from napari_vitface.gui.layers import AttentionPicture
from napari_vitface.gui.model_info import bundled_names
from napari_vitface.gui.open_videos import distinct_names, open_for_window
from napari_vitface.gui.overlays import ATTENTION, KEYPOINTS, SKELETON
from napari_vitface.gui.predict.other_tables import read_other_model
from napari_vitface.gui.predict.prediction import PredictOptions
from napari_vitface.gui.workbench import Workbench, session_of
from napari_vitface.jobs.convert import convert
from napari_vitface.jobs.events import Failed, Notice, PosesPredicted
from napari_vitface.jobs.video_events import VideoFailed
from napari_vitface.pose.keypoints import MOUSE_FACE, KeypointSet
from napari_vitface.pose.table import PoseTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Pump

    from napari_vitface.jobs.events import Event

EAR = KeypointSet(("ear", "paw"))


def some_poses(count: int, offset: float = 0.0) -> PoseTable:
    xy = np.arange(count * 4, dtype=np.float32).reshape(count, 2, 2) % 50 + offset
    return PoseTable(EAR, xy)


def seen(viewer_model: ViewerModel) -> bool:
    """Whether points are to be seen; their layer may be there, hidden and empty."""
    if KEYPOINTS not in viewer_model.layers:
        return False
    layer = viewer_model.layers[KEYPOINTS]
    assert layer.visible == layer.shown.any()
    return bool(layer.visible)


def test_each_viewer_has_one_session_and_it_does_not_keep_the_viewer(pump: Pump) -> None:
    first, second = ViewerModel(), ViewerModel()
    session = session_of(first, pump.post)
    assert session_of(first, pump.post) is session
    other = session_of(second, pump.post)
    assert other is not session
    session.close()
    assert session_of(first, pump.post) is not session
    session_of(first, pump.post).close()
    gone = weakref.ref(second)
    other.close()
    del second
    gc.collect()
    assert gone() is None


def test_a_video_that_napari_opens_becomes_the_current_one(
    session: Workbench, viewer_model: ViewerModel, video_path: Path
) -> None:
    viewer_model.open(video_path, plugin="napari-vitface")
    assert session.current is not None
    assert session.current.path == video_path
    # It begins at its start, not in the middle as napari has it.
    assert session.frame == 0


def test_a_session_takes_over_a_video_that_is_open_already(
    viewer_model: ViewerModel, pump: Pump, video_path: Path
) -> None:
    viewer_model.open(video_path, plugin="napari-vitface")
    session = session_of(viewer_model, pump.post)
    assert session.current is not None
    session.close()


def test_other_images_are_not_taken_for_videos(
    session: Workbench, viewer_model: ViewerModel
) -> None:
    viewer_model.add_image(np.zeros((5, 20, 20)))
    assert session.current is None


def test_the_frame_is_the_videos_even_beside_layers_of_more_dimensions(
    session: Workbench, viewer_model: ViewerModel, video_path: Path
) -> None:
    session.add_video(open_for_window(video_path))
    viewer_model.add_image(np.zeros((3, 60, 20, 20), np.uint8), translate=(0, -10, 0, 0))
    session.go_to(17)
    assert session.frame == 17
    assert viewer_model.dims.point[-3] == 17
    viewer_model.dims.set_point(0, 2)
    assert session.frame == 17
    # The slider goes beyond the video: the nearest frame is the last one, and it is not on screen.
    assert not session.videos.beyond
    viewer_model.dims.set_point(1, 45)
    assert session.frame == 39
    assert session.videos.beyond


def test_points_follow_the_slider(
    session: Workbench, viewer_model: ViewerModel, video_path: Path
) -> None:
    opened = session.add_video(open_for_window(video_path))
    table = some_poses(40)
    session.set_poses(opened, table, session.model_name)
    for frame in (5, 39, 0):
        viewer_model.dims.set_point(0, frame)
        np.testing.assert_array_equal(viewer_model.layers[KEYPOINTS].data, table.xy[frame, :, ::-1])


def test_predictions_beside_the_video_are_shown(
    session: Workbench, pump: Pump, viewer_model: ViewerModel, video_path: Path
) -> None:
    saved = some_poses(40, offset=3)
    path = video_path.with_name("mouse_vitface_mouse-face.h5")
    write_poses(saved, path, scorer="vitface_mouse-face")
    opened = session.add_video(open_for_window(video_path))
    pump.until(lambda: opened.poses is not None)
    assert opened.saved == path
    np.testing.assert_allclose(opened.poses.xy, saved.xy)
    assert KEYPOINTS in viewer_model.layers


def test_predictions_of_a_few_frames_are_shown_at_those_frames(
    session: Workbench, pump: Pump, viewer_model: ViewerModel, video_path: Path
) -> None:
    saved = PoseTable(EAR, np.full((2, 2, 2), 9.0), frames=[4, 30])
    write_poses(saved, video_path.with_name("mouse_vitface_mouse-face.csv"), scorer="s")
    opened = session.add_video(open_for_window(video_path))
    pump.until(lambda: opened.poses is not None)
    shown = []
    for frame in (3, 4, 30, 39):
        session.go_to(frame)
        shown.append(bool(viewer_model.layers[KEYPOINTS].shown.all()))
    assert shown == [False, True, True, False]


def test_the_points_are_those_of_the_chosen_model(
    session: Workbench, pump: Pump, viewer_model: ViewerModel, video_path: Path
) -> None:
    write_poses(some_poses(40), video_path.with_name("mouse_vitface_mouse-face.h5"), scorer="s")
    opened = session.add_video(open_for_window(video_path))
    pump.until(lambda: opened.poses is not None)
    session.choose_model("another")
    assert opened.poses is None
    assert not seen(viewer_model)
    session.choose_model("mouse-face")
    pump.until(lambda: opened.poses is not None)
    assert seen(viewer_model)


def test_a_damaged_prediction_file_is_told_and_nothing_is_drawn(
    session: Workbench, pump: Pump, viewer_model: ViewerModel, video_path: Path
) -> None:
    told: list[tuple[str, str]] = []
    session.told.connect(lambda *what: told.append(what))
    video_path.with_name("mouse_vitface_mouse-face.h5").write_bytes(b"nonsense")
    session.add_video(open_for_window(video_path))
    pump.until(lambda: bool(told))
    assert told[0][1] == "warning"
    assert "mouse_vitface_mouse-face.h5" in told[0][0]
    assert not seen(viewer_model)


def test_where_a_longer_layer_has_no_frame_of_the_video_nothing_is_drawn_or_edited(
    session: Workbench, viewer_model: ViewerModel, video_path: Path
) -> None:
    opened = session.add_video(open_for_window(video_path))
    session.set_poses(opened, some_poses(40), session.model_name)
    viewer_model.add_image(np.zeros((60, 20, 20), np.uint8), name="another plugin's")
    session.go_to(39)
    assert seen(viewer_model)
    viewer_model.dims.set_point(0, 41)
    assert not seen(viewer_model)
    hints: list[str] = []
    session.labelling.hinted.connect(hints.append)
    wanted: list[bool] = []
    session.labelling.home_wanted.connect(lambda: wanted.append(True))
    for command in ("accept_all", "copy_previous", "switch_tool"):
        session.labelling.run(command)
    assert not session.labelling.move({0: (3, 4)})
    assert not session.labelling.place(3, 4)
    assert not session.labelling.delete([0])
    assert len(hints) == 6
    assert all("no frame here" in hint for hint in hints)
    assert not wanted
    session.attention.enabled = True
    assert session.attention.key is None
    session.attention.enabled = False
    viewer_model.dims.set_point(0, 39)
    assert seen(viewer_model)


def test_the_slider_is_as_long_as_the_video_on_screen(
    session: Workbench,
    viewer_model: ViewerModel,
    tmp_path: Path,
    write_video: Callable[..., Path],
) -> None:
    def slider() -> tuple[float, int]:
        return viewer_model.dims.range[0].stop, session.frame

    first = session.add_video(open_for_window(write_video(tmp_path / "a.mp4", 30)))
    session.set_poses(first, some_poses(30), session.model_name)
    session.go_to(27)
    second = session.add_video(open_for_window(write_video(tmp_path / "b.mp4", 10)))
    assert session.current is second
    assert slider() == (9, 0)
    assert not seen(viewer_model)
    session.set_poses(second, some_poses(10), session.model_name)
    session.go_to(4)
    first.layer.contrast_limits = 20, 90
    session.videos.show(first)
    assert session.current is first
    # At the frame at which it was left, with what the user set on its layer.
    assert slider() == (29, 27)
    assert first.layer.contrast_limits == [20, 90]
    assert seen(viewer_model)
    names = [layer.name for layer in viewer_model.layers if layer.visible]
    assert names == ["a", KEYPOINTS]
    session.videos.show(second)
    assert slider() == (9, 4)
    # The layer of the current video is removed: the one looked at before comes back.
    viewer_model.layers.remove(second.layer)
    assert session.current is first
    assert slider() == (29, 27)
    assert list(session.videos) == [first]
    viewer_model.layers.remove(first.layer)
    assert session.current is None
    assert not seen(viewer_model)


def test_layers_keep_their_order_and_the_selection_when_videos_change(
    session: Workbench,
    viewer_model: ViewerModel,
    tmp_path: Path,
    write_video: Callable[..., Path],
) -> None:
    first = session.add_video(open_for_window(write_video(tmp_path / "a.mp4", 30)))
    poses = PoseTable(KeypointSet(("ear", "paw"), (("ear", "paw"),)), np.full((30, 2, 2), 9.0))
    session.set_poses(first, poses, session.model_name)
    picture = AttentionPicture(np.ones((3, 4), np.float32), (1, 1), (0, 0), 0.0)
    session.overlays.draw_attention(picture, 1.0, first.layer)
    other = viewer_model.add_image(np.zeros((20, 20)), name="other")
    viewer_model.layers.selection.active = viewer_model.layers[KEYPOINTS]
    second = session.add_video(open_for_window(write_video(tmp_path / "b.mp4", 10)))
    ours = [ATTENTION, SKELETON, KEYPOINTS]
    assert [layer.name for layer in viewer_model.layers] == ["b", *ours, "other"]
    viewer_model.layers.selection.active = viewer_model.layers[KEYPOINTS]
    session.videos.show(first)
    assert [layer.name for layer in viewer_model.layers] == ["a", *ours, "other"]
    assert viewer_model.layers.selection.active is viewer_model.layers[KEYPOINTS]
    viewer_model.layers.selection.active = first.layer
    session.videos.show(second)
    assert viewer_model.layers.selection.active is second.layer
    assert other in viewer_model.layers


def test_two_videos_of_one_name_are_told_apart(
    session: Workbench,
    viewer_model: ViewerModel,
    pump: Pump,
    tmp_path: Path,
    write_video: Callable[..., Path],
) -> None:
    opened = []
    for offset, day in enumerate(("monday", "tuesday")):
        (tmp_path / day).mkdir()
        path = write_video(tmp_path / day / "cam.mp4", 10)
        write_poses(some_poses(10, offset), path.with_name("cam_vitface_mouse-face.h5"), scorer="s")
        opened.append(session.add_video(open_for_window(path)))
        pump.until(lambda: opened[-1].poses is not None)
    labels = ["cam.mp4 (monday)", "cam.mp4 (tuesday)"]
    assert [each.label for each in opened] == labels
    assert [each.layer.name for each in opened] == labels
    assert [each.saved.parent.name for each in opened] == ["monday", "tuesday"]
    for each in reversed(opened):
        session.videos.show(each)
        assert viewer_model.layers[labels[opened.index(each)]] is each.layer
        points = viewer_model.layers[KEYPOINTS].data
        np.testing.assert_array_equal(points, each.poses.xy[0, :, ::-1])
    opened[0].layer.name = "mine"
    viewer_model.layers.remove(opened[0].layer)
    assert [each.layer.name for each in opened] == ["mine", "cam"]


def test_opening_a_video_again_shows_it_with_what_is_known_of_it(
    session: Workbench, viewer_model: ViewerModel, video_path: Path
) -> None:
    opened = session.add_video(open_for_window(video_path))
    session.set_poses(opened, some_poses(40), session.model_name)
    session.set_crop((8, 8, 64, 64))
    session.go_to(12)
    viewer_model.open(video_path, plugin="napari-vitface")
    assert session.current is opened
    assert len(session.videos) == 1
    assert opened.crop == (8, 8, 64, 64)
    assert session.frame == 12
    assert seen(viewer_model)
    names = [layer.name for layer in viewer_model.layers if layer.visible]
    assert names == ["mouse", "crop", KEYPOINTS]


def test_several_files_opened_at_once_and_removed_at_once(
    session: Workbench,
    viewer_model: ViewerModel,
    tmp_path: Path,
    write_video: Callable[..., Path],
) -> None:
    paths = [write_video(tmp_path / f"{name}.mp4", 10) for name in "abc"]
    viewer_model.open(paths, plugin="napari-vitface", stack=False)
    assert [opened.label for opened in session.videos] == ["a", "b", "c"]
    assert [layer.name for layer in viewer_model.layers] == ["c"]
    viewer_model.layers.clear()
    assert session.current is None
    assert len(session.videos) == 0


def test_closing_gives_all_videos_back(
    session: Workbench,
    viewer_model: ViewerModel,
    pump: Pump,
    tmp_path: Path,
    write_video: Callable[..., Path],
) -> None:
    for name in "ab":
        session.add_video(open_for_window(write_video(tmp_path / f"{name}.mp4", 10)))
    session.close()
    assert [layer.name for layer in viewer_model.layers] == ["a", "b"]
    again = session_of(viewer_model, pump.post)
    assert again.current is not None
    assert again.current.label == "b"
    again.close()


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/x/a.mp4", "/x/b.mp4"], ["a", "b"]),
        (["/x/a.mp4", "/x/a.avi"], ["a.mp4", "a.avi"]),
        (["/x/1/a.mp4", "/x/2/a.mp4", "/x/2/a.avi"], ["a.mp4 (1)", "a.mp4 (2)", "a.avi"]),
        (["/1/x/a.mp4", "/2/x/a.mp4"], ["a.mp4 (1/x)", "a.mp4 (2/x)"]),
        (["/a.mp4", "/x/a.mp4"], ["a.mp4 (/)", "a.mp4 (x)"]),
    ],
)
def test_names_are_as_short_as_they_can_be(paths: list[str], names: list[str]) -> None:
    assert distinct_names([Path(path) for path in paths]) == names


def test_a_renamed_video_layer_is_still_the_video(
    session: Workbench, viewer_model: ViewerModel, video_path: Path
) -> None:
    opened = session.add_video(open_for_window(video_path))
    opened.layer.name = "my mouse"
    session.set_poses(opened, some_poses(40), session.model_name)
    session.go_to(3)
    assert session.current is opened
    assert KEYPOINTS in viewer_model.layers


def test_removing_every_layer_at_once_breaks_nothing(
    session: Workbench, viewer_model: ViewerModel, video_path: Path
) -> None:
    opened = session.add_video(open_for_window(video_path))
    session.set_poses(opened, some_poses(40), session.model_name)
    viewer_model.layers.clear()
    assert session.current is None
    again = session.add_video(open_for_window(video_path))
    assert session.current is again
    session.set_poses(again, some_poses(40), session.model_name)
    assert seen(viewer_model)


def test_closing_disconnects_all_and_leaves_the_video(
    viewer_model: ViewerModel, pump: Pump, video_path: Path
) -> None:
    emitters = [
        viewer_model.layers.events.inserted,
        viewer_model.layers.events.removed,
        viewer_model.layers.selection.events.active,
        viewer_model.dims.events.point,
    ]
    before = [len(emitter.callbacks) for emitter in emitters]
    session = session_of(viewer_model, pump.post)
    opened = session.add_video(open_for_window(video_path))
    connected_by_layer = len(viewer_model.layers.events.inserted.callbacks)
    session.set_poses(opened, some_poses(40), session.model_name)
    session.close()
    assert [layer.name for layer in viewer_model.layers] == ["mouse"]
    assert connected_by_layer == before[0] + 1
    assert [len(emitter.callbacks) for emitter in emitters] == before
    viewer_model.dims.set_point(0, 12)


@pytest.mark.parametrize("count", [10, 40])
def test_a_table_longer_or_shorter_than_the_video_does_no_harm(
    session: Workbench, pump: Pump, video_path: Path, count: int
) -> None:
    write_poses(
        some_poses(count + 20), video_path.with_name("mouse_vitface_mouse-face.h5"), scorer="s"
    )
    opened = session.add_video(open_for_window(video_path))
    pump.until(lambda: opened.poses is not None)
    assert len(opened.poses) == 40
    session.go_to(39)


# --- predictions of other programs ----------------------------------------------------------------


def lightning_pose_table(path: Path, frames: int = 40) -> Path:
    """Predictions as Lightning Pose writes them, the points of which say their frame."""
    columns = pd.MultiIndex.from_product(
        [["heatmap_tracker"], ["Paw", " ear"], ["x", "y", "likelihood"]],
        names=["scorer", "bodyparts", "coords"],
    )
    values = np.arange(frames)[:, None] + np.array([[0, 1, 0, 2, 3, 0]]) + 0.25
    values[:, [2, 5]] = 0.9
    pd.DataFrame(values, columns=columns).to_csv(path)
    return path


def test_predictions_of_another_program_are_shown_until_a_model_is_chosen(
    session: Workbench, pump: Pump, viewer_model: ViewerModel, video_path: Path
) -> None:
    write_poses(some_poses(40), video_path.with_name("mouse_vitface_mouse-face.h5"), scorer="s")
    opened = session.add_video(open_for_window(video_path))
    pump.until(lambda: opened.poses is not None)
    session.keypoint_sets[EAR.names] = EAR
    table = lightning_pose_table(video_path.with_name("elsewhere.csv"))
    before = table.read_bytes()
    session.saved_predictions.open(table)
    pump.until(lambda: opened.source is not None)
    assert opened.poses is not None
    # Names are taken for those of a set that is known.
    assert opened.poses.keypoints.names == ("paw", "ear")
    session.go_to(7)
    expected = [[8.25, 7.25], [10.25, 9.25]]
    np.testing.assert_array_equal(viewer_model.layers[KEYPOINTS].data, expected)
    assert opened.saved is None
    assert session.labelling.document is None
    # Coming back to the video keeps them; choosing the model shows the model's again.
    session._on_video()
    assert opened.source == table
    session.choose_model(session.model)
    pump.until(lambda: opened.poses is not None and opened.saved is not None)
    assert opened.source is None
    assert opened.poses.keypoints.names == EAR.names
    assert table.read_bytes() == before


def test_a_run_that_began_before_leaves_what_was_opened(
    session: Workbench, pump: Pump, video_path: Path, tmp_path: Path,
    write_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    opened, model = session.add_video(open_for_window(video_path)), session.model
    monkeypatch.setattr(session, "submit", lambda *_: None)
    session.prediction.start(PredictOptions())
    table, told = lightning_pose_table(video_path.with_name("elsewhere.csv")), []
    session.told.connect(lambda text, level: told.append(text))
    session.saved_predictions.open(table)
    assert told == ["Open elsewhere.csv when the run on this video has ended."]
    # With another model the run fills in nothing, so the table is opened.
    session.choose_model(str(tmp_path / "other"))
    session.saved_predictions.open(table)
    pump.until(lambda: opened.source == table)
    before = opened.poses.xy.copy()
    # The run's model again, chosen while another video is on screen.
    session.add_video(open_for_window(write_video(tmp_path / "second.mp4", 10)))
    session.choose_model(model)
    session.videos.show(opened)
    found = PosesPredicted(np.arange(3), np.ones((3, 2, 2), np.float32), np.ones((3, 2)))
    for keypoints in (EAR, opened.poses.keypoints):
        session.prediction.fill(opened, model, keypoints, found)
        assert opened.source == table
        np.testing.assert_array_equal(opened.poses.xy, before)
    # Chosen for this video, the model's poses alone are shown.
    session.choose_model(model)
    assert opened.source is None
    session.prediction.fill(opened, model, EAR, found)
    assert opened.poses.keypoints is EAR
    assert np.isnan(opened.poses.xy[3:]).all()


def test_what_is_not_shown_as_it_stands_in_the_file_is_told(
    session: Workbench, pump: Pump, video_path: Path
) -> None:
    session.add_video(open_for_window(video_path))
    told: list[str] = []
    session.told.connect(lambda text, level: told.append(text))
    table = lightning_pose_table(video_path.with_name("elsewhere.csv"))
    table.write_text(table.read_text().replace("0.9", "1.25"))
    session.saved_predictions.open(table)
    pump.until(lambda: bool(told))
    assert told == [
        "elsewhere.csv: The confidence of 80 of 80 points is not between 0 and 1 (1.25): above 1 "
        "it is read as 1, and below 0 as 0."
    ]


def test_times_without_a_rate_are_those_of_the_video(
    session: Workbench, pump: Pump, video_path: Path
) -> None:
    opened = session.add_video(open_for_window(video_path))
    poses, path = some_poses(40), video_path.with_name("elsewhere.nc")
    write_poses(poses, path.with_suffix(".csv"), scorer="s")
    list(convert(path.with_suffix(".csv"), path, frame_rate=opened.video.frame_rate))
    with h5py.File(path, "r+") as file:
        del file.attrs["fps"]
    session.saved_predictions.open(path)
    pump.until(lambda: opened.source == path)
    np.testing.assert_array_equal(opened.predictions.xy, poses.xy)
    other = read_other_model(path, video_path, 40, opened.video.frame_rate)
    np.testing.assert_array_equal(other.xy, poses.xy)


def test_what_a_job_says_names_no_options(
    session: Workbench, pump: Pump, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "There is none; predict it first (or name the file with --predictions)."
    failed = Failed("predict_states", said)

    def submit(job: str, arguments: object, on_event: Callable[[Event], None]) -> None:
        for event in (Notice(said), VideoFailed("a.mp4", failed), failed):
            on_event(event)

    monkeypatch.setattr(session.engine, "submit", submit)
    heard: list[Event] = []
    session.submit("predict_states", {}, heard.append)
    pump.until(lambda: len(heard) == 3)
    shown = "There is none; predict it first."
    failed = Failed("predict_states", shown)
    assert heard == [Notice(shown), VideoFailed("a.mp4", failed), failed]


def test_a_format_of_another_package_is_opened_in_the_window(
    session: Workbench, pump: Pump, video_path: Path, install: Callable[..., None]
) -> None:
    install(
        FORMATS,
        "import numpy as np\n"
        "from napari_vitface.formats.format import Format\n"
        "from napari_vitface.formats.predictions import Predictions\n"
        "from napari_vitface.pose.keypoints import KeypointSet\n"
        "from napari_vitface.pose.table import PoseTable\n"
        "def read(path, choice):\n"
        "    xy = np.loadtxt(path).reshape(-1, 1, 2)\n"
        "    return Predictions(PoseTable(KeypointSet(('whisker',)), xy))\n"
        "TOY = Format('toy', 'a toy', ('.toy',), lambda path: path.suffix == '.toy',\n"
        "             read_poses=read)\n",
    )
    opened = session.add_video(open_for_window(video_path))
    table = video_path.with_name("elsewhere.toy")
    np.savetxt(table, np.arange(80).reshape(40, 2))
    session.saved_predictions.open(table)
    pump.until(lambda: opened.source is not None)
    assert opened.poses is not None
    assert opened.poses.keypoints.names == ("whisker",)
    assert opened.poses.xy[7].tolist() == [[14, 15]]


def test_predictions_of_another_video_are_refused(
    session: Workbench, pump: Pump, video_path: Path
) -> None:
    opened = session.add_video(open_for_window(video_path))
    told: list[str] = []
    session.told.connect(lambda text, level: told.append(text))
    session.saved_predictions.open(lightning_pose_table(video_path.with_name("long.csv"), 41))
    pump.until(lambda: bool(told))
    assert "goes up to frame 40, but the video has 40 frames" in told[0]
    assert opened.source is None
    assert opened.poses is None


def test_keypoints_of_the_bundled_models_are_known_before_these_were_looked_at(
    session: Workbench,
) -> None:
    assert session.known_models == {}
    for model in bundled_names():
        session.choose_model(model)
        assert session.model_keypoints == MOUSE_FACE
    session.choose_model("/x/other.safetensors")
    assert session.model_keypoints is None
