"""Predicting a video from file to tables, against the bare forward pass of the same network.

Both see the same frames, model, precision and batch size, in one process. The bare forward pass
gets its batches ready made in memory and its output is thrown away; prediction decodes, scales,
copies, decodes heatmaps, shows the poses as events and writes the part file and both tables. Rounds
of the two alternate, and the median over rounds of their ratio is reported, so that a machine that
is busy now and then does not favour either.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import Row
from benchmarks._real_recording import DATA
from napari_vitface.jobs.events import PosesPredicted, Started
from napari_vitface.jobs.predict import predict
from napari_vitface.jobs.resources import Resources
from napari_vitface.sample import write_sample_video
from napari_vitface.settings.computing import Computing
from napari_vitface.steps import result_of
from napari_vitface.video import Video

if TYPE_CHECKING:
    from napari_vitface.model.predictor import KeypointModel


_NAME = "predict end to end / forward"
_ROUNDS = 3


def run() -> list[Row]:
    """One row a video and precision: throughput of `predict` as a share of the forward pass'."""
    import torch

    from napari_vitface.model.device import candidate_precisions

    with tempfile.TemporaryDirectory() as folder:
        videos = {"drawn 640 x 480": Path(folder) / "sample.mp4"}
        write_sample_video(videos["drawn 640 x 480"], frames=200)
        real = DATA / "videos" / "mirror_mouse.mp4"
        if real.exists():
            videos["camera 396 x 406"] = real
        devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
        rows = [
            _measure(label, path, device, precision, Path(folder))
            for device in devices
            for precision in candidate_precisions("auto", torch.device(device))
            for label, path in videos.items()
        ]
    return rows


def _measure(label: str, path: Path, device: str, precision: str, folder: Path) -> Row:
    resources = Resources()
    with ExitStack() as stack, resources.video(path) as video:
        computing = Computing(device, precision)
        model = result_of(resources.loading(stack, "mouse-face", computing))
        frames = range(min(len(video), 160 if device == "cpu" else 5000))
        decoding = _decode_only(video, model, frames)
        canvas = _batch(video, model)
        ratios, speeds = [], []
        # The first round warms caches and is left out.
        for round_ in range(_ROUNDS + 1):
            bare = _forward_only(model, canvas, len(frames))
            whole = _predict(path, frames, device, precision, folder, resources)
            if round_:
                ratios.append(bare / whole)
                speeds.append(len(frames) / whole)
        batch_size = model.batch_size
    resources.close()
    note = (
        f"{statistics.median(speeds):.0f} frames/s, decoding alone {decoding:.0f}; batch "
        f"{batch_size}; rounds {min(ratios):.2f} to {max(ratios):.2f}"
    )
    return _NAME, f"{label}, {device} {precision}", statistics.median(ratios), note


def _batch(video: Video, model: KeypointModel) -> np.ndarray:
    view = model.preprocessing.view((video.shape[1], video.shape[2]))
    images = [image for _, image in video.frames(range(model.batch_size), scale=view.scale)]
    return view.pad(np.stack([image for image in images if image is not None]))


def _forward_only(model: KeypointModel, canvas: np.ndarray, count: int) -> float:
    """Seconds for the network alone to go through `count` frames."""
    import torch

    from napari_vitface.model.device import synchronise

    tensor = torch.from_numpy(canvas).to(model.device)
    with torch.inference_mode():
        synchronise(model.device)
        began = time.perf_counter()
        for start in range(0, count, len(canvas)):
            model.network(model.to_images(tensor[: min(len(canvas), count - start)]))
        synchronise(model.device)
        return time.perf_counter() - began


def _predict(
    path: Path, frames: range, device: str, precision: str, folder: Path, resources: Resources
) -> float:
    """Seconds from the start of the run, with the model loaded, to the tables on disk."""
    began, seen = 0.0, 0
    for event in predict(
        path,
        output_dir=folder,
        device=device,
        precision=precision,
        frames=frames,
        overwrite=True,
        resources=resources,
    ):
        if isinstance(event, Started):
            began = time.perf_counter()
        elif isinstance(event, PosesPredicted):
            seen += len(event.frames)
    assert seen == len(frames)
    return time.perf_counter() - began


def _decode_only(video: Video, model: KeypointModel, frames: range) -> float:
    """Frames per second of the decoder alone, to the model's size."""
    view = model.preprocessing.view((video.shape[1], video.shape[2]))
    began = time.perf_counter()
    for _ in video.frames(frames, scale=view.scale):
        pass
    return len(frames) / (time.perf_counter() - began)


def main() -> None:
    """Print the rows."""
    for row in run():
        print(*row, sep=" | ")


if __name__ == "__main__":
    main()
