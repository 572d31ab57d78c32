"""Finding out, by trying, whether the blocks of a backbone give attention maps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from napari_vitface.errors import BackboneError
from napari_vitface.model.backbone import Backbone
from napari_vitface.model.error_text import first_line


def attention_of(block: nn.Module) -> nn.Module | None:
    """The module of a timm block that computes attention weights and passes them to `attn_drop`.

    That is the block itself where attention and MLP run in parallel (`ParallelScalingBlock`).
    None where there is no such module.
    """
    for module in (getattr(block, "attn", None), block):
        if isinstance(getattr(module, "attn_drop", None), nn.Module):
            return module
    return None


@contextmanager
def unfused(attentions: list[nn.Module]) -> Iterator[None]:
    """Let attention modules write their weights out, which fused kernels never do."""
    before = [getattr(attention, "fused_attn", None) for attention in attentions]
    try:
        for attention, was in zip(attentions, before, strict=True):
            if was is not None:
                attention.fused_attn = False  # type: ignore[assignment]
        yield
    finally:
        for attention, was in zip(attentions, before, strict=True):
            if was is not None:
                attention.fused_attn = was


def probe_attention(backbone: Backbone) -> str:
    """Why `backbone` gives no attention maps, as part of a sentence; empty if it gives them.

    One dummy image passes through the first block and through one block of every further kind;
    each must give one map of (1, heads, N, N) with N = prefix tokens + patches, without negatives
    and with rows that sum to 1. Only these blocks run, so that a large model is judged in a
    fraction of a second; the others are of the same kinds.
    """
    kinds: dict[Any, tuple[nn.Module, nn.Module]] = {}
    for block in backbone.blocks:
        attention = attention_of(block)
        if attention is None:
            return "its blocks do not show their attention weights (no single attn.attn_drop)"
        kind = (type(block), type(attention), getattr(block, "window_size", None))
        kinds.setdefault(kind, (block, attention))
    try:
        tokens, maps = _trial(backbone, list(kinds.values()))
    except BackboneError as error:
        return str(error)
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        return f"a trial image does not pass through it ({first_line(error)})"
    if len(maps) != len(kinds):
        return f"{len(kinds)} of its blocks were tried and gave {len(maps)} attention maps"
    for attention_map in maps:
        shape = tuple(attention_map.shape)
        if len(shape) != 4 or shape[0] != 1 or shape[2:] != (tokens, tokens):
            return (
                f"its attention is not over all tokens (a map of {shape} where {tokens} tokens "
                "attend to each other)"
            )
        sums = attention_map.sum(dim=-1)
        if bool((attention_map < 0).any()) or float((sums - 1).abs().max()) > 1e-4:
            return "what its blocks give are not attention weights (rows do not sum to 1)"
    return ""


@torch.no_grad()
def _trial(
    backbone: Backbone, chosen: list[tuple[nn.Module, nn.Module]]
) -> tuple[int, list[Tensor]]:
    """The number of tokens, and the attention weights of the chosen blocks alone."""
    model: Any = backbone.model
    blocks, training = model.blocks, model.training
    parameter = next(model.parameters())
    ramp = torch.linspace(-1, 1, backbone.input_size[0] * backbone.input_size[1])
    image = ramp.view(1, 1, *backbone.input_size).expand(1, backbone.channels, -1, -1)
    maps: list[Tensor] = []
    hooks = []
    try:
        few = [block for block, _ in chosen]
        model.blocks = nn.Sequential(*few) if type(blocks) is nn.Sequential else type(blocks)(few)
        model.eval()
        for _, attention in chosen:
            drop: Any = attention.attn_drop
            hooks.append(
                drop.register_forward_pre_hook(lambda _, inputs: maps.append(inputs[0].float()))
            )
        with unfused([attention for _, attention in chosen]):
            prefix, patches = backbone(image.to(parameter.device, parameter.dtype))
    finally:
        for hook in hooks:
            hook.remove()
        model.blocks = blocks
        model.train(training)
    return prefix.shape[1] + patches.shape[2] * patches.shape[3], maps
