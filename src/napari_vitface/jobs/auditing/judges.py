"""Small networks that have not seen the labels which they judge, and how they are trained."""

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

    from napari_vitface.model.network import KeypointNetwork
    from napari_vitface.model.preprocessing import Preprocessing
    from napari_vitface.training.fit import FitSettings
    from napari_vitface.training.frame_inputs import TrainingFrames

#: Pixels of the inputs: enough to find what is wrong, and quick.
_AREA = 96 * 128
#: Drawn faces to learn from where no model may be used, and steps on them.
_FACES, _DRAWN_STEPS = 500, 500
#: Steps of each fold: so many, and one more for every other frame, up to the third number.
_STEPS, _FRAMES_A_STEP, _MOST_STEPS = 100, 2, 400
#: More where the networks know none of the keypoints yet.
_STEPS_FRESH = 250
#: A larger network would take too long on a CPU.
_MOST_PARAMETERS_ON_CPU = 30_000_000
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
    """What each fold's network is trained from.

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
    """

    network: KeypointNetwork
    preprocessing: Preprocessing
    name: str
    why: str
    device: torch.device
    precision: str
    drawn: bool
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
        from napari_vitface.training.fit import FitSettings
        from napari_vitface.training.frame_inputs import TrainingFrames
        from napari_vitface.training.start import adapt

        settings = FitSettings(
            steps=self.drawn_steps,
            warm_up=50,
            ema_decay=0.99,
            precision=self.precision,
            seed=self.seed,
        )
        frames = TrainingFrames.joined(drawings)
        yield from _steps(self.network, self.preprocessing, frames, settings)
        self.network = adapt(self.network.cpu(), audited.labels.keypoints).to(self.device)

    def fold_steps(self, frames: int, keypoints: Sequence[str]) -> int:
        """Steps of training on so many labelled frames."""
        known = MOUSE_FACE.names if self.drawn else self.network.keypoints.names
        fresh = not set(known) & set(keypoints)
        return min(_MOST_STEPS, _STEPS + frames // _FRAMES_A_STEP + fresh * _STEPS_FRESH)


class Fold:
    """A network trained on some of the labelled frames, to judge the others."""

    def __init__(self, beginning: Beginning, frames: TrainingFrames, steps: int, seed: int) -> None:
        from napari_vitface.training.augmentation import Augmentation
        from napari_vitface.training.fit import FitSettings

        self._network = copy.deepcopy(beginning.network)
        self._preprocessing = beginning.preprocessing
        self._frames = frames
        self._settings = FitSettings(
            steps=steps,
            warm_up=20,
            ema_decay=0.97,
            layer_decay=1.0 if beginning.drawn else 0.8,
            precision=beginning.precision,
            seed=seed,
            augmentation=Augmentation(**_LITTLE),
        )

    def train(self) -> Iterator[None]:
        """A step at a time."""
        yield from _steps(self._network, self._preprocessing, self._frames, self._settings)

    def predict(self, frames: TrainingFrames) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Points (n, K, 2) in pixels of the video, and raw confidence (n, K)."""
        from napari_vitface.training.fit import predict_inputs

        xy, confidence = predict_inputs(self._network, self._preprocessing, frames)
        return frames.to_video(xy), confidence


def _steps(
    network: KeypointNetwork,
    preprocessing: Preprocessing,
    frames: TrainingFrames,
    settings: FitSettings,
) -> Iterator[None]:
    from napari_vitface.training.batches import ImageBatches
    from napari_vitface.training.fit import Fit

    keypoints = network.keypoints
    swaps = [(keypoints.index(a), keypoints.index(b)) for a, b in keypoints.swaps]
    device = next(network.parameters()).device
    batches = ImageBatches(
        [(frames, 1.0)], preprocessing, settings.augmentation, swaps, settings.seed, device
    )
    training = Fit(network, network, batches, None, settings)
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
        "scratch", MOUSE_FACE, frame_size, head=HEATMAP.name, image_size=size, seed=seed
    )
    where, how, _ = yield from choose_training(
        start.network, start.preprocessing, device, precision
    )
    why = f"The networks that judge start from drawn faces: {'; '.join(refusals)}."
    return Beginning(start.network, start.preprocessing, "drawn faces", why, where, how, True, seed)


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
    parameters = sum(tensor.numel() for tensor in start.network.parameters())
    if where.type == "cpu" and parameters > _MOST_PARAMETERS_ON_CPU:
        raise BackboneError(
            f"{file.stem} has {parameters // 1_000_000} million weights, too many to train it anew "
            "for each block on a CPU"
        )
    why = f"The networks that judge start from {file.stem}, which was not trained on these labels."
    return Beginning(start.network, start.preprocessing, file.stem, why, where, how, False, seed)


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
