"""What frames without labels and further heads add to quick training.

    python -m benchmarks.unlabelled mirror --labelled 20 --seeds 0 1

Quick training from a few labelled frames is the base: the head alone, on features of the frozen
backbone, 100 steps of 8 views. The other ways add to each step as many views of frames whose labels
they do not see, taught by what a model finds in them, or join several heads. All are judged on the
last quarter (face) or third (mirror) of the labelled frames, which are in none of it. The face
starts from a model that knows drawn faces alone, since the bundled model has learnt from this
recording; the mirror, whose animal and keypoints it has never seen, from the bundled one's backbone
and a new head.

It takes an hour or more for each set on a CPU core, and runs only if it is named.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.io import imread

from benchmarks import Row
from benchmarks._real_recording import DATA, FOLDER, MISTAKES
from benchmarks._views import VIEWS, Floats, Plausible, Rows, Views, computed, predicted
from benchmarks.neighbours import PRECISION, SIZE, vit
from napari_vitface.model.calibrating import default_radius, fit_calibration
from napari_vitface.model.calibration import calibrate
from napari_vitface.model.checkpoint import save_checkpoint
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.pose.bootstrap import paired_gain
from napari_vitface.pose.metrics import calibration_error
from napari_vitface.project.label_reading import read_labels
from napari_vitface.sample import random_face
from napari_vitface.settings.training import TrainingSettings
from napari_vitface.training.batches import Batch, FeatureBatches, variants
from napari_vitface.training.fit import Fit, FitSettings, fit
from napari_vitface.training.frame_inputs import TrainingFrames
from napari_vitface.training.start import start_from
from napari_vitface.video import open_video

_NAME = "mean error / that of quick training"
#: Views agree on a point if they put it within so many input pixels of their median.
AGREE = 5.0
#: Least mean confidence of a point that is taught.
SURE = 0.6
#: Frames of the video, and how many frames before and after one are looked at beside it.
VIDEO_FRAMES, BESIDE = 60, 2
#: The start of the face: drawn faces, steps and faces a step.
FACES, DRAWN_STEPS, DRAWN_BATCH = 400, 200, 8
DRAWN = Path("drawn-faces-short.safetensors")


@dataclass
class Mixed:
    """Half a batch with labels, half of frames without, taught by `teacher`.

    `teacher` gives points (n, K, 2) for some of the frames, NaN for those that are not taught.
    """

    labelled: FeatureBatches
    views: Views
    teacher: Callable[[int, Rows], Floats]
    seed: int

    def at(self, step: int, size: int) -> Batch:
        rng = np.random.default_rng([self.seed, 1, step])
        rows = rng.integers(0, len(self.views.frames), size // 2)
        first = self.labelled.at(step, size - size // 2)
        second = self.views.drawn(rng, rows, self.teacher(step, rows))
        return Batch(
            tuple(torch.cat(pair) for pair in zip(first.inputs, second.inputs, strict=True)),
            torch.cat([first.xy, second.xy]),
            torch.cat([first.occluded, second.occluded]),
        )


@dataclass
class Data:
    """Labelled frames in the order of time, and how they are divided."""

    network: Callable[[int], KeypointNetwork]
    preprocessing: Preprocessing
    frames: TrainingFrames
    labelled: Rows
    unlabelled: Rows
    judged: Rows
    video: Path | None = None

    def beside(self, distance: int) -> TrainingFrames:
        """Frames of the video that lie so far from those that are spread over it."""
        assert self.video is not None
        nowhere = np.full(self.frames.xy.shape[1:], np.nan)
        with open_video(self.video) as video:
            places = np.linspace(BESIDE, len(video) - 1 - BESIDE, VIDEO_FRAMES).astype(int)
            images = [(np.asarray(video[int(place) + distance]), nowhere) for place in places]
        return TrainingFrames.from_images(images, self.preprocessing)


def read(name: str, count: int, drawn: Path) -> Data:
    """One of the two sets, with so many labelled frames spread over those that do not judge."""
    folder = {"face": FOLDER, "mirror": DATA / "mirror_mouse_labels"}[name]
    labels = read_labels(folder)
    labels = labels.take(np.argsort(labels.frames))
    images = [imread(path) for path in labels.images]
    if name == "face" and not drawn.exists():
        learn_from_drawings(drawn)
    start, size = (drawn, SIZE) if name == "face" else ("mouse-face", (192, 192))

    def network(seed: int) -> KeypointNetwork:
        network = start_from(
            start, labels.keypoints, images[0].shape[:2], image_size=size, seed=seed
        ).network
        return network if name == "face" else KeypointNetwork(network.backbone, labels.keypoints)

    preprocessing = Preprocessing(size, channels=1)
    judging = len(labels) // 4 + 1 if name == "face" else len(labels) // 3
    training = np.arange(len(labels) - judging)
    mistaken = np.isin(labels.frames, MISTAKES if name == "face" else ())
    some = training[np.linspace(0, len(training) - 1, count).round().astype(int)]
    return Data(
        network,
        preprocessing,
        TrainingFrames.from_images(zip(images, labels.xy, strict=True), preprocessing),
        some,
        np.setdiff1d(training, some),
        np.flatnonzero(~mistaken & (np.arange(len(labels)) >= len(training))),
        DATA / "videos" / "mirror_mouse.mp4" if name == "mirror" else None,
    )


def learn_from_drawings(file: Path) -> None:
    """A shorter training on drawn faces than that of `benchmarks.neighbours`."""
    preprocessing, network = Preprocessing(SIZE, channels=1), vit()
    faces = TrainingFrames.from_images(
        (random_face(np.random.default_rng(seed), (288, 384)) for seed in range(FACES)),
        preprocessing,
    )
    settings = FitSettings(
        steps=DRAWN_STEPS, batch_size=DRAWN_BATCH, warm_up=30, ema_decay=0.97,
        judge_every=20, precision=PRECISION,
    )  # fmt: skip
    for progress in fit(network, preprocessing, [(faces, 1.0)], None, settings):
        print(f"  {progress.step} loss {progress.loss:.3f}", file=sys.stderr, flush=True)
    save_checkpoint(file, network, preprocessing, training={"summary": f"{FACES} drawn faces"})


class Comparison:
    """All ways on one set and from one seed; the backbone's features are computed once."""

    def __init__(self, data: Data, seed: int) -> None:
        self.data, self.seed = data, seed
        self.network = data.network(0)
        settings = TrainingSettings(quick=True, steps=100, batch_size=8, seed=seed)
        self.settings = FitSettings.chosen(settings, len(data.labelled), PRECISION)
        some = data.frames.subset(data.labelled)
        varied = variants(some, 8, self.settings.augmentation, seed)
        features = computed(varied, data.preprocessing, self.network)
        self.labelled = features
        self.plausible = Plausible(some.xy)
        unlabelled = data.frames.subset(data.unlabelled)
        if data.video is not None:
            unlabelled = TrainingFrames.joined([unlabelled, data.beside(0)])
        self.unlabelled = self.views(unlabelled)
        self.judged = self.views(data.frames.subset(data.judged))

    def views(self, frames: TrainingFrames) -> Views:
        return Views(frames, self.data.preprocessing, self.network)

    def trained(
        self, *, size: int | None = None, teacher: Callable[[int, Rows], Floats] | None = None,
        head_seed: int | None = None,
    ) -> torch.nn.Module:  # fmt: skip
        """A head; with a teacher, half of each step's frames are views without labels."""
        seed = self.seed if head_seed is None else head_seed
        network = self.data.network(seed)
        settings = replace(self.settings, seed=seed)
        if size is not None or teacher is not None:
            settings = replace(settings, batch_size=size or 2 * settings.batch_size)
        labelled = FeatureBatches([self.labelled], [1.0], seed)
        training = Fit(network, network.head, labelled, None, settings)
        if teacher is not None:
            self.training = training
            training.batches = Mixed(labelled, self.unlabelled, teacher, seed)
        while not training.over:
            training.advance()
        training.finish()
        return network.head

    # --- teachers ---------------------------------------------------------------------------------

    def agreed(self, found: tuple[Floats, Floats], *, sure: float = SURE) -> Floats:
        """Points in the frames as they are, NaN where the views disagree or are unsure."""
        points, confidence = found
        apart = np.linalg.norm(points - np.median(points, axis=0), axis=3).max(axis=0)
        kept = (apart <= AGREE) & (confidence.mean(axis=0) >= sure)
        return np.where(kept[..., None], points[0], np.nan)

    def mean_teacher(self, step: int, rows: Rows) -> Floats:
        """What the average of the weights so far finds in the frame as it is."""
        views, training = self.unlabelled, self.training
        if step <= training.settings.steps * 0.4:
            return np.full((len(rows), *views.frames.xy.shape[1:]), np.nan)
        features = views.features[0].subset(rows)
        xy, confidence = predicted(training.network, training.average.module, features)
        return np.where((confidence >= SURE)[..., None], xy, np.nan)

    def still(self, head: torch.nn.Module) -> NDArray[np.bool_]:
        """Points that are found near where they are found shortly before and after."""
        here = predicted(self.network, head, self.unlabelled.features[0])[0][-VIDEO_FRAMES:]
        steps = []
        for distance in (-BESIDE, BESIDE):
            features = computed(self.data.beside(distance), self.data.preprocessing, self.network)
            there = predicted(self.network, head, features)[0]
            steps.append(np.linalg.norm(there - here, axis=2))
        near = np.ones(self.unlabelled.frames.xy.shape[:2], bool)
        near[-VIDEO_FRAMES:] = np.max(steps, axis=0) <= 2 * AGREE
        return near

    # --- the ways ---------------------------------------------------------------------------------

    def run(self, heads: int) -> Iterator[tuple[str, Floats, float]]:
        """Name, errors in the judged frames (N, K) in pixels of the video, and CPU seconds."""
        began = time.process_time()

        def judged(name: str, head: torch.nn.Module) -> tuple[str, Floats, float]:
            nonlocal began
            spent, began = time.process_time() - began, time.process_time()
            xy, _ = predicted(self.network, head, self.judged.features[0])
            return name, self.judged.frames.errors(xy.astype(np.float32)), spent

        base = self.trained()
        yield judged("quick training", base)
        self.joined([base, *(self.trained(head_seed=100 + k) for k in range(1, heads))])
        began = time.process_time()
        found = self.unlabelled.found(self.network, base)
        kept = self.agreed(found)
        self.say(kept, "views agree and are sure")
        likely = np.where(self.plausible(found[0][0])[..., None], kept, np.nan)
        self.say(likely, "and the pose is plausible")
        if self.data.video is not None:
            likely = np.where(self.still(base)[..., None], likely, np.nan)
            self.say(likely, "and near in time")
        yield judged("pseudo-labels", self.trained(teacher=lambda _, rows: kept[rows]))
        yield judged("twice as many labelled views", self.trained(size=16))
        yield judged("mean teacher", self.trained(teacher=self.mean_teacher))

    def joined(self, heads: Sequence[torch.nn.Module]) -> None:
        """Print what heads that share a backbone gain, and what each kind of trust is worth."""
        frames = self.judged.frames
        parts = [predicted(self.network, head, self.judged.features[0]) for head in heads]
        points, confidences = (np.stack(arrays) for arrays in zip(*parts, strict=True))
        views, _ = self.judged.found(self.network, heads[0])
        radius = default_radius(tuple(frames.frame_size[0]))

        def agreeing(estimates: Floats) -> Floats:
            apart = np.linalg.norm(estimates - estimates.mean(axis=0), axis=3).mean(axis=0)
            return 1 / (1 + (apart * frames.pixel_size.mean() / radius) ** 2)

        def errors(xy: Floats) -> Floats:
            return frames.errors(xy.astype(np.float32))

        each = np.stack([errors(xy) for xy in points])
        tell("one head", each.mean(axis=0), heads=len(heads))
        for count in range(2, len(heads) + 1):
            joint = errors(points[:count].mean(axis=0))
            tell("mean of heads", joint, each[:count].mean(axis=0), heads=count)
        tell("median of heads", errors(np.median(points, axis=0)), each.mean(axis=0))
        trusts = {
            "confidence": confidences[0],
            "mean confidence of heads": confidences.mean(axis=0),
            f"agreement of {VIEWS} views": agreeing(views),
            "agreement of heads": agreeing(points),
            "mean confidence and agreement": confidences.mean(axis=0) * agreeing(points),
        }
        for name, trust in trusts.items():
            print(json.dumps({"trust": name, **_worth(trust, each[0], radius)}), flush=True)

    def say(self, kept: Floats, name: str) -> None:
        """How many pseudo-labels there are, and how right those of labelled frames are."""
        taught = np.isfinite(kept).all(axis=2)
        errors = self.unlabelled.frames.errors(kept.astype(np.float32))
        known = errors[np.isfinite(errors)]
        print(
            json.dumps(
                {
                    "pseudo-labels": name,
                    "kept": float(taught.mean()),
                    "mean": float(known.mean()),
                    "median": float(np.median(known)),
                }
            ),
            flush=True,
        )


