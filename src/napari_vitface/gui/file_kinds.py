"""What a file that is opened or dropped is: a video, a project, or predictions of a video."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from napari_vitface.formats.format import suffixes
from napari_vitface.video import IMAGE_SUFFIXES, video_suffixes


def kind_of(path: Path) -> Literal["video", "project", "predictions"]:
    """By its name and, of a folder, by what is in it; a folder of labelled images is a video."""
    if path.is_dir():
        project = (path / "config.yaml").is_file() or (path / "labeled-data").is_dir()
        return "project" if project else "video"
    name = path.name.lower()
    if name == "config.yaml" or name.startswith("collecteddata"):
        return "project"
    # Names decide between a video and points, for both may end in anything else.
    videos = (*video_suffixes(), *IMAGE_SUFFIXES)
    points = tuple(suffixes("predictions"))
    return "predictions" if name.endswith(points) and not name.endswith(videos) else "video"
