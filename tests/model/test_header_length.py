from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from napari_vitface.errors import CheckpointError
from napari_vitface.model.header import FORMAT, KEY, read_metadata


def header(length: int) -> bytes:
    """A safetensors file without tensors, whose header has exactly `length` bytes."""
    network = {
        "backbone": {"timm_name": "vit", "timm_args": {}},
        "head": {"name": "unet", "args": {}},
        "keypoints": {"names": ["lip"]},
    }
    preprocessing = {"input_size": [32, 32], "channels": 1}
    metadata = {
        "format": FORMAT, "network": network, "preprocessing": preprocessing, "training": {},
    }  # fmt: skip
    text = json.dumps({"__metadata__": {KEY: json.dumps(metadata)}}).ljust(length)
    assert len(text) == length
    return struct.pack("<Q", length) + text.encode()


@pytest.mark.parametrize("length", [640, 896, 0x4B50])
def test_a_header_whose_length_looks_like_a_pickle_or_zip_is_read(
    tmp_path: Path, length: int
) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(header(length))
    assert read_metadata(path)["format"] == FORMAT


def test_a_pickle_is_still_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    path.write_bytes(b"\x80\x02}q\x00." + b"\x00" * 100)
    with pytest.raises(CheckpointError, match="is a PyTorch pickle"):
        read_metadata(path)
