"""Predict the keypoints of a whole video, show them as they come, and write the tables."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.jobs.events import (
    Event,
    Finished,
    Notice,
    PosesPredicted,
    Progress,
    Started,
)
from napari_vitface.jobs.frame_range import frame_range, name_runs, runs_of
from napari_vitface.jobs.outputs import Outputs
from napari_vitface.jobs.pace import Pace
from napari_vitface.jobs.part_file import PartFile, is_broken, record_type
from napari_vitface.jobs.resources import Resources, shared_or_own

if TYPE_CHECKING:
    from napari_vitface.model.predictor import KeypointModel
    from napari_vitface.model.preprocessing import View
    from napari_vitface.video import Video

#: Seconds between two `Progress` events.
_PROGRESS_EVERY = 0.2
#: Rows of an earlier run that are shown at a time.
_ROWS_AT_ONCE = 4096


def predict(
    video: str | os.PathLike[str],
    model: str | os.PathLike[str] = "mouse-face",
    *,
    output_dir: str | os.PathLike[str] | None = None,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | str = "auto",
    crop: tuple[int, int, int, int] | None = None,
    frames: slice | range | str | None = None,
    overlay: bool = False,
    overwrite: bool = False,
    resources: Resources | None = None,
) -> Iterator[Event]:
    """Predict keypoints in a video and write ``<video>_vitface_<model>.h5`` and ``.csv``.

    Closing the generator cancels the run and keeps what is done in a ``.part`` file beside the
    outputs; the same call goes on from there. A frame that cannot be decoded becomes a row without
    points.

    Parameters
    ----------
    video : path
        A video, a folder of images, a TIFF stack or an image.
    model : str or path
        Name of a bundled model or a ``.safetensors`` file.
    output_dir : path, optional
        Default: where the video is.
    device : {"auto", "cpu", "cuda", "cuda:N", "mps"}
    precision : {"auto", "fp32", "bf16", "fp16"}
        "auto" takes what is measured to be fastest with the same points.
    batch_size : int or "auto"
    crop : (x, y, w, h), optional
        Part of the frame to look at, in video pixels. Default: the crop stored with the model, or
        the whole frame.
    frames : slice, range or "START:STOP:STEP", optional
        Default: all.
    overlay : bool
        Also write a labelled video, ``<video>_vitface_<model>_overlay.mp4``.
    overwrite : bool
        Replace outputs that exist.
    resources : Resources, optional
        Where to borrow the model and the video from.

    Yields
    ------
    Started
        `total` frames; `settings` say what runs where, the keypoints, and in `fresh_from` how many
        frames an earlier run had done (these are yielded first).
    PosesPredicted, Progress, Notice
    Finished
        Its result names the files (``h5``, ``csv``, ``overlay``), ``frames``, ``broken`` as
        [first, last] ranges, and ``frames_per_second``.

    Raises
    ------
    VitFaceError
        One sentence: the video, the model, the device or the output folder cannot be used.
    """
    from napari_vitface.model.checkpoint import find_model

    with ExitStack() as stack:
        shared = stack.enter_context(shared_or_own(resources))
        source = stack.enter_context(shared.video(video))
        chosen = frame_range(frames, len(source), source.path.name)
        file = find_model(model)
        outputs = Outputs.beside(
            source.path,
            file.stem,
            folder=None if output_dir is None else Path(output_dir),
            overlay=overlay,
        )
        # Before anything slow, and before a part file is made. A part file may be what a run left
        # that wrote its tables but not its overlay; whether it is, is seen below.
        if not overwrite and not outputs.part.exists():
            outputs.refuse_if_existing()
        network = stack.enter_context(
            shared.model(file, device=device, precision=precision, batch_size=batch_size)
        )
        preprocessing = network.preprocessing
        if crop is not None:
            preprocessing = preprocessing.with_crop(crop)
        view = preprocessing.view((source.shape[1], source.shape[2]))
        part = PartFile(
            outputs.part,
            _fingerprint(source, file, view, chosen, network.keypoints.names),
            len(network.keypoints),
            chosen,
        )
        stack.callback(part.leave)
        run = _Run(source, chosen, network, view, part, outputs)
        tables_there = run.tables_are_written()
        if not overwrite and not tables_there:
            outputs.refuse_if_existing()
        outputs.remove_leftovers()
        yield Started("predict", len(chosen), settings=run.settings())
        for problem in source.problems:
            yield Notice(problem)
        if part.mismatch is not None:
            yield Notice(
                f"{part.path.name} was left by a run with another {_listed(part.mismatch)}; "
                "it cannot be continued, so this run begins anew."
            )
        yield from run.show_earlier()
        if not tables_there:
            yield from run.predict()
        if outputs.overlay is not None:
            yield from run.draw_overlay()
        yield from run.name_broken()
        result = run.result()
        part.remove()
        yield Finished("predict", result)


class _Run:
    """One video going through one model."""

    def __init__(
        self,
        video: Video,
        frames: range,
        model: KeypointModel,
        view: View,
        part: PartFile,
        outputs: Outputs,
    ) -> None:
        self.video = video
        self.frames = frames
        self.model = model
        self.view = view
        self.part = part
        self.outputs = outputs
        self.scorer = f"vitface_{model.name}"
        self.fresh_from = part.count
        self.broken: list[tuple[int, int]] = []
        self.seconds = 0.0

    def settings(self) -> dict[str, Any]:
        """What the user is told at the start."""
        return {
            "video": str(self.video.path),
            "frame_rate": self.video.frame_rate,
            "frames": [self.frames.start, self.frames.stop, self.frames.step],
            "model": self.model.name,
            "device": str(self.model.device),
            "precision": self.model.precision,
            "why": self.model.why,
            "batch_size": self.model.batch_size,
            "crop": list(self.view.crop),
            "keypoints": self.model.keypoints.to_dict(),
            "fresh_from": self.fresh_from,
        }

    def tables_are_written(self) -> bool:
        """Whether an earlier run wrote the tables from the part file and lacks only the overlay."""
        tables = (self.outputs.h5, self.outputs.csv)
        overlay = self.outputs.overlay
        if self.part.count < len(self.frames) or not all(path.exists() for path in tables):
            return False
        if overlay is not None and overlay.exists():
            return False
        finished = self.part.path.stat().st_mtime_ns
        return all(path.stat().st_mtime_ns >= finished for path in tables)

    def show_earlier(self) -> Iterator[Event]:
        """The poses that an earlier run left."""
        for rows in self.part.rows(size=_ROWS_AT_ONCE):
            self._note_broken(rows)
            yield _event(rows)

    def predict(self) -> Iterator[Event]:
        """Predict what is missing, writing as it comes; ends with the tables under their names."""
        from napari_vitface.jobs.batches import batches
        from napari_vitface.jobs.recorder import Recorder

        total, done = len(self.frames), self.fresh_from
        began = time.monotonic()
        told = 0.0
        pace = Pace()
        with ExitStack() as stack:
            recorder = Recorder(self.part, self.outputs, self.model.keypoints, self.scorer)
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
                rows = self._predict_batch(batch)
                recorder.put(rows)
                self._note_broken(rows)
                done += len(rows)
                pace.step(len(rows))
                yield _event(rows)
                for sentence in self.model.notices[notices:]:
                    yield Notice(sentence)
                now = time.monotonic()
                if now - told >= _PROGRESS_EVERY:
                    told = now
                    yield Progress(done, total, pace.seconds_left(total - done))
            recorder.finish()
        self.seconds = time.monotonic() - began
        yield Progress(total, total, 0.0)

    def draw_overlay(self) -> Iterator[Event]:
        """Write the labelled video."""
        from napari_vitface.jobs.overlay import write_overlay

        assert self.outputs.overlay is not None
        yield from write_overlay(
            self.outputs.overlay, self.video, self.frames, self.part, self.model.keypoints
        )

    def name_broken(self) -> Iterator[Event]:
        """Say which frames have no points because they could not be decoded."""
        count = sum(last - first + 1 for first, last in self.broken)
        if count:
            yield Notice(
                f"{count} {'frame' if count == 1 else 'frames'} of {self.video.path.name} could "
                f"not be decoded and {'has' if count == 1 else 'have'} no points: "
                f"{name_runs(self.broken)}."
            )

    def result(self) -> dict[str, Any]:
        """What `Finished` carries."""
        fresh = len(self.frames) - self.fresh_from
        return {
            "video": str(self.video.path),
            "model": self.model.name,
            "h5": str(self.outputs.h5),
            "csv": str(self.outputs.csv),
            "overlay": None if self.outputs.overlay is None else str(self.outputs.overlay),
            "frames": len(self.frames),
            "broken": [list(run) for run in self.broken],
            "seconds": round(self.seconds, 3),
            "frames_per_second": round(fresh / self.seconds, 2) if self.seconds else None,
            "device": str(self.model.device),
            "precision": self.model.precision,
            "batch_size": self.model.batch_size,
        }

    def _predict_batch(self, batch: Any) -> NDArray[np.void]:
        rows = np.empty(len(batch.frames), dtype=record_type(len(self.model.keypoints)))
        rows["frame"] = batch.frames
        rows["xy"] = np.nan
        rows["confidence"] = np.nan
        if batch.canvas is not None:
            xy, confidence = self.model.predict(batch.canvas)
            rows["xy"][batch.decoded] = self.view.to_frame(xy)
            rows["confidence"][batch.decoded] = confidence
        return rows

    def _note_broken(self, rows: NDArray[np.void]) -> None:
        broken = rows["frame"][is_broken(rows)]
        if len(broken):
            # Kept as ranges: a video whose second half is broken must not fill the memory.
            for first, last in runs_of(broken.tolist()):
                if self.broken and first <= self.broken[-1][1] + 1:
                    first = self.broken.pop()[0]
                self.broken.append((first, last))


def _event(rows: NDArray[np.void]) -> PosesPredicted:
    return PosesPredicted(
        rows["frame"].copy(),
        rows["xy"].copy(),
        np.nan_to_num(rows["confidence"], nan=0.0),
    )


def _listed(keys: tuple[str, ...]) -> str:
    return " and another ".join(keys)


def _fingerprint(
    video: Video, model: Path, view: View, frames: range, keypoints: tuple[str, ...]
) -> dict[str, Any]:
    """What must be the same for a run to go on from an earlier one's part file.

    Device, precision and batch size are not part of it: they move points by fractions of a pixel,
    and hours of work are not thrown away for that.
    """
    with model.open("rb") as file:
        weights = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "video": [*_video_stamp(video.path), len(video), list(view.frame_size)],
        "model": weights,
        "crop": list(view.crop),
        "frames": [frames.start, frames.stop, frames.step],
        "keypoints": list(keypoints),
    }


def _video_stamp(path: Path) -> list[int]:
    """Size in bytes and time of the last change; of a folder, of all files in it."""
    files = [file for file in path.iterdir() if file.is_file()] if path.is_dir() else [path]
    status = [file.stat() for file in files]
    return [sum(s.st_size for s in status), max((s.st_mtime_ns for s in status), default=0)]
