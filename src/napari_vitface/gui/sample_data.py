"""File > Open Sample > ViT Face: the rendered mouse face, as a video file."""

from __future__ import annotations

from pathlib import Path

from napari_vitface import __version__
from napari_vitface.gui.notifications import take_errors
from napari_vitface.gui.open_videos import LayerData, open_for_window, video_layer
from napari_vitface.user_folders import cache_folder

DRAWING = "Drawing the sample video (only this once) …"


def mouse_face() -> list[LayerData]:
    """The sample video, rendered once and then kept in the user's cache folder."""
    from napari_vitface.gui.wait_dialog import run_waiting

    take_errors()
    path = run_waiting(sample_video, DRAWING)
    return [video_layer(open_for_window(path))]


def sample_video() -> Path:
    """Path of the sample video; written if it is not there yet."""
    from napari_vitface.sample import write_sample_video

    # One a version: another version's renderer draws another mouse.
    path = cache_folder() / __version__ / "mouse-face.mp4"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_sample_video(path)
    return path
