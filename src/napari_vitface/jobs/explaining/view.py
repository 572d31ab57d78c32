"""What the jobs on attention share: from inputs of the model to maps that lie on the video."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from napari_vitface.jobs.events import AttentionComputed, Notice, Progress
from napari_vitface.jobs.frame_range import name_runs, runs_of
from napari_vitface.jobs.pace import Pace

if TYPE_CHECKING:
    from napari_vitface.attention.maps import AttentionMaps, Blanks
    from napari_vitface.model.predictor import KeypointModel
    from napari_vitface.model.preprocessing import View
    from napari_vitface.video import Video

Layers = str | int | tuple[int | None, int | None] | None


class MapChoices(TypedDict, total=False):
    """Settings of attention maps that jobs take; each has a default.

    ``method``, ``layers``, ``head_fusion``, ``head``, ``discard``, ``hide_self`` are those of
    `napari_vitface.attention.maps.attention_maps`; ``square``, ``measure``, ``grey``, ``segments``
    and ``orders`` those of `napari_vitface.attention.perturbations.Blanks`.
    """

    method: str
    layers: Layers
    head_fusion: str
    head: int | None
    discard: float
    hide_self: bool
    square: float
    measure: str
    grey: int | None
    segments: int
    orders: int


_BLANKS = ("square", "measure", "grey", "segments", "orders")


def is_slow(choices: MapChoices) -> bool:
    """Whether a map takes seconds: the method asks the network again and again."""
    return choices.get("method") in ("occlusion", "superpixels")


def many_at_once(choices: MapChoices) -> bool:
    """Whether several frames are looked at in one go: where each is a step of its own, progress
    and cancelling follow.
    """
    return choices.get("method", "rollout") in ("rollout", "raw")


def blanks_for(view: View, choices: MapChoices) -> Blanks:
    """Where and how the parts of an input are blanked, distances being video pixels."""
    from napari_vitface.attention.maps import Blanks

    x, y = view.input_per_frame
    chosen: dict[str, Any] = {name: choices[name] for name in _BLANKS if name in choices}  # type: ignore[literal-required]
    return Blanks(area=(*view.offset, *view.resized), pixel=(1 / x, 1 / y), **chosen)


def look(
    model: KeypointModel,
    view: View,
    canvas: Any,
    keypoint: str | Sequence[str],
    choices: MapChoices,
    *,
    points: Mapping[str, tuple[float, float]] | None = None,
    story: bool = False,
    stayed: bool = False,
) -> Generator[tuple[int, int], None, list[AttentionMaps]]:
    """Maps of inputs of the model; see `napari_vitface.attention.maps.attention_steps`.

    `points` are video pixels.
    """
    from napari_vitface.attention.maps import attention_steps

    places = {
        name: tuple(float(value) for value in view.to_input(point))
        for name, point in (points or {}).items()
    }
    settings = {name: value for name, value in choices.items() if name not in _BLANKS}
    return (
        yield from attention_steps(
            model,
            canvas,
            story=story,
            stayed=stayed,
            keypoints=keypoint,
            points=places,
            blanks=blanks_for(view, choices),
            **settings,
        )
    )


def placed(
    found: AttentionMaps,
    index: int,
    frame: int,
    view: View,
    model: KeypointModel,
    more: Mapping[str, Any] | None = None,
) -> AttentionComputed:
    """The maps of one image of a batch, as an event, with `more` in its settings."""
    scale, translate = view.grid_placement((found.maps.shape[2], found.maps.shape[3]))
    return AttentionComputed(
        frame=frame,
        names=found.names,
        maps=found.maps[index],
        prefix_share=found.prefix_share[index],
        scale=scale,
        translate=translate,
        xy=view.to_frame(found.xy[index]).astype(np.float32),
        confidence=found.confidence[index],
        settings={
            **found.settings,
            "crop": list(view.crop),
            "device": str(model.device),
            **(more or {}),
        },
        own_share=found.own_share[index],
        total=None if found.total is None else found.total[index],
    )


@dataclass(frozen=True)
class FrameMaps:
    """Maps of some frames that were looked at together.

    Attributes
    ----------
    frames : (B,) int64
    canvas : (B, C, H, W) uint8
        Inputs of the model.
    maps : AttentionMaps
    done : int
        Frames that are over, those that could not be decoded counted.
    """

    frames: NDArray[np.int64]
    canvas: Any
    maps: AttentionMaps
    done: int


def maps_of_frames(
    video: Video,
    frames: range,
    view: View,
    model: KeypointModel,
    keypoint: str | Sequence[str],
    choices: MapChoices,
    counter: Counter,
    broken: list[int],
    *,
    stayed: bool = False,
) -> Iterator[Progress | FrameMaps]:
    """Maps of frames, a few at a time; frames that cannot be decoded are added to `broken`.

    `Progress` within a frame comes from methods that take a while for each.
    """
    from napari_vitface.jobs.batches import batches

    source = batches(video, frames, view, model.batch_size if many_at_once(choices) else 1)
    done = 0
    try:
        for batch in source:
            broken += batch.frames[~batch.decoded].tolist()
            if batch.canvas is not None:
                steps = look(model, view, batch.canvas, keypoint, choices, stayed=stayed)
                while True:
                    try:
                        step = next(steps)
                    except StopIteration as end:
                        found = end.value[0]
                        break
                    yield counter.at(done, step)
                over = done + len(batch.frames)
                yield FrameMaps(batch.frames[batch.decoded], batch.canvas, found, over)
            done += len(batch.frames)
            yield counter.at(done)
    finally:
        source.close()  # type: ignore[attr-defined]


def unreadable(broken: Sequence[int]) -> Notice | None:
    """What is said about frames that could not be decoded."""
    if not broken:
        return None
    which = name_runs(runs_of(broken))
    return Notice(f"{len(broken)} frames could not be decoded and are left out: {which}.")


class Counter:
    """`Progress` events of a job whose parts (frames) each go on in steps."""

    def __init__(self, parts: int, message: str = "") -> None:
        self._parts = parts
        self._message = message
        self._pace = Pace()
        self._told = 0.0

    def at(self, done: int, step: tuple[int, int] = (0, 1)) -> Progress:
        """`done` parts are over, and `step` (done, total) of the next."""
        now = done + step[0] / step[1]
        self._pace.step(now - self._told)
        self._told = now
        left = self._pace.seconds_left(self._parts - now)
        return Progress(done, self._parts, left, self._message)


def rounded(values: NDArray[Any], digits: int = 4) -> list[Any]:
    """An array as numbers for a result."""
    return np.round(np.asarray(values, dtype=np.float64), digits).tolist()
