"""The model that ships on real frames as other cameras would have filmed them.

    python -m benchmarks cameras

The frames that it was not trained on are mirrored, turned, moved, brought nearer, lit otherwise and
so on, and their labels with them. Beside each stands its mean error over that on the frames as
they are, without those that are labelled by mistake. Errors are in pixels of the frames as they
are: where everything is twice as large, so is an error. `--model` judges another checkpoint, by
the frames that its own training kept apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.filters import gaussian
from skimage.io import imread
from skimage.transform import AffineTransform, warp

from benchmarks import Row, print_by_model
from benchmarks._real_recording import DATA, FOLDER, held_out_labels
from napari_vitface import load_model
from napari_vitface.model.calibrating import default_radius
from napari_vitface.pose.metrics import pixel_errors, summary

Floats = NDArray[np.float64]

_NAME = "mean error by another camera / as it is"


@dataclass(frozen=True)
class Frames:
    """Images with values in 0..1 and their keypoints; `magnified` by how much."""

    images: Sequence[Floats]
    xy: Floats
    magnified: float = 1.0


def filmed_otherwise(frames: Frames) -> Iterator[tuple[str, Frames]]:
    """What is different -> the frames."""
    height, width = frames.images[0].shape
    middle = np.array([width - 1, height - 1]) / 2

    def moved(change: AffineTransform, magnified: float = 1.0) -> Frames:
        about = AffineTransform(translation=-middle) + change + AffineTransform(translation=middle)
        images = [warp(image, about.inverse, mode="edge") for image in frames.images]
        return Frames(images, np.stack([about(xy) for xy in frames.xy]), magnified)

    def lit(images: Sequence[Floats]) -> Frames:
        return Frames([np.clip(image, 0, 1) for image in images], frames.xy)

    mirror = AffineTransform(matrix=np.diag([-1.0, 1.0, 1.0]))
    yield "from the other side", moved(mirror)
    for degrees in (-25, -15, 15, 25):
        yield f"turned by {degrees}°", moved(AffineTransform(rotation=np.deg2rad(degrees)))
    for factor in (0.5, 0.7, 1.3, 1.6):
        yield f"{factor:g} times as large", moved(AffineTransform(scale=factor), factor)
    aside = AffineTransform(scale=0.8, translation=(0.15 * width, 0.1 * height))
    yield "0.8 times as large and aside", moved(aside, 0.8)
    turned = mirror + AffineTransform(rotation=np.deg2rad(-20), scale=0.6)
    yield "from the other side, turned by -20°, 0.6 times as large", moved(turned, 0.6)
    yield "stretched by 1.25, flattened by 0.85", moved(AffineTransform(scale=(1.25, 0.85)))
    images = frames.images
    yield "dark (0.4 times)", lit([0.4 * image for image in images])
    yield "overexposed (1.8 times)", lit([1.8 * image for image in images])
    yield "gamma 2.2", lit([image**2.2 for image in images])
    yield "gamma 0.45", lit([image**0.45 for image in images])
    yield "lit from one side", lit([image * np.linspace(0.3, 1.5, width) for image in images])
    yield "blurred (5 pixels)", lit([gaussian(image, 5) for image in images])
    rng = np.random.default_rng(0)
    yield "noise of 0.1", lit([image + rng.normal(0, 0.1, image.shape) for image in images])


def run(model_name: str = "mouse-face") -> list[Row]:
    """A row for each other camera."""
    if not FOLDER.exists():
        return [(_NAME, "no real recording", None, f"none in {DATA}")]
    labels = held_out_labels(model_name)
    model = load_model(model_name, device="cpu")
    as_it_is = Frames([imread(path) / 255 for path in labels.images], labels.xy)
    height, width = as_it_is.images[0].shape
    radius = default_radius((height, width))
    found: list[Row] = []
    means: list[float] = []
    for case, frames in [("as it is", as_it_is), *filmed_otherwise(as_it_is)]:
        pictures = [(image * 255).round().astype(np.uint8) for image in frames.images]
        xy, confidence = model.predict_images(pictures)
        errors = pixel_errors(xy, frames.xy) / frames.magnified
        errors[~inside(frames.xy, pictures[0].shape)] = np.nan
        judged = np.isfinite(errors)
        figures = summary(errors)
        note = (
            f"mean {figures.mean:.1f}, median {figures.median:.1f} px, "
            f"{np.mean(errors[judged] <= radius):.0%} within {radius:.0f} px, "
            f"confidence {confidence[judged].mean():.2f}; {figures.points} points"
        )
        means.append(figures.mean or np.nan)
        found.append((_NAME, case, means[-1] / means[0], note))
    return found


def inside(xy: Floats, size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which points lie in frames of this height and width; others cannot be found."""
    height, width = size
    return np.asarray(((xy >= 0) & (xy <= (width - 1, height - 1))).all(axis=-1), dtype=np.bool_)


if __name__ == "__main__":
    print_by_model(run, __doc__)
