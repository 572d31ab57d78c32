"""How a keypoint's score depends on each attention weight, layer by layer.

G_l = d s / d A_l, where A_l are the weights of layer l, every head's by itself, and everything
that comes after them follows. The score of keypoint k is s_k = sum_p softmax(h_k)_p h_k,p over the
pixels p of its map of logits h_k, the softmax being taken as constants: the height of the peak, in
a form that each pixel near it has a share in. A coordinate would not do: its sign is a direction
in the picture, and says nothing for or against.

Memory is bounded. Each block's graph begins at its own input, so that blocks are gone back through
one at a time: gradients of one keypoint after the other are handed out, and the block is let go.
The graphs of a small model are kept from the forward pass. Of a large one only the inputs of the
blocks are, and each is run again on the way back: one more pass in all, however many keypoints
there are, that never holds more than one layer's weights.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from napari_vitface.attention.capture import capture_attention
from napari_vitface.attention.rollout import (
    fuse_heads,
    relevance_step,
    rollout_step,
    stayed_step,
)
from napari_vitface.attention.seeds import GLOBAL
from napari_vitface.errors import VitFaceError
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.probe import attention_of
from napari_vitface.settings.attention import METHODS, alternatives

#: Bytes of gradients that may be made at once where keypoints go back together.
TOGETHER = 1 << 30
#: Bytes of graphs that may be kept from the forward pass.
KEPT = 128 << 20
#: Scores of a network in half precision are multiplied by this while they go back, so that small
#: gradients are not rounded to 0.
HALF_SCALE = 1024.0


@dataclass(frozen=True)
class WeightGradient:
    """The gradient of one score for the attention weights of one layer.

    Attributes
    ----------
    layer : int
        Block, counted from 0.
    index : int
        Which of the scores.
    weights, gradient : (B, heads, N, N) tensors
    """

    layer: int
    index: int
    weights: Tensor
    gradient: Tensor


@dataclass(frozen=True)
class _Graph:
    """One block's: from the tokens (B, N, C) that it was given to its output, and its weights."""

    tokens: Tensor
    output: Tensor
    weights: Tensor | None


def keypoint_scores(logits: Tensor) -> Tensor:
    """Score s_k (B, K) of maps of logits (B, K, h, w); see the module's text."""
    flat = logits.flatten(2)
    flat = flat if flat.dtype == torch.float64 else flat.float()
    return (torch.softmax(flat, dim=2).detach() * flat).sum(dim=2)


