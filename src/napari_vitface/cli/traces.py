"""The command ``traces``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.cli.arguments import (
    Command,
    add_cluster,
    add_kinds,
    add_model,
    add_output_dir,
    add_overwrite,
    add_videos,
    add_white,
    chosen,
    frames,
    given,
    rectangle,
)
from napari_vitface.errors import VitFaceError
from napari_vitface.pose.roles import ROLES
from napari_vitface.settings.computing import Rectangle
from napari_vitface.settings.traces import DEFAULT, TRACES
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter
    from napari_vitface.jobs.resources import Resources
    from napari_vitface.jobs.results.traces import TracesResult


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_videos(parser, "a video, a folder of images or a TIFF stack")
    add_kinds(parser, "--kinds", "what is measured", TRACES, DEFAULT)
    parser.add_argument(
        "--region",
        action="append",
        type=_region,
        metavar="NAME=X,Y,W,H",
        help="a part of the frame whose motion is measured, in video pixels; can be given several "
        "times (default: the whole frame)",
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        metavar="FILE",
        help="table of keypoints; {} in its path stands for that of each video (default: what the "
        "model left beside the video)",
    )
    parser.add_argument(
        "--role",
        action="append",
        type=_role,
        metavar="ROLE=NAME[,NAME]",
        help="keypoints of a role, where their names do not say it; can be given several times. "
        f"Roles: {', '.join(ROLES)}",
    )
    add_model(parser)
    parser.add_argument(
        "--frames",
        type=frames,
        metavar="START:STOP",
        help="only these frames, as in Python: 0:1000, -500: (default: all)",
    )
    parser.add_argument(
        "--table",
        choices=("csv", "parquet"),
        default="csv",
        help="form of the table (default: %(default)s; parquet needs pyarrow)",
    )
    parser.add_argument(
        "--nwb",
        action="store_true",
        help="write <video>_traces.nwb beside the table (needs pynwb)",
    )
    parser.add_argument(
        "--triggers",
        action="append",
        type=Path,
        metavar="FILE|DIR",
        help="times of the camera's triggers, one a frame, as CSV, TSV, plain text or .npy. For "
        "several videos {} in the file's path stands for the name of each, or a folder has files "
        "of their names, or it is given once for each, in their order (default: the time stamps of "
        "the video's file)",
    )
    add_output_dir(parser)
    add_white(parser)
    add_overwrite(parser)
    add_cluster(parser)


def _region(text: str) -> tuple[str, Rectangle]:
    name, equals, numbers = text.partition("=")
    if not equals or not name.strip():
        raise argparse.ArgumentTypeError(
            f"a region is given as NAME=X,Y,W,H, for example pad=200,150,120,90, not as {text!r}"
        )
    return name.strip(), rectangle(numbers)


def _role(text: str) -> tuple[str, tuple[str, ...]]:
    role, equals, names = text.partition("=")
    if not equals or role not in ROLES:
        raise argparse.ArgumentTypeError(
            f"a role is given as ROLE=NAME, of the roles {', '.join(ROLES)}, not as {text!r}"
        )
    return role, tuple(name.strip() for name in names.split(","))


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Measure the traces of each video. One of several that fails does not stop the others."""
    from napari_vitface.cli.on_cluster import run_many_on_cluster
    from napari_vitface.cli.videos import one_by_one
    from napari_vitface.jobs.camera_triggers import serves_all
    from napari_vitface.jobs.outputs import NAME, refuse_one_for_all, refuse_same_outputs
    from napari_vitface.jobs.results.traces import TracesResult
    from napari_vitface.jobs.traces import traces as job

    videos: list[Path] = arguments.videos
    options = given(
        arguments,
        job,
        settings=chosen(arguments, *map(type, TRACES.values())),
        regions=dict(arguments.region or ()),
        roles=dict(arguments.role or ()),
    )
    del options["triggers"]  # One of several videos has its own.
    refuse_one_for_all(arguments.predictions, videos, "table")
    triggers: list[Path] = arguments.triggers or []
    rule = f"write {NAME} where the name of each shall stand, or give a folder"
    if len(triggers) == 1 and serves_all(triggers[0]):
        triggers *= len(videos)
    elif triggers and len(triggers) != len(videos):
        if len(videos) == 1:
            raise VitFaceError(f"{videos[0].name} has triggers of its own: give --triggers once.")
        raise VitFaceError(
            f"Each of {counted(len(videos), 'video')} has triggers of its own: {rule}, or give "
            "--triggers for each, in their order."
        )
    of_video = dict(zip(videos, triggers, strict=False))
    if arguments.cluster is not None:
        if len(set(triggers)) > 1:
            raise VitFaceError(f"On a cluster --triggers is the same for all videos: {rule}.")
        once = {"triggers": triggers[0]} if triggers else {}
        return run_many_on_cluster(arguments, reporter, job, videos, _told, **once, **options)

    def run(video: Path, _: Resources) -> TracesResult:
        events = job(video, triggers=of_video.get(video), **options)
        result = reporter.run(events, TracesResult, title=video.name)
        reporter.result(*_told(result))
        return result

    refuse_same_outputs(videos, arguments.output_dir)
    return one_by_one(arguments, reporter, videos, run, job="traces", past="measured")


def _told(result: TracesResult) -> list[str]:
    """The files and how it went, for people, a line each."""
    rate = result.frames_per_second
    pace = f", {rate:.0f} a second" if rate else ""
    before = "" if result.made else "already done: "
    lines = [
        f"{result.table} ({before}{counted(len(result.traces), 'trace')}): "
        f"{counted(result.frames, 'frame')}{pace}"
    ]
    if result.nwb:
        lines.append(f"{result.nwb} (the same)")
    return lines + ([f"{result.components} (spatial components)"] if result.components else [])


COMMAND = Command(
    "traces",
    "Measure motion and movements of the face; write <video>_traces.csv.",
    _add_arguments,
    handle,
)
