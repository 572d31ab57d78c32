"""Numbers in the window, whose thousands stand apart; on the command line they do not."""

from __future__ import annotations

from napari_vitface import words


def digits(number: float) -> str:
    """A whole number with no-break spaces between thousands: 12 345."""
    return f"{number:,.0f}".replace(",", "\N{NO-BREAK SPACE}")


def counted(number: float, noun: str, nouns: str = "") -> str:
    """A number with its noun, as `napari_vitface.words.counted`: 1 frame, 12 345 frames."""
    said = words.counted(number, noun, nouns)
    return said.replace(f"{number:.0f}", digits(number), 1) if number >= 1000 else said
