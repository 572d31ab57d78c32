"""Which image file shows which frame.

Label tables name images, labels have frame numbers. Of a video, frame 51 is ``img0051.png``. Of a
folder of images, frame 51 is the 52nd file; as files may be added to it, such labels are kept under
the file's name wherever they are stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from napari_vitface.formats.labelled_images import frame_number

#: Digits of the frame number in the name of the first image of a folder.
USUAL_DIGITS = 4

# What file systems allow.
_LONGEST_NAME = 255


class FrameNames(Protocol):
    """Both ways between frames and names of image files."""

    def frame(self, name: str) -> int | None:
        """The frame that an image shows; None if it shows none."""

    def name(self, frame: int) -> str:
        """The file name of a frame's image."""

    def key(self, frame: int) -> int | str:
        """What the journal calls a frame."""

    def frame_of_key(self, key: int | str) -> int | None:
        """Inverse of `key`, also for keys that the other kind made."""


def can_be_a_file(name: str) -> bool:
    """Whether a file can have this name at all."""
    return "\0" not in name and len(name.encode("utf-8", "replace")) <= _LONGEST_NAME


class NumberedFrames:
    """Frames of a video, with images named by their number.

    Parameters
    ----------
    names : iterable of str
        Images that are there or named in tables. New ones get as many digits as most of these.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names: dict[int, str] = {}
        digits: Counter[int] = Counter()
        for name in names:
            number = frame_number(name)
            if number >= 0 and can_be_a_file(name):
                # Of several images of one frame, the first in order.
                known = self._names.get(number)
                self._names[number] = name if known is None else min(known, name)
                if name.startswith("img"):
                    digits[len(Path(name).stem.removeprefix("img"))] += 1
        # The widest of the most common: img99.png and img100.png are padded to nothing.
        self._digits = min(digits, default=USUAL_DIGITS)

    def frame(self, name: str) -> int | None:
        number = frame_number(name)
        return number if number >= 0 and can_be_a_file(name) else None

    def name(self, frame: int) -> str:
        return self._names.get(frame) or f"img{frame:0{self._digits}d}.png"

    def key(self, frame: int) -> int:
        return frame

    def frame_of_key(self, key: int | str) -> int | None:
        return self.frame(key) if isinstance(key, str) else key


class ListedFrames:
    """Frames of a folder of images.

    Parameters
    ----------
    names : sequence of str
        Its files, in the order of the frames.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)
        self._frames = {name: frame for frame, name in enumerate(self._names)}

    def frame(self, name: str) -> int | None:
        return self._frames.get(name)

    def name(self, frame: int) -> str:
        return self._names[frame]

    def key(self, frame: int) -> str:
        return self._names[frame]

    def frame_of_key(self, key: int | str) -> int:
        if isinstance(key, int):
            wanted = [name for name in self._names if frame_number(name) == key]
            key = wanted[0] if wanted else f"img{key:0{USUAL_DIGITS}d}.png"
        if key not in self._frames:
            # An edit of an image that has gone is kept as of a frame behind the last.
            self._frames[key] = len(self._names)
            self._names.append(key)
        return self._frames[key]


class NamedFrames:
    """Frames known by their images alone, numbered as they come."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._frames: dict[str, int] = {}

    def frame(self, name: str) -> int | None:
        if name not in self._frames:
            if not can_be_a_file(name):
                return None
            self._frames[name] = len(self.names)
            self.names.append(name)
        return self._frames[name]

    def name(self, frame: int) -> str:
        return self.names[frame]

    def key(self, frame: int) -> str:
        return self.names[frame]

    def frame_of_key(self, key: int | str) -> int | None:
        return self.frame(key) if isinstance(key, str) else None
