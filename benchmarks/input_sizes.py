"""What the bundled model's weights are worth in smaller and larger inputs, and what those cost.

    python -m benchmarks input_sizes

The positions of the patches are resampled, nothing is trained. Judged on the frames of the real
recording that the model was not trained on, without those whose labels are mistakes. The number is
the CPU time of a frame, in fp32 on one thread, over that at the model's own size.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import torch
from skimage.io import imread

from benchmarks import Row, print_by_model
from benchmarks._real_recording import DATA, FOLDER, held_out_labels
from napari_vitface.model.checkpoint import find_model, load_network
from napari_vitface.pose.metrics import summary
from napari_vitface.training.fit import predict_inputs
from napari_vitface.training.frame_inputs import TrainingFrames
from napari_vitface.training.start import adapt

_NAME = "CPU time of a frame by input size"
#: By which the sides are multiplied, the model's own size first.
SHARES = (1.0, 0.5, 0.6, 0.7, 0.8, 1.2)
_PATCH = 16


def run(model: str = "mouse-face") -> list[Row]:
    """A row for each size."""
    if not FOLDER.exists():
        return [(_NAME, "no real recording", None, f"none in {DATA}")]
    labels = held_out_labels(model)
    images = [(imread(path), xy) for path, xy in zip(labels.images, labels.xy, strict=True)]
    network, preprocessing, _ = load_network(find_model(model))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rows: list[Row] = []
    first = np.nan
    for share in SHARES:
        height, width = (_PATCH * round(share * side / _PATCH) for side in preprocessing.input_size)
        resized = adapt(network, network.keypoints, (height, width)).eval()
        frames = TrainingFrames.from_images(
            images, replace(preprocessing, input_size=(height, width))
        )
        with torch.inference_mode():
            predict_inputs(resized, preprocessing, frames.subset([0]))
            started = time.process_time()
            xy, _ = predict_inputs(resized, preprocessing, frames)
        took = (time.process_time() - started) / len(frames)
        first = first if rows else took
        found = summary(frames.errors(xy))
        note = f"mean {found.mean:.1f}, median {found.median:.1f} px; {found.points} points"
        rows.append((_NAME, f"{width} x {height}", took / first, note))
    torch.set_num_threads(threads)
    return rows


if __name__ == "__main__":
    print_by_model(run, __doc__)
