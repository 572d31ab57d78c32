"""Pages of TIFF files, read one by one, however they are stored; nothing inflates without end."""

from __future__ import annotations

import copy
import lzma
import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VideoError

if TYPE_CHECKING:
    from PIL.Image import Image

#: A compressed page holds at most this many bytes of pixels for each that is stored.
MOST_BYTES_A_BYTE = 5000
#: The tiles of a page hold at most so many times its pixels, or as many as `SMALL`.
MOST_OF_A_TILE = 4
SMALL = 1 << 24
#: What inflates the pages of some compressions (Deflate and LZMA) as far as it is told. Pillow
#: reads all others: its decoders are given room for a strip or tile and no more.
INFLATERS: dict[int, Callable[[], Any]] = {
    **dict.fromkeys((8, 32946, 50013), zlib.decompressobj),
    34925: lambda: lzma.LZMADecompressor(memlimit=1 << 28),
}
#: Bytes that a strip or tile may inflate to beyond its pixels: some writers pad it.
PADDING = 1 << 16


class TiffPages:
    """Reads the frames of a TIFF file, which may hold them in several pieces. Not thread-safe.

    A piece is what tifffile calls a series: a stack written at once, or each page that a program
    appended. Those whose frames are like the first one's follow each other; others (a thumbnail, a
    plot) are left out and counted in `others`.
    """

    def __init__(self, path: Path) -> None:
        import tifffile

        self.path = path
        self._by_pillow = _PillowPages(path)
        try:
            self._file = tifffile.TiffFile(path)
        except Exception as error:  # of many kinds, over damaged files
            raise _unreadable(path, error) from error
        try:
            self._check_chain()
            self._join(path)
        except VideoError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise _unreadable(path, error) from error

    def _check_chain(self) -> None:
        """Refuse pages that name one another as the next, which tifffile follows for ever."""
        form, handle = self._file.tiff, self._file.filehandle
        count, link = struct.Struct(form.tagnoformat), struct.Struct(form.offsetformat)
        offset, seen = self._file.pages.first.offset, set[int]()
        while offset:
            if offset in seen:
                raise VideoError(
                    f"The pages of {self.path} follow each other in a circle: it is damaged, copy "
                    "it again."
                )
            seen.add(offset)
            handle.seek(offset)
            head = handle.read(count.size)
            if len(head) < count.size:
                return
            handle.seek(offset + count.size + count.unpack(head)[0] * form.tagsize)
            tail = handle.read(link.size)
            if len(tail) < link.size:
                return
            offset = link.unpack(tail)[0]

    def _join(self, path: Path) -> None:
        first = self._file.series[0]
        self.dtype = np.dtype(first.dtype).newbyteorder("=")
        if self.dtype not in (np.uint8, np.uint16):
            raise VideoError(f"{path} holds {self.dtype} values: save it in 8 or 16 bits unsigned.")
        kind = _kind(path, first)
        # One for all pieces: a file may have thousands of them, a process so many open files not.
        memory = np.memmap(path, np.uint8, "r")
        pieces, self.others = [], 0
        for series in self._file.series:
            if series is first or (_same_kind(path, series, kind) and series.dtype == first.dtype):
                pieces.append(_Piece(self._file, memory, series, kind, self._by_pillow))
            else:
                self.others += len(series.pages)
        self._pieces = pieces
        self._ends = np.cumsum([piece.count for piece in pieces])
        self.promised = sum(piece.promised for piece in pieces)
        self.shape: tuple[int, ...] = (
            int(self._ends[-1]),
            *kind.size,
            *((3,) if kind.colour else ()),
        )
        if not self.shape[0]:
            raise VideoError(
                f"{path} was cut off before the end of its first frame: copy it again."
            )
        page = first.keyframe
        bits = int(page.bitspersample)
        self._black: int | None = None
        if page.photometric == 0:
            # WhiteIsZero; what is stored in fewer bits is told in as many.
            self._black = (1 << bits) - 1
        #: The white level that the file tells, None if it does not.
        self.white = _told_white(page, bits)

    def read(self, frame: int) -> NDArray[Any] | None:
        """One frame; None if its pages are damaged or missing."""
        number = int(np.searchsorted(self._ends, frame, side="right"))
        piece = self._pieces[number]
        try:
            image = piece.read(frame - int(self._ends[number]) + piece.count)
        except Exception:  # tifffile raises errors of many kinds over damaged pages
            return None
        if len(self.shape) == 4:
            image = image[..., :3]
        if self._black is not None and not (piece.pillow and self.dtype == np.uint8):
            image = self._black - np.minimum(image, self._black)
        image = np.ascontiguousarray(image, dtype=self.dtype)
        return image if image.shape == self.shape[1:] else None

    def close(self) -> None:
        self._pieces = []
        self._by_pillow.close()
        self._file.close()


