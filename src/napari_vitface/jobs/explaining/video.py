"""A video with the attention map of every frame drawn over it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Event, Finished, Notice, Progress, Started
from napari_vitface.jobs.frame_range import frame_range, name_runs, runs_of
from napari_vitface.jobs.pace import Pace
from napari_vitface.jobs.resources import Resources, shared_or_own

if TYPE_CHECKING:
    from napari_vitface.attention.maps import AttentionMaps
    from napari_vitface.model.predictor import KeypointModel
    from napari_vitface.model.preprocessing import View
    from napari_vitface.video import Video

#: Frames per second where the source has no times (a folder of images).
_DEFAULT_RATE = 25.0


@dataclass(frozen=True)
class Look:
    """How maps are drawn.

    Attributes
    ----------
    colours : (N, 4) array of float in [0, 1]
        From no attention to `limit`: red, green, blue, coverage.
    opacity : float
    limit : float or None
        The value of full colour: for maps that are shares, a multiple of an even spread, else in
        the unit of the map. None takes the largest value of the first frame.
    points : bool
        Draw the keypoints that the map is of, where the network found them.
    caption : str
        What stands in a strip below the picture, beside the number of the frame.
    """

    colours: NDArray[np.floating[Any]]
    opacity: float = 0.7
    limit: float | None = None
    points: bool = True
    caption: str = ""


def attention_video(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    model: str | os.PathLike[str] = "mouse-face",
    *,
    colours: NDArray[np.floating[Any]],
    frames: slice | range | str | None = None,
    keypoint: str | Sequence[str] = "all",
    method: str = "rollout",
    layers: str | int | tuple[int | None, int | None] | None = None,
    head_fusion: str = "mean",
    head: int | None = None,
    discard: float = 0.0,
    hide_self: bool = False,
    opacity: float = 0.7,
    limit: float | None = None,
    points: bool = True,
    caption: str = "",
    crop: tuple[int, int, int, int] | None = None,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | str = "auto",
    resources: Resources | None = None,
) -> Iterator[Event]:
    """Write frames of a video with one attention map drawn over each, all in the same colours.

    A frame that cannot be decoded is black. Closing the generator cancels: no file is written.

    Parameters
    ----------
    source : path
        A video or a folder of images.
    output : path
        The suffix chooses the container, as of `napari_vitface.video.VideoWriter`.
    frames : slice, range or "START:STOP:STEP", optional
        Default: all.
    keypoint : str or sequence of str
        ``"all"`` (the mean of all keypoints' maps), ``"global"``, a keypoint, or several (the mean
        of their maps).
    method, layers, head_fusion, head, discard, hide_self
        See `napari_vitface.attention.maps.attention_maps`.
    colours, opacity, limit, points, caption
        See `Look`.
    crop, device, precision, batch_size, resources
        See `napari_vitface.jobs.predict.predict`.

    Yields
    ------
    Started, Progress, Notice
    Finished
        Its result holds ``output``, ``frames``, ``limit`` and ``settings``.

    Raises
    ------
    VitFaceError
        One sentence: the source, model or a setting cannot be used, or the file not be written.
    """
    look = Look(np.asarray(colours), opacity, limit, points, caption)
    with ExitStack() as stack:
        shared = stack.enter_context(shared_or_own(resources))
        video = stack.enter_context(shared.video(source))
        chosen = frame_range(frames, len(video), video.path.name)
        network = stack.enter_context(
            shared.model(model, device=device, precision=precision, batch_size=batch_size)
        )
        preprocessing = network.preprocessing
        if crop is not None:
            preprocessing = preprocessing.with_crop(crop)
        view = preprocessing.view((video.shape[1], video.shape[2]))
        names = list(network.keypoints.names) if keypoint == "all" else keypoint
        settings = {
            "keypoints": names,
            "method": method,
            "layers": layers,
            "head_fusion": head_fusion,
            "head": head,
            "discard": discard,
            "hide_self": hide_self,
        }
        yield Started("attention_video", len(chosen), "Drawing the maps", settings)
        run = _Run(video, network, view, settings, look)
        yield from run.write(Path(output), chosen)
        if run.broken:
            runs = runs_of(run.broken)
            yield Notice(f"Frames that could not be decoded are black: {name_runs(runs)}.")
        result = {
            "output": str(output),
            "frames": len(chosen),
            "limit": run.limit,
            "settings": run.described,
        }
        yield Finished("attention_video", result)


class _Run:
    """One video being drawn."""

    def __init__(
        self,
        video: Video,
        network: KeypointModel,
        view: View,
        settings: dict[str, Any],
        look: Look,
    ) -> None:
        self._video = video
        self._network = network
        self._view = view
        self._settings = settings
        self._look = look
        self.limit = look.limit
        self.described: dict[str, Any] = {}
        self.broken: list[int] = []

    def write(self, path: Path, frames: range) -> Iterator[Event]:
        """Draw and write all frames."""
        from napari_vitface.video import VideoWriter
        from napari_vitface.video.caption import Caption

        size = (self._video.shape[1], self._video.shape[2])
        strip = Caption(self._look.caption, size[1])
        rate = (self._video.frame_rate or _DEFAULT_RATE) / frames.step
        pace, total, done = Pace(), len(frames), 0
        images = self._video.frames(frames, ahead=16)
        try:
            with VideoWriter(path, (size[0] + strip.height, size[1]), rate) as writer:
                for batch in _batches(images, self._network.batch_size):
                    found = None
                    for step in self._attend([image for _, image in batch if image is not None]):
                        if isinstance(step, tuple):
                            yield Progress(done, total, pace.seconds_left(total - done))
                        else:
                            found = step
                    row = 0
                    for number, image in batch:
                        if image is None or found is None:
                            self.broken.append(number)
                            drawn = np.zeros((*size, 3), np.uint8)
                        else:
                            drawn = self._draw(image, found, row)
                            row += 1
                        writer.write(strip.below(drawn, f"frame {number}"))
                    done += len(batch)
                    pace.step(len(batch))
                    yield Progress(done, total, pace.seconds_left(total - done))
        except OSError as error:
            raise VitFaceError(
                f"{path} could not be written ({error.strerror or error}); choose another place."
            ) from error
        finally:
            images.close()  # type: ignore[attr-defined]

    def _attend(self, images: list[NDArray[Any]]) -> Iterator[tuple[int, int] | AttentionMaps]:
        """Steps of the computation, then its result."""
        from napari_vitface.attention.maps import attention_steps
        from napari_vitface.video import scale_image

        if not images:
            return
        view, white = self._view, self._video.white
        scaled = [scale_image(image, view.scale, white=white) for image in images]
        steps = attention_steps(self._network, view.pad(np.stack(scaled)), **self._settings)
        while True:
            try:
                yield next(steps)
            except StopIteration as end:
                self.described = dict(end.value[0].settings)
                yield end.value[0]
                return

    def _draw(self, image: NDArray[Any], found: AttentionMaps, row: int) -> NDArray[np.uint8]:
        from napari_vitface.video.heat import draw_heat, on_pixels
        from napari_vitface.video.overlay import draw_poses

        values = found.maps[row].mean(axis=0)
        if found.settings.get("unit") is None:
            # Shares: beside an even spread.
            values = values * values.size
        if self.limit is None:
            self.limit = float(values.max()) or 1.0
        scale, translate = self._view.grid_placement((values.shape[0], values.shape[1]))
        rows, columns = (np.arange(count, dtype=np.float64) for count in image.shape[:2])
        heat = on_pixels(values, scale, translate, rows, columns)
        look, white = self._look, self._video.white
        drawn = draw_heat(image, heat, self.limit, look.colours, look.opacity, white=white)
        if not look.points:
            return drawn
        keypoints = self._network.keypoints
        xy = self._view.to_frame(found.xy[row]).astype(np.float64)
        xy[[name not in found.names for name in keypoints.names]] = np.nan
        return draw_poses(drawn, xy, found.confidence[row], keypoints, skeleton=False)


def _batches(
    images: Iterator[tuple[int, NDArray[Any] | None]], size: int
) -> Iterator[list[tuple[int, NDArray[Any] | None]]]:
    batch = []
    for each in images:
        batch.append(each)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
