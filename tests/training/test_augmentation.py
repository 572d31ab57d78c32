"""Augmentation moves keypoints with the image, and leaves them alone where only light changes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_vitface.training.augmentation import Augmentation

LIGHT_UNCHANGED = {
    "brightness": 0.0,
    "contrast": 0.0,
    "gamma": 0.0,
    "noise": 0.0,
    "blur": 0.0,
    "erase": 0.0,
}


def blob(xy: tuple[float, float], size: tuple[int, int]) -> torch.Tensor:
    """A bright Gaussian spot of 2.5 px on black, (1, 1, H, W) uint8."""
    y, x = np.mgrid[: size[0], : size[1]]
    spot = np.exp(-((x - xy[0]) ** 2 + (y - xy[1]) ** 2) / 2 / 2.5**2)
    return torch.from_numpy((255 * spot).astype(np.uint8))[None, None]


def centroid(image: torch.Tensor) -> np.ndarray:
    values = image[0, 0].double().numpy()
    y, x = np.mgrid[: values.shape[0], : values.shape[1]]
    return np.array([(values * x).sum(), (values * y).sum()]) / values.sum()


@given(
    seed=st.integers(0, 10_000),
    x=st.floats(45, 83),
    y=st.floats(35, 61),
)
@settings(max_examples=30, deadline=None)
def test_a_spot_is_found_where_its_keypoint_went(seed: int, x: float, y: float) -> None:
    vary = Augmentation(**LIGHT_UNCHANGED)
    generator = torch.Generator().manual_seed(seed)
    images, moved = vary(blob((x, y), (96, 128)), torch.tensor([[[x, y]]]), generator)
    assert np.abs(centroid(images) - moved[0, 0].numpy()).max() < 0.15


def test_points_that_leave_the_image_and_unlabelled_points_are_nan() -> None:
    vary = Augmentation(rotation=0, scale=0, translation=0.5, **LIGHT_UNCHANGED)
    xy = torch.tensor([[[0.0, 0.0], [127.0, 95.0], [64.0, 48.0], [torch.nan, torch.nan]]])
    image = torch.zeros(1, 1, 96, 128, dtype=torch.uint8)
    lost = 0
    for seed in range(20):
        _, moved = vary(image, xy, torch.Generator().manual_seed(seed))
        # A shift takes at least one of two opposite corners out of the image.
        assert torch.isnan(moved[0, :2]).any()
        assert torch.isnan(moved[0, 3]).all()
        inside = moved[torch.isfinite(moved).all(-1)]
        assert ((inside >= 0) & (inside <= torch.tensor([127.0, 95.0]))).all()
        lost += int(torch.isnan(moved).any())
    assert lost == 20


def test_light_alone_changes_the_image_but_no_keypoint() -> None:
    vary = Augmentation(rotation=0, scale=0, translation=0)
    image = blob((60, 40), (96, 128))
    xy = torch.tensor([[[60.0, 40.0]]])
    images, moved = vary(image, xy, torch.Generator().manual_seed(0))
    assert torch.equal(moved, xy)
    assert not torch.equal(images, image)


@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_of_a_batch_is_varied_on_its_own_and_a_seed_repeats_it(channels: int) -> None:
    image = blob((60, 40), (96, 128)).expand(4, channels, -1, -1)
    xy = torch.tensor([[[60.0, 40.0]]]).expand(4, -1, -1)
    first = Augmentation()(image, xy, torch.Generator().manual_seed(5))
    again = Augmentation()(image, xy, torch.Generator().manual_seed(5))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert len(torch.unique(first[1][:, 0, 0])) == 4
