"""Measure traces of a video in one reading of it, and write them as one table."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
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
from napari_vitface.jobs.outputs import made_folder, named_after, results_folder, told_path
from napari_vitface.jobs.pace import Counter
from napari_vitface.jobs.part_file import PartFile, not_written
from napari_vitface.jobs.resources import Resources, shared_or_own
from napari_vitface.jobs.results.traces import TracesResult, TracesSettings
from napari_vitface.jobs.states.material import poses_file
from napari_vitface.jobs.trace_files import TraceFiles
from napari_vitface.jobs.trace_material import traced_material, window_of
from napari_vitface.jobs.video_stamp import VideoStamp
from napari_vitface.settings.traces import DEFAULT, choose
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.traces.measure import (
        Components,
        Kept,
        Measure,
        Rectangle,
        TraceMaterial,
    )

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
        times, timed = source.times, source.frame_rate > 0
        read: list[str | os.PathLike[str]] = []
        if triggers is not None:
            read = [triggers_of(triggers, source.path)]
            times, timed = read_triggers(Path(read[0]), source.path.name, len(source)), True
        if predictions is not None:
            predictions = named_after(predictions, source.path)
        material = traced_material(source, span, times, regions, roles, chosen, predictions, model)
        measures = [kind.load()(kind, material) for kind in chosen]
        folder = made_folder(results_folder(source.path, output_dir))
        files = TraceFiles.of(source.path, folder, table, nwb=nwb)
        about = about_of(material, stamp, chosen, measures)
        if material.poses is not None:
            read = [poses_file(source, predictions, model), *read]
        asked = asked_of(about, files, material.roles, read)
        earlier = None if overwrite else traces_there(files, asked, source.path)
        if earlier is not None:
            there, sentences = earlier
            yield from map(Notice, sentences)
            yield Finished("traces", there)
            return
        outdated = not overwrite and by_another_method(files, asked)
        files.check(source.path.name, overwrite=overwrite or outdated, timed=timed)
        reading = _NoReading(len(span))
        if any(measure.rectangles for measure in measures):
            reading = _Reading(stack, material, measures, about, files)
        asked_for = TracesSettings(
            video=str(source.path),
            traces=tuple(kind.described() for kind in chosen),
            regions={name: list(each) for name, each in material.regions.items()},
            frames=limits_of(span),
            fresh_from=reading.fresh_from,
            kept_in=reading.kept_in,
        )
        yield Started("traces", len(span), settings=asked_for)
        told = [Notice(problem) for problem in source.problems]
        yield from told
        if outdated:
            yield Notice(
                f"{files.table.name} was measured by another version in another way, and is "
                "measured anew."
            )
        began = time.monotonic()
        try:
            yield from reading.run()
        except VideoError:
            stamp.check(source.path)
            raise
        stamp.check(source.path)
        kept = [reading.kept(number) for number in range(len(measures))]
        for event in _written(material, measures, kept, files, timed=timed):
            if isinstance(event, Notice):
                told.append(event)
            yield event
        seconds = time.monotonic() - began
        broken = tuple(runs_of(reading.broken))
        if broken:
            told.append(
                Notice(
                    f"{counted(len(reading.broken), 'frame')} of "
                    f"{source.path.name} could not be decoded: {name_runs(broken)}."
                )
            )
            yield told[-1]
        fresh = len(span) - reading.fresh_from
        result = TracesResult(
            video=str(source.path),
            table=str(files.table),
            traces=tuple(column.name for measure in measures for column in measure.columns),
            components=str(files.components) if _components(measures) else None,
            nwb=told_path(files.nwb),
            frames=len(span),
            broken=broken,
            seconds=round(seconds, 3),
            frames_per_second=round(fresh / seconds, 2) if fresh and seconds else None,
        )
        try:
            sentences = [notice.message for notice in told]
            note_made(files, asked, result, sentences, shared.made_by())
        except OSError as error:
            raise not_written(files.made, error) from error
        reading.remove()
        yield Finished("traces", result)


class _NoReading:
    """What is kept of the frames where no measure looks at them: nothing.

    Attributes
    ----------
    fresh_from : int
        Frames that a run before this one had read.
    kept_in : str
        The file that a cancelled run leaves.
    broken : list of int
        Frames that could not be decoded.
    """

    fresh_from = 0
    kept_in = ""

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self.broken: list[int] = []

    def run(self) -> Iterator[Event]:
        """Read the video where it was not read yet."""
        yield from ()

    def kept(self, measure: int) -> Kept:
        """What was kept for a measure, by its number."""
        from napari_vitface.traces.measure import Kept

        return Kept(self.frames, lambda start, stop: np.empty((stop - start, 0), np.float32))

    def remove(self) -> None:
        """Do without what was kept."""


class _Reading(_NoReading):
    """A video on its way through the extractors of measures, into a part file."""

    def __init__(
        self,
        stack: ExitStack,
        material: TraceMaterial,
        measures: Sequence[Measure],
        about: Mapping[str, object],
        files: TraceFiles,
    ) -> None:
        super().__init__(len(material.frames))
        self.material = material
        self.window = window_of(material, measures)
        wanted = {
            number: each.extractor(self.window)
            for number, each in enumerate(measures)
            if each.rectangles
        }
        #: Two measures that keep the same keep it once.
        self.extractors = list(dict.fromkeys(wanted.values()))
        self.places = {number: self.extractors.index(each) for number, each in wanted.items()}
        self.record = np.dtype(
            [("frame", "<i8"), ("decoded", "?")]
            + [
                (str(place), str(each.about.get("stored", "float32")), (len(each.columns),))
                for place, each in enumerate(self.extractors)
            ]
        )
        path = files.table.with_name(f"{files.table.stem}.part")
        self.part = PartFile(path, about, self.record, material.frames)
        stack.callback(self.part.leave)
        _require_room(self.part, self.record, material.frames)
        # We hold the lock, so nobody else writes these.
        for other in (*leftovers(files.table), *leftovers(files.components)):
            other.unlink(missing_ok=True)
        self.fresh_from = self.part.count
        self.kept_in = str(path)

    def run(self) -> Iterator[Event]:
        from napari_vitface.states.features.compute import compute
        from napari_vitface.states.features.extractor import Material

        part, frames = self.part, self.material.frames
        yield from part.begun_anew()
        counter = Counter(len(frames), done=part.count)
        material = Material(self.material.video, self.window)
        # What a run before this one kept is looked through; of the rest each block is.
        for rows in part.rows(size=_ROWS):
            self._note(rows)
        blocks = compute(self.extractors, material, frames[part.count :])
        with closing(blocks):  # type: ignore[type-var]
            for block in blocks:
                rows = np.empty(len(block.frames), self.record)
                rows["frame"], rows["decoded"] = block.frames, block.decoded
                for place, values in enumerate(block.values):
                    rows[str(place)] = stored(values, self.record[str(place)].base)
                part.keep(rows)
                self._note(rows)
                yield from counter.now_and_then(part.count)

    def kept(self, measure: int) -> Kept:
        from napari_vitface.traces.measure import Kept

        if measure not in self.places:
            return super().kept(measure)
        return Kept(self.part.count, partial(loaded, self.part, str(self.places[measure])))

    def remove(self) -> None:
        self.part.remove()

    def _note(self, rows: NDArray[np.void]) -> None:
        """Keep in mind which frames could not be decoded."""
        self.broken += rows["frame"][~rows["decoded"]].tolist()


def _components(measures: Sequence[Measure]) -> list[Components]:
    return [each for measure in measures for each in measure.components]


def _written(
    material: TraceMaterial,
    measures: Sequence[Measure],
    kept: Sequence[Kept],
    to: TraceFiles,
    *,
    timed: bool,
) -> Iterator[Event]:
    """Make the traces of what was kept, and write the files."""
    from napari_vitface.traces.components_file import write_components

    count = len(material.frames)
    for measure, its in zip(measures, kept, strict=True):
        for phrase in measure.prepare(its):
            yield Progress(count, count, None, phrase)
        for sentence in measure.notices:
            yield Notice(sentence)
    columns = [column for measure in measures for column in measure.columns]
    frames = np.asarray(material.frames, np.int64)
    video = material.video.path.name
    try:
        with to.writing(columns, video, timed=timed) as write:
            for start in range(0, count, _ROWS):
                stop = min(start + _ROWS, count)
                parts = [
                    measure.rows(its, start, stop)
                    for measure, its in zip(measures, kept, strict=True)
                ]
                times = material.times[start:stop] if timed else None
                write(frames[start:stop], times, np.hstack(parts))
                yield Progress(count, count, None, "Writing the table")
        if found := _components(measures):
            write_components(to.components, found, video)
    except OSError as error:
        raise not_written(to.table, error) from error


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
