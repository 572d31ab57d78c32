"""Layers and heads of a model: ranges as they are asked for, and what people call them."""

from __future__ import annotations

from collections.abc import Sequence

from napari_vitface.errors import VitFaceError
from napari_vitface.words import counted

#: ``"A:B"``, a number, or (A, B): blocks A to B - 1, counted from 0, negative from the end.
Layers = str | int | tuple[int | None, int | None] | None


def resolve_layers(layers: Layers, depth: int, usual: range) -> range:
    """Blocks as a range within 0..depth; `usual` where none are asked for.

    Raises
    ------
    VitFaceError
        It is no range of blocks of a model with `depth` of them.
    """
    first: int | None
    stop: int | None
    try:
        if layers is None:
            return usual
        if isinstance(layers, str):
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
            if bound is not None and not -depth <= bound <= depth:
                raise ValueError
        chosen = range(*slice(first, stop).indices(depth))
    except (ValueError, TypeError):
        chosen = range(0)
    if not len(chosen):
        raise VitFaceError(
            f"Layers {layers!r} are no range of the model's {counted(depth, 'block')}; give A:B "
            f"with 0 <= A < B <= {depth}."
        )
    return chosen


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
