"""Between keypoint coordinates and heatmaps: targets, sub-pixel decoding, confidence."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

#: The paraboloid is fitted to (2 * FIT_RADIUS + 1)^2 map pixels about the peak.
FIT_RADIUS = 2
#: Confidence is the probability within this many map pixels of the peak.
MASS_RADIUS = 4


def encode_heatmaps(
    xy: Tensor,
    size: tuple[int, int],
    stride: tuple[float, float] | float = 4.0,
    sigma: float = 2.0,
) -> Tensor:
    """Target distributions: a Gaussian about each keypoint, normalised to sum 1 over the map.

    Parameters
    ----------
    xy : (..., 2) tensor
        Input pixels; NaN where there is no keypoint.
    size : (h, w)
        Size of the maps.
    stride : float or (y, x) float
        Input pixels a map pixel; map pixel i is centred on (i + 0.5) * stride - 0.5.
    sigma : float
        Standard deviation in map pixels.

    Returns
    -------
    (..., h, w) tensor
        All zero where the coordinates are NaN or outside the map.
    """
    stride_y, stride_x = (stride, stride) if isinstance(stride, int | float) else stride
    u = (xy[..., 0] + 0.5) / stride_x - 0.5
    v = (xy[..., 1] + 0.5) / stride_y - 0.5
    # Comparisons with NaN are false.
    inside = (u >= -0.5) & (u <= size[1] - 0.5) & (v >= -0.5) & (v <= size[0] - 0.5)
    along_x = _axis_profile(torch.where(inside, u, 0.0), size[1], sigma)
    along_y = _axis_profile(torch.where(inside, v, 0.0), size[0], sigma)
    maps = along_y[..., :, None] * along_x[..., None, :]
    return torch.where(inside[..., None, None], maps, 0.0)


def _axis_profile(centre: Tensor, length: int, sigma: float) -> Tensor:
    """A Gaussian (..., length) about `centre` (...), normalised to sum 1."""
    positions = torch.arange(length, device=centre.device, dtype=centre.dtype)
    return torch.softmax(-((positions - centre[..., None]) ** 2) / (2 * sigma**2), dim=-1)


def decode_heatmaps(
    logits: Tensor, stride: tuple[float, float] | float = 4.0
) -> tuple[Tensor, Tensor]:
    """Sub-pixel positions and confidences from maps of logits.

    The softmax of a map is a distribution over positions. Near its peak its logarithm, which is
    the logits up to a constant, is close to a paraboloid (exactly one for a Gaussian): the
    position is the top of the paraboloid that fits the logits around the peak best, as in DARK
    (Zhang et al. 2020) but by least squares over 5 x 5 pixels rather than by differences. Windows
    are shifted inwards at the border, so nothing is lost there. Where the fit has no top near the
    peak, the position is the mean of the distribution within the window.

    Parameters
    ----------
    logits : (B, K, h, w) tensor
    stride : float or (y, x) float
        Input pixels a map pixel.

    Returns
    -------
    xy : (B, K, 2) float32 tensor
        Input pixels; always finite.
    confidence : (B, K) float32 tensor
        Probability within `MASS_RADIUS` map pixels of the peak, in [0, 1]; 0 where the logits are
        not finite.
    """
    stride_y, stride_x = (stride, stride) if isinstance(stride, int | float) else stride
    batch, count, height, width = logits.shape
    flat = logits.float().reshape(batch * count, height * width)
    finite = torch.isfinite(flat).all(dim=1)
    flat = torch.where(finite[:, None], flat, 0.0)
    log_p = torch.log_softmax(flat, dim=1)
    peak = log_p.argmax(dim=1)
    peak_y, peak_x = peak // width, peak % width

    rows, row_valid = _window(peak_y, height, MASS_RADIUS)
    columns, column_valid = _window(peak_x, width, MASS_RADIUS)
    mass = _gather(log_p, rows, columns, width).exp()
    mass = (mass * (row_valid[:, :, None] & column_valid[:, None, :])).sum(dim=(1, 2))
    confidence = torch.where(finite, mass.clamp(0, 1), 0.0)

    offset_y, offset_x = _refine(log_p, peak_y, peak_x, height, width)
    x = (peak_x + offset_x + 0.5) * stride_x - 0.5
    y = (peak_y + offset_y + 0.5) * stride_y - 0.5
    xy = torch.stack([x, y], dim=-1).reshape(batch, count, 2)
    return xy, confidence.reshape(batch, count)


def mean_position(logits: Tensor, stride: tuple[float, float] | float = 4.0) -> Tensor:
    """Mean of each map's distribution over positions, (B, K, 2) in input pixels.

    No estimate of a keypoint (a map with two peaks has its mean between them), but one number
    that changes little when the logits do.
    """
    stride_y, stride_x = (stride, stride) if isinstance(stride, int | float) else stride
    probability = torch.softmax(logits.float().flatten(2), dim=2).unflatten(2, logits.shape[2:])
    rows = torch.arange(logits.shape[2], device=logits.device, dtype=torch.float32)
    columns = torch.arange(logits.shape[3], device=logits.device, dtype=torch.float32)
    x = (probability.sum(dim=2) @ columns + 0.5) * stride_x - 0.5
    y = (probability.sum(dim=3) @ rows + 0.5) * stride_y - 0.5
    return torch.stack([x, y], dim=-1)


def _refine(
    log_p: Tensor, peak_y: Tensor, peak_x: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor]:
    """Offsets (y, x) in map pixels from the peak to the top of the fitted paraboloid."""
    radius = min(FIT_RADIUS, (height - 1) // 2, (width - 1) // 2)
    if radius < 1:
        return torch.zeros_like(log_p[:, 0]), torch.zeros_like(log_p[:, 0])
    # Whole windows only: near the border the window moves inwards, the peak off its centre.
    centre_y = peak_y.clamp(radius, height - 1 - radius)
    centre_x = peak_x.clamp(radius, width - 1 - radius)
    steps = torch.arange(-radius, radius + 1, device=log_p.device)
    rows = centre_y[:, None] + steps
    columns = centre_x[:, None] + steps
    window = _gather(log_p, rows, columns, width).flatten(1)
    top = window.amax(dim=1, keepdim=True)
    # Logits far below the peak say that it is elsewhere, not how it is shaped: bound their pull.
    fit = (window - top).clamp(min=-30.0) @ _paraboloid_fit(radius).to(log_p).T
    slope_y, slope_x, curve_y, curve_x, twist = fit.unbind(dim=1)
    determinant = 4 * curve_y * curve_x - twist**2
    peaked = (curve_y < 0) & (curve_x < 0) & (determinant > 1e-8)
    safe = torch.where(peaked, determinant, 1.0)
    top_y = (twist * slope_x - 2 * curve_x * slope_y) / safe
    top_x = (twist * slope_y - 2 * curve_y * slope_x) / safe
    offset_y = top_y + (centre_y - peak_y)
    offset_x = top_x + (centre_x - peak_x)
    good = peaked & (offset_y.abs() <= 1) & (offset_x.abs() <= 1)

    weights = torch.softmax(window, dim=1).unflatten(1, (len(steps), len(steps)))
    mean_y = (weights.sum(dim=2) * (rows - peak_y[:, None])).sum(dim=1)
    mean_x = (weights.sum(dim=1) * (columns - peak_x[:, None])).sum(dim=1)
    return torch.where(good, offset_y, mean_y), torch.where(good, offset_x, mean_x)


@lru_cache(maxsize=4)
def _paraboloid_fit(radius: int) -> Tensor:
    """Least squares as a matrix (5, window): slopes y, x, curvatures y, x, and the mixed term."""
    # It is kept: made under inference mode, it could not be used where gradients are wanted later.
    with torch.inference_mode(False):
        steps = torch.arange(-radius, radius + 1, dtype=torch.float64)
        y, x = (axis.flatten() for axis in torch.meshgrid(steps, steps, indexing="ij"))
        design = torch.stack([torch.ones_like(x), y, x, y * y, x * x, x * y], dim=1)
        return torch.linalg.pinv(design)[1:].float()


def _window(peak: Tensor, length: int, radius: int) -> tuple[Tensor, Tensor]:
    """Positions (M, 2 radius + 1) about `peak` within 0..length-1, and which of them are real."""
    positions = peak[:, None] + torch.arange(-radius, radius + 1, device=peak.device)
    valid = (positions >= 0) & (positions < length)
    return positions.clamp(0, length - 1), valid


def _gather(maps: Tensor, rows: Tensor, columns: Tensor, width: int) -> Tensor:
    """Values (M, a, b) of flat maps (M, h * w) at rows (M, a) and columns (M, b)."""
    index = rows[:, :, None] * width + columns[:, None, :]
    return maps.gather(1, index.flatten(1)).unflatten(1, (rows.shape[1], columns.shape[1]))


def heatmap_mass(logits: Tensor, grid: tuple[int, int]) -> Tensor:
    """Share of each map's probability in each patch: (B, K, h, w) to (B, K, gh, gw), sums 1."""
    probability = torch.softmax(logits.float().flatten(2), dim=2).view(logits.shape)
    pooled = functional.adaptive_avg_pool2d(probability, grid)
    return pooled / pooled.sum(dim=(2, 3), keepdim=True)
