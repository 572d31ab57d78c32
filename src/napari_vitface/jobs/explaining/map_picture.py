"""Drawing attention maps over a frame, with what they are and how to read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.jobs.events import AttentionComputed
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.settings.attention import describe
from napari_vitface.settings.attention_method import MapSettings
from napari_vitface.settings.network_layers import name_layers
from napari_vitface.words import counted

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
#: Red, green, blue and coverage in [0, 1]: the stronger, the less of the frame is seen through it.
COLOURS = np.concatenate([_COLOURS / 255, np.linspace(0, _OPACITY, len(_COLOURS))[:, None]], axis=1)
_MARGIN = 12
_PANEL_WIDTH = 380
_SINGLE_WIDTH = 800
_FOOT = 62


def draw_attention(
    maps: Sequence[AttentionComputed],
    keypoints: KeypointSet,
    image: NDArray[Any],
    *,
    caption: str = "",
    white: int | None = None,
) -> NDArray[np.uint8]:
    """One panel a map over the frame, with the points and a line that says what was computed.

    Parameters
    ----------
    maps : sequence of AttentionComputed
        One; or those after each layer, which are drawn side by side.
    keypoints : KeypointSet
    image : (H, W) or (H, W, 3)
        The frame as the video gives it.
    caption : str
    white : int, optional
        The value of white in a 16-bit frame, as `Video.white`.

    Returns
    -------
    (H, W, 3) array of uint8
    """
    from PIL import Image

    drawn = [(computed, m) for computed in maps for m in range(len(computed.names))]
    width = _SINGLE_WIDTH if len(drawn) == 1 else _PANEL_WIDTH
    factor = width / image.shape[1]
    size = (round(image.shape[0] * factor), width)
    below = _resized(image, size, white)
    per_pixel = image.shape[0] / size[0], image.shape[1] / size[1]
    panels = []
    if len(drawn) > 1:
        # The bare frame with all points goes first where there are several maps.
        points = _with_points(below, maps[-1].xy, maps[-1], keypoints, image, skeleton=True)
        panels.append(_titled(points, "points (fainter: less sure)"))
    for computed, m in drawn:
        limit = float(computed.maps[m].max())
        panel = _map_panel(computed, m, below, per_pixel, limit)
        shown = computed.xy.copy()
        name = computed.names[m]
        if name in keypoints.names:
            shown[[k for k in range(len(keypoints)) if keypoints.names[k] != name]] = np.nan
        panel = _with_points(panel, shown, computed, keypoints, image, skeleton=False)
        panels.append(_titled(panel, _title(computed, m, limit, several=len(maps) > 1)))
    columns = int(np.ceil(np.sqrt(len(panels))))
    rows = -(-len(panels) // columns)
    height = panels[0].shape[0]
    extent = (
        columns * width + (columns + 1) * _MARGIN,
        rows * (height + _MARGIN) + _MARGIN + _FOOT,
    )
    page = Image.new("RGB", extent, "white")
    for i, each in enumerate(panels):
        row, column = divmod(i, columns)
        corner = (_MARGIN + column * (width + _MARGIN), _MARGIN + row * (height + _MARGIN))
        page.paste(Image.fromarray(each), corner)
    _legend(page, maps[-1].settings, len(maps), caption)
    return np.asarray(page)


def describe_settings(settings: MapSettings, layers: bool = True) -> str:
    """One line that says exactly what an attention map shows."""
    text = describe(settings, layers="" if layers else "each layer")
    if settings.get("averaged"):
        text += f", mean over {counted(settings['averaged'], 'frame')}"
    return f"{text}; model {settings['model']}"


def _title(computed: AttentionComputed, m: int, limit: float, *, several: bool) -> str:
    settings = computed.settings
    text = computed.names[m]
    if several:
        text += f", {name_layers(settings['layers'])}"
    if "unit" not in settings:
        text += f": 0 to {100 * limit:.2g} % a patch"
    elif "pixels" in settings["unit"]:
        text += f": 0 to {limit:.3g} pixels"
    else:
        text += f": 0 to {limit:.2g}"
    if computed.prefix_share[m] >= 0.005:
        text += f"; {100 * float(computed.prefix_share[m]):.0f} % on prefix tokens"
    scores = settings.get("faithfulness") or {}
    if computed.names[m] in scores:
        text += f"; faithfulness {scores[computed.names[m]]:.2f}"
    return text


def _map_panel(
    computed: AttentionComputed,
    m: int,
    below: NDArray[np.uint8],
    per_pixel: tuple[float, float],
    limit: float,
) -> NDArray[np.uint8]:
    from napari_vitface.video.heatmap import draw_heat, on_pixels

    rows, columns = (
        (np.arange(n) + 0.5) * s - 0.5 for n, s in zip(below.shape[:2], per_pixel, strict=True)
    )
    heat = on_pixels(computed.maps[m], computed.scale, computed.translate, rows, columns)
    return draw_heat(below, heat, limit, COLOURS)


def _with_points(
    panel: NDArray[np.uint8],
    xy: NDArray[np.float32],
    computed: AttentionComputed,
    keypoints: KeypointSet,
    image: NDArray[Any],
    *,
    skeleton: bool,
) -> NDArray[np.uint8]:
    from napari_vitface.video import draw_poses

    factor = np.array([panel.shape[1] / image.shape[1], panel.shape[0] / image.shape[0]])
    return draw_poses(
        panel, (xy + 0.5) * factor - 0.5, computed.confidence, keypoints, skeleton=skeleton
    )


def _resized(image: NDArray[Any], size: tuple[int, int], white: int | None) -> NDArray[np.uint8]:
    from PIL import Image

    from napari_vitface.video.scale import as_uint8

    picture = Image.fromarray(as_uint8(np.asarray(image), white)).convert("RGB")
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BICUBIC))


def _titled(panel: NDArray[np.uint8], title: str) -> NDArray[np.uint8]:
    from PIL import Image, ImageDraw

    strip = Image.new("RGB", (panel.shape[1], 22), "white")
    draw = ImageDraw.Draw(strip)
    draw.text((1, 2), title, fill="black", font=_font_for(title, panel.shape[1]))
    return np.concatenate([np.asarray(strip), panel])


def _font_for(text: str, width: int) -> Any:
    """The font of a line, smaller where it would be too long, down to what can be read."""
    from PIL import ImageFont

    size = 14
    while size > 9 and ImageFont.load_default(size).getlength(text) > width:
        size -= 1
    return ImageFont.load_default(size)


def _legend(page: Any, settings: MapSettings, maps: int, caption: str) -> None:
    """The colour bar and what the picture shows, in the strip at the foot of the page."""
    from PIL import Image, ImageDraw, ImageFont

    places = np.linspace(0, len(_COLOURS) - 1, 160)
    colours = [np.interp(places, range(len(_COLOURS)), _COLOURS[:, c]) for c in range(3)]
    bar = np.repeat(np.stack(colours, axis=-1)[None], 12, axis=0).astype(np.uint8)
    top = page.height - 60
    font = ImageFont.load_default(14)
    draw = ImageDraw.Draw(page)
    first = f"{settings.get('unit', 'share of attention')}: 0"
    draw.text((_MARGIN, top), first, fill="black", font=font)
    left = round(_MARGIN + draw.textlength(first, font=font) + 6)
    page.paste(Image.fromarray(bar), (left, top + 3))
    draw.text((left + 166, top), "largest", fill="black", font=font)
    text = describe_settings(settings, layers=maps == 1)
    fitting = _font_for(text, page.width - 2 * _MARGIN)
    draw.text((_MARGIN, top + 20), text, fill="black", font=fitting)
    draw.text((_MARGIN, top + 38), caption, fill="black", font=font)
