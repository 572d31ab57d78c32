"""The jobs that the list can run over videos: each is one declaration."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from napari_vitface.gui.video_list.items import Item
from napari_vitface.gui.white import remembered
from napari_vitface.jobs.events import Result
from napari_vitface.jobs.outputs import Outputs, model_stem, output_place
from napari_vitface.jobs.results.prediction import PredictResult

if TYPE_CHECKING:
    from napari_vitface.gui.predict.prediction import PredictOptions
    from napari_vitface.gui.session import Session


class Settings(TypedDict, total=False):
    """Arguments of a job that are the same for all videos: plain data, as JSON holds it."""

    model: str
    device: str
    precision: str
    batch_size: int | str
    crop: str | None
    #: Empty and None: beside each video.
    output_dir: str | None
    frames: str | None
    overlay: bool


@dataclass(frozen=True)
class JobKind:
    """What the list has to know of a job that takes one video.

    Attributes
    ----------
    job : str
        Its name in the engine.
    title, past : str
        For the user: "Predict", "predicted".
    arguments : callable
        (item, settings) -> what the job is given.
    place : callable
        (video, settings) -> what must differ between two videos for them to have results of their
        own, told without opening the video. May look at the disk.
    found : callable
        (video, settings) -> a result that is there already, or None. May look at the disk.
    result : callable
        What the job's `Finished` holds -> the file to open with the video, or None.
    offered : callable
        (session, options of the Predict section) -> settings, as the window is set now.
    words : callable
        Settings in one line.
    """

    job: str
    title: str
    past: str
    arguments: Callable[[Item, Settings], dict[str, object]]
    place: Callable[[Path, Settings], Hashable]
    found: Callable[[Path, Settings], Path | None]
    result: Callable[[Result], Path | None]
    offered: Callable[[Session, PredictOptions], Settings]
    words: Callable[[Settings], str]


def _arguments(item: Item, settings: Settings) -> dict[str, object]:
    arguments: dict[str, object] = {**settings, "video": item.path, "overwrite": item.again}
    if item.crop is not None:
        arguments["crop"] = None if item.crop == "whole" else item.crop
    white = remembered(item.path)
    if white is not None:
        arguments["white"] = white
    return arguments


def _place(video: Path, settings: Settings) -> Hashable:
    return output_place(video, _folder(settings))


def _found(video: Path, settings: Settings) -> Path | None:
    outputs = Outputs.beside(
        video,
        settings["model"],
        folder=_folder(settings),
        overlay=bool(settings.get("overlay")),
    )
    # A run that was stopped, perhaps between its tables and its labelled video, goes on.
    return None if outputs.part.exists() else next(iter(outputs.existing()), None)


def _offered(session: Session, options: PredictOptions) -> Settings:
    step = options.frames.step if options.frames is not None else 1
    return {
        "model": session.model,
        "output_dir": None if options.output_dir is None else str(options.output_dir),
        "device": session.device,
        "precision": session.precision,
        "batch_size": options.batch_size,
        # First and last frame are those of the video on screen; every n-th holds for all.
        "frames": None if step == 1 else f"::{step}",
        "overlay": options.overlay,
    }


def _words(settings: Settings) -> str:
    step = int(str(settings.get("frames") or "::1").rpartition(":")[2] or 1)
    folder = _folder(settings)
    parts = [
        model_stem(settings["model"]),
        "every frame" if step == 1 else f"1 frame in {step}",
        "results beside each video" if folder is None else f"results in {folder}",
    ]
    if settings.get("overlay"):
        parts.append("labelled video")
    parts += [
        str(settings[key]) for key in ("device", "precision") if settings.get(key, "auto") != "auto"
    ]
    return "  ·  ".join(parts)


def _folder(settings: Settings) -> Path | None:
    folder = settings.get("output_dir")
    return Path(folder) if folder else None


PREDICT = JobKind(
    job="predict",
    title="Predict",
    past="predicted",
    arguments=_arguments,
    place=_place,
    found=_found,
    result=lambda result: Path(result.h5) if isinstance(result, PredictResult) else None,
    offered=_offered,
    words=_words,
)

KINDS: Mapping[str, JobKind] = {kind.job: kind for kind in (PREDICT,)}
