"""Predict the keypoints of a whole video, show them as they come, and write the tables."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VideoError
from napari_vitface.formats.predictions import Heading
from napari_vitface.jobs.earlier_tables import tables_there
from napari_vitface.jobs.events import (
    Event,
    Finished,
    Notice,
    PosesPredicted,
    Preparing,
    Progress,
    Started,
)
from napari_vitface.jobs.find_face import face_found, found_view, search, view_of
from napari_vitface.jobs.fingerprint import asked_of, face_of, fingerprint_of
from napari_vitface.jobs.frame_range import frame_range, limits_of
from napari_vitface.jobs.outputs import Outputs
from napari_vitface.jobs.pace import Counter
from napari_vitface.jobs.part_file import PartFile, record_type
from napari_vitface.jobs.predicted_rows import Tally, predicted_rows
from napari_vitface.jobs.quantise import has_int8, suited
from napari_vitface.jobs.resources import Resources, shared_or_own
from napari_vitface.jobs.results.prediction import FindFaceResult, PredictResult, PredictSettings
from napari_vitface.jobs.video_stamp import VideoStamp
from napari_vitface.record import plain_data
from napari_vitface.settings.computing import Looking
from napari_vitface.settings.option import takes

if TYPE_CHECKING:
    from napari_vitface.model.predictor import KeypointModel
    from napari_vitface.model.preprocessing import View
    from napari_vitface.video import Video

#: Of the settings of a run, those that its table keeps.
_MADE_WITH = ("model", "device", "precision", "batch_size", "crop", "white")
#: Rows of an earlier run that are shown at a time.
_ROWS_AT_ONCE = 4096


@takes(Looking)
def predict(
    video: str | os.PathLike[str],
    model: str | os.PathLike[str] = "mouse-face",
    *,
    output_dir: str | os.PathLike[str] | None = None,
    frames: slice | range | str | None = None,
    overlay: bool = False,
    overwrite: bool = False,
    resources: Resources | None = None,
    **settings: Any,
) -> Iterator[Event]:
    """Predict keypoints in a video and write ``<video>_vitface_<model>.h5`` and ``.csv``.

    Closing the generator cancels the run and keeps what is done in a ``.part`` file beside the
    outputs; the same call goes on from there, and does nothing once all is done. A frame that
    cannot be decoded becomes a row without points. In int8, a model is made ready for it on frames
    of this video, if `napari_vitface.quantise` has not done so before.

    Parameters
    ----------
    video : path
        A video, a folder of images, a TIFF stack or an image.
    model : str or path
        Name of a bundled model or a ``.safetensors`` file.
    output_dir : path, optional
        Default: where the video is.
    frames : slice, range or "START:STOP:STEP", optional
        Default: all.
    overlay : bool
        Also write a labelled video, ``<video>_vitface_<model>_overlay.mp4``.
    overwrite : bool
        Replace outputs that exist. Else those that were made with the same settings, model and
        video are kept, and others are refused.
    resources : Resources, optional
        Where to borrow the model and the video from.
    {settings}

    Yields
    ------
    Preparing, Started
        `total` frames, with `PredictSettings`. Those that an earlier run had done are yielded
        first.
    PosesPredicted, Progress, Notice
    Finished
        With a `PredictResult`.

    Raises
    ------
    VitFaceError
        One sentence: the video, the model, the device or the output folder cannot be used, or the
        video was replaced, changed or taken away during the run.
    """
    from napari_vitface.model.checkpoint import file_digest, find_model

    yield Preparing("Reading the video")
    looking = Looking(**settings)
    precision = looking.precision
    with ExitStack() as stack:
        shared = stack.enter_context(shared_or_own(resources))
        source = stack.enter_context(shared.video(video, white=looking.white))
        stamp = VideoStamp.of(source.path)
        chosen = frame_range(frames, len(source), source.path.name)
        file = find_model(model)
        outputs = Outputs.beside(source.path, file.stem, folder=output_dir, overlay=overlay)
        # Before anything slow, and before a part file is made. A part file may be what a run left
        # that wrote its tables but not its overlay; whether it is, is seen below.
        digest = file_digest(file)
        asked = asked_of(source, stamp, digest, chosen, looking)
        if not overwrite and not outputs.part.exists():
            earlier = tables_there(outputs, asked, source.path)
            if earlier is not None:
                yield Finished("predict", earlier)
                return
        computing = looking.computing
        made = precision != "int8" or has_int8(file)
        network = yield from shared.loading(
            stack, file, computing if made else replace(computing, precision="fp32")
        )
        fingerprint = fingerprint_of(source, stamp, digest, chosen, network.keypoints.names)
        found: FindFaceResult | None = None
        if looking.crop == "auto":
            face = face_of(outputs.part, fingerprint)
            if face is None:
                face = yield from search(source, network)
            view = found_view(face, source, network)
            fingerprint["crop"] = asdict(face)
            found = face_found(face, source, network)
        else:
            view = yield from view_of(source, network, looking.crop)
            fingerprint["crop"] = list(view.crop)
        network = yield from suited(stack, shared, source, view, file, network, computing)
        part = PartFile(outputs.part, fingerprint, record_type(len(network.keypoints)), chosen)
        stack.callback(part.leave)
        run = _Run(source, stamp, asked, chosen, network, view, part, outputs, found)
        written = run.tables_are_written()
        if not overwrite and not written:
            outputs.refuse_if_existing()
        outputs.remove_leftovers()
        yield Started("predict", len(chosen), settings=run.settings())
        for problem in source.problems:
            yield Notice(problem)
        if run.face is not None and not run.face.found:
            yield Notice(run.face.sentence)
        yield from part.begun_anew()
        yield from run.show_earlier()
        try:
            if not written:
                yield from run.predict()
            if outputs.overlay is not None:
                yield from run.draw_overlay(outputs.overlay)
        except VideoError:
            stamp.check(source.path)  # Another file fails in many ways where the old one is meant.
            raise
        yield from run.tally.notices(source.path.name, network.name, searched=bool(run.face))
        result = run.result()
        # What a run on a cluster left of the same is of no use any more.
        shutil.rmtree(outputs.spans, ignore_errors=True)
        part.remove()
        yield Finished("predict", result)


class _Run:
    """One video going through one model."""

    def __init__(
        self,
        video: Video,
        stamp: VideoStamp,
        asked: Mapping[str, object],
        frames: range,
        model: KeypointModel,
        view: View,
        part: PartFile,
        outputs: Outputs,
        face: FindFaceResult | None,
    ) -> None:
        self.face = face
        self.video = video
        self.stamp = stamp
        self.asked = asked
        self.frames = frames
        self.model = model
        self.view = view
        self.part = part
        self.outputs = outputs
        self.scorer = f"vitface_{model.name}"
        self.fresh_from = part.count
        self.tally = Tally()
        self.seconds = 0.0

    def settings(self) -> PredictSettings:
        """What the user is told at the start."""
        return PredictSettings(
            video=str(self.video.path),
            frame_rate=self.video.frame_rate,
            frames=limits_of(self.frames),
            model=self.model.name,
            device=str(self.model.device),
            precision=self.model.precision,
            why=self.model.why,
            batch_size=self.model.batch_size,
            crop=self.view.crop,
            white=self.video.white,
            face=self.face,
            keypoints=self.model.keypoints,
            fresh_from=self.fresh_from,
            kept_in=str(self.part.path),
        )

    def tables_are_written(self) -> bool:
        """Whether an earlier run wrote the tables from the part file and lacks only the overlay."""
        tables = [self.outputs.h5, self.outputs.csv]
        if self.part.count < len(self.frames) or self.outputs.existing() != tables:
            return False
        finished = self.part.path.stat().st_mtime_ns
        return all(path.stat().st_mtime_ns >= finished for path in tables)

    def show_earlier(self) -> Iterator[Event]:
        """The poses that an earlier run left."""
        for rows in self.part.rows(size=_ROWS_AT_ONCE):
            self.tally.note(rows)
            yield _event(rows)

    def predict(self) -> Iterator[Event]:
        """Predict what is missing, writing as it comes; ends with the tables under their names."""
        from napari_vitface.jobs.frame_batches import batches
        from napari_vitface.jobs.recorder import Recorder

        total, done = len(self.frames), self.fresh_from
        began = time.monotonic()
        counter = Counter(total, done=done)
        with ExitStack() as stack:
            settings = plain_data(self.settings())
            made = {
                **{key: settings[key] for key in _MADE_WITH},
                "model_version": self.model.training.get("version"),
                "asked": self.asked,
            }
            heading = Heading(self.model.keypoints, self.scorer, self.video.path.name, about=made)
            recorder = Recorder(self.part, self.outputs, heading)
            stack.callback(recorder.stop)
            source = batches(
                self.video,
                self.frames[done:],
                self.view,
                self.model.batch_size,
                pinned=self.model.device.type == "cuda",
            )
            stack.callback(source.close)  # type: ignore[attr-defined]
            for batch in source:
                notices = len(self.model.notices)
                rows = predicted_rows(self.model, self.view, batch)
                recorder.put(rows)
                self.tally.note(rows)
                done += len(rows)
                yield _event(rows)
                for sentence in self.model.notices[notices:]:
                    yield Notice(sentence)
                yield from counter.now_and_then(done)
            self.stamp.check(self.video.path)
            recorder.finish()
        self.seconds = time.monotonic() - began
        yield Progress(total, total, 0.0)

    def draw_overlay(self, overlay: Path) -> Iterator[Event]:
        """Write the labelled video."""
        from napari_vitface.jobs.overlay import write_overlay

        poses = self.part.rows()
        yield from write_overlay(overlay, self.video, self.frames, poses, self.model.keypoints)

    def result(self) -> PredictResult:
        """What `Finished` carries."""
        fresh = len(self.frames) - self.fresh_from
        return PredictResult(
            video=str(self.video.path),
            model=self.model.name,
            **self.outputs.told(),
            frames=len(self.frames),
            broken=tuple(self.tally.broken),
            low_confidence=self.tally.low_confidence,
            crop=self.view.crop,
            white=self.video.white,
            face=self.face,
            seconds=round(self.seconds, 3),
            frames_per_second=round(fresh / self.seconds, 2) if self.seconds else None,
            device=str(self.model.device),
            precision=self.model.precision,
            batch_size=self.model.batch_size,
        )


def _event(rows: NDArray[np.void]) -> PosesPredicted:
    return PosesPredicted(
        rows["frame"].copy(),
        rows["xy"].copy(),
        np.nan_to_num(rows["confidence"], nan=0.0),
    )
