"""From Predict to the first points, against the least that it can take.

The least is a bare script: start Python, import PyTorch, load the model, one forward pass of one
frame in the precision that is chosen here. Against it stand the button in a real napari window,
pressed as soon as the dock is there and pressed when the engine has had its time, and
``napari-vitface predict``, from the start of the command to its first frame. "First time" is before
any precision was measured on this computer. Rounds take turns; the median of their ratios is
reported.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import Row
from benchmarks._display import can_open_windows

_NAME = "first points / import, load and one forward pass"
_ROUNDS = 3
_FRAMES = 60

_BARE = """
import sys
import torch
from napari_vitface.model.checkpoint import find_model, load_network
from napari_vitface.model.device import DTYPES
from napari_vitface.video import open_video, scale_image

network, preprocessing, _ = load_network(find_model("mouse-face"))
device, dtype = torch.device(sys.argv[2]), DTYPES[sys.argv[3]]
network.to(device, dtype)
frame = open_video(sys.argv[1])[0]
view = preprocessing.view(frame.shape[:2])
canvas = torch.from_numpy(view.pad(scale_image(frame, view.scale)[None])).to(device)
with torch.inference_mode():
    xy, _ = network.decode(network(preprocessing.normalise(canvas).to(dtype)))
print(xy.cpu().numpy().sum())
"""

_WINDOW = """
import sys, time
import napari
from qtpy.QtWidgets import QApplication
from napari_vitface.gui.actions import open_dock

viewer = napari.Viewer()
dock = open_dock(viewer)
session = dock.session
dock.video_section.open(sys.argv[1])
limit = time.monotonic() + 600

def until(true):
    while not true():
        assert time.monotonic() < limit
        QApplication.processEvents()
        time.sleep(0.002)

def shown():
    layer = session.overlays.layer("keypoints")
    return layer is not None and len(layer.data) and layer.visible

wait = time.monotonic() + float(sys.argv[2])
until(lambda: time.monotonic() > wait)
began = time.perf_counter()
dock.predict_section.predict_button.click()
until(shown)
QApplication.processEvents()
print("SECONDS", time.perf_counter() - began, flush=True)
session.prediction.cancel()
viewer.close()
"""


def run() -> list[Row]:
    """A row for each way."""
    from napari_vitface.sample import write_sample_video

    with tempfile.TemporaryDirectory(prefix="vitface-first-point-") as name:
        folder = Path(name)
        video = folder / "mouse.mp4"
        write_sample_video(video, frames=_FRAMES)
        os.environ["VITFACE_CACHE"] = str(folder / "cache")
        first, chosen = _command(video, folder / "first")
        ways = {"command: napari-vitface predict": lambda: _command(video, folder / "out")[0]}
        if can_open_windows():
            ways["window: pressed at once"] = lambda: _window(video, 0.0)
            ways["window: pressed after 20 s"] = lambda: _window(video, 20.0)
        least: list[float] = []
        found: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(_ROUNDS):
            least.append(_bare(video, *chosen))
            for way, measure in ways.items():
                found[way].append(measure())
    base = statistics.median(least)
    rows: list[Row] = [
        (_NAME, "command, first time", first / base, f"{first:.1f} against {base:.1f} s")
    ]
    for way, seconds in found.items():
        ratio = statistics.median(a / b for a, b in zip(seconds, least, strict=True))
        note = f"{statistics.median(seconds):.1f} against {base:.1f} s"
        rows.append((_NAME, way, ratio, note))
    return rows


def _bare(video: Path, device: str, precision: str) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", _BARE, str(video), device, precision],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - began


def _command(video: Path, output: Path) -> tuple[float, tuple[str, str]]:
    """Seconds to the first frame, and the device and precision that were taken."""
    command = [sys.executable, "-m", "napari_vitface", "predict", str(video), "--json"]
    command += ["--output-dir", str(output), "--overwrite"]
    chosen = ("cpu", "fp32")
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "Started":
                chosen = event["settings"]["device"], event["settings"]["precision"]
            if event["event"] == "PosesPredicted":
                break
        seconds = time.perf_counter() - began
        process.kill()
    return seconds, chosen


def _window(video: Path, wait: float) -> float:
    for left in video.parent.glob(f"{video.stem}_vitface_*"):
        left.unlink()
    answer = subprocess.run(
        [sys.executable, "-c", _WINDOW, str(video), str(wait)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    (line,) = [line for line in answer.stdout.splitlines() if line.startswith("SECONDS")]
    return float(line.split()[1])


def main() -> None:
    """Print the rows."""
    for name, case, ratio, note in run():
        print(f"{name}: {case}: {'-' if ratio is None else f'{ratio:.3f}'} ({note})")


if __name__ == "__main__":
    main()
