"""YAML settings such as DeepLabCut's ``config.yaml``: read, changed, written with its comments."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import LabelError, reason
from napari_vitface.formats.repeats import check_repeats

#: Settings of a project: people and other programs write them, so each value is looked at before it
#: is used.
Config = dict[str, Any]

#: Larger than the settings of any project: reading this much takes seconds.
_MOST_BYTES = 500_000
#: Values in a file, those counted again that it repeats by reference.
_MOST_VALUES = 200_000
#: Brackets opened and not closed: ruamel looks at all of them again for each token.
_MOST_BRACKETS = 200
#: Encodings of systems that write no UTF-8, to be told by the names of the project's own files.
_ENCODINGS = ("cp1252", "gb18030", "cp932", "cp949", "big5", "cp1250", "cp1251", "cp1253")


def read_config(path: Path) -> Config:
    """The settings in a YAML file, in a mapping that remembers comments, order and quotes.

    Raises
    ------
    LabelError
        If the file cannot be read or is not a mapping.
    """
    from ruamel.yaml.error import YAMLError

    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES // 1000} kB are no settings")
        content = path.read_bytes()
        if _brackets(content) > _MOST_BRACKETS:
            raise RecursionError
        data = _yaml().load(content.decode(_encoding(path, content)))
        check_repeats(data, _MOST_VALUES)
    except RecursionError as error:
        raise LabelError(f"{path} cannot be read (it is nested too deeply).") from error
    except (YAMLError, ValueError, TypeError, LookupError, AttributeError, OSError) as error:
        # ruamel raises what Python makes of a value that is none: ValueError for 2024-02-30.
        raise LabelError(f"{path} cannot be read ({reason(error)}).") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise LabelError(f"{path} is not a list of settings, so it is no project's configuration.")
    return data


def _brackets(content: bytes) -> int:
    """The most brackets that are open at once, those within texts counted too."""
    kinds = np.frombuffer(content, np.uint8)
    steps = np.isin(kinds, list(b"[{")).astype(int) - np.isin(kinds, list(b"]}"))
    open_before = np.concatenate(([0], np.cumsum(steps)))
    return int((open_before - np.minimum.accumulate(open_before)).max())


def write_config(path: Path, data: Config) -> None:
    """Write settings as YAML, with the comments of where they were read, in place of `path`.

    The encoding stays as it is, for other programs may expect that of their system.

    Raises
    ------
    LabelError
        If the file cannot be written; what was there stays.
    """
    text = io.StringIO()
    _yaml().dump(data, text)
    try:
        content = text.getvalue().encode(_present_encoding(path), "strict")
    except UnicodeEncodeError:
        content = text.getvalue().encode("utf-8")
    try:
        with atomic_write(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise LabelError(f"{path} cannot be written ({error.strerror or error}).") from error


def _present_encoding(path: Path) -> str:
    try:
        found = _encoding(path, path.read_bytes())
    except (OSError, ValueError):
        return "utf-8"
    return "utf-8" if found == "utf-8-sig" else found


def _encoding(path: Path, content: bytes) -> str:
    """The encoding of a text; `ValueError` if it cannot be told."""
    found = json.detect_encoding(content)
    if found != "utf-8":
        return found
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        return "utf-8"
    scorer = re.search(rb"^scorer:[ \t]*(.+?)[ \t\r]*$", content, re.MULTILINE)
    names = _scorers_beside(path)
    for encoding in _ENCODINGS:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if scorer and scorer[1].decode(encoding).strip("'\"") in names:
            return encoding
        # A byte on its own between letters is an accented letter of Western Europe: elsewhere, two
        # bytes make a letter, or all letters are such bytes.
        alone = not re.search(rb"[\x80-\xff]{2}", content)
        if encoding == "cp1252" and alone and not names - {name for name in names if name in text}:
            return encoding
    raise ValueError("it is not in UTF-8 and its encoding cannot be told: save it in UTF-8")


def _scorers_beside(path: Path) -> set[str]:
    """Whose labels there are, of those whose names could tell an encoding."""
    tables = path.parent.glob("labeled-data/*/CollectedData_*")
    names = {table.stem.removeprefix("CollectedData_") for table in tables}
    return {name for name in names if not name.isascii()}


def _yaml() -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.emitter import Emitter

    class LongKeys(Emitter):
        # Paths of videos are keys; up to YAML's own limit they stay on their line.
        MAX_SIMPLE_KEY_LENGTH = 1024

    # Round trip: knows plain data only, so nothing in the file can run.
    yaml = YAML()
    yaml.Emitter = LongKeys
    yaml.preserve_quotes = True
    yaml.width = 100_000
    return yaml
