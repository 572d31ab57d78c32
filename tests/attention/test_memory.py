"""Memory at 785 tokens and twelve layers, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_SCRIPT = """
import json
import numpy as np, torch
torch.set_num_threads(1)
from napari_vitface.attention.maps import attention_maps
from napari_vitface.model.building import create_backbone
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.predictor import KeypointModel
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.pose.keypoints import MOUSE_FACE

size = (448, 448)
backbone = create_backbone("vit_small_patch16_224", size, 1)
model = KeypointModel(
    KeypointNetwork(backbone, MOUSE_FACE), Preprocessing(size), device="cpu", precision="fp32"
)
canvas = np.random.default_rng(0).integers(0, 256, (1, 1, *size)).astype(np.uint8)

def peak():
    # Not ru_maxrss, which begins with the peak of the process that started this one.
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024

def grown(run):
    before = peak()
    run()
    return (peak() - before) / 2**20

model.predict(canvas)
model.predict(canvas)
found = {"rollout": grown(lambda: attention_maps(model, canvas, layers=":"))}
names = list(MOUSE_FACE.names[:2])
found["relevance"] = grown(
    lambda: attention_maps(model, canvas, method="relevance", keypoints=names)
)

def one_graph():
    kept = []
    for block in backbone.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda m, i, output: kept.append(output))
    score = model.network(model.to_images(torch.from_numpy(canvas))).amax()
    torch.autograd.grad(score, kept)

found["one graph"] = grown(one_graph)
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from Linux")
def test_neither_every_head_nor_every_layer_s_graph_is_held() -> None:
    run = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    grown = json.loads(run.stdout.splitlines()[-1])
    # One map a layer is 2.35 MiB, twelve are 28; the weights of all six heads of all are 169.
    assert grown["rollout"] < 60
    # One layer's graph and gradients: some copies of its six heads, 14 MiB each.
    assert grown["relevance"] < 230
    # A graph of all layers, as gradient methods are usually written, comes on top of both.
    assert grown["one graph"] > 200
