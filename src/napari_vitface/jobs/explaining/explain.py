"""The attention of one frame: where the network looked to place each keypoint."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import AttentionComputed, Event, Finished, Progress, Started
from napari_vitface.jobs.explaining.files import (
    check_output,
    write_maps,
    write_picture,
)
from napari_vitface.jobs.explaining.view import (
    Layers,
    MapChoices,
    is_slow,
    look,
    placed,
    rounded,
)
from napari_vitface.jobs.find_face import Crop, view_of
from napari_vitface.jobs.pace import Pace
from napari_vitface.jobs.resources import Resources, shared_or_own
from napari_vitface.pose.keypoints import KeypointSet

if TYPE_CHECKING:
    from napari_vitface.video import Video


def explain(
    source: str | os.PathLike[str],
    frame: int,
    model: str | os.PathLike[str] = "mouse-face",
    *,
    keypoint: str | Sequence[str] = "all",
    points: Sequence[tuple[float, float]] = (),
    method: str = "rollout",
    layers: Layers = None,
    head_fusion: str = "mean",
    head: int | None = None,
    discard: float = 0.0,
    hide_self: bool = False,
    story: bool = False,
    square: float = 2.0,
    measure: str = "moved",
    grey: int | None = None,
    segments: int = 50,
    orders: int = 16,
    faithfulness: Mapping[str, float] | None = None,
    output: str | os.PathLike[str] | None = None,
    crop: Crop | None = None,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | str = "auto",
    resources: Resources | None = None,
) -> Iterator[Event]:
    """Compute attention maps of one frame, and its pose in the same forward pass.

    Two models on one frame are two such jobs.

    Parameters
    ----------
    source : path
        A video, an image or a folder of images.
    frame : int
        Counted from 0; negative from the end.
    model : str or path
        Name of a bundled model or a ``.safetensors`` file.
    keypoint : str or sequence of str
        ``"all"`` (each keypoint, then ``"global"``), ``"global"``, or names of keypoints; none if
        there are `points`.
    points : sequence of (x, y)
        Further maps that start from any place, video pixels; each is named ``"(x, y)"``.
    method, layers, head_fusion, head, discard, hide_self
        See `napari_vitface.attention.maps.attention_maps`.
    story : bool
        The maps after each layer of the range, first to last, one event each; see
        `napari_vitface.attention.maps.attention_story`.
    square, measure, grey, segments, orders
        For occlusion and superpixels, see `napari_vitface.attention.perturbations.Blanks`.
    faithfulness : mapping of str to float, optional
        Scores of these maps (see `napari_vitface.jobs.explaining.faithfulness`), to be kept with
        them: in their settings and in the titles of a picture.
    output : path, optional
        Also write the maps: ``.npz`` or ``.png``, and with `story` ``.mp4``.
    crop : (x, y, w, h) or "auto", optional
        Part of the frame to look at, in video pixels; "auto" is where
        `napari_vitface.jobs.find_face` finds a face. Default: the crop stored with the model, or
        the whole frame.
    device, precision, batch_size
        See `napari_vitface.jobs.predict.predict`. One frame needs one batch; with the settings of
        a prediction, its loaded model is used again.
    resources : Resources, optional
        Where to borrow the model and the video from.

    Yields
    ------
    Preparing, Started, Progress
        Of methods that take a while.
    AttentionComputed
    Finished
        Its result holds ``frame``, ``names``, ``prefix_share``, ``settings`` and ``output``.

    Raises
    ------
    VitFaceError
        One sentence: the source, frame, model or a setting cannot be used.
    """
    choices: MapChoices = {
        "method": method,
        "layers": layers,
        "head_fusion": head_fusion,
        "head": head,
        "discard": discard,
        "hide_self": hide_self,
        "square": square,
        "measure": measure,
        "grey": grey,
        "segments": segments,
        "orders": orders,
    }
    path = check_output(output, (".npz", ".png", ".mp4") if story else (".npz", ".png"))
    with ExitStack() as stack:
        shared = stack.enter_context(shared_or_own(resources))
        video = stack.enter_context(shared.video(source))
        if not -len(video) <= frame < len(video):
            raise VitFaceError(
                f"{video.path.name} has the frames 0 to {len(video) - 1}, and no frame {frame}."
            )
        frame %= len(video)
        # A frame that cannot be decoded is told before the model is loaded for it.
        image = video[frame]
        network = yield from shared.loading(
            stack, model, device=device, precision=precision, batch_size=batch_size
        )

        from napari_vitface.video import scale_image

        view = yield from view_of(video, network, crop)
        scaled = scale_image(image, view.scale, white=video.white)
        places = {f"({x:g}, {y:g})": (x, y) for x, y in points}
        steps = look(
            network, view, view.pad(scaled[None]), keypoint, choices, points=places, story=story
        )
        pace, told = Pace(), 0
        while True:
            try:
                done, total = next(steps)
            except StopIteration as end:
                found = end.value
                break
            if not told and is_slow(choices):
                yield Started("explain", total, settings={"method": method, "unit": "steps"})
            pace.step(done - told)
            told = done
            yield Progress(done, total, pace.seconds_left(total - done))
        scores = {} if faithfulness is None else {"faithfulness": dict(faithfulness)}
        computed = [placed(each, 0, frame, view, network, scores) for each in found]
        yield from computed
        if path is not None:
            yield from _write(path, computed, network.keypoints, video, story=story)
        last = computed[-1]
        result = {
            "source": str(video.path),
            "frame": frame,
            "names": list(last.names),
            "prefix_share": rounded(last.prefix_share),
            "keypoints": network.keypoints.to_dict(),
            "settings": last.settings,
            "output": None if path is None else str(path),
        }
        yield Finished("explain", result)


def _write(
    path: Path,
    maps: list[AttentionComputed],
    keypoints: KeypointSet,
    video: Video,
    *,
    story: bool,
) -> Iterator[Event]:
    source, kind = str(video.path), path.suffix.lower()
    if kind == ".npz":
        along = "layers" if story else None
        write_maps(path, maps, source=source, keypoints=keypoints, along=along)
    elif kind == ".png":
        image = video[maps[0].frame]
        write_picture(path, maps, keypoints, image, source=source, white=video.white)
    else:
        from napari_vitface.jobs.explaining.video import write_layers

        yield from write_layers(path, maps, keypoints, video)
