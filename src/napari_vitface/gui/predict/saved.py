"""Predictions that stand beside a video."""

from __future__ import annotations

from pathlib import Path


def find_predictions(video: Path, model: str, folder: Path | None = None) -> Path | None:
    """The table that `predict` wrote for a video with a model, None if there is none."""
    folder = video.parent if folder is None else folder
    stem = video.name if video.is_dir() else video.stem
    for suffix in (".h5", ".csv"):
        path = folder / f"{stem}_vitface_{model}{suffix}"
        if path.is_file():
            return path
    return None
