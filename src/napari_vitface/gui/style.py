"""Colours of the dock, taken from the viewer's theme, and words for numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari.utils.theme import get_theme
from qtpy.QtGui import QColor

if TYPE_CHECKING:
    from napari.components import ViewerModel

#: Red, green and blue, 0 to 255.
Colour = tuple[int, int, int]

#: What is longer than a line in the dock, and where it can end within it.
_LONG_NAME, _JOINT = re.compile(r"\S{25,}"), re.compile(r"[-_/\\.=]+|[^-_/\\.=]{20}")
#: A number, or a product of numbers, and the unit that is not to stand on the next line.
_QUANTITY = re.compile(
    r"(?<=\d) (?=(?:[sh%]|min|ms|px|fps|bit|Hz|[KMG]i?B)(?!\w)|× \d)|(?<=×) (?=\d)"
)


def style_sheet(viewer: ViewerModel) -> str:
    """Qt style of the dock in the colours of the viewer's theme."""
    theme = get_theme(viewer.theme)
    text = theme.text.as_rgb_tuple()[:3]
    back = theme.background.as_rgb_tuple()[:3]

    def between(share: float) -> Colour:
        r, g, b = (round(share * t + (1 - share) * b) for t, b in zip(text, back, strict=True))
        return r, g, b

    def mix(share: float) -> str:
        return "rgb({}, {}, {})".format(*between(share))

    accent = _hex(theme.current)
    on_accent = readable_on(theme.current.as_rgb_tuple()[:3])
    warning = theme.warning.as_rgb_tuple()[:3]
    error = theme.error.as_rgb_tuple()[:3]
    return f"""
    QLabel[role="hint"] {{ color: {mix(0.68)}; }}
    QLabel[role="value"] {{ color: {mix(1.0)}; }}
    QLabel[role="strong"] {{ color: {mix(1.0)}; font-weight: 600; }}
    QLabel[role="title"] {{ color: {mix(1.0)}; font-weight: 600; font-size: 11pt; }}
    QLabel[role="badge"] {{
        background: {accent}; color: {on_accent}; font-weight: 600;
        border-radius: 10px; min-width: 20px; max-width: 20px; min-height: 20px; max-height: 20px;
    }}
    QLabel[role="badge"][waits="true"] {{
        background: {mix(0.3)}; color: {readable_on(between(0.3))};
    }}
    QFrame[role="note"] {{
        background: rgba({warning[0]}, {warning[1]}, {warning[2]}, 40);
        border-left: 3px solid rgb({warning[0]}, {warning[1]}, {warning[2]});
    }}
    QFrame[role="note"][level="error"] {{
        background: rgba({error[0]}, {error[1]}, {error[2]}, 70);
        border-left: 3px solid rgb({error[0]}, {error[1]}, {error[2]});
    }}
    QFrame[role="note"][level="info"] {{
        background: {mix(0.08)}; border-left: 3px solid {accent};
    }}
    QFrame[role="row"] {{
        background: {mix(0.06)}; border: none; border-left: 3px solid transparent;
        border-radius: 2px;
    }}
    QFrame[role="row"]:hover {{ background: {mix(0.12)}; }}
    QFrame[role="row"][current="true"] {{ border-left: 3px solid {accent}; }}
    QPushButton[role="primary"] {{
        background: {accent}; color: {on_accent}; font-weight: 600; padding: 6px 10px;
    }}
    QPushButton[role="primary"]:disabled {{ background: {mix(0.14)}; color: {mix(0.45)}; }}
    QPushButton[role="header"] {{
        background: {mix(0.07)}; border: none; border-radius: 3px; padding: 0; text-align: left;
    }}
    QPushButton[role="header"]:hover {{ background: {mix(0.13)}; }}
    QPushButton[role="fold"] {{
        background: transparent; border: none; padding: 2px 0; text-align: left;
        color: {mix(0.8)};
    }}
    QPushButton[role="fold"]:hover {{ color: {mix(1.0)}; }}
    """


def plot_colours(theme_name: str) -> tuple[QColor, QColor]:
    """What is written in plots, and what it stands on, in a theme of napari."""
    theme = get_theme(theme_name)
    text, back = (QColor(*colour.as_rgb_tuple()[:3]) for colour in (theme.text, theme.canvas))
    return text, back


def ground_colours(viewer: ViewerModel) -> dict[str, tuple[int, int, int]]:
    """What progress is painted with, in the viewer's theme; text is readable on all but "text"."""
    theme = get_theme(viewer.theme)
    text, back, accent, error = (
        colour.as_rgb_tuple()[:3]
        for colour in (theme.text, theme.background, theme.current, theme.error)
    )

    def mix(share: float, one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, int, int]:
        r, g, b = (round(share * o + (1 - share) * u) for o, u in zip(one, other, strict=True))
        return r, g, b

    return {
        "text": mix(1.0, text, back),
        "trough": mix(0.1, text, back),
        "full": mix(0.75, accent, back),
        "rest": mix(0.25, text, back),
        "error": mix(1.0, error, back),
    }


def readable_on(background: Colour) -> str:
    """Black or white, whichever stands out more from a background."""
    white = contrast((255, 255, 255), background)
    return "white" if white >= contrast((0, 0, 0), background) else "black"


def contrast(one: Colour, other: Colour) -> float:
    """Contrast of two colours as WCAG 2 defines it, from 1 to 21; text needs 4.5."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Colour) -> float:
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (value / 255 for value in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _hex(colour: object) -> str:
    return colour.as_hex()  # type: ignore[attr-defined, no-any-return]


def unparted(text: str) -> str:
    """A sentence whose lines are not broken between a number and its unit, but in long names.

    Qt itself breaks lines at spaces alone, and cuts off what is longer than a line.
    """
    text = _LONG_NAME.sub(lambda name: _JOINT.sub("\\g<0>\N{ZERO WIDTH SPACE}", name[0]), text)
    return _QUANTITY.sub("\N{NO-BREAK SPACE}", text)


def parted(text: str) -> str:
    """What was a sentence before `unparted`, of what Qt gives for it where it is selected."""
    text = text.replace("\N{ZERO WIDTH SPACE}", "").replace("\N{PARAGRAPH SEPARATOR}", "\n")
    return text.replace("\N{LINE SEPARATOR}", "\n").replace("\N{NO-BREAK SPACE}", " ")


def duration(seconds: float) -> str:
    """A time as people say it: 8 s, 2 min 5 s, 1 h 3 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    hours, rest = divmod(whole // 60, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"
