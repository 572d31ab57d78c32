"""What jobs over several videos say, beside what every job does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from napari_vitface.jobs.events import Event, Failed, Result
from napari_vitface.record import Record, optional
from napari_vitface.settings.computing import Computing


@dataclass(frozen=True)
class MadeBy(Record):
    """The worker of a cluster that did a job on a whole video, and how.

    `model` is the digest of its content, and `computing` says how it computed; both are None where
    the job has no model.
    """

    worker: str
    versions: Mapping[str, str]
    model: str | None
    computing: Computing | None
    seconds: float | None = None


@dataclass(frozen=True)
class VideoFinished(Event):
    """One video of a job over several is done; `result` is that of the job on this video alone.

    Tables of predictions say themselves which worker made which frames.
    """

    video: str
    result: Result
    made_by: MadeBy | None = optional()  # noqa: RUF009, it is a field


@dataclass(frozen=True)
class VideoFailed(Event):
    """One video of a job over several failed, which goes on with the others."""

    video: str
    failed: Failed
