"""Bundled models whose files leave out the weights that they have in common with another."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from napari_vitface.errors import CheckpointError
from napari_vitface.model import checkpoint as checkpoints
from napari_vitface.model.checkpoint import load_network, save_checkpoint
from napari_vitface.model.header import FORMAT, KEY, UNSHARED_FORMAT, read_metadata
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing

NOT_THERE = (
    "cannot be used: it leaves out weights of a bundled model that this installation does not"
)
SEEN = Preprocessing((64, 96))


@pytest.fixture
def deep(tmp_path: Path, make_network: Callable[..., KeypointNetwork]) -> Path:
    return saved(tmp_path / "deep.safetensors", make_network(depth=3))


@pytest.fixture
def shallow(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_network: Callable[..., KeypointNetwork],
    deep: Path,
) -> Path:
    """A model whose blocks are the first of `deep`, and whose head is its own."""
    monkeypatch.setattr(checkpoints, "bundled_models", lambda: {"deep": deep})
    network = make_network(depth=1)
    network.backbone.load_state_dict(load_network(deep)[0].backbone.state_dict(), strict=False)
    saved(tmp_path / "whole.safetensors", network)
    return saved(tmp_path / "shallow.safetensors", network, shares="deep")


def saved(path: Path, network: KeypointNetwork, shares: str = "") -> Path:
    save_checkpoint(path, network, SEEN, training={}, shares=shares)
    return path


def metadata_of(path: Path) -> dict[str, Any]:
    with safe_open(path, "pt") as file:
        found: dict[str, Any] = json.loads(file.metadata()[KEY])
    return found


def rewrite(path: Path, **changes: Any) -> None:
    metadata = metadata_of(path)
    metadata["shares"] |= changes
    save_file(load_file(path), path, metadata={KEY: json.dumps(metadata)})


def test_what_is_left_out_comes_from_the_other_model(shallow: Path) -> None:
    whole = shallow.with_stem("whole")
    assert {name.split(".")[0] for name in load_file(shallow)} == {"head"}
    assert metadata_of(shallow)["format"] == FORMAT
    assert metadata_of(whole)["format"] == UNSHARED_FORMAT
    network, preprocessing, metadata = load_network(shallow)
    assert preprocessing == SEEN
    assert metadata["shares"]["model"] == "deep"
    expected = load_network(whole)[0].state_dict()
    assert set(network.state_dict()) == set(expected)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=0)


def test_a_model_trained_from_it_needs_no_other(shallow: Path, tmp_path: Path, deep: Path) -> None:
    network = load_network(shallow)[0]
    again = saved(tmp_path / "trained.safetensors", network)
    deep.unlink()
    torch.testing.assert_close(load_network(again)[0].state_dict(), network.state_dict())


def test_what_is_said_of_the_other_model_may_change(shallow: Path, deep: Path) -> None:
    network = load_network(shallow)[0]
    save_checkpoint(deep, load_network(deep)[0], SEEN, training={"summary": "calibrated anew"})
    torch.testing.assert_close(load_network(shallow)[0].state_dict(), network.state_dict())


def test_another_version_of_the_other_model_is_not_taken(
    shallow: Path, deep: Path, make_network: Callable[..., KeypointNetwork]
) -> None:
    saved(deep, make_network(depth=3))
    with pytest.raises(CheckpointError, match=NOT_THERE):
        load_network(shallow)


@pytest.mark.parametrize("left", [0, 100, 100_000])
def test_a_damaged_other_model_is_not_taken(shallow: Path, deep: Path, left: int) -> None:
    deep.write_bytes(deep.read_bytes()[:left])
    with pytest.raises(CheckpointError, match=NOT_THERE):
        load_network(shallow)
    deep.unlink()
    with pytest.raises(CheckpointError, match=NOT_THERE):
        load_network(shallow)


@pytest.mark.parametrize("model", ["deeper", "../deep", "whole.safetensors"])
def test_nothing_but_a_bundled_model_is_opened_for_it(shallow: Path, model: str) -> None:
    rewrite(shallow, model=model)
    with pytest.raises(CheckpointError, match=NOT_THERE):
        load_network(shallow)


def test_weights_that_the_other_model_does_not_have(shallow: Path) -> None:
    names = metadata_of(shallow)["shares"]["weights"]
    rewrite(shallow, weights=[*names[1:], "no such weights"])
    with pytest.raises(CheckpointError, match=NOT_THERE):
        load_network(shallow)


@pytest.mark.parametrize("weights", [None, "all", [1], {"a": 1}])
def test_a_list_that_is_none(shallow: Path, weights: Any) -> None:
    rewrite(shallow, weights=weights)
    with pytest.raises(CheckpointError, match="does not describe a model"):
        read_metadata(shallow)
