"""A white level is the same for everything that looks at a recording of more than 8 bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_vitface.jobs.auditing.judged_labels import labels_of_files, labels_of_video
from napari_vitface.jobs.evaluate import evaluate
from napari_vitface.jobs.events import AttentionComputed, Event, Finished, PosesPredicted
from napari_vitface.jobs.explaining.explain import explain
from napari_vitface.jobs.predict import predict
from napari_vitface.jobs.resources import Resources
from napari_vitface.jobs.training.labelled_data import Reading, labelled
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.project.label_reading import read_labels
from napari_vitface.project.white import write_white

NAMES = ("eye", "nose tip", "mouth")
COUNT = 12
_EIGHT = np.random.default_rng(0).integers(0, 256, (COUNT, 48, 64)).astype(np.uint8)
_EIGHT[:, 0, 0] = 255
#: 12 bits, which are these 8 where 4095 is white.
_DEEP = np.round(_EIGHT * (4095 / 255)).astype(np.uint16)


@pytest.fixture
def write_project(tmp_path: Path, labels_table: Callable[..., None]) -> Callable[..., Path]:
    """A project of one recording and some of its frames, labelled."""

    def write(name: str, stack: np.ndarray) -> Path:
        project = tmp_path / name
        folder = project / "labeled-data" / "cam"
        folder.mkdir(parents=True)
        (project / "videos").mkdir()
        tifffile.imwrite(project / "videos" / "cam.tif", stack, photometric="minisblack")
        for frame, image in enumerate(stack):
            Image.fromarray(image).save(folder / f"img{frame:04d}.png")
        xy = np.random.default_rng(1).uniform(5, 40, (COUNT, 3, 2))
        labels_table(folder, NAMES, range(COUNT), xy)
        return project

    return write


def everything(project: Path, model: Path, resources: Resources, **white: Any) -> dict[str, Any]:
    """What prediction, attention, evaluation, audit and training make of a recording."""
    video = project / "videos" / "cam.tif"
    options: dict[str, Any] = {"precision": "fp32", "resources": resources, **white}
    inputs = Preprocessing((64, 80))
    found = {}
    folder = project / f"out{white.get('white', '')}"
    events = list(predict(video, model, output_dir=folder, **options))
    found["prediction"] = np.concatenate([e.xy for e in events if isinstance(e, PosesPredicted)])
    maps = list(explain(video, 3, model, **options))
    found["attention"] = next(e.maps for e in maps if isinstance(e, AttentionComputed))
    judged = result(list(evaluate(model, project, **options)))
    found["evaluation"] = np.array([judged.mean, judged.median])
    audited = labels_of_files(project, white.get("white"))
    found["audit"] = np.concatenate([audited.frame(i, inputs).inputs for i in range(COUNT)])
    with resources.video(video, **white) as opened:
        table = audited.labels
        of_video = labels_of_video(
            opened, table.keypoints.to_dict(), np.arange(COUNT), np.asarray(table.xy)
        )
        found["audit of the video"] = np.concatenate(
            [of_video.frame(i, inputs).inputs for i in range(COUNT)]
        )
    reading = Reading(labelled(read_labels(project)), inputs, white.get("white"))
    list(reading.run())
    found["training"] = reading.frames.inputs
    return found


def result(events: list[Event]) -> dict[str, Any]:
    (end,) = (event for event in events if isinstance(event, Finished))
    return end.result


@pytest.mark.parametrize("white", [4095, 65535])
@pytest.mark.parametrize("given", ["by the project", "by the call"])
def test_everything_sees_what_it_would_see_in_8_bits(
    write_project: Callable[..., Path],
    tiny_model: Path,
    resources: Resources,
    white: int,
    given: str,
) -> None:
    deep = write_project("deep", _DEEP)
    eight = write_project("eight", np.round(_DEEP * (255 / white)).astype(np.uint8))
    said = {}
    if given == "by the project":
        write_white(deep, "cam", white)
    else:
        said = {"white": white}
    wanted = everything(eight, tiny_model, resources)
    for name, seen in everything(deep, tiny_model, resources, **said).items():
        np.testing.assert_array_equal(seen, wanted[name], err_msg=name)


def test_the_level_is_found_and_a_wrong_one_is_seen_everywhere(
    write_project: Callable[..., Path], tiny_model: Path, resources: Resources
) -> None:
    deep, eight = write_project("deep", _DEEP), write_project("eight", _EIGHT)
    right = everything(eight, tiny_model, resources)
    found = everything(deep, tiny_model, resources)
    wrong = everything(deep, tiny_model, resources, white=65535)
    for name, seen in right.items():
        np.testing.assert_array_equal(found[name], seen, err_msg=name)
        assert not np.array_equal(wrong[name], seen), name


def test_training_keeps_the_level_and_a_changed_one_is_another_run(
    write_project: Callable[..., Path],
) -> None:
    deep = write_project("deep", _DEEP)
    data = labelled(read_labels(deep))
    reading = Reading(data, Preprocessing((64, 80)))
    list(reading.run())
    assert reading.whites == {"cam": 4095}
    before = data.digest()
    write_white(deep, "cam", 65535)
    reading = Reading(data, Preprocessing((64, 80)))
    list(reading.run())
    assert reading.whites == {"cam": 65535}
    assert data.digest() != before
