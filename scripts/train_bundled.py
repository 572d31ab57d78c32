"""Train the model that ships with napari-vitface, and write what was measured into its metadata.

    python -m scripts.train_bundled --labels ../shared/data/mouse_face

One block of time of the real recording (a quarter, the last by default) is held out: it is used
neither for training nor for choosing anything, only for the figures in the metadata and to
calibrate confidence. With ``--judge`` an existing checkpoint is judged in the same way instead,
with ``--calibrate`` it also gets a new calibration; its weights stay.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.io import imread

from benchmarks._heads import TAUGHT, taught_heads
from napari_vitface.formats.labelled_images import Labels
from napari_vitface.model.building import create_backbone
from napari_vitface.model.calibrating import default_radius, fit_calibration
from napari_vitface.model.calibration import calibrate, radius_of
from napari_vitface.model.checkpoint import load_network, save_checkpoint
from napari_vitface.model.header import read_metadata
from napari_vitface.model.metadata import Calibration, FramesOf, TrainingSummary
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.pose.keypoints import MOUSE_FACE
from napari_vitface.pose.metrics import calibration_error, mean_pose, pixel_errors, summary
from napari_vitface.project.label_reading import read_labels
from napari_vitface.record import plain_data
from napari_vitface.sample import random_face
from napari_vitface.sample.laboratory import (
    before_another_background,
    filmed,
    random_face_elsewhere,
)
from napari_vitface.training.augmentation import Augmentation
from napari_vitface.training.fit import FitSettings, fit, predict_inputs
from napari_vitface.training.frame_inputs import TrainingFrames
from napari_vitface.training.start import adapt

OUTPUT = Path(__file__).parent.parent / "src/napari_vitface/bundled/mouse-face.safetensors"
#: Input size of the first stage, and of the second, which is that of the model that ships.
FIRST_SIZE, FINAL_SIZE = (192, 256), (240, 320)
RENDERING_SIZE = (288, 384)
#: Frames whose labels `audit` found to be mistakes (see docs/choosing-frames.md). They are not
#: trained on; those held out are judged, and left out in a second figure.
MISTAKES = (68, 2997, 3575, 5379, 6677, 7197, 8629)
#: Views of each held-out real frame, and drawings, that confidence elsewhere is fitted on.
CALIBRATION_VIEWS, CALIBRATION_DRAWINGS = 4, 30
#: Renderings that judge are drawn with seeds from here on, those that train below.
JUDGING_SEED = 1_000_000

SCRIPT = "scripts/train_bundled.py"
#: Of the weights. 1 knew no laboratory but one, and the renderer's idea of it; 2, which is half of
#: 3, erred more in faces that fill the picture or are turned; 3 knew one real mouse.
VERSION = "4"
PROVENANCE: TrainingSummary = {
    "licence": "BSD-3-Clause (weights); the training frames are MIT, (c) 2024 Anna Stuckert and "
    "(c) 2025 R. Mazziotti",
    "citations": [
        "Stuckert, A. ViT_facemap (2024). https://github.com/AnnaStuckert/ViT_facemap",
        "Syeda, A. et al. Facemap: a framework for modeling neural activity based on orofacial "
        "tracking. Nature Neuroscience 27, 187-195 (2024).",
        "Caldarelli, M., Papini, E. M., Pizzorusso, T., Mazziotti, R. Direct Emotional Response "
        "Videos (2025). https://doi.org/10.5281/zenodo.17661945",
    ],
}


def block_of_time(count: int, block: int, blocks: int = 4) -> NDArray[np.intp]:
    """Positions of one of `blocks` equal stretches of frames in the order of time."""
    bounds = np.linspace(0, count, blocks + 1).round().astype(int)
    return np.arange(bounds[block], bounds[block + 1])


@dataclass(frozen=True)
class Recording:
    """The labelled recording, in the order of time, and which of it teaches and which judges.

    Attributes
    ----------
    labels : Labels
    images : list of (frame, (12, 2) float32)
    taught, held : (n,) int
        Rows that are learnt from, and those of the block that is held out.
    mistaken : (N,) bool
        Whether a row's labels are mistakes; none of these is learnt from.
    """

    labels: Labels
    images: list[tuple[NDArray[Any], NDArray[np.float32]]]
    taught: NDArray[np.intp]
    held: NDArray[np.intp]
    mistaken: NDArray[np.bool_]

    @classmethod
    def read(cls, folder: Path, block: int) -> Recording:
        labels = read_labels(folder)
        labels = labels.take(np.argsort(labels.frames))
        held = block_of_time(len(labels), block)
        mistaken = np.isin(labels.frames, MISTAKES)
        kept = np.setdiff1d(np.arange(len(labels)), held)
        return cls(labels, list(labelled_images(labels)), kept[~mistaken[kept]], held, mistaken)

    @property
    def held_out(self) -> FramesOf:
        """For metadata."""
        frames = [int(frame) for frame in self.labels.frames[self.held]]
        return {"video": str(self.labels.videos[0]), "frames": frames}

    def take(self, rows: NDArray[np.intp]) -> list[tuple[NDArray[Any], NDArray[np.float32]]]:
        """Some of the images with their keypoints."""
        return [self.images[row] for row in rows]


def labelled_images(labels: Labels) -> Iterator[tuple[NDArray[Any], NDArray[np.float32]]]:
    """Frames with their keypoints in pixels."""
    for path, xy in zip(labels.images, labels.xy, strict=True):
        yield imread(path), xy.astype(np.float32)


def renderings(count: int, first_seed: int) -> Iterator[tuple[NDArray[Any], NDArray[np.float32]]]:
    """Faces of the sample's renderer, each of another animal under another light."""
    for seed in range(first_seed, first_seed + count):
        yield random_face(np.random.default_rng(seed), RENDERING_SIZE)


