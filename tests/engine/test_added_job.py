"""A job of another package, carried out by the engine under its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from napari_vitface.engine import Engine
from napari_vitface.engine.jobs import JOBS
from napari_vitface.jobs.events import Failed, Finished, Progress

TOY = """
from napari_vitface.engine.jobs import Job
from napari_vitface.errors import VideoError
from dataclasses import dataclass
from napari_vitface.jobs.events import Finished, Progress, Result

@dataclass(frozen=True)
class Bright(Result):
    frames: int

def bright(video, above, resources):
    "How many frames are brighter than so much."
    with resources.video(video) as source:
        if not 0 < above < source.white:
            raise VideoError(f"No frame of {source.path.name} is brighter than {above}.")
        found = [int(image.mean() > above) for _, image in source.frames()]
    yield Progress(len(found), len(found))
    yield Finished("bright", Bright(sum(found)))

TOY = Job("bright", __name__ + ":bright", needs_torch=False)
"""


def test_it_is_found_by_name_and_may_borrow_the_video(
    install: Callable[..., None], tmp_path: Path
) -> None:
    from PIL import Image

    for level in (0, 90, 200):
        Image.new("L", (32, 24), level).save(tmp_path / f"{level:03d}.png")
    install(JOBS, TOY)
    with Engine({"PYTHONPATH": str(tmp_path / "site-packages")}) as engine:
        heard = []
        arguments = {"video": tmp_path, "above": 80}
        done = engine.submit("bright", arguments, on_event=heard.append).wait(60)
        assert heard == [Progress(3, 3), done]
        assert isinstance(done, Finished)
        assert done.result.frames == 2
        failed = engine.submit("bright", {**arguments, "above": 900}).wait(60)
        assert isinstance(failed, Failed)
        assert failed.message == f"No frame of {tmp_path.name} is brighter than 900."


def test_no_other_package_takes_the_name_of_a_job(install: Callable[..., None]) -> None:
    ours = JOBS["predict"]
    install(JOBS, TOY.replace('Job("bright"', 'Job("predict"'))
    with pytest.warns(UserWarning, match="there is another one named predict"):
        assert JOBS["predict"] == ours
