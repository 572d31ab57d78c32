"""DeepLabCut's ``config.yaml``: read, changed and written with its comments and unknown keys."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import LabelError


def read_config(path: Path) -> dict[str, Any]:
    """The settings in a YAML file, in a mapping that remembers comments, order and quotes.

    Raises
    ------
    LabelError
        If the file cannot be read or is not a mapping.
    """
    from ruamel.yaml.error import YAMLError

    try:
        data = _yaml().load(path.read_text(encoding="utf-8-sig"))
    except (YAMLError, UnicodeDecodeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise LabelError(f"{path} cannot be read ({reason}).") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise LabelError(f"{path} is not a list of settings, so it is no project's configuration.")
    return data


def write_config(path: Path, data: dict[str, Any]) -> None:
    """Write settings as YAML, with the comments of where they were read, in place of `path`.

    Raises
    ------
    LabelError
        If the file cannot be written; what was there stays.
    """
    text = io.StringIO()
    _yaml().dump(data, text)
    try:
        with atomic_write(path) as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8")
    except OSError as error:
        raise LabelError(f"{path} cannot be written ({error.strerror or error}).") from error


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
