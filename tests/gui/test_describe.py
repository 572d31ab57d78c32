from __future__ import annotations

import numpy as np

from napari_vitface.gui.describe import describe_map
from napari_vitface.gui.layers import attention_picture, colour_limit
from napari_vitface.jobs.events import AttentionComputed

SETTINGS = {
    "method": "rollout",
    "layers": [0, 12],
    "head_fusion": "mean",
    "discard": 0.0,
    "hide_self": False,
    "start": {"keypoint": "the share of its heatmap in each patch", "global": "the class token"},
    "model": "mouse-face",
}


def label(target: str, share: float = 0.2, **changes: object) -> str:
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
    )
    picture = attention_picture(answer, target)
    return describe_map(answer, target, picture, colour_limit(picture), depth=12)


def test_the_label_says_what_was_computed() -> None:
    text = label("nose tip")
    for part in (
        "Nose tip",
        "frame 17",
        "mouse-face",
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
