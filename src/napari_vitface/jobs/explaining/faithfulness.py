"""Whether attention maps explain anything: what happens when what they point at is blanked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Event, FaithfulnessMeasured, Finished, Started
from napari_vitface.jobs.explaining.view import (
    Counter,
    FrameMaps,
    MapChoices,
    blanks_for,
    maps_of_frames,
    rounded,
    unreadable,
)
from napari_vitface.jobs.find_face import Crop, view_of
from napari_vitface.jobs.frame_range import frame_range
from napari_vitface.jobs.resources import Resources, shared_or_own

if TYPE_CHECKING:
    from napari_vitface.attention.faithfulness import DeletionCurves

#: Frames that are judged unless more are asked for.
FRAMES = 10


def faithfulness(
    source: str | os.PathLike[str],
    model: str | os.PathLike[str] = "mouse-face",
    *,
    frames: slice | range | str | None = None,
    keypoint: str | Sequence[str] = "all",
    most: int = FRAMES,
    crop: Crop | None = None,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | str = "auto",
    resources: Resources | None = None,
    **choices: Unpack[MapChoices],
) -> Iterator[Event]:
    """Measure how far keypoints move when the patches that their maps hold strongest are blanked.

    Against blanking random patches, and against blanking those nearest to the keypoint; see
    `napari_vitface.attention.faithfulness`.

    Parameters
    ----------
    source, model, keypoint, crop, device, precision, batch_size, resources
        See `napari_vitface.jobs.explaining.explain.explain`.
    frames : slice, range or str, optional
        ``START:STOP:STEP``; default all. Of many, `most` are taken, evenly spread.
    most : int
    **choices
        Method and settings of the maps, see `napari_vitface.jobs.explaining.view.MapChoices`.

    Yields
    ------
    Preparing, Started, Progress, Notice
    FaithfulnessMeasured
        After each frame, the mean over those so far.
    Finished
        Its result holds ``maps``: for each its name, ``score``, ``nearest_score``, ``explains``,
        and the moves ``attended``, ``random`` and ``nearest`` for each of the ``shares``.
    """
    with ExitStack() as stack:
        shared = stack.enter_context(shared_or_own(resources))
        video = stack.enter_context(shared.video(source))
        wanted = _few(frame_range(frames, len(video), video.path.name), most)
        network = yield from shared.loading(
            stack, model, device=device, precision=precision, batch_size=batch_size
        )

        import torch

        from napari_vitface.attention.blanking import Blanker
        from napari_vitface.attention.faithfulness import deletion_curves, mean_curves

        view = yield from view_of(video, network, crop)
        blanks = blanks_for(view, choices)
        yield Started("faithfulness", len(wanted), settings={"model": network.name, **choices})
        counter, broken, seen = Counter(len(wanted)), list[int](), list[int]()
        mean: DeletionCurves | None = None
        described: dict[str, Any] = {}
        looking = maps_of_frames(video, wanted, view, network, keypoint, choices, counter, broken)
        for event in looking:
            if not isinstance(event, FrameMaps):
                yield event
                continue
            maps = event.maps
            described = maps.settings
            for b, frame in enumerate(event.frames.tolist()):
                image = torch.as_tensor(event.canvas[b])
                steps = deletion_curves(
                    Blanker(network, image, blanks.area, blanks.grey),
                    maps.names,
                    maps.maps[b],
                    maps.xy[b],
                    pixel=blanks.pixel,
                    seed=frame,
                )
                while True:
                    try:
                        step = next(steps)
                    except StopIteration as end:
                        curves = end.value
                        break
                    yield counter.at(len(seen), step)
                mean = curves if mean is None else mean_curves([mean, curves])
                seen.append(frame)
                yield _event(mean, seen)
        notice = unreadable(broken)
        if notice is not None:
            yield notice
        if mean is None:
            raise VitFaceError(f"None of the chosen frames of {video.path.name} can be decoded.")
        result = {
            "source": str(video.path),
            "frames": seen,
            "unreadable": broken,
            "shares": list(mean.shares),
            "maps": _result(mean),
            "settings": described,
        }
        yield Finished("faithfulness", result)


def _few(frames: range, most: int) -> range:
    """At most `most` of the frames, evenly spread."""
    if most < 1:
        raise VitFaceError(f"Faithfulness is measured on at least one frame, not {most}.")
    return frames[:: -(-len(frames) // most)]


def _event(mean: DeletionCurves, seen: Sequence[int]) -> FaithfulnessMeasured:
    return FaithfulnessMeasured(
        names=mean.names,
        frames=tuple(seen),
        shares=mean.shares,
        attended=mean.attended.astype(np.float32),
        nearest=mean.nearest.astype(np.float32),
        random=mean.random.astype(np.float32),
        score=mean.score.astype(np.float32),
        nearest_score=mean.nearest_score.astype(np.float32),
        explains=mean.explains,
    )


def _result(mean: DeletionCurves) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "score": round(float(mean.score[m]), 3),
            "nearest_score": round(float(mean.nearest_score[m]), 3),
            "explains": bool(mean.explains[m]),
            "attended": rounded(mean.attended[m], 2),
            "random": rounded(mean.random[m].mean(axis=0), 2),
            "nearest": rounded(mean.nearest[m], 2),
        }
        for m, name in enumerate(mean.names)
    ]
