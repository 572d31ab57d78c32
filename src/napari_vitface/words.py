"""Words that go with numbers."""

from __future__ import annotations


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
