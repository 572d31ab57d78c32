"""Maps after each layer, maps from any point, and maps of patches in another order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_vitface.attention.maps import attention_maps, attention_steps
from napari_vitface.errors import VitFaceError
from napari_vitface.model.predictor import KeypointModel
from napari_vitface.steps import result_of

MakeModel = Callable[..., KeypointModel]
Canvas = Callable[..., NDArray[np.uint8]]


@pytest.mark.parametrize("method", ["rollout", "gradient-rollout", "relevance"])
def test_the_story_is_the_maps_of_the_ranges_that_grow(
    make_model: MakeModel, canvas: Canvas, method: str
) -> None:
    model = make_model(depth=4, sharpen=4)
    story = result_of(
        attention_steps(model, canvas(2), method=method, layers="1:4", hide_self=True, story=True)
    )
    assert [maps.settings["layers"] for maps in story] == [[1, 2], [1, 3], [1, 4]]
    for maps in story:
        first, stop = maps.settings["layers"]
        one = attention_maps(model, canvas(2), method=method, layers=(first, stop), hide_self=True)
        assert one.settings == maps.settings
        np.testing.assert_allclose(maps.maps, one.maps, atol=1e-5)
        np.testing.assert_allclose(maps.own_share, one.own_share, atol=1e-5)
        assert maps.total is not None
        np.testing.assert_allclose(maps.total, one.total, rtol=1e-4)
    # Layers add something: the story is not one picture.
    assert np.abs(story[0].maps - story[2].maps).max() > 1e-3


def test_the_story_of_raw_attention_is_each_layer_s_own(
    make_model: MakeModel, canvas: Canvas
) -> None:
    model = make_model(depth=4)
    story = result_of(attention_steps(model, canvas(1), method="raw", head=1, story=True))
    assert [maps.settings["layers"] for maps in story] == [[0, 1], [1, 2], [2, 3], [3, 4]]
    for layer, maps in enumerate(story):
        one = attention_maps(model, canvas(1), method="raw", layers=layer, head=1)
        np.testing.assert_allclose(maps.maps, one.maps, atol=1e-5)


def test_a_story_takes_one_pass(make_model: MakeModel, canvas: Canvas) -> None:
    model = make_model()
    passes = []
    handle = model.network.register_forward_hook(lambda *_: passes.append(1))
    result_of(attention_steps(model, canvas(1), story=True))
    result_of(attention_steps(model, canvas(1), method="relevance", story=True))
    handle.remove()
    assert len(passes) == 2


def test_a_point_starts_from_its_patch(make_model: MakeModel, canvas: Canvas) -> None:
    model = make_model()
    points = {"here": (17.0, 3.0), "edge": (95.4, 63.4)}
    found = attention_maps(model, canvas(1), keypoints=[], points=points, layers=(2, 3))
    assert found.names == ("here", "edge")
    assert found.settings["start"] == {"point": "the patch at the point"}
    raw = attention_maps(
        model, canvas(1), keypoints="global", points=points, method="raw", layers=2
    )
    assert raw.names == ("global", "here", "edge")
    # One layer of rollout: half of the attention, and half stays at the patch itself.
    for m, patch in enumerate([(0, 1), (3, 5)]):
        expected = raw.maps[0, m + 1] / 2
        expected[patch] += 0.5
        np.testing.assert_allclose(found.maps[0, m], expected, atol=1e-5)
    hidden = attention_maps(model, canvas(1), keypoints=[], points=points, hide_self=True)
    assert hidden.maps[0, 0, 0, 1] == 0


@pytest.mark.parametrize("point", [(-1.0, 5.0), (96.0, 5.0), (5.0, 64.0), (5.0, -0.6)])
def test_a_point_outside_is_refused(
    make_model: MakeModel, canvas: Canvas, point: tuple[float, float]
) -> None:
    with pytest.raises(VitFaceError, match="outside of what the model sees"):
        attention_maps(make_model(), canvas(1), points={"there": point})


@pytest.mark.parametrize("method", ["relevance", "occlusion"])
def test_points_have_no_score(make_model: MakeModel, canvas: Canvas, method: str) -> None:
    with pytest.raises(VitFaceError, match="explains keypoints"):
        attention_maps(make_model(), canvas(1), points={"a": (5.0, 5.0)}, method=method)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"method": "relevance", "head_fusion": "max"}, "mean over all heads"),
        ({"method": "relevance", "discard": 0.1}, "nothing discarded"),
        ({"method": "relevance", "head": 0}, "mean over all heads"),
        ({"method": "occlusion", "layers": "0:2"}, "knows no layers"),
        ({"method": "superpixels", "discard": 0.5}, "knows no layers"),
    ],
)
def test_settings_that_a_method_does_not_know_are_refused(
    make_model: MakeModel, canvas: Canvas, settings: dict[str, object], complaint: str
) -> None:
    with pytest.raises(VitFaceError, match=complaint):
        attention_maps(make_model(), canvas(1), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["rollout", "raw", "gradient-rollout", "relevance"])
@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224"])
def test_patches_in_another_order_have_the_same_maps_in_that_order(
    make_model: MakeModel, canvas: Canvas, name: str, method: str
) -> None:
    model = make_model(name, sharpen=3)
    network = model.network
    vit = network.backbone.model
    with torch.no_grad():
        # Without positions, and with a head that mixes nothing across patches, order means nothing.
        vit.pos_embed.zero_()  # type: ignore[union-attr,operator]
        for layer in (network.head.mix, network.head.logits):  # type: ignore[union-attr]
            middle = layer.weight[:, :, 1, 1].clone()
            layer.weight.zero_()
            layer.weight[:, :, 1, 1] = middle
    order = np.random.default_rng(3).permutation(24)
    image = np.random.default_rng(1).integers(0, 256, (1, 1, 64, 96)).astype(np.uint8)
    patches = image.reshape(4, 16, 6, 16).transpose(0, 2, 1, 3).reshape(24, 16, 16)
    shuffled = patches[order].reshape(4, 6, 16, 16).transpose(0, 2, 1, 3).reshape(image.shape)
    found = attention_maps(model, image, method=method)
    moved = attention_maps(model, shuffled, method=method)
    flat = found.maps.reshape(1, 4, 24)
    np.testing.assert_allclose(
        moved.maps.reshape(1, 4, 24), flat[:, :, order], atol=1e-3 * flat.max()
    )
    # In the old order they would not be.
    assert np.abs(flat - flat[:, :, order]).max() > 0.1 * flat.max()
