from __future__ import annotations

from pathlib import Path

from napari_vitface.gui.predict.saved import find_predictions
from napari_vitface.jobs.outputs import Outputs


def test_predictions_are_found_where_the_job_writes_them(tmp_path: Path) -> None:
    video = tmp_path / "mouse.01.mp4"
    assert find_predictions(video, "mouse-face") is None
    outputs = Outputs.beside(video, "mouse-face")
    outputs.csv.touch()
    assert find_predictions(video, "mouse-face") == outputs.csv
    outputs.h5.touch()
    assert find_predictions(video, "mouse-face") == outputs.h5
    assert find_predictions(video, "other") is None


def test_those_of_a_folder_of_images_stand_beside_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "images.v2"
    folder.mkdir()
    outputs = Outputs.beside(folder, "mouse-face")
    outputs.h5.touch()
    assert find_predictions(folder, "mouse-face") == outputs.h5
