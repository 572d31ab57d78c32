"""Attention rollout (Abnar and Zuidema 2020), a few rows of it at a time.

Rollout follows attention through the layers as a random walk with residual connections: with the
heads of layer l fused to F_l, it is R = A_L ... A_1, where A_l = (F_l + I) with rows divided by
their sums. Row i of R says how much of the last layer's token i comes from each input token.

Only a few rows are ever wanted (one a keypoint), and row vectors can be multiplied from the left,
last layer first: V <- (V / s) F + V / s with s the row sums of F + I. That costs N^2 a row and
layer where the full product costs N^3.

Gradient rollout is the same with other F_l (`napari_vitface.attention.gradients`). Relevance
(Chefer, Gur and Wolf 2021, the rule for self-attention) leaves the rows as they are:
V <- V + V F.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

HEAD_FUSIONS = ("mean", "max", "min")


def fuse_heads(attention: Tensor, fusion: str = "mean", head: int | None = None) -> Tensor:
    """One float32 map (B, N, N) of the weights (B, heads, N, N): heads fused, or one of them."""
    if fusion not in HEAD_FUSIONS:
        raise ValueError(f"head fusion must be one of {HEAD_FUSIONS}, got {fusion!r}")
    first, *others = attention.unbind(dim=1) if head is None else [attention[:, head]]
    fused = first.to(torch.float32, copy=True)
    # One head after the other into one map: half the time of a reduction over a middle axis.
    for weights in others:
        if fusion == "mean":
            fused.add_(weights)
        else:
            limit = torch.maximum if fusion == "max" else torch.minimum
            limit(fused, weights.float(), out=fused)
    return fused.div_(1 + len(others)) if fusion == "mean" else fused


def discard_lowest(fused: Tensor, ratio: float) -> Tensor:
    """Zero the lowest weights of each row.

    In every row of every map, the floor(ratio * N) lowest of the N weights become 0; weights tied
    with the lowest one kept are kept. No token is protected: the identity that rollout adds
    afterwards keeps each token's own path.

    Parameters
    ----------
    fused : (B, N, N) tensor
    ratio : float
        In [0, 1).
    """
    if not 0 <= ratio < 1:
        raise ValueError(f"the discard ratio must be at least 0 and below 1, got {ratio}")
    count = int(ratio * fused.shape[-1])
    if count == 0:
        return fused
    lowest_kept = fused.kthvalue(count + 1, dim=-1, keepdim=True).values
    return torch.where(fused < lowest_kept, 0.0, fused)


def rollout_rows(fused: Sequence[Tensor], rows: Tensor, discard: float = 0.0) -> Tensor:
    """Rows of the rollout, as weighted by `rows`.

    Parameters
    ----------
    fused : sequence of (B, N, N) tensors
        Attention with fused heads, first layer first.
    rows : (B, R, N) tensor
        Weights over the last layer's tokens, each row summing to 1; a one-hot row gives that row
        of the rollout.
    discard : float
        See `discard_lowest`.

    Returns
    -------
    (B, R, N) float32 tensor
        Weights over the input tokens; rows sum to 1.
    """
    result = rows.float()
    for attention in reversed(fused):
        result = rollout_step(result, attention, discard)
    return result


def stayed_rows(fused: Sequence[Tensor], rows: Tensor, discard: float = 0.0) -> Tensor:
    """The part of `rollout_rows` that no attention moved: what residual connections passed on."""
    result = rows.float()
    for attention in reversed(fused):
        result = stayed_step(result, attention, discard)
    return result


def stayed_step(rows: Tensor, fused: Tensor, discard: float) -> Tensor:
    """`rows` (B, R, N) as far as they stay where they are in one layer of the rollout."""
    return rows / (discard_lowest(fused, discard).sum(dim=-1) + 1).unsqueeze(1)


def rollout_step(rows: Tensor, fused: Tensor, discard: float) -> Tensor:
    """`rows` (B, R, N) times one layer of the rollout, whose fused heads are (B, N, N)."""
    weights = discard_lowest(fused, discard)
    # The identity adds 1 to the sum of each row.
    rows = rows / (weights.sum(dim=-1) + 1).unsqueeze(1)
    return torch.baddbmm(rows, rows, weights)


def relevance_step(rows: Tensor, fused: Tensor) -> Tensor:
    """`rows` (B, R, N) times one layer of the relevance: V + V F."""
    return torch.baddbmm(rows, rows, fused)