@dataclass(frozen=True)
class _Kind:
    """What the frames of a piece are: height and width, whether in planes, whether in colours."""

    size: tuple[int, int]
    planar: bool
    colour: bool


class _Piece:
    """The frames of one series of a TIFF file."""

    def __init__(
        self,
        file: Any,
        memory: NDArray[np.uint8],
        series: Any,
        kind: _Kind,
        by_pillow: _PillowPages,
    ) -> None:
        self._path = Path(file.filehandle.path)
        self._kind = kind
        self._pages = series.pages
        shape = tuple(int(size) for size in series.shape)
        self._inner = shape[-3:] if kind.colour else shape[-2:]
        self.promised = self.count = math.prod(shape) // math.prod(self._inner)
        self._pages_a_frame = max(1, len(series.pages) // max(1, self.count))
        self._memory: NDArray[np.uint8] | None = None
        self.pillow: _PillowPages | None = None
        if series.dataoffset is None:
            self._check_bytes()
            first = series.keyframe
            inflatable = first.compression in INFLATERS and first.fillorder == 1
            if first.compression != 1 and not inflatable:
                if not by_pillow.can_read(series.pages[0].index, np.dtype(series.dtype)):
                    way = getattr(first.compression, "name", first.compression)
                    raise VideoError(
                        f"{self._path} is compressed in a way that is not read here ({way}, "
                        f"{first.bitspersample} bits): save it without compression, or with "
                        "Deflate."
                    )
                self.pillow = by_pillow
            return
        # Written in one piece, perhaps with an entry for the first page alone, as ImageJ does.
        if file.imagej_metadata and not kind.colour and len(file.series) == 1:
            self.promised = max(self.count, int(file.imagej_metadata.get("images", 1)))
        self._stored = np.dtype(series.dtype).newbyteorder(file.byteorder)
        self._frame_bytes = math.prod(self._inner) * self._stored.itemsize
        self._offset = int(series.dataoffset)
        there = (len(memory) - self._offset) // self._frame_bytes
        self.count = max(0, min(self.promised, there))
        if self.count:
            self._memory = memory

    def _check_bytes(self) -> None:
        """Refuse pages that hold far more pixels than their bytes can: of a damaged file."""
        page = self._pages[0].keyframe
        itemsize = np.dtype(page.dtype).itemsize
        pixels = math.prod(page.shape) * itemsize
        there = min(sum(self._pages[0].databytecounts), self._path.stat().st_size)
        if pixels > MOST_BYTES_A_BYTE * max(1, there) + (1 << 20):
            raise VideoError(
                f"{self._path} tells of pages of {page.shape} values but holds {there} bytes of "
                "the first one: it is damaged."
            )
        tile = math.prod(page.chunks) * itemsize
        if page.is_tiled and tile > max(SMALL, MOST_OF_A_TILE * pixels):
            raise VideoError(
                f"{self._path} tells of tiles of {page.chunks} values in pages of {page.shape}: it "
                "is damaged."
            )

    def read(self, frame: int) -> NDArray[Any]:
        """One frame, colours last."""
        first = frame * self._pages_a_frame
        if self._memory is not None:
            start = self._offset + frame * self._frame_bytes
            data = np.array(self._memory[start : start + self._frame_bytes])
            image = data.view(self._stored).reshape(self._inner)
        elif self.pillow is not None:
            return self.pillow.read(self._pages[first].index)
        else:
            pages = [_pixels(self._pages[first + k]) for k in range(self._pages_a_frame)]
            image = np.stack(pages).reshape(self._inner)
        return np.moveaxis(image, 0, -1) if self._kind.planar else image


def _unreadable(path: Path, error: Exception) -> VideoError:
    reason = str(error) or type(error).__name__
    return VideoError(f"{path} cannot be read as TIFF ({reason}): is it complete?")


def _told_white(page: Any, bits: int) -> int | None:
    """The white level that a page tells by its bits or its largest value, if it does."""
    if bits < 16:
        return (1 << bits) - 1
    tag = page.tags.get("MaxSampleValue")
    told = 0 if tag is None else int(np.max(tag.value))
    return told if 255 < told < 65535 else None


def _same_kind(path: Path, series: Any, kind: _Kind) -> bool:
    try:
        return _kind(path, series) == kind
    except VideoError:
        return False


def _kind(path: Path, series: Any) -> _Kind:
    """What the frames of a series are.

    Raises `VideoError` for stacks of more than one dimension beside the picture's own.
    """
    shape, axes = series.shape, series.axes
    planar = axes[-3:-2] == "S" and axes[-2:] == "YX" and shape[-3] in (3, 4)
    colour = planar or (axes[-3:] in ("YXS", "YXC") and shape[-1] in (3, 4))
    inner = 3 if colour else 2
    outer = [size for size in shape[:-inner] if size != 1]
    if len(outer) > 1 or not (planar or axes[-inner:].startswith("YX")):
        sizes = " x ".join(str(size) for size in shape)
        raise VideoError(
            f"{path} has {len(shape)} dimensions ({axes}, {sizes}): save it as one stack of frames."
        )
    return _Kind((int(shape[axes.index("Y")]), int(shape[axes.index("X")])), planar, colour)


def _pixels(page: Any) -> NDArray[Any]:
    """A page as tifffile reads it, but for strips and tiles that inflate without end."""
    first = page.keyframe
    if first.compression in INFLATERS and "decode" not in vars(first):
        first.decode = _bounded(first)
    return page.asarray()


def _bounded(page: Any) -> Callable[..., Any]:
    """`TiffPage.decode` of a page, given how much a strip or tile can hold."""
    plain = copy.copy(page)
    plain.compression = 1
    vars(plain).pop("hash", None)
    decode = plain.decode
    most = math.prod(page.chunks) * page.dtype.itemsize + PADDING
    inflaters = INFLATERS[page.compression]

    def inflate_and_decode(data: bytes | None, *arguments: Any, **options: Any) -> Any:
        if data is not None:
            inflater = inflaters()
            data = inflater.decompress(data, most)
            if not inflater.eof:
                raise ValueError("the data of a page is cut off, or inflates to more than the page")
        return decode(data, *arguments, **options)

    return inflate_and_decode


class _PillowPages:
    """The pages of a TIFF file as Pillow reads them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._image: Image | None = None

    def can_read(self, page: int, dtype: np.dtype[Any]) -> bool:
        """Whether Pillow knows the kind of a page, and reads it with as many bits."""
        try:
            return self._seek(page).mode.startswith("I;16") == (dtype == np.uint16)
        except Exception:  # of many kinds
            return False

    def _seek(self, page: int) -> Image:
        import PIL.Image

        if self._image is None:
            self._image = PIL.Image.open(self._path, formats=["TIFF"])
        self._image.seek(page)
        return self._image

    def read(self, page: int) -> NDArray[Any]:
        return np.array(self._seek(page))

    def close(self) -> None:
        if self._image is not None:
            self._image.close()
            self._image = None


def is_stack(path: Path) -> bool:
    """Whether a TIFF file holds more than one page, or says so of a stack written in one piece."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            return len(file.pages) > 1 or len(file.series[0].shape) > len(file.pages[0].shape)
    except Exception:  # of many kinds, over damaged files; reading says what is wrong
        return False
