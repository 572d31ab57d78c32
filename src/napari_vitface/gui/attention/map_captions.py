"""Sentences that say exactly which attention map is on screen."""

from __future__ import annotations

from napari_vitface.gui.attention.attention_settings import Target, of
from napari_vitface.gui.layers import (
    ALL_KEYPOINTS,
    GLOBAL,
    AttentionPicture,
    attention_rows,
)
from napari_vitface.gui.numbers import counted
from napari_vitface.jobs.events import AttentionComputed
from napari_vitface.settings.attention import describe
from napari_vitface.settings.attention_method import MapSettings


def describe_map(
    computed: AttentionComputed,
    target: Target,
    picture: AttentionPicture,
    limit: float,
    depth: int | None,
) -> str:
    """How the map on screen was computed, from what the engine says that it did.

    Parameters
    ----------
    depth : int, optional
        Number of the model's layers.
    """
    settings = computed.settings
    lines = [f"{how_computed(settings, target, depth)}."]
    if settings.get("hide_self") and target != GLOBAL:
        own = 100 * float(computed.own_share[attention_rows(computed, target)].mean())
        lines.append(f"The keypoint's own patches are left out ({own:.0f} %).")
    if picture.prefix_share >= 0.005:
        lines.append(
            f"{100 * picture.prefix_share:.0f} % went to class or register tokens, which have no "
            "place in the picture."
        )
    alike = "" if settings.get("frames") else ", the same in every frame"
    lines.append(f"Full colour: {limit:.3g} {picture.unit}{alike}.")
    return " ".join(lines)


def describe_many(
    settings: MapSettings, target: Target, unit: str, limit: float, depth: int | None
) -> str:
    """What is true of the maps of all frames that are computed alike."""
    text = f"{heading(target)}. {how_computed(settings, target, depth)}."
    if settings.get("hide_self") and target != GLOBAL:
        text += " The keypoint's own patches are left out."
    return f"{text} Full colour: {limit:.3g} {unit}. Model {settings.get('model', '?')}."


def title_map(computed: AttentionComputed, target: Target) -> str:
    """Of what, when and by which model a map is, in one line."""
    model = computed.settings.get("model", "?")
    # Names of models hold hyphens, at which a line would be broken.
    return f"{heading(target)}  ·  {_when(computed)}  ·  {model}".replace("-", "\u2011")


def how_computed(settings: MapSettings, target: Target, depth: int | None = None) -> str:
    """Method, layers, heads and start of a map, in words, from the settings of an answer."""
    text = describe(settings, depth=depth, but=("hide_self",))
    begin = (settings.get("start") or {}).get(GLOBAL if target == GLOBAL else "keypoint")
    if begin:
        text += f", starting from {begin}"
    return text


def heading(target: Target) -> str:
    """What a map is of, as the first words of a line."""
    if target == ALL_KEYPOINTS:
        return "Mean over all keypoints"
    if not isinstance(target, str) and len(target) > 1:
        return f"Mean over {of(target)}"
    text = of(target)
    return text[:1].upper() + text[1:]


def _when(computed: AttentionComputed) -> str:
    frames = computed.settings.get("frames")
    if not frames:
        return f"frame {computed.frame}"
    chosen = range(*(int(number) for number in frames))
    # Frames that cannot be decoded are left out.
    averaged = int(computed.settings.get("averaged", len(chosen)))
    every = f", every {chosen.step}th" if chosen.step > 1 else ""
    return f"mean over {counted(averaged, 'frame')} ({chosen.start} to {chosen[-1]}{every})"
