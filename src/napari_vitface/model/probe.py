"""Finding out, by trying, whether the blocks of a backbone give attention maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from napari_vitface.model.backbone import Backbone


def probe_attention(backbone: Backbone) -> str:
    """Why `backbone` gives no attention maps, as part of a sentence; empty if it gives them.

    One dummy image passes through the first block and through one block of every further kind;
    each must give one map of (1, heads, N, N) with N = prefix tokens + patches, without negatives
    and with rows that sum to 1. Only these blocks run, so that a large model is judged in a
    fraction of a second; the others must be of the same kinds.
    """
    blocks = backbone.blocks
    attentions = [getattr(block, "attn", None) for block in blocks]
    drops = [getattr(attention, "attn_drop", None) for attention in attentions]
    if any(not isinstance(drop, nn.Module) for drop in drops):
        return "its blocks do not show their attention weights (no attn.attn_drop)"
    chosen: dict[Any, int] = {}
    for index, (block, attention) in enumerate(zip(blocks, attentions, strict=True)):
        window = getattr(block, "window_size", None)
        chosen.setdefault((type(block), type(attention), window), index)
    maps: list[Tensor] = []
    model: Any = backbone.model
    all_blocks, training = model.blocks, model.training
    fused = [getattr(attentions[index], "fused_attn", None) for index in chosen.values()]
    parameter = next(model.parameters())
    dummy = torch.linspace(-1, 1, backbone.input_size[0] * backbone.input_size[1])
    images = dummy.view(1, 1, *backbone.input_size).expand(1, backbone.channels, -1, -1)
    hooks = []
    try:
        model.blocks = (
            type(all_blocks)([blocks[index] for index in chosen.values()])
            if isinstance(all_blocks, nn.ModuleList)
            else nn.Sequential(*[blocks[index] for index in chosen.values()])
        )
        model.eval()
        for index in chosen.values():
            if hasattr(attentions[index], "fused_attn"):
                attentions[index].fused_attn = False  # type: ignore[union-attr,assignment]
            hooks.append(
                drops[index].register_forward_pre_hook(  # type: ignore[union-attr]
                    lambda _, inputs: maps.append(inputs[0].detach().float())
                )
            )
        with torch.no_grad():
            prefix, patches = backbone(images.to(parameter.device, parameter.dtype))
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        text = str(error).strip().splitlines()
        return (
            f"a trial image does not pass through it ({(text or [type(error).__name__])[0][:160]})"
        )
    finally:
        for hook in hooks:
            hook.remove()
        model.blocks = all_blocks
        model.train(training)
        for index, value in zip(chosen.values(), fused, strict=True):
            if value is not None:
                attentions[index].fused_attn = value  # type: ignore[union-attr,assignment]
    tokens = backbone.num_prefix_tokens + backbone.grid[0] * backbone.grid[1]
    if prefix.shape[1] + patches.shape[2] * patches.shape[3] != tokens:
        return "its tokens are not the prefix tokens and the patches of the image"
    if len(maps) != len(chosen):
        return f"{len(chosen)} of its blocks were tried and gave {len(maps)} attention maps"
    for attention in maps:
        if attention.ndim != 4 or attention.shape[0] != 1 or attention.shape[2:] != (tokens,) * 2:
            return (
                f"its attention is not over all tokens (a map of {tuple(attention.shape)} "
                f"where {tokens} tokens attend to each other)"
            )
        sums = attention.sum(dim=-1)
        if bool((attention < 0).any()) or float((sums - 1).abs().max()) > 1e-4:
            return "what its blocks give are not attention weights (rows do not sum to 1)"
    return ""
