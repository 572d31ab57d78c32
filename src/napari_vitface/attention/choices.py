"""What is asked of an attention map, checked against the model, and what a method answers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from torch import Tensor

from napari_vitface.attention.blanking import Area
from napari_vitface.attention.seeds import GLOBAL, Points
from napari_vitface.errors import VitFaceError
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.predictor import KeypointModel
from napari_vitface.model.probe import attention_of
from napari_vitface.settings.attention import METHODS, alternatives
from napari_vitface.settings.attention_method import AttentionMethod, FusedMethod, LayeredMethod

How = TypeVar("How", bound=AttentionMethod, covariant=True)


@dataclass(frozen=True)
class Choices(Generic[How]):
    """What a method is asked for; made by `resolve`.

    Attributes
    ----------
    how : AttentionMethod
        The method with its settings.
    names : tuple of str
        What each map explains: keypoints, ``"global"``, names of points.
    layers : range
        Blocks; empty for methods that know no layers.
    ends : tuple of int
        Maps are wanted of the layers up to each of these: the last of `layers`, or each.
    points : mapping of str to (x, y)
        Input pixels.
    stayed : bool
        The part of the last maps that no attention moved is wanted, too.
    area : (top, left, height, width), optional
        The part of the input that shows the frame; the rest is padding.
    pixel : (x, y) float
        Video pixels an input pixel, the unit of distances.
    """

    how: How
    names: tuple[str, ...]
    layers: range
    ends: tuple[int, ...]
    points: Points
    stayed: bool
    area: Area | None
    pixel: tuple[float, float]


@dataclass(frozen=True)
class Found:
    """What a method computed of B images.

    Attributes
    ----------
    output : tensor
        Of the network, on the whole images.
    maps : sequence of (B, M, N) or (B, M, patches) tensors
        For each of `Choices.ends`, one map for each name: over all tokens, those of the prefix
        first, or over patches row by row.
    start : mapping
        What maps start from, in words: see `napari_vitface.attention.seeds.seed_rows`.
    rows : (B, M, N) tensor, optional
        The seed tokens of the maps; by default those that the head reads.
    total : sequence of (B, M) tensors, optional
        What maps were divided by; by default 1.
    stayed : (B, M, N) tensor, optional
        The part of the last map that no attention moved.
    """

    output: Tensor
    maps: Sequence[Tensor]
    start: Mapping[str, str] = field(default_factory=dict)
    rows: Tensor | None = None
    total: Sequence[Tensor] | None = None
    stayed: Tensor | None = None


#: Generators tell in between how far they are, as (done, total).
Steps = Generator[tuple[int, int], None, Found]
#: What `AttentionMethod.compute` names; `Tensor` are model inputs (B, C, H, W), uint8.
Compute = Callable[[KeypointModel, Tensor, Choices[Any]], Found | Steps]


def resolve(
    network: KeypointNetwork,
    how: AttentionMethod,
    *,
    keypoints: str | Sequence[str] = "all",
    points: Points | None = None,
    story: bool = False,
    stayed: bool = False,
    area: Area | None = None,
    pixel: tuple[float, float] = (1.0, 1.0),
) -> Choices[AttentionMethod]:
    """The choices for a network.

    Raises
    ------
    VitFaceError
        A choice does not fit the model, or two do not fit each other.
    """
    points = dict(points or {})
    names = (*_names(keypoints, network, bool(points)), *points)
    if points and not how.starts_anywhere:
        able = [name for name, method in METHODS.items() if method.starts_anywhere]
        raise VitFaceError(
            f"Only maps of {alternatives(able)} can start from a point; {how.name} explains "
            "keypoints."
        )
    if isinstance(how, FusedMethod) and how.head is not None:
        attention: Any = attention_of(network.backbone.blocks[0])
        heads = int(attention.num_heads)
        if not 0 <= how.head < heads:
            raise VitFaceError(f"The model has heads 0 to {heads - 1}, not {how.head}.")
    layers = range(0)
    if isinstance(how, LayeredMethod):
        layers = how.resolved(len(network.backbone.blocks), story=story)
    elif story:
        raise VitFaceError(f"The method {how.name} {how.limits}; ask for no layers of it.")
    ends = tuple(range(layers.start + 1, layers.stop + 1)) if story else (layers.stop,)
    return Choices(how, names, layers, ends, points, stayed, area, pixel)


def _names(
    keypoints: str | Sequence[str], network: KeypointNetwork, others: bool
) -> tuple[str, ...]:
    known = network.keypoints.names
    if isinstance(keypoints, str):
        if keypoints == "all":
            return (*known, GLOBAL)
        keypoints = (keypoints,)
    unknown = [name for name in keypoints if name != GLOBAL and name not in known]
    if unknown or not (keypoints or others):
        raise VitFaceError(
            f"The model has no keypoint {', '.join(map(repr, unknown)) or 'of no name'}; choose "
            f"all, global, or from: {', '.join(known)}."
        )
    return tuple(keypoints)
