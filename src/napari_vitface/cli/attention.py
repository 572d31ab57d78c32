"""The command ``attention``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vitface.cli.arguments import (
    Command,
    add_cluster,
    add_computing,
    add_crop,
    add_model,
    add_settings,
    add_white,
    chosen,
    frames,
)
from napari_vitface.cli.tables import aligned
from napari_vitface.errors import VitFaceError
from napari_vitface.settings.attention import DEFAULT, METHODS, settable
from napari_vitface.settings.computing import Looking
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter
    from napari_vitface.jobs.events import Event
    from napari_vitface.jobs.resources import Resources
    from napari_vitface.jobs.results.attention import (
        AttentionResult,
        FaithfulnessResult,
        KeypointAttention,
    )

_KINDS = (".npz", ".png", ".mp4", ".csv")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sources",
        nargs="+",
        type=Path,
        metavar="SOURCE",
        help="a video, an image or a folder of images",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--frame",
        type=int,
        metavar="N",
        help="frame number, counted from 0; negative from the end",
    )
    which.add_argument(
        "--frames",
        type=frames,
        metavar="START:STOP:STEP",
        help="a range of frames, as in Python: 0:1000, ::10, -500:, : for all",
    )
    add_model(parser)
    anywhere = " and ".join(name for name, method in METHODS.items() if method.starts_anywhere)
    told = "; ".join(f"{name}: {method.help}" for name, method in METHODS.items())
    parser.add_argument(
        "--method",
        choices=METHODS,
        metavar="|".join(METHODS),
        default=DEFAULT,
        help=f"{told} (default: {DEFAULT})",
    )
    parser.add_argument(
        "--keypoint",
        action="append",
        metavar="NAME|all|global",
        help="the keypoint whose map is wanted, several if given again; all: one map each and the "
        "global one; global: from the class token, with gradients all keypoints together "
        "(default: all)",
    )
    parser.add_argument(
        "--point",
        type=_point,
        action="append",
        default=[],
        metavar="X,Y",
        help="also a map that starts from this place of the frame, in video pixels; for "
        f"{anywhere}, with --frame",
    )
    add_settings(parser, settable())
    parser.add_argument(
        "--each-layer",
        action="store_true",
        help="the maps after each layer of the range (default: all), first to last; with --frame",
    )
    parser.add_argument(
        "--average",
        action="store_true",
        help="the mean map over --frames instead of one map each",
    )
    parser.add_argument(
        "--faithfulness",
        action="store_true",
        help="also measure how far each keypoint moves when the most attended patches are blanked, "
        "against random ones and those nearest to it; of --frames, ten at most are measured",
    )
    parser.add_argument(
        "--radius",
        type=float,
        metavar="PIXELS",
        help="for .csv: distance from a keypoint that counts as near (default: 1.5 patches)",
    )
    add_crop(parser)
    add_white(parser)
    add_computing(parser)
    parser.add_argument(
        "--output",
        type=_output,
        required=True,
        metavar="FILE.npz|FILE.png|FILE.mp4|FILE.csv",
        help="npz: maps on the patch grid with names, placement and settings; png: the frame with "
        "the maps on it; mp4: the frames, or the layers of one, with the mean of the maps over "
        "each; csv: how spread each map is, how much of it lies near the keypoint, and where it "
        "does not; {} in it is the name of each source",
    )
    add_cluster(parser)


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Run the jobs that the arguments ask for, and print what came of them."""
    from napari_vitface.cli.on_cluster import run_many_on_cluster
    from napari_vitface.cli.videos import one_by_one
    from napari_vitface.jobs.outputs import named_after
    from napari_vitface.jobs.results.attention import AttentionResult, FaithfulnessResult

    _check(arguments)
    sources: list[Path] = arguments.sources
    told = partial(_told, average=arguments.average)
    if arguments.cluster is not None:
        job, options = _job(arguments, None)
        return run_many_on_cluster(
            arguments, reporter, job, sources, told, output=arguments.output, **options
        )

    def run(source: Path, resources: Resources) -> AttentionResult:
        judged: FaithfulnessResult | None = None
        if arguments.faithfulness:
            judged = reporter.run(
                _faithfulness(arguments, source, resources),
                FaithfulnessResult,
                title="faithfulness",
            )
            reporter.result(*faithfulness_table(judged))
        job, options = _job(arguments, judged)
        output = named_after(arguments.output, source)
        events = job(source, output=output, resources=resources, **options)
        result = reporter.run(_with_scores(events, judged), AttentionResult, title=source.name)
        reporter.result(*told(result))
        return result

    return one_by_one(arguments, reporter, sources, run, job="attention")


