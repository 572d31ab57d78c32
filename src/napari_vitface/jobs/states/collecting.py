"""Features of the trials of a table: what a classifier learns from or is judged on."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VideoError, VitFaceError
from napari_vitface.jobs.events import Event, Notice
from napari_vitface.jobs.pace import Counter
from napari_vitface.jobs.resources import Resources
from napari_vitface.jobs.states.frame_features import Look, Seen, Window, compute_frames
from napari_vitface.jobs.states.labelled_trials import Labelled
from napari_vitface.settings.features import FEATURES, FeatureKind
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.states.features.extractor import Extractor, Layout, Material
    from napari_vitface.states.samples import Samples

#: Bytes that what enters the blocks of a ViT may take.
_ROOM = 8 << 30


@dataclass(frozen=True)
class Collected:
    """Features of trials.

    Attributes
    ----------
    samples : Samples
    beside : mapping of str to Samples
        The same frames with trivial features, by their titles.
    kinds : tuple of FeatureKind
    layouts : tuple of Layout
        How each computed (`Extractor.about`).
    columns : tuple of str
        Names of the features.
    face : (h, w) float32 or None
        Mean of the crop over all frames, grey.
    size : (h, w)
        Of the crop.
    frame_rate : float
    frames : list of (n,) int64
        For each trial its frames in the video, as in `samples`.
    entering : (N, tokens C) float16, or None
        What enters the blocks of a ViT that are to be trained.
    """

    samples: Samples
    beside: Mapping[str, Samples]
    kinds: tuple[FeatureKind, ...]
    layouts: tuple[Layout, ...]
    columns: tuple[str, ...]
    face: NDArray[np.float32] | None
    size: tuple[int, int]
    frame_rate: float
    frames: list[NDArray[np.int64]]
    entering: NDArray[np.float16] | None = None


def collect(
    labelled: Labelled,
    chosen: Look,
    window: tuple[int, int] | None,
    resources: Resources,
    *,
    blocks: int = 0,
    frames_per_trial: int = 0,
) -> Generator[Event, None, Collected]:
    """Compute the features of trials, those that say nothing of a face beside.

    With `blocks` also what enters so many last blocks of the ViT, of so many frames of each trial.

    Raises
    ------
    VitFaceError
        One sentence: a video cannot be read, a window lies outside of it, or features differ in
        length.
    """
    from napari_vitface.states.features.compute import make_extractors

    own = {kind.name for kind in chosen.kinds}
    beside = tuple(kind for kind in FEATURES.values() if kind.trivial and kind.name not in own)
    total = len(labelled.trials)
    seen: list[Seen] = []
    faces: list[NDArray[np.float32]] = []
    counter = Counter(total, "Computing features")
    rate, size, read = 0.0, (0, 0), 0
    entering: list[NDArray[np.float16]] = []
    for number, trial in enumerate(labelled.trials):
        yield counter.at(number)
        with ExitStack() as stack:
            material = yield from chosen.material(stack, resources, trial.video)
            video = material.video
            for problem in video.problems if number == 0 else ():
                yield Notice(problem)
            onset = trial.onset_frame(video.frame_rate) or 0
            place = Window.of(video, window, onset, where=f" (row {trial.row})")
            extractors = make_extractors((*chosen.kinds, *beside), material)
            frames: Sequence[int] = place.frames
            if blocks:
                extractors = _with_entering(extractors, blocks)
                frames = _spread(place.frames, frames_per_trial)
            before = range(0) if blocks else place.before
            files = {} if blocks else chosen.files(stack, extractors, material, [*before, *frames])
            read += bool(files)
            wanted = sorted({*before, *frames})
            found = compute_frames(extractors, material, wanted, files).seen(frames, before)
            if not len(found.frames):
                raise VideoError(
                    f"No frame of the window of {video.path.name} (row {trial.row}) can be "
                    "decoded; leave the trial out."
                )
            if seen and found.layouts != seen[0].layouts:
                raise VitFaceError(
                    f"{video.path.name} (row {trial.row}) gives other features than "
                    f"{labelled.trials[0].video.name}: their frames or crops differ in size; use "
                    "videos of one camera, or give a crop."
                )
            seen.append(found)
            if blocks:
                entering.append(_kept(extractors[0], found.frames, total))
            rate, size = video.frame_rate, material.crop.size
            faces += _faces(material, found.frames)
    yield counter.at(total)
    if read:
        yield Notice(
            f"Features of {read} of {counted(total, 'trial')} were read from the files of `states "
            "features` beside their videos, and not computed again."
        )
    kept = len(chosen.kinds)
    return Collected(
        samples=_samples(labelled, seen, slice(0, kept)),
        beside={
            kind.title.lower(): _samples(labelled, seen, slice(kept + k, kept + k + 1))
            for k, kind in enumerate(beside)
        },
        kinds=chosen.kinds,
        layouts=seen[0].layouts[:kept],
        columns=tuple(name for names in seen[0].columns[:kept] for name in names),
        face=np.mean(faces, axis=0) if len({face.shape for face in faces}) == 1 else None,
        size=size,
        frame_rate=rate,
        frames=[each.frames for each in seen],
        entering=np.concatenate(entering) if entering else None,
    )


def _spread(frames: range, count: int) -> list[int]:
    """Some of a trial's frames, evenly spread."""
    places = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [frames[place] for place in places.tolist()]


