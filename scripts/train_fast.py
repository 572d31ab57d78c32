"""Train the smaller model that ships beside `mouse-face`, from its first blocks and its head.

    python -m scripts.train_fast --labels ../shared/data/mouse_face

The blocks stay as they are, and the file leaves them out, so that both fit into the package. The
head, cut out of the other's, learns for smaller maps from what the last stages of
`scripts.train_bundled` learn from; the same block of time is held out.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks._smaller import smaller
from napari_vitface.model.checkpoint import DEFAULT_MODEL, find_model, load_network, save_checkpoint
from napari_vitface.model.metadata import TrainingSummary
from napari_vitface.training.augmentation import Augmentation
from napari_vitface.training.fit import FitSettings, fit
from napari_vitface.training.frame_inputs import TrainingFrames
from scripts.train_bundled import (
    OUTPUT,
    Recording,
    Stage,
    average,
    held_out_figures,
    material,
    preprocessing_of,
    taught_by,
)

#: Of three that take a third of the operations, alike on the held-out block after 250 steps, the
#: best in drawings by other rules and heads of other mice (docs/benchmarks.md).
SIZE, BLOCKS, WIDTHS = (208, 272), 4, (24, 48, 96)
VERSION = "1"
SCRIPT = "scripts/train_fast.py"


def stages(steps: Sequence[int]) -> list[Stage]:
    """What the head learns, in order: everything, varied much; then mostly real frames, less."""
    widen = Augmentation(rotation=20, scale=0.5, translation=0.12, flip=0.5)
    settle = Augmentation(rotation=10, scale=0.25, translation=0.08, flip=0.5)
    kinds = (
        (widen, 1e-3, (0.4, 0.04, 0.1, 0.31, 0.15), False),
        (settle, 3e-4, (0.5, 0.03, 0.07, 0.22, 0.18), True),
    )
    return [
        Stage(
            FitSettings(
                steps=count,
                frozen_steps=count,
                learning_rate=learning_rate,
                warm_up=min(100, count // 10),
                ema_decay=max(0.9, 1 - 5 / count),
                sigma=1.5,
                seed=number,
                augmentation=augmentation,
                judge_every=100,
            ),
            SIZE,
            shares,
            averaged,
        )
        for number, (count, (augmentation, learning_rate, shares, averaged)) in enumerate(
            zip(steps, kinds, strict=False)
        )
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--labels", type=Path, default=Path("../shared/data/mouse_face"))
    parser.add_argument("--output", type=Path, default=OUTPUT.with_stem("mouse-face-fast"))
    parser.add_argument("--block", type=int, default=3, help="quarter that is held out, 0 to 3")
    parser.add_argument("--steps", type=int, nargs=2, default=(900, 300), help="of the two stages")
    parser.add_argument("--drawings", type=int, default=1200, help="faces drawn of each kind")
    parser.add_argument("--views", type=int, default=12, help="other cameras of a real frame")
    arguments = parser.parse_args()
    started = time.perf_counter()

    recording = Recording.read(arguments.labels, arguments.block)
    network = smaller(load_network(find_model(DEFAULT_MODEL))[0], SIZE, BLOCKS, WIDTHS)
    preprocessing = preprocessing_of(network)
    held = TrainingFrames.from_images(recording.take(recording.held), preprocessing)
    kinds = [
        TrainingFrames.from_images(kind, preprocessing)
        for kind in material(recording, arguments.drawings, arguments.views)
    ]
    for stage in stages(arguments.steps):
        before = copy.deepcopy(network)
        sources = list(zip(kinds, stage.shares, strict=True))
        # The held-out error is printed while it runs; nothing is chosen by it.
        for progress in fit(network, preprocessing, sources, held, stage.settings):
            print(f"{time.perf_counter() - started:.0f} s {progress}", flush=True)
        if stage.averaged:
            average(network, before)

    calibration, calibrated, metrics = held_out_figures(network, recording)
    training: TrainingSummary = {
        "summary": f"{len(recording.taught)} frames of one recording, {2 * arguments.drawings} "
        "drawings, heads of two other mice",
        "description": f"Takes a third of the time of {DEFAULT_MODEL}, and is nearly as exact.",
        "version": VERSION,
        "script": SCRIPT,
        "started_from": f"{DEFAULT_MODEL}, whose blocks stay as they are",
        "steps": list(arguments.steps),
        "batch_size": stage.settings.batch_size,
        "metrics": metrics,
        **calibrated,
        **taught_by(recording, arguments.drawings),
    }
    save_checkpoint(
        arguments.output,
        network,
        preprocessing,
        training=training,
        calibration=calibration,
        shares=DEFAULT_MODEL,
    )
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