def tell(way: str, errors: Floats, base: Floats | None = None, **more: float) -> None:
    """Print the errors of a way and what it gains over the base, paired by frames."""
    known = errors[np.isfinite(errors)]
    said = {"way": way, **more, "mean": float(known.mean()), "median": float(np.median(known))}
    if base is not None:
        gain = paired_gain(base, errors)
        said |= {"gain": gain.gain, "interval": gain.interval}
    print(json.dumps(said), flush=True)


def _worth(trust: Floats, errors: Floats, radius: float) -> dict[str, float]:
    """How well trust in points tells wrong points and frames, and the calibration it allows.

    "auc": chance that a point outside the radius is trusted less than one inside. "worst third":
    mean error of the third of frames that hold the least trusted points, over that of all.
    "calibration error": each half of the frames judged by the other.
    """
    judged = np.isfinite(errors)
    right = errors[judged] <= radius
    place = trust[judged].argsort().argsort() + 1
    good = int(right.sum())
    above = place[right].sum() - good * (good + 1) / 2
    least = np.nanmin(np.where(judged, trust, np.nan), axis=1)
    worst = np.argsort(least)[: len(errors) // 3]
    half = len(errors) // 2
    calibrated = np.empty_like(errors)
    for fitted, rated in ((slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))):
        table = fit_calibration(trust[fitted], errors[fitted], radius, (1, 1))
        calibrated[rated] = calibrate(trust[rated], table)
    found = calibration_error(calibrated[judged], right)
    assert found is not None
    return {
        "auc": float(above / (good * int((~right).sum()))),
        "worst third": float(np.nanmean(errors[worst]) / np.nanmean(errors)),
        "calibration error": found,
    }


