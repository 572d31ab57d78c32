"""What drawing the sample ends with."""

from __future__ import annotations

from dataclasses import dataclass

from napari_vitface.jobs.events import Result


@dataclass(frozen=True)
class SampleResult(Result):
    """The drawn video is there; `video` is its path."""

    video: str
