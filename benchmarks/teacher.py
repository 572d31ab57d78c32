"""Whether a network that has seen photographs teaches a small one more than the labels do.

    python -m benchmarks.teacher --weights vit_small_patch14_dinov2.safetensors

Three trainings of as many steps, on the same batches of real frames, of real frames as other
cameras would have filmed them, and of faces drawn in other laboratories: our small ViT from random
weights; the teacher, the first six blocks of a ViT-S/14 with weights of photographs; and the small
one again, which beside the labels learns the teacher's heatmaps and, through a linear layer that is
thrown away, its patch tokens (Hinton et al. 2015, arXiv:1503.02531; Romero et al. 2015,
arXiv:1412.6550), and that also in frames of a video that nobody labelled. The last quarter of the
recording and the pictures of `benchmarks elsewhere` judge, which none has seen.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks import elsewhere
from benchmarks._real_recording import DATA, FOLDER
from benchmarks.neighbours import PRECISION, SIZE, Judged, Recording, vit
from benchmarks.starts import DINOV2, labelled_folder
from napari_vitface.model.building import create_backbone, nearest_input_size
from napari_vitface.model.checkpoint import save_checkpoint
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.pose.keypoints import MOUSE_FACE
from napari_vitface.sample.laboratory import (
    before_another_background,
    filmed,
    random_face_elsewhere,
)
from napari_vitface.training.augmentation import Augmentation
from napari_vitface.training.batches import Batch, ImageBatches
from napari_vitface.training.fit import Fit, FitSettings, predict_inputs
from napari_vitface.training.frame_inputs import TrainingFrames
from napari_vitface.training.precision import autocast
from napari_vitface.video import open_video

DRAWINGS, VIEWS, VIDEO_FRAMES = 800, 6, 200
#: Of real frames, real frames filmed elsewhere, drawings, and frames without labels in a batch.
SHARES = (0.4, 0.15, 0.35, 0.1)


class Student(Fit):
    """A training that is told what a teacher finds in each input, beside what is labelled."""

    def __init__(
        self,
        network: KeypointNetwork,
        batches: ImageBatches,
        settings: FitSettings,
        teacher: KeypointNetwork,
    ) -> None:
        super().__init__(network, network, batches, None, settings)
        self.teacher = teacher.eval()
        self.likened = nn.Linear(network.backbone.embed_dim, teacher.backbone.embed_dim)
        self.optimiser.add_param_group(
            {"params": list(self.likened.parameters()), "lr_scale": 1.0, "part": "head"}
        )
        network.backbone.register_forward_hook(self._keep)

    def _keep(self, _: nn.Module, __: object, output: tuple[Tensor, Tensor]) -> None:
        self._patches = output[1]

    def _loss(self, output: Tensor, part: Batch) -> Tensor:
        mine, theirs = self.network.backbone, self.teacher.backbone
        grey = part.inputs[0] * mine.std[0] + mine.mean[0]
        with torch.no_grad(), autocast(self.device, PRECISION):
            seen = F.interpolate(grey, self.teacher.input_size, mode="bilinear")
            seen = (seen - theirs.mean[0]) / theirs.std[0]
            tokens = self.teacher.backbone(seen)
            maps = self.teacher.head(*tokens, seen).float()
        maps = F.interpolate(maps, output.shape[-2:], mode="bilinear").flatten(2)
        found = F.log_softmax(output.flatten(2).float(), dim=-1)
        told = F.kl_div(found, F.log_softmax(maps, dim=-1), log_target=True, reduction="sum")
        patches = F.interpolate(tokens[1].float(), self._patches.shape[-2:], mode="bilinear")
        alike = F.cosine_similarity(
            self.likened(self._patches.float().flatten(2).mT), patches.flatten(2).mT, dim=-1
        )
        # As a point's divergence is summed over all points, so is each frame's unlikeness.
        unlike = (1 - alike).mean(dim=1).sum() * output.shape[1]
        return super()._loss(output, part) + told + unlike


def photographs(weights: Path) -> KeypointNetwork:
    """Six blocks of the teacher with a new head, about as large an input as ours."""
    torch.manual_seed(0)
    size = nearest_input_size(DINOV2, SIZE)
    backbone = create_backbone(DINOV2, size, 1, weights=weights, blocks=6, drop_path_rate=0.05)
    return KeypointNetwork(backbone, MOUSE_FACE)


def preprocessing_of(network: KeypointNetwork) -> Preprocessing:
    """Whole frames in grey, normalised as the backbone wants them."""
    backbone = network.backbone
    return Preprocessing(network.input_size, 1, backbone.mean, backbone.std)


def sources(
    recording: Recording, images: list[tuple[np.ndarray, np.ndarray]], preprocessing: Preprocessing
) -> list[tuple[TrainingFrames, float]]:
    """What all learn from, each kind with its share."""
    taught = recording.training[~recording.mistaken[recording.training]]

    def again() -> list[tuple[np.ndarray, np.ndarray]]:
        rngs = [(row, np.random.default_rng([row, k])) for row in taught for k in range(VIEWS)]
        return [
            filmed(before_another_background(images[row][0], rng), images[row][1], rng)
            for row, rng in rngs
        ]

    drawn = (
        random_face_elsewhere(np.random.default_rng(seed), elsewhere.SIZE)
        for seed in range(DRAWINGS)
    )
    nowhere = np.full((len(MOUSE_FACE), 2), np.nan)
    with open_video(DATA / "videos" / "mirror_mouse.mp4") as video:
        places = np.linspace(0, len(video) - 1, VIDEO_FRAMES).astype(int)
        unlabelled = [(np.asarray(video[int(place)]), nowhere) for place in places]
    kinds = [again(), drawn, unlabelled]
    frames = [recording.frames.subset(taught)]
    frames += [TrainingFrames.from_images(kind, preprocessing) for kind in kinds]
    return list(zip(frames, SHARES, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", type=Path, required=True, help=f"a file for {DINOV2}")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--folder", type=Path, default=Path(), help="where the models are left")
    arguments = parser.parse_args()
    settings = FitSettings(
        steps=arguments.steps, batch_size=8, warm_up=60, ema_decay=0.99, precision=PRECISION,
        augmentation=Augmentation(rotation=15, scale=0.3, translation=0.1, flip=0.5),
    )  # fmt: skip
    labelled = labelled_folder(FOLDER, SIZE)
    images = [(image, xy.astype(np.float32)) for image, xy in labelled.images]
    teacher: KeypointNetwork | None = None
    for name in ("labels alone", "teacher", "taught"):
        network = photographs(arguments.weights) if name == "teacher" else vit()
        preprocessing = preprocessing_of(network)
        recording = labelled.recording(preprocessing, 0)
        batches = ImageBatches(
            sources(recording, images, preprocessing), preprocessing, settings.augmentation,
            (), settings.seed, torch.device("cpu"),
        )  # fmt: skip
        began = time.process_time()
        if name == "taught":
            assert teacher is not None
            training: Fit = Student(network, batches, settings, teacher)
        else:
            training = Fit(network, network, batches, None, settings)
        while not training.over:
            loss = training.advance()
            if training.step % 25 == 0:
                print(f"{name}: step {training.step}, loss {loss:.3f}", flush=True)
        training.finish()
        spent = time.process_time() - began
        if name == "teacher":
            teacher = network
        file = arguments.folder / f"{name.replace(' ', '-')}.safetensors"
        save_checkpoint(file, network, preprocessing, training={"summary": name})
        held_out = recording.frames.subset(recording.held_out)
        predicted = held_out.to_video(predict_inputs(network, preprocessing, held_out)[0])
        found = Judged.by(predicted, recording).figures()
        print(json.dumps({"way": name, "cpu_seconds": spent, **found}), flush=True)
        for _, case, ratio, note in elsewhere.run(str(file)):
            print(f"{name}: {case}: {ratio:.2f} ({note})", flush=True)


if __name__ == "__main__":
    main()
