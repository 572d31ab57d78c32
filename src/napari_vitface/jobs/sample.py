"""Draw the sample video of the demonstration."""

from __future__ import annotations

import os
from collections.abc import Iterator

from napari_vitface.jobs.events import Event, Finished, Preparing, Started
from napari_vitface.jobs.pace import Counter
from napari_vitface.jobs.results.sample import SampleResult


def draw_sample(video: str | os.PathLike[str], *, frames: int = 200) -> Iterator[Event]:
    """Write a video of a drawn mouse face.

    Yields
    ------
    Preparing, Started, Progress
    Finished
        With a `SampleResult`.
    """
    yield Preparing("Loading what draws a mouse")
    from napari_vitface.sample.movie import MouseFaceSample, writing_sample_video

    counter = Counter(frames)
    yield Started("sample", frames)
    for done in writing_sample_video(video, MouseFaceSample(frames=frames)):
        yield counter.at(done)
    yield Finished("sample", SampleResult(os.fspath(video)))
