"""What training minimises, masked by what is labelled."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_vitface.model.heads import pixels_to_coordinates
from napari_vitface.model.heatmap_decoding import encode_heatmaps


def heatmap_loss(
    logits: Tensor,
    xy: Tensor,
    stride: tuple[float, float],
    sigma: float,
    occluded: Tensor | None = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """Cross-entropy between softmax heatmaps and Gaussians about the labels.

    Parameters
    ----------
    logits : (B, K, h, w) tensor
        Output of the heatmap head.
    xy : (B, K, 2) tensor
        Labels in input pixels; NaN rows count for nothing, unless they are occluded.
    stride : (y, x) float
        Input pixels a heatmap pixel.
    sigma : float
        Spread of the target in heatmap pixels.
    occluded : (B, K) bool tensor, optional
        Points that a person marked as not to be seen: their target is the uniform map, so that the
        model learns to be unsure where it cannot know, whatever place the person guessed.
    reduction : {"mean", "sum"}

    Returns
    -------
    scalar tensor
        Mean (or sum) over the points taught, less the entropy of the targets: a perfect map
        gives 0.
    """
    target = encode_heatmaps(xy, (logits.shape[-2], logits.shape[-1]), stride, sigma).flatten(2)
    taught = torch.isfinite(xy).all(dim=-1)
    if occluded is not None:
        target = torch.where(occluded[..., None], 1 / target.shape[-1], target)
        taught = taught | occluded
    log_p = F.log_softmax(logits.flatten(2).float(), dim=-1)
    divergence = (torch.special.xlogy(target, target) - target * log_p).sum(dim=-1)
    return _reduced(divergence[taught].sum(), taught, reduction)


def coordinate_loss(
    output: Tensor,
    xy: Tensor,
    input_size: tuple[int, int],
    occluded: Tensor | None = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """Mean squared error of coordinates in units of the input's size, over labelled keypoints.

    `output` (B, K, 2) is what the regression head gives, 0..1 across the input. It has no way to
    say that a point cannot be seen: occluded points count for nothing.
    """
    taught = torch.isfinite(xy).all(dim=-1)
    if occluded is not None:
        taught = taught & ~occluded
    target = pixels_to_coordinates(xy, input_size)
    # The gradient of what is masked would be 0 times NaN, which is NaN: nothing may be missing.
    target = torch.where(taught[..., None], target, 0.0)
    error = (output.float() - target).square().sum(dim=-1)
    return _reduced((error * taught).sum(), taught, reduction)


def points_taught(xy: Tensor, occluded: Tensor, *, heatmap: bool) -> int:
    """Number of points that the losses above sum over."""
    labelled = torch.isfinite(xy).all(dim=-1)
    return int(((labelled | occluded) if heatmap else (labelled & ~occluded)).sum())


def _reduced(total: Tensor, taught: Tensor, reduction: str) -> Tensor:
    return total if reduction == "sum" else total / taught.sum().clamp_min(1)
