"""What training minimises, masked by what is labelled."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_vitface.model.decoding import encode_heatmaps
from napari_vitface.model.heads import pixels_to_coordinates


def heatmap_loss(logits: Tensor, xy: Tensor, stride: tuple[float, float], sigma: float) -> Tensor:
    """Cross-entropy between softmax heatmaps and Gaussians about the labels.

    Parameters
    ----------
    logits : (B, K, h, w) tensor
        Output of the heatmap head.
    xy : (B, K, 2) tensor
        Labels in input pixels; NaN rows count for nothing.
    stride : (y, x) float
        Input pixels a heatmap pixel.
    sigma : float
        Spread of the target in heatmap pixels.

    Returns
    -------
    scalar tensor
        Mean over labelled keypoints, less the entropy of the targets: a perfect map gives 0.
    """
    labelled = torch.isfinite(xy).all(dim=-1)
    target = encode_heatmaps(xy, (logits.shape[-2], logits.shape[-1]), stride, sigma).flatten(2)
    log_p = F.log_softmax(logits.flatten(2).float(), dim=-1)
    divergence = (torch.special.xlogy(target, target) - target * log_p).sum(dim=-1)
    return divergence[labelled].sum() / labelled.sum().clamp_min(1)


def coordinate_loss(output: Tensor, xy: Tensor, input_size: tuple[int, int]) -> Tensor:
    """Mean squared error of coordinates in units of the input's size, over labelled keypoints.

    `output` (B, K, 2) is what the regression head gives, 0..1 across the input.
    """
    labelled = torch.isfinite(xy).all(dim=-1)
    error = (output.float() - pixels_to_coordinates(xy, input_size)).square().sum(dim=-1)
    return error[labelled].sum() / labelled.sum().clamp_min(1)
