"""Whether a video is still the file that it was when a job began with it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

from napari_vitface.errors import VideoError
from napari_vitface.video.sources import IMAGE_SUFFIXES


@dataclass(frozen=True)
class VideoStamp:
    """What tells a video from one that took its place.

    Attributes
    ----------
    size : int
        In bytes; of a folder, of all its images.
    changed : int
        Time of the last change in nanoseconds; of a folder, a checksum of names, sizes and times of
        its images, so that labels saved among them change nothing.
    inode : int
        The file's number on its disk, another where a file was moved over it. A copy has another
        too, so it means something during one run alone.
    """

    size: int
    changed: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> VideoStamp:
        """The stamp of a file or a folder of images; OSError if it is not there."""
        status = path.stat()
        if not path.is_dir():
            return cls(status.st_size, status.st_mtime_ns, status.st_ino)
        files = sorted(
            file
            for file in path.iterdir()
            if file.suffix.lower() in IMAGE_SUFFIXES and file.is_file()
        )
        images = [(file.name, (found := file.stat()).st_size, found.st_mtime_ns) for file in files]
        checksum = zlib.crc32(repr(images).encode())
        return cls(sum(size for _, size, _ in images), checksum, status.st_ino)

    def check(self, path: Path) -> None:
        """Raise `VideoError` if another video stands at `path` now, or none."""
        try:
            now = VideoStamp.of(path)
        except FileNotFoundError as error:
            raise VideoError(
                f"{path} was moved, renamed or deleted while it was being read, so no table "
                "was written: put it back and run the same again; it goes on where it stopped."
            ) from error
        except OSError:
            return  # A network that fails for a moment says nothing about the file.
        if now != self:
            raise VideoError(
                f"{path} was replaced or changed while it was being read, so what was found may "
                "be of another recording and no table was written: run the same again once nothing "
                "writes to it any more."
            )
