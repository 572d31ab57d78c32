"""What a fine-tune should start from: random weights, drawn faces, the bundled model, photographs.

    python -m benchmarks.starts --weights vit_small_patch14_dinov2.safetensors

All get a new head and see the same frames of the same blocks of time, trained with the settings
that `train` chooses: the head alone, as with ``--quick``, or all of the network. They are judged on
the last quarter of the labelled recording of a face, and on the last frames of a mouse in a mirror,
whose keypoints none has seen. The bundled model learnt from the other three quarters of the face's
recording, so there its start is too good for those who bring another camera; what it brings to them
is what the mirror says.

The weights of photographs are a ViT-S/14 in the layout of DINOv2, a file that has to be had before.
It takes hours on one CPU core.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.io import imread

from benchmarks import Row
from benchmarks._real_recording import DATA, FOLDER, MISTAKES
from benchmarks.neighbours import (
    PRECISION,
    SIZE,
    VIT,
    Found,
    Judged,
    Recording,
    learnt_from_drawings,
    train_head,
)
from napari_vitface.model.backbone import Backbone
from napari_vitface.model.building import create_backbone, nearest_input_size
from napari_vitface.model.checkpoint import find_model, load_network
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.metrics import mean_pose
from napari_vitface.project.label_reading import read_labels
from napari_vitface.sample.anatomy import Placement
from napari_vitface.sample.ear import Ear
from napari_vitface.sample.identity import fit_inside, random_identity, random_pose
from napari_vitface.sample.renderer import render
from napari_vitface.settings.training import SCRATCH, TrainingSettings
from napari_vitface.training.fit import FitSettings, fit, predict_inputs
from napari_vitface.training.frame_inputs import TrainingFrames
from napari_vitface.training.start import adapt

_NAME = "mean error after quick training from 20 frames / the mean pose's"
DINOV2 = "vit_small_patch14_dinov2.lvd142m"
#: The start of `train --quick`.
HEAD_TOO = "bundled model, head too"
FAST = "the faster bundled model, its head too"
#: Steps of a training of the whole network; of the head alone, as many as `train` takes.
STEPS = 300


#: Frames that judge; fewer where too few would be left to train on.
JUDGING = 30


@dataclass(frozen=True)
class Labelled:
    """Labelled frames in their order, the last of which judge, and about the size of inputs."""

    keypoints: KeypointSet
    images: Sequence[tuple[NDArray[Any], NDArray[np.floating[Any]]]]
    mistaken: NDArray[np.bool_]
    size: tuple[int, int]

    def recording(self, preprocessing: Preprocessing, count: int) -> Recording:
        """As a network takes them, `count` or more of them to be trained on."""
        training = max(count, len(self.images) - JUDGING)
        image, _ = self.images[0]
        return Recording(
            TrainingFrames.from_images(self.images, preprocessing),
            self.keypoints,
            np.array([xy for _, xy in self.images], np.float64),
            (image.shape[0], image.shape[1]),
            self.mistaken,
            np.arange(training),
            np.arange(training, len(self.images)),
        )


def labelled_folder(folder: Path, size: tuple[int, int]) -> Labelled:
    """Frames of a recording."""
    labels = read_labels(folder)
    labels = labels.take(np.argsort(labels.frames))
    images = [(imread(path), xy) for path, xy in zip(labels.images, labels.xy, strict=True)]
    mistaken = np.isin(labels.frames, MISTAKES if folder == FOLDER else ())
    return Labelled(labels.keypoints, images, mistaken, size)


def drawn_ears() -> Labelled:
    """Drawn faces of as many mice, with an ear, which no face that the starts learnt from has."""
    size = (288, 384)
    images = []
    for seed in range(50):
        rng = np.random.default_rng([seed, 17])
        pose = random_pose(rng)
        ear = Ear(aside=float(rng.uniform()), light=float(rng.uniform(150, 220)))
        face = fit_inside(random_identity(rng), size, [pose])
        face = replace(face, pose=pose, ear=ear)
        points = np.array(list(ear_keypoints(ear).values()))
        xy = Placement(face.shape, pose, size).project(points)
        # What lies outside the frame is not labelled.
        xy[((xy < 0) | (xy > np.array(size[::-1]) - 1)).any(axis=1)] = np.nan
        images.append((render(face, size, rng)[0], xy))
    keypoints = KeypointSet(tuple(ear_keypoints(Ear())))
    return Labelled(keypoints, images, np.zeros(len(images), bool), SIZE)


def ear_keypoints(ear: Ear) -> dict[str, NDArray[np.float64]]:
    """The ends of the axes of the ellipse that an ear is drawn as, in reference units."""
    angle = np.deg2rad(15 + 65 * ear.aside)
    along = ear.length * np.array([np.sin(angle), -np.cos(angle)])
    across = ear.width * (1 - 0.45 * ear.aside) * np.array([np.cos(angle), np.sin(angle)])
    middle = np.array(ear.root) + 0.8 * along
    return {
        "ear tip": middle + along,
        "ear root": middle - along,
        "ear front": middle - across,
        "ear back": middle + across,
    }


LABELLED: dict[str, Callable[[], Labelled]] = {
    "face": lambda: labelled_folder(FOLDER, SIZE),
    "mirror": lambda: labelled_folder(DATA / "mirror_mouse_labels", (224, 224)),
    "ears": drawn_ears,
}


#: Makes a network for keypoints and about this input size.
Start = Callable[[KeypointSet, tuple[int, int]], KeypointNetwork]


def starts(drawn: Path, weights: Path | None) -> dict[str, Start]:
    """By name; those of photographs only with a file of weights."""

    def new(make: Callable[[tuple[int, int]], Backbone]) -> Start:
        def start(keypoints: KeypointSet, size: tuple[int, int]) -> KeypointNetwork:
            torch.manual_seed(0)
            return KeypointNetwork(make(size), keypoints)

        return start

    def random(size: tuple[int, int]) -> Backbone:
        return create_backbone(VIT, size, 1, drop_path_rate=0.05)

    def of_model(file: Path, size: tuple[int, int]) -> Backbone:
        network = load_network(file)[0]
        return adapt(network, network.keypoints, size).requires_grad_(True).backbone

    def photographs(blocks: int | None, size: tuple[int, int]) -> Backbone:
        fitting = nearest_input_size(DINOV2, size)
        return create_backbone(
            DINOV2, fitting, 1, weights=weights, blocks=blocks, drop_path_rate=0.05
        )

    def with_head(model: str, keypoints: KeypointSet, size: tuple[int, int]) -> KeypointNetwork:
        torch.manual_seed(0)
        network = load_network(find_model(model))[0]
        return adapt(network, keypoints, size).requires_grad_(True)

    def joined(keypoints: KeypointSet, size: tuple[int, int]) -> KeypointNetwork:
        network = new(partial(photographs, 6))(keypoints, size)
        own = network.head.state_dict()
        for name, tensor in load_network(find_model("mouse-face"))[0].head.state_dict().items():
            if own[name].shape == tensor.shape:
                own[name].copy_(tensor)
        return network

    found: dict[str, Start] = {
        "random weights": new(random),
        "drawn faces": new(partial(of_model, drawn)),
        "bundled model": new(partial(of_model, find_model("mouse-face"))),
        HEAD_TOO: partial(with_head, "mouse-face"),
        FAST: partial(with_head, "mouse-face-fast"),
    }
    if weights is not None:
        for blocks in (None, 6, 4):
            name = "photographs" if blocks is None else f"photographs, {blocks} blocks"
            found[name] = new(partial(photographs, blocks))
        found["photographs, 6 blocks, the bundled head's convolutions"] = joined
    return found


def compare(
    labelled: Labelled, count: int, ways: dict[str, Start], *, quick: bool, steps: int = STEPS
) -> Iterator[Found]:
    """Train from each start on `count` frames and judge it; the mean pose comes first."""
    constant: Judged | None = None
    for name, start in ways.items():
        network = start(labelled.keypoints, labelled.size)
        backbone = network.backbone
        preprocessing = Preprocessing(
            network.input_size, channels=1, mean=backbone.mean, std=backbone.std
        )
        recording = labelled.recording(preprocessing, count)
        rows = recording.few(count)
        if constant is None:
            pose = mean_pose(recording.xy[rows])
            truth = recording.xy[recording.held_out]
            constant = Judged.by(np.broadcast_to(pose, truth.shape), recording)
            yield Found("mean pose", count, constant)
        chosen = TrainingSettings(quick=True)
        if not quick:
            init = SCRATCH if name == "random weights" else chosen.init
            chosen = TrainingSettings(init=init, steps=steps, batch_size=8)
        settings = FitSettings.chosen(chosen, count, PRECISION)
        frames = recording.frames.subset(rows)
        began = time.process_time()
        if quick:
            train_head(network, preprocessing, frames, settings, sees=name in (HEAD_TOO, FAST))
        else:
            for _ in fit(network, preprocessing, [(frames, 1.0)], None, settings):
                pass
        spent = time.process_time() - began
        held_out = recording.frames.subset(recording.held_out)
        predicted = held_out.to_video(predict_inputs(network, preprocessing, held_out)[0])
        parameters = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        yield Found(name, count, Judged.by(predicted, recording), spent, parameters)


def run() -> list[Row]:
    """Quick training on 20 frames of each; VITFACE_DINOV2 names the weights of photographs."""
    if not FOLDER.exists():
        return [(_NAME, "no real recording", None, f"none in {DATA}")]
    weights = os.environ.get("VITFACE_DINOV2")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "drawn.safetensors"
        learnt_from_drawings(drawn, Preprocessing(SIZE, channels=1))
        ways = starts(drawn, Path(weights) if weights else None)
        for data, labelled in LABELLED.items():
            constant = float("nan")
            for found in compare(labelled(), 20, ways, quick=True):
                figures = found.judged.figures()["without_mistakes"]
                constant = figures["mean"] if found.way == "mean pose" else constant
                note = f"mean {figures['mean']:.1f}, median {figures['median']:.1f} px"
                rows.append((_NAME, f"{data}: {found.way}", figures["mean"] / constant, note))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", type=Path, help=f"a .safetensors file for {DINOV2}")
    parser.add_argument(
        "--drawn",
        type=Path,
        default=Path("drawn-faces.safetensors"),
        help="model learnt from drawn faces; trained if it is not there",
    )
    parser.add_argument("--data", choices=LABELLED, nargs="+", default=list(LABELLED))
    parser.add_argument("--frames", type=int, nargs="+", default=[20])
    parser.add_argument("--whole", action="store_true", help="train all, not the head alone")
    parser.add_argument("--steps", type=int, default=STEPS, help="of a training of all")
    parser.add_argument("--only", nargs="*", default=(), metavar="START", help="some of the starts")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if not arguments.drawn.exists() and (not arguments.only or "drawn faces" in arguments.only):
        learnt_from_drawings(arguments.drawn, Preprocessing(SIZE, channels=1))
    ways = starts(arguments.drawn, arguments.weights)
    ways = {name: ways[name] for name in arguments.only or ways}
    for data in arguments.data:
        for count in arguments.frames:
            every: list[Found] = []
            for found in compare(
                LABELLED[data](), count, ways, quick=not arguments.whole, steps=arguments.steps
            ):
                every.append(found)
                figures = {"data": data, "whole": arguments.whole, **found.figures()}
                if len(every) > 2:
                    # The mean pose, and what all are compared with.
                    gain = found.judged.gain_over(every[1].judged)
                    figures |= {f"gain over {every[1].way}": [gain.gain, gain.interval]}
                print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
