"""Each way to compute the bundled model's points on the processor, over PyTorch in fp32.

    python -m benchmarks runtimes

The ways take turns in one process, over the same inputs: the frames of the real recording that the
model was not trained on, or drawn ones where there is none. The ratio is that of frames a second,
the median over rounds; beside it CPU time an image, how far points move, and their error. int8 is
made ready on other frames of the recording. `--busy N` lets N processes compute meanwhile.

A processor with AVX2 alone is imitated for PyTorch by ATEN_CPU_CAPABILITY=avx2 and
ONEDNN_MAX_CPU_ISA=AVX2; ONNX Runtime has no such setting.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import Row
from benchmarks._real_recording import FOLDER, frames_held_out
from napari_vitface.jobs.quantise import FRAMES
from napari_vitface.model.checkpoint import find_model, load_network
from napari_vitface.model.int8 import Int8Network, find_int8, quantise
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.onnx_graph import onnx_model
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.model.processor import describe_processor, has_bf16_units
from napari_vitface.pose.metrics import pixel_errors, summary
from napari_vitface.project.label_reading import read_labels
from napari_vitface.steps import result_of
from napari_vitface.video import open_video, scale_image

Inputs = NDArray[np.uint8]
Network = Callable[[Tensor], Tensor]

_NAME = "frames a second / PyTorch in fp32"
_ROUNDS = 6
_BATCH = 8


def run(busy: int = 0) -> list[Row]:
    """A row for each way."""
    network, preprocessing, _ = load_network(find_model("mouse-face"))
    others, judged, xy, per_frame = _frames(preprocessing)
    with computing(busy):
        ways = dict(_ways(network, preprocessing, others))
        seconds, cpu = _times(ways, torch.from_numpy(judged[:_BATCH]))
    points = {way: _points(compute, network, judged) / per_frame for way, compute in ways.items()}
    first = next(iter(ways))
    about = describe_processor()
    rows: list[Row] = []
    for way in ways:
        ratio = statistics.median(a / b for a, b in zip(seconds[first], seconds[way], strict=True))
        moved = np.linalg.norm(points[way] - points[first], axis=-1)
        note = (
            f"{1e3 * min(seconds[way]):.0f} ms, {1e3 * statistics.median(cpu[way]):.0f} ms of CPU "
            f"an image; half of the points move by {np.median(moved):.2f} px, one in twenty by "
            f"over {np.quantile(moved, 0.95):.2f}"
        )
        if xy is not None:
            figures = summary(pixel_errors(points[way], xy))
            note += f"; error {figures.median:.2f} px median, {figures.mean:.2f} mean"
        rows.append((_NAME, way, ratio, note))
    load = f", beside {busy} busy processes" if busy else ""
    title = f"{about['processor']}, PyTorch for {about['capability']}, {about['threads']} threads"
    return [(_NAME, f"{title}{load}", None, f"batches of {_BATCH}"), *rows]


def _frames(
    preprocessing: Preprocessing,
) -> tuple[Inputs, Inputs, NDArray[np.float64] | None, float]:
    """Inputs to quantise on and to judge, the latter's labels (input pixels of a frame), scale."""
    if not FOLDER.exists():
        from napari_vitface.sample import random_face

        faces = [random_face(np.random.default_rng(seed), (480, 640))[0] for seed in range(62)]
        inputs, factor = _inputs(faces, preprocessing)
        return inputs[:FRAMES], inputs[FRAMES:], None, factor
    labels = read_labels(FOLDER)
    images = [open_video(path)[0] for path in labels.images]
    inputs, factor = _inputs(images, preprocessing)
    judged = np.isin(labels.frames, frames_held_out("mouse-face"))
    others = np.flatnonzero(~judged)
    spread = others[np.linspace(0, len(others) - 1, FRAMES).round().astype(int)]
    view = preprocessing.view((images[0].shape[0], images[0].shape[1]))
    return inputs[spread], inputs[judged], view.to_input(labels.xy[judged]) / factor, factor


def _inputs(images: list[NDArray[np.uint8]], preprocessing: Preprocessing) -> tuple[Inputs, float]:
    view = preprocessing.view((images[0].shape[0], images[0].shape[1]))
    scaled = np.stack([scale_image(image, view.scale) for image in images])
    return view.pad(scaled), view.input_per_frame[0]


def _ways(
    network: KeypointNetwork, preprocessing: Preprocessing, frames: Inputs
) -> Iterator[tuple[str, Network]]:
    """What is computed with -> from uint8 inputs to the network's output."""
    yield "PyTorch, fp32", lambda canvas: network(preprocessing.normalise(canvas))
    if has_bf16_units():
        lower = load_network(find_model("mouse-face"))[0].to(torch.bfloat16)
        yield (
            "PyTorch, bf16",
            lambda canvas: lower(preprocessing.normalise(canvas).to(torch.bfloat16)),
        )
    graph = onnx_model(network, preprocessing, decoded=False).SerializeToString()
    yield "ONNX Runtime, fp32", Int8Network(graph)
    # Not the one that is made ready on this computer.
    with tempfile.TemporaryDirectory() as folder, _cache_in(folder):
        result_of(quantise(network, preprocessing, frames, "benchmark", "the recording"))
        int8 = find_int8("benchmark")
    assert int8 is not None
    yield "ONNX Runtime, int8", int8


@contextlib.contextmanager
def _cache_in(folder: str) -> Iterator[None]:
    before = os.environ.get("VITFACE_CACHE")
    os.environ["VITFACE_CACHE"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["VITFACE_CACHE"]
        else:
            os.environ["VITFACE_CACHE"] = before


@torch.inference_mode()
def _times(
    ways: dict[str, Network], canvas: Tensor
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Seconds and CPU seconds an image of each way, round by round; the first is left out."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    cpu: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(_ROUNDS + 1):
        for way, compute in ways.items():
            began, used = time.perf_counter(), time.process_time()
            compute(canvas)
            if turn:
                seconds[way].append((time.perf_counter() - began) / len(canvas))
                cpu[way].append((time.process_time() - used) / len(canvas))
    return seconds, cpu


@torch.inference_mode()
def _points(compute: Network, network: KeypointNetwork, inputs: Inputs) -> NDArray[np.float64]:
    """Input pixels (N, K, 2)."""
    parts = [
        network.decode(compute(torch.from_numpy(inputs[start : start + _BATCH])))[0].numpy()
        for start in range(0, len(inputs), _BATCH)
    ]
    return np.concatenate(parts).astype(np.float64)


@contextlib.contextmanager
def computing(count: int) -> Iterator[None]:
    """`count` other processes that use the processor meanwhile."""
    loop = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(loop) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="other busy processes")
    for row in run(parser.parse_args().busy):
        print(*row, sep=" | ")


if __name__ == "__main__":
    main()
