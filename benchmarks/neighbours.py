"""Ways to learn keypoints from few labelled frames, side by side on a real recording.

    python -m benchmarks neighbours

All see the same frames of the same block of time, varied in the same way, equally many of them, at
the same size; all have the same optimiser and schedule, and are judged on the same frames of a
later block, which none of them was trained on. What differs is the network, what it gives (maps or
coordinates) and where its weights come from: random, or learnt from drawn faces alone. Nothing was
tuned for any of them, and none starts from weights that were learnt from photographs: these would
have to be downloaded.

It takes more than an hour on two CPU cores, and runs only if it is named.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from skimage.io import imread
from torch import Tensor, nn

from benchmarks import Row
from benchmarks._real_recording import DATA, FOLDER, MISTAKES
from napari_vitface.model.building import create_backbone
from napari_vitface.model.checkpoint import load_network, save_checkpoint
from napari_vitface.model.heads import coordinates_to_pixels
from napari_vitface.model.heatmap_decoding import decode_heatmaps
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.model.processor import has_bf16_units
from napari_vitface.pose.bootstrap import Gain, intervals, paired_gain
from napari_vitface.pose.keypoints import MOUSE_FACE, KeypointSet
from napari_vitface.pose.metrics import figures, mean_pose, pixel_errors
from napari_vitface.project.label_reading import read_labels
from napari_vitface.sample import random_face
from napari_vitface.training.batches import FeatureBatches, Features, Reading, variants
from napari_vitface.training.budget import quick_variants
from napari_vitface.training.fit import Fit, FitSettings, fit, predict_inputs
from napari_vitface.training.frame_inputs import TrainingFrames

_NAME = "mean error on later frames / the mean pose's"
SIZE = (192, 256)
VIT = "vit_tiny_patch16_224"
#: Drawn faces to learn from, and steps on them.
FACES, DRAWN_STEPS = 1500, 800
#: Steps of each way, and frames in each.
STEPS, BATCH = 600, 8
#: What all compute in: where a CPU has units for bf16, half the time of fp32 for each of them.
PRECISION = "bf16" if has_bf16_units() else "fp32"
#: Labelled frames of somebody who has just begun.
FEW = 20


class Neighbour(nn.Module):
    """Another network, with what the training loop asks of one."""

    backbone: nn.Module
    heatmap_size: tuple[int, int] | None = None

    def __init__(self, keypoints: KeypointSet, input_size: tuple[int, int]) -> None:
        super().__init__()
        self.keypoints = keypoints
        self.input_size = input_size

    @property
    def stride(self) -> tuple[float, float]:
        height, width = self.heatmap_size or self.input_size
        return self.input_size[0] / height, self.input_size[1] / width

    def decode(self, output: Tensor) -> tuple[Tensor, Tensor]:
        if self.heatmap_size is not None:
            return decode_heatmaps(output, self.stride)
        xy = coordinates_to_pixels(output, self.input_size)
        return xy, torch.ones(xy.shape[:2])


class ResNetRegression(Neighbour):
    """ResNet-50, mean over places, and one linear layer to coordinates, as in ViT_facemap."""

    def __init__(self, keypoints: KeypointSet, input_size: tuple[int, int]) -> None:
        super().__init__(keypoints, input_size)
        self.backbone = timm.create_model("resnet50", num_classes=0, in_chans=1)
        self.coordinates = nn.Linear(2048, 2 * len(keypoints))
        nn.init.normal_(self.coordinates.weight, std=0.01)
        nn.init.constant_(self.coordinates.bias, 0.5)

    def forward(self, images: Tensor) -> Tensor:
        return self.coordinates(self.backbone(images)).unflatten(1, (-1, 2))


class UNet(Neighbour):
    """A small U-Net of Facemap's kind: four levels, maps at a quarter of the input's size."""

    def __init__(self, keypoints: KeypointSet, input_size: tuple[int, int]) -> None:
        super().__init__(keypoints, input_size)
        self.heatmap_size = (input_size[0] // 4, input_size[1] // 4)
        widths = (32, 64, 128, 256)
        self.backbone = nn.ModuleList(
            _convolutions(before, after)
            for before, after in zip((1, *widths), widths, strict=False)
        )
        self.join = _convolutions(widths[3] + widths[2], widths[2])
        self.maps = nn.Conv2d(widths[2], len(keypoints), 1)

    def forward(self, images: Tensor) -> Tensor:
        level: Tensor = images
        levels: list[Tensor] = []
        for number, convolutions in enumerate(self.backbone.children()):
            level = convolutions(level if number == 0 else nn.functional.max_pool2d(level, 2))
            levels.append(level)
        up = nn.functional.interpolate(levels[3], scale_factor=2.0, mode="bilinear")
        return self.maps(self.join(torch.cat([up, levels[2]], dim=1)))


def _convolutions(before: int, after: int) -> nn.Sequential:
    def one(channels: int) -> list[nn.Module]:
        return [nn.Conv2d(channels, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)]

    return nn.Sequential(*one(before), nn.ReLU(), *one(after), nn.ReLU())


@dataclass(frozen=True)
class Way:
    """A network to be made, the frames it is trained on, and settings of its own.

    With `head_alone` it is trained as quick training does it: on features of the frozen backbone.
    """

    make: Callable[[], Any]
    rows: NDArray[np.intp]
    settings: dict[str, Any] = field(default_factory=dict)
    head_alone: bool = False


@dataclass(frozen=True)
class Recording:
    """Real frames as inputs, in the order of time, and how they are divided."""

    frames: TrainingFrames
    keypoints: KeypointSet
    xy: NDArray[np.float64]
    size: tuple[int, int]
    mistaken: NDArray[np.bool_]
    training: NDArray[np.intp]
    held_out: NDArray[np.intp]

    def few(self, count: int) -> NDArray[np.intp]:
        """Some of the frames to train on, spread evenly over their time."""
        places = np.linspace(0, len(self.training) - 1, count).round().astype(int)
        return self.training[places]


@dataclass(frozen=True)
class Judged:
    """Predictions for frames held out, with what a person placed there, in video pixels."""

    predicted: NDArray[np.float64]
    truth: NDArray[np.float64]
    mistaken: NDArray[np.bool_]
    size: tuple[int, int]
    names: tuple[str, ...]

    @classmethod
    def by(cls, predicted: NDArray[np.float64], recording: Recording) -> Judged:
        """Predictions for the frames that a recording holds out."""
        rows = recording.held_out
        return cls(
            predicted,
            recording.xy[rows],
            recording.mistaken[rows],
            recording.size,
            recording.keypoints.names,
        )

    @classmethod
    def joined(cls, parts: Sequence[Judged]) -> Judged:
        """What several blocks say together."""
        return cls(
            np.concatenate([part.predicted for part in parts]),
            np.concatenate([part.truth for part in parts]),
            np.concatenate([part.mistaken for part in parts]),
            parts[0].size,
            parts[0].names,
        )

    def gain_over(self, other: Judged) -> Gain:
        """How much smaller the errors are, frame by frame, without those labelled by mistake."""
        right = ~self.mistaken
        before, after = (
            pixel_errors(each.predicted[right], each.truth[right]) for each in (other, self)
        )
        return paired_gain(before, after)

    def likeness(self, other: Judged) -> dict[str, float]:
        """How far two ways are from each other, and how much alike they err.

        Ways that lie nearer to each other than to the labels, and miss them to the same side, have
        little left to learn: what remains is how a person's clicks scatter.

        Returns
        -------
        dict
            "apart": median distance between their predictions, px, at labelled points.
            "errors_alike": correlation of their errors, the mean over keypoints and x and y.
            "mean", "median": errors of the predictions halfway between theirs, px.
            Frames labelled by mistake are left out.
        """
        right = ~self.mistaken
        truth, mine, theirs = self.truth[right], self.predicted[right], other.predicted[right]
        placed = np.asarray(np.isfinite(truth).all(axis=2))
        alike: list[float] = []
        for keypoint in range(truth.shape[1]):
            rows = placed[:, keypoint]
            ours, others = ((each - truth)[rows, keypoint].T for each in (mine, theirs))
            alike += [np.corrcoef(x, y)[0, 1] for x, y in zip(ours, others, strict=True)]
        halfway = pixel_errors((mine + theirs) / 2, truth)
        return {
            "apart": float(np.median(pixel_errors(mine, theirs)[placed])),
            "errors_alike": float(np.mean(alike)),
            "mean": float(np.nanmean(halfway)),
            "median": float(np.nanmedian(halfway)),
        }

    def figures(self) -> dict[str, Any]:
        """Of all frames, and of those that are not labelled by mistake."""
        right, names = ~self.mistaken, self.names
        every = figures(self.predicted, self.truth, names, self.size)
        some = figures(self.predicted[right], self.truth[right], names, self.size)
        return {
            "points": every.points,
            "mean": every.mean,
            "mean_interval": intervals(pixel_errors(self.predicted, self.truth)).mean,
            "median": every.median,
            "seed_pck": every.seed_pck,
            "without_mistakes": {
                key: getattr(some, key) for key in ("points", "mean", "median", "seed_pck")
            },
        }


@dataclass(frozen=True)
class Found:
    """How well a way does; `parameters` in millions, none for the mean pose."""

    way: str
    frames: int
    judged: Judged
    seconds: float = 0.0
    parameters: float = 0.0

    def figures(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "way": self.way,
            "frames": self.frames,
            "parameters": round(self.parameters, 1),
            "seconds": round(self.seconds),
            **self.judged.figures(),
        }


def read_recording(preprocessing: Preprocessing, block: int) -> Recording:
    """The labelled recording, with one quarter of its time held out."""
    labels = read_labels(FOLDER)
    labels = labels.take(np.argsort(labels.frames))
    images = [(imread(path), xy) for path, xy in zip(labels.images, labels.xy, strict=True)]
    bounds = np.linspace(0, len(labels), 5).round().astype(int)
    held_out = np.arange(bounds[block], bounds[block + 1])
    return Recording(
        TrainingFrames.from_images(images, preprocessing),
        labels.keypoints,
        labels.xy,
        (images[0][0].shape[0], images[0][0].shape[1]),
        np.isin(labels.frames, MISTAKES),
        np.setdiff1d(np.arange(len(labels)), held_out),
        held_out,
    )


def vit(head: str = "unet", patch: int = 16) -> KeypointNetwork:
    """Our small ViT from random weights, the same each time."""
    torch.manual_seed(0)
    backbone = create_backbone(VIT, SIZE, 1, drop_path_rate=0.05, patch_size=patch)
    return KeypointNetwork(backbone, MOUSE_FACE, head)


def learnt_from_drawings(file: Path, preprocessing: Preprocessing) -> None:
    """Train our network on drawn faces alone and keep it in `file`: no real frame was seen."""
    faces = TrainingFrames.from_images(
        (random_face(np.random.default_rng(seed), (288, 384)) for seed in range(FACES)),
        preprocessing,
    )
    network = vit()
    settings = FitSettings(steps=DRAWN_STEPS, judge_every=100, precision=PRECISION)
    for progress in fit(network, preprocessing, [(faces, 1.0)], None, settings):
        print(f"  {progress.step} loss {progress.loss:.3f}", file=sys.stderr, flush=True)
    save_checkpoint(file, network, preprocessing, training={"summary": f"{FACES} drawn faces"})


def ways(drawn: Path, few: int, recording: Recording, steps: int) -> dict[str, Way]:
    """Name -> what is trained, on which frames, with which further settings."""

    def ours() -> KeypointNetwork:
        return load_network(drawn)[0].requires_grad_(True)

    def other(kind: type[Neighbour]) -> Neighbour:
        torch.manual_seed(0)
        return kind(MOUSE_FACE, SIZE)

    most, some = recording.training, recording.few(few)
    right = most[~recording.mistaken[most]]
    tuned = {"layer_decay": 0.75, "frozen_steps": steps // 10}
    quick = {"steps": 100, "batch_size": 16, "learning_rate": 2e-3}
    return {
        "ours, from drawn faces": Way(ours, most, tuned),
        "ours, from drawn faces, no mistaken labels": Way(ours, right, tuned),
        f"ours, from drawn faces, {few} frames": Way(ours, some, tuned),
        "ours, from drawn faces, head alone": Way(ours, most, quick, head_alone=True),
        "ours, from drawn faces, head alone, no mistaken labels": Way(
            ours, right, quick, head_alone=True
        ),
        f"ours, from drawn faces, {few} frames, head alone": Way(
            ours, some, quick, head_alone=True
        ),
        "ours, from random weights": Way(vit, most),
        f"ours, from random weights, {few} frames": Way(vit, some),
        "ours, from random weights, patches of 32": Way(lambda: vit(patch=32), most),
        "ours, from random weights, patches of 8": Way(lambda: vit(patch=8), most),
        "maps from the tokens alone, from random weights": Way(lambda: vit("heatmap"), most),
        "class token to coordinates (ViT_facemap)": Way(lambda: vit("regression"), most),
        "U-Net (Facemap's kind)": Way(lambda: other(UNet), most),
        "ResNet-50 to coordinates": Way(lambda: other(ResNetRegression), most),
    }


def compare(
    drawn: Path, *, steps: int = STEPS, block: int = 3, only: Sequence[str] = ()
) -> Iterator[Found]:
    """Train each way and judge it; the mean pose comes first."""
    preprocessing = Preprocessing(SIZE, channels=1)
    recording = read_recording(preprocessing, block)
    if not drawn.exists():
        learnt_from_drawings(drawn, preprocessing)
    constant = mean_pose(recording.xy[recording.training])
    constant = np.broadcast_to(constant, recording.xy[recording.held_out].shape)
    yield Found("mean pose", len(recording.training), Judged.by(constant, recording))
    for name, way in ways(drawn, FEW, recording, steps).items():
        if only and name not in only:
            continue
        common = {"steps": steps, "batch_size": BATCH, "warm_up": steps // 10, "ema_decay": 0.99}
        settings = FitSettings(**{**common, **way.settings}, judge_every=steps, precision=PRECISION)
        yield train_and_judge(name, way, preprocessing, recording, settings)


def run() -> list[Row]:
    """A row for each way: its mean error over that of the mean pose."""
    if not FOLDER.exists():
        return [(_NAME, "no real recording", None, f"none in {DATA}")]
    rows: list[Row] = []
    constant = float("nan")
    with tempfile.TemporaryDirectory() as folder:
        for found in compare(Path(folder) / "drawn.safetensors"):
            print(json.dumps(found.figures()), file=sys.stderr, flush=True)
            right = found.judged.figures()["without_mistakes"]
            if found.way == "mean pose":
                constant = right["mean"]
            note = (
                f"mean {right['mean']:.1f}, median {right['median']:.1f} px, "
                f"{right['seed_pck']:.0%} within the seed's PCK threshold, {right['points']} points"
            )
            if found.parameters:
                note += f"; {found.seconds / 60:.0f} min, {found.parameters:.1f} M parameters"
            case = f"{found.way}; {found.frames} frames"
            rows.append((_NAME, case, right["mean"] / constant, note))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=STEPS, help="steps of each training")
    parser.add_argument(
        "--blocks",
        type=int,
        nargs="+",
        default=[3],
        help="quarters that judge, each the ways that were trained on the others; 0 to 3",
    )
    parser.add_argument(
        "--drawn",
        type=Path,
        default=Path("drawn-faces.safetensors"),
        help="model learnt from drawn faces; trained if it is not there",
    )
    parser.add_argument("--only", nargs="*", default=(), metavar="WAY", help="some of the ways")
    arguments = parser.parse_args()
    ways_found: dict[str, list[Judged]] = {}
    for block in arguments.blocks:
        for found in compare(
            arguments.drawn, steps=arguments.steps, block=block, only=arguments.only
        ):
            print(json.dumps({"block": block, **found.figures()}), flush=True)
            ways_found.setdefault(found.way, []).append(found.judged)
    together = {name: Judged.joined(parts) for name, parts in ways_found.items()}
    for name, judged in together.items():
        print(json.dumps({"way": name, "blocks": arguments.blocks, **judged.figures()}))
    for one, other in itertools.combinations(together, 2):
        gain = together[one].gain_over(together[other])
        print(json.dumps({"way": one, "over": other, "gain": gain.gain, "interval": gain.interval}))
        print(json.dumps({"way": one, "and": other, **together[one].likeness(together[other])}))


def train_and_judge(
    name: str,
    way: Way,
    preprocessing: Preprocessing,
    recording: Recording,
    settings: FitSettings,
) -> Found:
    """Train one way and judge it by the frames held out."""
    network = way.make()
    frames = recording.frames.subset(way.rows)
    began = time.perf_counter()
    if way.head_alone:
        train_head(network, preprocessing, frames, settings)
    else:
        for _ in fit(network, preprocessing, [(frames, 1.0)], None, settings):
            pass
    seconds = time.perf_counter() - began
    held_out = recording.frames.subset(recording.held_out)
    predicted = held_out.to_video(predict_inputs(network, preprocessing, held_out)[0])
    parameters = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    return Found(name, len(frames), Judged.by(predicted, recording), seconds, parameters)


def train_head(
    network: KeypointNetwork,
    preprocessing: Preprocessing,
    frames: TrainingFrames,
    settings: FitSettings,
    *,
    sees: bool = False,
) -> None:
    """Train the head on features of the frames, each varied some times.

    With `sees`, layers of the head that look at the image stay as they are, as in `train --quick`
    from a model.
    """
    varied = variants(frames, quick_variants(len(frames)), settings.augmentation, settings.seed)
    features = Features(varied, preprocessing, network.head if sees else None)
    for _ in features.compute(network, precision=settings.precision):
        pass
    batches = FeatureBatches([features], [1.0], settings.seed)
    module = Reading(network.head) if sees else network.head
    training = Fit(network, module, batches, None, settings)
    while not training.over:
        training.advance()
    training.finish()


if __name__ == "__main__":
    main()
