"""Files of spatial components: HDF5, a group for each region of motion and of the movie.

In a group are ``masks`` (K, h, w), ``singular_values`` (K,) and ``mean`` (h, w), all float32, and
the attributes ``of``, ``region``, ``rectangle`` (x, y, w, h in video pixels) and ``bin`` (side of a
mask's pixel in video pixels).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import h5py

from napari_vitface.atomic import atomic_write, require_room
from napari_vitface.errors import VitFaceError, reason
from napari_vitface.traces.measure import Components

_FORMAT = "napari-vitface components"


def write_components(
    path: str | os.PathLike[str], components: Sequence[Components], video: str
) -> None:
    """Write components of a video; OSError if that cannot be."""
    with atomic_write(path) as temporary:
        require_room(temporary, sum(each.masks.nbytes + each.mean.nbytes for each in components))
        with h5py.File(temporary, "w") as file:
            file.attrs.update(format=_FORMAT, video=video)
            for each in components:
                group = file.create_group(f"{each.of} {each.region}")
                group.attrs.update(
                    of=each.of, region=each.region, rectangle=each.rectangle, bin=each.bin
                )
                for name in ("masks", "singular_values", "mean"):
                    group.create_dataset(name, data=getattr(each, name))


def read_components(path: str | os.PathLike[str]) -> list[Components]:
    """Read what `write_components` wrote.

    Raises
    ------
    VitFaceError
        The file is not there, or is another kind of file.
    """
    path = Path(path)
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != _FORMAT:
                raise ValueError("it holds something else")
            return [
                Components(
                    of=str(group.attrs["of"]),
                    region=str(group.attrs["region"]),
                    rectangle=tuple(map(int, group.attrs["rectangle"])),  # type: ignore[arg-type]
                    masks=group["masks"][()],
                    singular_values=group["singular_values"][()],
                    mean=group["mean"][()],
                    bin=int(group.attrs["bin"]),
                )
                for group in file.values()
            ]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise VitFaceError(f"{path} cannot be read as components ({reason(error)}).") from error
