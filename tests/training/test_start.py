"""What training starts from: other keypoints, other sizes, and weights of timm from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_model

from napari_vitface.errors import BackboneError, VitFaceError
from napari_vitface.model.checkpoint import load_network, save_checkpoint
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


def test_the_head_up_to_its_last_layer_serves_any_keypoints(tiny_model: Path) -> None:
    network, _, _ = load_network(tiny_model)
    start = start_from(tiny_model, KeypointSet(("paw", "tail")), (96, 128))
    assert start.kept == ()
    own, known = start.network.head.state_dict(), network.head.state_dict()
    same = {name for name, tensor in own.items() if torch.equal(tensor, known[name])}
    assert set(own) - same == {"logits.weight", "logits.bias"}


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
    network, preprocessing, _ = load_network(tiny_model)
    path = tmp_path / "cropped.safetensors"
    save_checkpoint(path, network, preprocessing.with_crop((500, 0, 100, 90)), training={})
    start = start_from(path, network.keypoints, (96, 128))
    assert start.preprocessing.crop is None
    assert "does not fit these frames" in start.notice


def weights_file(folder: Path, **arguments: Any) -> tuple[Path, dict[str, torch.Tensor]]:
    """A file as timm's hub has it, classifier included, and what is in it."""
    torch.manual_seed(1)
    model = timm.create_model(
        "vit_tiny_patch16_224", **{"img_size": (64, 64), **SMALL, **arguments}
    )
    file = folder / "weights.safetensors"
    save_model(model, str(file), metadata={"source": "drawn by lot"})
    return file, model.state_dict()


def test_weights_of_timm_come_from_a_file_where_one_is_named(tmp_path: Path) -> None:
    file, weights = weights_file(tmp_path)
    start = start_from(
        f"timm:vit_tiny_patch16_224={file}",
        KeypointSet(("eye",)),
        (96, 128),
        image_size=(64, 80),
        timm_args=SMALL,
    )
    assert start.fresh == ("eye",)
    assert start.init == "timm:vit_tiny_patch16_224=weights.safetensors"
    block = start.network.backbone.model.state_dict()["blocks.1.mlp.fc1.weight"]
    assert torch.equal(block, weights["blocks.1.mlp.fc1.weight"])
    # Grey images: the colour channels are folded into one.
    assert start.network.backbone.channels == 1
    assert start.training["licence"].startswith("apache-2.0, if weights.safetensors holds")
    assert start.training["citations"][0].endswith("): source: drawn by lot")


def test_the_first_blocks_are_those_of_the_file(tmp_path: Path) -> None:
    file, _ = weights_file(tmp_path)
    keypoints = KeypointSet(("eye", "ear"))
    start = start_from(
        f"timm:vit_tiny_patch16_224={file}",
        keypoints,
        (96, 128),
        blocks=1,
        image_size=(64, 80),
        timm_args=SMALL,
    )
    backbone = start.network.backbone
    assert len(backbone.blocks) == 1
    images = torch.randn(1, 1, 64, 80)
    whole = start_from(
        f"timm:vit_tiny_patch16_224={file}",
        keypoints,
        (96, 128),
        image_size=(64, 80),
        timm_args=SMALL,
    ).network.backbone
    with torch.no_grad():
        assert torch.equal(backbone.eval()(images)[1], whole.eval().at_layer(images, 0)[1])
    assert backbone.timm_name == "vit_tiny_patch16_224"  # not of weights that nobody named
    # A checkpoint of it can be read again, for other keypoints too.
    path = tmp_path / "cut.safetensors"
    save_checkpoint(path, start.network, start.preprocessing, training={})
    again = start_from(path, KeypointSet(("ear",)), (96, 128))
    assert again.kept == ("ear",)
    assert len(again.network.backbone.blocks) == 1
    with pytest.raises(VitFaceError, match="cut has 1 block, not 2; start from scratch or"):
        start_from(path, keypoints, (96, 128), blocks=2)
    with pytest.raises(BackboneError, match="has 2 blocks; its first 3 cannot be taken"):
        start_from(
            f"timm:vit_tiny_patch16_224={file}", keypoints, (96, 128), blocks=3, timm_args=SMALL
        )


def test_cut_blocks_leave_themselves_out_as_often_as_those_of_the_checkpoint(
    tmp_path: Path,
) -> None:
    file, _ = weights_file(tmp_path, depth=4)
    start = start_from(
        f"timm:vit_tiny_patch16_224={file}",
        KeypointSet(("eye",)),
        (96, 128),
        blocks=3,
        timm_args={**SMALL, "depth": 4, "drop_path_rate": 0.2},
    )
    path = tmp_path / "cut.safetensors"
    save_checkpoint(path, start.network, start.preprocessing, training={})
    rates, again = (
        [each.drop_prob for each in network.modules() if hasattr(each, "drop_prob")]
        for network in (start.network, load_network(path)[0])
    )
    assert rates == again == pytest.approx([0.1, 0.1, 0.2, 0.2])


def test_a_file_that_is_not_all_of_the_backbone_is_refused(tmp_path: Path) -> None:
    file, weights = weights_file(tmp_path)

    def start(path: Path, timm_args: dict[str, Any] = SMALL) -> None:
        name = f"timm:vit_tiny_patch16_224={path}"
        start_from(name, KeypointSet(("eye",)), (96, 128), timm_args=timm_args)

    # timm itself, which drops the classifier, would leave the third block as it was drawn by lot.
    with pytest.raises(BackboneError, match=r"weights\.safetensors does not fit vit_tiny"):
        start(file, {**SMALL, "depth": 3})
    with pytest.raises(BackboneError, match=r"There is no file .*nowhere\.safetensors"):
        start(tmp_path / "nowhere.safetensors")
    with pytest.raises(BackboneError, match=r"No file is named after vit_tiny_patch16_224="):
        start_from("timm:vit_tiny_patch16_224=", KeypointSet(("eye",)), (96, 128))
    wide, _ = weights_file(tmp_path, img_size=(64, 96))
    with pytest.raises(BackboneError, match=r"pos_embed.*images are 240 x 320 here.*--image-size"):
        start(wide)
    torch.save(weights, tmp_path / "weights.pth")
    with pytest.raises(BackboneError, match=r"weights.pth is no \.safetensors file"):
        start(tmp_path / "weights.pth")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(BackboneError, match=r"weights\.safetensors cannot be read"):
        start(file)


def test_without_a_network_pretrained_weights_end_in_one_sentence() -> None:
    with pytest.raises(BackboneError, match=r"could not be loaded .*train from scratch"):
        start_from("timm:vit_tiny_patch16_224", KeypointSet(("eye",)), (96, 128))
    with pytest.raises(BackboneError, match="has no model named"):
        start_from("timm:vit_tinny", KeypointSet(("eye",)), (96, 128))


def test_a_model_cannot_change_its_backbone_or_channels(tiny_model: Path) -> None:
    keypoints = KeypointSet(("eye",))
    with pytest.raises(VitFaceError, match="has the backbone vit_tiny_patch16_224"):
        start_from(tiny_model, keypoints, (96, 128), backbone="vit_small_patch16_224")
    with pytest.raises(VitFaceError, match="takes images of 1 channel, not 3"):
        start_from(tiny_model, keypoints, (96, 128), channels=3)