def elsewhere(count: int, first_seed: int) -> Iterator[tuple[NDArray[Any], NDArray[np.float32]]]:
    """Faces of as many mice in as many laboratories."""
    for seed in range(first_seed, first_seed + count):
        yield random_face_elsewhere(np.random.default_rng(seed), RENDERING_SIZE)


def filmed_elsewhere(
    images: list[tuple[NDArray[Any], NDArray[np.float32]]], times: int
) -> Iterator[tuple[NDArray[Any], NDArray[np.float32]]]:
    """Real frames, each as several other cameras would have filmed it."""
    for number, (image, xy) in enumerate(images):
        for time_ in range(times):
            rng = np.random.default_rng([number, time_])
            yield filmed(before_another_background(image, rng), xy, rng)


def material(
    recording: Recording, drawings: int, views: int, seed: int = 0
) -> tuple[Iterable[tuple[NDArray[Any], NDArray[np.float32]]], ...]:
    """Pictures of the five kinds that `Stage.shares` names, with their keypoints."""
    return (
        recording.take(recording.taught),
        renderings(drawings, 0),
        filmed_elsewhere(recording.take(recording.taught), views),
        elsewhere(drawings, seed),
        taught_heads(),
    )


def new_network() -> KeypointNetwork:
    """The architecture, from random weights."""
    backbone = create_backbone("vit_tiny_patch16_224", FIRST_SIZE, channels=1, drop_path_rate=0.05)
    return KeypointNetwork(backbone, MOUSE_FACE)


@dataclass(frozen=True)
class Stage:
    """Some steps of the training.

    Attributes
    ----------
    settings : FitSettings
    size : (H, W)
        Of its inputs.
    shares : five floats
        Of real frames, drawn faces, real frames as other cameras would have filmed them, faces
        drawn in other laboratories, and heads of real mice in another one, in each batch.
    averaged : bool
        Whether its outcome is the mean of the weights before and after it.
    """

    settings: FitSettings
    size: tuple[int, int]
    shares: tuple[float, float, float, float, float]
    averaged: bool = False


