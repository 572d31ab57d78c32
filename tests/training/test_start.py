"""What training starts from: other keypoints, other sizes, and weights of timm from a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch

from napari_vitface.errors import BackboneError, VitFaceError
from napari_vitface.model.checkpoint import load_network
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.training.start import adapt, start_from

SMALL = {"depth": 2, "embed_dim": 48, "num_heads": 3}


def test_what_is_known_of_shared_keypoints_comes_along(tiny_model: Path) -> None:
    network, _, _ = load_network(tiny_model)
    start = start_from(tiny_model, KeypointSet(("mouth", "ear", "eye")), (96, 128))
    assert start.kept == ("mouth", "eye")
    assert start.fresh == ("ear",)
    images = torch.randn(2, 1, 64, 80)
    before, after = network(images), start.network.eval()(images)
    assert torch.equal(after[:, 0], before[:, 2])
    assert torch.equal(after[:, 2], before[:, 0])
    assert not torch.equal(after[:, 1], before[:, 1])


@pytest.mark.parametrize("head", ["unet", "heatmap", "regression"])
def test_the_head_is_new_if_another_kind_is_wanted(tiny_model: Path, head: str) -> None:
    network, _, _ = load_network(tiny_model)
    start = start_from(tiny_model, network.keypoints, (96, 128), head=head)
    assert start.kept == (network.keypoints.names if head == "unet" else ())
    weights, own = start.network.backbone.state_dict(), network.backbone.state_dict()
    assert all(torch.equal(weights[key], own[key]) for key in own)


def test_another_input_size_resamples_the_positions(tiny_model: Path) -> None:
    network, _, _ = load_network(tiny_model)
    larger = adapt(network, network.keypoints, (128, 160))
    assert larger.backbone.grid == (8, 10)
    assert larger.state_dict()["backbone.model.pos_embed"].shape[1] == 81
    back = adapt(larger, network.keypoints, (64, 80))
    old = network.state_dict()["backbone.model.pos_embed"]
    new = back.state_dict()["backbone.model.pos_embed"]
    assert float((old - new).abs().max()) < float(old.abs().max())


def test_a_crop_that_does_not_fit_is_dropped_and_told(tiny_model: Path, tmp_path: Path) -> None:
    from napari_vitface.model.checkpoint import save_checkpoint

    network, preprocessing, _ = load_network(tiny_model)
    path = tmp_path / "cropped.safetensors"
    save_checkpoint(path, network, preprocessing.with_crop((500, 0, 100, 90)), training={})
    start = start_from(path, network.keypoints, (96, 128))
    assert start.preprocessing.crop is None
    assert "does not fit these frames" in start.notice


def test_weights_of_timm_come_from_a_file_where_one_is_named(tmp_path: Path) -> None:
    from safetensors.torch import save_model

    original = timm.create_model("vit_tiny_patch16_224", img_size=(64, 64), **SMALL)
    file = tmp_path / "weights.safetensors"
    save_model(original, str(file))
    start = start_from(
        "timm:vit_tiny_patch16_224",
        KeypointSet(("eye",)),
        (96, 128),
        image_size=(64, 80),
        timm_args={**SMALL, "pretrained_cfg_overlay": {"file": str(file), "custom_load": False}},
    )
    assert start.fresh == ("eye",)
    block = start.network.backbone.model.state_dict()["blocks.1.mlp.fc1.weight"]
    assert torch.equal(block, original.state_dict()["blocks.1.mlp.fc1.weight"])
    # Grey images: the colour channels are folded into one.
    assert start.network.backbone.channels == 1


def test_without_a_network_pretrained_weights_end_in_one_sentence() -> None:
    with pytest.raises(BackboneError, match=r"could not be loaded .*train from scratch"):
        start_from("timm:vit_tiny_patch16_224", KeypointSet(("eye",)), (96, 128))
    with pytest.raises(BackboneError, match="has no model named"):
        start_from("timm:vit_tinny", KeypointSet(("eye",)), (96, 128))


def test_a_model_cannot_change_its_backbone_or_channels(tiny_model: Path) -> None:
    keypoints = KeypointSet(("eye",))
    with pytest.raises(VitFaceError, match="has the backbone vit_tiny_patch16_224"):
        start_from(tiny_model, keypoints, (96, 128), backbone="vit_small_patch16_224")
    with pytest.raises(VitFaceError, match="takes images of 1 channels, not 3"):
        start_from(tiny_model, keypoints, (96, 128), channels=3)
