"""How the paths of this computer are called on the workers."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any, TypeVar, cast

from napari_vitface.errors import VitFaceError

R = TypeVar("R", bound=Any)

_WINDOWS = re.compile(r"[A-Za-z]:|\\\\")


@dataclass(frozen=True)
class PathMap:
    """Pairs of folders: what it is called here, and there; the first that fits counts.

    A folder that begins with a drive or two backslashes is one of Windows, where capitals and the
    kind of slash do not matter.
    """

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, texts: Sequence[str]) -> PathMap:
        """Of texts ``HERE=THERE``; `VitFaceError` if one is something else."""
        pairs = []
        for text in texts:
            here, equals, there = text.partition("=")
            if not (here and equals and there):
                raise VitFaceError(
                    f"{text!r} does not say what a folder is called on the workers; give "
                    r"HERE=THERE, for example D:\videos=/mnt/lab/videos."
                )
            pairs.append((here, there))
        return cls(tuple(pairs))

    def there(self, path: str | os.PathLike[str]) -> str:
        """The path, from the root on, as workers call it."""
        text = os.fspath(path)
        # What is a path of another system already has its root.
        whole = text if _WINDOWS.match(text) else str(_absolute(text))
        return _moved(whole, self.pairs)

    def here(self, path: str) -> str:
        """A worker's path as it is called here."""
        return _moved(path, [(there, here) for here, there in self.pairs])

    def result_here(self, result: R) -> R:
        """A result, a dataclass, with the paths in it as they are called here."""
        return cast("R", self._here(result)) if self.pairs else result

    def _here(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.here(value)
        if isinstance(value, tuple):
            return tuple(map(self._here, value))
        if is_dataclass(value) and not isinstance(value, type):
            parts = {each.name: getattr(value, each.name) for each in fields(value) if each.init}
            return replace(value, **{name: self._here(part) for name, part in parts.items()})
        return value


def parent_of(path: str) -> str:
    """The folder that a worker's path is in."""
    return str(_kind(path)(path).parent)


def _moved(path: str, pairs: Sequence[tuple[str, str]]) -> str:
    for start, other in pairs:
        kind = _kind(start)
        if _kind(path) is kind and kind(path).is_relative_to(start):
            return str(_kind(other)(other, *kind(path).relative_to(start).parts))
    return path


def _kind(path: str) -> type[PurePath]:
    return PureWindowsPath if _WINDOWS.match(path) else PurePosixPath


def _absolute(path: str) -> Path:
    return Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 - follows no links
