"""The settings of a project: DeepLabCut's ``config.yaml``, and beside it a file of ours.

DeepLabCut 3 refuses a ``config.yaml`` with a key that it does not know. So what it has no key for,
swap pairs and colours, is in ``vitface/project.yaml``. Folders without a ``config.yaml`` of
DeepLabCut keep the names and the skeleton there too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_vitface.errors import LabelError
from napari_vitface.formats.config import Config, read_config, write_config
from napari_vitface.formats.header_table import is_file
from napari_vitface.formats.inside import check_inside
from napari_vitface.pose.keypoints import MOUSE_FACE, KeypointSet

#: The layout of ``vitface/project.yaml``; a greater one was written by a newer version.
FORMAT = 1

# Where older versions kept what is in `vitface/project.yaml` now.
_OLDER_KEY = "vitface"
_OLDER_FILE = "keypoints.yaml"


def is_deeplabcut(data: Config) -> bool:
    """Whether settings are those of a DeepLabCut project, and not, say, Lightning Pose's."""
    return not {"bodyparts", "multianimalbodyparts", "scorer"}.isdisjoint(data)


@dataclass(frozen=True)
class Settings:
    """What the files of a project say about it.

    Attributes
    ----------
    folder : Path
    config : dict
        DeepLabCut's ``config.yaml``; empty if there is none or it is another program's.
    own : dict
        ``vitface/project.yaml``, and what older versions kept elsewhere.
    problems : tuple of str
        Sentences about what cannot be used of our own file. The project opens all the same.
    older : bool
        Whether something is still where older versions kept it.
    """

    folder: Path
    config: Config = field(default_factory=dict)
    own: Config = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    older: bool = False

    @property
    def configured(self) -> bool:
        """Whether the project has a ``config.yaml`` of DeepLabCut."""
        return bool(self.config)

    @property
    def main(self) -> Config:
        """The settings that name the keypoints."""
        return self.config if self.configured else self.own

    def keypoints(self, names: Iterable[str]) -> KeypointSet:
        """A keypoint set of these names with the skeleton, swap pairs and colours of the settings.

        What does not fit the names is left out, and so are pairs that name a keypoint again: in a
        mirrored frame it can change places with one other alone.
        """
        names = tuple(names)
        known = set(names)
        skeleton = _pairs(self.main.get("skeleton"), known)
        if names == MOUSE_FACE.names and "skeleton" not in self.main:
            skeleton = MOUSE_FACE.skeleton
        colours = self.own.get("colours")
        right = isinstance(colours, list) and len(colours) == len(names)
        right = right and all(re.fullmatch(r"#[0-9a-fA-F]{6}", str(one)) for one in colours or ())
        return KeypointSet(
            names,
            skeleton,
            _apart(_pairs(self.own.get("swaps"), known)),
            tuple(str(colour) for colour in colours or ()) if right else (),
        )

    def write(self) -> None:
        """Write both files, ours first: what it holds was perhaps in the other one.

        Raises
        ------
        LabelError
            If one cannot be written, or ours is of a newer version.
        """
        check_inside(self.folder, self.folder / "config.yaml")
        self.write_own()
        try:
            if self.configured:
                self.config.pop(_OLDER_KEY, None)
                write_config(self.folder / "config.yaml", self.config)
            own_file(self.folder).with_name(_OLDER_FILE).unlink(missing_ok=True)
        except OSError as error:
            raise _not_written(self.folder / "config.yaml", error) from error

    def write_own(self) -> None:
        """Write our own file; `LabelError` if it cannot be written, or is of a newer version."""
        path = own_file(self.folder)
        check_inside(self.folder, path)
        try:
            if self.own or is_file(path):
                _make_way(path)
                path.parent.mkdir(exist_ok=True)
                write_config(path, {"format": FORMAT, **self.own})
        except OSError as error:
            raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> LabelError:
    return LabelError(f"{path} cannot be written ({error.strerror or error}).")


def read_settings(folder: Path) -> Settings:
    """The settings of a project folder; `LabelError` if its ``config.yaml`` cannot be read."""
    file = folder / "config.yaml"
    config = read_config(file) if is_file(file) else {}
    if not is_deeplabcut(config):
        config = {}
    problems: list[str] = []
    own: Config = {}
    path = own_file(folder)
    if is_file(path):
        try:
            own = _read_own(path)
        except LabelError as error:
            problems.append(f"{str(error).rstrip('.')}; its swap pairs and colours are not used.")
    before: Config = {}
    older_file = path.with_name(_OLDER_FILE)
    if config:
        before = _mapping(config.get(_OLDER_KEY))
    elif is_file(older_file):
        data = read_config(older_file)
        before = {key: value for key, value in data.items() if key != _OLDER_KEY}
        before |= _mapping(data.get(_OLDER_KEY))
    # Where both say something an older version wrote last, for this one leaves nothing there.
    own |= before
    return Settings(
        folder, config, own, tuple(problems), _OLDER_KEY in config or is_file(older_file)
    )


def own_file(folder: Path) -> Path:
    """Where a project keeps what DeepLabCut has no key for."""
    return folder / "vitface" / "project.yaml"


def take_over(folder: Path) -> None:
    """Move what older versions kept elsewhere into our file; `LabelError` if that cannot be."""
    if not _perhaps_older(folder):
        return
    settings = read_settings(folder)
    if settings.older:
        settings.write()


def _perhaps_older(folder: Path) -> bool:
    # Without parsing, which takes a while in a project of many videos.
    if is_file(own_file(folder).with_name(_OLDER_FILE)):
        return True
    try:
        return _OLDER_KEY.encode() in (folder / "config.yaml").read_bytes()
    except OSError:
        return False


def _read_own(path: Path) -> Config:
    data = read_config(path)
    version = data.get("format", FORMAT)
    if not isinstance(version, int) or version > FORMAT:
        raise _Newer(
            f"{path} was written by a newer version of napari-vitface: update to use and change it"
        )
    return data


class _Newer(LabelError):
    """The file is not ours to change."""


def _make_way(path: Path) -> None:
    """Keep a damaged file under another name; refuse to replace one of a newer version."""
    if not is_file(path):
        return
    try:
        _read_own(path)
    except _Newer:
        raise
    except LabelError:
        path.replace(path.with_name(f"{path.name}.damaged"))


def _mapping(data: Any) -> Config:
    return data if isinstance(data, dict) else {}


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