def stages(arguments: argparse.Namespace) -> list[Stage]:
    """What is learnt, in order.

    First drawn faces alone, unless a checkpoint that has learnt from them is given; then
    everything, strongly varied, in small inputs, so that the model carries over to other cameras;
    then, for precision, mostly real frames in larger inputs with narrower targets, varied less;
    then faces of either side, nearer and farther, for cameras that stand elsewhere; then faces in
    other laboratories; then mostly real frames again, more slowly; then the same varied as much as
    for cameras that stand elsewhere, and averaged with what was before; then everything, and heads
    of real mice in another laboratory; last, the same varied less,
    and averaged with what was before. Stages of no steps are left out.
    """
    plain = FitSettings(seed=arguments.seed, precision="bf16" if arguments.bf16 else "fp32")
    refine = Augmentation(
        rotation=8, scale=0.1, translation=0.05, contrast=0.3, gamma=0.3, erase=0.3
    )
    widen = Augmentation(rotation=20, scale=0.5, translation=0.12, flip=0.5)
    away = Augmentation(rotation=10, scale=0.2, translation=0.08, flip=0.5)
    settle = replace(away, scale=0.25)
    every = [
        Stage(replace(plain, steps=arguments.drawn_steps), FIRST_SIZE, (0, 1, 0, 0, 0)),
        Stage(replace(plain, steps=arguments.steps), FIRST_SIZE, (0.65, 0.35, 0, 0, 0)),
    ]
    every += [
        Stage(
            replace(
                plain,
                steps=steps,
                seed=arguments.seed + number,
                learning_rate=learning_rate,
                sigma=1.5,
                augmentation=augmentation,
            ),
            FINAL_SIZE,
            shares,
            averaged,
        )
        for number, (steps, learning_rate, augmentation, shares, averaged) in enumerate(
            [
                (arguments.refine_steps, 3e-4, refine, (0.75, 0.25, 0, 0, 0), False),
                (arguments.widen_steps, 3e-4, widen, (0.75, 0.25, 0, 0, 0), False),
                (arguments.elsewhere_steps, 4e-4, away, (0.4, 0.03, 0.17, 0.4, 0), False),
                (arguments.settle_steps, 2e-4, settle, (0.72, 0.03, 0.07, 0.18, 0), False),
                (arguments.wide_steps, 2e-4, widen, (0.64, 0.04, 0.1, 0.22, 0), True),
                (arguments.heads_steps, 2e-4, widen, (0.4, 0.04, 0.1, 0.29, 0.17), False),
                (arguments.last_steps, 2e-4, settle, (0.5, 0.03, 0.07, 0.2, 0.2), True),
            ],
            start=1,
        )
    ]
    return [stage for stage in every if stage.settings.steps]


def steps_before(checkpoint: Path | None) -> list[int]:
    """Steps of the stages that made the checkpoint which training starts from."""
    steps = read_metadata(checkpoint)["training"].get("steps", ()) if checkpoint else ()
    return [steps] if isinstance(steps, int) else list(steps)


def average(network: KeypointNetwork, before: KeypointNetwork) -> None:
    """Give a network the mean of its weights and those that it was trained from.

    The mean knows what was forgotten on the way as well as what was learnt (Wortsman et al. 2022,
    arXiv:2109.01903).
    """
    earlier = before.state_dict()
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.lerp_(earlier[name], 0.5)


def preprocessing_of(network: KeypointNetwork) -> Preprocessing:
    """Whole frames in grey, normalised as timm does for this backbone."""
    backbone = network.backbone
    return Preprocessing(network.input_size, channels=1, mean=backbone.mean, std=backbone.std)


def judge(
    network: KeypointNetwork,
    preprocessing: Preprocessing,
    real: TrainingFrames,
    mistaken: NDArray[np.bool_],
    real_mean_pose: NDArray[np.float64],
    rendered: TrainingFrames,
) -> dict[str, Any]:
    """Errors on the held-out real frames, beside the mean pose's, and on new renderings.

    On the real frames also without those whose labels are mistaken, (N,) bool.
    """
    errors = real.errors(predict_inputs(network, preprocessing, real)[0])
    constant = real.errors(np.broadcast_to(real_mean_pose, real.xy.shape).astype(np.float32))
    on_renderings = rendered.errors(predict_inputs(network, preprocessing, rendered)[0])
    width = RENDERING_SIZE[1]
    return {
        "real": plain_data(summary(errors)),
        "real_without_mistakes": plain_data(summary(errors[~mistaken])),
        "real_mean_pose": plain_data(summary(constant)),
        "real_per_keypoint": {
            name: plain_data(summary(errors[:, k]))
            for k, name in enumerate(network.keypoints.names)
        },
        "renderings": {
            **plain_data(summary(on_renderings)),
            "median_percent_of_width": float(np.nanmedian(on_renderings)) / width * 100,
        },
    }


