"""Networks that have not seen the labels which they judge, and how they are trained.

The backbone has seen none of the labels, so one serves all blocks: its features of each frame are
computed once, and for each block a head is trained on those of the others.
"""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import BackboneError
from napari_vitface.jobs.auditing.judged_labels import AuditedLabels
from napari_vitface.jobs.training.labelled_data import seen_in_training, trained_frames
from napari_vitface.pose.keypoints import MOUSE_FACE
from napari_vitface.settings.heads import DEFAULT_HEAD, HEATMAP, find_head
from napari_vitface.steps import Steps

if TYPE_CHECKING:
    import torch
    from torch import nn

    from napari_vitface.model.network import KeypointNetwork
    from napari_vitface.model.preprocessing import Preprocessing
    from napari_vitface.training.batches import Batches, Features
    from napari_vitface.training.fit import FitSettings
    from napari_vitface.training.frame_inputs import TrainingFrames

#: Pixels of the inputs: enough to find what is wrong, and quick.
_AREA = 96 * 128
#: Drawn faces to learn from where no model may be used, steps on them, and blocks of the network.
_FACES, _DRAWN_STEPS, _DEPTH = 250, 250, 5
#: Features are computed of so many inputs for each frame, of so many in all.
_VARIANTS, _MOST_INPUTS = 8, 2000
#: Steps of each block's head: where it comes from a model that knows the keypoints, from drawn
#: faces, and where there is one that it does not know.
_STEPS_KNOWN, _STEPS_DRAWN, _STEPS_FRESH = 50, 150, 300
#: How inputs are varied: a camera that stands still.
_LITTLE = {
    "rotation": 6,
    "scale": 0.07,
    "translation": 0.03,
    "contrast": 0.25,
    "gamma": 0.25,
    "erase": 0.2,
}


@dataclass
class Beginning:
    """The backbone of all folds, and the head that each fold's is trained from.

    Attributes
    ----------
    network : KeypointNetwork
        On the device. With `drawn`, it finds the keypoints of drawn faces until
        `learn_from_drawings` was run to its end.
    preprocessing : Preprocessing
    name : str
        The model's, or "drawn faces".
    why : str
        One sentence.
    device, precision
    drawn : bool
    known : tuple of str
        Keypoints that its head knows before it has seen a label.
    """

    network: KeypointNetwork
    preprocessing: Preprocessing
    name: str
    why: str
    device: torch.device
    precision: str
    drawn: bool
    known: tuple[str, ...]
    seed: int

    @property
    def faces(self) -> int:
        """Faces to draw."""
        return _FACES if self.drawn else 0

    @property
    def drawn_steps(self) -> int:
        """Steps of training on them."""
        return _DRAWN_STEPS if self.drawn else 0

    def drawings(self) -> Iterator[TrainingFrames]:
        """Drawn faces, one at a time: each of another animal under another light."""
        from napari_vitface.sample import random_face
        from napari_vitface.training.frame_inputs import TrainingFrames

        height, width = self.preprocessing.input_size
        whole = self.preprocessing.with_crop(None)
        for number in range(self.faces):
            rng = np.random.default_rng([self.seed, number])
            image, xy = random_face(rng, (2 * height, 2 * width))
            yield TrainingFrames.from_image(image, xy, preprocessing=whole)

    def learn_from_drawings(
        self, drawings: Sequence[TrainingFrames], audited: AuditedLabels
    ) -> Iterator[None]:
        """Train on drawn faces, a step at a time, and turn to the labels' keypoints."""
        from napari_vitface.training.batches import ImageBatches
        from napari_vitface.training.fit import FitSettings
        from napari_vitface.training.frame_inputs import TrainingFrames
        from napari_vitface.training.start import adapt

        settings = FitSettings(
            steps=self.drawn_steps,
            warm_up=25,
            ema_decay=0.99,
            precision=self.precision,
            seed=self.seed,
        )
        network = self.network
        keypoints = network.keypoints
        swaps = [(keypoints.index(a), keypoints.index(b)) for a, b in keypoints.swaps]
        batches = ImageBatches(
            [(TrainingFrames.joined(drawings), 1.0)], self.preprocessing, settings.augmentation,
            swaps, settings.seed, self.device,
        )  # fmt: skip
        yield from _steps(network, network, batches, settings)
        self.network = adapt(self.network.cpu(), audited.labels.keypoints).to(self.device)

    def head_steps(self, keypoints: Sequence[str]) -> int:
        """Steps of training a head for these keypoints."""
        if not set(keypoints) <= set(self.known):
            return _STEPS_FRESH
        return _STEPS_DRAWN if self.drawn else _STEPS_KNOWN

    def features(self, frames: TrainingFrames) -> Features:
        """Features, not computed yet, of the frames and of variants of them.

        The variants follow the frames, all of them each time.
        """
        from napari_vitface.training.augmentation import Augmentation
        from napari_vitface.training.batches import Features, variants

        little = Augmentation(**_LITTLE)
        varied = variants(frames, count_variants(len(frames)), little, self.seed)
        return Features(varied, self.preprocessing)


