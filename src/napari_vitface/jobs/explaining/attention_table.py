"""Attention as data: how a network looks at each keypoint, frame by frame, as a table."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import AttentionMeasured, Event, Finished, Notice, Started
from napari_vitface.jobs.explaining.map_files import check_output, writing
from napari_vitface.jobs.explaining.walk import FrameMaps, begin
from napari_vitface.jobs.frame_range import limits_of, name_runs, runs_of
from napari_vitface.jobs.outputs import told_path
from napari_vitface.jobs.resources import Resources
from napari_vitface.jobs.results.attention import (
    AttentionDataResult,
    KeypointAttention,
)
from napari_vitface.settings.attention import DEFAULT, settable
from napari_vitface.settings.attention_method import AttentionMethod, MapSettings
from napari_vitface.settings.computing import Looking
from napari_vitface.settings.option import takes
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.attention.maps import AttentionMaps
    from napari_vitface.model.preprocessing import View

#: The columns of the table, one row for each frame and keypoint.
COLUMNS = (
    "frame",
    "keypoint",
    "x",
    "y",
    "confidence",
    "entropy",
    "near",
    "near_even",
    "prefix",
    "verdict",
)
#: A keypoint is flagged if it looks elsewhere in more than this share of the frames that track it.
FLAGGED = 0.1
#: Radius about a keypoint, in patches.
RADIUS = 1.5


@takes(Looking, more=settable)
def attention_data(
    source: str | os.PathLike[str],
    model: str | os.PathLike[str] = "mouse-face",
    *,
    frames: slice | range | str | None = None,
    keypoint: str | Sequence[str] = "all",
    radius: float | None = None,
    output: str | os.PathLike[str] | None = None,
    resources: Resources | None = None,
    method: str = DEFAULT,
    **settings: Any,
) -> Iterator[Event]:
    """Measure the attention of some frames: its entropy, and its shares near and in no place.

    Measured is what attention brought to the keypoint. The part of a map that residual connections
    alone carry on from its own patches lies near it in any network, and is left out.

    A keypoint that is tracked while its map holds less about it than an even spread would is
    looked for elsewhere: this is how one sees that a model has learnt the background. It is told
    for each frame, and keypoints of which it is often so are flagged in the result.

    Parameters
    ----------
    source, model, keypoint, resources
        See `napari_vitface.jobs.explaining.explain.explain`; ``"global"`` is left out.
    frames : slice, range or str
        ``START:STOP:STEP``; default all.
    radius : float, optional
        Video pixels about a keypoint that count as near; default 1.5 patches.
    output : path, optional
        Also write a ``.csv`` with the `COLUMNS`. If the job is cancelled it holds what was done.
    method, **settings
        See `napari_vitface.settings.attention`.
    {settings}

    Yields
    ------
    Preparing, Started, Progress, Notice
    AttentionMeasured
        Of a few frames each.
    Finished
        With an `AttentionDataResult`.
    """
    path = check_output(output, (".csv",))
    with ExitStack() as stack:
        walk = yield from begin(stack, source, model, frames, method, settings, resources)
        wanted, network, view = walk.frames, walk.model, walk.view
        names = _keypoints(keypoint, network.keypoints.names)
        if radius is None:
            scale, _ = view.grid_placement(network.network.backbone.grid)
            radius = RADIUS * (scale[0] + scale[1]) / 2
        if not radius > 0:
            raise VitFaceError(f"The radius about a keypoint must be above 0, not {radius}.")
        told = replace(walk.told(), radius=radius)
        yield Started("attention_data", len(wanted), settings=told)
        tables = [stack.enter_context(DataTable(path))] if path is not None else []
        measured = list[AttentionMeasured]()
        described = MapSettings()
        for event in walk.maps(names, stayed=True):
            if not isinstance(event, FrameMaps):
                yield event
                continue
            found = _measure(event.frames, event.maps, view, radius, network.keypoints.names)
            described = event.maps.settings
            for table in tables:
                table.write(found)
            measured.append(found)
            yield found
        keypoints = _judged(measured, names)
        for sentence in _sentences(keypoints, walk.how):
            yield Notice(sentence)
    result = AttentionDataResult(
        source=str(walk.video.path),
        frames=sum(len(each.frames) for each in measured),
        range=limits_of(wanted),
        unreadable=tuple(walk.broken),
        radius=radius,
        csv=told_path(path),
        keypoints=keypoints,
        settings=described,
    )
    yield Finished("attention_data", result)


class DataTable:
    """The table on disk: complete when the job ends, or holding what was done when it is closed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = ExitStack()
        self._begun = False

    def __enter__(self) -> DataTable:
        self._stack.enter_context(writing(self._path))
        temporary = self._stack.enter_context(atomic_write(self._path))
        self._file = temporary.open("w", newline="", encoding="utf-8")
        self._stack.callback(self._file.close)
        self._writer = csv.writer(self._file)
        self._writer.writerow(COLUMNS)
        return self

    def write(self, measured: AttentionMeasured) -> None:
        """The rows of some frames."""
        from napari_vitface.attention.measures import VERDICTS

        for t, frame in enumerate(measured.frames.tolist()):
            for m, name in enumerate(measured.names):
                numbers = (
                    *measured.xy[t, m],
                    measured.confidence[t, m],
                    measured.entropy[t, m],
                    measured.near[t, m],
                    measured.near_even[t, m],
                    measured.prefix[t, m],
                )
                verdict = VERDICTS[measured.verdict[t, m]]
                self._writer.writerow([frame, name, *(f"{n:.6g}" for n in numbers), verdict])
        self._file.flush()
        self._begun = True

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        # Closing the generator is cancelling: what is done is kept.
        if kind is not None and issubclass(kind, GeneratorExit) and self._begun:
            self._stack.__exit__(None, None, None)
        else:
            self._stack.__exit__(kind, error, traceback)


