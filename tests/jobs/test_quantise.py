"""int8 is made ready once, finds the points of fp32, and is refused where it does not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from napari_vitface import load_model, quantise
from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Event, Finished, Notice, Preparing, Started
from napari_vitface.jobs.predict import predict
from napari_vitface.model.checkpoint import file_digest
from napari_vitface.model.choice import Choice
from napari_vitface.model.int8 import LIMIT, Int8Network, find_int8, int8_file
from napari_vitface.model.speed_trial import Trial
from napari_vitface.steps import Steps

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is made ready here is not there for other tests."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("VITFACE_CACHE", str(folder))
    return folder


@pytest.fixture
def made_ready(
    made_once: Callable[[str, Callable[[Path], Any]], Any],
    drawn_start: Path,
    video: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> list[Event]:
    """The events of the first prediction in int8, and in the cache what it left there."""

    def make(folder: Path) -> tuple[Path, list[Event]]:
        with monkeypatch.context() as patch:
            patch.setenv("VITFACE_CACHE", str(folder / "cache"))
            first = predict(video, drawn_start, precision="int8", output_dir=folder / "a")
            return folder / "cache", list(first)

    folder, events = made_once("int8", make)
    shutil.copytree(folder, cache, dirs_exist_ok=True)
    return events


def settings_of(events: list[Event]) -> dict[str, Any]:
    return next(event.settings for event in events if isinstance(event, Started))


def pretend_moved(model: Path, moved: float) -> None:
    """As if points had moved that far when the model was made ready."""
    file = int8_file(file_digest(model))
    graph = onnx.load(file)
    (about,) = (entry for entry in graph.metadata_props if entry.key == "napari_vitface_int8")
    about.value = json.dumps(json.loads(about.value) | {"moved": moved})
    onnx.save(graph, file)


def test_predict_makes_it_ready_once_and_refuses_it_where_points_move(
    drawn_start: Path,
    video: Path,
    tmp_path: Path,
    made_ready: list[Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = [event.message for event in made_ready if isinstance(event, Preparing)]
    assert any("16 frames of mouse.mp4" in phrase for phrase in told)
    assert settings_of(made_ready).precision == "int8"
    again = list(predict(video, drawn_start, precision="int8", output_dir=tmp_path / "b"))
    told = [event.message for event in again if isinstance(event, Preparing)]
    assert not any("int8" in phrase for phrase in told)

    found = find_int8(file_digest(drawn_start))
    assert found is not None
    assert found.about is not None
    assert (found.about.frames, found.about.source) == (32, "mouse.mp4")

    # In another video it finds other points.
    monkeypatch.setattr("napari_vitface.model.int8.points_moved", lambda *_: 0.7)
    with pytest.raises(VitFaceError, match=r"move by over 0\.70 input pixels"):
        list(predict(video, drawn_start, precision="int8", output_dir=tmp_path / "c"))
    assert not list((tmp_path / "c").glob("*.csv"))

    # Or in those that it was made ready on.
    pretend_moved(drawn_start, LIMIT + 0.01)
    with pytest.raises(VitFaceError, match=r"over 0\.51 input pixels on frames of mouse\.mp4"):
        load_model(drawn_start, precision="int8")
    assert load_model(drawn_start, device="cpu").precision != "int8"


def test_a_model_that_was_not_made_ready_is_not_used_in_int8(drawn_start: Path) -> None:
    with pytest.raises(VitFaceError, match="napari-vitface quantise MODEL VIDEO"):
        load_model(drawn_start, precision="int8")


@pytest.mark.usefixtures("made_ready")
def test_auto_goes_on_in_fp32_where_points_move(
    drawn_start: Path, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_moved(drawn_start, 0.0)
    # It is so small that any precision may be the fastest.
    monkeypatch.setattr("napari_vitface.model.choice._measure", _takes_int8)
    events = list(predict(video, drawn_start, device="cpu", output_dir=tmp_path / "a"))
    assert settings_of(events).precision == "int8"
    monkeypatch.setattr("napari_vitface.model.int8.points_moved", lambda *_: 0.7)
    events = list(predict(video, drawn_start, device="cpu", output_dir=tmp_path / "b"))
    assert settings_of(events).precision == "fp32"
    notices = [event.message for event in events if isinstance(event, Notice)]
    assert any("so it is predicted in fp32" in notice for notice in notices)


def _takes_int8(*arguments: Any) -> Steps[tuple[Choice, list[Trial]]]:
    assert isinstance(arguments[-1], Int8Network)
    yield "Measuring"
    return Choice("cpu", "int8", "Measured."), []


@pytest.mark.slow
def test_the_bundled_model_is_as_exact_on_real_frames(real_data: Path) -> None:
    from napari_vitface.jobs.evaluate import evaluate

    labels = real_data / "mouse_face"
    *_, made = quantise("mouse-face", sources=[labels])
    assert isinstance(made, Finished)
    assert made.result.agrees
    assert made.result.moved < 0.25
    medians = {}
    for precision in ("fp32", "int8"):
        *_, last = evaluate(
            "mouse-face", [labels], held_out=True, device="cpu", precision=precision
        )
        medians[precision] = last.result.median
    assert abs(medians["int8"] - medians["fp32"]) < 0.3
