from __future__ import annotations

from pathlib import Path

import pytest

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.outputs import Outputs, find_predictions, output_path, table_paths


def test_files_stand_beside_the_video_under_its_name_and_the_model_s(tmp_path):
    outputs = Outputs.beside(tmp_path / "mouse.1.avi", "mouse-face", overlay=True)
    assert outputs.h5 == tmp_path / "mouse.1_vitface_mouse-face.h5"
    assert outputs.csv.name == "mouse.1_vitface_mouse-face.csv"
    assert outputs.overlay.name == "mouse.1_vitface_mouse-face_overlay.mp4"
    assert outputs.part.name == "mouse.1_vitface_mouse-face.part"


def test_every_file_made_of_a_video_is_named_by_one_rule(tmp_path):
    video, model = tmp_path / "mouse.1.avi", str(tmp_path / "runs" / "mine.v2.safetensors")
    assert output_path(video, "_trajectories.csv") == tmp_path / "mouse.1_trajectories.csv"
    assert output_path(video, ".part", model=model) == tmp_path / "mouse.1_vitface_mine.v2.part"
    assert table_paths(video, "mine.v2", "_filtered", folder=tmp_path / "out") == (
        tmp_path / "out" / "mouse.1_vitface_mine.v2_filtered.h5",
        tmp_path / "out" / "mouse.1_vitface_mine.v2_filtered.csv",
    )
    Outputs.beside(video, model).h5.touch()
    assert find_predictions(video, "mine.v2") == table_paths(video, model)[0]


def test_a_folder_of_images_keeps_its_whole_name(tmp_path):
    folder = tmp_path / "session 2.5"
    folder.mkdir()
    outputs = Outputs.beside(folder, "m")
    assert outputs.h5 == tmp_path / "session 2.5_vitface_m.h5"
    assert outputs.overlay is None


def test_another_folder_is_made(tmp_path):
    outputs = Outputs.beside(Path("mouse.mp4"), "m", folder=tmp_path / "a" / "b")
    assert outputs.csv.parent == tmp_path / "a" / "b"
    assert outputs.csv.parent.is_dir()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(VitFaceError, match=r"output folder .*file.out cannot be made"):
        Outputs.beside(Path("mouse.mp4"), "m", folder=tmp_path / "file" / "out")


def test_existing_files_are_refused_by_name(tmp_path):
    outputs = Outputs.beside(tmp_path / "mouse.mp4", "m", overlay=True)
    outputs.refuse_if_existing()
    outputs.csv.touch()
    with pytest.raises(VitFaceError, match=r"mouse_vitface_m\.csv already exists"):
        outputs.refuse_if_existing()
    outputs.overlay.touch()
    with pytest.raises(VitFaceError, match=r"csv and .*overlay\.mp4 already exist in"):
        outputs.refuse_if_existing()
    # Without the wish for an overlay, its file is nobody's concern.
    outputs.csv.unlink()
    Outputs.beside(tmp_path / "mouse.mp4", "m").refuse_if_existing()


def test_only_temporary_files_of_this_very_output_are_removed(tmp_path):
    outputs = Outputs.beside(tmp_path / "mouse.mp4", "m")
    ours = tmp_path / ".mouse_vitface_m.a1b2c3d4.h5"
    others = [
        tmp_path / name
        for name in (
            ".mouse_vitface_m2.a1b2c3d4.h5",
            ".mouse_vitface_m.notes.h5",
            "mouse_vitface_m.a1b2c3d4.h5",
            ".mouse_vitface_m.a1b2c3d4.txt",
        )
    ]
    for path in (ours, *others):
        path.touch()
    outputs.remove_leftovers()
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_predictions_are_found_where_the_job_writes_them(tmp_path):
    video = tmp_path / "mouse.01.mp4"
    assert find_predictions(video, "mouse-face") is None
    outputs = Outputs.beside(video, "mouse-face")
    outputs.csv.touch()
    assert find_predictions(video, "mouse-face") == outputs.csv
    outputs.h5.touch()
    assert find_predictions(video, "mouse-face") == outputs.h5
    assert find_predictions(video, "other") is None


def test_those_of_a_folder_are_found_through_the_link_that_it_was_opened_by(tmp_path, monkeypatch):
    folders = [tmp_path / place / "images.v2" for place in ("monday", "tuesday")]
    links = [tmp_path / "links" / place for place in ("mon", "tue")]
    links[0].parent.mkdir()
    for folder, link in zip(folders, links, strict=True):
        folder.mkdir(parents=True)
        link.symlink_to(folder, target_is_directory=True)
        Outputs.beside(link, "m").h5.touch()
    # Two recordings of one name have results of their own.
    assert [find_predictions(link, "m") for link in links] == [
        tmp_path / "links" / "mon_vitface_m.h5",
        tmp_path / "links" / "tue_vitface_m.h5",
    ]
    # From inside a folder, they stand beside it.
    monkeypatch.chdir(folders[0])
    Outputs.beside(Path(), "m").h5.touch()
    assert find_predictions(Path(), "m") == find_predictions(folders[0], "m")
    assert find_predictions(folders[0], "m") == tmp_path / "monday" / "images.v2_vitface_m.h5"
