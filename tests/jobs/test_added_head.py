"""A head of another package: trained, stored, used, and missed where the package is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from napari_vitface.errors import CheckpointError
from napari_vitface.jobs.training.train import train
from napari_vitface.model.checkpoint import load_model, load_network, save_checkpoint
from napari_vitface.model.header import read_metadata
from napari_vitface.settings.heads import HEADS

TOY = """
from torch import nn
from napari_vitface.model.heads import Head
from napari_vitface.settings.heads import HeadKind

class Plain(Head):
    "One map pixel a patch."
    final = "logits"

    def __init__(self, embed_dim, keypoints, channels, bias=1):
        super().__init__()
        self.args = {"bias": bias}
        self.channels = channels
        self.logits = nn.Conv2d(embed_dim, keypoints, 1, bias=bool(bias))

    @classmethod
    def fitting(cls, patch_size, class_token, channels):
        return {"channels": channels}

    def map_size(self, input_size, grid):
        return grid

    def forward(self, prefix, patches, images):
        return self.logits(patches)

TOY = HeadKind("plain", "has one map pixel a patch", __name__ + ":Plain")
"""


def test_it_is_trained_stored_and_used(
    install: Callable[..., None], drawn_project: Callable[..., Path]
) -> None:
    install(HEADS, TOY)
    *_, done = train(
        drawn_project((0,), 8), name="added", init="scratch", head="plain", steps=1, batch_size=2,
        image_size=(64, 96), timm_args={"depth": 1, "embed_dim": 48, "num_heads": 3},
        device="cpu", precision="fp32",
    )  # fmt: skip
    file = Path(done.result.model)
    network, preprocessing, metadata = load_network(file)
    assert metadata["network"]["head"] == {"name": "plain", "args": {"bias": 1}}
    assert network.heatmap_size == (4, 6)
    assert load_model(file, device="cpu").name == "added"
    # Quick training takes it as it is.
    *_, quick = train(
        drawn_project((0,), 8), name="quick", init=file, quick=True, steps=1, batch_size=2,
        device="cpu", precision="fp32",
    )  # fmt: skip
    assert load_network(Path(quick.result.model))[0].head.name == "plain"
    # Its weights are those that were trained, whoever writes them again.
    again = file.with_name("again.safetensors")
    save_checkpoint(again, network, preprocessing, training={})
    image = torch.rand(1, 1, 64, 96)
    torch.testing.assert_close(load_network(again)[0](image), network(image))


def test_a_checkpoint_has_nothing_imported_that_no_package_registered(
    install: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_vitface.model.building import create_backbone
    from napari_vitface.model.network import KeypointNetwork
    from napari_vitface.model.preprocessing import Preprocessing
    from napari_vitface.pose.keypoints import KeypointSet

    install(HEADS, TOY)
    place = HEADS["plain"].place
    backbone = create_backbone("vit_tiny_patch16_224", (64, 96), 1, depth=1, embed_dim=48,
                               num_heads=3)  # fmt: skip
    network = KeypointNetwork(backbone, KeypointSet(("eye", "nose")), "plain")
    file = tmp_path / "other.safetensors"
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("trap", "trap:Head", place):
        network.head.name = name
        save_checkpoint(file, network, Preprocessing((64, 96)), training={})
        assert read_metadata(file)["network"]["head"]["name"] == name
        with pytest.raises(CheckpointError, match=f"There is no head named '{name}'"):
            load_network(file)
