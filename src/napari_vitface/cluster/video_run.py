"""One video going through one model on a worker, as the folder of its spans says."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.cluster.span_folder import Making, Run
from napari_vitface.cluster.spans import Span
from napari_vitface.jobs.earlier_tables import Made
from napari_vitface.jobs.find_face import found_view
from napari_vitface.jobs.frame_range import frame_range
from napari_vitface.jobs.video_stamp import VideoStamp
from napari_vitface.record import from_plain
from napari_vitface.settings.computing import Computing, Looking

if TYPE_CHECKING:
    from napari_vitface.model.face_search import Face
    from napari_vitface.model.predictor import KeypointModel
    from napari_vitface.model.preprocessing import View
    from napari_vitface.video import Video

_TIMED_BATCHES = 3


class VideoRun:
    """See above.

    Parameters
    ----------
    told : Run
        What stands in the folder.
    """

    def __init__(
        self,
        video: Video,
        model: KeypointModel,
        told: Run,
        frames: slice | range | str | None,
        looking: Looking,
    ) -> None:
        self.video = video
        self.model = model
        self.told = told
        self.frames = frame_range(frames, len(video), video.path.name)
        self.computing = Computing(**told["computing"])
        self.batch = int(self.computing.batch_size)
        self.face = _face(told["face"])
        self.view = self._view(looking)

    def rows(self, span: Span) -> Iterator[NDArray[np.void]]:
        """The records of a span, in the batches that a run on one machine has."""
        from napari_vitface.jobs.frame_batches import batches
        from napari_vitface.jobs.predicted_rows import predicted_rows

        source = batches(
            self.video,
            self.frames[slice(*span)],
            self.view,
            self.batch,
            first=1 if span[0] == 0 else self.batch,
            pinned=self.model.device.type == "cuda",
        )
        with closing(source):  # type: ignore[type-var]
            for batch in source:
                yield predicted_rows(self.model, self.view, batch)

    def seconds_a_frame(self) -> float:
        """How long a frame takes here once it runs, by some frames from the start."""
        count, began = 0, 0.0
        for rows in self.rows((0, 1 + _TIMED_BATCHES * self.batch)):
            began = began or time.monotonic()
            count += len(rows)
        return (time.monotonic() - began) / max(count - 1, 1)

    def made(self, spans: Sequence[Span], about: Sequence[Making]) -> Made:
        """What the table keeps of how it was made: as on one machine, and by whom."""
        workers = list(dict.fromkeys(each["worker"] for each in about))
        by = [
            (
                self.frames[first],
                self.frames[stop - 1],
                workers.index(each["worker"]),
                each["seconds"],
            )
            for (first, stop), each in zip(spans, about, strict=True)
        ]
        return {
            "model": self.model.name,
            "model_version": self.model.training.get("version"),
            "device": self.computing.device,
            "precision": self.computing.precision,
            "batch_size": self.batch,
            "crop": list(self.view.crop),
            "white": self.video.white,
            "asked": self.told["asked"],
            "cluster": {
                "versions": self.told["versions"],
                "workers": workers,
                "columns": ["first frame", "last frame", "number of worker", "seconds"],
                "spans": by,
            },
        }

    def _view(self, looking: Looking) -> View:
        size = self.video.shape[1], self.video.shape[2]
        if self.face is not None:
            return found_view(self.face, self.video, self.model)
        if looking.crop is None or looking.crop == "auto":
            return self.model.preprocessing.view(size)
        return self.model.preprocessing.with_crop(looking.crop).view(size)


def check_stamp(told: Run, video: str | os.PathLike[str]) -> None:
    """Raise `VideoError` if not the video of a run stands in its place by now, but another or none.

    Parameters
    ----------
    told : Run
        As in `VideoRun`.
    """
    path = Path(video)
    size, changed = told["asked"]["video"][:2]
    inode = 0
    with suppress(OSError):
        # Each computer may number the files of a network drive in its own way.
        inode = VideoStamp.of(path).inode
    VideoStamp(size, changed, inode).check(path)


def _face(found: Mapping[str, Any] | None) -> Face | None:
    from napari_vitface.model.face_search import Face

    return None if found is None else from_plain(Face, found)