def _told(result: AttentionResult, *, average: bool) -> list[str]:
    """The file, and what is in it, for people."""
    from napari_vitface.jobs.results.attention import (
        AttentionDataResult,
        AttentionVideoResult,
        ExplainFramesResult,
        ExplainResult,
    )

    match result:
        case AttentionDataResult():
            return [
                *data_table(result.keypoints),
                f"{result.csv} ({counted(result.frames, 'frame')})",
            ]
        case ExplainResult():
            return [f"{result.output} ({_maps(result.names)})"]
        case ExplainFramesResult() | AttentionVideoResult():
            over = ", mean over" if average else " of"
            return [
                f"{result.output} ({_maps(result.names)}{over} {counted(result.frames, 'frame')})"
            ]
    return []


def _maps(names: Sequence[str]) -> str:
    return counted(len(names), "map")


def _with_scores(job: Iterator[Event], judged: FaithfulnessResult | None) -> Iterator[Event]:
    """The events of a job, its result with what was measured of its maps before."""
    from napari_vitface.jobs.events import Finished
    from napari_vitface.jobs.results.attention import AttentionResult

    for event in job:
        match event:
            case Finished(result=AttentionResult() as result) if judged is not None:
                yield replace(event, result=replace(result, faithfulness=judged.maps))
            case _:
                yield event


def faithfulness_table(result: FaithfulnessResult) -> list[str]:
    """How far each keypoint moves when parts of the frame are blanked, for people."""
    middle = len(result.shares) // 2  # 10 %
    share = f"{100 * result.shares[middle]:g} %"
    rows = [["map", "faithfulness", f"{share} attended", "random", "nearest", ""]]
    for each in result.maps:
        score = each.score
        moves = [f"{of[middle]:.1f} px" for of in (each.attended, each.random, each.nearest)]
        verdict = "" if each.explains else "not clearly better than chance"
        rows.append([each.name, "-" if score != score else f"{score:.2f}", *moves, verdict])
    count = len(result.frames)
    over = f"frame {result.frames[0]}" if count == 1 else f"mean over {counted(count, 'frame')}"
    lines = [
        f"How far keypoints move when {share} of the frame are blanked, {over}; faithfulness is 0 "
        "for chance, towards 1 for a map that finds all that matters:"
    ]
    return [*lines, *aligned(rows)]


def data_table(keypoints: Sequence[KeypointAttention]) -> list[str]:
    """How each keypoint is looked at, for people."""
    rows = [["keypoint", "tracked", "near", "elsewhere", "even", "entropy", "near / even", ""]]
    for each in keypoints:
        near, even = each.near, each.near_even
        counts = map(str, (each.tracked, each.looks_near, each.looks_elsewhere, each.looks_even))
        gain = "-" if not even or near is None else f"{near / even:.2f}"
        entropy = "-" if each.entropy is None else f"{each.entropy:.2f}"
        flag = "LOOKS ELSEWHERE" if each.flagged else ""
        rows.append([each.name, *counts, entropy, gain, flag])
    return aligned(rows)


