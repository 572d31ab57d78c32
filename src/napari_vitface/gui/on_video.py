"""napari layers that lie on a video: put in place, kept there, changed without noise."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer, Points, Vectors
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari.components import ViewerModel

#: What draws layers that were removed, see `keep_visual`.
_kept: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()


def keep_visual(viewer: ViewerModel, layer: Layer) -> None:
    """Let what draws a layer live as long as its window, for the renderer that crashes otherwise.

    It is small: the textures of one frame, of its points or of one map.
    """
    window = getattr(viewer, "window", None)
    canvas = getattr(getattr(window, "_qt_viewer", None), "canvas", None)
    visual = getattr(canvas, "layer_to_visual", {}).get(layer)
    if visual is not None:
        _kept.setdefault(viewer, []).append(visual)


def wipe(layer: Points | Vectors) -> None:
    """Leave nothing to see on a layer; its rows stay."""
    if isinstance(layer, Vectors):
        layer.data = np.zeros((0, 2, 2), np.float32)
        return
    with layer.events.blocker_all():
        layer.face_color = layer.border_color = np.zeros((len(layer.data), 4))
        layer.size = 0
        layer.border_width = 0
        layer.shown = False
        layer.features = {**layer.features, "label": [""] * len(layer.data)}
    layer.refresh()


def frame_size(video: Image) -> tuple[int, int]:
    """Height and width of a video layer's frames."""
    shape = video.data.shape[:-1] if video.rgb else video.data.shape
    return int(shape[-2]), int(shape[-1])


def set_where_different(layer: Points, **values: Any) -> None:
    for name, value in values.items():
        if not np.array_equal(getattr(layer, name), value):
            setattr(layer, name, value)


def keep_in_place(viewer: ViewerModel, layer: Layer, video: Image) -> None:
    """Keep a layer above its video, and undo what napari's transform tool did to it.

    Points lie where they say they do.
    """
    place = viewer.layers.index(layer)
    if video in viewer.layers and place < viewer.layers.index(video):
        viewer.layers.move(place, len(viewer.layers))
    for name, value in placed_on(video).items():
        if not np.allclose(getattr(layer, name), value):
            setattr(layer, name, value)
    if not np.allclose(layer.affine.affine_matrix, np.eye(3)):
        layer.affine = np.eye(3)
    if not np.allclose(layer.rotate, np.eye(2)):
        layer.rotate = 0.0


def placed_on(
    video: Image,
    scale: tuple[float, float] = (1.0, 1.0),
    translate: tuple[float, float] = (0.0, 0.0),
) -> dict[str, NDArray[np.float64]]:
    """Layer arguments that put video pixels, scaled and moved, where the video layer draws them."""
    video_scale = np.asarray(video.scale[-2:])
    return {
        "scale": video_scale * scale,
        "translate": np.asarray(video.translate[-2:]) + video_scale * translate,
    }


@contextmanager
def quietly(layer: Layer, *, extent: bool = True) -> Iterator[None]:
    """Change a layer's data without the viewer going through the ranges of all its layers.

    The overlays lie within the video, so the ranges stay; working them out anew is most of the
    cost of a step.
    """
    if extent:
        with layer.events.extent.blocker():
            yield
    else:
        yield
