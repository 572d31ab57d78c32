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
    flip=st.sampled_from([0.0, 0.5]),
)
@settings(max_examples=40, deadline=None)
def test_a_spot_is_found_where_its_keypoint_went(
    seed: int, x: float, y: float, flip: float
) -> None:
    vary = Augmentation(flip=flip, **LIGHT_UNCHANGED)
    images, moved, _ = vary(blob((x, y), (96, 128)), torch.tensor([[[x, y]]]), seed)
    assert np.abs(centroid(images) - moved[0, 0].numpy()).max() < 0.05


def test_points_that_leave_the_image_and_unlabelled_points_are_nan() -> None:
    vary = Augmentation(rotation=0, scale=0, translation=0.5, **LIGHT_UNCHANGED)
    xy = torch.tensor([[[0.0, 0.0], [127.0, 95.0], [64.0, 48.0], [torch.nan, torch.nan]]])
    image = torch.zeros(1, 1, 96, 128, dtype=torch.uint8)
    for seed in range(20):
        _, moved, _ = vary(image, xy, seed)
        # A shift takes at least one of two opposite corners out of the image.
        assert torch.isnan(moved[0, :2]).any()
        assert torch.isnan(moved[0, 3]).all()
        inside = moved[torch.isfinite(moved).all(-1)]
        assert ((inside >= 0) & (inside <= torch.tensor([127.0, 95.0]))).all()


def test_light_alone_changes_the_image_but_no_keypoint() -> None:
    vary = Augmentation(rotation=0, scale=0, translation=0)
    image = blob((60, 40), (96, 128))
    xy = torch.tensor([[[60.0, 40.0]]])
    images, moved, _ = vary(image, xy, 0)
    assert torch.equal(moved, xy)
    assert not torch.equal(images, image)


def test_no_augmentation_changes_nothing() -> None:
    image = blob((60, 40), (96, 128))
    xy = torch.tensor([[[60.0, 40.0]]])
    images, moved, order = Augmentation.none()(image, xy, 3)
    assert torch.equal(images, image)
    assert torch.equal(moved, xy)
    assert order.tolist() == [[0]]


def test_mirrored_faces_have_left_and_right_in_their_places() -> None:
    image = blob((20, 40), (96, 128))
    left, right, nose = (20.0, 40.0), (100.0, 40.0), (64.0, 70.0)
    xy = torch.tensor([[left, right, nose]])
    still = {"rotation": 0.0, "scale": 0.0, "translation": 0.0, **LIGHT_UNCHANGED}
    mirrored = 0
    for seed in range(20):
        images, moved, order = Augmentation(flip=0.5, **still)(image, xy, seed, [(0, 1)])
        if order[0, 0] == 0:
            assert torch.equal(moved, xy)
            continue
        mirrored += 1
        # What is now on the left was the right one: W - 1 - 100.
        assert moved[0].tolist() == [[27.0, 40.0], [107.0, 40.0], [63.0, 70.0]]
        assert order.tolist() == [[1, 0, 2]]
        np.testing.assert_allclose(centroid(images), [107, 40], atol=0.02)
    assert 3 < mirrored < 17


def test_faces_are_not_mirrored_unless_asked() -> None:
    xy = torch.tensor([[[20.0, 40.0], [100.0, 40.0]]]).expand(30, -1, -1)
    _, moved, order = Augmentation()(blob((20, 40), (96, 128)).expand(30, -1, -1, -1), xy, 0)
    assert (moved[:, 0, 0] < moved[:, 1, 0]).all()
    assert (order == torch.tensor([0, 1])).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_each_image_of_a_batch_is_varied_on_its_own_and_a_seed_repeats_it(channels: int) -> None:
    image = blob((60, 40), (96, 128)).expand(4, channels, -1, -1)
    xy = torch.tensor([[[60.0, 40.0]]]).expand(4, -1, -1)
    torch.manual_seed(1)
    first = Augmentation()(image, xy, 5)
    # The global generator is neither read nor moved.
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(1))
    again = Augmentation()(image, xy, 5)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert len(torch.unique(first[1][:, 0, 0])) == 4


def test_what_comes_in_from_outside_is_no_black_corner() -> None:
    image = torch.full((6, 1, 96, 128), 200, dtype=torch.uint8)
    images, _, _ = Augmentation(**LIGHT_UNCHANGED)(image, torch.zeros(6, 1, 2), 0)
    assert int(images.min()) > 190
