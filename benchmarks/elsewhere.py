"""The model that ships on other mice before other cameras, of which it has seen none.

    python -m benchmarks elsewhere

*Drawn by other rules*: faces of the sample's renderer before photographs, through a lens that bends
lines, under two lamps, with polygons in the way, with another tone curve and compressed as video,
none of which training's drawings have. *Heads of other mice*: 12 frames of two
head-fixed mice, of whose laboratory the model knows two others, at four places and sizes each.
*The mouse in a mirror*: 90 frames of a mouse in a laboratory of which it knows nothing, seen from
aside, whose nose tip is labelled (see `_heads`).

The number is the median error over that of the mean pose of the same pictures, the best that a
constant can do. Errors are in widths of the eye, so that sizes do not matter. `--model` judges
another checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.fft import dctn, idctn
from skimage import data, exposure
from skimage.draw import polygon2mask
from skimage.transform import resize, warp

from benchmarks import Row, print_by_model
from benchmarks._heads import (
    DER,
    MIRROR,
    SIZE,
    Floats,
    Picture,
    eye_width,
    judging_heads,
    mirror_heads,
)
from benchmarks._real_recording import DATA
from napari_vitface import load_model
from napari_vitface.model.calibrating import default_radius
from napari_vitface.model.calibration import radius_of
from napari_vitface.pose.keypoints import MOUSE_FACE
from napari_vitface.pose.metrics import calibration_error, mean_pose, pixel_errors
from napari_vitface.sample.identity import fit_inside, random_identity, random_pose
from napari_vitface.sample.light import Background
from napari_vitface.sample.renderer import render

NAME = "error on other mice / of the mean pose"
DRAWN = 150
#: Renderings that judge are drawn with seeds from here on, which no training has.
FIRST_SEED = 9_000_000


def run(model_name: str = "mouse-face") -> list[Row]:
    """A row for each kind of picture."""
    sets = {"drawn by other rules": list(drawn_otherwise())}
    absent: list[Row] = []
    for case, folder, pictures in (
        ("heads of two other mice (DER)", DER, judging_heads),
        ("head of the mouse in a mirror", MIRROR, mirror_heads),
    ):
        if folder.exists():
            sets[case] = list(pictures())
        else:
            absent.append((NAME, case, None, f"none in {DATA}"))
    model = load_model(model_name, device="cpu")
    return [*(judged(case, pictures, model) for case, pictures in sets.items()), *absent]


def judged(case: str, pictures: list[Picture], model: Any) -> Row:
    """The row of some pictures of one size."""
    truth = np.stack([picture.xy for picture in pictures])
    eye = np.array([picture.eye for picture in pictures])[:, None]
    xy, confidence = model.predict_images([picture.image for picture in pictures])
    pixels = pixel_errors(xy, truth)
    known = np.isfinite(pixels)
    errors = (pixels / eye)[known]
    constant = (pixel_errors(mean_pose(truth)[None], truth) / eye)[known]
    radius: float | NDArray[np.float64] = default_radius(pictures[0].image.shape)
    if model.calibration:
        view = model.preprocessing.view(pictures[0].image.shape)
        radius = radius_of(model.calibration, model.preprocessing, view.magnification)
    right = pixels[known] <= radius
    each = ", ".join(
        f"{name} {np.nanmedian((pixels / eye)[:, k]):.2f}"
        for k, name in enumerate(MOUSE_FACE.names)
        if known[:, k].any()
    )
    note = (
        f"median {np.median(errors):.3f} of an eye's width, mean {errors.mean():.2f}, "
        f"{np.mean(errors > 0.5):.0%} off by more than half an eye (mean pose "
        f"{np.median(constant):.2f}, {np.mean(constant > 0.5):.0%}); {errors.size} points; "
        f"calibration error {calibration_error(confidence[known], right):.2f}, mean confidence "
        f"{confidence[known].mean():.2f} for {right.mean():.2f} right; medians: {each}"
    )
    return NAME, case, float(np.median(errors) / np.median(constant)), note


def drawn_otherwise() -> Iterator[Picture]:
    """Faces drawn by rules that training's drawings do not follow."""
    photographs = [data.camera(), data.brick(), data.grass(), data.gravel(), data.moon()]
    photographs += [data.page(), data.text(), data.coins()]
    for seed in range(FIRST_SEED, FIRST_SEED + DRAWN):
        rng = np.random.default_rng(seed)
        image, xy = _before_photograph(rng, photographs[int(rng.integers(len(photographs)))])
        image = _two_lamps(image, rng)
        if rng.uniform() < 0.5:
            image = _behind_polygon(image, xy, rng)
        image, xy = _through_lens(image, xy, rng)
        if rng.uniform() < 0.5:
            image = exposure.equalize_adapthist(image, clip_limit=rng.uniform(0.005, 0.03))
        else:
            bent = 1 / (1 + np.exp(-rng.uniform(3, 8) * (image - rng.uniform(0.2, 0.5))))
            image = exposure.rescale_intensity(bent, out_range=(0.0, 1.0))
        grey = _blocky((image * 255).astype(np.uint8), rng)
        yield Picture(grey, xy, eye_width(xy))


