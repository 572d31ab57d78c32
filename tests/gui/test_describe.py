from __future__ import annotations

import numpy as np
import pytest

from napari_vitface.gui.attention.map_captions import describe_map, how_computed, title_map
from napari_vitface.gui.layers import attention_picture, colour_limit
from napari_vitface.jobs.events import AttentionComputed
from napari_vitface.jobs.explaining.map_picture import describe_settings
from napari_vitface.settings.network_layers import name_layers

SETTINGS = {
    "method": "rollout",
    "layers": [0, 12],
    "head_fusion": "mean",
    "discard": 0.0,
    "hide_self": False,
    "start": {"keypoint": "the share of its heatmap in each patch", "global": "the class token"},
    "model": "mouse-face",
}


def label(target: str | tuple[str, ...], share: float = 0.2, **changes: object) -> str:
    answer = AttentionComputed(
        frame=17,
        names=("nose tip", "global"),
        maps=np.full((2, 3, 4), 1 / 12, np.float32),
        prefix_share=np.float32([share, 0.5]),
        scale=(1.0, 1.0),
        translate=(0.0, 0.0),
        xy=np.zeros((1, 2), np.float32),
        confidence=np.ones(1, np.float32),
        settings={**SETTINGS, **changes},
        own_share=np.zeros(2, np.float32),
        total=np.ones(2, np.float32),
    )
    picture = attention_picture(answer, target)
    about = describe_map(answer, target, picture, colour_limit(picture), depth=12)
    return f"{title_map(answer, target)}\n{about}"


def test_the_label_says_what_was_computed() -> None:
    text = label("nose tip")
    for part in (
        "Nose tip",
        "frame 17",
        "mouse\u2011face",
        "rollout",
        "layers 1 to 12 of 12",
        "heads fused by mean",
        "share of its heatmap",
        "20 % went to class or register tokens",
        "times an even spread",
    ):
        assert part in text
    assert "discarded" not in text
    assert "left out" not in text


def test_the_label_follows_the_settings_of_the_answer() -> None:
    text = label("nose tip", method="raw", layers=[4, 5], head_fusion="max", discard=0.9)
    assert "Raw attention of layer 5 of 12" in text
    assert "heads fused by max" in text
    assert "lowest 90 % discarded" in text
    assert "rollout" not in text
    assert "left out" in label("nose tip", hide_self=True)


def test_the_global_map_is_no_keypoints_map() -> None:
    text = label("global", hide_self=True)
    assert "the class token" in text
    assert "heatmap" not in text
    assert "left out" not in text
    assert "50 %" in text
    assert "tokens" not in label("nose tip", share=0.0)


def test_gradients_are_said() -> None:
    assert "times its positive gradients, layers 1 to 12" in label(
        "nose tip", method="gradient-rollout"
    )
    text = label("nose tip", method="relevance")
    assert "Relevance" in text
    assert "heads fused" not in text


def test_checks_without_attention_are_in_pixels_and_say_how() -> None:
    text = label("nose tip", share=0.0, method="occlusion", unit="pixels moved", square=2.0)
    assert "grey square of 2 patches" in text
    assert " px, the same in every frame" in text
    assert "even spread" not in text
    assert "layers" not in text
    text = label("nose tip", method="superpixels", unit="pixels", segments=50, orders=16)
    assert "Shapley values of about 50 superpixels in 16 orders" in text


def test_one_head_is_counted_from_one_as_layers_are() -> None:
    assert "head 3" in label("nose tip", head_fusion="head 2")
    assert "fused" not in label("nose tip", head_fusion="head 2")


def test_several_keypoints_and_a_mean_over_frames_are_named() -> None:
    assert "Mean over nose tip and global" in label(("nose tip", "global"))
    text = label("nose tip", frames=[0, 100, 10])
    assert "mean over 10 frames (0 to 90, every 10th)" in text
    assert "frame 17" not in text


@pytest.mark.parametrize("layers", [(8, 12), (4, 5), (0, 12)])
def test_a_picture_calls_layers_and_heads_as_the_window_does(layers: tuple[int, int]) -> None:
    settings = {
        "method": "rollout",
        "layers": list(layers),
        "head_fusion": "head 2",
        "discard": 0.0,
        "hide_self": False,
        "model": "m",
    }
    for words in (name_layers(layers), "head 3"):
        assert words in how_computed(settings, "eye")
        assert words in describe_settings(settings)
    assert name_layers((8, 12), 12) == "layers 9 to 12 of 12"
