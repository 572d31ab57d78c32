"""The attention of one frame: where the network looked to place each keypoint."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vitface.jobs.events import AttentionComputed, Event, Finished, Started
from napari_vitface.jobs.explaining.map_files import (
    check_output,
    write_maps,
    write_picture,
)
from napari_vitface.jobs.explaining.walk import begin, rounded
from napari_vitface.jobs.outputs import told_path
from napari_vitface.jobs.pace import Counter
from napari_vitface.jobs.resources import Resources
from napari_vitface.jobs.results.attention import ExplainResult, ExplainSettings
from napari_vitface.jobs.video_events import MadeBy
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.settings.attention import DEFAULT, settable
from napari_vitface.settings.attention_method import AttentionMethod
from napari_vitface.settings.computing import Looking
from napari_vitface.settings.option import takes

if TYPE_CHECKING:
    from napari_vitface.attention.maps import AttentionMaps
    from napari_vitface.video import Video


@takes(Looking, more=settable)
def explain(
    source: str | os.PathLike[str],
    frame: int,
    model: str | os.PathLike[str] = "mouse-face",
    *,
    keypoint: str | Sequence[str] = "all",
    points: Sequence[tuple[float, float]] = (),
    method: str = DEFAULT,
    story: bool = False,
    faithfulness: Mapping[str, float] | None = None,
    output: str | os.PathLike[str] | None = None,
    resources: Resources | None = None,
    **settings: Any,
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
    story : bool
        The maps after each layer of the range, first to last, one event each; see
        `napari_vitface.attention.maps.attention_steps`.
    faithfulness : mapping of str to float, optional
        Scores of these maps (see `napari_vitface.jobs.explaining.faithfulness`), to be kept with
        them: in their settings and in the titles of a picture.
    output : path, optional
        Also write the maps: ``.npz`` or ``.png``, and with `story` ``.mp4``.
    resources : Resources, optional
        Where to borrow the model and the video from.
    method, **settings
        See `napari_vitface.settings.attention`.
    {settings}

    Yields
    ------
    Preparing, Started, Progress
        Of methods that take a while.
    AttentionComputed
    Finished
        With an `ExplainResult`.

    Raises
    ------
    VitFaceError
        One sentence: the source, frame, model or a setting cannot be used.
    """
    path = check_output(output, (".npz", ".png", ".mp4") if story else (".npz", ".png"))
    with ExitStack() as stack:
        walk = yield from begin(stack, source, model, frame, method, settings, resources)
        walk.scores = faithfulness
        video, network, view, frame = walk.video, walk.model, walk.view, walk.frames[0]

        from napari_vitface.video import scale_image

        scaled = scale_image(video[frame], view.scale, white=video.white)
        steps = walk.look(view.pad(scaled[None]), keypoint, points=points, story=story)
        found = yield from _in_steps(steps, walk.how)
        computed = [walk.placed(each, 0, frame) for each in found]
        yield from computed
        if path is not None:
            made_by = walk.resources.made_by()
            yield from _write(path, computed, network.keypoints, video, made_by, story=story)
        last = computed[-1]
        result = ExplainResult(
            source=str(video.path),
            frame=frame,
            names=last.names,
            prefix_share=rounded(last.prefix_share),
            keypoints=network.keypoints,
            settings=last.settings,
            output=told_path(path),
        )
        yield Finished("explain", result)


def _in_steps(
    steps: Generator[tuple[int, int], None, list[AttentionMaps]], how: AttentionMethod
) -> Generator[Event, None, list[AttentionMaps]]:
    """Progress of one frame; of methods that take seconds, what is counted is said first."""
    counter, told = Counter(0), 0
    while True:
        try:
            done, total = next(steps)
        except StopIteration as end:
            return end.value
        if not told and how.cost == "seconds":
            yield Started("explain", total, settings=ExplainSettings(unit="steps", method=how.name))
        told = done
        yield counter.of((done, total))


def _write(
    path: Path,
    maps: list[AttentionComputed],
    keypoints: KeypointSet,
    video: Video,
    made_by: MadeBy | None,
    *,
    story: bool,
) -> Iterator[Event]:
    source, kind = str(video.path), path.suffix.lower()
    if kind == ".npz":
        along = "layers" if story else None
        write_maps(path, maps, source=source, keypoints=keypoints, along=along, made_by=made_by)
    elif kind == ".png":
        image = video[maps[0].frame]
        write_picture(path, maps, keypoints, image, source=source, white=video.white)
    else:
        from napari_vitface.jobs.explaining.map_video import write_layers

        yield from write_layers(path, maps, keypoints, video)
