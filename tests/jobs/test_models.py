from __future__ import annotations

import pytest

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Finished, Notice
from napari_vitface.jobs.models import models


def project_models(folder) -> tuple[list[dict], list[str]]:
    *notices, finished = models(folder)
    assert isinstance(finished, Finished)
    assert all(isinstance(notice, Notice) for notice in notices)
    found = [model for model in finished.result["models"] if not model["bundled"]]
    return found, [notice.message for notice in notices]


def test_models_of_a_project_are_listed_with_what_their_files_say(tmp_path, tiny_model):
    folder = tmp_path / "vitface" / "models"
    folder.mkdir(parents=True)
    (folder / "mine.safetensors").write_bytes(tiny_model.read_bytes())
    (folder / "junk.safetensors").write_bytes(b"junk")
    found, notices = project_models(tmp_path)
    assert [model["name"] for model in found] == ["mine"]
    assert found[0]["keypoints"] == ["eye", "nose tip", "mouth"]
    assert found[0]["input_size"] == [64, 80]
    assert found[0]["training"] == {"data": "none", "licence": "none"}
    assert len(notices) == 1
    assert "junk.safetensors" in notices[0]


def test_a_plain_folder_of_models_is_listed_too(tiny_model):
    found, _ = project_models(tiny_model.parent)
    assert [model["path"] for model in found] == [str(tiny_model)]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(VitFaceError, match="There is no folder"):
        list(models(tmp_path / "nowhere"))
