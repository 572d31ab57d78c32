import numpy as np
import pytest
from scipy import ndimage

from napari_vitface.sample import random_face
from napari_vitface.sample.laboratory import (
    before_another_background,
    filmed,
    random_face_elsewhere,
)
from napari_vitface.sample.objects import Pelt, Rod

SIZE = (96, 128)


@pytest.fixture(scope="module")
def faces():
    return [random_face_elsewhere(np.random.default_rng(seed), SIZE) for seed in range(24)]


def test_faces_elsewhere_have_all_keypoints_inside_the_picture(faces):
    for image, xy in faces:
        assert image.shape == SIZE
        assert image.dtype == np.uint8
        assert xy.shape == (12, 2)
        assert ((xy >= 0) & (xy <= (SIZE[1] - 1, SIZE[0] - 1))).all()


def test_faces_elsewhere_stand_before_dark_and_bright_and_are_large_and_small(faces):
    corners = [np.median(image[:12, :12]) for image, _ in faces]
    widths = [np.ptp(xy[:, 0]) / SIZE[1] for _, xy in faces]

    assert min(corners) < 40
    assert max(corners) > 150
    assert min(widths) < 0.4
    assert max(widths) > 0.65


def test_a_seed_always_draws_the_same_face_elsewhere(faces):
    image, xy = random_face_elsewhere(np.random.default_rng(3), SIZE)

    np.testing.assert_array_equal(image, faces[3][0])
    np.testing.assert_array_equal(xy, faces[3][1])


@pytest.mark.parametrize("seed", range(6))
def test_keypoints_go_where_another_camera_sees_them(seed):
    image = np.zeros((288, 384), dtype=np.uint8)
    xy = np.array([[150, 100], [220, 110], [180, 170]], dtype=np.float32)
    image[95:106, 145:156] = 255

    seen, points = filmed(image, xy, np.random.default_rng(seed))

    smooth = ndimage.gaussian_filter(seen.astype(float), 3)
    bright = smooth > 0.9 * smooth.max()
    y, x = ndimage.center_of_mass(bright)
    assert np.hypot(*(points[0] - (x, y))) < 6


def test_keypoints_that_nobody_placed_stay_unknown():
    image, xy = random_face(np.random.default_rng(0), SIZE)
    xy[4] = np.nan

    _, points = filmed(image, xy, np.random.default_rng(1))

    assert np.isnan(points[4]).all()
    assert np.isfinite(np.delete(points, 4, axis=0)).all()


def test_another_background_leaves_the_face_as_it_is():
    image = np.full((180, 240), 2, dtype=np.uint8)
    image[40:140, 80:] = 90
    image[80:100, 150:180] = 0  # an eye, as dark as the background

    changed = before_another_background(image, np.random.default_rng(4))

    np.testing.assert_allclose(changed[50:130, 90:].astype(int), image[50:130, 90:], atol=2)
    assert np.abs(changed[:30, :60].astype(int) - 2).mean() > 10


def test_rods_and_pelts_cover_what_is_behind_them():
    y, x = np.mgrid[:60, :80].astype(np.float32)
    plain = np.full((60, 80), 50, dtype=np.float32)

    rod = Rod((10, 30), (60, 30), 16, 200, 0.0).draw(plain, x, y)
    pelt = Pelt((40, 30), (20, 15), 200).draw(plain, x, y)

    assert rod[30, 40] == 200
    assert rod[10, 40] == 50
    assert rod[30, 75] == 50
    assert pelt[30, 40] > 180
    assert pelt[2, 2] == 50
