"""The attention methods: each is one class, and an instance of it is what was chosen of it.

A method is declared here, or by another package (see `METHODS`). The options of the command line,
the form of the window, captions, the settings in exported files and the dispatch come from the
declaration. What computes it is named, and imported only where there is PyTorch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Annotated, Any, Literal, cast

from napari_vitface.errors import UnknownSettingError, VitFaceError
from napari_vitface.plugins import Registry
from napari_vitface.settings.attention_method import (
    AttentionMethod,
    BlankingMethod,
    FusedMethod,
    LayeredMethod,
    MapSettings,
)
from napari_vitface.settings.kind import problem_beside, settings_of, with_settings
from napari_vitface.settings.network_layers import name_heads, name_layers
from napari_vitface.settings.option import Option, Setting, Value, declared


class Rollout(FusedMethod):
    name = "rollout"
    title = "Rollout (through the layers)"
    help = (
        "attention multiplied through the last layers, or others, with the residual connections "
        "(Abnar and Zuidema, 2020)"
    )
    caption = "Attention rollout, {layers}, {heads}"
    compute = "napari_vitface.attention.methods:rollout"
    compute_of_states = "napari_vitface.jobs.states.relevance:rollout"
    help_of_states = "attention alone, through the ViT, for classifiers of tokens"
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
    compute_of_states = "napari_vitface.jobs.states.relevance:relevance"
    help_of_states = "attention times gradients, through the ViT, for linear classifiers of tokens"
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
    compute_of_states = "napari_vitface.states.explaining:occlusion"
    help_of_states = (
        "what the answer loses where squares are painted over, for any classifier of pictures"
    )

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


def _problem(method: AttentionMethod, others: Mapping[str, AttentionMethod]) -> str:
    """Why a method of another package cannot stand beside others; empty if it can."""
    return problem_beside(method, others, needed=("title", "help", "caption", "compute"))


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
#: The same of states: it explains every classifier of pictures.
DEFAULT_OF_STATES = Occlusion.name


def methods_of_states() -> dict[str, AttentionMethod]:
    """Those that explain states as well."""
    return {name: method for name, method in METHODS.items() if method.compute_of_states}


def settable() -> dict[str, Setting]:
    """The settings of all methods by name."""
    return settings_of(METHODS.values())


def choose(name: str, settings: Mapping[str, Value]) -> AttentionMethod:
    """A method with settings; settings that other methods alone have are left to them.

    Raises
    ------
    VitFaceError
        There is no such method, or it or a setting cannot take a value.
    UnknownSettingError
        No method has a setting of that name.
    """
    if name not in METHODS:
        raise VitFaceError(
            f"There is no attention method {name!r}; choose {alternatives(METHODS)}."
        )
    method, known = METHODS[name], settable()
    for each, value in settings.items():
        if each not in known:
            raise UnknownSettingError(f"No attention method has a setting {each!r}.")
        known[each].check(value)
    own, of_layers = declared(type(method)), declared(FusedMethod)
    strange = of_layers.keys() & settings.keys() - own.keys()
    if any(settings[each] != known[each].default for each in strange):
        raise VitFaceError(f"The method {name} {method.limits}; leave these settings out.")
    return with_settings(method, settings)


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
