"""Whether attention maps explain anything: what happens when what they point at is blanked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Event, FaithfulnessMeasured, Finished, Started
from napari_vitface.jobs.explaining.walk import FrameMaps, begin, rounded
from napari_vitface.jobs.pace import Counter
from napari_vitface.jobs.resources import Resources
from napari_vitface.jobs.results.attention import (
    Faithfulness,
    FaithfulnessResult,
)
from napari_vitface.settings.attention import DEFAULT, settable
from napari_vitface.settings.attention_method import MapSettings
from napari_vitface.settings.computing import Looking
from napari_vitface.settings.option import takes
from napari_vitface.steps import told_as

if TYPE_CHECKING:
    from napari_vitface.attention.faithfulness import DeletionCurves

#: Frames that are judged unless more are asked for.
FRAMES = 10


@takes(Looking, more=settable)
def faithfulness(
    source: str | os.PathLike[str],
    model: str | os.PathLike[str] = "mouse-face",
    *,
    frames: slice | range | str | None = None,
    keypoint: str | Sequence[str] = "all",
    most: int = FRAMES,
    resources: Resources | None = None,
    method: str = DEFAULT,
    **settings: Any,
) -> Iterator[Event]:
    """Measure how far keypoints move when the patches that their maps hold strongest are blanked.

    Against blanking random patches, and against blanking those nearest to the keypoint; see
    `napari_vitface.attention.faithfulness`.

    Parameters
    ----------
    source, model, keypoint, resources
        See `napari_vitface.jobs.explaining.explain.explain`.
    frames : slice, range or str, optional
        ``START:STOP:STEP``; default all. Of many, `most` are taken, evenly spread.
    most : int
    method, **settings
        Of the maps, see `napari_vitface.settings.attention`.
    {settings}

    Yields
    ------
    Preparing, Started, Progress, Notice
    FaithfulnessMeasured
        After each frame, the mean over those so far.
    Finished
        With a `FaithfulnessResult`.
    """
    with ExitStack() as stack:
        walk = yield from begin(stack, source, model, frames, method, settings, resources)
        walk.frames = _few(walk.frames, most)
        walk.counter = Counter(len(walk.frames))

        import torch

        from napari_vitface.attention.blanking import Blanker
        from napari_vitface.attention.faithfulness import deletion_curves, mean_curves

        grey = cast("int | None", walk.chosen.get("grey"))
        yield Started("faithfulness", len(walk.frames), settings=walk.told())
        seen = list[int]()
        curves: list[DeletionCurves] = []
        described = MapSettings()
        for event in walk.maps(keypoint):
            if not isinstance(event, FrameMaps):
                yield event
                continue
            maps = event.maps
            described = maps.settings
            for b, frame in enumerate(event.frames.tolist()):
                image = torch.as_tensor(event.canvas[b])
                steps = deletion_curves(
                    Blanker(walk.model, image, walk.area, grey),
                    maps.names,
                    maps.maps[b],
                    maps.xy[b],
                    pixel=walk.pixel,
                    seed=frame,
                )
                curves.append((yield from told_as(steps, partial(walk.counter.at, len(seen)))))
                mean = mean_curves(curves)
                seen.append(frame)
                yield _event(mean, seen)
        if not seen:
            raise walk.nothing_seen()
        result = FaithfulnessResult(
            source=str(walk.video.path),
            frames=tuple(seen),
            unreadable=tuple(walk.broken),
            shares=mean.shares,
            maps=_maps(mean),
            settings=described,
        )
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


def _maps(mean: DeletionCurves) -> tuple[Faithfulness, ...]:
    return tuple(
        Faithfulness(
            name=name,
            score=round(float(mean.score[m]), 3),
            nearest_score=round(float(mean.nearest_score[m]), 3),
            explains=bool(mean.explains[m]),
            attended=rounded(mean.attended[m], 2),
            random=rounded(mean.random[m].mean(axis=0), 2),
            nearest=rounded(mean.nearest[m], 2),
        )
        for m, name in enumerate(mean.names)
    )
