"""Kinds of videos, and what the names of their files end in, in small letters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_vitface.plugins import Registry
from napari_vitface.video.scale import Scale

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


class Source(Protocol):
    """Where a `Video` has its frames from: its attributes are told there.

    `read` gives one frame, or None where it cannot be decoded; `stream` some frames in their order,
    cut and scaled; `name_of` the words for a frame in an error. Making one raises `VideoError` with
    one sentence. One whose frames need others to be decoded may say which do not, as `key_frames`;
    see `Video.key_frames`.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    white: int
    times: NDArray[np.float64]
    frame_rate: float
    problems: tuple[str, ...]

    def read(self, frame: int) -> NDArray[Any] | None: ...

    def stream(
        self, frames: Iterable[int], scale: Scale | None
    ) -> Iterator[tuple[int, NDArray[Any] | None]]: ...

    def name_of(self, frame: int) -> str: ...

    def close(self) -> None: ...


class SourceKind(NamedTuple):
    """A kind of video.

    Attributes
    ----------
    name : str
    suffixes : tuple of str
        Of its files; ``""`` stands for folders. No two kinds share one.
    place : str
        ``"module:Class"`` of the `Source`, called with path, cache_bytes and white.
    """

    name: str
    suffixes: tuple[str, ...]
    place: str


#: Other packages add theirs as entry points of this group, each a `SourceKind`.
SOURCES: Registry[SourceKind] = Registry(
    SourceKind,
    (
        SourceKind("encoded", VIDEO_SUFFIXES, "napari_vitface.video.encoded:EncodedSource"),
        SourceKind("tiff", TIFF_SUFFIXES, "napari_vitface.video.tiff:TiffSource"),
        SourceKind(
            "images",
            ("", *(suffix for suffix in IMAGE_SUFFIXES if suffix not in TIFF_SUFFIXES)),
            "napari_vitface.video.images:ImageFolderSource",
        ),
    ),
    group="napari_vitface.video_sources",
    problem=lambda one, others: ", ".join(
        f"{suffix} is opened by {other.name}"
        for other in others.values()
        for suffix in one.suffixes
        if suffix in other.suffixes
    ),
)


def source_kind(suffix: str) -> SourceKind | None:
    """The kind of video whose files end so, in any case; None if there is none."""
    return next((one for one in SOURCES.values() if suffix.lower() in one.suffixes), None)


def video_suffixes() -> tuple[str, ...]:
    """What files of videos end in, those that other packages open included; no images."""
    every = (suffix for one in SOURCES.values() for suffix in one.suffixes if suffix)
    return tuple(suffix for suffix in every if suffix not in IMAGE_SUFFIXES)
