"""Models are loaded without PyTorch's compiler, which stays there for whoever wants it."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from napari_vitface.model.building import create_backbone
assert "torchvision.ops" in sys.modules
assert "torch._dynamo" not in sys.modules, "loaded by the import"
import torch
backbone = create_backbone("vit_tiny_patch16_224", (32, 48), 1, depth=1, embed_dim=48, num_heads=3)
assert "torch._dynamo" not in sys.modules, "loaded by the first use"
from napari_vitface.model.checkpoint import load_model
load_model("mouse-face", device="cpu", precision="fp32")
assert "torch._dynamo" not in sys.modules, "loaded by reading a model"
x = torch.rand(2)
assert torch.equal(torch.compile(lambda x: x + 1, backend="eager")(x), x + 1)
assert sys.modules["torch._dynamo"].__file__
"""


def test_the_compiler_is_loaded_by_who_uses_it_only() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
