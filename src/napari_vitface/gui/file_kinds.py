"""What a file that is opened or dropped is: a video, a project, or predictions of a video."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from napari_vitface.errors import LabelError
from napari_vitface.formats.config import read_config
from napari_vitface.formats.format import suffixes
from napari_vitface.formats.settings import is_deeplabcut
from napari_vitface.project.project_config import lightning_pose_names
from napari_vitface.video import IMAGE_SUFFIXES, video_suffixes


def kind_of(path: Path) -> Literal["video", "project", "predictions"]:
    """By its name and, of a folder, by what is in it; a folder of labelled images is a video."""
    if path.is_dir():
        return "project" if _is_project(path) else "video"
    name = path.name.lower()
    if path.name == "config.yaml" or name.startswith("collecteddata"):
        return "project"
    # Names decide between a video and points, for both may end in anything else.
    videos = (*video_suffixes(), *IMAGE_SUFFIXES)
    points = tuple(suffixes("predictions"))
    return "predictions" if name.endswith(points) and not name.endswith(videos) else "video"


def _is_project(folder: Path) -> bool:
    if (folder / "labeled-data").is_dir() or (folder / "vitface").is_dir():
        return True
    try:
        # Other programs' settings have that name too.
        named = is_deeplabcut(read_config(folder / "config.yaml"))
        return named or bool(lightning_pose_names(folder))
    except LabelError:
        return False
