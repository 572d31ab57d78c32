"""Reading attention weights from the blocks of a ViT while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from napari_vitface.model.probe import attention_of, unfused


@contextmanager
def capture_attention(
    blocks: Sequence[nn.Module], keep: Callable[[Tensor], Tensor]
) -> Iterator[list[Tensor]]:
    """Collect what `keep` makes of the attention weights of `blocks`, one entry a block.

    Within the ``with`` block each forward pass appends, in the order of the blocks,
    ``keep(attention)`` with the softmaxed weights (B, heads, N, N); row i says where token i
    looks. Reducing heads in `keep` saves memory: the full weights are free again at once.

    Fused attention never writes the weights out; it is switched off for these blocks and, like
    the hooks, put back as it was, whatever happens within.
    """
    attentions: list[Any] = [attention_of(block) for block in blocks]
    kept: list[Tensor] = []

    def hook(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        kept.append(keep(inputs[0]))

    hooks = []
    try:
        for attention in attentions:
            hooks.append(attention.attn_drop.register_forward_pre_hook(hook))
        with unfused(attentions):
            yield kept
    finally:
        for handle in hooks:
            handle.remove()
