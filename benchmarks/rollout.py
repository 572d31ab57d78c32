"""Attention of twelve keypoints: against the forward pass, and against how it is usually done.

Each a ratio of the shortest of many times, taken in turns in one process. On a CPU they are
processor times on one thread, so that other work on the machine does not count:

* What do the maps of all keypoints add to the forward pass that finds the pose, all costs counted?
* How much is the row-vector method alone, against the same forward pass?
* How does it compare with the full matrix product, on the same attention?
* How do the maps compare with the algorithm of vit-explain, written anew here: every head of every
  layer written out and kept, discarded by sorting whole maps, multiplied in full?
* How do gradient methods compare with one graph of the whole network and one backward pass a
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks import Row
from napari_vitface.attention.capture import capture_attention, capture_fused
from napari_vitface.attention.gradients import ScorePass, gradient_rows, keypoint_scores
from napari_vitface.attention.maps import attention_maps
from napari_vitface.attention.rollout import fuse_heads, relevance_step, rollout_rows
from napari_vitface.attention.seeds import seed_rows
from napari_vitface.model.building import create_backbone
from napari_vitface.model.device import candidate_precisions
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.predictor import KeypointModel
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.pose.keypoints import MOUSE_FACE

#: Name, input size: 301 (as the bundled model), 197 and 785 tokens.
MODELS = [
    ("vit_tiny_patch16_224", (240, 320)),
    *(
        (f"vit_{width}_patch16_224", (side, side))
        for width in ("tiny", "small", "base")
        for side in (224, 448)
    ),
]
#: Of vit-explain.
_DISCARD = 0.9
#: Gradient methods are compared up to this many tokens; beyond, one graph takes gigabytes.
_MOST_TOKENS = 301
_ROUNDS = 25
_SECONDS = 12.0


def run() -> list[Row]:
    """Some rows for each model, device and precision."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _run(MODELS)
    finally:
        torch.set_num_threads(threads)


def _run(models: list[tuple[str, tuple[int, int]]]) -> list[Row]:
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    rows: list[Row] = []
    for device in devices:
        for name, size in models:
            for precision in candidate_precisions("auto", torch.device(device)):
                model = _model(name, size, device, precision)
                canvas = torch.randint(
                    *(0, 256, (1, 1, *size)),
                    dtype=torch.uint8,
                    generator=torch.Generator().manual_seed(0),
                )
                tokens = model.network.backbone.grid[0] * model.network.backbone.grid[1] + 1
                case = f"{name.split('_patch')[0]}, {tokens} tokens, {device} {precision}"
                rows += _rollout(model, canvas, case)
                if precision == "fp32" and tokens <= _MOST_TOKENS:
                    rows += _gradients(model, canvas, case)
    return rows


def _model(name: str, size: tuple[int, int], device: str, precision: str) -> KeypointModel:
    torch.manual_seed(0)
    return KeypointModel(
        KeypointNetwork(create_backbone(name, size, 1), MOUSE_FACE, "heatmap"),
        Preprocessing(size),
        device=device,
        precision=precision,
        batch_size=1,
    )


def _rollout(model: KeypointModel, canvas: Tensor, case: str) -> list[Row]:
    network = model.network
    names = MOUSE_FACE.names
    with torch.inference_mode():
        with capture_fused(network.backbone.blocks) as fused:
            output = network(model.to_images(canvas))
        begin, _ = seed_rows(network, output, names)

        def forward() -> object:
            return model.predict(canvas)

        def maps() -> object:
            return attention_maps(model, canvas, keypoints=names, layers=":")

        def rows() -> Tensor:
            return rollout_rows(fused, begin).cpu()

        def full() -> Tensor:
            return (begin @ _full_product(fused)).cpu()

        def discarded() -> object:
            return attention_maps(model, canvas, keypoints=names, layers=":", discard=_DISCARD)

        def usual() -> object:
            return _vit_explain(model, canvas)

        difference = float((rows() - full()).abs().max())
        times = _alternate([forward, maps, rows, full, discarded, usual], model.device.type)
    forward_ms, maps_ms, rows_ms, full_ms, discarded_ms, usual_ms = times
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
        (
            "12 maps / vit-explain's algorithm",
            case,
            discarded_ms / usual_ms,
            f"{discarded_ms:.1f} against {usual_ms:.1f} ms, both with the pass, discard {_DISCARD}",
        ),
    ]


