from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_vitface.formats.poses import write_poses
from napari_vitface.gui.overlays import KEYPOINTS
from napari_vitface.gui.reader import open_for_window
from napari_vitface.gui.session import Session, session_of
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Pump

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
    session: Session, viewer_model: ViewerModel, video_path: Path
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


def test_other_images_are_not_taken_for_videos(session: Session, viewer_model: ViewerModel) -> None:
    viewer_model.add_image(np.zeros((5, 20, 20)))
    assert session.current is None


def test_the_frame_is_the_videos_even_beside_layers_of_more_dimensions(
    session: Session, viewer_model: ViewerModel, video_path: Path
) -> None:
    session.add_video(open_for_window(video_path))
    viewer_model.add_image(np.zeros((3, 60, 20, 20), np.uint8), translate=(0, -10, 0, 0))
    session.go_to(17)
    assert session.frame == 17
    assert viewer_model.dims.point[-3] == 17
    viewer_model.dims.set_point(0, 2)
    assert session.frame == 17
    # The slider goes beyond the video: the last frame stays on screen.
    viewer_model.dims.set_point(1, 45)
    assert session.frame == 39


def test_points_follow_the_slider(
    session: Session, viewer_model: ViewerModel, video_path: Path
) -> None:
    opened = session.add_video(open_for_window(video_path))
    table = some_poses(40)
    session.set_poses(opened, table, session.model_name)
    for frame in (5, 39, 0):
        viewer_model.dims.set_point(0, frame)
        np.testing.assert_array_equal(viewer_model.layers[KEYPOINTS].data, table.xy[frame, :, ::-1])


def test_predictions_beside_the_video_are_shown(
    session: Session, pump: Pump, viewer_model: ViewerModel, video_path: Path
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
    session: Session, pump: Pump, viewer_model: ViewerModel, video_path: Path
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
    session: Session, pump: Pump, viewer_model: ViewerModel, video_path: Path
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
    session: Session, pump: Pump, viewer_model: ViewerModel, video_path: Path
) -> None:
    told: list[tuple[str, str]] = []
    session.told.connect(lambda *what: told.append(what))
    video_path.with_name("mouse_vitface_mouse-face.h5").write_bytes(b"nonsense")
    session.add_video(open_for_window(video_path))
    pump.until(lambda: bool(told))
    assert told[0][1] == "warning"
    assert "mouse_vitface_mouse-face.h5" in told[0][0]
    assert not seen(viewer_model)


def test_several_videos_one_after_the_other(
    session: Session,
    viewer_model: ViewerModel,
    tmp_path: Path,
    write_video: Callable[..., Path],
) -> None:
    first = session.add_video(open_for_window(write_video(tmp_path / "a.mp4", 10)))
    session.set_poses(first, some_poses(10), session.model_name)
    second = session.add_video(open_for_window(write_video(tmp_path / "b.mp4", 20)))
    assert session.current is second
    assert not seen(viewer_model)
    assert not first.layer.visible
    # Selecting the other one in the layer list goes back to it.
    viewer_model.layers.selection.active = first.layer
    assert session.current is first
    assert seen(viewer_model)
    assert first.layer.visible
    assert not second.layer.visible
    viewer_model.layers.remove(first.layer)
    assert session.current is second
    viewer_model.layers.remove(second.layer)
    assert session.current is None
    assert not seen(viewer_model)


def test_a_renamed_video_layer_is_still_the_video(
    session: Session, viewer_model: ViewerModel, video_path: Path
) -> None:
    opened = session.add_video(open_for_window(video_path))
    opened.layer.name = "my mouse"
    session.set_poses(opened, some_poses(40), session.model_name)
    session.go_to(3)
    assert session.current is opened
    assert KEYPOINTS in viewer_model.layers


def test_removing_every_layer_at_once_breaks_nothing(
    session: Session, viewer_model: ViewerModel, video_path: Path
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
    session: Session, pump: Pump, video_path: Path, count: int
) -> None:
    write_poses(
        some_poses(count + 20), video_path.with_name("mouse_vitface_mouse-face.h5"), scorer="s"
    )
    opened = session.add_video(open_for_window(video_path))
    pump.until(lambda: opened.poses is not None)
    assert len(opened.poses) == 40
    session.go_to(39)
