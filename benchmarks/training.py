"""CPU time of training and of auditing labels, part by part, in passes of the bundled model.

A part is what the job says that it does. A pass of the bundled model over one frame, without
gradients, on as many threads and in the same process, is the unit: it says how long a part takes on
another computer, and what a change of the code did.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks import Row
from benchmarks._real_recording import FOLDER
from napari_vitface.formats.labelled_images import Labels
from napari_vitface.jobs.events import Event, Preparing, Progress

#: Frames of the training, as a user has after an hour of labelling.
_FRAMES = 20


def run() -> list[Row]:
    """Quick and default training on 20 frames, and the audit of all labels."""
    import torch

    from napari_vitface.jobs.auditing.audit import audit
    from napari_vitface.jobs.training.train import train
    from napari_vitface.project.label_reading import read_labels

    torch.set_num_threads(1)
    labels = read_labels(FOLDER)
    some = labels.take(np.linspace(0, len(labels) - 1, _FRAMES).astype(int))
    with tempfile.TemporaryDirectory() as folder:
        jobs = {
            f"quick training, {_FRAMES} frames": lambda: train(
                some, name="quick", output_dir=folder, quick=True, **_ALIKE
            ),
            f"default training, {_FRAMES} frames": lambda: train(
                some, name="default", output_dir=folder, **_ALIKE
            ),
            f"audit, {len(labels)} frames": lambda: audit(labels, **_ALIKE),
        }
        rows: list[Row] = []
        unit = _forward(labels)
        for name, job in jobs.items():
            seconds = _parts(job())
            for part, spent in [*seconds.items(), ("in all", sum(seconds.values()))]:
                if spent >= 0.5:
                    rows.append(("training", f"{name}: {part}", spent / unit, f"{spent:.1f} CPU s"))
    return [*rows, ("training", "forward pass of a frame", 1.0, f"{unit * 1000:.0f} CPU ms, fp32")]


_ALIKE: dict[str, Any] = {"device": "cpu", "precision": "fp32"}


def _forward(labels: Labels) -> float:
    """CPU seconds of the bundled model for one frame, scaling and decoding included."""
    from napari_vitface.model.checkpoint import load_model
    from napari_vitface.project.white import labelled_images

    model = load_model("mouse-face", device="cpu", precision="fp32", batch_size=1)
    read = labelled_images(None)
    frames = [read(labels.images[row]) for row in range(8)]
    model.predict_images(frames)
    began = time.process_time()
    for _ in range(3):
        model.predict_images(frames)
    return (time.process_time() - began) / 24


def _parts(events: Iterator[Event]) -> dict[str, float]:
    """CPU seconds by what the job says that it does; blocks and folds count together."""
    seconds: defaultdict[str, float] = defaultdict(float)
    part, began = "beginning", time.process_time()
    for event in events:
        now = time.process_time()
        if isinstance(event, Progress):
            # Told once it is done; what is prepared, before.
            part = re.sub(r" block \d+ of \d+", " a block", event.message or part)
        seconds[part] += now - began
        if isinstance(event, Preparing):
            part = event.message.split(":")[0]
        began = now
    return dict(seconds)


if __name__ == "__main__":
    for row in run():
        print(row)
