"""Features of frames are what their definitions say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.feature import hog

from napari_vitface.errors import VitFaceError
from napari_vitface.settings.features import FEATURES, choose, described_as
from napari_vitface.states.features.compute import compute, features_of, make_extractors
from napari_vitface.states.features.extractor import Material
from napari_vitface.video.scale import Scale, scale_image

Folder = Callable[[Any], Path]
Make = Callable[..., Material]


@pytest.mark.parametrize(
    ("settings", "crop"),
    [
        ({}, None),
        ({"cell": 8, "orientations": 9}, None),
        ({"cell": 5, "block": 2}, None),
        ({"cell": 6, "block": 3, "orientations": 6}, (3, 2, 41, 33)),
    ],
)
def test_hog_is_that_of_scikit_image(
    folder_of: Folder,
    material_of: Make,
    noise: NDArray[np.uint8],
    settings: dict[str, Any],
    crop: tuple[int, int, int, int] | None,
) -> None:
    # Flat parts as well, where all gradients are 0.
    noise[3, :, :30] = 77
    material = material_of(folder_of(noise), crop)
    _, values, (extractor,) = features_of(choose("hog", settings), material)
    about = extractor.about
    x, y, w, h = material.crop.rectangle  # type: ignore[attr-defined]
    expected = [
        hog(
            image[y : y + h, x : x + w],
            orientations=about["orientations"],
            pixels_per_cell=(about["cell"], about["cell"]),
            cells_per_block=(about["block"], about["block"]),
        )
        for image in noise
    ]
    np.testing.assert_allclose(values, expected, atol=1e-6)
    assert len(extractor.columns) == values.shape[1]


def test_hog_of_a_real_video_is_that_of_scikit_image(real_data: Path, material_of: Make) -> None:
    material = material_of(real_data / "der" / "ECO_3_000_M_500uA_0.mp4")
    frames, values, _ = features_of(choose("hog", {"cell": 8}), material, range(38, 44))
    assert frames.tolist() == [38, 39, 40, 41, 42, 43]
    expected = [
        hog(material.video[i], orientations=8, pixels_per_cell=(8, 8), cells_per_block=(1, 1))
        for i in frames
    ]
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_the_columns_of_hog_say_where_and_which_way(folder_of: Folder, material_of: Make) -> None:
    # Edges from top to bottom, and from left to right: gradients along x, 0 degrees, and y.
    upright, level = np.zeros((2, 24, 24), np.uint8)
    upright[:, 12:] = level[4:] = 200
    material = material_of(folder_of([upright, level]))
    _, values, (extractor,) = features_of(choose("hog", {"cell": 8, "orientations": 4}), material)
    found = [{extractor.columns[i] for i in np.flatnonzero(row).tolist()} for row in values]
    assert found[0] == {f"row {i}, column 1, 0°" for i in range(3)}
    assert found[1] == {f"row 0, column {i}, 90°" for i in range(3)}


def test_cells_are_as_many_on_small_faces_as_on_large_ones(
    folder_of: Folder, material_of: Make
) -> None:
    material = material_of(folder_of(np.zeros((1, 132, 164), np.uint8)), (8, 6, 92, 76))
    (small,) = make_extractors(choose("hog", {}), material)
    assert small.about["cells"] == [9, 11]
    assert small.about["cell"] == 8


def test_a_large_crop_is_brought_to_the_longest_side_before(
    folder_of: Folder, material_of: Make
) -> None:
    large = np.random.default_rng(0).integers(0, 256, (2, 240, 320), dtype=np.uint8)
    material = material_of(folder_of(large))
    _, values, (extractor,) = features_of(choose("hog", {"longest": 160}), material)
    # Cells of 13 pixels of the half picture are 26 of the crop.
    assert (extractor.about["cell"], extractor.about["cells"]) == (26, [9, 12])
    half = [scale_image(image, Scale(None, (120, 160), grey=True)) for image in large]
    expected = [
        hog(image, orientations=8, pixels_per_cell=(13, 13), cells_per_block=(1, 1))
        for image in half
    ]
    np.testing.assert_allclose(values, expected, atol=1e-6)
    (whole,) = make_extractors(choose("hog", {"longest": 0}), material)
    assert (whole.about["cell"], whole.scale.size) == (27, (240, 320))  # type: ignore[union-attr]


def test_a_crop_smaller_than_a_block_is_refused(
    folder_of: Folder, material_of: Make, noise: NDArray[np.uint8]
) -> None:
    material = material_of(folder_of(noise), (0, 0, 20, 20))
    with pytest.raises(VitFaceError, match="smaller than a block of HOG"):
        make_extractors(choose("hog", {"cell": 11, "block": 2}), material)


def test_motion_brightness_position_and_time(
    folder_of: Folder, material_of: Make, noise: NDArray[np.uint8]
) -> None:
    crop = (4, 6, 30, 20)
    material = material_of(folder_of(noise), crop)
    frames, values, _ = features_of(choose("motion,brightness,position,time", {}), material)
    seen = noise[:, 6:26, 4:34].astype(np.float64)
    change = np.abs(np.diff(seen, axis=0)).mean(axis=(1, 2))
    np.testing.assert_allclose(values[:, 0], [0, *change], rtol=1e-5)
    np.testing.assert_allclose(values[:, 1], seen.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_array_equal(values[:, 2:6], [(18.5, 15.5, 0, 1)] * 9)
    np.testing.assert_allclose(values[:, 6], material.video.times[frames])


def test_a_selection_of_frames_has_the_features_that_they_have_among_all(
    folder_of: Folder, material_of: Make, noise: NDArray[np.uint8]
) -> None:
    material = material_of(folder_of(noise))
    kinds = choose("hog,motion", {})
    _, every, _ = features_of(kinds, material)
    for chosen in (range(5, 9), range(1, 9, 3), [0, 2, 3, 7]):
        frames, some, _ = features_of(kinds, material, chosen)
        assert frames.tolist() == [*chosen]
        np.testing.assert_array_equal(some, every[frames])


def test_blocks_do_not_show(folder_of: Folder, material_of: Make, noise: NDArray[np.uint8]) -> None:
    material = material_of(folder_of(noise))
    kinds = choose("motion,hog", {})
    _, whole, _ = features_of(kinds, material)
    extractors = make_extractors(kinds, material)
    blocks = list(compute(extractors, material, range(9), size=4))
    assert [block.frames.tolist() for block in blocks] == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    np.testing.assert_array_equal(np.concatenate([np.hstack(b.values) for b in blocks]), whole)


def test_frames_that_cannot_be_decoded_have_no_features(
    folder_of: Folder, material_of: Make, noise: NDArray[np.uint8]
) -> None:
    material = material_of(folder_of([*noise[:3], None, *noise[4:]]))
    _, values, _ = features_of(choose("brightness,motion,position", {}), material)
    assert np.flatnonzero(np.isnan(values[:, 0])).tolist() == [3]
    # The frame after it has nothing to be compared with.
    assert np.flatnonzero(np.isnan(values[:, 1])).tolist() == [3, 4]
    assert not np.isnan(values[:, 2:]).any()


def test_a_crop_outside_the_frame_is_refused(
    folder_of: Folder, material_of: Make, noise: NDArray[np.uint8]
) -> None:
    with pytest.raises(VitFaceError, match=r"30,30,30,20 .* 52 x 40 pixels"):
        material_of(folder_of(noise), (30, 30, 30, 20))


def test_kinds_are_chosen_with_their_settings() -> None:
    hog_kind, motion = choose("hog, motion", {"cell": 6})
    assert (hog_kind.name, motion.name) == ("hog", "motion")
    assert described_as(hog_kind.described()) == hog_kind
    assert hog_kind.described() == {
        "kind": "hog",
        "orientations": 8,
        "cell": 6,
        "longest": 192,
        "block": 1,
    }
    with pytest.raises(VitFaceError, match="There is no feature 'hogg'; choose among hog, tokens"):
        choose("hogg", {})
    with pytest.raises(VitFaceError, match="named twice"):
        choose("hog,hog", {})
    with pytest.raises(VitFaceError, match="orientations"):
        choose("hog", {"orientations": 0})
    with pytest.raises(TypeError, match="colour"):
        choose("hog", {"colour": 1})
    with pytest.raises(VitFaceError, match="'psychic', which is not known here"):
        described_as({"kind": "psychic"})


def test_every_kind_can_be_loaded() -> None:
    assert all(callable(kind.load()) for kind in FEATURES.values())
