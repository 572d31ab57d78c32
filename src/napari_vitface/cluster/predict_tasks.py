"""The parts of a prediction that workers do: choose how to compute, look, predict spans, write."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.cluster.fitness import Needs, Unfit, check, here
from napari_vitface.cluster.settle_tasks import Settled
from napari_vitface.cluster.span_folder import Making, Run, SpanFolder
from napari_vitface.cluster.spans import Span, possible_starts
from napari_vitface.cluster.video_run import VideoRun, check_stamp
from napari_vitface.cluster.working import RESOURCES, loaded, tell, unwanted
from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.earlier_tables import Made, tables_there
from napari_vitface.jobs.find_face import face_found, search
from napari_vitface.jobs.fingerprint import asked_of
from napari_vitface.jobs.frame_range import frame_range
from napari_vitface.jobs.outputs import Outputs
from napari_vitface.jobs.results.prediction import PredictResult
from napari_vitface.jobs.video_stamp import VideoStamp
from napari_vitface.settings.computing import Computing, Looking
from napari_vitface.steps import result_of

#: Frames from which on it pays to time some of them.
_WORTH_TIMING = 1000
#: Seconds between two times that a span tells how far it is.
_TELL_EVERY = 1.0


@dataclass(frozen=True)
class PredictTask:
    """What is to be predicted, the same for all videos; paths as workers call them."""

    needs: Needs
    looking: Looking
    output_dir: str | None = None
    frames: slice | range | str | None = None
    overlay: bool = False
    overwrite: bool = False

    def outputs(self, video: str) -> Outputs:
        """The files of a video."""
        name = Path(self.needs.model).stem
        return Outputs.beside(Path(video), name, folder=self.output_dir, overlay=self.overlay)


@dataclass(frozen=True)
class Looked:
    """What is known of a video before it is predicted.

    Attributes
    ----------
    total : int
        Frames.
    starts : (N,) int64
        Where spans may begin.
    done : tuple of spans
        That an earlier run left.
    seconds : float or None
        A frame takes, where that was measured.
    notices : tuple of str
    """

    total: int
    starts: NDArray[np.int64]
    done: tuple[Span, ...]
    seconds: float | None
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Written:
    """A video is done, by this run or an earlier one."""

    result: PredictResult
    notices: tuple[str, ...]


def look(task: PredictTask, settled: Settled, video: str) -> Looked | Written:
    """Open a video, see what is done of it, and begin its folder if nothing is."""
    check(task.needs, settled.computing.device, settled.computing.precision)
    with ExitStack() as stack:
        source = stack.enter_context(RESOURCES.video(video, white=task.looking.white))
        chosen = frame_range(task.frames, len(source), source.path.name)
        outputs = task.outputs(video)
        folder = SpanFolder.beside(outputs)
        stamp = VideoStamp.of(source.path)
        asked = asked_of(source, stamp, task.needs.digest, chosen, task.looking)
        told, notices = folder.run(), list(source.problems)
        if told.get("asked") != asked:
            earlier = None if task.overwrite else tables_there(outputs, asked, source.path)
            if earlier is not None:
                return Written(earlier, ())
            if told:
                notices.append(
                    f"{folder.path.name} was left by a run with other settings; it cannot be "
                    "continued, so this run begins anew."
                )
            model = loaded(stack, task.needs.model, settled.computing)
            face = result_of(search(source, model)) if task.looking.crop == "auto" else None
            if face is not None:
                notices.append(face_found(face, source, model).sentence)
            told = {
                "asked": asked,
                "computing": asdict(settled.computing),
                "face": None if face is None else asdict(face),
                "white": None if source.dtype == np.uint8 else source.white,
                "versions": dict(task.needs.versions),
            }
            folder.begin(told)
        with _running(task, video, told) as run:
            seconds = run.seconds_a_frame() if len(chosen) >= _WORTH_TIMING else None
        return Looked(
            len(chosen),
            possible_starts(chosen, source.key_frames, run.batch),
            tuple(folder.done()),
            seconds,
            tuple(notices),
        )


def predict_span(task: PredictTask, video: str, span: Span) -> int:
    """Predict some frames of a video and write them into its folder; how many they are."""
    began = last = time.monotonic()
    folder, told = _folder(task, video)
    if span in folder.done():
        return span[1] - span[0]
    computing = Computing(**told["computing"])
    check(task.needs, computing.device, computing.precision)
    with _running(task, video, told) as run:
        notices, parts, done = len(run.model.notices), [], 0
        for rows in run.rows(span):
            parts.append(rows)
            done += len(rows)
            if time.monotonic() - last > _TELL_EVERY:
                if unwanted():
                    return done
                last = time.monotonic()
                tell(frames=done)
        check_stamp(told, video)
        if _folder(task, video)[1] != told:
            raise VitFaceError(
                f"{video} was begun anew by another command; wait for that one, or cancel it."
            )
        about: Making = {
            "worker": here(),
            "seconds": round(time.monotonic() - began, 2),
            "notices": run.model.notices[notices:],
        }
        folder.write(span, np.concatenate(parts), about)
    return done


def write_tables(task: PredictTask, video: str) -> Written:
    """Put the spans of a video together and give the tables their names; then all else goes."""
    from napari_vitface.jobs.predicted_rows import Tally

    check(task.needs)
    outputs = task.outputs(video)
    folder, told = _folder(task, video)
    spans = folder.done()
    about = [folder.about(span) for span in spans]
    with _running(task, video, told) as run:
        source, model = run.video, run.model
        tally = Tally()
        outputs.remove_leftovers()
        if outputs.overlay is not None:
            _draw(outputs.overlay, run, folder, spans)
        _write(outputs, run, folder, spans, run.made(spans, about), tally)
        seconds = sum(each["seconds"] for each in about)
        result = PredictResult(
            video=str(source.path),
            model=model.name,
            **outputs.told(),
            frames=len(run.frames),
            broken=tuple(tally.broken),
            low_confidence=tally.low_confidence,
            crop=run.view.crop,
            white=source.white,
            face=None if run.face is None else face_found(run.face, source, model),
            seconds=round(seconds, 3),
            frames_per_second=round(len(run.frames) / seconds, 2) if seconds else None,
            device=run.computing.device,
            precision=run.computing.precision,
            batch_size=run.batch,
        )
        notices = [notice for each in about for notice in each["notices"]]
        searched = run.face is not None
        notices += [
            notice.message
            for notice in tally.notices(source.path.name, model.name, searched=searched)
        ]
    folder.remove()
    return Written(result, tuple(dict.fromkeys(notices)))


@contextmanager
def _running(task: PredictTask, video: str, told: Run) -> Iterator[VideoRun]:
    """A video and its model, open for a while.

    Another file fails in many ways where the one of the run is meant, so that is asked first of
    whatever fails meanwhile.
    """
    try:
        with ExitStack() as stack:
            source = stack.enter_context(RESOURCES.video(video, white=told["white"]))
            model = loaded(stack, task.needs.model, Computing(**told["computing"]))
            yield VideoRun(source, model, told, task.frames, task.looking)
    except Exception:
        check_stamp(told, video)
        raise


def _write(
    outputs: Outputs,
    run: VideoRun,
    folder: SpanFolder,
    spans: list[Span],
    about: Made,
    tally: Any,
) -> None:
    """Write both tables; they have their names if every frame is in them, in its place."""
    from napari_vitface.formats.poses import PoseWriter
    from napari_vitface.formats.predictions import Heading

    scorer = f"vitface_{run.model.name}"
    heading = Heading(run.model.keypoints, scorer, run.video.path.name, about=about)
    position = 0
    with PoseWriter(outputs.h5, outputs.csv, heading=heading) as writer:
        for rows in folder.rows(spans):
            expected = np.asarray(run.frames[position : position + len(rows)])
            if not np.array_equal(rows["frame"], expected):
                raise _incomplete(run, position)
            position += len(rows)
            tally.note(rows)
            writer.append(rows["frame"], rows["xy"], np.nan_to_num(rows["confidence"], nan=0.0))
        if position != len(run.frames):
            raise _incomplete(run, position)
        check_stamp(run.told, run.video.path)


def _incomplete(run: VideoRun, position: int) -> VitFaceError:
    return VitFaceError(
        f"Of {run.video.path.name}, the frames from {run.frames[position]} on are not all there, "
        "so no table was written: run the same again, which predicts what is missing."
    )


def _draw(path: Path, run: VideoRun, folder: SpanFolder, spans: list[Span]) -> None:
    from napari_vitface.jobs.overlay import write_overlay

    rows = folder.rows(spans)
    for _ in write_overlay(path, run.video, run.frames, rows, run.model.keypoints):
        pass


def _folder(task: PredictTask, video: str) -> tuple[SpanFolder, Run]:
    folder = SpanFolder.beside(task.outputs(video))
    told = folder.run()
    if not told:
        raise Unfit(here(), f"does not see {folder.path} any more", str(folder.path))
    return folder, told
