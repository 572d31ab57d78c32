"""Small networks of real timm architectures, quick to build and run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from napari_vitface.model.building import create_backbone
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.pose.keypoints import KeypointSet

SIZE = (64, 96)
SMALL = {"depth": 2, "embed_dim": 48, "num_heads": 3}
POINTS = KeypointSet(("eye", "nose tip", "mouth"))


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    # One thread: tensors this small only wait for each other on more.
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def preprocessing() -> Preprocessing:
    return Preprocessing(SIZE)


@pytest.fixture
def make_network() -> Callable[..., KeypointNetwork]:
    """`make_network(head="heatmap", name=..., channels=1, **timm_args)`: an untrained network."""

    def make(
        head: str = "heatmap",
        name: str = "vit_tiny_patch16_224",
        channels: int = 1,
        keypoints: KeypointSet = POINTS,
        **timm_args: Any,
    ) -> KeypointNetwork:
        backbone = create_backbone(name, SIZE, channels, **(SMALL | timm_args))
        return KeypointNetwork(backbone, keypoints, head).eval()

    return make