def _gradients(model: KeypointModel, canvas: Tensor, case: str) -> list[Row]:
    images = model.to_images(canvas)
    names = MOUSE_FACE.names
    layers = range(len(model.network.backbone.blocks))

    def relevance() -> Tensor:
        passed = ScorePass(model.network, images)
        rows, _ = seed_rows(model.network, passed.output, names)
        walk = gradient_rows(passed, rows, names, layers, [layers.stop], normalised=False)
        while True:
            try:
                next(walk)
            except StopIteration as end:
                return end.value[0].cpu()

    usual = _one_graph(model, images)
    difference = float((relevance() - usual).abs().max())
    functions: list[Callable[[], object]] = [
        lambda: model.predict(canvas),
        relevance,
        lambda: _one_graph(model, images),
    ]
    forward_ms, ours_ms, usual_ms = _alternate(functions, model.device.type)
    return [
        (
            "12 relevance maps / a backward pass each",
            case,
            ours_ms / usual_ms,
            f"{ours_ms:.0f} against {usual_ms:.0f} ms, differing by at most {difference:.0e}; "
            f"a pass that only finds the pose takes {forward_ms:.0f} ms",
        ),
    ]


def _one_graph(model: KeypointModel, images: Tensor) -> Tensor:
    """Relevance of all keypoints as it is usually written, but with rows instead of products."""
    network = model.network
    with (
        torch.enable_grad(),
        capture_attention(network.backbone.blocks, lambda weights: weights) as weights,
    ):
        output = network(images)
        scores = keypoint_scores(output)
    rows, _ = seed_rows(network, output.detach(), MOUSE_FACE.names)
    found = []
    for k in range(len(MOUSE_FACE)):
        gradients = torch.autograd.grad(scores[0, k], weights, retain_graph=True)
        row = rows[:, k : k + 1]
        for attention, gradient in zip(reversed(weights), reversed(gradients), strict=True):
            positive = (gradient * attention.detach()).clamp(min=0)
            row = relevance_step(row, fuse_heads(positive))
        found.append(row)
    return torch.cat(found, dim=1).cpu()


def _vit_explain(model: KeypointModel, canvas: Tensor) -> Tensor:
    """The algorithm of vit-explain with its faults mended: what it costs, not what it gives."""
    network = model.network
    with capture_attention(network.backbone.blocks, lambda weights: weights) as layers:
        output = network(model.to_images(canvas))
    model.finish(output)
    begin, _ = seed_rows(network, output, MOUSE_FACE.names)
    tokens = layers[0].shape[-1]
    identity = torch.eye(tokens, device=begin.device)
    product = identity
    for attention in layers:
        fused = attention.float().mean(dim=1)
        flat = fused.view(len(fused), -1)
        lowest = flat.topk(int(flat.shape[-1] * _DISCARD), dim=-1, largest=False).indices
        flat.scatter_(1, lowest, 0.0)
        mixed = (fused + identity) / 2
        product = mixed / mixed.sum(dim=-1, keepdim=True) @ product
    return (begin @ product).cpu()


def _full_product(fused: list[Tensor]) -> Tensor:
    """All rows of the rollout, as it is usually written."""
    identity = torch.eye(fused[0].shape[-1], device=fused[0].device)
    product = identity
    for attention in fused:
        mixed = attention + identity
        product = (mixed / mixed.sum(dim=-1, keepdim=True)) @ product
    return product


def _alternate(functions: list[Callable[[], object]], device: str) -> list[float]:
    """Shortest time of each function in ms, over rounds in which they take turns; not the first."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    times: list[list[float]] = [[] for _ in functions]
    for function in functions:
        function()
    began = time.perf_counter()
    while len(times[0]) < _ROUNDS and (len(times[0]) < 3 or time.perf_counter() - began < _SECONDS):
        for function, column in zip(functions, times, strict=True):
            start = clock()
            function()
            if device == "cuda":
                torch.cuda.synchronize()
            column.append(clock() - start)
    return [1e3 * min(column) for column in times]


def main() -> None:
    """Print the rows."""
    for benchmark, case, ratio, note in run():
        print(f"{benchmark:35} {case:40} {ratio:8.3f}  {note}")


if __name__ == "__main__":
    main()
