"""Small models of real timm architectures, quick to build and run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_vitface.model.building import create_backbone
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.predictor import KeypointModel
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.pose.keypoints import KeypointSet

SMALL = {"depth": 3, "embed_dim": 48, "num_heads": 3}
POINTS = KeypointSet(("eye", "nose tip", "mouth"))

#: Families whose blocks give attention maps: timm's name, and a small input that is not square.
FAMILIES = [
    ("vit_base_patch16_224", (64, 96)),
    ("vit_base_patch32_224", (96, 160)),
    ("vit_large_patch16_224", (96, 64)),
    ("vit_large_patch32_224", (96, 160)),
    ("vit_huge_patch14_224", (56, 84)),
    ("vit_base_r50_s16_224", (64, 96)),
    ("vit_tiny_r_s16_p8_224", (64, 96)),
    ("deit_base_patch16_224", (64, 96)),
    ("deit_base_distilled_patch16_224", (64, 96)),
    ("beit_base_patch16_224", (64, 96)),
    ("eva02_base_patch14_224", (56, 84)),
    ("vit_base_patch14_reg4_dinov2", (56, 84)),
    ("vit_base_patch16_dinov3", (64, 96)),
    ("vit_relpos_base_patch16_224", (64, 96)),
    ("vit_pwee_patch16_reg1_gap_256", (64, 96)),
]


@pytest.fixture(params=FAMILIES, ids=[name for name, _ in FAMILIES])
def family(request: pytest.FixtureRequest) -> tuple[str, tuple[int, int]]:
    """Name and input size of a model of each family."""
    return request.param


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    # One thread: tensors this small only wait for each other on more.
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def make_model() -> Callable[..., KeypointModel]:
    """`make_model(name, size=..., head=..., precision=..., sharpen=..., **timm_args)`."""

    def make(
        name: str = "vit_tiny_patch16_224",
        *,
        size: tuple[int, int] = (64, 96),
        head: str = "heatmap",
        precision: str = "fp32",
        preprocessing: Preprocessing | None = None,
        sharpen: float = 12,
        **timm_args: Any,
    ) -> KeypointModel:
        backbone = create_backbone(name, size, 1, **(SMALL | timm_args))
        network = KeypointNetwork(backbone, POINTS, head)
        with torch.no_grad():
            # An untrained ViT attends almost evenly: sharpen it, so that maps differ.
            for block_name, parameter in network.named_parameters():
                if "qkv" in block_name or "q_proj" in block_name or "k_proj" in block_name:
                    parameter.mul_(sharpen)
                if "gamma" in block_name or block_name.endswith(("ls1", "ls2")):
                    # Some families begin with layers that add next to nothing.
                    parameter.fill_(1.0)
            if head == "heatmap":
                network.head.logits.weight.mul_(100)  # type: ignore[union-attr,operator]
        return KeypointModel(
            network, preprocessing or Preprocessing(size), device="cpu", precision=precision
        )

    return make


@pytest.fixture
def canvas() -> Callable[..., NDArray[np.uint8]]:
    """`canvas(count, size)`: random images, smooth enough to give patches of different content."""

    def make(count: int = 2, size: tuple[int, int] = (64, 96)) -> NDArray[np.uint8]:
        coarse = np.random.default_rng(count).integers(
            0, 256, (count, 1, size[0] // 8, size[1] // 8)
        )
        grown = coarse.repeat(8, axis=2).repeat(8, axis=3).astype(np.uint8)
        pad = [(0, 0), (0, 0), (0, size[0] - grown.shape[2]), (0, size[1] - grown.shape[3])]
        return np.pad(grown, pad)

    return make
