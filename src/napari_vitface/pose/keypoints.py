"""Keypoint sets: which points a model predicts and how they are named, joined and coloured."""

from __future__ import annotations

import colorsys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from napari_vitface.record import Record, plain_data
from napari_vitface.words import counted


@dataclass(frozen=True)
class KeypointSet(Record):
    """Ordered keypoint names with their skeleton, left/right pairs and colours.

    Parameters
    ----------
    names : sequence of str
        Keypoint names in the order of the model's outputs and of the table's columns. Unique, not
        empty; names may hold spaces, as DeepLabCut's do.
    skeleton : sequence of (str, str)
        Edges drawn between keypoints.
    swaps : sequence of (str, str)
        Left/right pairs that change places when an image is mirrored.
    colours : sequence of str, optional
        One ``#rrggbb`` a keypoint; spread around the colour circle where not given.
    """

    names: tuple[str, ...]
    skeleton: tuple[tuple[str, str], ...] = ()
    swaps: tuple[tuple[str, str], ...] = ()
    colours: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = tuple(str(name) for name in self.names)
        if not names or len(set(names)) != len(names) or not all(name.strip() for name in names):
            raise ValueError(f"keypoint names must be unique and not empty, got {list(names)}")
        object.__setattr__(self, "names", names)
        for field in ("skeleton", "swaps"):
            pairs = tuple((str(a), str(b)) for a, b in getattr(self, field))
            unknown = sorted({name for pair in pairs for name in pair} - set(names))
            if unknown:
                raise ValueError(f"{field} names keypoints that are not in the set: {unknown}")
            object.__setattr__(self, field, pairs)
        colours = tuple(self.colours) or distinct_colours(len(names))
        if len(colours) != len(names):
            raise ValueError(
                f"{counted(len(names), 'keypoint')} but {counted(len(colours), 'colour')}"
            )
        object.__setattr__(self, "colours", colours)

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Position of a keypoint; `KeyError` naming the known keypoints if it is not in the set."""
        try:
            return self.names.index(name)
        except ValueError:
            raise KeyError(f"no keypoint {name!r}; there are: {', '.join(self.names)}") from None

    def edges(self) -> list[tuple[int, int]]:
        """Skeleton edges as pairs of positions."""
        return [(self.index(a), self.index(b)) for a, b in self.skeleton]

    def to_dict(self) -> Any:
        """As plain lists and strings, for JSON."""
        return plain_data(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> KeypointSet:
        """Inverse of `to_dict`."""
        return cls(
            names=tuple(data["names"]),
            skeleton=tuple((a, b) for a, b in data.get("skeleton", ())),
            swaps=tuple((a, b) for a, b in data.get("swaps", ())),
            colours=tuple(data.get("colours", ())),
        )


def distinct_colours(count: int) -> tuple[str, ...]:
    """`count` saturated colours as ``#rrggbb``, neighbours far apart, readable on grey video."""
    golden_ratio = 0.61803398875
    colours = []
    for k in range(count):
        hue = (0.02 + k * golden_ratio) % 1.0
        red, green, blue = colorsys.hsv_to_rgb(hue, 0.75 if k % 2 else 0.6, 1.0)
        colours.append(f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}")
    return tuple(colours)


def match_names(found: Iterable[str], known: Sequence[str]) -> dict[str, str]:
    """Which keypoint each of some names means, as people and spreadsheets write them.

    A name means the keypoint of the same name, else the one that differs from it in capitals and
    blanks alone, if no other name means that one. Names that mean none are left out.
    """
    found = list(dict.fromkeys(found))
    meant = {name: name for name in found if name in known}
    left = [name for name in known if name not in meant]
    for name in found:
        alike = [other for other in left if _plain(other) == _plain(name)]
        rivals = [other for other in found if other not in meant and _plain(other) == _plain(name)]
        if name not in meant and len(alike) == 1 and rivals == [name]:
            meant[name] = alike[0]
            left.remove(alike[0])
    return meant


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).split()).casefold()


#: The twelve keypoints of the ViT_facemap recordings, mouse face in side view.
MOUSE_FACE = KeypointSet(
    names=(
        "eye top",
        "eye front",
        "eye bottom",
        "eye back",
        "nose top",
        "nose tip",
        "nose bottom",
        "whisker 1",
        "whisker 2",
        "whisker 3",
        "mouth",
        "lip",
    ),
    skeleton=(
        ("eye top", "eye front"),
        ("eye front", "eye bottom"),
        ("eye bottom", "eye back"),
        ("eye back", "eye top"),
        ("nose top", "nose tip"),
        ("nose tip", "nose bottom"),
        ("whisker 1", "whisker 2"),
        ("whisker 1", "whisker 3"),
        ("whisker 2", "whisker 3"),
        ("mouth", "lip"),
    ),
)
