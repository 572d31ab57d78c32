"""The header of a checkpoint: its metadata, read without torch and without trust in the file."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any, cast

from napari_vitface.errors import CheckpointError
from napari_vitface.model.metadata import Metadata

#: Of files that leave out what a bundled model has too; others are read by earlier versions.
FORMAT = 2
UNSHARED_FORMAT = 1


KEY = "napari_vitface"


_REQUIRED = ("network", "preprocessing", "training")


_LARGEST_HEADER = 100_000_000  # as in the safetensors reference implementation


#: Levels of lists in lists. What is read here is handed on, and who reads it may recurse.
_DEEPEST = 32


def read_metadata(path: str | os.PathLike[str]) -> Metadata:
    """The metadata of a checkpoint, from its header alone: quick, and without torch.

    Raises
    ------
    CheckpointError
        One sentence: the file is missing, no safetensors file, cut off, not ours, from a newer
        format, or incomplete.
    """
    file = Path(path)
    header, data_start = _read_header(file)
    ends = [_end(entry) for name, entry in header.items() if name != "__metadata__"]
    size = file.stat().st_size
    if ends and size < data_start + max(ends):
        raise CheckpointError(
            f"{file} is cut off ({size} of {data_start + max(ends)} bytes); copy or download it "
            "again."
        )
    about = header.get("__metadata__")
    text = about.get(KEY) if isinstance(about, dict) else None
    if not isinstance(text, str):
        raise CheckpointError(
            f"{file} is a safetensors file, but no napari-vitface checkpoint; choose a model that "
            "napari-vitface trained. Training starts from weights in timm's layout as "
            "timm:NAME=FILE."
        )
    try:
        metadata = plain_json(text)
        version = int(metadata["format"])
    except (ValueError, TypeError, KeyError, OverflowError):
        raise CheckpointError(f"The metadata of {file} is damaged; copy the file again.") from None
    if version > FORMAT:
        raise CheckpointError(
            f"{file} has checkpoint format {version}, and this napari-vitface reads up to "
            f"{FORMAT}; update napari-vitface."
        )
    missing = [key for key in _REQUIRED if key not in metadata]
    if missing:
        raise CheckpointError(
            f"The metadata of {file} lacks {', '.join(missing)}; train or export the model again."
        )
    if not _describes_a_model(metadata):
        raise CheckpointError(
            f"The metadata of {file} does not describe a model; train or export the model again."
        )
    return cast("Metadata", metadata)


def _end(entry: Any) -> int:
    """Where a tensor ends among the file's data; 0 where the header does not say it."""
    match entry:
        case {"data_offsets": [_, int(end)]}:
            return end
    return 0


def _describes_a_model(metadata: Any) -> bool:
    """Whether what every reader of metadata looks at is of the kind that it should be."""
    match metadata:
        case {
            "network": {
                "backbone": {"timm_name": str(), "timm_args": dict()},
                "head": {"name": str(), "args": dict()},
                "keypoints": {"names": [str(), *others]},
            },
            "preprocessing": {"input_size": [int(), int()], "channels": int()},
            "training": dict(),
        }:
            calibration = metadata.get("calibration")
            return (
                all(isinstance(name, str) for name in others)
                and (calibration is None or isinstance(calibration, dict))
                and ("shares" not in metadata or _says_what_is_shared(metadata["shares"]))
            )
    return False


def _says_what_is_shared(shares: Any) -> bool:
    match shares:
        case {"model": str(), "digest": str(), "weights": list(names)}:
            return all(isinstance(name, str) for name in names)
    return False


def plain_json(text: str | bytes) -> Any:
    """What JSON says; `ValueError` where it is no JSON, or nested as nobody means it."""
    try:
        data = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    level = [data]
    for _ in range(_DEEPEST):
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return data
    raise ValueError("it is nested too deeply")


def _read_header(file: Path) -> tuple[dict[str, object], int]:
    """The JSON header of a safetensors file and the position where the tensors begin."""
    try:
        with file.open("rb") as stream:
            start = stream.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            body = stream.read(length) if 0 < length <= _LARGEST_HEADER else b""
    except FileNotFoundError:
        raise CheckpointError(f"There is no model file {file}.") from None
    except OSError as error:
        raise CheckpointError(
            f"The model file {file} cannot be read ({error.strerror or error})."
        ) from None
    # A header of 128, 384, ... bytes begins with the byte of a pickle too, but a brace follows.
    if body[:1] != b"{" and (start[:4] == b"PK\x03\x04" or start[:1] == b"\x80"):
        raise CheckpointError(
            f"{file} is a PyTorch pickle, which can run any code when it is read and is therefore "
            "never opened; napari-vitface reads .safetensors checkpoints."
        )
    if len(body) == length and body[:1] == b"{":
        try:
            header = plain_json(body)
        except ValueError:
            header = None
        if isinstance(header, dict):
            return header, 8 + length
    if body[:2] == b'{"' and len(body) < length:
        raise CheckpointError(f"{file} is cut off; copy or download it again.")
    raise CheckpointError(
        f"{file} is no safetensors file; napari-vitface reads .safetensors checkpoints."
    )
