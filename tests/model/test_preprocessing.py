"""The one way from frames to model inputs and back."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_vitface.errors import VitFaceError
from napari_vitface.model.preprocessing import Preprocessing, View
from napari_vitface.video import scale_image

sides = st.integers(16, 1200)
points = st.lists(st.tuples(st.floats(-50, 1300), st.floats(-50, 1300)), min_size=1, max_size=5)


@st.composite
def views(draw: st.DrawFn) -> View:
    """Any frame size with any crop inside it, into any input size."""
    height, width = draw(sides), draw(sides)
    crop = None
    if draw(st.booleans()):
        x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        crop = (x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y)))
    size = (draw(st.integers(16, 512)), draw(st.integers(16, 512)))
    return Preprocessing(size, crop=crop).view((height, width))


@given(views(), points)
def test_points_come_back_from_the_input(view: View, xy: list[tuple[float, float]]) -> None:
    np.testing.assert_allclose(view.to_frame(view.to_input(xy)), xy, atol=1e-6)


@given(views())
def test_the_crop_fills_the_resized_area_to_its_corners(view: View) -> None:
    x, y, w, h = view.crop
    top, left = view.offset
    # Corners lie half a pixel outside of the centres of the corner pixels.
    corners = view.to_input([[x - 0.5, y - 0.5], [x + w - 0.5, y + h - 0.5]])
    expected = [
        [left - 0.5, top - 0.5],
        [left + view.resized[1] - 0.5, top + view.resized[0] - 0.5],
    ]
    np.testing.assert_allclose(corners, expected, atol=1e-6)


@given(views())
def test_the_resized_crop_keeps_its_aspect_and_touches_the_input(view: View) -> None:
    height, width = view.preprocessing.input_size
    h, w = view.resized
    assert h <= height
    assert w <= width
    assert h == height or w == width
    factor = min(height / view.crop[3], width / view.crop[2])
    assert abs(h - view.crop[3] * factor) <= max(0.5, 1 - view.crop[3] * factor) + 1e-9
    assert abs(w - view.crop[2] * factor) <= max(0.5, 1 - view.crop[2] * factor) + 1e-9


@settings(max_examples=40)
@given(
    st.sampled_from([(480, 640), (646, 864), (200, 130), (101, 333)]),
    st.booleans(),
    st.floats(0.1, 0.9),
    st.floats(0.1, 0.9),
    st.sampled_from([(192, 256), (224, 224), (96, 64)]),
)
def test_a_dot_in_the_frame_is_found_where_its_point_maps_to(
    frame_size: tuple[int, int], cropped: bool, u: float, v: float, input_size: tuple[int, int]
) -> None:
    height, width = frame_size
    crop = (width // 8, height // 5, width // 2, height // 2) if cropped else None
    view = Preprocessing(input_size, crop=crop).view(frame_size)
    x0, y0, w, h = view.crop
    dot = np.array([x0 + u * (w - 1), y0 + v * (h - 1)])
    yy, xx = np.mgrid[:height, :width]
    # Wide enough that a few pixels of the input see it.
    radius = 2.0 / min(view.input_per_frame)
    distance = (xx - dot[0]) ** 2 + (yy - dot[1]) ** 2
    frame = np.round(255 * np.exp(-distance / (2 * radius**2))).astype(np.uint8)
    canvas = view.pad(scale_image(frame, view.scale)[None])[0, 0].astype(float)
    cy, cx = np.mgrid[: canvas.shape[0], : canvas.shape[1]]
    expected = view.to_input(dot)
    # The dot's centre of mass, near where it should be: elsewhere it may be cut off by the crop.
    near = (np.abs(cx - expected[0]) <= 3) & (np.abs(cy - expected[1]) <= 3)
    inside = 8 < expected[0] < canvas.shape[1] - 9 and 8 < expected[1] < canvas.shape[0] - 9
    peak = np.unravel_index(canvas.argmax(), canvas.shape)
    assert np.hypot(peak[1] - expected[0], peak[0] - expected[1]) <= 1.5
    if inside:
        mass = canvas * near
        found = np.array([(cx * mass).sum(), (cy * mass).sum()]) / mass.sum()
        np.testing.assert_allclose(found, expected, atol=0.35)


@given(views(), st.integers(1, 40), st.integers(1, 40))
def test_the_grid_lies_on_the_video_as_its_cells_lie_on_the_input(
    view: View, rows: int, columns: int
) -> None:
    scale, translate = view.grid_placement((rows, columns))
    height, width = view.preprocessing.input_size
    i, j = rows - 1, columns // 2
    centre = [(j + 0.5) * width / columns - 0.5, (i + 0.5) * height / rows - 0.5]
    placed = [j * scale[1] + translate[1], i * scale[0] + translate[0]]
    np.testing.assert_allclose(placed, view.to_frame(centre), atol=1e-6)


@pytest.mark.parametrize(
    ("frame_size", "filled"),
    [
        ((100, 100), (slice(None), slice(16, 80))),
        ((100, 300), (slice(16, 48), slice(None))),
        ((101, 300), (slice(16, 48), slice(None))),
    ],
)
def test_padding_is_even_and_holds_the_pad_value(
    frame_size: tuple[int, int], filled: tuple[slice, slice]
) -> None:
    view = Preprocessing((64, 96), pad_value=7).view(frame_size)
    canvas = view.pad(np.full((2, *view.resized), 200, np.uint8))
    expected = np.full((2, 1, 64, 96), 7)
    expected[(..., *filled)] = 200
    np.testing.assert_array_equal(canvas, expected)


def test_rgb_images_become_channels_first() -> None:
    view = Preprocessing((32, 32), 3, (0.5,) * 3, (0.5,) * 3).view((32, 32))
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(view.pad(image)[0], image[0].transpose(2, 0, 1))
    with pytest.raises(ValueError, match="expected images of shape"):
        view.pad(image[..., 0])


@pytest.mark.parametrize(
    ("mean", "std"),
    [((0.5,), (0.5,)), ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), ((0.5,) * 3, (0.25,) * 3)],
)
def test_normalising_is_the_textbook_formula(
    mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    preprocessing = Preprocessing((8, 8), len(mean), mean, std)
    canvas = torch.arange(256, dtype=torch.uint8).repeat(len(mean), 1).view(1, len(mean), 16, 16)
    expected = (canvas.double() / 255 - torch.tensor(mean).view(1, -1, 1, 1)) / torch.tensor(
        std
    ).view(1, -1, 1, 1)
    before = canvas.clone()
    torch.testing.assert_close(
        preprocessing.normalise(canvas).double(), expected, atol=1e-5, rtol=0
    )
    assert torch.equal(canvas, before)


@pytest.mark.parametrize(
    "crop", [(0, 0, 641, 10), (-1, 0, 10, 10), (0, 471, 10, 10), (5, 5, 0, 10), (700, 0, 10, 10)]
)
def test_a_crop_outside_of_the_frame_is_refused_in_one_sentence(
    crop: tuple[int, int, int, int],
) -> None:
    with pytest.raises(VitFaceError, match=f"x={crop[0]}, y={crop[1]}.*640 x 480 pixels"):
        Preprocessing((64, 64), crop=crop).view((480, 640))


@pytest.mark.parametrize(
    "arguments",
    [
        {"input_size": (0, 10)},
        {"channels": 2},
        {"mean": (0.1, 0.2)},
        {"std": (0.0,)},
        {"mean": (float("nan"),)},
        {"pad_value": 256},
    ],
)
def test_nonsense_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        Preprocessing(**({"input_size": (64, 64)} | arguments))  # type: ignore[arg-type]


@given(views())
def test_it_survives_json(view: View) -> None:
    preprocessing = view.preprocessing
    assert Preprocessing.from_dict(json.loads(json.dumps(preprocessing.to_dict()))) == preprocessing


@pytest.mark.parametrize("name", ["input_size", "channels", "mean", "std"])
def test_what_a_network_was_trained_with_is_not_made_up(name: str) -> None:
    described: dict[str, Any] = dict(Preprocessing((64, 96)).to_dict())
    del described[name]
    with pytest.raises(KeyError, match=name):
        Preprocessing.from_dict(described)


def test_another_crop_changes_nothing_else() -> None:
    preprocessing = Preprocessing((64, 96), pad_value=3)
    cropped = preprocessing.with_crop((1, 2, 30, 40))
    assert cropped.crop == (1, 2, 30, 40)
    assert cropped.with_crop(None) == preprocessing


def test_geometry_and_metadata_need_no_torch() -> None:
    code = (
        "import sys, napari_vitface.model.preprocessing as p, napari_vitface.model.checkpoint;"
        "v = p.Preprocessing((64, 96)).view((480, 640)); v.to_frame([[1, 2]]);"
        "v.grid_placement((4, 6)); v.scale;"
        "sys.exit('torch' in sys.modules or 'timm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
