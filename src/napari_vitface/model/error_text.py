"""Other people's errors, made fit to be part of a sentence."""

from __future__ import annotations


def first_line(error: BaseException, limit: int = 160) -> str:
    """The first line of an error's text without its full stop; its type where it has no text."""
    lines = str(error).strip().splitlines()
    text = lines[0].strip() if lines else type(error).__name__
    return (text if len(text) <= limit else text[: limit - 1] + "…").rstrip(".")
