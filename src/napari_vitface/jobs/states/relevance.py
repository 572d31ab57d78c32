"""Where in the face the tokens come from that a classifier of states is fitted on.

Relevance (Chefer et al. 2021, arXiv:2103.15679) and rollout (Abnar and Zuidema 2020,
arXiv:2005.00928) start from the token that is classified: the class token's own row, or all patches
alike where their mean is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.states.fitted import Linear
from napari_vitface.states.samples import BOTH

if TYPE_CHECKING:
    from napari_vitface.states.explaining import Frame
    from napari_vitface.states.model_file import StatesModel


def relevance(frame: Frame, state: int, grid: tuple[int, int]) -> NDArray[np.float64]:
    """(rows, columns) where that of the tokens comes from which speaks for a state.

    V <- V + V mean_h((G * A)+), from the token that is classified.

    Raises
    ------
    VitFaceError
        The classifier is not of tokens, or has no gradients.
    """
    return _through_layers(frame, grid, _direction(frame.model, state))


def rollout(frame: Frame, state: int, grid: tuple[int, int]) -> NDArray[np.float64]:
    """(rows, columns) where the tokens come from that are classified, whatever the state.

    Raises
    ------
    VitFaceError
        The classifier is not of tokens.
    """
    return _through_layers(frame, grid, None)


def _through_layers(
    frame: Frame, grid: tuple[int, int], weights: NDArray[np.float32] | None
) -> NDArray[np.float64]:
    """By what raises the sum of features with weights (D,); without these by attention alone."""
    import torch

    from napari_vitface.attention.capture import capture_attention
    from napari_vitface.attention.gradients import positive_part
    from napari_vitface.attention.rollout import fuse_heads, relevance_step, rollout_rows
    from napari_vitface.states.features.tokens import TokenExtractor

    if len(frame.extractors) != 1 or not isinstance(frame.extractors[0], TokenExtractor):
        raise VitFaceError(
            "Attention is of classifiers of tokens alone (--features tokens); choose occlusion."
        )
    extractor = frame.extractors[0]
    with torch.enable_grad(), capture_attention(extractor.blocks, lambda each: each) as kept:
        tokens = extractor.with_graph(frame.pictures[0])
        start = extractor.start(kept[0].shape[-1])
        if weights is None:
            rows = rollout_rows([fuse_heads(each.detach()) for each in kept], start)
        else:
            score = (tokens.float() @ torch.from_numpy(weights).to(tokens.device)).sum()
            slopes = torch.autograd.grad(score, kept)
            rows = start
            for each, slope in zip(reversed(kept), reversed(slopes), strict=True):
                rows = relevance_step(rows, fuse_heads(positive_part(each.detach(), slope)))
            # What is left of the start says nothing.
            rows = rows - start
    return extractor.on_crop(rows[0, 0].detach().cpu().numpy(), grid)


def _direction(model: StatesModel, state: int) -> NDArray[np.float32]:
    """(D,) how the answer grows with each feature, of a classifier of sums."""
    if not isinstance(model.fitted, Linear):
        raise VitFaceError(
            "Relevance needs a classifier with gradients, such as logistic; choose occlusion."
        )
    sums = model.fitted.weights
    column = (
        sums.sum(axis=1)
        if sums.shape[1] == 1 or not model.about.states
        else (sums[:, state] - sums.mean(axis=1))
    )
    direction = column / model.fitted.scale
    if model.about.evaluation.tuning.baseline == BOTH:
        direction = direction[: len(direction) // 2] + direction[len(direction) // 2 :]
    return direction.astype(np.float32)
