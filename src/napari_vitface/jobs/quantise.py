"""Make a model ready to compute in 8 bits on this computer's processor."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import LabelError, VitFaceError
from napari_vitface.jobs.events import Event, Finished, Notice, Settings, Started
from napari_vitface.jobs.preparing import preparing
from napari_vitface.jobs.results.models import QuantiseResult
from napari_vitface.settings.computing import Computing, WhiteLevel
from napari_vitface.settings.option import takes

if TYPE_CHECKING:
    from napari_vitface.jobs.resources import Resources
    from napari_vitface.model.int8 import Quantised
    from napari_vitface.model.predictor import KeypointModel
    from napari_vitface.model.preprocessing import Preprocessing, View
    from napari_vitface.video import Video

#: Frames that a model is quantised and judged on, one half each, spread over what is given.
FRAMES = 32
#: Frames of each video on which it is seen whether a quantised model finds fp32's points there.
_PROBES = 4


@takes(WhiteLevel)
def quantise(
    model: str | os.PathLike[str] = "mouse-face",
    *,
    sources: Sequence[str | os.PathLike[str]],
    **settings: Any,
) -> Iterator[Event]:
    """Make a model ready for int8, on frames like those that it is to be used on.

    The model in 8 bits is kept in the user's cache folder; nothing else is written. From then on
    ``precision="int8"`` computes with it on this computer, and ``"auto"`` tries it too.

    Parameters
    ----------
    model : str or path
        Name of a bundled model or a ``.safetensors`` file.
    sources : paths
        Videos, or labels: a DeepLabCut project, a ``labeled-data/<video>`` folder, or a
        ``CollectedData_*.csv|.h5``, of which the frames count. 32 frames are used, or all of fewer.
    {settings}

    Yields
    ------
    Preparing, Started
    Finished
        With a `QuantiseResult`.

    Raises
    ------
    VitFaceError
        One sentence: the model or the frames cannot be used, or packages are missing.
    """
    from napari_vitface.model.checkpoint import find_model, importing_torch, load_network

    white = WhiteLevel(**settings).white
    file = find_model(model)
    yield Started("quantise", 1, settings=Settings(model=file.stem, unit="models"))
    yield from preparing(importing_torch())
    _, preprocessing, _ = load_network(file)
    canvas = np.concatenate(
        [
            _frames_of(Path(source), preprocessing, FRAMES // len(sources), white)
            for source in sources
        ]
    )
    name = ", ".join(Path(source).resolve().name for source in sources)
    made = yield from make_int8(file, canvas, name)
    yield Finished("quantise", QuantiseResult(made.frames, made.moved, made.agrees))


def make_int8(
    file: Path, canvas: NDArray[np.uint8], source: str
) -> Generator[Event, None, Quantised]:
    """Quantise the checkpoint `file` on inputs (N, C, H, W) from `source`, and keep it."""
    from napari_vitface.model.checkpoint import file_digest, load_network
    from napari_vitface.model.int8 import quantise as quantised

    if len(canvas) < 2:
        raise VitFaceError(f"int8 needs two frames at least to be prepared on; {source} has fewer.")
    network, preprocessing, _ = load_network(file)
    return (
        yield from preparing(quantised(network, preprocessing, canvas, file_digest(file), source))
    )


def has_int8(file: Path) -> bool:
    """Whether the checkpoint `file` was made ready on this computer before."""
    from napari_vitface.model.checkpoint import file_digest
    from napari_vitface.model.int8 import find_int8

    return find_int8(file_digest(file)) is not None


def suited(
    stack: ExitStack,
    resources: Resources,
    video: Video,
    view: View,
    file: Path,
    model: KeypointModel,
    computing: Computing,
) -> Generator[Event, None, KeypointModel]:
    """The model to predict a video with: in int8 where that finds fp32's points in this video.

    Where `computing` asks for int8 and `model`, which is loaded from `file`, is not in int8, it is
    made ready for it, on frames of this video.
    """
    from napari_vitface.model.int8 import LIMIT, points_moved

    if computing.precision == "int8" and model.int8 is None:
        yield from make_int8(file, spread_inputs(video, view), video.path.name)
        model = yield from resources.loading(stack, file, computing)
    if model.int8 is None:
        return model
    canvas = spread_inputs(video, view, _PROBES)
    if not len(canvas):
        return model
    moved = points_moved(model.int8, model.network, model.preprocessing, canvas)
    if moved <= LIMIT:
        return model
    sentence = (
        f"In int8, half of the points in {video.path.name} move by over {moved:.2f} input pixels"
    )
    if computing.precision == "int8":
        raise VitFaceError(
            f"{sentence}; choose another precision, or make the model ready on this video: "
            "napari-vitface quantise MODEL VIDEO"
        )
    yield Notice(f"{sentence}, so it is predicted in fp32.")
    return (yield from resources.loading(stack, file, replace(computing, precision="fp32")))


def spread_inputs(video: Video, view: View, count: int = FRAMES) -> NDArray[np.uint8]:
    """Inputs (N, C, H, W) of up to `count` frames spread over a video, broken ones left out."""
    frames = range(0, len(video), max(1, len(video) // count))[:count]
    read: Any = video.frames(frames, scale=view.scale)
    images = [image for _, image in read if image is not None]
    if not images:
        return np.empty((0, view.preprocessing.channels, *view.preprocessing.input_size), np.uint8)
    return view.pad(np.stack(images))


def _frames_of(
    source: Path, preprocessing: Preprocessing, count: int, white: int | None
) -> NDArray[np.uint8]:
    from napari_vitface.formats.format import suffixes
    from napari_vitface.project.label_reading import read_labels
    from napari_vitface.project.white import labelled_images, white_of
    from napari_vitface.video import open_video, scale_image

    images: list[Path] = []
    if source.is_dir() or source.suffix.lower() in suffixes("labels"):
        try:
            images = [Path(path) for path in read_labels(source).images]
        except LabelError:
            if not source.is_dir():
                raise
    if not images:
        with open_video(source, white=white_of(source, white)) as video:
            size = (video.shape[1], video.shape[2])
            return spread_inputs(video, preprocessing.view(size), count)
    found, read = [], labelled_images(white)
    for path in images[:: max(1, len(images) // count)][:count]:
        image = read(path)
        view = preprocessing.view((image.shape[0], image.shape[1]))
        found.append(view.pad(scale_image(image, view.scale)[None]))
    return np.concatenate(found)
