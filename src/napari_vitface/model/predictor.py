"""A loaded model that predicts: network, preprocessing, device, precision and batch size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_vitface.errors import VitFaceError
from napari_vitface.model.calibration import calibrate
from napari_vitface.model.choice import Choice, choose, measure_batch_size
from napari_vitface.model.device import DTYPES, is_out_of_memory, release_memory
from napari_vitface.model.error_text import first_line
from napari_vitface.model.int8 import find_int8
from napari_vitface.model.metadata import Metadata, TrainingSummary
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.steps import Steps, result_of
from napari_vitface.words import counted

T = TypeVar("T")


@contextmanager
def _room_for(name: str, device: str) -> Iterator[None]:
    """Say which model does not fit where a device's memory is used up."""
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise VitFaceError(
            f"The model {name} does not fit into the memory of device {device} "
            f"({first_line(error)}); close other programs that use it, or choose the device cpu."
        ) from error


class KeypointModel:
    """A network ready to predict, with the choices that were made for this machine.

    Parameters
    ----------
    network : KeypointNetwork
        In fp32; moved to the device and precision.
    preprocessing : Preprocessing
    metadata : dict
        The checkpoint's, see `napari_vitface.model.checkpoint`.
    name : str
    device, precision, batch_size
        ``"auto"`` or a value, see `napari_vitface.model.checkpoint.load_model`.
    choice : Choice, optional
        Device and precision if they are chosen already.
    content : str
        See `napari_vitface.model.choice.choose`.

    Attributes
    ----------
    device : torch.device
    precision : {"fp32", "bf16", "fp16", "int8"}
    int8 : Int8Network or None
        What computes points in int8; `network` stays in fp32 beside it, for attention.
    why : str
        One sentence on why this precision.
    batch_size : int
        Images a forward pass; halved for good when the device runs out of memory.
    on_notice : callable taking a str, optional
        Called with a sentence when the batch is halved.
    notices : list of str
        The same sentences, for callers that look afterwards.
    """

    def __init__(
        self,
        network: KeypointNetwork,
        preprocessing: Preprocessing,
        metadata: Metadata | None = None,
        *,
        name: str = "model",
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | str = "auto",
        choice: Choice | None = None,
        content: str = "",
    ) -> None:
        if batch_size != "auto" and int(batch_size) < 1:
            raise VitFaceError(f"The batch size must be at least 1, not {batch_size}.")
        self.preprocessing = preprocessing
        self.training: TrainingSummary = (metadata and metadata.get("training")) or {}
        self.calibration = None if metadata is None else metadata.get("calibration")
        self.name = name
        self.on_notice: Callable[[str], None] | None = None
        self.notices: list[str] = []
        self.network = network.eval()
        with _room_for(name, device):
            choice = choice or result_of(
                choose(self.network, preprocessing, device, precision, content=content)
            )
            self.device, self.precision = torch.device(choice.device), choice.precision
            self.why = choice.why
            self.network.to(self.device, self.dtype)
        self.int8 = find_int8(content) if self.precision == "int8" else None
        self.batch_size = (
            measure_batch_size(self.network, preprocessing, self.device)
            if batch_size == "auto"
            else int(batch_size)
        )

    @property
    def keypoints(self) -> KeypointSet:
        """The keypoints that the model finds, in the order of its outputs."""
        return self.network.keypoints

    @property
    def dtype(self) -> torch.dtype:
        """The type that the network computes in; fp32 where points are computed by `int8`."""
        return DTYPES.get(self.precision, torch.float32)

    def predict(
        self, canvas: NDArray[np.uint8] | Tensor
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Keypoints of model inputs, of any number: they are cut into batches.

        Parameters
        ----------
        canvas : (B, C, H, W) uint8
            From `View.pad`.

        Returns
        -------
        xy : (B, K, 2) float32
            Input pixels; `View.to_frame` takes them to the video.
        confidence : (B, K) float32
            In [0, 1], calibrated if the checkpoint has a calibration.
        """
        count = len(self.keypoints)
        xy = np.empty((len(canvas), count, 2), dtype=np.float32)
        confidence = np.empty((len(canvas), count), dtype=np.float32)
        for part, (found, sure) in self.in_batches(canvas, self._forward):
            xy[part], confidence[part] = found.cpu().numpy(), sure.cpu().numpy()
        return xy, calibrate(confidence, self.calibration)

    def in_batches(
        self, canvas: NDArray[np.uint8] | Tensor, compute: Callable[[Tensor], T]
    ) -> Iterator[tuple[slice, T]]:
        """What `compute` makes of model inputs, a batch at a time; the batch shrinks as it must.

        Parameters
        ----------
        canvas : (B, C, H, W) uint8
            From `View.pad`.
        compute : callable
            Takes a part of the canvas, see `to_images`.

        Yields
        ------
        part : slice
            Of the canvas.
        result
            Of `compute`.
        """
        images = (
            canvas if isinstance(canvas, Tensor) else torch.from_numpy(np.ascontiguousarray(canvas))
        )
        start = 0
        while start < len(images):
            part = slice(start, min(start + self.batch_size, len(images)))
            try:
                result = compute(images[part])
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                result = None
            if result is None:
                # Outside of the except block: the error's traceback would keep the tensors alive.
                self._halve(part.stop - part.start)
                continue
            yield part, result
            start = part.stop

    def predict_images(
        self, images: Iterable[NDArray[Any]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Keypoints of frames (H, W) or (H, W, 3), in pixels of the frames; sizes may differ.

        Returns
        -------
        xy : (N, K, 2) float32
        confidence : (N, K) float32
        """
        from napari_vitface.video import scale_image

        points, sure = [], []
        for image in images:
            view = self.preprocessing.view((image.shape[0], image.shape[1]))
            xy, confidence = self.predict(view.pad(scale_image(image, view.scale)[None]))
            points.append(view.to_frame(xy)[0].astype(np.float32))
            sure.append(confidence[0])
        count = len(self.keypoints)
        return (
            np.array(points, dtype=np.float32).reshape(-1, count, 2),
            np.array(sure, dtype=np.float32).reshape(-1, count),
        )

    def to_images(self, canvas: Tensor) -> Tensor:
        """A uint8 canvas on any device as what the network takes."""
        canvas = canvas.to(self.device, non_blocking=True)
        return self.preprocessing.normalise(canvas).to(self.dtype)

    def finish(self, output: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Input pixels (B, K, 2) and calibrated confidence (B, K) of the network's output."""
        xy, confidence = self.network.decode(output)
        return xy.cpu().numpy(), calibrate(confidence.cpu().numpy(), self.calibration)

    @torch.inference_mode()
    def _forward(self, canvas: Tensor) -> tuple[Tensor, Tensor]:
        if self.int8 is not None:
            return self.network.decode(self.int8(canvas))
        return self.network.decode(self.network(self.to_images(canvas)))

    def _halve(self, size: int) -> None:
        """Go on with half of the batch that did not fit, and say so."""
        release_memory(self.device)
        if size == 1:
            raise VitFaceError(
                f"{self.device} has too little memory for the model {self.name} even with one "
                "frame at a time; close other programs that use it, or choose the device cpu."
            )
        self.batch_size = size // 2
        notice = (
            f"{self.device} ran out of memory with {counted(size, 'frame')} at a time; "
            f"going on with {self.batch_size}."
        )
        self.notices.append(notice)
        if self.on_notice is not None:
            self.on_notice(notice)


def made_ready(
    network: KeypointNetwork,
    preprocessing: Preprocessing,
    metadata: Metadata | None,
    *,
    name: str,
    device: str,
    precision: str,
    batch_size: int | str,
    content: str,
) -> Steps[KeypointModel]:
    """A `KeypointModel`, told in words; for `content` see `napari_vitface.model.choice.choose`."""
    with _room_for(name, device):
        choice = yield from choose(network, preprocessing, device, precision, content=content)
    return KeypointModel(
        network,
        preprocessing,
        metadata,
        name=name,
        device=device,
        batch_size=batch_size,
        choice=choice,
        content=content,
    )
