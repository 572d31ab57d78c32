"""File name endings that `open_video` knows, in lower case."""

from __future__ import annotations

VIDEO_SUFFIXES = (
    ".mp4",
    ".avi",
    ".mov",
    ".mkv",
    ".m4v",
    ".mj2",
    ".mpeg",
    ".mpg",
    ".asf",
    ".wmv",
    ".webm",
)

TIFF_SUFFIXES = (".tif", ".tiff")

IMAGE_SUFFIXES = (*TIFF_SUFFIXES, ".png", ".jpg", ".jpeg", ".bmp")
