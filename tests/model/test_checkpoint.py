"""Checkpoints: one safetensors file that holds all that a model needs."""

from __future__ import annotations

import json
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from napari_vitface.errors import CheckpointError
from napari_vitface.model.checkpoint import (
    bundled_models,
    find_model,
    load_model,
    load_network,
    save_checkpoint,
)
from napari_vitface.model.header import FORMAT, KEY, UNSHARED_FORMAT, read_metadata
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing

TRAINING = {"data": "119 frames", "licence": "MIT", "held_out": {"median": 5.5, "points": 300}}
CALIBRATION = {"x": [0.0, 0.5, 1.0], "y": [0.0, 0.8, 0.9]}


@pytest.fixture
def network(make_network: Callable[..., KeypointNetwork]) -> KeypointNetwork:
    return make_network()


@pytest.fixture
def checkpoint(tmp_path: Path, network: KeypointNetwork) -> Path:
    path = tmp_path / "mine.safetensors"
    save_checkpoint(
        path,
        network,
        Preprocessing((64, 96), crop=(1, 2, 300, 200)),
        training=TRAINING,
        calibration=CALIBRATION,
    )
    return path


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the metadata of a checkpoint."""
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        metadata = json.loads(file.metadata()[KEY])
    change(metadata)
    save_file(tensors, path, metadata={KEY: json.dumps(metadata)})


@pytest.mark.parametrize("head", ["heatmap", "regression"])
@pytest.mark.parametrize(
    ("name", "channels"), [("vit_tiny_patch16_224", 1), ("vit_small_patch16_dinov3", 3)]
)
def test_what_was_saved_predicts_the_same(
    tmp_path: Path,
    make_network: Callable[..., KeypointNetwork],
    head: str,
    name: str,
    channels: int,
) -> None:
    network = make_network(head, name=name, channels=channels)
    with torch.no_grad():
        for weights in network.parameters():
            weights.copy_(weights.half())
    preprocessing = Preprocessing((64, 96), channels, (0.5,) * channels, (0.5,) * channels)
    path = tmp_path / "model.safetensors"
    save_checkpoint(path, network, preprocessing, training=TRAINING)
    loaded, again, metadata = load_network(path)
    assert again == preprocessing
    assert metadata["training"] == TRAINING
    assert loaded.keypoints == network.keypoints
    image = torch.randn(2, channels, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(loaded(image), network(image))


def test_weights_are_stored_in_half_and_used_in_single_precision(
    checkpoint: Path, network: KeypointNetwork
) -> None:
    stored = load_file(checkpoint)
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    loaded, _, _ = load_network(checkpoint)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert not loaded.training
    image = torch.randn(1, 1, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(loaded(image), network(image), atol=1e-2, rtol=1e-2)


def test_weights_stored_in_single_precision_are_taken_as_they_are(
    checkpoint: Path, network: KeypointNetwork
) -> None:
    # As earlier versions could store them.
    with safe_open(checkpoint, framework="pt") as file:
        about = file.metadata()
    save_file(dict(network.state_dict()), checkpoint, metadata=about)
    loaded, _, _ = load_network(checkpoint)
    for one, other in zip(loaded.parameters(), network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_values_that_half_precision_cannot_hold_are_kept(
    tmp_path: Path, network: KeypointNetwork
) -> None:
    with torch.no_grad():
        network.head.norm.weight[0] = 1e6
    path = tmp_path / "large.safetensors"
    save_checkpoint(path, network, Preprocessing((64, 96)), training={})
    loaded, _, _ = load_network(path)
    assert float(loaded.head.norm.weight[0]) == 1e6


def test_metadata_needs_no_torch_and_says_everything(checkpoint: Path) -> None:
    code = (
        "import sys, json; from napari_vitface.model.header import read_metadata;"
        "print(json.dumps(read_metadata(sys.argv[1])));"
        "assert not {'torch', 'timm', 'safetensors'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(checkpoint)], capture_output=True, text=True, check=True
    )
    metadata = json.loads(done.stdout)
    assert metadata["format"] == UNSHARED_FORMAT
    assert metadata["network"]["backbone"]["timm_name"].startswith("vit_tiny_patch16_224")
    assert metadata["network"]["head"]["name"] == "heatmap"
    assert metadata["network"]["keypoints"]["names"] == ["eye", "nose tip", "mouth"]
    assert metadata["preprocessing"]["crop"] == [1, 2, 300, 200]
    assert metadata["calibration"] == CALIBRATION
    assert metadata["training"] == TRAINING


def test_saving_replaces_the_old_file_in_one_step(
    checkpoint: Path, network: KeypointNetwork
) -> None:
    before = checkpoint.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_checkpoint(
            checkpoint, network, Preprocessing((64, 96)), training={"loss": float("nan")}
        )
    assert checkpoint.read_bytes() == before
    save_checkpoint(checkpoint, network, Preprocessing((64, 96)), training={"run": 2})
    assert read_metadata(checkpoint)["training"] == {"run": 2}
    assert [file.name for file in checkpoint.parent.iterdir()] == [checkpoint.name]


def test_parts_that_do_not_fit_together_are_not_saved(
    tmp_path: Path, network: KeypointNetwork
) -> None:
    path = tmp_path / "model.safetensors"
    with pytest.raises(ValueError, match=r"inputs of \(32, 32\)"):
        save_checkpoint(path, network, Preprocessing((32, 32)), training={})
    rgb = Preprocessing((64, 96), 3, (0.5,) * 3, (0.5,) * 3)
    with pytest.raises(ValueError, match="channels"):
        save_checkpoint(path, network, rgb, training={})
    falling = {"x": [0, 1], "y": [1, 0]}
    with pytest.raises(ValueError, match="must not fall"):
        save_checkpoint(path, network, Preprocessing((64, 96)), training={}, calibration=falling)
    assert not path.exists()


# Files that are no checkpoint of ours ---------------------------------------------------------


def refusal(path: Path) -> str:
    """The sentence that reading, and loading, `path` ends with."""
    with pytest.raises(CheckpointError) as reading:
        read_metadata(path)
    with pytest.raises(CheckpointError) as loading:
        load_model(path)
    assert str(reading.value) == str(loading.value)
    text = str(reading.value)
    assert str(path) in text
    assert text.endswith(".")
    assert "\n" not in text
    return text


def test_a_missing_file(tmp_path: Path) -> None:
    assert "There is no model file" in refusal(tmp_path / "none.safetensors")


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 100, b"\x89PNG\r\n\x1a\n" + b"1" * 99])
def test_no_safetensors_at_all(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "text.safetensors"
    path.write_bytes(content)
    assert "is no safetensors file" in refusal(path)


def test_a_pickle_is_never_opened(tmp_path: Path, network: KeypointNetwork) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return Path.touch, (tmp_path / "exploded",)  # type: ignore[return-value]

    zipped, plain = tmp_path / "model.pt", tmp_path / "model.pth"
    torch.save({"weights": network.state_dict(), "bomb": Bomb()}, zipped)
    plain.write_bytes(pickle.dumps(Bomb()))
    for path in (zipped, plain):
        assert "pickle" in refusal(path)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("keep", [0.5, 0.999, "header"])
def test_a_truncated_file(checkpoint: Path, keep: float | str) -> None:
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(
        content[:200] if keep == "header" else content[: int(len(content) * keep)]
    )
    assert "is cut off" in refusal(checkpoint)


def test_someone_elses_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "timm.safetensors"
    save_file({"weight": torch.zeros(3)}, path, metadata={"format": "pt"})
    assert "no napari-vitface checkpoint" in refusal(path)


def test_a_newer_format(checkpoint: Path) -> None:
    rewrite(checkpoint, lambda metadata: metadata.update(format=FORMAT + 1))
    assert "update napari-vitface" in refusal(checkpoint)


@pytest.mark.parametrize("key", ["network", "preprocessing", "training"])
def test_missing_metadata(checkpoint: Path, key: str) -> None:
    rewrite(checkpoint, lambda metadata: metadata.pop(key))
    assert f"lacks {key}" in refusal(checkpoint)


@pytest.mark.parametrize("change", [lambda m: m.pop("format"), lambda m: m.update(format="one")])
def test_damaged_metadata(checkpoint: Path, change: Callable[[dict[str, Any]], None]) -> None:
    rewrite(checkpoint, change)
    assert "is damaged" in refusal(checkpoint)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m["network"].pop("head"),
        lambda m: m["network"]["keypoints"].update(names=[]),
        lambda m: m["preprocessing"].update(std=[0]),
        lambda m: m["preprocessing"].pop("mean"),
        lambda m: m.update(network=3),
    ],
)
def test_metadata_that_describes_no_model(
    checkpoint: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    rewrite(checkpoint, change)
    with pytest.raises(CheckpointError, match="does not describe a model"):
        load_model(checkpoint)


def test_weights_of_another_shape(checkpoint: Path) -> None:
    rewrite(checkpoint, lambda m: m["network"]["keypoints"].update(names=["a", "b"], colours=[]))
    with pytest.raises(CheckpointError, match=r"do not fit .*head\.logits"):
        load_model(checkpoint)


def test_weights_that_are_missing(checkpoint: Path) -> None:
    rewrite(checkpoint, lambda m: m["network"]["backbone"]["timm_args"].update(depth=3))
    with pytest.raises(CheckpointError, match=r"do not fit .*blocks\.2"):
        load_model(checkpoint)


def test_a_backbone_that_timm_does_not_have(checkpoint: Path) -> None:
    rewrite(checkpoint, lambda m: m["network"]["backbone"].update(timm_name="vit_of_tomorrow"))
    with pytest.raises(CheckpointError, match=r"cannot be used: timm .* has no model named"):
        load_model(checkpoint)


# Names ----------------------------------------------------------------------------------------


def test_models_are_found_by_bundled_name_or_by_file(checkpoint: Path) -> None:
    assert find_model(checkpoint) == checkpoint
    for name, file in bundled_models().items():
        assert find_model(name) == file
        assert read_metadata(file)["format"] <= FORMAT


def test_a_name_that_nothing_has(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no model named 'rat-face'"):
        find_model("rat-face")
    with pytest.raises(CheckpointError, match="is a folder"):
        find_model(tmp_path)


def test_a_loaded_model_predicts(checkpoint: Path) -> None:
    model = load_model(checkpoint, device="cpu", precision="fp32")
    assert model.name == "mine"
    assert model.calibration == CALIBRATION
    xy, confidence = model.predict(np.zeros((2, 1, 64, 96), np.uint8))
    assert xy.shape == (2, 3, 2)
    assert ((confidence >= 0) & (confidence <= 1)).all()


def test_the_header_is_read_as_the_format_says(checkpoint: Path) -> None:
    content = checkpoint.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    assert json.loads(content[8 : 8 + length])["__metadata__"][KEY]


# --- what a file may ask for ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [
        {"pretrained": True, "pretrained_cfg_overlay": {"url": "http://127.0.0.1:9/w.bin"}},
        {"pretrained_cfg_overlay": {"file": "FILE", "custom_load": False}},
        {"pretrained_cfg": {"file": "FILE"}},
        {"checkpoint_path": "FILE"},
        {"cache_dir": "FOLDER"},
        {"scriptable": True},
        {"block_fn": "FILE"},
        {"probe": False},
        {"depth": 10**9},
        {"depth": True},
        {"embed_dim": 10**9},
        {"mlp_ratio": 1e9},
        {"patch_size": [16, 10**6]},
    ],
    ids=lambda asked: ",".join(asked),
)
def test_a_checkpoint_describes_a_network_and_nothing_else(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]
) -> None:
    called: list[object] = []
    monkeypatch.setattr("timm.create_model", lambda *args, **kwargs: called.append(kwargs))
    rewrite(checkpoint, lambda m: m["network"]["backbone"]["timm_args"].update(asked))
    with pytest.raises(CheckpointError, match=next(iter(asked))):
        load_network(checkpoint)
    assert called == []


@pytest.mark.parametrize(
    "change",
    [
        lambda network: network["backbone"]["timm_args"].update(depth=100),
        lambda network: network["backbone"]["timm_args"].update(embed_dim=12288, num_heads=64),
        lambda network: network["head"]["args"].update(hidden=16384),
        lambda network: network["keypoints"].update(
            names=[str(k) for k in range(50_000)], skeleton=[], swaps=[], colours=[]
        ),
    ],
    ids=["depth", "width", "head", "keypoints"],
)
def test_a_network_larger_than_its_weights_is_refused_before_memory_is_taken(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None]
) -> None:
    rewrite(checkpoint, lambda metadata: change(metadata["network"]))
    made: list[str] = []
    empty = torch.empty

    def watched(*args: Any, **kwargs: Any) -> torch.Tensor:
        made.append(str(torch.get_default_device()))
        return empty(*args, **kwargs)

    monkeypatch.setattr(torch, "empty", watched)
    with pytest.raises(CheckpointError, match="do not fit the model that its metadata describes"):
        load_network(checkpoint)
    assert set(made) <= {"meta"}


def test_inputs_that_the_network_does_not_take_are_refused(checkpoint: Path) -> None:
    rewrite(checkpoint, lambda m: m["preprocessing"].update(input_size=[64, 10**6]))
    with pytest.raises(CheckpointError, match="makes other inputs than its network takes"):
        load_network(checkpoint)


@pytest.mark.parametrize("training", [[1], {"deep": json.loads("[" * 500 + "]" * 500)}, None])
def test_metadata_of_the_wrong_shape_is_refused(checkpoint: Path, training: Any) -> None:
    rewrite(checkpoint, lambda m: m.update(training=training))
    with pytest.raises(CheckpointError, match=r"metadata of .* (does not describe|is damaged)"):
        read_metadata(checkpoint)
