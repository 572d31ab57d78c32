"""What results of several videos have in common."""

from __future__ import annotations

from dataclasses import dataclass

from napari_vitface.jobs.events import Result
from napari_vitface.record import Record


@dataclass(frozen=True)
class FailedVideo(Record):
    """One of several videos that failed, and the sentence that says why."""

    video: str
    message: str


@dataclass(frozen=True)
class VideosResult(Result):
    """A job went through several videos, or several models; `videos` has the result of each."""

    videos: tuple[Result, ...]
    failed: tuple[FailedVideo, ...]
