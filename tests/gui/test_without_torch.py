"""A session in a process of its own: what napari's process imports, and what the dock costs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.window

_SESSION = """
import json, os, sys, time
began = time.process_time()
import napari
from qtpy.QtWidgets import QApplication

viewer = napari.Viewer(show=True)
QApplication.processEvents()
alone = time.process_time()
from napari_vitface.gui.actions import open_dock

dock = open_dock(viewer)
QApplication.processEvents()
costs = (time.process_time() - alone) / (alone - began)
session = dock.session


def until(condition):
    deadline = time.monotonic() + 1200
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        QApplication.processEvents()
        time.sleep(0.005)


dock.video_section.open(sys.argv[1])
dock.predict_section.use_model(sys.argv[2])
session.attention.enabled = True
until(lambda: session.attention.status != "computing")
dock.predict_section.predict()
until(lambda: not session.prediction.active)
viewer.dims.set_point(0, 7)
until(lambda: session.attention.status != "computing")
viewer.screenshot(canvas_only=False, flash=False)
result = {
    "costs": costs,
    "attention": session.attention.status,
    "run": session.prediction.run.status,
    "heavy": sorted({"torch", "timm", "torchvision", "triton", "pyqtgraph"} & set(sys.modules)),
    "layers": [layer.name for layer in viewer.layers],
}
viewer.close()
print(json.dumps(result))
sys.stdout.flush()
os._exit(0)
"""


def test_a_session_imports_no_torch_and_the_dock_costs_little(
    video_path: Path, tiny_model: Path
) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", _SESSION, str(video_path), str(tiny_model)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    result = json.loads(answer.stdout.strip().splitlines()[-1])
    assert result["attention"] == "shown"
    assert result["run"] == "done"
    assert result["layers"] == ["mouse", "attention", "skeleton", "keypoints"]
    assert result["heavy"] == []
    # In processor time, of which napari itself is the measure: it was 0.23.
    assert result["costs"] < 0.6
