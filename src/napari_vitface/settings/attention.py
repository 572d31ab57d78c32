"""The attention methods: each is one class, and an instance of it is what was chosen of it.

A method is declared here, or by another package (see `METHODS`). The options of the command line,
the form of the window, captions, the settings in exported files and the dispatch come from the
declaration. What computes it is named, and imported only where there is PyTorch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pkgutil import resolve_name
from string import Formatter
from typing import Annotated, Any, ClassVar, Literal, Self, TypedDict, cast

from napari_vitface.errors import VitFaceError
from napari_vitface.plugins import Registry
from napari_vitface.settings.layers import Layers, name_heads, name_layers, resolve_layers
from napari_vitface.settings.option import Option, Setting, Value, declared


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
class AttentionMethod:
    """A way to explain a keypoint; the fields are its settings.

    Attributes
    ----------
    name : str
        In jobs, on the command line and in files.
    title : str
        In lists.
    help : str
        What it does, in a sentence that begins with a small letter and has no full stop.
    caption : str
        How a map was computed: a template of its described settings, ``{layers}``, ``{heads}`` and
        ``{unit}``. Settings that it leaves out are told behind it where they are not the default.
    compute : str
        ``module:function`` of what computes it; see `napari_vitface.attention.choices.Compute`.
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
    """

    name: ClassVar[str]
    title: ClassVar[str]
    help: ClassVar[str]
    caption: ClassVar[str]
    compute: ClassVar[str]
    cost: ClassVar[Literal["pass", "keypoint", "seconds"]] = "pass"
    starts_anywhere: ClassVar[bool] = False
    requires: ClassVar[tuple[str, str] | None] = None
    limits: ClassVar[str] = "knows no layers and no heads"
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
    def load(cls) -> Any:
        """Import what computes it."""
        return resolve_name(cls.compute)


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


class Rollout(FusedMethod):
    name = "rollout"
    title = "Rollout (through the layers)"
    help = (
        "attention multiplied through the last layers, or others, with the residual connections "
        "(Abnar and Zuidema, 2020)"
    )
    caption = "Attention rollout, {layers}, {heads}"
    compute = "napari_vitface.attention.methods:rollout"
    starts_anywhere = True

    @classmethod
    def usual_layers(cls, depth: int) -> range:
        # Over all of them rollout is nearly even and explains little: see docs/attention.md.
        return range(depth - max(1, round(depth / 3)), depth)


class Raw(FusedMethod):
    name = "raw"
    title = "Raw (one layer)"
    help = "the attention weights of one layer, from the patches that hold the keypoint"
    caption = "Raw attention of {layers}, {heads}"
    compute = "napari_vitface.attention.methods:raw"
    starts_anywhere = True
    one_layer = True


class GradientRollout(FusedMethod):
    name = "gradient-rollout"
    title = "Gradient rollout"
    help = (
        "rollout of the attention that raises the keypoint's heatmap: weights times their "
        "gradients, negative ones left out"
    )
    caption = "Rollout of attention times its positive gradients, {layers}, {heads}"
    compute = "napari_vitface.attention.methods:gradient_rollout"
    cost = "keypoint"


class Relevance(LayeredMethod):
    name = "relevance"
    title = "Relevance"
    help = (
        "what each patch adds to the keypoint's heatmap, layer by layer, from attention times "
        "gradients (Chefer and others, 2021)"
    )
    caption = "Relevance (attention times positive gradients, added up), {layers}"
    compute = "napari_vitface.attention.methods:relevance"
    cost = "keypoint"
    limits = "is the mean over all heads with nothing discarded"
    if_even = ""

    def described(self) -> MapSettings:
        return cast(MapSettings, {**super().described(), "head_fusion": "mean", "discard": 0.0})


@dataclass(frozen=True, kw_only=True)
class Occlusion(BlankingMethod):
    name = "occlusion"
    title = "Occlusion (slow check)"
    help = (
        "how many pixels the keypoint moves when a grey square covers a place; looks at no "
        "attention at all; takes seconds a frame"
    )
    caption = "{unit} when a grey square of {square:g} patches is there"
    compute = "napari_vitface.attention.methods:occlusion"

    square: Annotated[
        float,
        Option(
            help="side of the square of occlusion",
            label="Square",
            metavar="PATCHES",
            gt=0,
            step=0.5,
            refusal="The occluding square must be wider than {value} patches.",
        ),
    ] = 2.0
    measure: Annotated[
        Literal["moved", "confidence"],
        Option(
            help="what occlusion maps: pixels by which the keypoint moves, or the confidence that "
            "it loses",
            label="Measure",
            said="",
            refusal="Occlusion cannot measure {value!r}; choose {choices}.",
        ),
    ] = "moved"

    @property
    def unit(self) -> str:
        return {"moved": "pixels moved", "confidence": "confidence lost"}[self.measure]


@dataclass(frozen=True, kw_only=True)
class Superpixels(BlankingMethod):
    name = "superpixels"
    title = "Superpixels (slow check)"
    help = (
        "how many pixels each region of the picture keeps the keypoint from moving, beside the "
        "others (Shapley values); takes many seconds a frame"
    )
    caption = (
        "Shapley values of about {segments} superpixels in {orders} orders: pixels by which each "
        "keeps the keypoint in place"
    )
    compute = "napari_vitface.attention.methods:superpixels"
    requires = ("captum", "superpixels")

    segments: Annotated[
        int,
        Option(
            help="superpixels, about",
            label="Superpixels",
            metavar="N",
            ge=2,
            refusal="Superpixel maps need at least 2 superpixels and 1 order.",
        ),
    ] = 50
    orders: Annotated[
        int,
        Option(
            help="random orders in which superpixels are added; more are slower and more exact",
            label="Orders",
            metavar="N",
            ge=1,
            refusal="Superpixel maps need at least 2 superpixels and 1 order.",
        ),
    ] = 16

    @property
    def unit(self) -> str:
        return "pixels"


def settings_of(methods: Iterable[AttentionMethod]) -> dict[str, Setting]:
    """The settings of several methods by name."""
    return {name: each for method in methods for name, each in declared(type(method)).items()}


def _problem(method: AttentionMethod, others: Mapping[str, AttentionMethod]) -> str:
    """Why a method of another package cannot stand beside others; empty if it can."""
    needed = ("title", "help", "caption", "compute")
    missing = [each for each in needed if not hasattr(method, each)]
    if missing:
        return f"it does not declare {', '.join(missing)}"
    known, own = settings_of(others.values()), declared(type(method))
    other = [name for name, each in own.items() if known.get(name, each) != each]
    return f"a setting named {', '.join(other)} means something else elsewhere" if other else ""


#: All methods by name, as they are unless settings are chosen. Other packages add theirs as entry
#: points of this group, each an `AttentionMethod`.
METHODS: Registry[AttentionMethod] = Registry(
    AttentionMethod,
    (Rollout(), Raw(), GradientRollout(), Relevance(), Occlusion(), Superpixels()),
    group="napari_vitface.attention_methods",
    problem=_problem,
)
#: The method unless another one is chosen.
DEFAULT = Rollout.name


def choose(name: str, settings: Mapping[str, Value]) -> AttentionMethod:
    """A method with settings; settings that other methods alone have are left to them.

    Raises
    ------
    VitFaceError
        There is no such method, or it or a setting cannot take a value.
    TypeError
        No method has a setting of that name.
    """
    if name not in METHODS:
        known = alternatives(METHODS)
        raise VitFaceError(f"There is no attention method {name!r}; choose {known}.")
    method, settable = METHODS[name], settings_of(METHODS.values())
    for each, value in settings.items():
        if each not in settable:
            raise TypeError(f"no attention method has a setting {each!r}")
        settable[each].check(value)
    own, of_layers = declared(type(method)), declared(FusedMethod)
    strange = of_layers.keys() & settings.keys() - own.keys()
    if any(settings[each] != settable[each].default for each in strange):
        raise VitFaceError(f"The method {name} {method.limits}; leave these settings out.")
    chosen: Any = {each: value for each, value in settings.items() if each in own}
    return replace(method, **chosen)


def describe(
    settings: MapSettings,
    *,
    depth: int | None = None,
    layers: str = "",
    but: Collection[str] = (),
) -> str:
    """How a map was computed, in words, from the settings that came with it.

    Parameters
    ----------
    depth : int, optional
        Layers of the model, to be told.
    layers : str, optional
        What to say instead of the layers.
    but : collection of str
        Settings that are told elsewhere.
    """
    method = METHODS[settings["method"]]
    words: dict[str, Any] = {
        **settings,
        "layers": layers or name_layers(settings.get("layers") or (0, 0), depth),
        "heads": name_heads(settings.get("head_fusion", "mean")),
    }
    told = {field for _, field, _, _ in Formatter().parse(method.caption) if field}
    extra = [
        each.said(words[name])
        for name, each in declared(type(method)).items()
        if each.option.label and name not in (*told, *but)
        if words.get(name, each.default) != each.default
    ]
    text = method.caption.format(**words)
    return ", ".join([text[:1].upper() + text[1:], *filter(None, extra)])


def alternatives(names: Iterable[str]) -> str:
    """Names to choose from, in words."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
