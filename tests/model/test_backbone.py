"""Any timm ViT as backbone, and refusals with a reason."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from napari_vitface.errors import BackboneError
from napari_vitface.model.building import create_backbone, known_name, nearest_input_size
from napari_vitface.model.weights_hub import in_reach

SMALL: dict[str, Any] = {"depth": 2, "embed_dim": 48, "num_heads": 3}

#: Name, input size, further arguments, grid, prefix tokens, class token.
FAMILIES = [
    ("vit_base_patch16_224", (64, 96), SMALL, (4, 6), 1, 0),
    ("vit_base_patch32_224", (64, 96), SMALL, (2, 3), 1, 0),
    ("vit_large_patch16_224", (64, 96), SMALL, (4, 6), 1, 0),
    ("vit_large_patch32_224", (96, 64), SMALL, (3, 2), 1, 0),
    ("vit_huge_patch14_224", (56, 84), SMALL, (4, 6), 1, 0),
    ("vit_base_r50_s16_224", (64, 96), SMALL, (4, 6), 1, 0),
    ("vit_tiny_r_s16_p8_224", (64, 96), SMALL, (2, 3), 1, 0),
    ("deit_tiny_patch16_224", (64, 96), SMALL, (4, 6), 1, 0),
    ("deit_base_distilled_patch16_224", (64, 96), SMALL, (4, 6), 2, 0),
    ("deit3_small_patch16_224", (64, 96), SMALL, (4, 6), 1, 0),
    ("beit_base_patch16_224", (64, 96), SMALL, (4, 6), 1, 0),
    ("beitv2_base_patch16_224", (64, 96), SMALL, (4, 6), 1, 0),
    ("eva02_base_patch14_224", (56, 84), SMALL, (4, 6), 1, 0),
    ("vit_small_patch14_reg4_dinov2", (56, 84), SMALL, (4, 6), 5, 0),
    ("vit_small_patch16_dinov3", (64, 96), SMALL, (4, 6), 5, 0),
    ("vit_relpos_small_patch16_224", (64, 96), SMALL, (4, 6), 0, None),
    ("vit_base_patch16_siglip_224", (64, 96), SMALL, (4, 6), 0, None),
    ("vit_wee_patch16_reg1_gap_256", (64, 96), SMALL, (4, 6), 1, None),
    ("vit_pwee_patch16_reg1_gap_256", (64, 96), SMALL, (4, 6), 1, None),
]


@pytest.mark.parametrize(
    ("name", "size", "arguments", "grid", "prefix", "class_token"),
    FAMILIES,
    ids=[family[0] for family in FAMILIES],
)
def test_every_family_gives_prefix_tokens_and_a_patch_map_that_need_not_be_square(
    name: str,
    size: tuple[int, int],
    arguments: dict[str, Any],
    grid: tuple[int, int],
    prefix: int,
    class_token: int | None,
) -> None:
    backbone = create_backbone(name, size, 1, **arguments).eval()
    assert (backbone.grid, backbone.num_prefix_tokens) == (grid, prefix)
    assert backbone.class_token == class_token
    assert backbone.patch_size == (size[0] // grid[0], size[1] // grid[1])
    assert len(backbone.blocks) == 2
    tokens, patches = backbone(torch.randn(3, 1, *size))
    assert tokens.shape == (3, prefix, 48)
    assert patches.shape == (3, 48, *grid)


def test_the_patch_map_has_rows_down_and_columns_across() -> None:
    backbone = create_backbone("vit_tiny_patch16_224", (64, 96), 1, **SMALL).eval()
    # Without attention and positions, a token depends on its own patch alone.
    for block in backbone.blocks:
        nn.init.zeros_(block.attn.proj.weight)  # type: ignore[union-attr,arg-type]
    nn.init.zeros_(backbone.model.pos_embed)  # type: ignore[arg-type]
    dark, bright = torch.zeros(1, 1, 64, 96), torch.zeros(1, 1, 64, 96)
    bright[..., 48:64, 32:48] = torch.rand(16, 16)
    with torch.no_grad():
        change = (backbone(bright)[1] - backbone(dark)[1]).abs().sum(dim=1)[0]
    assert change.argmax() == 3 * 6 + 2
    assert (change > 1e-6).sum() == 1


@pytest.mark.parametrize(
    ("name", "quickly", "reason"),
    [
        ("swin_tiny_patch4_window7_224", {"depths": (1, 1, 1, 1)}, "no single list of blocks"),
        ("resnet18", {}, "no plain Vision Transformer|takes no image size"),
        ("samvit_base_patch16", {"depth": 1}, "not one sequence of prefix and patch tokens"),
        ("xcit_nano_12_p16_224", {"depth": 1}, "does not cut the image into one grid"),
        ("cait_xxs24_224", {"depth": 1}, "not over all tokens|not one sequence of prefix"),
        ("pit_ti_224", {}, "no single list of blocks"),
        ("levit_128", {}, "no single list of blocks"),
        ("hiera_tiny_224", {"stages": (1, 1, 1, 1)}, "does not cut the image into one grid"),
        ("tiny_vit_5m_224", {}, "no single list of blocks|takes no image size"),
        ("pvt_v2_b0", {}, "no single list of blocks|takes no image size"),
        ("vit_small_patch16_18x2_224", {"depth": 1}, "do not show their attention weights"),
    ],
)
def test_a_model_without_attention_maps_is_refused_with_the_reason(
    name: str, quickly: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BackboneError, match=reason) as refusal:
        create_backbone(name, (224, 224), 1, **quickly)
    text = str(refusal.value)
    assert text.startswith(f"{name} cannot be used: ")
    assert text.endswith(".")
    assert "\n" not in text


def test_a_block_whose_attention_is_no_distribution_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A ViT whose attention timm might one day change: sigmoid instead of softmax.
    monkeypatch.setattr(torch.Tensor, "softmax", lambda tensor, dim: torch.sigmoid(tensor))
    with pytest.raises(BackboneError, match="rows do not sum to 1"):
        create_backbone("vit_tiny_patch16_224", (64, 96), 1, **SMALL)


def test_an_unknown_name_is_answered_with_the_closest() -> None:
    with pytest.raises(BackboneError, match="vit_tiny_patch16_224"):
        create_backbone("vit_tiny_patch16_242", (224, 224))
    with pytest.raises(BackboneError, match=r"no weights 'nonsense'.*augreg"):
        create_backbone("vit_tiny_patch16_224.nonsense", (224, 224))


def test_a_size_that_does_not_fit_names_the_reason_and_there_is_a_nearest_one() -> None:
    with pytest.raises(BackboneError, match=r"200 x 300; the nearest .* 192 x 304"):
        create_backbone("vit_tiny_patch16_224", (200, 300), 1)
    assert nearest_input_size("vit_tiny_patch16_224", (201, 300)) == (208, 304)
    assert nearest_input_size("vit_small_patch14_reg4_dinov2", (200, 300)) == (196, 294)
    assert nearest_input_size("vit_base_r50_s16_224", (200, 300)) == (192, 304)
    assert nearest_input_size("vit_tiny_patch16_224", (3, 3)) == (16, 16)


def test_probing_leaves_the_model_as_it_was() -> None:
    backbone = create_backbone("vit_tiny_patch16_224", (64, 96), 1, **(SMALL | {"depth": 3}))
    fresh = timm.create_model(
        "vit_tiny_patch16_224",
        img_size=(64, 96),
        in_chans=1,
        num_classes=0,
        **(SMALL | {"depth": 3}),
    )
    assert backbone.training
    assert type(backbone.model.blocks) is type(fresh.blocks)
    assert len(backbone.blocks) == 3
    for module, other in zip(backbone.model.modules(), fresh.modules(), strict=True):
        assert not module._forward_pre_hooks
        assert getattr(module, "fused_attn", None) == getattr(other, "fused_attn", None)


def test_the_same_architecture_is_built_again_from_its_description() -> None:
    backbone = create_backbone("vit_tiny_patch16_224", (64, 96), 1, **SMALL).eval()
    spec = backbone.to_dict()
    again = create_backbone(
        spec["timm_name"],
        tuple(spec["input_size"]),
        spec["channels"],
        initialise=False,
        **spec["timm_args"],
    ).eval()
    again.load_state_dict(backbone.state_dict())
    image = torch.randn(1, 1, 64, 96)
    torch.testing.assert_close(again(image)[1], backbone(image)[1])


def test_weights_of_a_release_that_named_them_otherwise_still_find_their_architecture() -> None:
    assert known_name("vit_tiny_patch16_224.augreg_in21k") == "vit_tiny_patch16_224.augreg_in21k"
    assert known_name("vit_tiny_patch16_224.of_timm_9") == "vit_tiny_patch16_224"


def test_a_large_model_is_judged_by_few_of_its_blocks() -> None:
    ran = []
    handle = register_module_forward_hook(
        lambda module, _inputs, _output: ran.append(type(module).__name__)
    )
    try:
        backbone = create_backbone("vit_huge_patch14_224", (56, 84), 1, **(SMALL | {"depth": 32}))
    finally:
        handle.remove()
    assert ran.count("Block") == 1
    assert len(backbone.blocks) == 32


# Pretrained weights ---------------------------------------------------------------------------


def weights_file(folder: Path, name: str, **arguments: Any) -> tuple[Path, nn.Module]:
    """A file of RGB weights as timm would download it, and the model that they belong to."""
    model = timm.create_model(name, **({"img_size": (64, 96)} | SMALL | arguments)).eval()
    path = folder / "weights.safetensors"
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, path)
    return path, model


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("vit_tiny_patch16_224", True),  # mean and std are the same for all channels
        ("deit_tiny_patch16_224", True),  # ImageNet's, one a channel
        ("vit_small_patch16_dinov3", True),
        ("vit_base_patch16_clip_224", False),  # no bias that could take the shift
        ("vit_tiny_r_s16_p8_224", False),  # a stem that standardises its weights
    ],
)
def test_grey_images_give_what_three_equal_channels_gave(
    tmp_path: Path, name: str, folded: bool
) -> None:
    path, reference = weights_file(tmp_path, name)
    backbone = create_backbone(
        name,
        (64, 96),
        1,
        weights=path,
        **SMALL,
    ).eval()
    grey = torch.rand(2, 1, 64, 96)
    config = reference.pretrained_cfg
    mean, std = (torch.tensor(config[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        expected = reference.forward_features((grey - mean) / std)  # type: ignore[operator]
        prefix, patches = backbone((grey - backbone.mean[0]) / backbone.std[0])
    tokens = torch.cat([prefix, patches.flatten(2).transpose(1, 2)], dim=1)
    torch.testing.assert_close(tokens, expected, atol=2e-5, rtol=1e-4)
    assert (backbone.stem_channels == 1) == folded
    # And so does the model that a checkpoint of it builds.
    spec = backbone.to_dict()
    again = create_backbone(spec["timm_name"], (64, 96), 1, **spec["timm_args"]).eval()
    again.load_state_dict(backbone.state_dict())
    with torch.no_grad():
        again_patches = again((grey - backbone.mean[0]) / backbone.std[0])[1]
    torch.testing.assert_close(again_patches, patches)


def test_pretrained_weights_are_fitted_to_another_size(tmp_path: Path) -> None:
    path, _ = weights_file(tmp_path, "vit_tiny_patch16_224", img_size=(64, 64))
    backbone = create_backbone(
        "vit_tiny_patch16_224",
        (64, 96),
        3,
        weights=path,
        **SMALL,
    )
    assert backbone.grid == (4, 6)
    assert (len(backbone.mean), len(backbone.std)) == (3, 3)
    assert backbone(torch.zeros(1, 3, 64, 96))[1].shape == (1, 48, 4, 6)


def test_without_a_network_the_missing_weights_are_told_in_one_sentence() -> None:
    # The tests run with HF_HUB_OFFLINE=1 and an empty cache.
    with pytest.raises(BackboneError, match=r"could not be loaded.*connect to the internet") as no:
        create_backbone("vit_tiny_patch16_224", (64, 96), 1, pretrained=True)
    assert "\n" not in str(no.value)


def test_a_hub_that_nobody_is_behind_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    address = "http://127.0.0.1:1"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    start = time.monotonic()
    with pytest.raises(BackboneError, match=rf"{address}.* connect to the internet once"):
        create_backbone("vit_tiny_patch16_224", (64, 96), 1, pretrained=True)
    # huggingface_hub alone tries for 46 s.
    assert time.monotonic() - start < 15
    assert constants.HF_HUB_OFFLINE is False


def test_a_hub_that_is_slow_is_within_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_ETAG_TIMEOUT", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        with in_reach() as why:
            # It takes the connection, and has said nothing yet.
            assert (why, constants.HF_HUB_OFFLINE) == ("", False)
    # A proxy counts in place of the hub.
    monkeypatch.setenv("HTTP_PROXY", "127.0.0.1:1")
    monkeypatch.setattr(constants, "ENDPOINT", "http://hub.invalid")
    with in_reach() as why:
        assert "refused" in why


def test_loads_that_overlap_leave_the_hub_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    one, other = in_reach(), in_reach()
    assert one.__enter__()
    assert other.__enter__()
    one.__exit__(None, None, None)
    assert constants.HF_HUB_OFFLINE is True
    other.__exit__(None, None, None)
    assert constants.HF_HUB_OFFLINE is False
