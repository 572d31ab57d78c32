"""Sentences that say exactly which attention map is on screen."""

from __future__ import annotations

from napari_vitface.gui.layers import ALL_KEYPOINTS, GLOBAL, AttentionPicture
from napari_vitface.jobs.events import AttentionComputed


def describe_map(
    computed: AttentionComputed,
    target: str,
    picture: AttentionPicture,
    limit: float,
    depth: int | None = None,
) -> str:
    """What the map on screen is, from what the engine says that it computed.

    Parameters
    ----------
    depth : int, optional
        Number of the model's layers.
    """
    settings = computed.settings
    start, stop = settings.get("layers", (0, 0))
    of = f" of {depth}" if depth else ""
    which = f"layer {stop}{of}" if stop - start == 1 else f"layers {start + 1} to {stop}{of}"
    fusion = str(settings.get("head_fusion", "mean"))
    heads = f"heads fused by {fusion}" if fusion in ("mean", "max", "min") else fusion
    if settings.get("method") == "raw":
        how = f"Raw attention of {which}, {heads}"
    else:
        how = f"Attention rollout, {which}, {heads}"
    discard = float(settings.get("discard", 0.0))
    if discard:
        how += f", lowest {100 * discard:.0f} % discarded"
    start = settings.get("start", {}).get(GLOBAL if target == GLOBAL else "keypoint")
    if start:
        how += f", starting from {start}"
    lines = [f"{how}."]
    if settings.get("hide_self") and target != GLOBAL:
        own = "The keypoint's own patches are left out"
        if computed.own_share is not None and target in computed.names:
            own += f" ({100 * float(computed.own_share[computed.names.index(target)]):.0f} %)"
        lines.append(f"{own}.")
    if picture.prefix_share >= 0.005:
        lines.append(
            f"{100 * picture.prefix_share:.0f} % went to class or register tokens, which have no "
            "place in the picture."
        )
    lines.append(f"Full colour: {limit:.3g} times an even spread, the same in every frame.")
    model = settings.get("model", "?")
    return f"{_of(target)}  ·  frame {computed.frame}  ·  {model}\n" + " ".join(lines)


def method_help(method: str) -> str:
    """One sentence on a method, for its tooltip."""
    if method == "raw":
        return "The attention weights of one layer, from the patches that hold the keypoint"
    return (
        "Attention multiplied through the layers with the residual connections "
        "(Abnar and Zuidema, 2020)"
    )


def _of(target: str) -> str:
    if target == ALL_KEYPOINTS:
        return "Mean over all keypoints"
    if target == GLOBAL:
        return "Whole image (global)"
    return target[:1].upper() + target[1:]
