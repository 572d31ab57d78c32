"""Attention that gives its output and, in passing, its weights with heads fused.

Fused kernels are fast because the weights never leave the processor's cache. Writing out every
head of them (B, heads, N, N) and reading them again, once for the output and once to fuse them, is
what makes attention maps slow. Here the queries are taken a few rows at a time, all heads at once:
their weights are used for the output and added up while they are in the cache, and one buffer
serves all rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

#: Bytes of weights, all heads, that are at hand at a time on a CPU: about what its caches hold.
CACHE = 4 << 20
#: Fewer rows than this at a time make the products slow.
FEWEST_ROWS = 64
#: Bytes of weights at a time on other devices, where many rows at a time are fast.
MEMORY = 256 << 20
#: Bytes of maps that are kept from one pass to the next.
KEPT = 64 << 20


class Workspace:
    """Memory for the maps of one pass, to be used again by the next.

    Memory fresh from the system costs as much time as a tenth of a small model's pass.
    """

    def __init__(self) -> None:
        self._weights: Tensor | None = None
        self._maps: list[Tensor] = []
        self._taken = 0

    def weights(self, like: Tensor, count: int) -> Tensor:
        """`count` numbers of the type of `like`, to be overwritten with each call."""
        held = self._weights
        if held is None or not _alike(held, like) or held.numel() < count:
            with torch.inference_mode(False):
                held = torch.empty(count, dtype=like.dtype, device=like.device)
            self._weights = held
        return held[:count]

    def map(self, like: Tensor, shape: tuple[int, ...]) -> Tensor:
        """A float32 tensor of its own for each call of a pass."""
        i = self._taken
        self._taken += 1
        if i < len(self._maps):
            held = self._maps[i]
            if held.shape == shape and held.device == like.device:
                return held
        # A normal tensor, which may be written to with and without inference mode.
        with torch.inference_mode(False):
            made = torch.empty(shape, dtype=torch.float32, device=like.device)
        self._maps[i : i + 1] = [made]
        return made

    def rewind(self) -> None:
        """The maps of the pass are done with."""
        del self._maps[self._taken :]
        self._taken = 0

    @property
    def nbytes(self) -> int:
        """Bytes that are held."""
        held = [*self._maps, *([] if self._weights is None else [self._weights])]
        return sum(tensor.numel() * tensor.element_size() for tensor in held)


_workspaces: WeakKeyDictionary[nn.Module, Workspace] = WeakKeyDictionary()


@contextmanager
def borrowed_workspace(network: nn.Module) -> Iterator[Workspace]:
    """The workspace of a network, for one pass; it goes with the network.

    Whoever borrows has it alone: a second borrower at the same time gets a new one.
    """
    workspace = _workspaces.pop(network, None) or Workspace()
    try:
        yield workspace
    finally:
        workspace.rewind()
        if workspace.nbytes <= KEPT:
            _workspaces[network] = workspace


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None = None,
    *,
    scale: float | None = None,
    fusion: str = "mean",
    head: int | None = None,
    workspace: Workspace | None = None,
) -> tuple[Tensor, Tensor]:
    """Scaled dot product attention, and its weights with heads fused.

    Computes in the type of `query` what timm's blocks compute when they write their weights out:
    softmax(scale * query @ key^T + bias) @ value. Not for gradients.

    Parameters
    ----------
    query, key, value : (B, heads, N, d) tensors
    bias : tensor, optional
        Broadcasts to (B, heads, N, N); added before the softmax. A boolean one is True where a
        token may be attended to.
    scale : float, optional
        Default: 1 / sqrt(d).
    fusion : {"mean", "max", "min"}
    head : int, optional
        Keep the weights of this head instead of fusing.
    workspace : Workspace, optional
        Where to take memory from.

    Returns
    -------
    output : (B, heads, N, d) tensor
    fused : (B, N, N) float32 tensor
        Of the workspace, so good until that is rewound.
    """
    batch, heads, tokens, width = query.shape
    # As timm does it: the same roundings give the same numbers, bit by bit.
    query = query * (width**-0.5 if scale is None else scale)
    key = key.contiguous()
    workspace = Workspace() if workspace is None else workspace
    # Laid out as the blocks want it next: heads side by side within a token.
    output = query.new_empty(batch, tokens, heads, value.shape[-1]).transpose(1, 2)
    fused = workspace.map(query, (batch, tokens, tokens))
    if bias is not None:
        if bias.dtype == torch.bool:
            bias = torch.zeros_like(bias, dtype=query.dtype).masked_fill_(~bias, -torch.inf)
        bias = bias.expand(batch, heads, tokens, tokens)
    rows = _rows_at_a_time(query)
    buffer = workspace.weights(query, heads * rows * tokens)
    for b in range(batch):
        keys, values = key[b].transpose(1, 2), value[b]
        for start in range(0, tokens, rows):
            part = slice(start, min(start + rows, tokens))
            count = part.stop - start
            weights = buffer[: heads * count * tokens].view(heads, count, tokens)
            torch.bmm(query[b, :, part], keys, out=weights)
            if bias is not None:
                weights.add_(bias[b, :, part])
            torch.softmax(weights, dim=-1, out=weights)
            _fuse(weights, fusion, head, fused[b, part])
            torch.bmm(weights, values, out=output[b, :, part])
    return output, fused


def _rows_at_a_time(query: Tensor) -> int:
    _, heads, tokens, _ = query.shape
    room = CACHE if query.device.type == "cpu" else MEMORY
    return min(tokens, max(FEWEST_ROWS, room // (heads * tokens * query.element_size())))


def _fuse(weights: Tensor, fusion: str, head: int | None, fused: Tensor) -> None:
    """The weights (heads, n, N) as one (n, N) float32 map, written to `fused`."""
    if head is not None:
        fused.copy_(weights[head])
    elif fusion == "mean":
        torch.sum(weights, dim=0, dtype=torch.float32, out=fused)
        fused.mul_(1 / len(weights))
    else:
        fused.copy_(torch.amax(weights, dim=0) if fusion == "max" else torch.amin(weights, dim=0))


def _alike(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and a.device == b.device