class ScorePass:
    """One forward pass that scores can be followed back from.

    Parameters
    ----------
    network : KeypointNetwork
        With a heatmap head.
    images : (B, C, H, W) tensor
        Normalised, of the network's type and device.
    first : int
        The first block whose gradients are wanted.

    Attributes
    ----------
    output : (B, K, h, w) tensor
        The network's logits, without a graph.
    """

    def __init__(
        self,
        network: KeypointNetwork,
        images: Tensor,
        first: int = 0,
    ) -> None:
        if network.heatmap_size is None:
            raise VitFaceError(
                "Gradients need a score of each keypoint, and this model gives bare coordinates; "
                f"choose {_without_gradients()} for it."
            )
        self._network = network
        self._first = first
        self._inputs: dict[int, tuple[tuple[Any, ...], dict[str, Any]]] = {}
        self._graphs: dict[int, _Graph] = {}
        # Else each block is run again on the way back; the numbers are the same.
        keep = _graph_bytes(network, images, first) <= KEPT
        with torch.enable_grad(), _frozen(network), self._recording(keep) as last:
            self._logits = network(images)
        self._last: Tensor = last[0]
        self.output = self._logits.detach()

    def follow_back(
        self,
        names: Sequence[str],
        layers: range,
        use: Callable[[WeightGradient], None],
        *,
        together: bool | None = None,
    ) -> Iterator[int]:
        """Hand gradients of the scores of `names` for the weights of `layers` to `use`.

        The last layer comes first, and of each layer one gradient for every score, in their order.

        Parameters
        ----------
        names : sequence of str
            Keypoints; ``"global"`` is the sum of all scores.
        layers : range
            From `first` on.
        use : callable
            Gets each `WeightGradient`; what it keeps of it is its own.
        together : bool, optional
            Let keypoints go back together as far as memory allows, or one after the other. The
            numbers are the same. Default: together on a GPU, where many small steps cost more than
            few large ones; on a CPU nothing is gained.

        Yields
        ------
        int
            Blocks that have been gone through. Between these steps no setting of torch or of the
            network is changed.
        """
        if together is None:
            together = self._last.device.type != "cpu"
        pull = self._start(names)
        backwards = reversed(range(layers.start, len(self._network.backbone.blocks)))
        for done, layer in enumerate(backwards, 1):
            pull = self._through(layer, pull, layers, use, together)
            yield done

    def _start(self, names: Sequence[str]) -> Tensor:
        """Gradients (M, B, N, C) of the scores for what the last block gives."""
        keypoints = self._network.keypoints
        found: list[Tensor] = []
        with torch.enable_grad():
            scores = keypoint_scores(self._logits)
            if self._last.dtype == torch.float16:
                scores = scores * HALF_SCALE
            for name in names:
                score = scores if name == GLOBAL else scores[:, keypoints.index(name)]
                found += torch.autograd.grad(score.sum(), self._last, retain_graph=True)
        return torch.stack(found)

    def _through(
        self,
        layer: int,
        pull: Tensor,
        layers: range,
        use: Callable[[WeightGradient], None],
        together: bool,
    ) -> Tensor:
        """Use the gradients in one block; return those (M, B, N, C) for what it was given."""
        wanted, goes_on = layer in layers, layer > layers.start
        # What was kept is gone through once; whoever comes again has it run again.
        graph = self._graphs.pop(layer, None) or self._run_again(layer, wanted)
        tokens, output = graph.tokens, graph.output
        captured = [graph.weights] if wanted and graph.weights is not None else []
        targets = [*captured, *([tokens] if goes_on else [])]
        # Half precision went back multiplied.
        scale = 1 / HALF_SCALE if tokens.dtype == torch.float16 else 1.0
        size = _together(captured, len(pull)) if together else 1
        before = []
        for start in range(0, len(pull), size):
            part = pull[start : start + size]
            last = start + size >= len(pull)
            if size > 1:
                found = torch.autograd.grad(
                    output, targets, part, is_grads_batched=True, retain_graph=not last
                )
            else:
                found = torch.autograd.grad(output, targets, part[0], retain_graph=not last)
                found = tuple(gradient[None] for gradient in found)
            if goes_on:
                before.append(found[-1])
            if wanted:
                weights = captured[0].detach()
                for i, gradient in enumerate(found[0]):
                    gradient = gradient if scale == 1 else gradient.float() * scale
                    use(WeightGradient(layer, start + i, weights, gradient))
        return torch.cat(before) if goes_on else pull

    def _run_again(self, layer: int, wanted: bool) -> _Graph:
        """One block on what it was given, with its graph; its weights if they are wanted."""
        block = self._network.backbone.blocks[layer]
        (tokens, *others), options = self._inputs[layer]
        with (
            torch.enable_grad(),
            _frozen(block),
            capture_attention([block] if wanted else [], lambda weights: weights) as captured,
        ):
            tokens = tokens.detach().requires_grad_()
            output = block(tokens, *others, **options)
        return _Graph(tokens, output, captured[0] if captured else None)

    @contextmanager
    def _recording(self, keep: bool) -> Iterator[list[Tensor]]:
        """Record the inputs of the blocks, or their graphs; cut the graph behind the last one."""
        blocks = self._network.backbone.blocks
        last: list[Tensor] = []
        given: list[Any] = [None]

        def before(layer: int) -> Any:
            def hook(
                _module: nn.Module, inputs: tuple[Any, ...], options: dict[str, Any]
            ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
                if layer > self._first and inputs[0] is not given[0]:
                    raise VitFaceError(
                        "This model changes its tokens between its blocks, so that gradients "
                        "cannot be followed through them one by one; choose "
                        f"{_without_gradients()}."
                    )
                self._inputs[layer] = inputs, options
                if not keep:
                    return None
                tokens = inputs[0].detach().requires_grad_()
                begun.append((tokens, len(captured)))
                return (tokens, *inputs[1:]), options

            return hook

        def after(layer: int) -> Any:
            def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor | None:
                if keep:
                    tokens, before = begun.pop()
                    if len(captured) == before + 1:
                        self._graphs[layer] = _Graph(tokens, output, captured[before])
                given[0] = output
                if layer < len(blocks) - 1:
                    return None
                last.append(output.detach().requires_grad_())
                return last[0]

            return hook

        begun: list[tuple[Tensor, int]] = []
        reading = capture_attention(blocks[self._first :] if keep else [], lambda weights: weights)
        with ExitStack() as stack:
            captured = stack.enter_context(reading)
            for layer in range(self._first, len(blocks)):
                block = blocks[layer]
                for handle in (
                    block.register_forward_pre_hook(before(layer), with_kwargs=True),
                    block.register_forward_hook(after(layer)),
                ):
                    stack.callback(handle.remove)
            yield last


def gradient_rows(
    passed: ScorePass,
    rows: Tensor,
    names: Sequence[str],
    layers: range,
    ends: Sequence[int],
    *,
    normalised: bool = True,
    fusion: str = "mean",
    head: int | None = None,
    discard: float = 0.0,
    stayed: list[Tensor] | None = None,
) -> Generator[int, None, Tensor]:
    """Rows of gradient rollout or of relevance, for ranges of layers that begin alike.

    With F_l = fuse(max(G_l * A_l, 0)), gradient rollout is rollout of these F_l, and relevance is
    V <- V + V F_l with heads fused by their mean, last layer first, rows left unnormalised.

    Parameters
    ----------
    passed : ScorePass
    rows : (B, M, N) tensor
        What each map starts from.
    names : sequence of str
    layers : range
    ends : sequence of int
        Stops of the ranges, increasing; all begin with ``layers.start``.
    normalised : bool
        Gradient rollout; else relevance.
    fusion, head, discard
        See `napari_vitface.attention.maps.attention_maps`.
    stayed : list, optional
        Is filled with a row (B, N) for each map: the part of the last range's row that residual
        connections alone passed on.

    Yields
    ------
    int
        Blocks that have been gone through.

    Returns
    -------
    (E, B, M, N) float32 tensor
        The value of the generator's `StopIteration`.
    """
    rows = rows.float()
    # Of each map, a row for each end that has been passed on the way back: (B, E, N).
    found = [rows.new_empty(len(rows), 0, rows.shape[2]) for _ in names]
    if stayed is not None:
        stayed[:] = list(rows.unbind(dim=1))

    def use(step: WeightGradient) -> None:
        m = step.index
        if step.layer + 1 in ends:
            found[m] = torch.cat([rows[:, m : m + 1], found[m]], dim=1)
        fused = fuse_heads(positive_part(step.weights, step.gradient), fusion, head)
        if not normalised:
            found[m] = relevance_step(found[m], fused)
        else:
            found[m] = rollout_step(found[m], fused, discard)
            if stayed is not None:
                stayed[m] = stayed_step(stayed[m][:, None], fused, discard)[:, 0]

    yield from passed.follow_back(names, layers, use)
    return torch.stack(found).permute(2, 1, 0, 3)


def positive_part(weights: Tensor, gradient: Tensor) -> Tensor:
    """max(G * A, 0), (B, heads, N, N): weights that speak for the keypoint, by how much."""
    return (gradient.float() * weights).clamp_(min=0)


def _without_gradients() -> str:
    """Methods to choose instead, with nothing to install."""
    every = METHODS.values()
    free = [each.name for each in every if each.cost != "keypoint" and each.requires is None]
    return alternatives(free)


def _graph_bytes(network: KeypointNetwork, images: Tensor, first: int) -> int:
    """About how much the graphs of the blocks from `first` on hold."""
    backbone = network.backbone
    blocks = backbone.blocks
    attention: Any = attention_of(blocks[0])
    tokens = backbone.num_prefix_tokens + backbone.grid[0] * backbone.grid[1]
    # Weights before and after the softmax; queries, keys, values, the MLP four times as wide.
    numbers = 3 * int(attention.num_heads) * tokens**2 + 20 * tokens * backbone.embed_dim
    return (len(blocks) - first) * len(images) * numbers * images.element_size()


def _together(captured: Sequence[Tensor], count: int) -> int:
    """How many scores may go back at once."""
    if not captured:
        return count
    # The weights' gradient and what is needed to get it.
    bytes_each = 4 * captured[0].numel() * captured[0].element_size()
    return max(1, min(count, TOGETHER // bytes_each))


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Parameters ask for no gradients: no graph grows but where one is begun by hand."""
    asking = [parameter for parameter in network.parameters() if parameter.requires_grad]
    try:
        for parameter in asking:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in asking:
            parameter.requires_grad_(True)
