"""Measure traces of a video in one reading of it, and write them as one table."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import leftovers
from napari_vitface.errors import VideoError, VitFaceError
from napari_vitface.jobs.camera_triggers import read_triggers, triggers_of
from napari_vitface.jobs.events import Event, Finished, Notice, Progress, Started
from napari_vitface.jobs.frame_range import frame_range, limits_of, name_runs, runs_of
from napari_vitface.jobs.kept_numbers import loaded, stored
from napari_vitface.jobs.made_traces import (
    about_of,
    asked_of,
    by_another_method,
    note_made,
    traces_there,
)
from napari_vitface.jobs.outputs import made_folder, named_after, results_folder
from napari_vitface.jobs.pace import Pace
from napari_vitface.jobs.part_file import PartFile, not_written
from napari_vitface.jobs.resources import Resources, shared_or_own
from napari_vitface.jobs.results.traces import TracesResult, TracesSettings
from napari_vitface.jobs.states.material import poses_file
from napari_vitface.jobs.trace_files import TraceFiles
from napari_vitface.jobs.trace_material import traced_material, window_of
from napari_vitface.jobs.video_stamp import VideoStamp
from napari_vitface.settings.traces import DEFAULT, TraceKind, choose
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.states.features.extractor import Extractor
    from napari_vitface.traces.measure import Kept, Measure, Rectangle, TraceMaterial

#: Seconds between two `Progress` events, and between two times that the part file is put on the
#: disk.
_PROGRESS_EVERY = 0.2
_SYNC_EVERY = 5.0
#: Rows of the table that are made together.
_ROWS = 4096


def traces(
    video: str | os.PathLike[str],
    kinds: str | Sequence[str] = DEFAULT,
    *,
    settings: Mapping[str, Any] | None = None,
    regions: Mapping[str, Rectangle] | None = None,
    roles: Mapping[str, Sequence[str]] | None = None,
    predictions: str | os.PathLike[str] | None = None,
    model: str = "mouse-face",
    frames: slice | range | str | None = None,
    table: Literal["csv", "parquet"] = "csv",
    nwb: bool = False,
    triggers: str | os.PathLike[str] | None = None,
    output_dir: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    white: int | None = None,
    resources: Resources | None = None,
) -> Iterator[Event]:
    """Measure traces of a video and write ``<video>_traces.csv``, or ``.parquet``.

    Spatial components of motion and of the movie go into ``<video>_traces_components.h5``. How all
    was made stands in ``<video>_traces.json``: what the same call has made is not made again.

    The video is read once for all kinds. Closing the generator cancels the run and keeps what is
    done in ``<video>_traces.part``; the same call goes on from there. Traces of frames that cannot
    be decoded are missing.

    Parameters
    ----------
    video : path
        A video, a folder of images or a TIFF stack.
    kinds : str or sequence of str
        Names of kinds (`napari_vitface.settings.traces.TRACES`), in a text with commas between.
    settings : mapping, optional
        Of the kinds, by name.
    regions : mapping of str to (x, y, w, h), optional
        Parts of the frame whose motion is measured, in video pixels; default the whole frame. In
        the one named "eye" the pupil is looked for; default about the eye's keypoints.
    roles : mapping of str to sequence of str, optional
        Keypoints of a role (`napari_vitface.pose.roles.ROLES`); default those whose names say so.
    predictions : path, optional
        Table of keypoints; ``{}`` in its path stands for the video's name. Default: the one that
        the model left beside the video.
    model : str
        Whose predictions.
    frames : slice, range or "START:STOP", optional
        Default: all.
    table : {"csv", "parquet"}
    nwb : bool
        Write ``<video>_traces.nwb`` beside it.
    triggers : path, optional
        Times of the camera's triggers, which are those of the frames then: a file, one in whose
        path ``{}`` stands for the video's name, or a folder
        (`napari_vitface.jobs.camera_triggers`); default: the time stamps in the video's file.
    output_dir : path, optional
        Default: where the video is.
    overwrite : bool
        Replace files of these names.
    white : int, optional
        As in `napari_vitface.jobs.predict.predict`.
    resources : Resources, optional
        Where to borrow the video from.

    Yields
    ------
    Started, Progress, Notice
    Finished
        With a `TracesResult`.

    Raises
    ------
    VitFaceError
        One sentence: the video, the settings or the output folder cannot be used, or the video was
        changed during the run.
    """
    chosen = choose(kinds, settings or {})
    with ExitStack() as stack:
        shared = stack.enter_context(shared_or_own(resources))
        source = stack.enter_context(shared.video(video, white=white))
        stamp = VideoStamp.of(source.path)
        span = _in_a_row(frame_range(frames, len(source), source.path.name))
        times = source.times if source.frame_rate > 0 else None
        if triggers is not None:
            triggers = triggers_of(triggers, source.path)
            times = read_triggers(triggers, source.path.name, len(source))
        if predictions is not None:
            predictions = named_after(predictions, source.path)
        material = traced_material(source, span, times, regions, roles, chosen, predictions, model)
        measures = [kind.load()(kind, material) for kind in chosen]
        folder = made_folder(results_folder(source.path, output_dir))
        files = TraceFiles.of(source.path, folder, table, nwb=nwb)
        about = about_of(material, stamp, chosen, measures)
        poses = None if material.poses is None else poses_file(source, predictions, model)
        asked = asked_of(about, files, material.roles, [poses, triggers])
        earlier = None if overwrite else traces_there(files, asked, source.path)
        if earlier is not None:
            there, sentences = earlier
            yield from map(Notice, sentences)
            yield Finished("traces", there)
            return
        outdated = not overwrite and by_another_method(files, asked)
        files.check(source.path.name, overwrite=overwrite or outdated, timed=times is not None)
        run = _Run(material, measures, timed=times is not None)
        part = None
        if run.extractors:
            part = PartFile(
                files.table.with_name(f"{files.table.stem}.part"), about, run.record, span
            )
            stack.callback(part.leave)
            _require_room(part, run.record, span)
            # We hold the lock, so nobody else writes these.
            for other in (*leftovers(files.table), *leftovers(files.components)):
                other.unlink(missing_ok=True)
        yield Started("traces", len(span), settings=run.settings(chosen, part))
        told = [Notice(problem) for problem in source.problems]
        yield from told
        if outdated:
            yield Notice(
                f"{files.table.name} was measured by another version in another way, and is "
                "measured anew."
            )
        if part is not None and part.mismatch is not None:
            yield Notice(
                f"{part.path.name} was left by a run with another "
                f"{' and another '.join(part.mismatch)}; this run begins anew."
            )
        began = time.monotonic()
        fresh = len(span) - (part.count if part is not None else 0)
        if part is not None:
            try:
                yield from run.read(part)
            except VideoError:
                stamp.check(source.path)
                raise
            stamp.check(source.path)
        for event in run.write(part, files):
            if isinstance(event, Notice):
                told.append(event)
            yield event
        seconds = time.monotonic() - began
        if run.broken:
            runs = runs_of(run.broken)
            told.append(
                Notice(
                    f"{counted(len(run.broken), 'frame')} of "
                    f"{source.path.name} could not be decoded: {name_runs(runs)}."
                )
            )
            yield told[-1]
        result = TracesResult(
            video=str(source.path),
            table=str(files.table),
            traces=tuple(column.name for measure in measures for column in measure.columns),
            components=str(files.components) if run.has_components else None,
            nwb=None if files.nwb is None else str(files.nwb),
            frames=len(span),
            broken=tuple(runs_of(run.broken)),
            seconds=round(seconds, 3),
            frames_per_second=round(fresh / seconds, 2) if fresh and seconds else None,
        )
        try:
            sentences = [notice.message for notice in told]
            note_made(files, asked, result, sentences, shared.made_by())
        except OSError as error:
            raise not_written(files.made, error) from error
        if part is not None:
            part.remove()
        yield Finished("traces", result)


class _Run:
    """A video on its way through the extractors and measures."""

    def __init__(
        self, material: TraceMaterial, measures: Sequence[Measure], *, timed: bool
    ) -> None:
        self.material = material
        self.measures = measures
        self.timed = timed
        self.window = window_of(material, measures)
        wanted = [None if self.window is None else each.extractor(self.window) for each in measures]
        #: Two measures that keep the same keep it once.
        self.extractors: list[Extractor] = list(
            dict.fromkeys(each for each in wanted if each is not None)
        )
        self.places = [None if each is None else self.extractors.index(each) for each in wanted]
        self.record = np.dtype(
            [("frame", "<i8"), ("decoded", "?")]
            + [
                (str(place), str(each.about.get("stored", "float32")), (len(each.columns),))
                for place, each in enumerate(self.extractors)
            ]
        )
        self.broken: list[int] = []

    def settings(self, kinds: Sequence[TraceKind], part: PartFile | None) -> TracesSettings:
        """What the user is told at the start."""
        return TracesSettings(
            video=str(self.material.video.path),
            traces=tuple(kind.described() for kind in kinds),
            regions={name: list(each) for name, each in self.material.regions.items()},
            frames=limits_of(self.material.frames),
            fresh_from=0 if part is None else part.count,
            kept_in="" if part is None else str(part.path),
        )

    @property
    def has_components(self) -> bool:
        return any(each.components for each in self.measures)

    def read(self, part: PartFile) -> Iterator[Event]:
        """Read the video where it was not read yet, and append what is kept to the part file."""
        from napari_vitface.states.features.compute import compute
        from napari_vitface.states.features.extractor import Material

        assert self.window is not None
        frames = self.material.frames
        told = synced = time.monotonic()
        pace = Pace()
        material = Material(self.material.video, self.window)
        # What a run before this one kept is looked through; of the rest each block is.
        for rows in part.rows(size=_ROWS):
            self._note(rows)
        blocks = compute(self.extractors, material, frames[part.count :])
        try:
            for block in blocks:
                rows = np.empty(len(block.frames), self.record)
                rows["frame"], rows["decoded"] = block.frames, block.decoded
                for place, values in enumerate(block.values):
                    rows[str(place)] = stored(values, self.record[str(place)].base)
                part.keep(rows)
                self._note(rows)
                pace.step(len(rows))
                now = time.monotonic()
                if now - synced > _SYNC_EVERY:
                    synced = now
                    part.secure()
                if now - told >= _PROGRESS_EVERY:
                    told = now
                    left = pace.seconds_left(len(frames) - part.count)
                    yield Progress(part.count, len(frames), left)
        finally:
            blocks.close()  # type: ignore[attr-defined]

    def write(self, part: PartFile | None, to: TraceFiles) -> Iterator[Event]:
        """Make the traces of what was kept, and write the files."""
        from napari_vitface.traces.components_file import write_components

        count = len(self.material.frames)
        kept = [self._kept(part, place) for place in self.places]
        for measure, its in zip(self.measures, kept, strict=True):
            for phrase in measure.prepare(its):
                yield Progress(count, count, None, phrase)
            for sentence in measure.notices:
                yield Notice(sentence)
        columns = [column for measure in self.measures for column in measure.columns]
        frames = np.asarray(self.material.frames, np.int64)
        video = self.material.video
        times = self.material.times if self.timed else None
        try:
            with to.writing(columns, video.path.name, timed=self.timed) as write:
                for start in range(0, count, _ROWS):
                    stop = min(start + _ROWS, count)
                    parts = [
                        measure.rows(its, start, stop)
                        for measure, its in zip(self.measures, kept, strict=True)
                    ]
                    rows = slice(start, stop)
                    write(frames[rows], None if times is None else times[rows], np.hstack(parts))
                    yield Progress(count, count, None, "Writing the table")
            if self.has_components:
                found = [each for measure in self.measures for each in measure.components]
                write_components(to.components, found, video.path.name)
        except OSError as error:
            raise not_written(to.table, error) from error

    def _kept(self, part: PartFile | None, place: int | None) -> Kept:
        from napari_vitface.traces.measure import Kept

        if part is None or place is None:
            return Kept(
                len(self.material.frames),
                lambda start, stop: np.empty((stop - start, 0), np.float32),
            )
        return Kept(part.count, partial(loaded, part, str(place)))

    def _note(self, rows: NDArray[np.void]) -> None:
        """Keep in mind which frames could not be decoded."""
        self.broken += rows["frame"][~rows["decoded"]].tolist()


def _in_a_row(frames: range) -> range:
    if frames.step != 1:
        raise VitFaceError(
            "Traces are of frames in a row: give the first one and the end (--frames START:STOP)."
        )
    return frames


def _require_room(part: PartFile, record: np.dtype[np.void], frames: range) -> None:
    """Raise `VitFaceError` where what is kept of the frames does not fit on the disk."""
    wanted = (len(frames) - part.count) * record.itemsize
    free = shutil.disk_usage(part.path.parent).free
    if wanted > free:
        raise VitFaceError(
            f"While {counted(len(frames), 'frame is', 'frames are')} read, {wanted / 1e9:.1f} GB "
            f"are kept in {part.path.parent}, and {free / 1e9:.1f} GB are free there: make room, "
            "choose another output folder, or take regions or larger bins (--region, --bin)."
        )
