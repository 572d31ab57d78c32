"""Words that go with numbers."""

from __future__ import annotations


def counted(number: float, noun: str, nouns: str = "") -> str:
    """A number with its noun: 1 frame, 1 000 frames (no-break space between thousands); 3 digits
    of a float.

    Parameters
    ----------
    noun : str
    nouns : str, optional
        Its plural, if that is not the noun with an s.
    """
    rounded = f"{number:.3g}" if isinstance(number, float) else f"{number:,}"
    digits = rounded.replace(",", "\N{NO-BREAK SPACE}")
    return f"{digits} {noun}" if digits == "1" else f"{digits} {nouns or noun + 's'}"
