"""What is learnt how fast: parameter groups and the course of the learning rate."""

from __future__ import annotations

import math
from typing import TypedDict

from timm.optim import param_groups_layer_decay, param_groups_weight_decay
from torch import nn

from napari_vitface.model.network import KeypointNetwork


class ParameterGroup(TypedDict, total=False):
    """A group as torch's optimisers take it, with what is ours."""

    params: list[nn.Parameter]
    weight_decay: float
    lr: float
    lr_scale: float
    part: str


def parameter_groups(
    module: nn.Module, weight_decay: float, layer_decay: float
) -> list[ParameterGroup]:
    """Groups for AdamW, with ``lr_scale`` (a factor of the rate) and ``part`` in each.

    Biases, norms and position embeddings are not decayed, as usual for transformers. In a
    backbone, the rate falls by the factor `layer_decay` from each block to the one before it: what
    the first blocks know (edges, fur) fits any video (Clark et al., "ELECTRA", 2020; BEiT).

    Parameters
    ----------
    module : KeypointNetwork, or its head alone
    """
    head = module.head if isinstance(module, KeypointNetwork) else module
    groups: list[ParameterGroup] = [
        {**group, "lr_scale": 1.0, "part": "head"}
        for group in param_groups_weight_decay(head, weight_decay)
    ]
    if isinstance(module, KeypointNetwork):
        # The timm model itself: of a wrapper timm knows no layers, and would not decay the rate.
        model = module.backbone.model
        free = model.no_weight_decay() if hasattr(model, "no_weight_decay") else set()  # type: ignore[operator]
        groups += [
            {**group, "part": "backbone"}
            for group in param_groups_layer_decay(
                model, weight_decay, no_weight_decay_list=free, layer_decay=layer_decay
            )
        ]
    return groups


def rate(step: int, steps: int, warm_up: int) -> float:
    """Share of the learning rate at a step (from 1): a linear rise, then a cosine down to 1 %."""
    if step < warm_up:
        return step / warm_up
    done = (step - warm_up) / max(1, steps - warm_up)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * min(1.0, done))) / 2


def backbone_rate(step: int, frozen: int, warm_up: int) -> float:
    """Further factor of the backbone's rate: 0 while it is frozen, then a linear rise."""
    if step <= frozen:
        return 0.0
    return min(1.0, (step - frozen) / warm_up) if frozen and warm_up else 1.0
