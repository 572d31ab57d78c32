"""How long a video is, as its header says: quick, for telling how long work on it will take."""

from __future__ import annotations

import contextlib
from pathlib import Path

from napari_vitface.errors import VideoError
from napari_vitface.video.sources import VIDEO_SUFFIXES


def estimated_length(path: Path) -> int | None:
    """Number of frames by the header of a video, or by the files in a folder of images.

    Headers may be wrong; `open_video` counts. None where nothing says it without a long look, or
    where nothing can be read.
    """
    with contextlib.suppress(OSError, ValueError):
        if path.is_dir():
            from napari_vitface.video.images import image_files

            return len(image_files(path)) or None
        if path.suffix.lower() in VIDEO_SUFFIXES:
            return _in_header(path)
    return None


def _in_header(path: Path) -> int | None:
    import av

    from napari_vitface.video.packets import open_container

    try:
        container, stream = open_container(path)
    except VideoError:
        return None
    with container:
        if stream.frames:
            return int(stream.frames)
        rate = stream.average_rate
        if container.duration is None or not rate:
            return None
        return round(container.duration / av.time_base * rate) or None
