"""The heads, and the network of backbone and head."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from napari_vitface.errors import CheckpointError
from napari_vitface.model.building import create_backbone
from napari_vitface.model.heads import coordinates_to_pixels, create_head, pixels_to_coordinates
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.pose.keypoints import MOUSE_FACE


@pytest.mark.parametrize("head", ["unet", "heatmap"])
def test_a_head_of_maps_gives_one_a_keypoint_at_stride_four(
    make_network: Callable[..., KeypointNetwork], head: str
) -> None:
    network = make_network(head)
    output = network(torch.randn(2, 1, 64, 96))
    assert output.shape == (2, 3, 16, 24)
    assert network.heatmap_size == (16, 24)
    assert network.stride == (4.0, 4.0)
    xy, confidence = network.decode(output)
    assert xy.shape == (2, 3, 2)
    assert confidence.shape == (2, 3)


@pytest.mark.parametrize("head", ["unet", "heatmap"])
@pytest.mark.parametrize(
    ("name", "size", "stride"),
    [
        ("vit_small_patch14_reg4_dinov2", (56, 84), (3.5, 3.5)),
        ("vit_base_patch32_224", (64, 96), (4.0, 4.0)),
        ("vit_base_patch8_224", (64, 96), (4.0, 4.0)),
    ],
)
def test_other_patch_sizes_give_maps_at_about_the_same_stride(
    name: str, size: tuple[int, int], stride: tuple[float, float], head: str
) -> None:
    backbone = create_backbone(name, size, 1, depth=2, embed_dim=48, num_heads=3)
    network = KeypointNetwork(backbone, MOUSE_FACE, head).eval()
    assert network.stride == ((4.0, 4.0) if head == "unet" else stride)
    output = network(torch.randn(1, 1, *size))
    assert output.shape[2:] == network.heatmap_size


def test_a_position_within_a_patch_is_the_patches_to_say() -> None:
    head = create_head("heatmap", 48, 2, (16, 16), 0, 1)
    image = torch.zeros(1, 1, 64, 96)
    patches = torch.zeros(1, 48, 4, 6)
    with torch.no_grad():
        before = head(torch.zeros(1, 1, 48), patches, image)
        patches[0, :, 1, 2] = torch.randn(48)
        change = (head(torch.zeros(1, 1, 48), patches, image) - before).abs().sum(dim=(0, 1))
    rows, columns = torch.nonzero(change > 1e-9, as_tuple=True)
    # The patch's own 4 x 4 map pixels, and what two 3 x 3 convolutions add around them.
    assert (rows.min(), rows.max()) == (4 - 2, 7 + 2)
    assert (columns.min(), columns.max()) == (8 - 2, 11 + 2)


def test_the_unet_head_sees_image_and_tokens_within_three_patches() -> None:
    torch.manual_seed(0)
    head = create_head("unet", 48, 2, (16, 16), 0, 1).eval()
    prefix, patches = torch.zeros(1, 1, 48), torch.randn(1, 48, 8, 12)
    image = torch.randn(1, 1, 128, 192)
    with torch.no_grad():
        before = head(prefix, patches, image)
        other = image.clone()
        other[..., 60:68, 92:100] += 1
        by_image = (head(prefix, patches, other) - before).abs().sum(dim=(0, 1))
        patches[0, :, 4, 6] *= -1
        by_token = (head(prefix, patches, image) - before).abs().sum(dim=(0, 1))
    for change in (by_image, by_token):
        # Most of it is near, and nothing is beyond three patches (twelve map pixels).
        assert change.max() > 0
        everywhere = torch.nonzero(change > 1e-6)
        assert (everywhere[:, 0] - 16).abs().max() <= 13
        assert (everywhere[:, 1] - 24).abs().max() <= 13
        top = torch.nonzero(change > 0.25 * change.max())
        assert (top[:, 0] - 17).abs().max() <= 11
        assert (top[:, 1] - 25).abs().max() <= 11


def test_the_unet_head_takes_inputs_that_no_power_of_two_divides() -> None:
    backbone = create_backbone(
        "vit_small_patch14_reg4_dinov2", (70, 98), 1, depth=2, embed_dim=48, num_heads=3
    )
    network = KeypointNetwork(backbone, MOUSE_FACE, "unet").eval()
    output = network(torch.randn(1, 1, 70, 98))
    assert output.shape[2:] == network.heatmap_size == (18, 25)
    assert network.stride == (70 / 18, 98 / 25)


@pytest.mark.parametrize(
    ("name", "most"), [("unet", 1_000_000), ("heatmap", 150_000), ("regression", 150_000)]
)
def test_heads_are_small(name: str, most: int) -> None:
    head = create_head(name, 192, 12, (16, 16), 0, 1)
    assert sum(parameter.numel() for parameter in head.parameters()) < most


def test_heads_treat_the_images_of_a_batch_apart(
    make_network: Callable[..., KeypointNetwork],
) -> None:
    for kind in ("unet", "heatmap", "regression"):
        network = make_network(kind)
        images = torch.randn(3, 1, 64, 96)
        with torch.no_grad():
            torch.testing.assert_close(network(images)[1], network(images[1:2])[0])


def test_the_regression_head_reads_the_class_token_alone(
    make_network: Callable[..., KeypointNetwork],
) -> None:
    head = make_network("regression").head
    prefix, patches = torch.randn(2, 1, 48), torch.randn(2, 48, 4, 6)
    image = torch.randn(2, 1, 64, 96)
    assert head(prefix, patches, image).shape == (2, 3, 2)
    assert torch.equal(head(prefix, patches, image), head(prefix, patches * 2, image * 2))
    assert not torch.equal(head(prefix, patches, image), head(prefix * 2 + 1, patches, image))


def test_without_a_class_token_regression_reads_the_mean_of_the_patches(
    make_network: Callable[..., KeypointNetwork],
) -> None:
    for name in ("vit_base_patch16_siglip_224", "vit_wee_patch16_reg1_gap_256"):
        network = make_network("regression", name=name)
        prefix = torch.randn(2, network.backbone.num_prefix_tokens, 48)
        patches = torch.randn(2, 48, 4, 6)
        mean = patches.mean(dim=(2, 3), keepdim=True).expand_as(patches)
        image = torch.randn(2, 1, 64, 96)
        torch.testing.assert_close(
            network.head(prefix, patches, image), network.head(prefix, mean, image)
        )
        assert torch.equal(
            network.head(prefix, patches, image), network.head(prefix + 1, patches, image)
        )


def test_fractions_span_the_input_from_edge_to_edge() -> None:
    fractions = torch.tensor([[[0.0, 0.0], [1.0, 1.0], [0.5, 0.5]]])
    xy = coordinates_to_pixels(fractions, (64, 96))
    torch.testing.assert_close(xy, torch.tensor([[[-0.5, -0.5], [95.5, 63.5], [47.5, 31.5]]]))
    torch.testing.assert_close(pixels_to_coordinates(xy, (64, 96)), fractions)


def test_regression_is_finite_whatever_comes_out(
    make_network: Callable[..., KeypointNetwork],
) -> None:
    network = make_network("regression")
    xy, confidence = network.decode(torch.tensor([[[float("nan"), 0.5], [0.5, 0.5], [0.1, 0.2]]]))
    assert torch.isfinite(xy).all()
    assert confidence.tolist() == [[0.0, 1.0, 1.0]]


def test_an_unknown_head_is_named() -> None:
    with pytest.raises(CheckpointError, match=r"no head named 'transformer'.*unet, heatmap"):
        create_head("transformer", 48, 3, (16, 16), 0, 1)


@pytest.mark.parametrize("kind", ["unet", "heatmap", "regression"])
def test_a_network_is_built_again_from_its_description(
    make_network: Callable[..., KeypointNetwork], kind: str
) -> None:
    network = make_network(kind)
    again = KeypointNetwork.from_dict(network.to_dict()).eval()
    again.load_state_dict(network.state_dict())
    image = torch.randn(1, 1, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(again(image), network(image))
    assert again.keypoints == network.keypoints
