"""Pages of figures as one file that a browser shows without anything beside it."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.atomic import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums; }
th, td { padding: .2em .7em; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; } .verdict { font-size: 1.15em; } .small { color: #666; font-size: .9em; }
"""


def write_page(path: Path, title: str, body: Sequence[str]) -> None:
    """Write a page with a title."""
    page = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        + "\n".join(body)
        + "</body></html>\n"
    )
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def table(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is its head."""
    head, *rest = rows
    lines = ["<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in rest]
    return "<table>" + "".join(lines) + "</table>"


def image(figure: Figure) -> str:
    """A figure, within the page."""
    return embedded(png(figure))


def embedded(data: bytes) -> str:
    """The content of a PNG file, within the page."""
    return f"<img alt='' src='data:image/png;base64,{base64.b64encode(data).decode('ascii')}'>"


def escape(text: str) -> str:
    """A text that is shown as it is."""
    return html.escape(str(text))


def png(figure: Figure, dpi: int = 110) -> bytes:
    """The figure as the content of a PNG file."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi)
    return stream.getvalue()


def as_written(text: str) -> str:
    """A text of the user for a figure: dollars are dollars, and begin no formula."""
    return text.replace("$", r"\$")


def blank(width: float, height: float) -> Figure:
    """An empty figure of a size in inches."""
    # Not through pyplot: no window, no state that others share.
    from matplotlib.figure import Figure

    return Figure((width, height), layout="constrained")
