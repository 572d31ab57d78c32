"""What keypoints are of a face, whatever they are called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

#: The roles, and the words of names that mean them: all of one group, or of another.
ROLES: dict[str, tuple[frozenset[str], ...]] = {
    "eye-top": (frozenset({"eye", "top"}), frozenset({"eye", "upper"})),
    "eye-bottom": (frozenset({"eye", "bottom"}), frozenset({"eye", "lower"})),
    "eye-front": (frozenset({"eye", "front"}), frozenset({"eye", "anterior"})),
    "eye-back": (frozenset({"eye", "back"}), frozenset({"eye", "posterior"})),
    "nose": (frozenset({"nose"}), frozenset({"snout"})),
    "whisker": (frozenset({"whisker"}), frozenset({"whiskers"}), frozenset({"vibrissa"})),
    "mouth": (
        frozenset({"mouth"}),
        frozenset({"lip"}),
        frozenset({"lowerlip"}),
        frozenset({"tongue"}),
        frozenset({"jaw"}),
    ),
    "paw": (frozenset({"paw"}), frozenset({"hand"}), frozenset({"forepaw"})),
}


def roles_of(
    names: Sequence[str], given: Mapping[str, Sequence[str]] | None = None
) -> dict[str, tuple[str, ...]]:
    """The keypoints of each role, in the order of `names`.

    Parameters
    ----------
    names : sequence of str
        Of all keypoints.
    given : mapping of str to sequence of str, optional
        Roles that were said; others are guessed from the words of the names ("eye(top)", "Nose
        tip", "whisker_1").

    Raises
    ------
    ValueError
        There is no such role or no such keypoint.
    """
    found = {
        role: tuple(name for name in names if any(group <= _words(name) for group in groups))
        for role, groups in ROLES.items()
    }
    for role, keypoints in (given or {}).items():
        if role not in ROLES:
            raise ValueError(f"there is no role {role!r}; there are: {', '.join(ROLES)}")
        for name in keypoints:
            if name not in names:
                raise ValueError(f"there is no keypoint {name!r}; there are: {', '.join(names)}")
        found[role] = tuple(keypoints)
    return found


def _words(name: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()))
