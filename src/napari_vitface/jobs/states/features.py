"""Compute features of the frames of a video, and write a file for each kind."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import atomic_write, leftovers
from napari_vitface.errors import VideoError, VitFaceError
from napari_vitface.jobs.events import Event, Finished, Notice, Progress, Started
from napari_vitface.jobs.frame_range import frame_range, limits_of, name_runs, runs_of
from napari_vitface.jobs.outputs import made_folder, results_folder
from napari_vitface.jobs.pace import Counter
from napari_vitface.jobs.part_file import PartFile, not_written
from napari_vitface.jobs.resources import Resources, shared_or_own
from napari_vitface.jobs.results.states import FeaturesResult, FeaturesSettings, FeatureTable
from napari_vitface.jobs.states.feature_files import described, file_of
from napari_vitface.jobs.states.material import Follow, material_of
from napari_vitface.jobs.video_stamp import VideoStamp
from napari_vitface.record import plain_data
from napari_vitface.settings.computing import Reading
from napari_vitface.settings.features import DEFAULT, FeatureKind, choose
from napari_vitface.settings.option import takes
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.states.features.extractor import Extractor, Material
    from napari_vitface.states.features.file import About

_WRITING = "Writing the files"


@takes(Reading)
def features(
    video: str | os.PathLike[str],
    features: str | Sequence[str] = DEFAULT,
    *,
    settings: Mapping[str, Any] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    follow: Follow | None = None,
    frames: slice | range | str | None = None,
    predictions: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] = "mouse-face",
    output_dir: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resources: Resources | None = None,
    **computing: Any,
) -> Iterator[Event]:
    """Compute features of a video's frames and write ``<video>_features_<kind>.h5`` for each kind.

    Those of a model are in ``<video>_vitface_<model>_features_<kind>.h5``.

    Closing the generator cancels the run and keeps what is done in ``.part`` files beside the
    outputs; the same call goes on from there. The rows of frames that cannot be decoded are NaN.

    Parameters
    ----------
    video : path
        A video, a folder of images, a TIFF stack or an image.
    features : str or sequence of str
        Names of kinds (`napari_vitface.settings.features.FEATURES`), in a text with commas between.
    settings : mapping, optional
        Of the kinds, by name.
    crop : (x, y, w, h), optional
        Part of the frame, in video pixels; default the whole frame. One that follows the face is
        given where the face mostly is; default around the keypoints.
    follow : {"position", "pose"}, optional
        Have the crop go with the face, by its keypoints; with "pose" turned and scaled as well.
    frames : slice, range or "START:STOP:STEP", optional
        Default: all.
    predictions : path, optional
        Table of keypoints. Default: the one that the model left beside the video.
    model : str or path
        As in `napari_vitface.jobs.predict.predict`; for kinds that need one.
    output_dir : path, optional
        Default: where the video is.
    overwrite : bool
        Replace files that were made with other settings. Those made with the same are kept.
    resources : Resources, optional
        Where to borrow the model and the video from.
    {settings}

    Yields
    ------
    Started, Progress, Notice
    Finished
        With a `FeaturesResult`.

    Raises
    ------
    VitFaceError
        One sentence: the video, the settings or the output folder cannot be used, or the video was
        changed during the run.
    """
    from napari_vitface.states.features.compute import make_extractors

    kinds = choose(features, settings or {})
    reading = Reading(**computing)
    with ExitStack() as stack:
        shared = stack.enter_context(shared_or_own(resources))
        source = stack.enter_context(shared.video(video, white=reading.white))
        stamp = VideoStamp.of(source.path)
        chosen = frame_range(frames, len(source), source.path.name)
        material = yield from material_of(
            stack,
            shared,
            source,
            kinds,
            crop=crop,
            follow=follow,
            predictions=predictions,
            model=model,
            computing=reading.computing,
        )
        extractors = make_extractors(kinds, material)
        folder = made_folder(results_folder(source.path, output_dir))
        files = [
            _Output.of(kind, extractor, material, stamp, chosen, model, folder)
            for kind, extractor in zip(kinds, extractors, strict=True)
        ]
        missing = [each for each in files if not each.is_there(overwrite)]
        for each in missing:
            each.open_part(stamp, chosen)
            stack.callback(each.part.leave)
        run = _Run(material, stamp, chosen, missing, shared)
        yield Started("features", len(chosen), settings=run.settings(files))
        for problem in source.problems:
            yield Notice(problem)
        for each in missing:
            yield from each.part.begun_anew()
        if missing:
            try:
                yield from run.compute()
                yield from run.write()
            except VideoError:
                stamp.check(source.path)
                raise
        broken = tuple(run.broken_runs())
        if broken:
            count = sum(last - first + 1 for first, last in broken)
            have = (
                "has no features, for it or the one before it"
                if count == 1
                else "have no features, for they or those before them"
            )
            yield Notice(
                f"{counted(count, 'frame')} of {source.path.name} {have} could not be decoded: "
                f"{name_runs(broken)}."
            )
        for each in missing:
            each.part.remove()
        yield Finished(
            "features",
            FeaturesResult(
                video=str(source.path),
                files=tuple(each.told(each in missing) for each in files),
                frames=len(chosen),
                broken=broken,
                seconds=round(run.seconds, 3),
                frames_per_second=run.rate,
            ),
        )


@dataclass(eq=False)
class _Output:
    """The file of one kind of feature, and what is made of it so far."""

    kind: FeatureKind
    extractor: Extractor
    about: About
    path: Path
    part: PartFile = field(init=False)

    @classmethod
    def of(
        cls,
        kind: FeatureKind,
        extractor: Extractor,
        material: Material,
        stamp: VideoStamp,
        frames: range,
        model: str | os.PathLike[str],
        folder: Path,
    ) -> _Output:
        about = described(kind, extractor, material, stamp, model)
        about["frames"] = [frames.start, frames.stop, frames.step]
        return cls(kind, extractor, about, file_of(kind, material.video.path, model, folder))

    def is_there(self, overwrite: bool) -> bool:
        """Whether there is the file that is wanted.

        Raises
        ------
        VitFaceError
            There is another one, and it is not to be overwritten.
        """
        from napari_vitface.states.features.file import FeatureFile

        if not self.path.exists():
            return False
        try:
            with FeatureFile(self.path) as file:
                file.check(self.about)
        except VitFaceError:
            if overwrite:
                return False
            raise
        return True

    def open_part(self, stamp: VideoStamp, frames: range) -> None:
        record = np.dtype(
            [("frame", "<i8"), ("values", self.kind.stored, (len(self.extractor.columns),))]
        )
        fingerprint = {**self.about, "changed": stamp.changed}
        self.part = PartFile(self.path.with_suffix(".part"), fingerprint, record, frames)
        # We hold the lock, so nobody else writes these.
        for other in leftovers(self.path):
            other.unlink(missing_ok=True)

    def told(self, made: bool) -> FeatureTable:
        return FeatureTable(self.kind.name, str(self.path), len(self.extractor.columns), made)


class _Run:
    """One video going through the extractors whose files are missing."""

    def __init__(
        self,
        material: Material,
        stamp: VideoStamp,
        frames: range,
        outputs: Sequence[_Output],
        resources: Resources,
    ) -> None:
        self.resources = resources
        self.material = material
        self.stamp = stamp
        self.frames = frames
        self.outputs = outputs
        self.fresh_from = min((each.part.count for each in outputs), default=len(frames))
        self.broken: list[NDArray[np.int64]] = []
        self.seconds = 0.0

    def settings(self, files: Sequence[_Output]) -> FeaturesSettings:
        """What the user is told at the start."""
        return FeaturesSettings(
            video=str(self.material.video.path),
            features=tuple(each.kind.described() for each in files),
            crop=self.material.crop.described(),
            frames=limits_of(self.frames),
            fresh_from=self.fresh_from,
            kept_in=str(self.outputs[0].part.path) if self.outputs else "",
        )

    @property
    def rate(self) -> float | None:
        fresh = len(self.frames) - self.fresh_from
        return round(fresh / self.seconds, 2) if self.seconds and fresh else None

    def compute(self) -> Iterator[Event]:
        """Compute what is missing and append it to the part files."""
        from napari_vitface.states.features.compute import BLOCK, compute

        size, told = BLOCK, list[str]()
        if self.material.model is not None:
            size, told = max(BLOCK, self.material.model.batch_size), self.material.model.notices
        total, done = len(self.frames), self.fresh_from
        began = time.monotonic()
        counter = Counter(total, done=done)
        blocks = compute(
            [each.extractor for each in self.outputs],
            self.material,
            self.frames[done:],
            size=size,
        )
        notices = len(told)
        with closing(blocks):  # type: ignore[type-var]
            for block in blocks:
                for each, values in zip(self.outputs, block.values, strict=True):
                    # One that an earlier run took further has these rows already.
                    fresh = slice(max(0, each.part.count - done), None)
                    self._append(each.part, block.frames[fresh], values[fresh])
                done += len(block.frames)
                for sentence in told[notices:]:
                    notices += 1
                    yield Notice(sentence)
                yield from counter.now_and_then(done)
        self.stamp.check(self.material.video.path)
        self.seconds = time.monotonic() - began
        yield Progress(total, total, 0.0)

    def write(self) -> Iterator[Event]:
        """Write the files from the part files."""
        from napari_vitface.states.features.file import FeatureWriter

        total, done = len(self.frames) * len(self.outputs), 0
        counter = Counter(total, _WRITING)
        made_by = plain_data(self.resources.made_by())
        for each in self.outputs:
            try:
                with atomic_write(each.path) as temporary:
                    writer = FeatureWriter(
                        temporary, each.extractor.columns, each.kind.stored, each.about, made_by
                    )
                    try:
                        for rows in each.part.rows():
                            writer.append(rows["values"])
                            self._note(rows)
                            done += len(rows)
                            yield from counter.now_and_then(done)
                    except BaseException:
                        writer.abort()
                        raise
                    writer.close()
            except OSError as error:
                raise not_written(each.path, error) from error

    def broken_runs(self) -> list[tuple[int, int]]:
        """(first, last) frames without features."""
        return runs_of(np.unique(np.concatenate([*self.broken, []])).astype(int).tolist())

    def _note(self, rows: NDArray[np.void]) -> None:
        self.broken.append(rows["frame"][np.isnan(rows["values"]).all(axis=1)])

    def _append(
        self, part: PartFile, frames: NDArray[np.int64], values: NDArray[np.float32]
    ) -> None:
        rows = np.empty(len(frames), part.dtype["row"])
        rows["frame"], rows["values"] = frames, values
        part.keep(rows)
