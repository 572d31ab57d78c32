"""The command ``audit``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_vitface.cli.arguments import (
    Command,
    add_computing,
    add_labels,
    add_white,
    count,
    given,
)
from napari_vitface.cli.tables import aligned
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter
    from napari_vitface.jobs.results.labelling import AuditResult


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_labels(parser)
    parser.add_argument(
        "--model",
        default="mouse-face",
        metavar="NAME|FILE",
        help="the model to start from, if it was not trained on these labels (default: "
        "%(default)s); otherwise training starts from drawn faces",
    )
    parser.add_argument(
        "--folds",
        type=count,
        default=4,
        metavar="N",
        help="blocks of time; each is judged by a model trained on the others (default: "
        "%(default)s)",
    )
    add_white(parser)
    add_computing(parser)


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Print labels that are probably wrong."""
    from napari_vitface.jobs.auditing.audit import audit as job
    from napari_vitface.jobs.results.labelling import AuditResult

    events = job(**given(arguments, job))
    result = reporter.run(events, AuditResult, title="audit")
    reporter.result(*audit_table(result))
    return 0


def audit_table(result: AuditResult) -> list[str]:
    """Doubtful labels, the likeliest mistakes first, with what is wrong and the fix."""
    from napari_vitface.jobs.auditing.findings import PROBABLY

    findings = result.findings
    lines = []
    if findings:
        rows = [["image", "score", "what is odd"]]
        for one in findings:
            image = one.image or f"frame {one.frame}"
            name = "/".join(image.replace("\\", "/").split("/")[-2:])
            rows.append([name, f"{one.score:.1f}", one.why + _fix(one.moves)])
        lines += [*aligned(rows, left=(2,)), ""]
    wrong = sum(one.score >= PROBABLY for one in findings)
    look = len(findings) - wrong
    odd = f"{wrong} probably wrong (score from {PROBABLY:.0f}), {look} worth a look"
    lines.append(
        f"{counted(result.labels, 'label')} in {counted(result.frames, 'image')}: "
        f"{odd if findings else 'no label looks wrong'}."
    )
    lines.append(
        f"Models that did not see a label put its point {result.median_error:.1f} pixels away "
        f"in the median ({result.folds} blocks of time, started from {result.start})."
    )
    return lines


def _fix(moves: Sequence[tuple[str, str | None]]) -> str:
    """The fix of a finding, as it follows the reason."""
    steps = [
        f"{name} takes the label of {source}" if source else f"{name} loses its label"
        for name, source in moves
    ]
    return f" [fix: {', '.join(steps)}]" if steps else ""


COMMAND = Command(
    "audit",
    "Rank labels that are probably wrong, by models that were not trained on them.",
    _add_arguments,
    handle,
)
