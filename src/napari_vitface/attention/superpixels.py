"""Superpixel map: Shapley values of image regions, sampled, for how far a keypoint would move.

The image is cut into superpixels (SLIC, Achanta et al. 2012). The worth of a set of them is minus
the distance at which the keypoint is found from where it was when all others are grey, and each
one's value is what it adds to that, on average over the orders in which they could be added
(Shapley 1953; sampled as by Castro, Gomez and Tejada 2009, by the library captum). The values of a
keypoint sum to the distance at which it is found when everything is grey.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.attention.blanking import Blanker


def superpixel_values(
    blanker: Blanker,
    xy: NDArray[np.float32],
    grid: tuple[int, int],
    *,
    segments: int,
    orders: int,
    pixel: tuple[float, float] = (1.0, 1.0),
) -> Generator[int, None, tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Values of the superpixels for each keypoint, spread evenly over their pixels.

    Parameters
    ----------
    blanker : Blanker
    xy : (K, 2)
        What the network finds in the whole image, input pixels.
    grid : (gh, gw)
        Patches of the input.
    segments : int
        Superpixels, about.
    orders : int
        Random orders; the sampling error falls with the square root of their number.
    pixel : (x, y) float
        Units an input pixel, in which distances are told.

    Yields
    ------
    int
        Orders that are done.

    Returns
    -------
    values : (K, gh, gw) float32
        The value that falls into each patch; its sum over patches is that over superpixels.
        Negative where a region draws the keypoint away.
    labels : (H, W) int64
        The superpixel of each pixel of the input, from 1; 0 is padding.

    Raises
    ------
    ImportError
        The library captum is not installed.
    """
    import torch
    from captum.attr import ShapleyValueSampling

    labels = frame_superpixels(blanker, segments)
    count = int(labels.max())
    reference = np.asarray(xy, dtype=np.float64)

    def worth(present: Any) -> Any:
        shown = np.concatenate([np.ones((len(present), 1), bool), present.numpy() > 0.5], axis=1)
        masks = ~shown[:, labels]
        found = np.concatenate([each for each, _ in blanker.find(masks)])
        away = np.linalg.norm((found - reference) * np.asarray(pixel), axis=2)
        return torch.from_numpy(-away.astype(np.float32))

    everything, nothing = torch.ones(1, count), torch.zeros(1, count)
    method = ShapleyValueSampling(worth)
    total = np.zeros((len(xy), count))
    for order in range(orders):
        # captum draws from the global generator: leave that as it was.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(order)
            found = method.attribute(
                everything,
                baselines=nothing,
                n_samples=1,
                perturbations_per_eval=blanker.model.batch_size,
            )
        total += found[0].numpy()
        yield order + 1
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    density = np.concatenate([np.zeros((len(xy), 1)), total / orders / sizes], axis=1)
    height, width = labels.shape
    pixels = density[:, labels].reshape(-1, grid[0], height // grid[0], grid[1], width // grid[1])
    return pixels.sum(axis=(2, 4)).astype(np.float32), labels


def frame_superpixels(blanker: Blanker, segments: int) -> NDArray[np.int64]:
    """SLIC superpixels (H, W) of the part of the input that shows the frame, from 1; else 0."""
    from skimage.segmentation import slic

    rows, columns = blanker.frame
    frame = blanker.image[:, rows, columns].permute(1, 2, 0).numpy()
    labels = np.zeros(tuple(blanker.image.shape[1:]), dtype=np.int64)
    labels[rows, columns] = slic(
        frame[..., 0] if frame.shape[2] == 1 else frame,
        n_segments=segments,
        compactness=0.1 if frame.shape[2] == 1 else 10.0,
        channel_axis=None if frame.shape[2] == 1 else -1,
        start_label=1,
    )
    return labels
