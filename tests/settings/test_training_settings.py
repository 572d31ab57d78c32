"""A setting of a training is declared once: the job, the command line and the checks follow."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from napari_vitface.cli.parser import parse
from napari_vitface.errors import VitFaceError
from napari_vitface.record import from_plain
from napari_vitface.settings.option import declared
from napari_vitface.settings.training import TrainingSettings, read_size


def test_the_command_line_offers_each_with_its_default() -> None:
    arguments = vars(parse(["train", "labels"]))
    defaults = TrainingSettings()
    for name in declared(TrainingSettings):
        assert arguments[name] == getattr(defaults, name), name


@pytest.mark.parametrize(
    ("typed", "name", "value"),
    [
        ("--head heatmap", "head", "heatmap"),
        ("--channels 3", "channels", 3),
        ("--image-size 64x96", "image_size", (64, 96)),
        ("--steps 5", "steps", 5),
        ("--learning-rate 1e-3", "learning_rate", 1e-3),
        ("--quick", "quick", True),
        ("--val random:0.2", "val", "random:0.2"),
    ],
)
def test_what_is_typed_is_read(typed: str, name: str, value: object) -> None:
    assert getattr(parse(["train", "labels", *typed.split()]), name) == value


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("--head none", "There is no head named 'none'"),
        ("--channels 2", "'2' is no number of channels"),
        ("--image-size 0x96", "give HEIGHTxWIDTH"),
        ("--layer-decay 1.5", "'1.5' is no number above 0 to 1"),
        ("--device gpu", "'gpu' is not one of auto"),
        ("--precision int8", "invalid choice"),
    ],
)
def test_what_cannot_be_is_a_wrong_argument(
    typed: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        parse(["train", "labels", *typed.split()])
    assert end.value.code == 2
    assert sentence in capsys.readouterr().err


def test_the_job_takes_each_and_says_so() -> None:
    from napari_vitface import train

    taken = inspect.signature(train).parameters
    assert {one.name for one in fields(TrainingSettings)} <= set(taken)
    assert taken["batch_size"].default == TrainingSettings.batch_size
    for setting in declared(TrainingSettings).values():
        assert f"{setting.name} : " in (train.__doc__ or "")
    with pytest.raises(TypeError, match="batchsize"):
        next(train("labels", batchsize=3))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"batch_size": 0}, "The batch size must be at least 1, not 0."),
        ({"batch_size": True}, "The batch size must be at least 1, not True."),
        ({"sigma": float("nan")}, "The sigma must be above 0, not nan."),
        ({"layer_decay": 1.5}, "The layer decay must be above 0 and at most 1, not 1.5."),
        ({"quick": True, "init": "scratch"}, "Quick training trains the head of a model"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(VitFaceError, match=sentence):
        TrainingSettings(**settings)


def test_numbers_of_numpy_are_numbers() -> None:
    settings = TrainingSettings(steps=np.int64(3), sigma=np.float32(1.5))
    assert (settings.steps, settings.sigma) == (3, 1.5)


def test_what_is_stored_comes_back() -> None:
    import json

    settings = TrainingSettings(image_size=(64, 96), crop=(1, 2, 3, 4), augmentation={"flip": 0.5})
    stored = json.loads(json.dumps(settings.to_dict()))
    assert from_plain(TrainingSettings, stored) == settings
    assert settings.difference(stored) == []
    assert TrainingSettings(batch_size=2).difference(stored) == [
        "image size", "crop", "batch size", "augmentation",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["240x320", "240X320", "240 × 320", "240, 320"])
def test_a_size_is_height_and_width(text: str) -> None:
    assert read_size(text) == (240, 320)