def calibration_of(
    network: KeypointNetwork,
    preprocessing: Preprocessing,
    real: TrainingFrames,
    otherwise: TrainingFrames,
    rendered: TrainingFrames,
) -> tuple[Calibration, dict[str, Any]]:
    """The table that ships, and how true confidence is by it.

    It is fitted on the held-out real frames and on `otherwise`: faces, drawn or filmed again, that
    stand in other laboratories. By real frames of one camera alone, confidence elsewhere would be
    much too high. On the real frames it is judged crosswise: each tenth of the block by a table
    of the rest, which has nearly as many frames as the table that ships, and, as in the report of
    a training, each half by a table of the other.
    """
    size = (int(real.frame_size[0, 0]), int(real.frame_size[0, 1]))
    radius = default_radius(size)
    about: Calibration = {"radius": radius, "frame_size": size}

    def confidences(frames: TrainingFrames) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Raw ones (N, K), and errors in radii."""
        xy, raw = predict_inputs(network, preprocessing, frames)
        return raw, frames.errors(xy) / radius_of(about, preprocessing, frames.magnification)

    raw, errors = confidences(real)
    raw_elsewhere, errors_elsewhere = confidences(otherwise)

    def fitted(rows: NDArray[np.intp]) -> Calibration:
        table = fit_calibration(
            np.concatenate([raw[rows], raw_elsewhere]),
            radius * np.concatenate([errors[rows], errors_elsewhere]),
            radius,
            size,
        )
        assert table is not None
        return table

    def crosswise(parts: int) -> dict[str, Any]:
        shown = np.empty_like(raw)
        for own in np.array_split(np.arange(len(real)), parts):
            shown[own] = calibrate(raw[own], fitted(np.setdiff1d(np.arange(len(real)), own)))
        return how_true(shown, errors)

    table = fitted(np.arange(len(real)))
    drawn, drawn_errors = confidences(rendered)
    return table, {
        "real_raw": how_true(raw, errors),
        "real": crosswise(10),
        "real_by_halves": crosswise(2),
        "elsewhere_raw": how_true(raw_elsewhere, errors_elsewhere),
        "renderings_raw": how_true(drawn, drawn_errors),
        "renderings": how_true(calibrate(drawn, table), drawn_errors),
    }


def how_true(confidence: NDArray[np.float32], errors: NDArray[np.float64]) -> dict[str, Any]:
    """Expected calibration error, mean confidence, and the share of points within the radius."""
    judged = ~np.isnan(errors)
    right = errors[judged] <= 1
    return {
        "points": int(judged.sum()),
        "calibration_error": calibration_error(confidence[judged], right),
        "mean_confidence": float(confidence[judged].mean()),
        "right": float(right.mean()),
    }


def held_out_figures(
    network: KeypointNetwork, recording: Recording
) -> tuple[Calibration, TrainingSummary, dict[str, Any]]:
    """A calibration by the held-out frames, what metadata say of it, and errors; printed too."""
    held, labels = recording.held, recording.labels
    preprocessing = preprocessing_of(network)
    real = TrainingFrames.from_images(recording.images, preprocessing)
    new_faces = TrainingFrames.from_images(renderings(200, JUDGING_SEED), preprocessing)
    constant = np.nanmean(real.subset(recording.taught).xy, axis=0)
    metrics = judge(
        network, preprocessing, real.subset(held), recording.mistaken[held], constant, new_faces
    )
    baseline = summary(pixel_errors(mean_pose(labels.xy[recording.taught]), labels.xy[held]))
    print(json.dumps(metrics, indent=1))
    print("mean pose in video pixels:", baseline)
    otherwise = TrainingFrames.from_images(
        [
            *filmed_elsewhere(recording.take(held), CALIBRATION_VIEWS),
            *elsewhere(CALIBRATION_DRAWINGS, JUDGING_SEED),
        ],
        preprocessing,
    )
    calibration, truth = calibration_of(
        network, preprocessing, real.subset(held), otherwise, new_faces
    )
    print(json.dumps(truth, indent=1))
    about: TrainingSummary = {
        "calibrated_on": [recording.held_out],
        "calibration_error": truth["real"]["calibration_error"],
        "calibration": truth,
    }
    return calibration, about, metrics


def taught_by(recording: Recording, drawings: int) -> TrainingSummary:
    """What metadata say of the material of a training, and of what is owed to whom."""
    labels, taught = recording.labels, recording.taught
    height, width = recording.images[0][0].shape[:2]
    return {
        "trained_on": [
            f"{len(taught)} labelled frames of cam1_G7c1_1 of ViT_facemap",
            f"{drawings} renderings of napari_vitface.sample, and as many of faces in other "
            "laboratories",
            f"heads of {' and '.join(TAUGHT)} of Direct Emotional Response Videos",
        ],
        "held_out": recording.held_out,
        "mean_pose": mean_pose(labels.xy[taught]).tolist(),
        "mean_pose_frame_size": [height, width],
        **PROVENANCE,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--labels", type=Path, default=Path("../shared/data/mouse_face"))
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--block", type=int, default=3, help="quarter that is held out, 0 to 3")
    parser.add_argument("--drawn-steps", type=int, default=800)
    parser.add_argument("--steps", type=int, default=1400)
    parser.add_argument("--refine-steps", type=int, default=600)
    parser.add_argument("--widen-steps", type=int, default=600)
    parser.add_argument("--elsewhere-steps", type=int, default=1400)
    parser.add_argument("--settle-steps", type=int, default=500)
    parser.add_argument("--wide-steps", type=int, default=450)
    parser.add_argument("--heads-steps", type=int, default=300)
    parser.add_argument("--last-steps", type=int, default=150)
    parser.add_argument("--renderings", type=int, default=2500, help="drawn faces of each kind")
    parser.add_argument("--elsewhere-seed", type=int, default=0, help="of the first of them")
    parser.add_argument("--views", type=int, default=12, help="other cameras of a real frame")
    parser.add_argument(
        "--start-from",
        type=Path,
        help="checkpoint that the first stages made; give those no steps",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bf16", action="store_true", help="train under bf16 autocast")
    parser.add_argument("--judge", action="store_true", help="judge --output, train nothing")
    parser.add_argument(
        "--calibrate", action="store_true", help="judge --output and calibrate it, train nothing"
    )
    arguments = parser.parse_args()

    recording = Recording.read(arguments.labels, arguments.block)
    no_training = arguments.judge or arguments.calibrate
    given = arguments.output if no_training else arguments.start_from
    torch.manual_seed(arguments.seed)
    network = load_network(given)[0].requires_grad_(True) if given else new_network()
    started = time.perf_counter()
    settings = FitSettings()
    planned = [] if no_training else stages(arguments)
    sources: dict[tuple[int, int], list[TrainingFrames]] = {}
    for stage in planned:
        settings = stage.settings
        network = adapt(network, MOUSE_FACE, stage.size, "unet")
        before = copy.deepcopy(network)
        preprocessing = preprocessing_of(network)
        if stage.size not in sources:
            pictures = material(
                recording, arguments.renderings, arguments.views, arguments.elsewhere_seed
            )
            sources[stage.size] = [
                TrainingFrames.from_images(kind, preprocessing) for kind in pictures
            ]
        kinds = zip(sources[stage.size], stage.shares, strict=True)
        shares = [(frames, share) for frames, share in kinds if share]
        print(f"{time.perf_counter() - started:.0f} s, {[len(f) for f, _ in shares]}", flush=True)
        # The held-out error is printed while it runs; nothing is chosen by it.
        real = TrainingFrames.from_images(recording.take(recording.held), preprocessing)
        for progress in fit(network, preprocessing, shares, real, settings):
            print(f"{time.perf_counter() - started:.0f} s {progress}", flush=True)
        if stage.averaged:
            average(network, before)
        unjudged: TrainingSummary = {
            "summary": "not judged yet",
            "script": SCRIPT,
        }
        save_checkpoint(arguments.output, network, preprocessing, training=unjudged)

    preprocessing = preprocessing_of(network)
    calibration, calibrated, metrics = held_out_figures(network, recording)
    if arguments.judge:
        return
    training: TrainingSummary
    if arguments.calibrate:
        metadata = read_metadata(arguments.output)
        save_checkpoint(
            arguments.output,
            network,
            preprocessing,
            training={**metadata["training"], **calibrated},
            calibration=calibration,
            shares=metadata["shares"]["model"] if "shares" in metadata else "",
        )
        return
    training = {
        "summary": f"{len(recording.taught)} frames of one recording, {2 * arguments.renderings} "
        "drawings, heads of two other mice",
        "version": VERSION,
        "script": SCRIPT,
        "started_from": "random weights, drawn faces alone first",
        "steps": [
            *steps_before(arguments.start_from),
            *(stage.settings.steps for stage in planned),
        ],
        "batch_size": settings.batch_size,
        "seed": arguments.seed,
        "metrics": metrics,
        **calibrated,
        **taught_by(recording, arguments.renderings),
    }
    save_checkpoint(
        arguments.output, network, preprocessing, training=training, calibration=calibration
    )
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
