"""Features of the trials of a table: what a classifier learns from or is judged on."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VideoError, VitFaceError
from napari_vitface.jobs.events import Event, Notice, Progress
from napari_vitface.jobs.pace import Pace
from napari_vitface.jobs.resources import Resources
from napari_vitface.jobs.states.feature_files import stored
from napari_vitface.jobs.states.labelled_trials import Labelled
from napari_vitface.jobs.states.material import Follow, material_of
from napari_vitface.settings.computing import Computing
from napari_vitface.settings.features import FEATURES, FeatureKind

if TYPE_CHECKING:
    from napari_vitface.model.predictor import KeypointModel
    from napari_vitface.states.features.extractor import Extractor, Material
    from napari_vitface.states.features.file import FeatureFile
    from napari_vitface.states.samples import Samples
    from napari_vitface.video import Video

#: Frames before a window that its baseline is the median of: as many as the window has, no more
#: than `_MOST` and no fewer than `FEWEST`.
_MOST, FEWEST = 200, 5
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
    layouts : tuple of dict
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
    layouts: tuple[dict[str, Any], ...]
    columns: tuple[str, ...]
    face: NDArray[np.float32] | None
    size: tuple[int, int]
    frame_rate: float
    frames: list[NDArray[np.int64]]
    entering: NDArray[np.float16] | None = None


@dataclass(frozen=True)
class Window:
    """The frames of a trial that show its state, and those before them.

    Attributes
    ----------
    frames, before : range
    """

    frames: range
    before: range

    @classmethod
    def of(
        cls, video: Video, window: tuple[int, int] | None, onset: int = 0, *, where: str = ""
    ) -> Window:
        """A window of a video; default all of it.

        Raises
        ------
        VideoError
            It does not lie within the video.
        """
        if window is None:
            return cls(range(len(video)), range(0))
        start, stop = onset + window[0], onset + window[1]
        if start < 0 or stop > len(video):
            raise VideoError(
                f"The window {start}:{stop} does not lie within {video.path.name}{where}, which "
                f"has {len(video)} frames; choose another window, or leave the trial out."
            )
        return cls(range(start, stop), range(max(0, start - min(stop - start, _MOST)), start))


@dataclass(frozen=True)
class Seen:
    """Features of one trial.

    Attributes
    ----------
    frames : (n,) int64
        Those that could be decoded.
    values : tuple of (n, D) float32
        One for each kind.
    before : tuple of (D,) float32, or None
        Median before the window; None with too few frames there.
    layouts : tuple of dict
    columns : tuple of tuple of str
        Names of the features of each kind.
    """

    frames: NDArray[np.int64]
    values: tuple[NDArray[np.float32], ...]
    before: tuple[NDArray[np.float32], ...] | None
    layouts: tuple[dict[str, Any], ...]
    columns: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Look:
    """What is looked at in each video, as of `napari_vitface.jobs.states.features.features`.

    Attributes
    ----------
    kinds : tuple of FeatureKind
    crop : (x, y, w, h) or None
    follow : {"position", "pose"} or None
    model : str
    computing : Computing
    weights : mapping of str to array
        Of the model's ViT, which are put in place of its own.
    file : str
        That they come from.
    """

    kinds: tuple[FeatureKind, ...]
    crop: tuple[int, int, int, int] | None
    follow: Follow | None
    model: str
    computing: Computing
    weights: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    file: str = ""
    _changed: dict[str, KeypointModel] = field(default_factory=dict, compare=False, repr=False)

    def material(
        self, stack: ExitStack, resources: Resources, path: Path
    ) -> Generator[Event, None, Material]:
        """A video and what features of it need, lent until the stack is closed."""
        video = stack.enter_context(resources.video(path))
        material = yield from material_of(
            stack,
            resources,
            video,
            self.kinds,
            crop=self.crop,
            follow=self.follow,
            model=self.model,
            computing=self.computing,
        )
        if not self.weights or material.model is None:
            return material
        from napari_vitface.states.features.tokens import with_weights

        if "" not in self._changed:
            self._changed[""] = with_weights(material.model, self.weights, self.file)
        return replace(material, model=self._changed[""])

    def files(
        self,
        stack: ExitStack,
        extractors: Sequence[Extractor],
        material: Material,
        frames: Sequence[int],
    ) -> dict[int, FeatureFile]:
        """Files beside a video that hold what is looked at, by the place of their kind."""
        found: dict[int, FeatureFile] = {}
        for k, kind in enumerate(self.kinds):
            if self.weights and "model" in kind.needs:
                continue
            file = stored(kind, extractors[k], material, frames, self.model)
            if file is not None:
                found[k] = stack.enter_context(file)
        return found


@dataclass(frozen=True)
class Computed:
    """Features of some frames of a video.

    Attributes
    ----------
    extractors : sequence of Extractor
    frames : (n,) int64
    values : list of (n, D) float32
        One for each extractor; NaN where a frame cannot be decoded.
    """

    extractors: Sequence[Extractor]
    frames: NDArray[np.int64]
    values: list[NDArray[np.float32]]

    def seen(self, frames: Sequence[int] | NDArray[np.int64], before: range) -> Seen:
        """Of some of these frames, and the median of those before them."""
        whole = np.all([np.isfinite(each).all(axis=1) for each in self.values], axis=0)
        inside = whole & np.isin(self.frames, np.asarray(frames))
        earlier = whole & (self.frames >= before.start) & (self.frames < before.stop)
        enough = np.count_nonzero(earlier) >= FEWEST
        return Seen(
            self.frames[inside],
            tuple(each[inside] for each in self.values),
            tuple(np.median(each[earlier], axis=0) for each in self.values) if enough else None,
            tuple(each.about for each in self.extractors),
            tuple(each.columns for each in self.extractors),
        )


def compute_frames(
    extractors: Sequence[Extractor],
    material: Material,
    frames: Sequence[int],
    files: Mapping[int, FeatureFile] = MappingProxyType({}),
) -> Computed:
    """Features of some frames of a video, in order.

    They are computed, but for those of the extractors whose files are given, by their places.
    """
    from napari_vitface.states.features.compute import compute

    left = [each for k, each in enumerate(extractors) if k not in files]
    blocks = list(compute(left, material, frames))
    numbers = np.concatenate([block.frames for block in blocks])
    computed = iter([np.concatenate([b.values[k] for b in blocks]) for k in range(len(left))])
    values = [
        files[k].at(numbers) if k in files else next(computed) for k in range(len(extractors))
    ]
    return Computed(extractors, numbers, values)


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
    pace = Pace()
    rate, size, read = 0.0, (0, 0), 0
    entering: list[NDArray[np.float16]] = []
    for number, trial in enumerate(labelled.trials):
        yield Progress(number, total, pace.seconds_left(total - number), "Computing features")
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
        pace.step(1)
    yield Progress(total, total, None, "Computing features")
    if read:
        yield Notice(
            f"Features of {read} of {total} trials were read from the files of `states features` "
            "beside their videos, and not computed again."
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
            f" GB of memory, of {len(frames)} frames of each of {trials} trials; take fewer "
            "(--frames-per-trial)."
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
