"""Attention maps of a range of frames, or their mean."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import AttentionComputed, Event, Finished, Started
from napari_vitface.jobs.explaining.files import (
    check_output,
    write_maps,
    write_picture,
)
from napari_vitface.jobs.explaining.view import (
    Counter,
    FrameMaps,
    MapChoices,
    maps_of_frames,
    placed,
    unreadable,
)
from napari_vitface.jobs.find_face import Crop, view_of
from napari_vitface.jobs.frame_range import frame_range
from napari_vitface.jobs.resources import Resources, shared_or_own

if TYPE_CHECKING:
    from napari_vitface.pose.keypoints import KeypointSet
    from napari_vitface.video import Video

#: Bytes of maps that a file of many frames may hold.
_LARGEST = 2 << 30


def explain_frames(
    source: str | os.PathLike[str],
    model: str | os.PathLike[str] = "mouse-face",
    *,
    frames: slice | range | str | None = None,
    keypoint: str | Sequence[str] = "all",
    average: bool = False,
    faithfulness: Mapping[str, float] | None = None,
    output: str | os.PathLike[str] | None = None,
    crop: Crop | None = None,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | str = "auto",
    resources: Resources | None = None,
    **choices: Unpack[MapChoices],
) -> Iterator[Event]:
    """Compute the attention maps of some frames of a video.

    Parameters
    ----------
    source, model, keypoint, crop, device, precision, batch_size, resources
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
        drawn over them are written by `napari_vitface.jobs.explaining.video.attention_video`.
    **choices
        Method and settings, see `napari_vitface.jobs.explaining.view.MapChoices`.

    Yields
    ------
    Preparing, Started, Progress, Notice
    AttentionComputed
        One a frame; of a mean, one at the end.
    Finished
        Its result holds ``frames``, ``unreadable``, ``names``, ``settings`` and ``output``.
    """
    path = check_output(output, (".npz", ".png") if average else (".npz",))
    with ExitStack() as stack:
        shared = stack.enter_context(shared_or_own(resources))
        video = stack.enter_context(shared.video(source))
        wanted = frame_range(frames, len(video), video.path.name)
        network = yield from shared.loading(
            stack, model, device=device, precision=precision, batch_size=batch_size
        )
        view = yield from view_of(video, network, crop)
        yield Started(
            "explain_frames",
            len(wanted),
            settings={"model": network.name, "frames": _plain(wanted), **choices},
        )
        scores = {} if faithfulness is None else {"faithfulness": dict(faithfulness)}
        counter, broken = Counter(len(wanted)), list[int]()
        mean, kept, seen = _Mean(), list[AttentionComputed](), list[int]()
        looking = maps_of_frames(video, wanted, view, network, keypoint, choices, counter, broken)
        for event in looking:
            if not isinstance(event, FrameMaps):
                yield event
                continue
            for b, frame in enumerate(event.frames.tolist()):
                computed = placed(event.maps, b, frame, view, network, scores)
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
                    "(every tenth: --frames ::10) or one keypoint."
                )
        notice = unreadable(broken)
        if notice is not None:
            yield notice
        if not seen:
            raise VitFaceError(f"None of the chosen frames of {video.path.name} can be decoded.")
        if average:
            kept = [mean.result(seen, wanted)]
            yield kept[0]
        if path is not None:
            _write(path, kept, network.keypoints, video, average=average)
        last = kept[-1] if kept else computed
        result = {
            "source": str(video.path),
            "frames": len(seen),
            "range": _plain(wanted),
            "unreadable": broken,
            "names": list(last.names),
            "keypoints": network.keypoints.to_dict(),
            "settings": last.settings,
            "output": None if path is None else str(path),
        }
        yield Finished("explain_frames", result)


class _Mean:
    """The mean of maps, in double precision, without keeping them."""

    _SUMMED = ("maps", "prefix_share", "own_share", "total", "confidence")

    def __init__(self) -> None:
        self._first: AttentionComputed | None = None
        self._sums = dict[str, np.ndarray]()
        self._points = list[np.ndarray]()

    def add(self, computed: AttentionComputed) -> None:
        self._first = self._first or computed
        for name in self._SUMMED:
            value = np.asarray(getattr(computed, name), dtype=np.float64)
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._points.append(computed.xy)

    def result(self, seen: Sequence[int], wanted: range) -> AttentionComputed:
        assert self._first is not None
        means: dict[str, Any] = {
            name: (value / len(seen)).astype(np.float32) for name, value in self._sums.items()
        }
        settings = {
            **self._first.settings,
            "frames": _plain(wanted),
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
    *,
    average: bool,
) -> None:
    source = str(video.path)
    if path.suffix.lower() == ".npz":
        along = None if average else "frames"
        write_maps(path, maps, source=source, keypoints=keypoints, along=along)
    else:
        image = video[maps[0].frame]
        write_picture(path, maps, keypoints, image, source=source, white=video.white)


def _plain(frames: range) -> list[int]:
    return [frames.start, frames.stop, frames.step]