def count_variants(frames: int) -> int:
    """How often features are computed of each of so many frames."""
    return max(2, min(_VARIANTS, _MOST_INPUTS // frames))


class Fold:
    """A head trained on the features of some of the labelled frames, to judge the others.

    Parameters
    ----------
    beginning : Beginning
    features : Features
        Of `Beginning.features`, computed.
    held : (n,) array of int
        The frames to be judged, of `count`.
    count, steps, seed : int
    """

    def __init__(
        self,
        beginning: Beginning,
        features: Features,
        held: NDArray[np.intp],
        count: int,
        steps: int,
        seed: int,
    ) -> None:
        self._network = copy.deepcopy(beginning.network)
        self._precision = beginning.precision
        self._steps, self._seed = steps, seed
        # The head of a model in use may look at the image too, which takes long.
        self._batch_size = 16 if beginning.drawn else 8
        rows = np.arange(len(features.frames))
        self._others = features.subset(rows[~np.isin(rows % count, held)])
        self._held = features.subset(held)

    def train(self) -> Iterator[None]:
        """A step at a time."""
        from napari_vitface.training.batches import FeatureBatches
        from napari_vitface.training.fit import FitSettings

        settings = FitSettings(
            steps=self._steps,
            batch_size=self._batch_size,
            learning_rate=2e-3,
            warm_up=20,
            ema_decay=0.97,
            precision=self._precision,
            seed=self._seed,
        )
        batches = FeatureBatches([self._others], [1.0], self._seed)
        yield from _steps(self._network, self._network.head, batches, settings)

    def predict(self) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Points (n, K, 2) in pixels of the video, and raw confidence (n, K)."""
        import torch

        network = self._network
        with torch.inference_mode():
            output = network.head(*self._held.inputs(slice(None)))
            xy, confidence = network.decode(output.float())
        return self._held.frames.to_video(xy.cpu().numpy()), confidence.cpu().numpy()


def _steps(
    network: KeypointNetwork, module: nn.Module, batches: Batches, settings: FitSettings
) -> Iterator[None]:
    from napari_vitface.training.fit import Fit

    training = Fit(network, module, batches, None, settings)
    while not training.over:
        training.advance()
        yield
    training.finish()


# --- choosing -------------------------------------------------------------------------------------


def choose_beginning(
    model: str | os.PathLike[str], audited: AuditedLabels, device: str, precision: str, seed: int
) -> Steps[Beginning]:
    """The model in use if it has not seen the labels, else the bundled one on the same condition,
    else random weights that drawn faces are shown to first.

    Raises
    ------
    VitFaceError
        There is no such model or device.
    """
    from napari_vitface.model.building import nearest_input_size
    from napari_vitface.model.checkpoint import DEFAULT_MODEL
    from napari_vitface.training.precision import choose_training
    from napari_vitface.training.start import DEFAULT_BACKBONE, start_from

    yield "Loading the model"
    image = audited.read(0)
    frame_size = (image.shape[0], image.shape[1])
    refusals = []
    for name in dict.fromkeys((os.fspath(model), DEFAULT_MODEL)):
        reason = _seen(name, audited)
        if not reason:
            try:
                return (yield from _from_model(name, audited, frame_size, device, precision, seed))
            except BackboneError as error:
                reason = str(error).rstrip(".")
        refusals.append(reason)
    size = nearest_input_size(DEFAULT_BACKBONE, _like(frame_size))
    start = start_from(
        "scratch", MOUSE_FACE, frame_size, head=HEATMAP.name, image_size=size, seed=seed,
        timm_args={"depth": _DEPTH},
    )  # fmt: skip
    where, how, _ = yield from choose_training(
        start.network, start.preprocessing, device, precision
    )
    why = f"The networks that judge start from drawn faces: {'; '.join(refusals)}."
    return Beginning(
        start.network, start.preprocessing, "drawn faces", why, where, how, True, MOUSE_FACE.names,
        seed,
    )  # fmt: skip


def _from_model(
    name: str,
    audited: AuditedLabels,
    frame_size: tuple[int, int],
    device: str,
    precision: str,
    seed: int,
) -> Steps[Beginning]:
    from napari_vitface.model.building import nearest_input_size
    from napari_vitface.model.checkpoint import find_model
    from napari_vitface.model.header import read_metadata
    from napari_vitface.training.precision import choose_training
    from napari_vitface.training.start import start_from

    file = find_model(name)
    keypoints = audited.labels.keypoints
    description = read_metadata(file)["network"]
    timm_name = description["backbone"]["timm_name"]
    # Bare coordinates say nothing of how sure they are.
    head = None if find_head(description["head"]["name"]).maps else DEFAULT_HEAD
    size = nearest_input_size(timm_name.partition(".")[0], _like(frame_size))
    start = start_from(file, keypoints, frame_size, head=head, image_size=size, seed=seed)
    where, how, _ = yield from choose_training(
        start.network, start.preprocessing, device, precision
    )
    why = f"The networks that judge start from {file.stem}, which was not trained on these labels."
    return Beginning(
        start.network, start.preprocessing, file.stem, why, where, how, False, start.kept, seed
    )


def _seen(name: str, audited: AuditedLabels) -> str:
    """Why a model may not judge, nor train what judges; empty if it may."""
    from napari_vitface.model.checkpoint import find_model
    from napari_vitface.model.header import read_metadata

    file = find_model(name)
    training = read_metadata(file)["training"]
    if not trained_frames(training):
        return f"{file.stem} does not say which labels it was trained on"
    seen = seen_in_training(audited.labels, training)
    if seen.any():
        videos = ", ".join(sorted(set(audited.labels.videos[seen].tolist())))
        return f"{file.stem} was trained on labels of {videos}, mistakes included"
    return ""


def _like(frame_size: tuple[int, int]) -> tuple[int, int]:
    """A size of `_AREA` pixels with the shape of the frames."""
    factor = math.sqrt(_AREA / (frame_size[0] * frame_size[1]))
    return round(frame_size[0] * factor), round(frame_size[1] * factor)
