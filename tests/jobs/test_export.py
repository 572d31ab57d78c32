"""An exported model is used as its description and the documentation say, without our code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vitface import load_model
from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Finished
from napari_vitface.jobs.export import export
from napari_vitface.model.checkpoint import bundled_models
from napari_vitface.model.header import read_metadata
from napari_vitface.project.label_reading import read_labels
from napari_vitface.sample import write_sample_video
from napari_vitface.video import open_video, scale_image

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

LIVE = Path(__file__).parents[2] / "docs" / "live.md"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model as ONNX."""
    file = tmp_path_factory.mktemp("onnx") / "mouse-face.onnx"
    *_, last = export("mouse-face", output=file)
    assert isinstance(last, Finished)
    assert last.result.file == str(file)
    assert last.result.moved < 0.01
    return file


def test_it_finds_our_points_on_real_frames(exported: Path, real_data: Path) -> None:
    images = [open_video(path)[0] for path in read_labels(real_data / "mouse_face").images[::20]]
    model = load_model("mouse-face", device="cpu", precision="fp32")
    view = model.preprocessing.view(images[0].shape)
    canvas = view.pad(np.stack([scale_image(image, view.scale) for image in images]))
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    found, sure = session.run(["xy", "confidence"], {"frames": canvas})
    xy, confidence = model.predict(canvas)
    np.testing.assert_allclose(found, xy, atol=0.01)
    np.testing.assert_allclose(sure, confidence, atol=1e-3)


def test_its_metadata_says_all_that_is_needed(exported: Path) -> None:
    graph = onnx.load(exported)
    onnx.checker.check_model(graph)
    about = {entry.key: entry.value for entry in graph.metadata_props}
    metadata = read_metadata(bundled_models()["mouse-face"])
    description = json.loads(about["napari_vitface"])
    assert description["keypoints"] == metadata["network"]["keypoints"]
    assert description["calibration"] == metadata["calibration"]
    assert description["training"]["citations"] == metadata["training"]["citations"]
    assert about["licence"] == metadata["training"]["licence"]
    for key, value in metadata["preprocessing"].items():
        assert description["preprocessing"][key] == value
    sides = graph.graph.input[0].type.tensor_type.shape.dim
    shape = [side.dim_param or side.dim_value for side in sides]
    assert shape == description["input"]["shape"] == ["batch", 1, 240, 320]
    assert {output.name for output in graph.graph.output} == set(description["outputs"])


def test_the_documented_lines_give_the_points_of_predict(
    exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = exported.parent / "mouse.mp4"
    write_sample_video(video, frames=6)
    (code,) = re.findall(r"```python\n(.*?)```", LIVE.read_text(encoding="utf-8"), re.DOTALL)
    # Each frame's points are kept instead of replaced by the next one's.
    code = code.replace("    points = ", "    points[frame.pts] = ")
    assert code.count("points[") == 1
    monkeypatch.chdir(exported.parent)
    names: dict[str, Any] = {"points": {}}
    exec(code, names)
    points = np.stack([names["points"][key] for key in sorted(names["points"])])
    model = load_model("mouse-face", device="cpu", precision="fp32")
    ours, _ = model.predict_images(open_video(video)[:6])
    # Of another filter for the resizing and of the rounding to whole pixels.
    np.testing.assert_allclose(points, ours, atol=0.5)


def test_what_exists_is_not_replaced_unasked(tiny_model: Path, tmp_path: Path) -> None:
    target = tmp_path / "tiny.onnx"
    target.write_text("mine")
    with pytest.raises(VitFaceError, match=r"tiny\.onnx exists"):
        list(export(tiny_model, output=target))
    assert target.read_text() == "mine"
    with pytest.raises(VitFaceError, match=r"does not end in \.onnx"):
        list(export(tiny_model, output=tmp_path / "tiny.pt"))


def test_a_file_that_finds_other_points_is_not_kept(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: Callable[..., Any] = onnxruntime.InferenceSession.run

    def wrong(session: Any, *arguments: Any) -> Any:
        xy, confidence = run(session, *arguments)
        return xy + 0.3, confidence

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", wrong)
    with pytest.raises(VitFaceError, match=r"finds points 0\.42 input pixels"):
        list(export(tiny_model, output=tmp_path / "tiny.onnx"))
    assert not list(tmp_path.iterdir())
