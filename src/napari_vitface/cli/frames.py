"""The commands ``suggest`` and ``audit``: their options, and what they print."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vitface.cli.parser import (
    _add,
    _add_computing,
    _add_crop,
    _add_model,
    _Commands,
    _count,
    _Parents,
)
from napari_vitface.cli.tables import _aligned

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter


def add_suggest(commands: _Commands, parents: _Parents) -> None:
    """Add the parser of ``suggest``."""
    parser = _add(
        commands,
        "suggest",
        "Rank frames of a video that are worth labelling, and say why.",
        parents,
    )
    parser.add_argument(
        "video",
        type=Path,
        metavar="VIDEO",
        help="a video, a folder of images or a TIFF stack; predictions that stand beside it are "
        "used",
    )
    _add_model(parser)
    parser.add_argument(
        "--count",
        type=_count,
        default=20,
        metavar="N",
        help="frames to suggest at most (default: %(default)s)",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        nargs="+",
        metavar="LABELS",
        help="what is labelled already: a DeepLabCut project folder, a labeled-data/<video> "
        "folder, or a CollectedData_*.csv|.h5; labelled frames are not suggested, nor frames like "
        "them",
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        metavar="FILE",
        help="the table of predictions to use (default: <video>_vitface_<model>.h5 or .csv beside "
        "the video)",
    )
    _add_crop(parser)
    _add_computing(parser)


def add_audit(commands: _Commands, parents: _Parents) -> None:
    """Add the parser of ``audit``."""
    parser = _add(
        commands,
        "audit",
        "Rank labels that are probably wrong, by models that were not trained on them.",
        parents,
    )
    parser.add_argument(
        "labels",
        nargs="+",
        type=Path,
        metavar="LABELS",
        help="a DeepLabCut project folder, a labeled-data/<video> folder, or a "
        "CollectedData_*.csv|.h5",
    )
    parser.add_argument(
        "--model",
        default="mouse-face",
        metavar="NAME|FILE",
        help="the model to start from, if it was not trained on these labels (default: "
        "%(default)s); otherwise training starts from drawn faces",
    )
    parser.add_argument(
        "--folds",
        type=_count,
        default=4,
        metavar="N",
        help="blocks of time; each is judged by a model trained on the others (default: "
        "%(default)s)",
    )
    _add_computing(parser)


def suggest(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Print frames that are worth labelling."""
    from napari_vitface.jobs.suggesting.suggest import suggest as job

    events = job(
        arguments.video,
        arguments.model,
        count=arguments.count,
        labels=arguments.labels,
        predictions=arguments.predictions,
        crop=arguments.crop,
        device=arguments.device,
        precision=arguments.precision,
    )
    result = reporter.run(events, title=arguments.video.name)
    reporter.result(suggestions_table(result))
    return 0


def audit(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Print labels that are probably wrong."""
    from napari_vitface.jobs.auditing.audit import audit as job

    events = job(
        arguments.labels,
        arguments.model,
        folds=arguments.folds,
        device=arguments.device,
        precision=arguments.precision,
    )
    result = reporter.run(events, title="audit")
    reporter.result(audit_table(result))
    return 0


def suggestions_table(result: dict[str, Any]) -> str:
    """Suggested frames, the best first, with the reason for each."""
    if not result["frames"]:
        return "No frame is worth labelling."
    rows = [["frame", "score", "why"]]
    rows += [[str(one["frame"]), f"{one['score']:.2f}", one["why"]] for one in result["frames"]]
    return "\n".join(_aligned(rows, left=(2,)))


def audit_table(result: dict[str, Any]) -> str:
    """Doubtful labels, the likeliest mistakes first, with what is wrong and the fix."""
    from napari_vitface.jobs.auditing.findings import PROBABLY

    findings = result["findings"]
    lines = []
    if findings:
        rows = [["image", "score", "what is odd"]]
        for one in findings:
            image = one["image"] or f"frame {one['frame']}"
            name = "/".join(image.replace("\\", "/").split("/")[-2:])
            rows.append([name, f"{one['score']:.1f}", one["why"] + _fix(one["moves"])])
        lines += [*_aligned(rows, left=(2,)), ""]
    wrong = sum(one["score"] >= PROBABLY for one in findings)
    look = len(findings) - wrong
    odd = f"{wrong} probably wrong (score from {PROBABLY:.0f}), {look} worth a look"
    lines.append(
        f"{result['labels']} labels in {result['frames']} images: "
        f"{odd if findings else 'no label looks wrong'}."
    )
    lines.append(
        f"Models that did not see a label put its point {result['median_error']:.1f} pixels away "
        f"in the median ({result['folds']} blocks of time, started from {result['start']})."
    )
    return "\n".join(lines)


def _fix(moves: Sequence[Sequence[str | None]]) -> str:
    """The fix of a finding, as it follows the reason."""
    steps = [
        f"{name} takes the label of {source}" if source else f"{name} loses its label"
        for name, source in moves
    ]
    return f" [fix: {', '.join(steps)}]" if steps else ""
