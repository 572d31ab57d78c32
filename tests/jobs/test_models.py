from __future__ import annotations

import pytest

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Finished, Notice
from napari_vitface.jobs.models import models
from napari_vitface.jobs.results.models import CalibrationSummary, ModelFile


def project_models(folder) -> tuple[list[ModelFile], list[str]]:
    *notices, finished = models(folder)
    assert isinstance(finished, Finished)
    assert all(isinstance(notice, Notice) for notice in notices)
    found = [model for model in finished.result.models if not model.bundled]
    return found, [notice.message for notice in notices]


def test_models_of_a_project_are_listed_with_what_their_files_say(tmp_path, tiny_model):
    folder = tmp_path / "vitface" / "models"
    folder.mkdir(parents=True)
    (folder / "mine.safetensors").write_bytes(tiny_model.read_bytes())
    (folder / "junk.safetensors").write_bytes(b"junk")
    found, notices = project_models(tmp_path)
    assert [model.name for model in found] == ["mine"]
    assert found[0].keypoints == ("eye", "nose tip", "mouth")
    assert found[0].input_size == (64, 80)
    assert found[0].training == {"data": "none", "licence": "none"}
    assert found[0].calibration is None
    assert len(notices) == 1
    assert "junk.safetensors" in notices[0]


def test_a_plain_folder_of_models_is_listed_too(tiny_model):
    found, _ = project_models(tiny_model.parent)
    assert [model.path for model in found] == [str(tiny_model)]


def test_what_confidence_is_about_is_told_without_its_tables(tmp_path, tiny_model):
    from napari_vitface.cli.models import models_table
    from napari_vitface.model.checkpoint import load_network, save_checkpoint

    network, preprocessing, _ = load_network(tiny_model)
    table = {"x": [0.0, 1.0], "y": [0.1, 0.9], "radius": 7.0, "points": 40}
    told = {"calibration_error": 0.0312}
    save_checkpoint(
        tmp_path / "sure.safetensors", network, preprocessing, training=told, calibration=table
    )
    found, _ = project_models(tmp_path)
    assert found[0].calibration == CalibrationSummary(7.0, 40)
    assert "the chance to be within 7 px (calibration error 0.031)" in "\n".join(
        models_table(found)
    )
    plain, _ = project_models(tiny_model.parent)
    assert "the model's own view, not calibrated" in "\n".join(models_table(plain))


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(VitFaceError, match="There is no folder"):
        list(models(tmp_path / "nowhere"))
