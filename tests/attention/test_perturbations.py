"""Occlusion, superpixels and deletion curves: what the network does when parts are blanked."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_vitface.attention.blanking import Blanker, patches_in, patches_to_pixels
from napari_vitface.attention.faithfulness import DeletionCurves, deletion_curves, mean_curves
from napari_vitface.attention.maps import attention_maps, attention_steps
from napari_vitface.attention.occlusion import occlusion
from napari_vitface.attention.superpixels import frame_superpixels, superpixel_values
from napari_vitface.errors import VitFaceError
from napari_vitface.model.predictor import KeypointModel
from napari_vitface.pose.keypoints import KeypointSet

MakeModel = Callable[..., KeypointModel]
Canvas = Callable[..., NDArray[np.uint8]]
SIZE = (64, 96)
GRID = (4, 6)


@dataclass
class BrightSpot:
    """A model whose rule is known: its first point is the brightest pixel, its second stays."""

    batch_size: int = 5
    keypoints: KeypointSet = field(default_factory=lambda: KeypointSet(("spot", "still")))
    passes: int = 0

    def predict(self, canvas: torch.Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        assert len(canvas) <= self.batch_size
        self.passes += len(canvas)
        images = canvas.numpy()[:, 0].astype(np.float32)
        place = images.reshape(len(images), -1).argmax(axis=1)
        y, x = np.divmod(place, images.shape[2])
        xy = np.stack([np.stack([x, y], axis=1), np.full((len(images), 2), 7)], axis=1)
        light = images.max(axis=(1, 2)) / 255
        return xy.astype(np.float32), np.stack([light, np.ones(len(images))], axis=1)


def spotted(model: Any = None) -> Blanker:
    """Dark noise with one bright pixel at (x, y) = (40, 20) and a weaker one at (85, 50)."""
    image = np.random.default_rng(0).integers(0, 60, SIZE).astype(np.uint8)
    image[20, 40], image[50, 85] = 255, 200
    return Blanker(model or BrightSpot(), torch.from_numpy(image)[None])


def result_of(steps: Generator[Any, None, Any]) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def found_by(blanker: Blanker) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    xy, confidence = blanker.model.predict(blanker.image[None])
    return xy[0], confidence[0]


# Blanks -----------------------------------------------------------------------------------------


def test_a_blank_is_the_mean_grey_of_the_frame_and_spares_the_padding() -> None:
    image = torch.zeros(3, 64, 96, dtype=torch.uint8)
    image[0, 16:48], image[1, 16:48], image[2, 16:48] = 10, 20, 31
    image[0, 16:48, ::2] = 30
    blanker = Blanker(BrightSpot(), image, area=(16, 0, 32, 96))  # type: ignore[arg-type]
    assert blanker.fill.tolist() == [20, 20, 31]
    masks = np.zeros((2, 64, 96), dtype=bool)
    masks[1] = True
    blanked = blanker.blanked(masks)
    assert torch.equal(blanked[0], image)
    assert (blanked[1, :, :16] == 0).all()
    assert (blanked[1, 0, 16:48] == 20).all()
    assert Blanker(BrightSpot(), image, grey=7).fill.tolist() == [7, 7, 7]  # type: ignore[arg-type]


def test_patches_of_the_padding_are_no_patches_of_the_frame() -> None:
    inside = patches_in((10, 0, 44, 96), GRID, SIZE)
    # Rows of patches are centred on 8, 24, 40 and 56.
    assert inside.any(axis=1).tolist() == [False, True, True, False]
    assert patches_in(None, GRID, SIZE).all()
    pixels = patches_to_pixels(inside, SIZE)
    assert pixels.shape == SIZE
    assert pixels.sum() == 2 * 16 * 96


# Occlusion --------------------------------------------------------------------------------------


@pytest.mark.parametrize("square", [1.0, 2.0, 3.0])
def test_covering_the_spot_moves_the_point_to_the_next_brightest(square: float) -> None:
    blanker = spotted()
    xy, confidence = found_by(blanker)
    moved, lost = result_of(occlusion(blanker, xy, confidence, GRID, square=square))
    assert moved.shape == (2, *GRID)
    rows, columns = np.indices(GRID)
    reach = square * 8
    # The square about a patch's centre covers the pixel (x, y) = (40, 20).
    covers = (np.abs(rows * 16 + 8 - 20.5) < reach) & (np.abs(columns * 16 + 8 - 40.5) < reach)
    # Where the weaker one is covered too, the point goes into the noise.
    both = (
        covers & (np.abs(rows * 16 + 8 - 50.5) < reach) & (np.abs(columns * 16 + 8 - 85.5) < reach)
    )
    np.testing.assert_allclose(moved[0][covers & ~both], math.hypot(45, 30), rtol=1e-5)
    np.testing.assert_allclose(lost[0][covers & ~both], 55 / 255, rtol=1e-5)
    assert (moved[0][~covers] == 0).all()
    assert (moved[1] == 0).all()


def test_distances_are_told_in_pixels_of_the_video() -> None:
    blanker = spotted()
    xy, confidence = found_by(blanker)
    moved, _ = result_of(occlusion(blanker, xy, confidence, GRID, square=1, pixel=(2.0, 3.0)))
    assert moved[0].max() == pytest.approx(math.hypot(2 * 45, 3 * 30))


def test_occlusion_of_a_network(make_model: MakeModel, canvas: Canvas) -> None:
    model = make_model(sharpen=4)
    steps = attention_steps(model, canvas(2), method="occlusion", square=1)
    told = []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as end:
            (found,) = end.value
            break
    assert told[-1] == (48, 48)
    assert found.maps.shape == (2, 4, 4, 6)
    # By hand: grey over the patch in row 2, column 1 of the second image.
    image = canvas(2)[1:].copy()
    image[:, :, 32:48, 16:32] = round(image.mean())
    xy, confidence = model.predict(image)
    moved = np.linalg.norm(xy[0] - found.xy[1], axis=1)
    np.testing.assert_allclose(found.maps[1, :3, 2, 1], moved, atol=1e-3)
    np.testing.assert_allclose(found.maps[1, 3, 2, 1], moved.mean(), atol=1e-3)
    assert found.settings["unit"] == "pixels moved"
    assert "layers" not in found.settings
    lost = attention_maps(model, canvas(2), method="occlusion", square=1, measure="confidence")
    difference = found.confidence[1] - confidence[0]
    np.testing.assert_allclose(lost.maps[1, :3, 2, 1], difference, atol=1e-3)
    hidden = attention_maps(
        model, canvas(2), method="occlusion", keypoints="eye", hide_self=True,
        square=1,
    )  # fmt: skip
    np.testing.assert_allclose(
        hidden.maps[:, 0].sum(axis=(1, 2)) + hidden.own_share[:, 0],
        found.maps[:, 0].sum(axis=(1, 2)),
        rtol=1e-4,
    )


@pytest.mark.parametrize(
    ("blanks", "complaint"),
    [
        ({"measure": "fear"}, "cannot measure 'fear'"),
        ({"grey": 300}, "from 0 to 255"),
        ({"square": 0}, "wider than 0"),
        ({"orders": 0}, "at least 2 superpixels"),
    ],
)
def test_blanks_that_make_no_sense_are_refused(
    make_model: MakeModel, canvas: Canvas, blanks: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(VitFaceError, match=complaint):
        attention_maps(make_model(), canvas(1), method="occlusion", **blanks)


def test_leaving_early_costs_no_more_passes() -> None:
    blanker = spotted()
    xy, confidence = found_by(blanker)
    before = blanker.model.passes  # type: ignore[attr-defined]
    steps = occlusion(blanker, xy, confidence, GRID, square=2)
    next(steps)
    steps.close()
    assert blanker.model.passes == before + 5  # type: ignore[attr-defined]


# Superpixels ------------------------------------------------------------------------------------


def test_superpixels_cover_the_frame_and_nothing_else() -> None:
    image = torch.zeros(1, 64, 96, dtype=torch.uint8)
    image[:, 10:54, :48] = 200
    blanker = Blanker(BrightSpot(), image, area=(10, 0, 44, 96))  # type: ignore[arg-type]
    labels = frame_superpixels(blanker, 12)
    assert (labels[:10] == 0).all()
    assert (labels[54:] == 0).all()
    assert (labels[10:54] > 0).all()
    assert set(np.unique(labels)) == set(range(labels.max() + 1))
    assert 6 <= labels.max() <= 24
    # They follow what is in the image: no superpixel lies on both sides of its one edge.
    assert not set(labels[10:54, :46].ravel()) & set(labels[10:54, 50:].ravel())


def test_shapley_values_are_those_of_the_superpixel_that_holds_the_spot() -> None:
    pytest.importorskip("captum")
    blanker = spotted()
    xy, _ = found_by(blanker)
    values, labels = result_of(superpixel_values(blanker, xy, GRID, segments=12, orders=4))
    assert values.shape == (2, *GRID)
    # All values together are the distance with everything grey: the point is then at (0, 0).
    assert values[0].sum() == pytest.approx(math.hypot(40, 20), rel=1e-4)
    assert np.abs(values[1]).max() == 0
    # Nearly all of it is the spot's own superpixel's, spread evenly over its pixels.
    own = labels == labels[20, 40]
    share = own.reshape(4, 16, 6, 16).sum(axis=(1, 3)) / own.sum()
    others = labels == labels[50, 85]
    elsewhere = ~(own | others).reshape(4, 16, 6, 16).any(axis=(1, 3))
    assert values[0].flat[share.argmax()] > np.abs(values[0][elsewhere]).max()
    again, _ = result_of(superpixel_values(blanker, xy, GRID, segments=12, orders=4))
    np.testing.assert_array_equal(again, values)


def test_sampled_values_are_those_of_the_full_formula() -> None:
    pytest.importorskip("captum")
    from itertools import permutations

    # Few superpixels, so that every order can be gone through.
    image = np.full(SIZE, 10, np.uint8)
    image[:, :32], image[:, 32:64], image[:, 64:] = 40, 90, 140
    image[5, 5], image[5, 40], image[5, 80] = 255, 230, 210
    blanker = Blanker(BrightSpot(), torch.from_numpy(image)[None])  # type: ignore[arg-type]
    xy, _ = found_by(blanker)
    values, labels = result_of(superpixel_values(blanker, xy, GRID, segments=3, orders=60))
    count = labels.max()
    assert 2 <= count <= 5

    def worth(present: set[int]) -> float:
        masks = ~np.isin(labels, list(present))[None]
        found, _ = blanker.model.predict(blanker.blanked(masks))
        return -float(np.linalg.norm(found[0, 0] - xy[0]))

    exact = np.zeros(count + 1)
    orders = list(permutations(range(1, count + 1)))
    for order in orders:
        for i, each in enumerate(order):
            exact[each] += worth(set(order[: i + 1])) - worth(set(order[:i]))
    exact /= len(orders)
    density = exact / np.maximum(np.bincount(labels.ravel(), minlength=count + 1), 1)
    density[0] = 0
    expected = density[labels].reshape(4, 16, 6, 16).sum(axis=(1, 3))
    assert np.abs(values[0] - expected).max() < 0.25 * np.abs(expected).max()


def test_the_random_numbers_of_others_are_left_alone() -> None:
    pytest.importorskip("captum")
    blanker = spotted()
    xy, _ = found_by(blanker)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    result_of(superpixel_values(blanker, xy, GRID, segments=6, orders=2))
    assert torch.equal(torch.rand(3), expected)


def test_without_the_library_the_sentence_says_what_to_do(
    make_model: MakeModel, canvas: Canvas, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("captum"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(VitFaceError, match=r"install napari-vitface\[superpixels\]"):
        attention_maps(make_model(), canvas(1), method="superpixels")


# Faithfulness -----------------------------------------------------------------------------------


def curves_of(
    blanker: Blanker, maps: NDArray[np.float32], names: Any, **more: Any
) -> DeletionCurves:
    xy, _ = found_by(blanker)
    return result_of(deletion_curves(blanker, names, maps, xy, **more))


def test_a_map_that_holds_the_spot_is_faithful_and_one_that_does_not_is_not() -> None:
    good, bad, even = np.zeros((3, *GRID), np.float32)
    good[1, 2] = 1
    bad[1, 2] = -1
    shares = (0.04, 0.1, 0.2)
    first = curves_of(spotted(), good[None], ["spot"], shares=shares)
    np.testing.assert_allclose(first.attended[0, 0], math.hypot(45, 30), rtol=1e-5)
    assert first.score[0] > 0.5
    assert first.explains[0]
    # The keypoint lies in the patch itself, so blanking what is nearest does as well.
    np.testing.assert_allclose(first.nearest[0, 0], first.attended[0, 0])
    worst = curves_of(spotted(), bad[None], ["spot"], shares=shares)
    assert worst.score[0] == -1
    assert not worst.explains[0]
    # A keypoint that never moves has no score, and explains nothing.
    still = curves_of(spotted(), good[None], ["still"], shares=shares)
    assert np.isnan(still.score[0])
    assert not still.explains[0]
    # An even map points nowhere: whatever comes first is no better than chance.
    assert not curves_of(spotted(), even[None], ["spot"], shares=shares).explains[0]


def test_a_random_map_scores_about_zero_over_many_frames() -> None:
    generator = np.random.default_rng(0)
    curves = [
        curves_of(
            spotted(),
            generator.random((1, *GRID)).astype(np.float32),
            ["spot"],
            seed=seed,
            shares=(0.2, 0.5),
        )
        for seed in range(40)
    ]
    mean = mean_curves(curves)
    assert abs(mean.score[0]) < 0.2
    assert not mean.explains[0]
    np.testing.assert_allclose(mean.attended[0], np.mean([c.attended[0] for c in curves], axis=0))


def test_the_global_map_is_judged_by_all_keypoints() -> None:
    good = np.zeros((2, *GRID), np.float32)
    good[:, 1, 2] = 1
    found = curves_of(spotted(), good, ["global", "spot"])
    np.testing.assert_allclose(found.attended[0], found.attended[1] / 2)


def test_as_many_patches_are_blanked_at_random_as_by_the_map_and_none_of_the_padding() -> None:
    seen: list[NDArray[np.bool_]] = []

    class Watching(Blanker):
        def find(self, masks: Any) -> Iterator[Any]:
            def watched() -> Iterator[NDArray[np.bool_]]:
                for mask in masks:
                    seen.append(mask)
                    yield mask

            return super().find(watched())

    plain = spotted()
    blanker = Watching(plain.model, plain.image, (16, 0, 32, 96))
    maps = np.random.default_rng(1).random((2, *GRID)).astype(np.float32)
    curves_of(blanker, maps, ["spot", "still"], shares=(0.1, 0.5), draws=3)
    # 12 patches lie in the frame: 1 and 6 are blanked, for two maps, twice, and three draws.
    counts = [int(mask.sum()) // 256 for mask in seen]
    assert counts == [1, 6] * 7
    assert not any(mask[:16].any() or mask[48:].any() for mask in seen)
    inside = maps[0, 1:3].ravel()
    chosen = seen[1][16:48].reshape(2, 16, 6, 16).any(axis=(1, 3)).ravel()
    assert inside[chosen].min() > inside[~chosen].max()