def _before_photograph(
    rng: np.random.Generator, photograph: NDArray[np.uint8]
) -> tuple[Floats, Floats]:
    """A face of values 0 to 1 in front of a piece of a photograph, a little out of focus."""
    pose = random_pose(rng)
    face = replace(random_identity(rng, 1.0), pose=pose)
    face = replace(face, camera=replace(face.camera, gamma=1.0, shot_noise=0.0, read_noise=0.0))
    face = fit_inside(face, SIZE, [pose], margin=0.08)
    before = [
        render(replace(face, background=Background(level=level)), SIZE, rng)[0] / 255
        for level in (0.0, 120.0)
    ]
    xy = render(face, SIZE, rng)[1].astype(np.float64)
    # Where the level behind makes no difference, there is the face.
    most = max(float((before[1] - before[0]).max()), 1e-3)
    behind = np.clip((before[1] - before[0]) / most, 0, 1)
    corner = [int(rng.integers(0, max(1, side - 150))) for side in photograph.shape]
    piece = photograph[corner[0] : corner[0] + 150, corner[1] : corner[1] + 200] / 255
    piece = ndimage.gaussian_filter(resize(piece, SIZE), rng.uniform(0, 4))
    return before[0] + behind * piece * rng.uniform(0.1, 1), xy


def _two_lamps(image: Floats, rng: np.random.Generator) -> Floats:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] / SIZE[1]
    light = np.full(SIZE, rng.uniform(0.3, 1))
    for _ in range(2):
        far = np.hypot(x - rng.uniform(0, 1), y - rng.uniform(0, 0.75)) / rng.uniform(0.15, 0.5)
        light += rng.uniform(0, 1.2) / (1 + far**2)
    lit = image * light
    return np.clip(lit / max(np.percentile(lit, 98), 0.05), 0, 1)


def _behind_polygon(image: Floats, xy: Floats, rng: np.random.Generator) -> Floats:
    """Something with corners in the way, away from eye, nose and mouth."""
    for _ in range(20):
        middle = rng.uniform(0, 1, 2) * SIZE
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 7))))
        reach = rng.uniform(15, 60)
        corners = middle + reach * np.stack([np.sin(angles), np.cos(angles)], axis=1)
        if np.linalg.norm(xy[:, ::-1] - middle, axis=1).min() > reach + 8:
            return np.where(polygon2mask(SIZE, corners), rng.uniform(0, 1), image)
    return image


def _through_lens(image: Floats, xy: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Barrel or cushion: a place at r from the middle is seen at r / (1 + k r²), k small."""
    middle, half = np.array([SIZE[1] - 1, SIZE[0] - 1]) / 2, SIZE[1] / 2
    bend = rng.uniform(-0.15, 0.25)

    def origin(seen: Floats) -> Floats:
        from_middle = (seen - middle) / half
        square = (from_middle**2).sum(axis=-1, keepdims=True)
        return np.asarray(middle + half * from_middle * (1 + bend * square))

    seen = xy.copy()
    for _ in range(30):
        seen = seen + xy - origin(seen)
    return np.asarray(warp(image, origin, order=1, mode="edge")), seen


def _blocky(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """As a video of few bits stores it: blocks of 8, of which only coarse waves are kept."""
    height, width = image.shape
    blocks = image.reshape(height // 8, 8, width // 8, 8).astype(np.float64)
    waves = dctn(blocks, axes=(1, 3), norm="ortho")
    fine = np.add.outer(np.arange(8), np.arange(8))
    step = (1 + fine[None, :, None, :]) * rng.uniform(1, 9)
    kept = idctn((waves / step).round() * step, axes=(1, 3), norm="ortho")
    return np.clip(kept, 0, 255).round().astype(np.uint8).reshape(height, width)


if __name__ == "__main__":
    print_by_model(run, __doc__)
