"""The report of an unexpected error: one text on the clipboard. Nothing is ever sent from here.

It holds versions, what was being done and the traceback, without the user's name and home folder.
"""

from __future__ import annotations

import contextlib
import getpass
import platform
import re
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.gui.error_sentences import unexpected_in
from napari_vitface.jobs.failure import where_to_report

if TYPE_CHECKING:
    from napari_vitface.jobs.events import Failed
    from napari_vitface.jobs.results.models import DescribeResult

#: What the engine said of itself, see `napari_vitface.jobs.describe`; empty before it did.
_engine: list[DescribeResult] = []

#: What is told of the engine, as its description calls it.
_OF_ENGINE = ("torch", "timm", "processor", "capability", "threads", "devices", "device_names")


def note_engine(description: DescribeResult) -> None:
    """Take in what the engine says that it runs on."""
    _engine[:] = [description]


def can_be_reported(text: str) -> bool:
    """Whether a text tells of an unexpected error."""
    return bool(unexpected_in(text))


def copy_report(text: str) -> str:
    """Put the report of the unexpected errors in `text` on the clipboard; what to do with it."""
    from qtpy.QtWidgets import QApplication

    clipboard = QApplication.clipboard()
    clipboard.setText(compose_report(unexpected_in(text)))
    return (
        "Copied, and sent nowhere. Look through it, say what you did, and give it "
        f"{where_to_report()}."
    )


def compose_report(failures: Sequence[Failed]) -> str:
    """The text for the developers, in Markdown."""
    lines = ["What I did:", "", "", "What napari-vitface says:", ""]
    for failed in failures:
        lines += [f"> {failed.message}", "", "```", failed.detail.strip() or "no traceback", "```"]
    lines += ["", *(f"- {name}: {value}" for name, value in _versions().items()), ""]
    return without_user("\n".join(lines))


def without_user(text: str) -> str:
    """`text` with the home folder and the user's name as ``~``."""
    home, names = Path.home(), {Path.home().name}
    # Where none is set, the system may know none.
    with contextlib.suppress(OSError, KeyError, ImportError):
        names.add(getpass.getuser())
    for folder in {str(home), str(home.resolve())}:
        # In quoted text a backslash is doubled. The root folder is nobody's.
        for written in {folder, folder.replace("\\", "\\\\")} - {home.anchor}:
            text = text.replace(written, "~")
    for name in names - {""}:
        # Within a word it is something else.
        alone = rf"(?<![^\W_]){re.escape(name)}(?![^\W_])"
        text = re.sub(alone, "~", text, flags=re.IGNORECASE)
    return text


def _versions() -> dict[str, str]:
    import napari
    import qtpy

    found = {
        "napari-vitface": metadata.version("napari-vitface"),
        "Python": platform.python_version(),
        "napari": str(napari.__version__),
        "Qt": f"{qtpy.QT_VERSION} with {qtpy.API_NAME} {qtpy.PYSIDE_VERSION or qtpy.PYQT_VERSION}",
        "system": platform.platform(),
    }
    if not _engine:
        return {**found, "processor": platform.processor() or platform.machine(),
                "engine": "had not answered yet"}  # fmt: skip
    return found | {name: str(getattr(_engine[0], name)) for name in _OF_ENGINE}
