"""What an attention method declares: the kinds of methods, and what maps say of how they were made.

What computes a method is named, and imported only where there is PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pkgutil import resolve_name
from typing import Annotated, Any, ClassVar, Literal, Self, TypedDict, cast

from napari_vitface.errors import VitFaceError
from napari_vitface.settings.kind import Kind
from napari_vitface.settings.network_layers import Layers, resolve_layers
from napari_vitface.settings.option import Option, Value


class MapSettings(TypedDict, total=False):
    """Exactly how a map was computed: it is told with each map, and stands in files.

    The settings of the method stand beside these under their own names, as `AttentionMethod`
    describes them.
    """

    method: str
    #: What maps hold, if it is not a share of attention.
    unit: str
    #: The first block that was looked at, and the one after the last.
    layers: Sequence[int]
    #: What maps start from: of keypoints, and of the global map.
    start: Mapping[str, str]
    head_fusion: str
    hide_self: bool
    #: Blocks of the model, and heads of each.
    depth: int
    heads: int
    model: str
    precision: str
    device: str
    #: x, y, width and height of what the model looked at, video pixels.
    crop: Sequence[int]
    #: Of maps that were checked, by what they explain.
    faithfulness: Mapping[str, float]
    #: Of a mean: start, stop and step of the frames, and how many of them could be decoded.
    frames: Sequence[int]
    averaged: int


@dataclass(frozen=True, kw_only=True)
class AttentionMethod(Kind):
    """A way to explain a keypoint; `compute` is a `napari_vitface.attention.choices.Compute`.

    Attributes
    ----------
    caption : str
        How a map was computed: a template of its described settings, ``{layers}``, ``{heads}`` and
        ``{unit}``. Settings that it leaves out are told behind it where they are not the default.
    cost : {"pass", "keypoint", "seconds"}
        Hardly more than the pass that finds the pose, so that many frames go together; time for
        each keypoint, so that those alone are asked for that are shown; or seconds a frame.
    starts_anywhere : bool
        Maps can start from any point of the frame: it needs no score of a keypoint.
    requires : (library, extra), optional
        What has to be installed besides.
    limits : str
        Why it does not take settings of layers and heads: "The method x ...".
    if_even : str
        Advice where its maps are nearly even, as the end of a sentence.
    compute_of_states, help_of_states : str
        ``module:function`` of what maps with it what speaks for a state in a frame (it takes a
        `napari_vitface.states.explaining.Frame`, the number of the state and the rows and columns
        of the map), and what that is; empty if it explains keypoints alone.
    """

    caption: ClassVar[str]
    cost: ClassVar[Literal["pass", "keypoint", "seconds"]] = "pass"
    starts_anywhere: ClassVar[bool] = False
    requires: ClassVar[tuple[str, str] | None] = None
    limits: ClassVar[str] = "knows no layers and no heads"
    compute_of_states: ClassVar[str] = ""
    help_of_states: ClassVar[str] = ""
    if_even: ClassVar[str] = "; the last layers alone, or relevance, often say more"

    hide_self: Annotated[
        bool,
        Option(
            help="take the patches that a keypoint stands on out of its map; they outshine the "
            "rest",
            label="Hide the keypoint's own patch",
            said="own patches hidden",
        ),
    ] = False

    @property
    def unit(self) -> str | None:
        """What maps hold; None for shares of attention."""
        return None

    def values(self) -> dict[str, Value]:
        """The settings by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def described(self) -> MapSettings:
        """What is computed, as plain data for files."""
        unit = {} if self.unit is None else {"unit": self.unit}
        return cast(MapSettings, {"method": self.name, **self.values(), **unit})

    def at(self, layers: tuple[int, int] | None) -> Self:
        """The same of other layers, if it looks at layers."""
        return self

    @classmethod
    def usual_layers(cls, depth: int) -> range:
        """Those that it looks at unless it is told, of a model with so many; empty without any."""
        return range(0)

    @classmethod
    def load_of_states(cls) -> Any:
        """Import what maps states with it."""
        return resolve_name(cls.compute_of_states)


@dataclass(frozen=True, kw_only=True)
class LayeredMethod(AttentionMethod):
    """A method that looks at the attention in some of the layers.

    Attributes
    ----------
    one_layer : bool
        At one and not at a range.
    """

    one_layer: ClassVar[bool] = False

    layers: Annotated[
        Layers,
        Option(
            help="blocks A to B-1, counted from 0 (captions count layers from 1), negative from "
            "the end; for raw the number of one block (default: all; the last third for rollout, "
            "which over all is nearly even; the last one for raw)",
            metavar="A:B",
        ),
    ] = None

    @classmethod
    def usual_layers(cls, depth: int) -> range:
        return range(depth - 1 if cls.one_layer else 0, depth)

    def resolved(self, depth: int, *, story: bool = False) -> range:
        """The blocks of a model with `depth` of them; all by default for a `story`.

        Raises
        ------
        VitFaceError
            The model has none of these.
        """
        usual = range(depth) if story else self.usual_layers(depth)
        chosen = resolve_layers(self.layers, depth, usual)
        if self.one_layer and not story and len(chosen) != 1:
            raise VitFaceError(
                f"The method {self.name} is of one layer, and {self.layers!r} are {len(chosen)}; "
                f"give one number from 0 to {depth - 1}."
            )
        return chosen

    def at(self, layers: tuple[int, int] | None) -> Self:
        if layers is not None and self.one_layer:
            layers = (layers[1] - 1, layers[1])
        return replace(self, layers=layers)


@dataclass(frozen=True, kw_only=True)
class FusedMethod(LayeredMethod):
    """A method that makes one map of a layer's heads, or looks at one of them."""

    head_fusion: Annotated[
        Literal["mean", "max", "min"],
        Option(
            help="how the heads of a layer become one",
            refusal="Heads cannot be fused by {value!r}; choose {choices}.",
        ),
    ] = "mean"
    head: Annotated[
        int | None,
        Option(help="look at one head, counted from 0, instead of fusing them", metavar="N", ge=0),
    ] = None
    discard: Annotated[
        float,
        Option(
            help="share of each token's weights, the lowest, that is set to 0; in [0, 1)",
            label="Discard",
            metavar="R",
            ge=0,
            lt=1,
            step=0.05,
            said="lowest {percent:.3g} % discarded",
            refusal="The discard ratio must be at least 0 and below 1, not {value}.",
        ),
    ] = 0.0

    def described(self) -> MapSettings:
        settings = super().described()
        settings.pop("head")  # type: ignore[typeddict-item]
        if self.head is not None:
            settings["head_fusion"] = f"head {self.head}"
        return settings


@dataclass(frozen=True, kw_only=True)
class BlankingMethod(AttentionMethod):
    """A method that asks what the network does when parts of the frame are blanked."""

    cost = "seconds"
    limits = "blanks parts of the image and knows no layers and no heads"

    grey: Annotated[
        int | None,
        Option(
            help="of the blanks, 0 to 255 (default: the frame's mean)",
            ge=0,
            le=255,
            refusal="The grey of blanks is from 0 to 255, not {value}.",
            offered=False,
        ),
    ] = None

    def described(self) -> MapSettings:
        grey = {"grey": "mean" if self.grey is None else self.grey}
        return cast(MapSettings, {**super().described(), **grey})
