"""Memory of a prediction: after a long video, against after a short one.

What `predict` holds must not grow with the length of the video. A network that does next to nothing
goes through many small frames in a process of its own, and the process' largest memory so far is
taken early in the run and at its end. ``python -m benchmarks.memory 1000000`` takes another length.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import Row

_SIZE = (48, 64)
_FRAMES = 200_000
_EARLY = 20_000

_RUN = """
import json, sys
import psutil, torch
torch.set_num_threads(1)
from napari_vitface import predict
from napari_vitface.jobs.events import Progress
from napari_vitface.model.building import create_backbone
from napari_vitface.model.checkpoint import save_checkpoint
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.pose.keypoints import MOUSE_FACE

video, model, early = sys.argv[1], sys.argv[2], int(sys.argv[3])
backbone = create_backbone("vit_tiny_patch16_224", (32, 48), 1, depth=1, embed_dim=24, num_heads=1)
network = KeypointNetwork(backbone, MOUSE_FACE, "heatmap")
save_checkpoint(model, network, Preprocessing((32, 48)), training={"summary": ""})
process, first, most = psutil.Process(), None, 0
for event in predict(video, model=model, precision="fp32", batch_size=256):
    if isinstance(event, Progress):
        most = max(most, process.memory_info().rss)
        if first is None and event.done >= early:
            first = most
most = max(most, process.memory_info().rss)
print(json.dumps([first, most]))
"""


def run(frames: int = _FRAMES) -> list[Row]:
    """One row: the most memory of the whole run over that of its beginning."""
    from napari_vitface.video import VideoWriter

    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "long.mp4"
        picture = np.random.default_rng(0).integers(0, 255, _SIZE, dtype=np.uint8)
        with VideoWriter(video, _SIZE, 100.0, options={"preset": "ultrafast"}) as writer:
            for number in range(frames):
                frame = picture.copy()
                frame[:, number % _SIZE[1]] = 255
                writer.write(frame)
        model = Path(folder) / "small.safetensors"
        answer = subprocess.run(
            [sys.executable, "-c", _RUN, str(video), str(model), str(_EARLY)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    early, most = json.loads(answer.stdout.splitlines()[-1])
    note = f"{most / 2**20:.0f} MiB against {early / 2**20:.0f} MiB, torch and model included"
    case = f"{frames} frames / the first {_EARLY} of them"
    return [("memory of predict", case, most / early, note)]


def main() -> None:
    """Print the row."""
    for name, case, ratio, note in run(int(sys.argv[1]) if len(sys.argv) > 1 else _FRAMES):
        print(f"{name}: {case}: {ratio:.3f} ({note})")


if __name__ == "__main__":
    main()
