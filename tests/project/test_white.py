"""White levels that a project sets for its recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_vitface.errors import VideoError
from napari_vitface.formats.settings import own_file, read_settings
from napari_vitface.project.white import labelled_images, set_white, write_white


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "labeled-data" / "cam"
    folder.mkdir(parents=True)
    Image.fromarray(np.full((4, 6), 2000, np.uint16)).save(folder / "img0.png")
    return tmp_path


def test_a_level_holds_for_the_video_and_for_its_labelled_images(project: Path) -> None:
    images, video = project / "labeled-data" / "cam", project / "videos" / "cam.tif"
    assert (set_white(images), set_white(video)) == (None, None)
    write_white(project, "cam", 8000)
    assert (set_white(images), set_white(video)) == (8000, 8000)
    assert set_white(project / "videos" / "other.tif") is None
    write_white(project, "cam", None)
    assert set_white(video) is None


def test_labelled_images_are_read_with_it_unless_another_is_given(project: Path) -> None:
    image = project / "labeled-data" / "cam" / "img0.png"
    assert labelled_images()(image)[0, 0] == round(2000 / 4095 * 255)
    write_white(project, "cam", 8000)
    assert labelled_images()(image)[0, 0] == round(2000 / 8000 * 255)
    assert labelled_images(20_000)(image)[0, 0] == round(2000 / 20_000 * 255)
    with pytest.raises(VideoError, match="must be from 1 to 65535, not 0"):
        labelled_images(0)


def test_other_settings_of_the_project_stay(project: Path) -> None:
    settings = read_settings(project)
    settings.own["swaps"] = [["a", "b"]]
    settings.write()
    write_white(project, "cam", 4095)
    assert read_settings(project).own["swaps"] == [["a", "b"]]


@pytest.mark.parametrize(
    "said", ["many", "[1]", "{cam: 0}", "{cam: true}", "{cam: 1e9}", "&a [*a]"]
)
def test_what_is_no_level_is_not_one(project: Path, said: str) -> None:
    own_file(project).parent.mkdir()
    own_file(project).write_text(f"format: 1\nwhite: {said}\n")
    assert set_white(project / "labeled-data" / "cam") is None
