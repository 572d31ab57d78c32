"""What people call layers and heads, in the window, in pictures and on videos alike."""

from __future__ import annotations

from collections.abc import Sequence


def name_layers(layers: Sequence[int], depth: int | None = None) -> str:
    """Blocks ``layers[0]`` up to but not including ``layers[1]`` as words, counted from 1.

    Parameters
    ----------
    depth : int, optional
        Number of the model's blocks, to be said too.
    """
    start, stop = layers
    of_all = f" of {depth}" if depth else ""
    return f"layer {stop}{of_all}" if stop - start == 1 else f"layers {start + 1} to {stop}{of_all}"


def name_heads(fusion: str) -> str:
    """How heads were fused, or which one was looked at, counted from 1.

    Parameters
    ----------
    fusion : str
        As in the settings of an answer: "mean", or "head 0" for the first one.
    """
    if fusion.startswith("head "):
        return f"head {int(fusion.removeprefix('head ')) + 1}"
    return f"heads fused by {fusion}"
