"""What smaller networks cost and are worth that begin with what the bundled model knows.

    python -m benchmarks smaller

Each has the bundled model's first blocks, as they are, and a head cut out of its own, which learns
for smaller inputs by as many steps as all others, from what `scripts.train_fast` teaches. The
control is the model itself, whose head learns on as theirs do. Judged on the frames of the real
recording that nothing was trained on, without those whose labels are mistakes, and in the drawings
by other rules of `benchmarks elsewhere`. The number is the CPU time of a frame, in fp32 on one
thread, over that of the bundled model.

It takes an hour and more, and runs only if it is named.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch

from benchmarks import Row
from benchmarks._real_recording import DATA, FOLDER
from benchmarks._smaller import billions, smaller
from benchmarks.elsewhere import drawn_otherwise
from napari_vitface.model.checkpoint import DEFAULT_MODEL, find_model, load_network
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.pose.bootstrap import paired_gain
from napari_vitface.pose.metrics import summary
from napari_vitface.training.fit import fit, predict_inputs
from napari_vitface.training.frame_inputs import TrainingFrames
from scripts.train_bundled import Recording, material, preprocessing_of
from scripts.train_fast import stages

_NAME = "CPU time of a frame by a smaller network"
#: Height and width of the inputs, blocks, and channels of the head at strides 2, 4 and 8.
Kind = tuple[tuple[int, int], int, tuple[int, int, int]]
WHOLE, THREE_QUARTERS, HALF = (32, 64, 128), (24, 48, 96), (16, 32, 64)
KINDS: tuple[Kind, ...] = (
    ((240, 320), 12, WHOLE),
    ((240, 320), 4, WHOLE),
    ((240, 320), 4, HALF),
    ((208, 272), 4, THREE_QUARTERS),
    ((208, 272), 2, THREE_QUARTERS),
    ((208, 272), 4, HALF),
    ((192, 256), 6, THREE_QUARTERS),
    ((192, 256), 4, THREE_QUARTERS),
)
DRAWINGS, VIEWS = 600, 8


def run() -> list[Row]:
    """A row for each network, the bundled one first."""
    return list(compare(KINDS, 200))


def compare(kinds: Sequence[Kind], steps: int) -> Iterator[Row]:
    """Teach each network so many steps and judge it; the bundled one comes first."""
    if not FOLDER.exists():
        yield _NAME, "no real recording", None, f"none in {DATA}"
        return
    torch.set_num_threads(1)
    recording = Recording.read(FOLDER, block=3)
    network = load_network(find_model(DEFAULT_MODEL))[0]
    cost, operations = seconds(network), billions(network)
    whole = _errors(network, recording)
    pictures = [list(kind) for kind in material(recording, DRAWINGS, VIEWS)]
    yield _NAME, "bundled", 1.0, f"{operations:.2f} GMAC; {_said(whole, whole)}"
    for size, blocks, widths in kinds:
        small = smaller(network, size, blocks, widths)
        _teach(small, pictures, steps)
        case = f"{size[1]} x {size[0]}, {blocks} blocks, head of {', '.join(map(str, widths))}"
        note = f"{billions(small):.2f} GMAC, {billions(small) / operations:.2f}; "
        note += _said(_errors(small, recording), whole)
        yield _NAME, case, seconds(small) / cost, note


def _teach(network: KeypointNetwork, pictures: Sequence[Sequence[Any]], steps: int) -> None:
    (stage,) = stages([steps])
    preprocessing = preprocessing_of(network)
    kinds = [TrainingFrames.from_images(kind, preprocessing) for kind in pictures]
    sources = list(zip(kinds, stage.shares, strict=True))
    for _ in fit(network, preprocessing, sources, None, stage.settings):
        pass


@cache
def _pictures() -> list[tuple[np.ndarray, np.ndarray, float]]:
    return [(picture.image, picture.xy, picture.eye) for picture in drawn_otherwise()]


Errors = tuple[np.ndarray, np.ndarray]


def _errors(network: KeypointNetwork, recording: Recording) -> Errors:
    """On the held-out frames, (N, K) pixels, and in drawings, (M, K) widths of the eye."""
    preprocessing = preprocessing_of(network)
    right = recording.held[~recording.mistaken[recording.held]]
    found = []
    for images in (recording.take(right), [(image, xy) for image, xy, _ in _pictures()]):
        frames = TrainingFrames.from_images(images, preprocessing)
        found.append(frames.errors(predict_inputs(network, preprocessing, frames)[0]))
    eyes = np.array([eye for _, _, eye in _pictures()])
    return found[0], found[1] / eyes[:, None]


def _said(errors: Errors, whole: Errors) -> str:
    own, drawn = (summary(part) for part in errors)
    more = paired_gain(errors[0], whole[0])
    low, high = more.interval or (np.nan, np.nan)
    return (
        f"own recording {own.mean:.2f} / {own.median:.2f} px, {own.points} points "
        f"({more.gain:+.2f}, {low:+.2f} to {high:+.2f}); drawn by other rules {drawn.median:.3f}, "
        f"{np.mean(errors[1] > 0.5):.1%} of {drawn.points} off by more than half an eye"
    )


def seconds(network: KeypointNetwork, batch: int = 8, rounds: int = 6) -> float:
    """CPU time of a frame, the least of some rounds."""
    network.eval()
    images = torch.zeros(batch, network.backbone.channels, *network.input_size)
    taken = []
    with torch.inference_mode():
        for _ in range(rounds + 1):
            started = time.process_time()
            network(images)
            taken.append((time.process_time() - started) / batch)
    return min(taken[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--only", type=int, nargs="*", help="which of the networks, from 0")
    arguments = parser.parse_args()
    only = range(len(KINDS)) if arguments.only is None else arguments.only
    for _, case, ratio, note in compare([KINDS[k] for k in only], arguments.steps):
        print(f"{case}: {ratio} ({note})", flush=True)


if __name__ == "__main__":
    main()
