"""The file of features of a video: one kind, a row a frame.

HDF5, and not zarr: it is one file that is copied, mailed and deleted as one, where zarr's thousands
of small ones take minutes to list on a network drive; and h5py is here anyway. In it are

* ``values`` (N, D) float16 or float32, in compressed chunks of whole rows, which can be added to;
* ``columns`` (D,), the names of the numbers;
* ``thinned`` (n, D), of long recordings: rows that are evenly spread, in one piece, so that what
  looks at the whole of an hour reads no more than of a minute;
* the attribute ``about``, JSON: what was computed, of what, with what. Its ``frames``, which are
  (start, stop, step), say of which frame of the video each row is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypedDict, cast

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vitface.atomic import require_room
from napari_vitface.errors import FeatureFileError, VitFaceError
from napari_vitface.settings.features import FeatureKind, described_as
from napari_vitface.states.features.extractor import Layout

#: What the files end in, after the name of their video and perhaps of a model.
ENDING = "_features_{kind}.h5"
_FORMAT = "napari-vitface features"
_VERSION = 1
#: Rows of the thinned copy. A similarity matrix of as many fills a screen.
THINNED = 2000
#: Bytes of a chunk before it is compressed, about: what one click reads.
_CHUNK = 1 << 17
#: Bytes that a chunk may have in a file that is read.
_LARGEST_CHUNK = 1 << 26


class OfVideo(TypedDict):
    """The video that features are of."""

    name: str
    bytes: int
    frames: int
    size: list[int]
    frame_rate: float


class About(TypedDict, total=False):
    """What was computed, of what, with what."""

    video: OfVideo
    crop: Mapping[str, object]
    white: int | None
    feature: Mapping[str, object]
    layout: Layout
    #: Digests of the model's file and of the keypoints, of features that need them.
    model: str
    keypoints: str
    #: Start, stop and step.
    frames: list[int]


def thinned_rows(count: int, most: int = THINNED) -> NDArray[np.int64]:
    """Evenly spread positions among `count`, all of them if they are no more than `most`."""
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, most)).round().astype(np.int64))


class FeatureWriter:
    """Writes a file of features block by block, in bounded memory. `close` completes it.

    Parameters
    ----------
    path : Path
        A temporary one, see `napari_vitface.atomic`.
    columns : sequence of str
    stored : {"float16", "float32"}
    about : mapping
        Plain data, with ``frames``.
    made_by : mapping, optional
        The worker of a cluster that made it, and in how many seconds.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[str],
        stored: str,
        about: About,
        made_by: Mapping[str, Any] | None = None,
    ) -> None:
        self._path = path
        require_room(path, 0)
        self._file = h5py.File(path, "w")
        self._file.attrs["format"] = _FORMAT
        self._file.attrs["version"] = _VERSION
        # JSON in ASCII: the limit of an attribute is 64 KB.
        self._file.attrs["about"] = json.dumps(about, sort_keys=True)
        if made_by is not None:
            self._file.attrs["made_by"] = json.dumps(made_by)
        width = len(columns)
        dtype = np.dtype(stored)
        rows = max(1, min(_CHUNK // (width * dtype.itemsize), 8192))
        packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        self._values = self._file.create_dataset(
            "values", (0, width), dtype, maxshape=(None, width), chunks=(rows, width), **packed
        )
        names = np.array([name.encode() for name in columns])
        self._file.create_dataset("columns", data=names, **packed)
        self._thinned = thinned_rows(len(range(*about["frames"])))
        self._some = np.zeros((len(self._thinned), width), dtype)

    def append(self, values: NDArray[Any]) -> None:
        """Add rows (B, D)."""
        require_room(self._path, values.nbytes)
        start = len(self._values)
        stop = start + len(values)
        self._values.resize(stop, axis=0)
        self._values[start:stop] = values
        first, last = np.searchsorted(self._thinned, (start, stop))
        self._some[first:last] = values[self._thinned[first:last] - start]

    def close(self) -> None:
        """Write the thinned copy and close the file."""
        if len(self._thinned) < len(self._values):
            require_room(self._path, self._some.nbytes)
            self._file.create_dataset("thinned", data=self._some)
        self._file.close()

    def abort(self) -> None:
        """Close the file as it is."""
        self._file.close()


class FeatureFile:
    """Features of a video in a file, read where they are asked for.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    path : Path
    about : dict
        What was computed, of what, with what: plain data.
    kind : FeatureKind
        With its settings.
    columns : tuple of str
        Names of the D numbers.
    frames : range
        The video's frame of each of the N rows.

    Raises
    ------
    VitFaceError
        It is no file of features, of a newer version, or damaged.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            self._file = h5py.File(self.path, "r")
        except FileNotFoundError:
            raise VitFaceError(f"{self.path} does not exist: check the name.") from None
        except OSError as error:
            raise FeatureFileError(
                f"{self.path} is no file of features, or is damaged; compute it again "
                "(--overwrite)."
            ) from error
        try:
            self._read_head()
        except (KeyError, ValueError, TypeError, AttributeError, OSError, RecursionError) as error:
            self._file.close()
            raise FeatureFileError(
                f"{self.path} is no file of features that `states features` wrote, or is damaged; "
                "compute it again (--overwrite)."
            ) from error
        except BaseException:
            self._file.close()
            raise

    def _read_head(self) -> None:
        if self._file.attrs["format"] != _FORMAT:
            raise ValueError("another format")
        if int(self._file.attrs["version"]) > _VERSION:
            raise VitFaceError(
                f"{self.path.name} was written by a newer version of napari-vitface; install that."
            )
        self.about = cast(About, json.loads(self._file.attrs["about"]))
        self.kind: FeatureKind = described_as(self.about["feature"])
        self._values = _dataset(self._file, "values", 2)
        width = self._values.shape[1]
        columns = _dataset(self._file, "columns", 1)
        if self._values.dtype.kind != "f" or columns.dtype.kind != "S":
            raise ValueError("not numbers with names")
        self.frames = range(*self.about["frames"])
        if len(self.frames) != len(self) or len(columns) != width or self.frames.step < 1:
            raise ValueError("parts that do not fit")
        self.columns = tuple(name.decode() for name in columns[()].tolist())
        self._rows = thinned_rows(len(self))
        self._thinned = self._values
        if len(self._rows) < len(self):
            self._thinned = _dataset(self._file, "thinned", 2)
        if self._thinned.shape != (len(self._rows), width):
            raise ValueError("parts that do not fit")

    def __len__(self) -> int:
        return int(self._values.shape[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def thinned(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Frames (n,) and values (n, D) of rows spread over the recording, up to `THINNED`."""
        frames = self.frames.start + self._rows * self.frames.step
        return frames, self._thinned[()].astype(np.float32)

    def rows(self, start: int, stop: int) -> NDArray[np.float32]:
        """Values (B, D) of rows in a row."""
        return np.asarray(self._values[start:stop], np.float32)

    def at(self, frames: ArrayLike) -> NDArray[np.float32]:
        """Values (B, D) of frames in any order; NaN for frames that the file does not hold."""
        wanted = np.atleast_1d(np.asarray(frames, np.int64))
        found = np.full((len(wanted), len(self.columns)), np.nan, np.float32)
        places, off = np.divmod(wanted - self.frames.start, self.frames.step)
        there = (off == 0) & (places >= 0) & (places < len(self))
        rows, back = np.unique(places[there], return_inverse=True)
        # A chunk at a time: h5py is slow to pick single rows.
        size = self._values.chunks[0] if self._values.chunks else len(self)
        seen = np.empty((len(rows), len(self.columns)), np.float32)
        for chunk in np.unique(rows // size).tolist():
            mine = rows // size == chunk
            piece = self.rows(chunk * size, (chunk + 1) * size)
            seen[mine] = piece[rows[mine] - chunk * size]
        found[there] = seen[back]
        return found

    def check(self, about: About) -> None:
        """Raise `FeatureFileError` where the file is of something else than `about` says."""
        other = [key for key, value in about.items() if self.about.get(key) != value]
        # It follows from the crop and the settings.
        other = [key for key in other if key != "layout"] or other
        if other:
            raise FeatureFileError(
                f"{self.path.name} was made otherwise ({', '.join(other)}); compute it again "
                "(--overwrite), or into another folder."
            )


def _dataset(file: h5py.File, name: str, ndim: int) -> h5py.Dataset:
    """A dataset that this file itself holds, in pieces that fit into memory."""
    found = file[name]
    if not isinstance(found, h5py.Dataset) or found.ndim != ndim:
        raise ValueError(f"{name} is no array of {ndim} dimensions")
    if found.file.filename != file.filename or found.is_virtual or found.external:
        raise ValueError(f"{name} is kept in another file")
    if found.dtype.hasobject:
        raise ValueError(f"{name} holds objects")
    piece = int(np.prod(found.chunks or (1,))) * found.dtype.itemsize
    if piece > _LARGEST_CHUNK:
        raise ValueError(f"{name} is in pieces that are too large")
    return found