def run(name: str = "mirror", labelled: int = 20, heads: int = 4, drawn: Path = DRAWN) -> list[Row]:
    """A row for each way, from one seed: its mean error over that of quick training."""
    if not FOLDER.exists():
        return [(_NAME, "no real recording", None, f"none in {DATA}")]
    rows: list[Row] = []
    base: Floats | None = None
    for way, errors, seconds in Comparison(read(name, labelled, drawn), 0).run(heads):
        base = errors if base is None else base
        ratio = float(np.nanmean(errors) / np.nanmean(base))
        rows.append((_NAME, f"{name}, {labelled} frames: {way}", ratio, f"{seconds:.0f} CPU s"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", choices=("face", "mirror"))
    parser.add_argument("--labelled", type=int, default=20, help="labelled frames")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--heads", type=int, default=4, help="that share a backbone")
    parser.add_argument(
        "--drawn",
        type=Path,
        default=DRAWN,
        help="model that the face starts from; trained if it is not there",
    )
    arguments = parser.parse_args()
    data = read(arguments.data, arguments.labelled, arguments.drawn)
    found: dict[str, list[Floats]] = {}
    for seed in arguments.seeds:
        for way, errors, seconds in Comparison(data, seed).run(arguments.heads):
            found.setdefault(way, []).append(errors)
            tell(way, errors, found["quick training"][-1], seed=seed, seconds=seconds)
    for way, parts in found.items():
        tell(way, np.mean(parts, axis=0), np.mean(found["quick training"], axis=0))


if __name__ == "__main__":
    main()
