"""What is asked of an attention map, checked against the model: one sentence where it cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from napari_vitface.attention.rollout import HEAD_FUSIONS
from napari_vitface.attention.starts import GLOBAL, Points
from napari_vitface.errors import VitFaceError
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.probe import attention_of

#: From the attention weights alone; from the weights and their gradients; from what the network
#: does when parts of the image are blanked.
ROLLOUTS = ("rollout", "raw")
GRADIENTS = ("gradient-rollout", "relevance")
PERTURBATIONS = ("occlusion", "superpixels")
METHODS = (*ROLLOUTS, *GRADIENTS, *PERTURBATIONS)

Layers = str | int | tuple[int | None, int | None] | None


@dataclass(frozen=True)
class Choices:
    """Settings that fit a model; made by `resolve`.

    Attributes
    ----------
    names : tuple of str
        What each map explains: keypoints, ``"global"``, names of points.
    method, head_fusion, head, discard, hide_self
        See `napari_vitface.attention.maps.attention_maps`.
    layers : range
        Blocks; empty for methods that know no layers.
    points : mapping of str to (x, y)
        Input pixels.
    """

    names: tuple[str, ...]
    method: str
    layers: range
    head_fusion: str = "mean"
    head: int | None = None
    discard: float = 0.0
    hide_self: bool = False
    points: Points = field(default_factory=dict)

    def described(self) -> dict[str, Any]:
        """As plain data: of the settings, those that the method knows."""
        settings: dict[str, Any] = {"method": self.method}
        if self.method not in PERTURBATIONS:
            settings["layers"] = [self.layers.start, self.layers.stop]
            settings["head_fusion"] = self.head_fusion if self.head is None else f"head {self.head}"
            settings["discard"] = self.discard
        settings["hide_self"] = self.hide_self
        return settings


def resolve(
    network: KeypointNetwork,
    *,
    keypoints: str | Sequence[str] = "all",
    points: Points | None = None,
    method: str = "rollout",
    layers: Layers = None,
    head_fusion: str = "mean",
    head: int | None = None,
    discard: float = 0.0,
    hide_self: bool = False,
    story: bool = False,
) -> Choices:
    """The choices for a network.

    Raises
    ------
    VitFaceError
        A choice does not fit the model, or two do not fit each other.
    """
    points = dict(points or {})
    names = (*_names(keypoints, network, bool(points)), *points)
    if method not in METHODS:
        raise VitFaceError(
            f"There is no attention method {method!r}; choose {', '.join(METHODS[:-1])} or "
            f"{METHODS[-1]}."
        )
    if points and method not in ROLLOUTS:
        raise VitFaceError(
            f"Only rollout and raw attention can start from a point; {method} explains keypoints."
        )
    if head_fusion not in HEAD_FUSIONS:
        raise VitFaceError(
            f"Heads cannot be fused by {head_fusion!r}; choose {', '.join(HEAD_FUSIONS)}."
        )
    if not 0 <= discard < 1:
        raise VitFaceError(f"The discard ratio must be at least 0 and below 1, not {discard}.")
    if head is not None:
        attention: Any = attention_of(network.backbone.blocks[0])
        heads = int(attention.num_heads)
        if not 0 <= head < heads:
            raise VitFaceError(f"The model has heads 0 to {heads - 1}, not {head}.")
    if method == "relevance" and (head_fusion != "mean" or head is not None or discard):
        raise VitFaceError(
            "Relevance is the mean over all heads with nothing discarded; choose these, or "
            "gradient-rollout."
        )
    if method in PERTURBATIONS:
        if layers is not None or story or head is not None or discard:
            raise VitFaceError(
                f"The method {method} blanks parts of the image and knows no layers and no heads; "
                "leave these settings out."
            )
        chosen = range(0)
    else:
        chosen = resolve_layers(layers, len(network.backbone.blocks), "story" if story else method)
    return Choices(names, method, chosen, head_fusion, head, discard, hide_self, points)


def usual_layers(method: str, count: int) -> int:
    """How many of a model's layers, the last ones, a method looks at unless it is told which."""
    if method == "raw":
        return 1
    # Over all of them rollout is nearly even and explains little: see docs/attention.md.
    return max(1, round(count / 3)) if method == "rollout" else count


def resolve_layers(layers: Layers, count: int, method: str) -> range:
    """Blocks as a range within 0..count, from what the user gave; see `attention_maps`.

    Raises
    ------
    VitFaceError
        It is no range of blocks of a model with `count` of them.
    """
    first: int | None
    stop: int | None
    try:
        if layers is None:
            first, stop = count - usual_layers(method, count), count
        elif isinstance(layers, str):
            parts = [int(part) if part.strip() else None for part in layers.split(":")]
            if len(parts) == 1 and parts[0] is not None:
                first, stop = parts[0], parts[0] + 1 or None
            else:
                first, stop = parts
        elif isinstance(layers, int):
            first, stop = layers, layers + 1 or None
        else:
            first, stop = layers
        for bound in (first, stop):
            if bound is not None and not -count <= bound <= count:
                raise ValueError
        chosen = range(*slice(first, stop).indices(count))
    except (ValueError, TypeError):
        chosen = range(0)
    if not len(chosen):
        raise VitFaceError(
            f"Layers {layers!r} are no range of the model's {count} blocks; give A:B with "
            f"0 <= A < B <= {count}."
        )
    if method == "raw" and len(chosen) != 1:
        raise VitFaceError(
            f"Raw attention is of one layer, and {layers!r} are {len(chosen)}; give one number "
            f"from 0 to {count - 1}."
        )
    return chosen


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
