"""Attention maps of a range of frames, or their mean."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import AttentionComputed, Event, Finished, Started
from napari_vitface.jobs.explaining.map_files import (
    check_output,
    write_maps,
    write_picture,
)
from napari_vitface.jobs.explaining.walk import FrameMaps, begin
from napari_vitface.jobs.frame_range import limits_of
from napari_vitface.jobs.outputs import told_path
from napari_vitface.jobs.resources import Resources
from napari_vitface.jobs.results.attention import ExplainFramesResult
from napari_vitface.jobs.video_events import MadeBy
from napari_vitface.settings.attention import DEFAULT, settable
from napari_vitface.settings.attention_method import MapSettings
from napari_vitface.settings.computing import Looking
from napari_vitface.settings.option import takes

if TYPE_CHECKING:
    from napari_vitface.pose.keypoints import KeypointSet
    from napari_vitface.video import Video

#: Bytes of maps that a file of many frames may hold.
_LARGEST = 2 << 30


@takes(Looking, more=settable)
def explain_frames(
    source: str | os.PathLike[str],
    model: str | os.PathLike[str] = "mouse-face",
    *,
    frames: slice | range | str | None = None,
    keypoint: str | Sequence[str] = "all",
    average: bool = False,
    faithfulness: Mapping[str, float] | None = None,
    output: str | os.PathLike[str] | None = None,
    resources: Resources | None = None,
    method: str = DEFAULT,
    **settings: Any,
) -> Iterator[Event]:
    """Compute the attention maps of some frames of a video.

    Parameters
    ----------
    source, model, keypoint, resources
        See `napari_vitface.jobs.explaining.explain.explain`.
    frames : slice, range or str
        ``START:STOP:STEP``; default all.
    average : bool
        Give one map of each kind, the mean over the frames, instead of those of each frame. A
        camera that stands still is taken for granted: the patch grid is the same in each frame.
    faithfulness : mapping of str to float, optional
        As for one frame.
    output : path, optional
        Also write ``.npz`` (all maps, or the mean) or, of a mean, ``.png``. Frames with their maps
        drawn over them are written by `napari_vitface.jobs.explaining.map_video.attention_video`.
    method, **settings
        See `napari_vitface.settings.attention`.
    {settings}

    Yields
    ------
    Preparing, Started, Progress, Notice
    AttentionComputed
        One a frame; of a mean, one at the end.
    Finished
        With an `ExplainFramesResult`.
    """
    path = check_output(output, (".npz", ".png") if average else (".npz",))
    with ExitStack() as stack:
        walk = yield from begin(stack, source, model, frames, method, settings, resources)
        walk.scores = faithfulness
        video, wanted, network = walk.video, walk.frames, walk.model
        yield Started("explain_frames", len(wanted), settings=walk.told(limits_of(wanted)))
        mean, kept, seen = _Mean(), list[AttentionComputed](), list[int]()
        for event in walk.maps(keypoint):
            if not isinstance(event, FrameMaps):
                yield event
                continue
            for b, frame in enumerate(event.frames.tolist()):
                computed = walk.placed(event.maps, b, frame)
                seen.append(frame)
                if average:
                    mean.add(computed)
                else:
                    yield computed
                    if path is not None:
                        kept.append(computed)
            if sum(each.maps.nbytes for each in kept[:1]) * len(kept) > _LARGEST:
                raise VitFaceError(
                    "The maps of so many frames do not fit into one file; choose fewer frames "
                    "(every tenth; --frames ::10) or one keypoint."
                )
        if not seen:
            raise walk.nothing_seen()
        if average:
            kept = [mean.result(seen, wanted)]
            yield kept[0]
        if path is not None:
            made_by = walk.resources.made_by()
            _write(path, kept, network.keypoints, video, made_by, average=average)
        last = kept[-1] if kept else computed
        result = ExplainFramesResult(
            source=str(video.path),
            frames=len(seen),
            range=limits_of(wanted),
            unreadable=tuple(walk.broken),
            names=last.names,
            keypoints=network.keypoints,
            settings=last.settings,
            output=told_path(path),
        )
        yield Finished("explain_frames", result)


class _Mean:
    """The mean of maps, in double precision, without keeping them."""

    _SUMMED = ("maps", "prefix_share", "own_share", "total", "confidence")

    def __init__(self) -> None:
        self._first: AttentionComputed
        self._sums = dict[str, np.ndarray]()
        self._points = list[np.ndarray]()

    def add(self, computed: AttentionComputed) -> None:
        if not self._points:
            self._first = computed
        for name in self._SUMMED:
            value = np.asarray(getattr(computed, name), dtype=np.float64)
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._points.append(computed.xy)

    def result(self, seen: Sequence[int], wanted: range) -> AttentionComputed:
        means: Any = {
            name: (value / len(seen)).astype(np.float32) for name, value in self._sums.items()
        }
        settings: MapSettings = {
            **self._first.settings,
            "frames": list(limits_of(wanted)),
            "averaged": len(seen),
        }
        # Points of a mean are where they usually are.
        usual = np.median(self._points, axis=0).astype(np.float32)
        middle = seen[len(seen) // 2]
        return replace(self._first, frame=middle, xy=usual, settings=settings, **means)


def _write(
    path: Path,
    maps: Sequence[AttentionComputed],
    keypoints: KeypointSet,
    video: Video,
    made_by: MadeBy | None,
    *,
    average: bool,
) -> None:
    source = str(video.path)
    if path.suffix.lower() == ".npz":
        along = None if average else "frames"
        write_maps(path, maps, source=source, keypoints=keypoints, along=along, made_by=made_by)
    else:
        image = video[maps[0].frame]
        write_picture(path, maps, keypoints, image, source=source, white=video.white)
