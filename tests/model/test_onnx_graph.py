"""The ONNX graph gives what the network gives, for every head, colour and number of images."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

from napari_vitface.errors import VitFaceError
from napari_vitface.model.calibration import calibrate
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.onnx_graph import _Interpolation, onnx_model
from napari_vitface.model.preprocessing import Preprocessing

SIZE = (64, 96)
#: One table each, of different lengths, one of them constant, and none from 0 to 1.
TABLES = {
    "keypoints": [
        {"x": [0.1, 0.2, 0.9], "y": [0.0, 0.7, 0.8]},
        {"x": [0.3], "y": [0.6]},
        {"x": [0.0, 0.5, 0.6, 0.95], "y": [0.2, 0.2, 0.5, 1.0]},
    ]
}


@pytest.mark.parametrize(("head", "channels"), [("unet", 1), ("heatmap", 3), ("regression", 1)])
def test_the_graph_finds_the_same_points(
    make_network: Callable[..., KeypointNetwork], head: str, channels: int
) -> None:
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    network = make_network(head, channels=channels)
    for weights in network.head.parameters():
        # Not flat maps, whose peak is a toss-up.
        torch.nn.init.normal_(weights, std=0.2)
    mean, std = (0.4, 0.5, 0.6)[:channels], (0.2, 0.3, 0.4)[:channels]
    preprocessing = Preprocessing(SIZE, channels, mean, std)
    content = onnx_model(network, preprocessing, TABLES).SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    canvas = torch.randint(0, 256, (3, channels, *SIZE), dtype=torch.uint8)
    with torch.inference_mode():
        xy, confidence = network.decode(network(preprocessing.normalise(canvas)))
    for count in (1, 3):
        found, sure = session.run(["xy", "confidence"], {"frames": canvas[:count].numpy()})
        np.testing.assert_allclose(found, xy[:count], atol=1e-2)
        np.testing.assert_allclose(sure, calibrate(confidence.numpy(), TABLES)[:count], atol=1e-3)


@pytest.mark.parametrize("tables", [TABLES, TABLES["keypoints"][0]])
def test_calibration_as_ramps_is_the_table(tables: dict) -> None:
    confidence = np.linspace(0, 1, 303, dtype=np.float32).reshape(101, 3)
    found = _Interpolation(tables, 3)(torch.from_numpy(confidence)).numpy()
    np.testing.assert_allclose(found, calibrate(confidence, tables), atol=1e-6)


def test_without_its_packages_a_sentence_says_what_to_install(
    make_network: Callable[..., KeypointNetwork], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(VitFaceError, match=r'pip install "napari-vitface\[onnx\]"'):
        onnx_model(make_network(), Preprocessing(SIZE))