def _check(arguments: argparse.Namespace) -> None:
    """Raise `VitFaceError` where options do not go together."""
    from napari_vitface.jobs.outputs import refuse_one_for_all

    kind = arguments.output.suffix.lower()
    several = _of_several(arguments)
    complaint = ""
    if arguments.average and not several:
        complaint = "--average needs a range of frames; give --frames."
    elif (arguments.point or arguments.each_layer) and (several or kind == ".csv"):
        complaint = (
            "--point and --each-layer are for the maps of one frame; give --frame, and name a "
            ".npz or .png (with --each-layer also an .mp4)."
        )
    elif kind == ".mp4" and not several and not arguments.each_layer:
        complaint = "A video needs a range of frames (--frames) or --each-layer."
    elif kind == ".mp4" and arguments.average:
        complaint = "The mean over frames is one picture; name a .npz or .png."
    elif kind == ".png" and several and not arguments.average:
        complaint = "A picture shows one frame (--frame) or a mean (--frames with --average)."
    elif kind == ".csv" and arguments.average:
        complaint = "A .csv has a row for each frame; leave --average out."
    elif arguments.faithfulness and arguments.cluster is not None:
        complaint = "--faithfulness is for one computer; leave it out, or --cluster."
    if complaint:
        raise VitFaceError(complaint)
    refuse_one_for_all(arguments.output, arguments.sources)


def _common(arguments: argparse.Namespace) -> dict[str, Any]:
    """What all the jobs take."""
    return {
        "model": arguments.model,
        "keypoint": arguments.keypoint if arguments.keypoint is not None else "all",
        "method": arguments.method,
        **chosen(arguments, Looking, *map(type, METHODS.values())),
    }


def _job(
    arguments: argparse.Namespace, judged: FaithfulnessResult | None
) -> tuple[Callable[..., Iterator[Event]], dict[str, Any]]:
    """The job, and what it takes beside the source, the output and resources."""
    common = _common(arguments)
    if arguments.output.suffix.lower() == ".csv":
        from napari_vitface.jobs.explaining.attention_table import attention_data

        return attention_data, {
            **common,
            "frames": _as_frames(arguments),
            "radius": arguments.radius,
        }
    if judged is not None:
        common["faithfulness"] = {each.name: each.score for each in judged.maps}
    several = _of_several(arguments)
    if several and arguments.output.suffix.lower() == ".mp4":
        from napari_vitface.jobs.explaining.map_video import attention_video

        return attention_video, {**common, "frames": arguments.frames}
    if several:
        from napari_vitface.jobs.explaining.frame_maps import explain_frames

        return explain_frames, {**common, "frames": arguments.frames, "average": arguments.average}
    from napari_vitface.jobs.explaining.explain import explain

    return explain, {
        **common,
        "frame": arguments.frame,
        "points": arguments.point,
        "story": arguments.each_layer,
    }


def _faithfulness(arguments: argparse.Namespace, source: Path, resources: Any) -> Iterator[Event]:
    from napari_vitface.jobs.explaining.faithfulness import faithfulness

    return faithfulness(
        source, frames=_as_frames(arguments), resources=resources, **_common(arguments)
    )


def _of_several(arguments: argparse.Namespace) -> bool:
    """Whether a range of frames was given, and not one."""
    return arguments.frames is not None


def _as_frames(arguments: argparse.Namespace) -> slice:
    """One frame as a range of frames, or the range."""
    if _of_several(arguments):
        return arguments.frames
    return slice(arguments.frame, arguments.frame + 1 or None)


def _point(text: str) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no point; give X,Y in video pixels, for example 312,204"
        ) from None
    return x, y


def _output(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in _KINDS:
        raise argparse.ArgumentTypeError(f"{text!r} ends in none of {', '.join(_KINDS)}")
    return path


COMMAND = Command(
    "attention",
    "Map where the model looks, as data, picture or video, and test whether the map is true.",
    _add_arguments,
    handle,
)
