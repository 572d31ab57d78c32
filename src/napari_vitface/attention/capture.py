"""Reading attention weights from the blocks of a ViT while it runs.

`capture_fused` is for maps that need one matrix a layer: heads fused, no gradients. It takes the
place of the fused kernel and reads the weights off between its two products, so it costs little
more than the pass. `capture_attention` gives each head's weights as they are, with gradients if
they are on, and has the blocks take the slow way of writing them all out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from napari_vitface.attention.fused import Workspace, attend
from napari_vitface.attention.rollout import fuse_heads
from napari_vitface.errors import VitFaceError
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


@contextmanager
def capture_fused(
    blocks: Sequence[nn.Module],
    fusion: str = "mean",
    head: int | None = None,
    workspace: Workspace | None = None,
) -> Iterator[list[Tensor]]:
    """Collect the attention of `blocks` with heads fused, one (B, N, N) float32 tensor a block.

    The numbers are those of ``capture_attention(blocks, partial(fuse_heads, ...))``. Where a block
    calls PyTorch's fused attention, `napari_vitface.attention.fused.attend` answers that call, with
    the same output; no block is changed, and only the calls of these blocks are answered. A block
    that writes its weights out by itself is read where it does. With a `workspace`, the tensors are
    its memory and hold only until it is rewound.

    Raises
    ------
    VitFaceError
        At the end of the ``with`` block: a layer of this model has no single attention map.
    """
    attentions: list[Any] = [attention_of(block) for block in blocks]
    kept: list[Tensor] = []

    def answer(
        query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, scale: Any
    ) -> Tensor:
        output, fused = attend(
            query, key, value, bias, scale=scale, fusion=fusion, head=head, workspace=workspace
        )
        kept.append(fused)
        return output

    watch = _Watch(answer)
    calls: list[int] = []

    def enter(_module: nn.Module, _inputs: tuple[Any, ...]) -> None:
        calls.append(len(kept))
        watch.__enter__()

    def leave(_module: nn.Module, _inputs: tuple[Any, ...], _output: Any) -> None:
        watch.__exit__(None, None, None)
        if len(kept) != calls[-1] + 1:
            raise VitFaceError(
                "The layers of this model mix several attention maps each, so that there is no one "
                "map of a layer to show."
            )

    def written_out(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        kept.append(fuse_heads(inputs[0], fusion, head))

    hooks = []
    try:
        for attention in attentions:
            hooks.append(attention.register_forward_pre_hook(enter))
            # Called after an error, too: the watch must not stay on.
            hooks.append(attention.register_forward_hook(leave, always_call=True))
            hooks.append(attention.attn_drop.register_forward_pre_hook(written_out))
        yield kept
    finally:
        for handle in hooks:
            handle.remove()


class _Watch(TorchFunctionMode):
    """While it is on, has calls of fused attention answered by `answer`."""

    def __init__(self, answer: Callable[..., Tensor]) -> None:
        super().__init__()
        self._answer = answer

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            call = _plain_call(*args, **kwargs)
            if call is not None:
                return self._answer(*call)
        return func(*args, **kwargs)


def _plain_call(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None, float | None] | None:
    """The arguments of `attend`; None for a kind of attention that no supported ViT asks for."""
    if dropout_p > 0 or is_causal or enable_gqa or query.ndim != 4 or query.shape != key.shape:
        return None
    return query, key, value, attn_mask, scale
