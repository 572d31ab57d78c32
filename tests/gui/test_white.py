"""The white level of a recording of more than 8 bits, in the window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel

from napari_vitface.gui import white as white_module
from napari_vitface.gui.attention.attention_settings import AttentionSettings, map_key
from napari_vitface.gui.open_videos import open_for_window
from napari_vitface.gui.video_list.items import Item
from napari_vitface.gui.video_list.kinds import KINDS
from napari_vitface.gui.workbench import session_of
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.project.project import Project
from napari_vitface.project.white import white_in, write_white

if TYPE_CHECKING:
    from conftest import Pump


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(white_module, "state_folder", lambda: tmp_path / "state")


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """A recording of 12 bits."""
    (tmp_path / "far").mkdir()
    path = tmp_path / "far" / "cam.tif"
    stack = np.random.default_rng(0).integers(0, 4096, (4, 48, 64), np.uint16)
    tifffile.imwrite(path, stack, photometric="minisblack")
    return path


def test_a_level_is_found_set_and_there_again(deep: Path, pump: Pump) -> None:
    viewer = ViewerModel()
    session = session_of(viewer, pump.post)
    opened = session.add_video(open_for_window(deep))
    assert (opened.white, opened.video.white, opened.found_white) == (None, 4095, 4095)
    told = []
    session.white.changed.connect(lambda: told.append(opened.video.white))
    session.white.set(65535)
    assert told == [65535]
    assert tuple(opened.layer.contrast_limits) == (0, 65535)
    assert map_key(session, opened, AttentionSettings()).arguments()["white"] == 65535
    session.close()

    viewer = ViewerModel()
    session = session_of(viewer, pump.post)
    opened = session.add_video(open_for_window(deep))
    assert (opened.white, opened.video.white, opened.found_white) == (65535, 65535, 4095)
    assert tuple(opened.layer.contrast_limits) == (0, 65535)
    settings = {"model": "mouse-face"}
    (predicting,) = (kind for kind in KINDS.values() if kind.job == "predict")
    assert predicting.arguments(Item(deep, deep), settings)["white"] == 65535
    session.white.set(None)
    assert (opened.white, opened.video.white) == (None, 4095)
    assert white_module.remembered(deep) is None
    session.close()


def test_a_level_is_kept_in_the_project_of_the_video(
    tmp_path: Path, deep: Path, pump: Pump
) -> None:
    project = tmp_path / "project"
    Project.create(project, KeypointSet(("eye",)), "Ann").add_video(deep)
    viewer = ViewerModel()
    session = session_of(viewer, pump.post)
    opened = session.add_video(open_for_window(deep))
    session.white.set(8000)
    session.labelling.documents.open(project)
    pump.until(lambda: white_in(project, "cam") == 8000)
    session.white.set(9000)
    assert white_in(project, "cam") == 9000
    session.white.set(None)
    assert white_in(project, "cam") is None
    assert opened.video.white == 4095
    session.close()


def test_what_the_project_says_comes_before_what_was_set_elsewhere(
    tmp_path: Path, deep: Path, pump: Pump
) -> None:
    project = tmp_path / "project"
    Project.create(project, KeypointSet(("eye",)), "Ann").add_video(deep)
    write_white(project, "cam", 5000)
    viewer = ViewerModel()
    session = session_of(viewer, pump.post)
    opened = session.add_video(open_for_window(deep))
    session.white.set(8000)
    session.labelling.documents.open(project)
    pump.until(lambda: opened.white == 5000)
    assert tuple(opened.layer.contrast_limits) == (0, 5000)
    session.close()


def test_recordings_of_8_bits_have_none_to_set(video_path: Path, pump: Pump) -> None:
    viewer = ViewerModel()
    session = session_of(viewer, pump.post)
    opened = session.add_video(open_for_window(video_path))
    session.white.set(4095)
    assert (opened.white, opened.video.white) == (None, 255)
    session.close()
