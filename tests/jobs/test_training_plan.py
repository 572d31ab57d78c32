"""What is said of a training before it is begun."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Finished
from napari_vitface.jobs.training.plan import plan_training

NAMES = ("eye", "nose tip", "mouth", "ear", "tail")


def plan(count: int = 20, placed: Any = None, videos: Any = None, **options: Any) -> dict[str, Any]:
    shape = (count, len(NAMES))
    everything = np.ones(shape, dtype=bool)
    *_, event = plan_training(
        ["a"] * count if videos is None else videos,
        np.arange(count) * 10,
        everything if placed is None else placed,
        NAMES,
        **options,
    )
    assert isinstance(event, Finished)
    return event.result


def test_frames_are_divided_as_they_will_be(tiny_model: Path) -> None:
    found = plan(init=tiny_model, videos=["a"] * 12 + ["b"] * 8)
    assert found.training == {"a": 9, "b": 6}
    assert found.held_out == {"a": 3, "b": 2}
    assert found.points == 15 * 5
    assert found.judged_points == 5 * 5
    assert not found.seen
    by_video = plan(init=tiny_model, videos=["a"] * 12 + ["b"] * 8, val="video:b")
    assert by_video.training == {"a": 12}
    assert by_video.held_out == {"b": 8}


def test_keypoints_are_told_apart_by_what_is_known_of_them(tiny_model: Path) -> None:
    placed = np.ones((20, 5), dtype=bool)
    placed[:, NAMES.index("mouth")] = False
    # Labelled in the last frames only, which are held out.
    placed[:15, NAMES.index("tail")] = False
    found = plan(placed=placed, init=tiny_model)
    assert found.init == "tiny"
    assert found.kept == ("eye", "nose tip", "mouth")
    assert found.fresh == ("ear",)
    assert found.alone == ("mouth",)
    assert found.left_out == ("tail",)


def test_random_weights_know_nothing_and_take_more_steps(tiny_model: Path) -> None:
    scratch, quick = plan(init="scratch"), plan(init=tiny_model, quick=True)
    assert scratch.kept == ()
    assert scratch.seconds is None
    assert scratch.steps > quick.steps > 0
    assert quick.seconds > 0
    assert plan(init=tiny_model, steps=7).steps == 7


def test_more_work_takes_longer(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What a frame costs is measured on the spot; here it is given, so that nothing else moves it.
    monkeypatch.setattr("napari_vitface.jobs.training.plan._cost", lambda model, file: (0.01, 0.01))
    one = plan(init=tiny_model, steps=10_000).seconds
    assert plan(init=tiny_model, steps=20_000).seconds > 1.5 * one
    assert plan(init=tiny_model, steps=10_000, image_size=(128, 160)).seconds > 2 * one


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"count": 3}, "label at least"),
        ({"val": "video:b"}, "'b'"),
        ({"val": "sometimes"}, "sometimes"),
        ({"init": "no-such-model"}, "no-such-model"),
    ],
)
def test_what_cannot_be_is_one_sentence(options: dict[str, Any], word: str) -> None:
    with pytest.raises(VitFaceError) as caught:
        plan(**options)
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)