def _keypoints(keypoint: str | Sequence[str], known: Sequence[str]) -> list[str]:
    """The keypoints that are measured: an even ``"global"`` map has no place to be near to."""
    names = [keypoint] if isinstance(keypoint, str) else list(keypoint)
    if "all" in names:
        names = list(known)
    names = [name for name in names if name != "global"]
    if not names:
        raise VitFaceError(
            "Attention is measured about keypoints, and the global map belongs to none; choose "
            f"all, or from: {', '.join(known)}."
        )
    return names


def _measure(
    frames: NDArray[np.int64],
    maps: AttentionMaps,
    view: View,
    radius: float,
    known: Sequence[str],
) -> AttentionMeasured:
    from napari_vitface.attention.measures import measure_maps

    rows = [list(known).index(name) for name in maps.names]
    xy = view.to_frame(maps.xy[:, rows])
    confidence = maps.confidence[:, rows]
    scale, translate = view.grid_placement((maps.maps.shape[2], maps.maps.shape[3]))
    # The residual connections carry each keypoint's own patches on, whatever is looked at.
    moved = maps.maps if maps.stayed is None else maps.maps - maps.stayed
    found = measure_maps(
        moved,
        maps.prefix_share,
        xy,
        confidence,
        scale=scale,
        translate=translate,
        radius=radius,
    )
    return AttentionMeasured(
        frames=frames,
        names=maps.names,
        entropy=found.entropy.astype(np.float32),
        near=found.near.astype(np.float32),
        near_even=found.near_even.astype(np.float32),
        prefix=found.prefix.astype(np.float32),
        verdict=found.verdict,
        xy=xy.astype(np.float32),
        confidence=confidence.astype(np.float32),
    )


def looked_for_elsewhere(measured: AttentionMeasured) -> dict[int, list[str]]:
    """Frames in which a keypoint is tracked while its map points elsewhere, and which these are."""
    from napari_vitface.attention.measures import VERDICTS

    away = measured.verdict == VERDICTS.index("elsewhere")
    return {
        int(measured.frames[row]): [measured.names[m] for m in np.flatnonzero(away[row])]
        for row in np.flatnonzero(away.any(axis=1))
    }


def _judged(
    measured: Sequence[AttentionMeasured], names: Sequence[str]
) -> tuple[KeypointAttention, ...]:
    """What all frames together say of each keypoint."""
    from napari_vitface.attention.measures import VERDICTS

    if not measured:
        return ()
    frames = np.concatenate([each.frames for each in measured])
    verdict = np.concatenate([each.verdict for each in measured])
    numbers = {
        name: np.concatenate([getattr(each, name) for each in measured])
        for name in ("entropy", "near", "near_even", "prefix")
    }
    judged = []
    for m, name in enumerate(names):
        counts = {v: int((verdict[:, m] == i).sum()) for i, v in enumerate(VERDICTS)}
        tracked = len(frames) - counts.pop("unsure")
        away = frames[verdict[:, m] == VERDICTS.index("elsewhere")]
        judged.append(
            KeypointAttention(
                name=name,
                tracked=tracked,
                looks_near=counts["near"],
                looks_elsewhere=counts["elsewhere"],
                looks_even=counts["even"],
                entropy=_median(numbers["entropy"][:, m]),
                near=_median(numbers["near"][:, m]),
                near_even=_median(numbers["near_even"][:, m]),
                prefix=_median(numbers["prefix"][:, m]),
                flagged=bool(len(away) > FLAGGED * tracked),
                elsewhere_frames=name_runs(runs_of(away.tolist())),
            )
        )
    return tuple(judged)


def _sentences(keypoints: Sequence[KeypointAttention], how: AttentionMethod) -> Iterator[str]:
    flagged = [each.name for each in keypoints if each.flagged]
    if flagged:
        yield (
            f"Tracked while the network looks elsewhere: {', '.join(flagged)}. It may have learnt "
            "to find them by something that is not the face; look at their maps."
        )
    even = [each for each in keypoints if each.tracked and each.looks_even > each.tracked / 2]
    if even:
        yield (
            f"The maps of {len(even)} of {counted(len(keypoints), 'keypoint')} are spread so "
            f"evenly that they say nothing about where the network looks{how.if_even}."
        )


def _median(values: NDArray[np.float32]) -> float | None:
    finite = values[np.isfinite(values)]
    return round(float(np.median(finite)), 4) if len(finite) else None
