"""Attention of one frame as data (npz) and as a picture (png)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import AttentionComputed
from napari_vitface.pose.keypoints import KeypointSet

#: Dark to bright in even steps of lightness, after matplotlib's "inferno" (CC0).
_COLOURS = np.array(
    [
        (0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85),
        (227, 89, 51), (249, 140, 10), (249, 201, 50), (252, 255, 164),
    ],
    dtype=np.float64,
)  # fmt: skip
#: Opacity of the map where it is strongest.
_OPACITY = 0.75
_MARGIN = 12
_PANEL_WIDTH = 380
_SINGLE_WIDTH = 800


def write_maps(path: Path, attention: AttentionComputed, result: dict[str, Any]) -> None:
    """Write the maps as ``.npz`` that numpy reads without pickle.

    It holds ``maps`` (M, gh, gw), ``names``, ``prefix_share``, ``own_share``, ``scale`` and
    ``translate`` (y, x; patch (i, j) is centred on (i, j) * scale + translate in video pixels),
    ``frame``, ``xy`` (K, 2) and ``confidence`` (K,) of the pose with ``keypoints``, and
    ``settings`` as JSON.
    """
    with _writing(path), atomic_write(path) as temporary:
        np.savez_compressed(
            temporary,
            maps=attention.maps,
            names=np.array(attention.names),
            prefix_share=attention.prefix_share,
            own_share=np.asarray(
                np.zeros(len(attention.names))
                if attention.own_share is None
                else attention.own_share,
                dtype=np.float32,
            ),
            scale=np.array(attention.scale),
            translate=np.array(attention.translate),
            frame=np.array(attention.frame),
            xy=attention.xy,
            confidence=attention.confidence,
            keypoints=np.array(result["keypoints"]["names"]),
            source=np.array(result["source"]),
            settings=np.array(json.dumps(attention.settings)),
        )


def write_picture(
    path: Path,
    attention: AttentionComputed,
    result: dict[str, Any],
    image: NDArray[Any],
    *,
    white: int | None = None,
) -> None:
    """Write the frame with its maps as ``.png``; `image` is the frame as the video gives it."""
    from PIL import Image

    keypoints = KeypointSet.from_dict(result["keypoints"])
    caption = f"{Path(result['source']).name}, frame {attention.frame}"
    drawn = draw_attention(attention, keypoints, image, caption=caption, white=white)
    with _writing(path), atomic_write(path) as temporary:
        Image.fromarray(drawn).save(temporary)


def draw_attention(
    attention: AttentionComputed,
    keypoints: KeypointSet,
    image: NDArray[Any],
    *,
    caption: str = "",
    white: int | None = None,
) -> NDArray[np.uint8]:
    """One panel a map over the frame, with the points and a line that says what was computed.

    The colours of each panel go from 0 to the map's largest value, which stands above it.

    Returns
    -------
    (H, W, 3) array of uint8
    """
    from PIL import Image

    count = len(attention.names)
    width = _SINGLE_WIDTH if count == 1 else _PANEL_WIDTH
    factor = width / image.shape[1]
    size = (round(image.shape[0] * factor), width)
    # The bare frame with all points goes first where there are several maps.
    panels = [] if count == 1 else [_points_panel(attention, keypoints, image, size, white)]
    panels += [_map_panel(attention, m, keypoints, image, size, white) for m in range(count)]
    columns = int(np.ceil(np.sqrt(len(panels))))
    rows = -(-len(panels) // columns)
    height = panels[0].shape[0]
    page = Image.new(
        "RGB",
        (
            columns * width + (columns + 1) * _MARGIN,
            rows * (height + _MARGIN) + _MARGIN + 62,
        ),
        "white",
    )
    for i, panel in enumerate(panels):
        row, column = divmod(i, columns)
        corner = (_MARGIN + column * (width + _MARGIN), _MARGIN + row * (height + _MARGIN))
        page.paste(Image.fromarray(panel), corner)
    _legend(page, describe_settings(attention.settings), caption)
    return np.asarray(page)


def describe_settings(settings: dict[str, Any]) -> str:
    """One line that says exactly what an attention map shows."""
    first, stop = settings["layers"]
    if settings["method"] == "raw":
        text = f"raw attention of layer {first}"
    else:
        text = f"attention rollout, layers {first} to {stop - 1}"
    fusion = settings["head_fusion"]
    text += f", {fusion}" if fusion.startswith("head") else f", heads fused by {fusion}"
    if settings["discard"]:
        text += f", lowest {100 * settings['discard']:g} % discarded"
    if settings["hide_self"]:
        text += ", own patches hidden"
    return f"{text}; model {settings['model']}"


def map_on_pixels(
    values: NDArray[np.float32],
    scale: tuple[float, float],
    translate: tuple[float, float],
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
) -> NDArray[np.float64]:
    """A map on the patch grid at video coordinates, bilinear; NaN outside the patches.

    Parameters
    ----------
    values : (gh, gw)
    scale, translate : (y, x)
        As in `AttentionComputed`.
    rows, columns : (h,), (w,)
        Video coordinates.
    """
    result = np.asarray(values, dtype=np.float64)
    for axis, places in enumerate((rows, columns)):
        count = result.shape[axis]
        position = (places - translate[axis]) / scale[axis]
        inside = np.clip(position, 0, count - 1)
        lower = np.minimum(inside.astype(int), max(count - 2, 0))
        share = (inside - lower).reshape((-1, 1) if axis == 0 else (1, -1))
        upper = np.minimum(lower + 1, count - 1)
        result = result.take(lower, axis) * (1 - share) + result.take(upper, axis) * share
        beyond = (position < -0.5) | (position > count - 0.5)
        result[(beyond, slice(None)) if axis == 0 else (slice(None), beyond)] = np.nan
    return result


def _map_panel(
    attention: AttentionComputed,
    m: int,
    keypoints: KeypointSet,
    image: NDArray[Any],
    size: tuple[int, int],
    white: int | None,
) -> NDArray[np.uint8]:
    name, values = attention.names[m], attention.maps[m]
    below = _resized(image, size, white)
    per_pixel = image.shape[0] / size[0], image.shape[1] / size[1]
    rows, columns = ((np.arange(n) + 0.5) * s - 0.5 for n, s in zip(size, per_pixel, strict=True))
    heat = map_on_pixels(values, attention.scale, attention.translate, rows, columns)
    heat = heat / max(float(values.max()), 1e-12)
    alpha = np.nan_to_num(_OPACITY * heat, nan=0.0)[..., None]
    panel = np.rint(below * (1 - alpha) + _colour(np.nan_to_num(heat)) * alpha).astype(np.uint8)
    shown = attention.xy.copy()
    if name in keypoints.names:
        shown[[k for k in range(len(keypoints)) if keypoints.names[k] != name]] = np.nan
    panel = _with_points(panel, shown, attention, keypoints, image, skeleton=False)
    note = f"0 to {100 * float(values.max()):.2g} % a patch"
    if attention.prefix_share[m] > 0:
        note += f"; {100 * float(attention.prefix_share[m]):.0f} % on prefix tokens"
    return _titled(panel, f"{name}: {note}")


def _points_panel(
    attention: AttentionComputed,
    keypoints: KeypointSet,
    image: NDArray[Any],
    size: tuple[int, int],
    white: int | None,
) -> NDArray[np.uint8]:
    panel = _resized(image, size, white)
    panel = _with_points(panel, attention.xy, attention, keypoints, image, skeleton=True)
    return _titled(panel, "points (fainter: less sure)")


def _with_points(
    panel: NDArray[np.uint8],
    xy: NDArray[np.float32],
    attention: AttentionComputed,
    keypoints: KeypointSet,
    image: NDArray[Any],
    *,
    skeleton: bool,
) -> NDArray[np.uint8]:
    from napari_vitface.video import draw_poses

    factor = np.array([panel.shape[1] / image.shape[1], panel.shape[0] / image.shape[0]])
    return draw_poses(
        panel, (xy + 0.5) * factor - 0.5, attention.confidence, keypoints, skeleton=skeleton
    )


def _resized(image: NDArray[Any], size: tuple[int, int], white: int | None) -> NDArray[np.uint8]:
    from PIL import Image

    from napari_vitface.video.scale import as_uint8

    picture = Image.fromarray(as_uint8(np.asarray(image), white)).convert("RGB")
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BICUBIC))


def _titled(panel: NDArray[np.uint8], title: str) -> NDArray[np.uint8]:
    from PIL import Image, ImageDraw, ImageFont

    strip = Image.new("RGB", (panel.shape[1], 22), "white")
    ImageDraw.Draw(strip).text((1, 2), title, fill="black", font=ImageFont.load_default(14))
    return np.concatenate([np.asarray(strip), panel])


def _legend(page: Any, text: str, caption: str) -> None:
    """The colour bar and what the picture shows, in the strip at the foot of the page."""
    from PIL import Image, ImageDraw, ImageFont

    bar = np.repeat(_colour(np.linspace(0, 1, 160))[None], 12, axis=0).astype(np.uint8)
    top = page.height - 60
    font = ImageFont.load_default(14)
    draw = ImageDraw.Draw(page)
    draw.text((_MARGIN, top), "share of attention: 0", fill="black", font=font)
    left = round(_MARGIN + draw.textlength("share of attention: 0", font=font) + 6)
    page.paste(Image.fromarray(bar), (left, top + 3))
    draw.text((left + 166, top), "largest", fill="black", font=font)
    draw.text((_MARGIN, top + 20), text, fill="black", font=font)
    draw.text((_MARGIN, top + 38), caption, fill="black", font=font)


def _colour(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """RGB in 0..255 of values in 0..1."""
    places = np.linspace(0, 1, len(_COLOURS))
    return np.stack([np.interp(values, places, _COLOURS[:, c]) for c in range(3)], axis=-1)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turns an `OSError` about a file into a sentence."""
    try:
        yield
    except OSError as error:
        raise VitFaceError(
            f"{path} could not be written ({error.strerror or error}); choose another place."
        ) from error
