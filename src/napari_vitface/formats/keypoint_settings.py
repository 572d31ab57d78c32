"""What the settings of a project say about its keypoints: skeleton, swap pairs and colours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from napari_vitface.pose.keypoints import MOUSE_FACE, KeypointSet

#: Our key in ``config.yaml``, with what DeepLabCut has no place for: swap pairs and colours.
OWN_KEY = "vitface"


def is_deeplabcut(data: dict[str, Any]) -> bool:
    """Whether settings are those of a DeepLabCut project, and not, say, Lightning Pose's."""
    return "bodyparts" in data or "multianimalbodyparts" in data


def keypoints_of(data: dict[str, Any], names: Iterable[str]) -> KeypointSet:
    """A keypoint set of these names with the skeleton, swap pairs and colours of the settings.

    What does not fit the names is left out, and so are pairs that name a keypoint again: in a
    mirrored frame it can change places with one other alone.
    """
    names = tuple(names)
    known = set(names)
    own = data.get(OWN_KEY)
    own = own if isinstance(own, dict) else {}
    skeleton = _pairs(data.get("skeleton"), known)
    colours = own.get("colours")
    right = isinstance(colours, list) and len(colours) == len(names)
    right = right and all(re.fullmatch(r"#[0-9a-fA-F]{6}", str(colour)) for colour in colours or ())
    if names == MOUSE_FACE.names and "skeleton" not in data:
        skeleton = MOUSE_FACE.skeleton
    return KeypointSet(
        names,
        skeleton,
        _apart(_pairs(own.get("swaps"), known)),
        tuple(str(colour) for colour in colours or ()) if right else (),
    )


def _pairs(data: Any, known: set[str]) -> tuple[tuple[str, str], ...]:
    pairs = data if isinstance(data, list) else []
    return tuple(
        (str(pair[0]), str(pair[1]))
        for pair in pairs
        if isinstance(pair, list) and len(pair) == 2 and known.issuperset(map(str, pair))
    )


def _apart(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    taken: set[str] = set()
    apart = []
    for pair in pairs:
        if len({*pair}) == 2 and taken.isdisjoint(pair):
            apart.append(pair)
            taken.update(pair)
    return tuple(apart)
