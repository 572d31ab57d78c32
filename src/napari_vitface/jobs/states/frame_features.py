"""Features of some frames of one video: which frames, what is looked at, and what came of it."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VideoError
from napari_vitface.jobs.events import Event
from napari_vitface.jobs.resources import Resources
from napari_vitface.jobs.states.feature_files import stored
from napari_vitface.jobs.states.material import Follow, material_of
from napari_vitface.settings.computing import Computing
from napari_vitface.settings.features import FeatureKind
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.model.predictor import KeypointModel
    from napari_vitface.states.features.extractor import Extractor, Layout, Material
    from napari_vitface.states.features.file import FeatureFile
    from napari_vitface.video import Video

#: Frames before a window that its baseline is the median of: as many as the window has, no more
#: than `_MOST` and no fewer than `FEWEST`.
_MOST, FEWEST = 200, 5


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
                f"has {counted(len(video), 'frame')}; choose another window, or leave the trial "
                "out."
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
    layouts : tuple of Layout
    columns : tuple of tuple of str
        Names of the features of each kind.
    """

    frames: NDArray[np.int64]
    values: tuple[NDArray[np.float32], ...]
    before: tuple[NDArray[np.float32], ...] | None
    layouts: tuple[Layout, ...]
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
