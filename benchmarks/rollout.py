"""Rollout of twelve keypoints: against the forward pass, and against the full matrix product.

Three questions, each a ratio of the shortest of many times, taken in turns in one process. On a CPU
they are processor times on one thread, so that other work on the machine does not count:

* What do the maps of all keypoints add to the forward pass that finds the pose, all costs counted?
  The pass has to write out the attention that fused kernels never show, heads are fused, rows are
  multiplied.
* How much is the row-vector method alone, against the same forward pass?
* How does the row-vector method compare with the full matrix product, on the same attention?
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from napari_vitface.attention.capture import capture_attention
from napari_vitface.attention.maps import attention_maps, start_rows
from napari_vitface.attention.rollout import fuse_heads, rollout_rows
from napari_vitface.model.backbone import create_backbone
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.predictor import KeypointModel
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.pose.keypoints import MOUSE_FACE

Row = tuple[str, str, float | None, str]

#: Name, input size: 301 (as the bundled model), 785, 197 and 785 tokens.
MODELS = [
    ("vit_tiny_patch16_224", (240, 320)),
    ("vit_tiny_patch16_224", (448, 448)),
    ("vit_small_patch16_224", (224, 224)),
    ("vit_small_patch16_224", (448, 448)),
]
_ROUNDS = 25
_SECONDS = 12.0


def run() -> list[Row]:
    """Three rows for each model, device and precision."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _run()
    finally:
        torch.set_num_threads(threads)


def _run() -> list[Row]:
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    rows: list[Row] = []
    for device in devices:
        for name, size in MODELS:
            for precision in ("fp32", "bf16"):
                rows += _measure(name, size, device, precision)
    return rows


def _measure(name: str, size: tuple[int, int], device: str, precision: str) -> list[Row]:
    backbone = create_backbone(name, size, 1)
    model = KeypointModel(
        KeypointNetwork(backbone, MOUSE_FACE),
        Preprocessing(size),
        device=device,
        precision=precision,
        batch_size=1,
    )
    network = model.network
    canvas = torch.randint(
        0, 256, (1, 1, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    with torch.inference_mode():
        with capture_attention(backbone.blocks, fuse_heads) as fused:
            output = network(model.to_images(canvas))
        begin, _ = start_rows(network, output, MOUSE_FACE.names)

        def forward() -> object:
            return model.predict(canvas)

        def maps() -> object:
            return attention_maps(model, canvas, keypoints=MOUSE_FACE.names)

        def rows() -> Tensor:
            return rollout_rows(fused, begin).cpu()

        def full() -> Tensor:
            return (begin @ _full_product(fused)).cpu()

        difference = float((rows() - full()).abs().max())
        clock = time.process_time if device == "cpu" else time.perf_counter
        times = _alternate([forward, maps, rows, full], clock)
    tokens = fused[0].shape[-1]
    case = f"{name.split('_patch')[0]}, {tokens} tokens, {device} {precision}"
    forward_ms, maps_ms, rows_ms, full_ms = (min(column) * 1e3 for column in times)
    return [
        (
            "12 maps on top of a forward pass",
            case,
            maps_ms / forward_ms - 1,
            f"{forward_ms:.1f} ms with fused attention, {maps_ms:.1f} ms with all maps",
        ),
        (
            "12 rows of rollout / forward pass",
            case,
            rows_ms / forward_ms,
            f"{rows_ms:.2f} ms",
        ),
        (
            "12 rows / full matrix product",
            case,
            rows_ms / full_ms,
            f"{rows_ms:.2f} against {full_ms:.2f} ms, differing by at most {difference:.0e}",
        ),
    ]


def _full_product(fused: list[Tensor]) -> Tensor:
    """All rows of the rollout, as it is usually written."""
    identity = torch.eye(fused[0].shape[-1], device=fused[0].device)
    product = identity
    for attention in fused:
        mixed = attention + identity
        product = (mixed / mixed.sum(dim=-1, keepdim=True)) @ product
    return product


def _alternate(
    functions: list[Callable[[], object]], clock: Callable[[], float]
) -> list[list[float]]:
    """Times of each function over rounds in which they take turns; the first round is left out."""
    times: list[list[float]] = [[] for _ in functions]
    for function in functions:
        function()
    began = time.perf_counter()
    while len(times[0]) < _ROUNDS and (len(times[0]) < 3 or time.perf_counter() - began < _SECONDS):
        for function, column in zip(functions, times, strict=True):
            start = clock()
            function()
            column.append(clock() - start)
    return times


def main() -> None:
    """Print the rows."""
    for benchmark, case, ratio, note in run():
        print(f"{benchmark:35} {case:40} {ratio:8.3f}  {note}")


if __name__ == "__main__":
    main()
