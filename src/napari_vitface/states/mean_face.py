"""The mean face of some frames, and how it differs from that of others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.states.features.extractor import Material
from napari_vitface.video.scale import Scale

#: Frames that are averaged at most: more do not change the picture, and each is decoded.
MOST = 400


@dataclass
class MeanFace:
    """Sums of the crops of two sets of frames.

    Attributes
    ----------
    size : (h, w)
    inside, outside : int
        Frames that went into each.
    """

    size: tuple[int, int]
    inside: int = 0
    outside: int = 0

    def __post_init__(self) -> None:
        self._sums = np.zeros((2, *self.size))

    def add(self, image: NDArray[np.uint8], *, inside: bool) -> None:
        """Take one crop (h, w)."""
        self._sums[0 if inside else 1] += image
        if inside:
            self.inside += 1
        else:
            self.outside += 1

    @property
    def mean(self) -> NDArray[np.float32]:
        """(h, w) mean grey levels of the frames inside."""
        return (self._sums[0] / max(self.inside, 1)).astype(np.float32)

    @property
    def contrast(self) -> NDArray[np.float32] | None:
        """(h, w) grey levels by which the inside is brighter than the outside; None without one."""
        if not self.inside or not self.outside:
            return None
        difference = self._sums[0] / self.inside - self._sums[1] / self.outside
        return difference.astype(np.float32)


def mean_face(
    material: Material, inside: Sequence[int], outside: Sequence[int], face: MeanFace
) -> Iterator[tuple[int, int]]:
    """Average the crop over frames.

    Parameters
    ----------
    material : Material
    inside, outside : sequence of int
        Frames; of more than `MOST`, as many that are evenly spread. One in both is inside.
    face : MeanFace
        Takes them.

    Yields
    ------
    done, total : int
        Frames.

    Raises
    ------
    VitFaceError
        No frame inside can be decoded.
    """
    first, second = thinned(inside), thinned(outside)
    within = frozenset(first)
    frames = sorted(within | (frozenset(second) - within))
    wanted = Scale(None, material.crop.size, grey=True)
    source = material.crop.read(material.video, frames, [wanted])
    with closing(source):  # type: ignore[type-var]
        for done, (number, seen) in enumerate(source, start=1):
            if seen is not None:
                face.add(seen[0], inside=number in within)
            yield done, len(frames)
    if not face.inside:
        raise VitFaceError(
            f"None of the frames of {material.video.path.name} that were chosen for a mean face "
            "can be decoded."
        )


def thinned(frames: Sequence[int]) -> list[int]:
    """Up to `MOST` of some frames, evenly spread, increasing."""
    ordered = np.unique(np.asarray(frames, np.int64))
    if len(ordered) > MOST:
        ordered = ordered[np.linspace(0, len(ordered) - 1, MOST).round().astype(np.int64)]
    return [int(number) for number in ordered]
