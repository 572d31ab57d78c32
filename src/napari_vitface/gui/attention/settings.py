"""What can be asked about the network's attention, and how the engine is asked for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vitface.gui.layers import ALL_KEYPOINTS, GLOBAL

if TYPE_CHECKING:
    from napari_vitface.gui.crop import Crop
    from napari_vitface.gui.session import OpenVideo, Session

#: ``"all"``, ``"global"``, or names of keypoints, whose maps are averaged.
Target = str | tuple[str, ...]


@dataclass(frozen=True)
class Method:
    """A way to explain a keypoint.

    Attributes
    ----------
    key : str
        Its name in jobs.
    title : str
        What the list of methods calls it.
    help : str
        What it does, in a sentence.
    one_layer : bool
        It looks at one layer and not at a range.
    late : bool
        Unless it is told which, it looks at the last layers only.
    fuses : bool
        Heads can be fused in several ways, or one of them be looked at.
    discards : bool
        The weakest weights can be left out.
    each_costs : bool
        Each keypoint takes time of its own, so that only those that are shown are asked for.
    slow : bool
        Takes seconds a frame.
    attends : bool
        It looks at attention at all.
    """

    key: str
    title: str
    help: str
    one_layer: bool = False
    late: bool = False
    fuses: bool = True
    discards: bool = True
    each_costs: bool = False
    slow: bool = False
    attends: bool = True


METHODS = {
    method.key: method
    for method in (
        Method(
            "rollout",
            "Rollout (through the layers)",
            "Attention multiplied through the last layers, or others, with the residual "
            "connections (Abnar and Zuidema, 2020)",
            late=True,
        ),
        Method(
            "gradient-rollout",
            "Gradient rollout",
            "Rollout of the attention that raises the keypoint's heatmap: weights times their "
            "gradients, negative ones left out",
            each_costs=True,
        ),
        Method(
            "relevance",
            "Relevance",
            "What each patch adds to the keypoint's heatmap, layer by layer, from attention times "
            "gradients (Chefer and others, 2021)",
            fuses=False,
            discards=False,
            each_costs=True,
        ),
        Method(
            "raw",
            "Raw (one layer)",
            "The attention weights of one layer, from the patches that hold the keypoint",
            one_layer=True,
        ),
        Method(
            "occlusion",
            "Occlusion (slow check)",
            "How many pixels the keypoint moves when a grey patch covers a place; looks at no "
            "attention at all. Takes seconds a frame",
            fuses=False,
            discards=False,
            slow=True,
            attends=False,
        ),
        Method(
            "superpixels",
            "Superpixels (slow check)",
            "How many pixels each region of the picture keeps the keypoint from moving, beside "
            "the others (Shapley values). Takes many seconds a frame",
            fuses=False,
            discards=False,
            slow=True,
            attends=False,
        ),
    )
}


@dataclass(frozen=True)
class AttentionSettings:
    """What to compute and which of the computed maps to show.

    Attributes
    ----------
    target : str or tuple of str
        ``"global"``, ``"all"`` (mean of all keypoints' maps), a keypoint's name, or several names
        (mean of their maps).
    method : str
        A key of `METHODS`.
    layers : (start, stop) or None
        Blocks ``start`` to ``stop - 1``, counted from 0; None for those that the method looks at
        unless it is told which. A method of one layer looks at the last of them.
    head : int or None
        Look at one head instead of fusing all.
    """

    target: Target = ALL_KEYPOINTS
    method: str = "rollout"
    layers: tuple[int, int] | None = None
    head_fusion: str = "mean"
    head: int | None = None
    discard: float = 0.0
    hide_self: bool = False

    @property
    def names(self) -> tuple[str, ...] | None:
        """The keypoints that are looked at; None for all."""
        if self.target == ALL_KEYPOINTS:
            return None
        return (self.target,) if isinstance(self.target, str) else self.target


@dataclass(frozen=True)
class MapKey:
    """One answer of the engine: the maps of a frame that are computed together.

    Attributes
    ----------
    names : tuple of str or None
        What maps are of; None for all keypoints and ``"global"``.
    story : bool
        The maps after each layer, first to last.
    """

    path: Path
    frame: int
    model: str
    crop: Crop | None
    device: str
    precision: str
    method: str
    layers: tuple[int, int] | None = None
    head_fusion: str = "mean"
    head: int | None = None
    discard: float = 0.0
    hide_self: bool = False
    names: tuple[str, ...] | None = None
    story: bool = False

    def chapter(self, stop: int, depth: int) -> MapKey:
        """Of a story, the maps after layer `stop` (counted from 1) of `depth`."""
        if METHODS[self.method].one_layer:
            layers: tuple[int, int] | None = (stop - 1, stop)
        else:
            # All layers are what most methods look at where none are named.
            everything = stop == depth and not METHODS[self.method].late
            layers = None if everything else (0, stop)
        return replace(self, layers=layers, story=False)

    def without_frame(self) -> MapKey:
        """The same for any frame and whichever maps: what colour limits and averages belong to."""
        return replace(self, frame=-1, names=None)

    def arguments(self) -> dict[str, Any]:
        """Arguments of the ``explain`` job."""
        return {
            **self.how(),
            "source": self.path,
            "frame": self.frame,
            "keypoint": "all" if self.names is None else list(self.names),
            **({"story": True} if self.story else {}),
        }

    def how(self) -> dict[str, Any]:
        """Arguments that jobs on attention share: model, method and settings."""
        layers: tuple[int, int] | int | None = self.layers
        if self.layers is not None and METHODS[self.method].one_layer:
            layers = self.layers[1] - 1
        return {
            "model": self.model,
            "method": self.method,
            "layers": layers,
            "head_fusion": self.head_fusion,
            "head": self.head,
            "discard": self.discard,
            "hide_self": self.hide_self,
            "crop": self.crop,
            "device": self.device,
            "precision": self.precision,
        }


def map_key(
    session: Session,
    opened: OpenVideo,
    settings: AttentionSettings,
    *,
    everything: bool = False,
    story: bool = False,
    model: str | None = None,
) -> MapKey:
    """What to ask the engine for the frame on screen.

    Parameters
    ----------
    everything : bool
        The maps of all keypoints are wanted, whatever the target.
    story : bool
        The maps after each layer are wanted.
    model : str, optional
        Another model than the session's.
    """
    method = METHODS[settings.method]
    return MapKey(
        opened.path,
        session.frame,
        session.model if model is None else model,
        opened.crop,
        session.device,
        session.precision,
        settings.method,
        settings.layers if method.attends and not story else None,
        settings.head_fusion if method.fuses else "mean",
        settings.head if method.fuses else None,
        settings.discard if method.discards else 0.0,
        settings.hide_self,
        settings.names if method.each_costs and not everything else None,
        story,
    )


def of(target: Target) -> str:
    """What a map explains, in words."""
    if target == ALL_KEYPOINTS:
        return "all keypoints"
    if target == GLOBAL:
        return "the whole image (global)"
    if isinstance(target, str):
        return target
    if len(target) <= 3:
        return " and ".join(filter(None, [", ".join(target[:-1]), target[-1]]))
    return f"{len(target)} keypoints"
