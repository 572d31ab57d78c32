"""What the jobs on attention share: a way over frames, from the video to maps that lie on it."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import AttentionComputed, Event, Notice, Progress
from napari_vitface.jobs.find_face import view_of
from napari_vitface.jobs.frame_range import frame_range, name_runs, runs_of
from napari_vitface.jobs.pace import Counter
from napari_vitface.jobs.resources import Resources, shared_or_own
from napari_vitface.jobs.results.attention import ExplainSettings
from napari_vitface.settings.attention import choose
from napari_vitface.settings.attention_method import AttentionMethod, MapSettings
from napari_vitface.settings.computing import Looking
from napari_vitface.settings.option import Value, parted
from napari_vitface.steps import told_as

if TYPE_CHECKING:
    from napari_vitface.attention.blanking import Area
    from napari_vitface.attention.maps import AttentionMaps
    from napari_vitface.model.predictor import KeypointModel
    from napari_vitface.model.preprocessing import View
    from napari_vitface.video import Video


@dataclass(frozen=True)
class FrameMaps:
    """Maps of some frames that were looked at together.

    Attributes
    ----------
    frames : (B,) int64
    canvas : (B, C, H, W) uint8
        Inputs of the model.
    maps : AttentionMaps
    """

    frames: NDArray[np.int64]
    canvas: Any
    maps: AttentionMaps


@dataclass
class Walk:
    """Frames of a video that a model looks at.

    Attributes
    ----------
    video : Video
    frames : range
    model : KeypointModel
    view : View
        Of the video's frames as inputs of the model.
    how : AttentionMethod
    chosen : mapping
        Settings of the method that were chosen, by name.
    counter : Counter
        Of the frames.
    resources : Resources
        Which lend video and model.
    scores : mapping of str to float, optional
        Faithfulness of the maps, to be kept with them.
    broken : list of int
        Frames that could not be decoded.
    """

    video: Video
    frames: range
    model: KeypointModel
    view: View
    how: AttentionMethod
    chosen: Mapping[str, Value]
    counter: Counter
    resources: Resources
    scores: Mapping[str, float] | None = None
    broken: list[int] = field(default_factory=list)

    def told(self, frames: tuple[int, ...] | None = None) -> ExplainSettings:
        """What is said when the job starts, with `frames` where it is of several."""
        return ExplainSettings(
            model=self.model.name, frames=frames, method=self.how.name, chosen=self.chosen
        )

    @property
    def area(self) -> Area:
        """The part of an input (top, left, height, width) that shows the frame."""
        return (*self.view.offset, *self.view.resized)

    @property
    def pixel(self) -> tuple[float, float]:
        """Video pixels (x, y) an input pixel."""
        x, y = self.view.input_per_frame
        return 1 / x, 1 / y

    @property
    def together(self) -> int:
        """Frames that are looked at in one go; progress and cancelling follow each step."""
        return self.model.batch_size if self.how.cost == "pass" else 1

    def look(
        self,
        canvas: Any,
        keypoint: str | Sequence[str],
        *,
        points: Sequence[tuple[float, float]] = (),
        story: bool = False,
        stayed: bool = False,
    ) -> Generator[tuple[int, int], None, list[AttentionMaps]]:
        """Maps of inputs of the model; see `napari_vitface.attention.maps.attention_steps`.

        `points` are video pixels; their maps are named ``"(x, y)"``.
        """
        from napari_vitface.attention.maps import attention_steps

        places = {}
        for x, y in points:
            across, down = self.view.to_input((x, y))
            places[f"({x:g}, {y:g})"] = (float(across), float(down))
        return attention_steps(
            self.model,
            canvas,
            story=story,
            stayed=stayed,
            keypoints=keypoint,
            points=places,
            method=self.how,
            area=self.area,
            pixel=self.pixel,
        )

    def placed(self, found: AttentionMaps, index: int, frame: int) -> AttentionComputed:
        """The maps of one image of a batch, as an event."""
        view = self.view
        scale, translate = view.grid_placement((found.maps.shape[2], found.maps.shape[3]))
        settings: MapSettings = {
            **found.settings,
            "crop": list(view.crop),
            "device": str(self.model.device),
        }
        if self.scores is not None:
            settings["faithfulness"] = dict(self.scores)
        return AttentionComputed(
            frame=frame,
            names=found.names,
            maps=found.maps[index],
            prefix_share=found.prefix_share[index],
            scale=scale,
            translate=translate,
            xy=view.to_frame(found.xy[index]).astype(np.float32),
            confidence=found.confidence[index],
            settings=settings,
            own_share=found.own_share[index],
            total=found.total[index],
        )

    def maps(
        self, keypoint: str | Sequence[str], *, stayed: bool = False
    ) -> Iterator[Progress | Notice | FrameMaps]:
        """Maps of the frames, a few at a time, and at the end which could not be decoded.

        `Progress` within a frame comes from methods that take a while for each.
        """
        from napari_vitface.jobs.frame_batches import batches

        source = batches(self.video, self.frames, self.view, self.together)
        done = 0
        with closing(source):  # type: ignore[type-var]
            for batch in source:
                self.broken += batch.frames[~batch.decoded].tolist()
                if batch.canvas is not None:
                    steps = self.look(batch.canvas, keypoint, stayed=stayed)
                    (found,) = yield from told_as(steps, partial(self.counter.at, done))
                    yield FrameMaps(batch.frames[batch.decoded], batch.canvas, found)
                done += len(batch.frames)
                yield self.counter.at(done)
        if self.broken:
            which = name_runs(runs_of(self.broken))
            yield Notice(f"Frames that could not be decoded are left out: {which}.")

    def nothing_seen(self) -> VitFaceError:
        """What is wrong if no frame could be decoded."""
        name = self.video.path.name
        return VitFaceError(f"None of the chosen frames of {name} can be decoded.")


def begin(
    stack: ExitStack,
    source: str | os.PathLike[str],
    model: str | os.PathLike[str],
    frames: slice | range | str | int | None,
    method: str,
    settings: Mapping[str, Any],
    resources: Resources | None,
) -> Generator[Event, None, Walk]:
    """Open the video and load the model for as long as the stack lasts.

    Parameters
    ----------
    frames
        As of `napari_vitface.jobs.frame_range.frame_range`, or one, negative from the end.
    settings : mapping
        Of the method, and those of `Looking`.

    Raises
    ------
    VitFaceError
        One sentence: the source, frames, model or settings cannot be used.
    """
    looking, chosen = parted(Looking, settings)
    how = choose(method, chosen)
    shared = stack.enter_context(shared_or_own(resources))
    video = stack.enter_context(shared.video(source, white=looking.white))
    if isinstance(frames, int):
        if not -len(video) <= frames < len(video):
            raise VitFaceError(
                f"{video.path.name} has the frames 0 to {len(video) - 1}, and no frame {frames}."
            )
        # One that cannot be decoded is told before the model is loaded for it.
        video[frames]
        wanted = range(frames % len(video), frames % len(video) + 1)
    else:
        wanted = frame_range(frames, len(video), video.path.name)
    network = yield from shared.loading(stack, model, looking.computing)
    view = yield from view_of(video, network, looking.crop)
    return Walk(video, wanted, network, view, how, chosen, Counter(len(wanted)), shared)


def rounded(values: NDArray[Any], digits: int = 4) -> tuple[float, ...]:
    """(N,) numbers for a result."""
    return tuple(np.round(np.asarray(values, dtype=np.float64), digits).tolist())
