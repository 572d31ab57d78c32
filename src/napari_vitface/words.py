"""Words that go with numbers, and words of the window."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: The options that sentences name; what else looks like one is a part of somebody's name.
OPTIONS = frozenset({
    "band-high", "band-low", "bin", "blocks", "content", "crop", "device", "features", "frame-rate",
    "frames", "frames-per-trial", "from", "graded", "image-size", "map-path", "overwrite",
    "precision", "predictions", "region", "role", "to", "token", "triggers", "window",
})  # fmt: skip
#: What in brackets tells options of the command line, behind what the window calls the same. In
#: names of files, brackets stand before an ending.
_OPTIONS = re.compile(
    r" \((?:(?P<window>[^();]+); )?(?:[^();]* )?"
    rf"--(?:{'|'.join(sorted(OPTIONS))})(?![\w-])[^()]*\)(?=[),.;:]*(?:\s|$))"
)


def in_window(sentence: str) -> str:
    """A sentence without options of the command line.

    "Find the face (Find face; --crop auto)" keeps what the window calls that, "(Find face)"; of
    "(--overwrite)" nothing stays.
    """
    return _OPTIONS.sub(lambda found: f" ({found['window']})" if found["window"] else "", sentence)


def counted(number: float, noun: str, nouns: str = "") -> str:
    """A number with its noun: 1 frame, 12345 frames; a float with 3 digits.

    Parameters
    ----------
    noun : str
    nouns : str, optional
        Its plural, if that is not the noun with an s.
    """
    digits = f"{number:.3g}" if abs(number) < 100 else f"{number:.0f}"
    return f"{digits} {noun if digits == '1' else nouns or noun + 's'}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """Several words in a sentence: "a, b and c"."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
