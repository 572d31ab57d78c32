"""Which frames of a video are worth labelling, and why."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Event, Finished, FrameSuggested, Notice, Started, Suggestion
from napari_vitface.jobs.find_face import view_of
from napari_vitface.jobs.outputs import find_predictions, told_path
from napari_vitface.jobs.resources import Resources, shared_or_own
from napari_vitface.jobs.results.labelling import SuggestResult, SuggestSettings
from napari_vitface.jobs.suggesting.criteria import (
    Sign,
    disagreement,
    jumps,
    lively,
    low_confidence,
    no_sign,
    together,
    unlike,
)
from napari_vitface.jobs.suggesting.diverse_frames import (
    choose,
    nearest,
    principal,
    spread_best,
    usual_distance,
)
from napari_vitface.jobs.suggesting.frame_scan import (
    Seen,
    image_features,
    look_closely,
    predict_frames,
    read_frames,
    read_images,
)
from napari_vitface.jobs.suggesting.motion_energy import MotionEnergy
from napari_vitface.jobs.suggesting.test_time_augmentation import CHANGES
from napari_vitface.settings.computing import Looking
from napari_vitface.settings.option import takes
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.formats.labelled_images import Labels
    from napari_vitface.model.predictor import KeypointModel
    from napari_vitface.model.preprocessing import Preprocessing
    from napari_vitface.pose.table import PoseTable
    from napari_vitface.video import Video

    Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

#: Without predictions, at most so many frames are predicted, evenly spread.
PREDICTED = 600
#: For each suggested frame so many are looked at closely, but no fewer than the second number.
CLOSELY, CLOSELY_AT_LEAST = 6, 60
#: Labelled frames that others are compared with, at most.
COMPARED = 200
#: Of the frames looked at closely, the best so many for each suggested one are grouped.
_GROUPED = 3
#: What low confidence, jumps, motion, disagreement and unlikeness weigh, each on its own.
_WEIGHTS = (0.9, 0.7, 0.6, 0.8, 0.5)
#: What is said of a frame that nothing speaks against.
_OF_ITS_OWN = "differs from the other suggested frames"


@takes(Looking)
def suggest(
    video: str | os.PathLike[str],
    model: str | os.PathLike[str] = "mouse-face",
    *,
    count: int = 20,
    labels: Labels | Paths | None = None,
    labelled: Collection[int] = (),
    predictions: str | os.PathLike[str] | None = None,
    motion: str | os.PathLike[str] | None = None,
    resources: Resources | None = None,
    **settings: Any,
) -> Iterator[Event]:
    """Rank frames that are worth labelling: doubtful ones that differ from each other.

    Predictions that stand beside the video are used. Without them every n-th frame is predicted,
    at most `PREDICTED` in all, and jumps are only seen where that is every frame. The most doubtful
    frames, and as many spread over the video, are then looked at closely: does the model find the
    same points when the image is shifted, shrunk or darkened, and how far are its features from
    those of labelled frames? Of the best of these, the best of each group of alike frames is
    suggested (k-means over features of the backbone). The same call gives the same frames.

    Parameters
    ----------
    video : path
        A video, a folder of images, a TIFF stack or an image.
    model : str or path
        Name of a bundled model or a ``.safetensors`` file.
    count : int
        Frames to suggest, at most.
    labels : Labels, path or sequence of paths, optional
        What `napari_vitface.read_labels` takes. Frames of this video in it are not suggested, and
        frames are compared with all its images.
    labelled : collection of int, optional
        Further frames of this video that are labelled.
    predictions : path, optional
        Table to use; default: the one that `predict` writes beside the video, if it is there.
    motion : path, optional
        Table of traces of this video with its motion energy (`napari_vitface.jobs.traces`): frames
        in which much moves are worth more.
    resources : Resources, optional
        Where to borrow the model and the video from.
    {settings}

    In fp32 the result is the same on every run.

    Yields
    ------
    Preparing, Started
    Progress, Notice
    FrameSuggested
        One for each frame, the best first.
    Finished
        With a `SuggestResult`.

    Raises
    ------
    VitFaceError
        One sentence: the video, the model, the labels or the predictions cannot be used.
    """
    from napari_vitface.model.checkpoint import find_model

    looking = Looking(**settings)
    if count < 1:
        raise VitFaceError(f"At least one frame has to be asked for, not {count}.")
    with ExitStack() as stack:
        shared = stack.enter_context(shared_or_own(resources))
        source = stack.enter_context(shared.video(video, white=looking.white))
        file = find_model(model)
        known = _Known.of(labels, labelled, source)
        network = yield from shared.loading(stack, file, looking.computing)
        path = _table_path(predictions, source, file.stem)
        table = None if path is None else _read_table(path, network, source)
        energy = None if motion is None else MotionEnergy.read(Path(motion), source)
        view = yield from view_of(source, network, looking.crop)
        diagonal = math.hypot(*view.crop[2:])
        names = network.keypoints.names
        every = max(1, math.ceil(len(source) / PREDICTED))
        close = max(CLOSELY_AT_LEAST, CLOSELY * count)
        spread = range(0, len(source), every)
        skipped, total = (every, len(spread)) if table is None else (None, min(close, len(source)))
        told = SuggestSettings(
            video=str(source.path),
            model=network.name,
            predictions=told_path(path),
            every=skipped,
            device=str(network.device),
            precision=network.precision,
        )
        yield Started("suggest", total, settings=told)
        for problem in (*source.problems, *known.problems):
            yield Notice(problem)
        if table is None:
            if every > 1:
                yield Notice(
                    f"There are no predictions beside {source.path.name}, so one frame in {every} "
                    "is looked at and jumps are not seen; predict the video first for more."
                )
            table = yield from predict_frames(source, spread, view, network)
        candidates = _Candidates.of(table, known.frames, diagonal, energy)
        gap = _gap(len(source), count)
        candidates = candidates.take(spread_best(candidates.score, candidates.frames, close, gap))
        seen = yield from look_closely(source, candidates.frames, view, network)
        candidates = candidates.take(seen.rows)
        if not len(candidates.frames):
            be = "is" if len(known.frames) == 1 else "are"
            raise VitFaceError(
                f"{source.path.name} has no frame to suggest: {len(known.frames)} of its "
                f"{counted(len(source), 'frame')} {be} labelled, and the others were not "
                "predicted or cannot be decoded."
            )
        others = yield from known.features(source, view.preprocessing, network)
        chosen = _choose(candidates, seen, others, diagonal, names, count, gap)
        yield from chosen
        found = SuggestResult(
            video=told.video,
            model=told.model,
            predictions=told.predictions,
            every=told.every,
            device=told.device,
            precision=told.precision,
            labelled=known.frames,
            frames=tuple(Suggestion(each.frame, round(each.score, 4), each.why) for each in chosen),
        )
        yield Finished("suggest", found)


# --- what is there already ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Known:
    """Frames of the video that are labelled, and labelled images of this video or of others."""

    frames: tuple[int, ...]
    images: tuple[Path, ...]
    only_in_video: tuple[int, ...]
    problems: tuple[str, ...]

    @classmethod
    def of(cls, labels: Labels | Paths | None, labelled: Collection[int], video: Video) -> _Known:
        given = {int(frame) for frame in labelled}
        images: tuple[Path, ...] = ()
        problems: tuple[str, ...] = ()
        read: list[int] = []
        if labels is not None:
            from napari_vitface.formats.labelled_images import Labels
            from napari_vitface.project.label_reading import read_labels

            table = labels if isinstance(labels, Labels) else read_labels(labels)
            placed = np.asarray(np.isfinite(table.xy).all(axis=-1))
            table = table.take(placed.any(axis=1))
            images, problems, read = table.images, table.problems, _frames_of(table, video)
        there = [frame for frame in sorted(given | set(read)) if 0 <= frame < len(video)]
        return cls(tuple(there), images, tuple(sorted(set(there) - set(read))), problems)

    def features(
        self, video: Video, preprocessing: Preprocessing, model: KeypointModel
    ) -> Generator[Event, None, NDArray[np.float32]]:
        """Features of labelled frames, of some evenly spread ones if there are many."""
        images, frames = list(self.images), list(self.only_in_video)
        every = max(1, math.ceil((len(images) + len(frames)) / COMPARED))
        images, frames = images[::every], frames[::every]
        # Images of other videos may have another size, which this video's crop does not fit.
        whole = preprocessing.with_crop(None)
        of_images = yield from image_features(read_images(images), len(images), whole, model)
        of_frames = yield from image_features(
            read_frames(video, frames), len(frames), preprocessing, model, video.white
        )
        return np.concatenate([part for part in (of_images, of_frames) if len(part)] or [of_images])


def _frames_of(labels: Labels, video: Video) -> list[int]:
    """The frames of the video that are labelled."""
    if not video.path.is_dir():
        return [int(frame) for frame in labels.frames[labels.videos == video.name]]
    from napari_vitface.video.images import image_files

    # Frame i of a folder is its i-th file, whatever number its name holds.
    places = {file.resolve(): i for i, file in enumerate(image_files(video.path))}
    found = (places.get(image.resolve()) for image in labels.images)
    return [frame for frame in found if frame is not None]


def _table_path(given: str | os.PathLike[str] | None, video: Video, model: str) -> Path | None:
    if given is not None:
        return Path(given)
    return find_predictions(video.path, model)


def _read_table(path: Path, model: KeypointModel, video: Video) -> PoseTable:
    from napari_vitface.formats.poses import read_poses

    table = read_poses(path)
    if table.keypoints.names != model.keypoints.names:
        raise VitFaceError(
            f"{path} holds other keypoints than the model {model.name} finds; name predictions of "
            "this model, or predict again."
        )
    if len(table) and int(table.frames[-1]) >= len(video):
        raise VitFaceError(
            f"{path} goes on to frame {int(table.frames[-1])}, and {video.path.name} ends before "
            "that; predict the video again."
        )
    return table


# --- ranking --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Candidates:
    """Frames that may be suggested, with what their predictions say."""

    frames: NDArray[np.int64]
    unsure: Sign
    jumpy: Sign
    lively: Sign

    @property
    def score(self) -> NDArray[np.float64]:
        return together(self.signs, _WEIGHTS[:3])

    @property
    def signs(self) -> tuple[Sign, Sign, Sign]:
        return self.unsure, self.jumpy, self.lively

    @classmethod
    def of(
        cls,
        table: PoseTable,
        taken: Collection[int],
        diagonal: float,
        energy: MotionEnergy | None,
    ) -> _Candidates:
        names = table.keypoints.names
        found = np.asarray(np.isfinite(table.xy).all(axis=-1))
        confidence = np.where(found, table.confidence, np.nan)
        everything = cls(
            table.frames,
            low_confidence(confidence, names),
            jumps(table.frames, table.xy, confidence, names, diagonal),
            no_sign(len(table))
            if energy is None
            else lively(energy.of(table.frames), energy.regions),
        )
        # A frame without any point could not be decoded.
        free = ~np.isin(table.frames, list(taken)) & found.any(axis=1)
        return everything.take(np.flatnonzero(free))

    def take(self, rows: NDArray[np.intp]) -> _Candidates:
        return _Candidates(self.frames[rows], *(sign.take(rows) for sign in self.signs))


def _choose(
    candidates: _Candidates,
    seen: Seen,
    labelled: NDArray[np.float32],
    diagonal: float,
    names: Sequence[str],
    count: int,
    gap: int,
) -> list[FrameSuggested]:
    shaky = disagreement(seen.moved, [change.words for change in CHANGES], names, diagonal)
    new = no_sign(len(candidates.frames))
    if len(labelled):
        points, others = principal(seen.features, labelled)
        new = unlike(nearest(points, others), usual_distance(points))
    signs = (*candidates.signs, shaky, new)
    score = together(signs, _WEIGHTS)
    # Among frames that are worth it, those that differ from each other.
    best = np.sort(np.lexsort((candidates.frames, -score))[: _GROUPED * count])
    (points,) = principal(seen.features[best])
    frames = candidates.frames
    chosen = best[choose(score[best], points, frames[best], count, gap)]
    return [
        FrameSuggested(
            int(frames[row]),
            float(score[row]),
            "; ".join(filter(None, (sign.reasons[row] for sign in signs))) or _OF_ITS_OWN,
        )
        for row in chosen
    ]


def _gap(length: int, count: int) -> int:
    """Suggested frames are at least so far apart, for neighbours are near copies."""
    return max(1, min(25, length // (20 * count)))
