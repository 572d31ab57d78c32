"""Attention maps of keypoints: what they say, which settings they take, and where they lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_vitface.attention.capture import capture_attention
from napari_vitface.attention.maps import attention_maps, attention_steps
from napari_vitface.errors import VitFaceError
from napari_vitface.model.building import create_backbone
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.predictor import KeypointModel
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.settings.attention import DEFAULT, METHODS
from napari_vitface.steps import result_of
from napari_vitface.video import scale_image

Canvas = Callable[..., NDArray[np.uint8]]
MakeModel = Callable[..., KeypointModel]


def test_all_are_the_keypoints_and_the_global_map(make_model: MakeModel, canvas: Canvas) -> None:
    model = make_model(size=(64, 112))
    found = attention_maps(model, canvas(2, (64, 112)))
    assert found.names == ("eye", "nose tip", "mouth", "global")
    assert found.maps.shape == (2, 4, 4, 7)
    assert found.maps.dtype == np.float32
    assert found.prefix_share.shape == (2, 4)
    assert found.xy.shape == (2, 3, 2)
    total = found.maps.sum(axis=(2, 3)) + found.prefix_share
    np.testing.assert_allclose(total, 1, atol=1e-5)
    assert (found.own_share == 0).all()


def test_the_pose_is_that_of_a_prediction(make_model: MakeModel, canvas: Canvas) -> None:
    model = make_model()
    model.calibration = {"x": [0, 1], "y": [0.2, 0.7]}
    found = attention_maps(model, canvas(3), layers=":")
    xy, confidence = model.predict(canvas(3))
    np.testing.assert_allclose(found.xy, xy, atol=0.02)
    np.testing.assert_allclose(found.confidence, confidence, atol=1e-3)


def test_some_maps_are_the_same_as_among_all(make_model: MakeModel, canvas: Canvas) -> None:
    model = make_model()
    everything = attention_maps(model, canvas(2))
    some = attention_maps(model, canvas(2), keypoints=["global", "mouth", "eye"])
    assert some.names == ("global", "mouth", "eye")
    np.testing.assert_allclose(some.maps, everything.maps[:, [3, 2, 0]], atol=1e-6)
    one = attention_maps(model, canvas(2), keypoints="nose tip")
    np.testing.assert_allclose(one.maps[:, 0], everything.maps[:, 1], atol=1e-6)


def test_an_image_has_the_same_maps_alone_and_in_a_batch(
    make_model: MakeModel, canvas: Canvas
) -> None:
    model = make_model()
    images = canvas(3)
    together = attention_maps(model, images, discard=0.4, head_fusion="max")
    for index in range(3):
        alone = attention_maps(model, images[index : index + 1], discard=0.4, head_fusion="max")
        np.testing.assert_allclose(alone.maps[0], together.maps[index], atol=1e-5)


def test_a_range_of_layers_is_the_product_of_those_layers(
    make_model: MakeModel, canvas: Canvas
) -> None:
    model = make_model(depth=4)
    with (
        torch.no_grad(),
        capture_attention(model.network.backbone.blocks, lambda a: a.mean(dim=1)) as layers,
    ):
        model.network(model.to_images(torch.from_numpy(canvas(1))))
    found = attention_maps(model, canvas(1), keypoints="global", layers="1:3")
    row = np.eye(25)[:1]
    for layer in (layers[2], layers[1]):
        mixed = (layer[0].numpy().astype(float) + np.eye(25)) / 2
        row = row @ mixed
    np.testing.assert_allclose(found.maps[0, 0].ravel(), row[0, 1:], atol=1e-5)
    assert found.settings["layers"] == [1, 3]


def test_raw_attention_is_one_layers_own(make_model: MakeModel, canvas: Canvas) -> None:
    model = make_model()
    with (
        torch.no_grad(),
        capture_attention(model.network.backbone.blocks, lambda a: a) as layers,
    ):
        model.network(model.to_images(torch.from_numpy(canvas(1))))
    for head, expected in ((None, layers[1].mean(dim=1)), (2, layers[1][:, 2])):
        found = attention_maps(
            model, canvas(1), keypoints="global", method="raw", layers=1, head=head
        )
        np.testing.assert_allclose(found.maps[0, 0].ravel(), expected[0, 0, 1:], atol=1e-6)
        np.testing.assert_allclose(found.prefix_share[0, 0], expected[0, 0, 0], atol=1e-6)
    last = attention_maps(model, canvas(1), keypoints="global", method="raw")
    np.testing.assert_allclose(last.maps[0, 0].ravel(), layers[2].mean(dim=1)[0, 0, 1:], atol=1e-6)


def test_hiding_a_keypoints_own_patches_takes_them_out_and_says_how_much(
    make_model: MakeModel, canvas: Canvas
) -> None:
    model = make_model()
    shown = attention_maps(model, canvas(2))
    hidden = attention_maps(model, canvas(2), hide_self=True)
    np.testing.assert_allclose(
        hidden.maps.sum(axis=(2, 3)) + hidden.own_share, shown.maps.sum(axis=(2, 3)), atol=1e-5
    )
    np.testing.assert_allclose(hidden.maps[:, -1], shown.maps[:, -1], atol=1e-6)
    assert (hidden.own_share[:, :-1] > 0).all()
    assert (hidden.own_share[:, -1] == 0).all()
    assert (hidden.maps >= 0).all()
    assert (hidden.maps <= shown.maps).all()
    # The strongest patch of the start is gone entirely.
    assert (hidden.maps[:, :-1].min(axis=(2, 3)) == 0).all()


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("vit_tiny_patch16_224", "the class token"),
        ("deit_tiny_distilled_patch16_224", "the class token"),
        ("vit_base_patch16_siglip_224", "the mean of all patches"),
        ("vit_wee_patch16_reg1_gap_256", "the mean of all patches"),
    ],
)
def test_a_regression_head_looks_alike_for_all_keypoints_and_says_from_where(
    make_model: MakeModel, canvas: Canvas, name: str, start: str
) -> None:
    found = attention_maps(make_model(name, head="regression"), canvas(2))
    assert found.settings["start"] == {
        "keypoint": f"{start}, the same for all keypoints",
        "global": start,
    }
    for index in range(3):
        np.testing.assert_allclose(found.maps[:, index], found.maps[:, 3], atol=1e-6)


def test_what_was_computed_is_told(make_model: MakeModel, canvas: Canvas) -> None:
    found = attention_maps(
        make_model(), canvas(1), head_fusion="max", discard=0.3, layers=(0, -1), hide_self=True
    )
    assert found.settings == {
        "method": "rollout",
        "layers": [0, 2],
        "head_fusion": "max",
        "discard": 0.3,
        "hide_self": True,
        "start": {
            "keypoint": "the share of its heatmap in each patch",
            "global": "the class token",
        },
        "depth": 3,
        "heads": 3,
        "precision": "fp32",
        "model": "model",
    }


def test_a_model_in_bf16_gives_nearly_the_same_maps(make_model: MakeModel, canvas: Canvas) -> None:
    exact, fast = make_model(), make_model(precision="bf16")
    fast.network.load_state_dict(exact.network.state_dict())
    found = attention_maps(fast, canvas(2), keypoints="global", layers=":")
    total = found.maps.sum(axis=(2, 3)) + found.prefix_share
    np.testing.assert_allclose(total, 1, atol=1e-5)
    expected = attention_maps(exact, canvas(2), keypoints="global", layers=":")
    assert np.abs(found.maps - expected.maps).max() < 0.1 * expected.maps.max()
    assert found.settings["precision"] == "bf16"


@pytest.mark.parametrize(
    ("layers", "method", "expected"),
    [
        (None, "rollout", range(8, 12)),
        (":", "rollout", range(12)),
        (None, "relevance", range(12)),
        (None, "story", range(12)),
        (None, "raw", range(11, 12)),
        ("3:7", "rollout", range(3, 7)),
        (":4", "rollout", range(4)),
        ("-4:", "rollout", range(8, 12)),
        ((2, None), "rollout", range(2, 12)),
        ("5", "raw", range(5, 6)),
        (-1, "raw", range(11, 12)),
        (0, "raw", range(1)),
    ],
)
def test_layers_are_given_as_ranges_or_numbers(layers: Any, method: str, expected: range) -> None:
    chosen = replace(METHODS[DEFAULT if method == "story" else method], layers=layers)
    assert chosen.resolved(12, story=method == "story") == expected


@pytest.mark.parametrize(
    "layers", ["7:3", "3:3", "0:13", "a:b", "1:2:3", "", (0, 99), 12, -13, "12:", 1.5]
)
def test_layers_that_are_none_are_refused(layers: Any) -> None:
    with pytest.raises(VitFaceError, match="12 blocks"):
        replace(METHODS["rollout"], layers=layers).resolved(12)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"keypoints": "tail"}, r"no keypoint 'tail'; choose all, global, or from: eye, nose tip"),
        ({"keypoints": []}, "no keypoint"),
        ({"method": "magic"}, "no attention method 'magic'"),
        ({"head_fusion": "median"}, "cannot be fused by 'median'"),
        ({"discard": 1.0}, "below 1, not 1.0"),
        ({"discard": -0.1}, "at least 0"),
        ({"head": 3}, "heads 0 to 2, not 3"),
        ({"method": "raw", "layers": "0:2"}, "of one layer"),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_one_sentence(
    make_model: MakeModel, canvas: Canvas, arguments: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(VitFaceError, match=complaint) as refusal:
        attention_maps(make_model(), canvas(1), **arguments)
    assert str(refusal.value).endswith(".")


# Where maps lie on the video ------------------------------------------------------------------


def model_that_looks_at_light(preprocessing: Preprocessing) -> KeypointModel:
    """A real ViT whose weights are set so that every token attends to bright patches."""
    backbone = create_backbone(
        "vit_tiny_patch16_224", preprocessing.input_size, 1, depth=1, embed_dim=48, num_heads=3
    )
    vit: Any = backbone.model
    block = vit.blocks[0]
    with torch.no_grad():
        for parameter in vit.parameters():
            parameter.zero_()
        # Channel 0 of a patch token is its mean brightness.
        vit.patch_embed.proj.weight[0] = 1 / 256
        # Normalisation leaves it in place, hardly scaled.
        block.norm1.weight.fill_(1.0)
        block.norm1.eps = 100.0
        # Keys are brightness, queries are constant, in each head.
        for head in range(3):
            block.attn.qkv.bias[head * 16] = 1.0
            block.attn.qkv.weight[48 + head * 16, 0] = 400.0
    network = KeypointNetwork(backbone, KeypointSet(("dot",)))
    return KeypointModel(network, preprocessing, device="cpu", precision="fp32")


@settings(max_examples=40)
@given(
    frame_size=st.sampled_from([(480, 640), (646, 864), (300, 300), (220, 700)]),
    input_size=st.sampled_from([(96, 128), (128, 96), (112, 112)]),
    cropped=st.booleans(),
    u=st.floats(0.08, 0.92),
    v=st.floats(0.08, 0.92),
    method=st.sampled_from(["rollout", "raw"]),
)
def test_one_bright_patch_is_found_where_it_is_in_the_video(
    frame_size: tuple[int, int],
    input_size: tuple[int, int],
    cropped: bool,
    u: float,
    v: float,
    method: str,
) -> None:
    height, width = frame_size
    crop = (width // 7, height // 9, width // 2, height // 2) if cropped else None
    preprocessing = Preprocessing(input_size, mean=(0.0,), std=(1.0,), crop=crop)
    view = preprocessing.view(frame_size)
    x0, y0, w, h = view.crop
    x, y = round(x0 + u * w), round(y0 + v * h)
    side = round(4 / min(view.input_per_frame))  # a quarter of a patch
    frame = np.zeros(frame_size, np.uint8)
    top, left = max(y - side, y0), max(x - side, x0)
    bottom, right = min(y + side + 1, y0 + h), min(x + side + 1, x0 + w)
    frame[top:bottom, left:right] = 255
    centre = np.array([(top + bottom - 1) / 2, (left + right - 1) / 2])

    model = model_that_looks_at_light(preprocessing)
    canvas = view.pad(scale_image(frame, view.scale)[None])
    found = attention_maps(model, canvas, keypoints="global", method=method)
    grid = found.maps.shape[2:]
    scale, translate = view.grid_placement((grid[0], grid[1]))
    hottest = np.array(np.unravel_index(found.maps[0, 0].argmax(), grid))
    placed = hottest * scale + translate
    # The centre of the bright square lies in the patch that is drawn brightest.
    assert (np.abs(placed - centre) <= np.array(scale) / 2 + 1).all()
    # And the map's centre of mass, which may lie between patches, is on the square.
    weight = found.maps[0, 0] - np.median(found.maps[0, 0])
    rows, columns = np.indices(grid)
    mass = np.array([(rows * weight).sum(), (columns * weight).sum()]) / weight.sum()
    assert (np.abs(mass * scale + translate - centre) <= np.array(scale)).all()


def test_the_corner_patches_touch_the_corners_of_the_frame() -> None:
    preprocessing = Preprocessing((96, 128))
    for frame_size in ((480, 640), (96, 128), (960, 1280)):
        scale, translate = preprocessing.view(frame_size).grid_placement((6, 8))
        # The outer edge of pixel 0 is at -0.5.
        np.testing.assert_allclose(np.array(translate) - np.array(scale) / 2, -0.5)
        end = np.array(translate) + np.array(scale) * [5, 7] + np.array(scale) / 2
        np.testing.assert_allclose(end, np.array(frame_size) - 0.5)


@pytest.mark.parametrize("method", ["raw", "rollout", "gradient-rollout", "relevance"])
def test_what_no_attention_moved_is_a_part_of_the_map(
    make_model: MakeModel, canvas: Canvas, method: str
) -> None:
    model = make_model(sharpen=4)
    layers = None if method == "raw" else "0:3"
    steps = attention_steps(model, canvas(2), method=method, layers=layers, stayed=True)
    (found,) = result_of(steps)
    plain = attention_maps(model, canvas(2), method=method, layers=layers)
    np.testing.assert_allclose(found.maps, plain.maps, atol=1e-6)
    assert plain.stayed is None
    assert (found.stayed <= found.maps + 1e-6).all()
    parts = found.stayed[:, :3].sum(axis=(2, 3))
    expected = {"raw": 0.0, "rollout": 1 / 8}.get(method)
    if expected is None and method == "relevance":
        expected = 1 / found.total[:, :3]
    if expected is not None:
        np.testing.assert_allclose(parts, np.broadcast_to(expected, parts.shape), rtol=1e-4)
    assert (parts < 1).all()
    (hidden,) = result_of(
        attention_steps(model, canvas(2), method=method, layers=layers, hide_self=True, stayed=True)
    )
    assert (hidden.stayed <= hidden.maps + 1e-6).all()
