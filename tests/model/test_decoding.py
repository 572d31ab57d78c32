"""Between coordinates and heatmaps."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_vitface.model.heatmap_decoding import (
    _paraboloid_fit,
    decode_heatmaps,
    encode_heatmaps,
    heatmap_mass,
    mean_position,
)


def logits_of(maps: torch.Tensor, noise: float = 0.0) -> torch.Tensor:
    """Logits whose softmax is `maps`, as a perfectly trained network would give them."""
    logits = maps.clamp(min=1e-30).log()
    return logits + noise * torch.randn(logits.shape, generator=torch.Generator().manual_seed(0))


@settings(max_examples=50)
@given(
    size=st.tuples(st.integers(8, 64), st.integers(8, 64)),
    stride=st.sampled_from([3.5, 4.0, 8.0]),
    sigma=st.floats(1.0, 3.0),
    places=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8),
)
def test_positions_come_back_within_a_tenth_of_a_pixel_also_at_the_border(
    size: tuple[int, int], stride: float, sigma: float, places: list[tuple[float, float]]
) -> None:
    # From the outer edge of the first pixel to that of the last one.
    xy = torch.tensor([places]) * torch.tensor([size[1] * stride, size[0] * stride]) - 0.5
    found, _ = decode_heatmaps(logits_of(encode_heatmaps(xy, size, stride, sigma)), stride)
    assert float((found - xy).abs().max()) < 0.1


def test_decoding_bears_noise() -> None:
    xy = torch.rand(50, 12, 2, generator=torch.Generator().manual_seed(1))
    xy = xy * torch.tensor([255.0, 191.0])
    found, _ = decode_heatmaps(logits_of(encode_heatmaps(xy, (48, 64)), noise=0.05))
    error = (found - xy).norm(dim=-1)
    # Whole map pixels alone would err by 1.5 input pixels on average.
    assert float(error.mean()) < 0.3
    # At the border the fit has to look beyond its window: there at most a map pixel.
    assert float(error.max()) < 4


@given(st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)), st.integers(5, 40))
def test_targets_are_distributions_or_nothing(point: tuple[float, float], side: int) -> None:
    target = encode_heatmaps(torch.tensor([point], dtype=torch.float64), (side, side + 3))
    inside = -0.5 <= point[0] <= (side + 3) * 4 - 0.5 and -0.5 <= point[1] <= side * 4 - 0.5
    assert float(target.sum()) == pytest.approx(1.0 if inside else 0.0, abs=1e-6)


def test_there_is_no_target_without_a_label() -> None:
    xy = torch.tensor([[[float("nan"), 10.0], [10.0, 10.0]]])
    target = encode_heatmaps(xy, (12, 16))
    assert target[0, 0].abs().max() == 0
    assert torch.isfinite(target).all()


def test_two_peaks_give_the_higher_one_not_the_middle() -> None:
    two = torch.tensor([[[40.0, 60.0]], [[200.0, 100.0]]])
    maps = encode_heatmaps(two, (48, 64))
    mixed = (0.4 * maps[0] + 0.6 * maps[1])[None]
    xy, confidence = decode_heatmaps(logits_of(mixed))
    assert float((xy[0, 0] - two[1, 0]).norm()) < 0.5
    assert float(confidence[0, 0]) == pytest.approx(0.6, abs=0.06)


def test_confidence_is_high_for_one_peak_and_low_for_a_flat_map() -> None:
    peaked = logits_of(encode_heatmaps(torch.tensor([[[100.0, 80.0]]]), (48, 64)))
    assert float(decode_heatmaps(peaked)[1]) > 0.9
    assert float(decode_heatmaps(torch.zeros(1, 1, 48, 64))[1]) < 0.03


@pytest.mark.parametrize(
    "logits",
    [
        torch.full((1, 2, 12, 16), float("nan")),
        torch.full((1, 2, 12, 16), float("inf")),
        torch.full((1, 2, 12, 16), -1e30),
        torch.zeros(1, 2, 12, 16),
        torch.randn(1, 2, 12, 16, generator=torch.Generator().manual_seed(0)) * 1e6,
        torch.randn(1, 2, 12, 16, generator=torch.Generator().manual_seed(0)).half(),
        torch.randn(1, 2, 2, 3, generator=torch.Generator().manual_seed(0)),
        torch.randn(1, 2, 1, 1, generator=torch.Generator().manual_seed(0)),
    ],
)
def test_whatever_the_network_gives_positions_are_finite_and_on_the_map(
    logits: torch.Tensor,
) -> None:
    xy, confidence = decode_heatmaps(logits)
    assert torch.isfinite(xy).all()
    assert (xy >= -4.5).all()
    assert (xy <= torch.tensor([logits.shape[3] * 4 + 3.5, logits.shape[2] * 4 + 3.5])).all()
    assert ((confidence >= 0) & (confidence <= 1)).all()
    if not torch.isfinite(logits).all():
        assert (confidence == 0).all()


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.floats(0.1, 5))
def test_random_maps_give_finite_positions_near_their_peaks(seed: int, spread: float) -> None:
    logits = torch.randn(4, 12, 12, 16, generator=torch.Generator().manual_seed(seed)) * spread
    xy, confidence = decode_heatmaps(logits)
    peak = logits.flatten(2).argmax(dim=2)
    centre = torch.stack([peak % 16, peak // 16], dim=-1) * 4 + 1.5
    assert ((xy - centre).abs() <= 4 * 4).all()
    assert ((confidence > 0) & (confidence <= 1)).all()


def test_a_batch_decodes_as_its_images_do() -> None:
    logits = torch.randn(5, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    together = decode_heatmaps(logits)
    for index in range(5):
        alone = decode_heatmaps(logits[index : index + 1])
        torch.testing.assert_close(together[0][index], alone[0][0])
        torch.testing.assert_close(together[1][index], alone[1][0])


def test_mass_on_the_patch_grid_sums_the_map() -> None:
    logits = torch.randn(2, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    mass = heatmap_mass(logits, (3, 4))
    probability = logits.flatten(2).softmax(dim=2).view(2, 3, 3, 4, 4, 4)
    torch.testing.assert_close(mass, probability.sum(dim=(3, 5)))


def test_the_mean_of_a_single_peak_is_the_peak() -> None:
    xy = torch.tensor([[[100.0, 80.0], [60.0, 90.0]]])
    maps = logits_of(encode_heatmaps(xy, (48, 64)))
    torch.testing.assert_close(mean_position(maps), xy, atol=0.02, rtol=0)


def test_decoding_in_inference_mode_does_not_keep_it_from_gradients_later() -> None:
    logits = torch.randn(1, 1, 9, 9, generator=torch.Generator().manual_seed(0))
    _paraboloid_fit.cache_clear()
    with torch.inference_mode():
        decode_heatmaps(logits)
    xy, _ = decode_heatmaps(logits.clone().requires_grad_())
    xy.sum().backward()
