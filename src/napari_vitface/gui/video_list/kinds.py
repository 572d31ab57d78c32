"""The jobs that the list can run over videos: each is one declaration."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from napari_vitface.gui.numbers import counted
from napari_vitface.gui.video_list.items import Item
from napari_vitface.gui.white import remembered
from napari_vitface.jobs.camera_triggers import naming_rule
from napari_vitface.jobs.outputs import NAME, Outputs, model_stem, output_place, results_folder
from napari_vitface.settings.kind import settings_of
from napari_vitface.settings.option import Value
from napari_vitface.settings.traces import TRACES

if TYPE_CHECKING:
    from napari_vitface.gui.open_video import Made
    from napari_vitface.gui.predict.prediction import PredictOptions
    from napari_vitface.gui.session import Session
    from napari_vitface.gui.traces.measuring import TraceMeasuring


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
    #: Of traces: which kinds, what is set of them, and the regions of the frame.
    kinds: list[str]
    settings: dict[str, Value]
    regions: dict[str, list[int]]
    table: str
    nwb: bool
    #: How the files of the cameras' triggers are called, in the folder of each video or with a
    #: folder of their own.
    triggers: str | None
    #: Empty: in this napari's engine, one video after the other.
    cluster: str


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
    table : str
        The field of its result that names the file to open with the video; empty if none does.
    offered : callable
        (session, options of the Predict section, choices of the Traces section) -> settings, as
        the window is set now.
    words : callable
        Settings in one line.
    looks : bool
        Whether it looks at a crop of each video.
    command : callable, optional
        (items, arguments, cluster) -> the command line that does it for items with the same
        arguments on a cluster, without the name of the program.
    """

    job: str
    title: str
    past: str
    arguments: Callable[[Item, Settings], dict[str, object]]
    place: Callable[[Path, Settings], Hashable]
    found: Callable[[Path, Settings], Path | None]
    table: str
    offered: Callable[[Session, PredictOptions, TraceMeasuring], Settings]
    words: Callable[[Settings], str]
    looks: bool = True
    command: Callable[[Sequence[Item], Mapping[str, object], str], list[str]] | None = None

    @property
    def was_before(self) -> str:
        """What is said of a video whose results were there."""
        return f"Was {self.past} before; Again replaces it."


def _arguments(item: Item, settings: Settings) -> dict[str, object]:
    arguments: dict[str, object] = {**settings, "video": item.path, "overwrite": item.again}
    arguments.pop("cluster", None)
    if item.crop is not None:
        arguments["crop"] = None if item.crop == "whole" else item.crop
    white = remembered(item.path)
    if white is not None:
        arguments["white"] = white
    return arguments


def _command(items: Sequence[Item], arguments: Mapping[str, object], cluster: str) -> list[str]:
    return [*_beginning("predict", items, cluster), *_options(arguments)]


def _beginning(command: str, items: Sequence[Item], cluster: str) -> list[str]:
    return [command, *(str(item.path) for item in items), "--json", f"--cluster={cluster}"]


def _options(arguments: Mapping[str, object]) -> Iterator[str]:
    """Arguments of a job as options; what is empty or False is left out, as by default."""
    for name, value in arguments.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, list | tuple):
            value = ",".join(map(str, value))
        if value is True:
            yield option
        elif name != "video" and value is not None and value is not False and value != "":
            yield f"{option}={value}"


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


def _offered(session: Session, options: PredictOptions, measuring: TraceMeasuring) -> Settings:
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
    if cluster := settings.get("cluster"):
        parts.append(cluster_words(cluster))
    if settings.get("overlay"):
        parts.append("labelled video")
    parts += [
        str(settings[key]) for key in ("device", "precision") if settings.get(key, "auto") != "auto"
    ]
    return "  ·  ".join(parts)


def cluster_words(cluster: str) -> str:
    """Where a job runs, in a few words; empty for this napari's own engine."""
    if found := re.fullmatch(r"local:(\d+)", cluster):
        return counted(int(found[1]), "process", "processes")
    return Path(cluster).name if cluster.endswith((".yaml", ".yml")) else cluster


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
    table="h5",
    offered=_offered,
    words=_words,
    command=_command,
)


#: Arguments that are no options of their own.
_OF_TRACES = ("settings", "regions")


def _trace_arguments(item: Item, settings: Settings) -> dict[str, object]:
    wanted = ("kinds", "settings", "regions", "model", "output_dir", "table", "nwb")
    arguments: dict[str, object] = {
        name: value for name, value in settings.items() if name in wanted
    }
    arguments |= {"video": item.path, "overwrite": item.again, "white": remembered(item.path)}
    if triggers := settings.get("triggers"):
        arguments["triggers"] = str(results_folder(item.path) / triggers)
    return arguments


def _traces_command(items: Sequence[Item], arguments: Mapping[str, Any], cluster: str) -> list[str]:
    plain = {name: value for name, value in arguments.items() if name not in _OF_TRACES}
    declared = settings_of(TRACES.values())
    for name, value in (arguments.get("settings") or {}).items():
        if value != declared[name].default:
            # Of a switch that is on by default, the option switches it off.
            plain |= {f"no_{name}": True} if value is False else {name: value}
    regions = [
        f"--region={name}={','.join(map(str, region))}"
        for name, region in (arguments.get("regions") or {}).items()
    ]
    return [*_beginning("traces", items, cluster), *regions, *_options(plain)]


def _traces_offered(
    session: Session, options: PredictOptions, measuring: TraceMeasuring
) -> Settings:
    return {
        "model": session.model,
        "output_dir": None if options.output_dir is None else str(options.output_dir),
        "kinds": list(measuring.kinds),
        "settings": dict(measuring.settings),
        "table": measuring.table,
        "nwb": measuring.nwb,
        "triggers": _triggers_rule(session.made),
        # Those of the video on screen hold for all, as of one camera.
        "regions": {name: list(region) for name, region in session.made.regions.items()},
    }


def _triggers_rule(opened: Made) -> str | None:
    """How the files of triggers of all videos are called, by that of the video on screen."""
    if opened.triggers is None:
        return None
    rule = naming_rule(opened.triggers, opened.path)
    if rule is None:
        return None
    beside = rule.parent.resolve() == results_folder(opened.path).resolve()
    return rule.name if beside else str(rule)


def _trace_words(settings: Settings) -> str:
    folder, regions = _folder(settings), settings.get("regions") or {}
    tables = _table_words(settings)
    parts = [
        ", ".join(settings.get("kinds") or ()),
        f"in {', '.join(regions)}, as on screen" if regions else "whole frame",
        f"{tables} beside each video" if folder is None else f"{tables} in {folder}",
    ]
    if triggers := settings.get("triggers"):
        parts.append(f"times from {Path(triggers).name.replace(NAME, '<video>')}")
    if cluster := settings.get("cluster"):
        parts.append(cluster_words(cluster))
    return "  ·  ".join(parts)


def _table_words(settings: Settings) -> str:
    form = "Parquet" if settings.get("table") == "parquet" else "CSV"
    return f"{form} and NWB" if settings.get("nwb") else form


TRACES_OF_VIDEOS = JobKind(
    job="traces",
    title="Measure",
    past="measured",
    arguments=_trace_arguments,
    place=_place,
    # The job itself knows what it has made in the same way.
    found=lambda video, settings: None,
    table="table",
    offered=_traces_offered,
    words=_trace_words,
    looks=False,
    command=_traces_command,
)

KINDS: Mapping[str, JobKind] = {kind.job: kind for kind in (PREDICT, TRACES_OF_VIDEOS)}
