"""Feeding grey images to weights that were trained on RGB, without changing what they compute."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from napari_vitface.model.backbone import Backbone


@torch.no_grad()
def fold_grey(backbone: Backbone) -> None:
    """Make a backbone with a three-channel stem take grey images, exactly.

    A grey pixel g, normalised as x = (g - m) / s, stands for the three channels
    (g - mean_c) / std_c = x * s / std_c + (m - mean_c) / std_c. Where the stem is one plain
    convolution without padding, this affine map goes into its weights, which then have one
    channel. Where it is not (a ResNet stem standardises its weights), the three channels are made
    from the grey one in the forward pass.
    """
    model: Any = backbone.model
    config = getattr(model, "pretrained_cfg", None) or {}
    device = next(model.parameters()).device
    std = torch.tensor(config.get("std", (0.5,) * 3), dtype=torch.float32, device=device)
    mean = torch.tensor(config.get("mean", (0.5,) * 3), dtype=torch.float32, device=device)
    scale = backbone.std[0] / std
    shift = (backbone.mean[0] - mean) / std
    same = bool(torch.allclose(shift, torch.zeros_like(shift), atol=1e-7))
    projection: Any = getattr(model.patch_embed, "proj", None)
    plain = (
        type(projection) is nn.Conv2d
        and projection.in_channels == 3
        and projection.padding == (0, 0)
        and not hasattr(model.patch_embed, "backbone")
        and (same or projection.bias is not None)
    )
    if plain:
        folded = nn.Conv2d(
            1,
            projection.out_channels,
            projection.kernel_size,
            projection.stride,
            bias=projection.bias is not None,
            device=device,
        )
        weight = projection.weight
        folded.weight.copy_((weight * scale.view(1, 3, 1, 1)).sum(dim=1, keepdim=True))
        if folded.bias is not None:
            folded.bias.copy_(projection.bias + (weight.sum(dim=(2, 3)) * shift).sum(dim=1))
        model.patch_embed.proj = folded
        backbone.timm_args.pop("in_chans", None)
        backbone.grey_scale = backbone.grey_shift = None
    else:
        backbone.grey_scale = scale.view(1, 3, 1, 1)
        backbone.grey_shift = shift.view(1, 3, 1, 1)
