"""Exact random access to video frames, one resampler for models, and writing labelled video."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Resolved on first use (PEP 562): PyAV and tifffile load only when a video is opened.
_PUBLIC = {
    "IMAGE_SUFFIXES": "sources",
    "VIDEO_SUFFIXES": "sources",
    "Scale": "scale",
    "Video": "video",
    "VideoWriter": "video_writer",
    "draw_poses": "overlay",
    "open_video": "video",
    "scale_image": "scale",
    "video_suffixes": "sources",
}

if TYPE_CHECKING:
    from napari_vitface.video.overlay import draw_poses
    from napari_vitface.video.scale import Scale, scale_image
    from napari_vitface.video.sources import IMAGE_SUFFIXES, VIDEO_SUFFIXES, video_suffixes
    from napari_vitface.video.video import Video, open_video
    from napari_vitface.video.video_writer import VideoWriter

__all__ = [
    "IMAGE_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Scale",
    "Video",
    "VideoWriter",
    "draw_poses",
    "open_video",
    "scale_image",
    "video_suffixes",
]


def __getattr__(name: str) -> Any:
    try:
        module = _PUBLIC[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