def _with_entering(extractors: tuple[Extractor, ...], blocks: int) -> tuple[Extractor, ...]:
    """Extractors, the first one of tokens, which keeps what enters the last blocks."""
    from napari_vitface.states.features.tokens import TokenExtractor

    first = extractors[0]
    assert isinstance(first, TokenExtractor)
    if blocks > len(first.blocks):
        raise VitFaceError(
            f"The ViT has {len(first.blocks)} blocks, and {blocks} are to be trained (--blocks); "
            "train fewer."
        )
    return first.entering(blocks), *extractors[1:]


def _kept(extractor: Extractor, frames: NDArray[np.int64], trials: int) -> NDArray[np.float16]:
    """(n, tokens C) what entered, of some frames.

    Raises
    ------
    VitFaceError
        That of all trials would not fit into the memory.
    """
    from napari_vitface.states.features.tokens import EnteringExtractor

    assert isinstance(extractor, EnteringExtractor)
    kept = np.stack([extractor.kept[frame].ravel() for frame in frames.tolist()])
    if kept.nbytes * trials > _ROOM:
        raise VitFaceError(
            f"What enters the blocks that are trained would take {kept.nbytes * trials / 2**30:.0f}"
            f" GB of memory, of {counted(len(frames), 'frame')} of each of "
            f"{counted(trials, 'trial')}; take fewer (--frames-per-trial)."
        )
    return kept


def _samples(labelled: Labelled, seen: Sequence[Seen], kinds: slice) -> Samples:
    from napari_vitface.states.samples import Samples

    before = [each.before for each in seen]
    known = [np.concatenate(each[kinds]) for each in before if each is not None]
    return Samples(
        values=np.concatenate([np.hstack(each.values[kinds]) for each in seen]),
        trial=np.repeat(np.arange(len(seen)), [len(each.frames) for each in seen]),
        labels=labelled.labels,
        states=labelled.states,
        units=labelled.units,
        before=np.stack(known).astype(np.float32) if len(known) == len(seen) else None,
    )


def _faces(material: Material, frames: NDArray[np.int64]) -> list[NDArray[np.float32]]:
    """The crop of the middle frame, grey: enough of them make a mean face."""
    from napari_vitface.video.scale import Scale

    middle = [int(frames[len(frames) // 2])]
    scale = Scale(None, material.crop.size, grey=True)
    found = material.crop.read(material.video, middle, [scale])
    return [seen[0].astype(np.float32) for _, seen in found if seen is not None]
