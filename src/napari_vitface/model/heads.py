"""Heads that read keypoints from a ViT's tokens, and from the image itself."""

from __future__ import annotations

from collections.abc import Sequence
from pkgutil import resolve_name
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_vitface.errors import CheckpointError
from napari_vitface.settings.heads import find_head


class Head(nn.Module):
    """What all heads have in common.

    Attributes
    ----------
    name : str
        Under which `create_head` made it.
    args : dict
        Further arguments of `create_head`, enough to build the same head again.
    final : str
        Name of the last layer, whose outputs belong to one keypoint after the other.
    image_layers : tuple of str
        Names of the layers of `see`.
    """

    name: str
    args: dict[str, Any]
    final: str
    image_layers: tuple[str, ...] = ()

    @classmethod
    def fitting(
        cls, patch_size: tuple[int, int], class_token: int | None, channels: int
    ) -> dict[str, Any]:
        """Arguments of the class that follow from a backbone, unless others are asked for.

        Parameters
        ----------
        patch_size : (ph, pw)
            Input pixels a patch.
        class_token : int or None
            Position of the class token among the prefix tokens.
        channels : int
            Of the images.
        """
        return {}

    def map_size(
        self, input_size: tuple[int, int], grid: tuple[int, int]
    ) -> tuple[int, int] | None:
        """(h, w) of the maps of an input (H, W) cut into (gh, gw) patches; None without maps."""
        raise NotImplementedError

    def forward(self, prefix: Tensor, patches: Tensor, images: Tensor) -> Tensor:
        """Logits or fractions of prefix tokens, patch tokens and the normalised images.

        Parameters
        ----------
        prefix : (B, P, C) tensor
        patches : (B, C, gh, gw) tensor
        images : (B, channels, H, W) tensor
        """
        return self.read(prefix, patches, *self.see(images))

    def see(self, images: Tensor) -> tuple[Tensor, ...]:
        """Maps of the normalised images (B, channels, H, W), without the tokens; none by itself."""
        return ()

    def read(self, prefix: Tensor, patches: Tensor, *seen: Tensor) -> Tensor:
        """Logits or fractions of the tokens and of what `see` gave."""
        raise NotImplementedError


class UNetHead(Head):
    """One map of logits a keypoint at stride 4, from the patch tokens and the image.

    A U-Net whose lowest level is a ViT, as in TransUNet (Chen et al. 2021) and UNETR (Hatamizadeh
    et al. 2022): convolutions describe the image at strides 2, 4 and 8, the tokens say at stride 8
    what is where, and two steps upwards join both. A ViT has to learn from data that near pixels
    belong together, which convolutions know from the start: from few labelled frames this makes
    the difference (docs/benchmarks.md). Batches are small, and yet BatchNorm serves better here
    than GroupNorm, LayerNorm or none: from 89 frames the convolutions alone then err by 6.5 instead
    of 7.0 to 7.5 pixels.

    Parameters
    ----------
    embed_dim : int
        Channels of a token.
    keypoints : int
        K.
    patch_size : (ph, pw)
        Input pixels a patch.
    channels : int
        Of the images.
    widths : (int, int, int)
        Channels at strides 2, 4 and 8.
    """

    final = "logits"
    image_layers = ("stride2", "stride4", "stride8")

    def __init__(
        self,
        embed_dim: int,
        keypoints: int,
        patch_size: tuple[int, int],
        channels: int,
        widths: Sequence[int] = (32, 64, 128),
    ) -> None:
        super().__init__()
        self.args = {"widths": list(widths)}
        first, second, third = widths
        self.shuffle = max(1, round(max(patch_size) / 8))
        self.stride2 = _convolution(channels, first, stride=2)
        self.stride4 = nn.Sequential(
            _convolution(first, second, stride=2), _convolution(second, second)
        )
        self.stride8 = nn.Sequential(
            _convolution(second, third, stride=2), _convolution(third, third)
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.expand = nn.Linear(embed_dim, third * self.shuffle**2)
        self.join8 = nn.Sequential(_convolution(2 * third, third), _convolution(third, third))
        self.join4 = nn.Sequential(
            _convolution(third + second, second), _convolution(second, second)
        )
        self.logits = nn.Conv2d(second, keypoints, 3, padding=1)
        _start_flat(self.logits)

    @classmethod
    def fitting(
        cls, patch_size: tuple[int, int], class_token: int | None, channels: int
    ) -> dict[str, Any]:
        return {"patch_size": patch_size, "channels": channels}

    def map_size(self, input_size: tuple[int, int], grid: tuple[int, int]) -> tuple[int, int]:
        return -(-input_size[0] // 4), -(-input_size[1] // 4)

    def see(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Maps at strides 4 and 8."""
        at4 = self.stride4(self.stride2(images))
        return at4, self.stride8(at4)

    def read(self, prefix: Tensor, patches: Tensor, *seen: Tensor) -> Tensor:
        """Logits (B, K, H / 4, W / 4), rounded up."""
        at4, at8 = seen
        tokens = self.expand(self.norm(patches.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        tokens = _resized(functional.pixel_shuffle(tokens, self.shuffle), at8)
        joined = self.join8(torch.cat([tokens, at8], dim=1))
        return self.logits(self.join4(torch.cat([_resized(joined, at4), at4], dim=1)))


def _convolution(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )


def _resized(maps: Tensor, like: Tensor) -> Tensor:
    size = like.shape[-2:]
    if maps.shape[-2:] == size:
        return maps
    return functional.interpolate(maps, size=size, mode="bilinear")


def _start_flat(logits: nn.Conv2d) -> None:
    """Maps that say nothing yet."""
    _start_small(logits.weight)
    if logits.bias is not None:
        nn.init.zeros_(logits.bias)


def _start_small(weight: Tensor) -> None:
    # Weights that have a shape only (`KeypointNetwork.misfits`) are left alone: random numbers for
    # them are Python in PyTorch, and load its compiler first, for seconds.
    if not weight.is_meta:
        nn.init.normal_(weight, std=0.01)


class HeatmapHead(Head):
    """One map of logits a keypoint, from the patch tokens alone.

    Each token is turned into a small square of features (PixelShuffle), so that positions within
    a patch are the token's to say, and two 3 x 3 convolutions join the squares. In the spirit of
    ViTPose's simple decoder (Xu et al. 2022), with a hundredth of the parameters of its classic
    one and no BatchNorm.

    Parameters
    ----------
    embed_dim : int
        Channels of a token.
    keypoints : int
        K.
    upsample : int
        Map pixels along one side of a patch.
    hidden : int
        Channels of the maps before the last convolution.
    """

    final = "logits"

    def __init__(self, embed_dim: int, keypoints: int, upsample: int = 4, hidden: int = 32) -> None:
        super().__init__()
        self.args = {"upsample": upsample, "hidden": hidden}
        self.norm = nn.LayerNorm(embed_dim)
        self.expand = nn.Linear(embed_dim, hidden * upsample**2)
        self.mix = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.logits = nn.Conv2d(hidden, keypoints, 3, padding=1)
        self.upsample = upsample
        _start_flat(self.logits)

    @classmethod
    def fitting(
        cls, patch_size: tuple[int, int], class_token: int | None, channels: int
    ) -> dict[str, Any]:
        # Maps at stride 4, or about 4.
        return {"upsample": max(1, round(max(patch_size) / 4))}

    def map_size(self, input_size: tuple[int, int], grid: tuple[int, int]) -> tuple[int, int]:
        return grid[0] * self.upsample, grid[1] * self.upsample

    def read(self, prefix: Tensor, patches: Tensor, *seen: Tensor) -> Tensor:
        """Logits (B, K, gh * upsample, gw * upsample) of patch tokens (B, C, gh, gw)."""
        features = self.expand(self.norm(patches.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        maps = functional.gelu(functional.pixel_shuffle(features, self.upsample))
        maps = maps + functional.gelu(self.mix(maps))
        return self.logits(maps)


class RegressionHead(Head):
    """Coordinates straight from the class token, as in ViT_facemap.

    A model without a class token gives the mean of its patch tokens instead.
    """

    final = "coordinates"

    def __init__(self, embed_dim: int, keypoints: int, class_token: int | None = 0) -> None:
        super().__init__()
        self.args = {"class_token": class_token}
        self.class_token = class_token
        self.norm = nn.LayerNorm(embed_dim)
        self.coordinates = nn.Linear(embed_dim, keypoints * 2)
        _start_small(self.coordinates.weight)
        nn.init.constant_(self.coordinates.bias, 0.5)

    @classmethod
    def fitting(
        cls, patch_size: tuple[int, int], class_token: int | None, channels: int
    ) -> dict[str, Any]:
        return {"class_token": class_token}

    def map_size(self, input_size: tuple[int, int], grid: tuple[int, int]) -> None:
        return None

    def read(self, prefix: Tensor, patches: Tensor, *seen: Tensor) -> Tensor:
        """x, y (B, K, 2) as fractions: (x + 0.5) / W, (y + 0.5) / H, so 0..1 spans the input."""
        token = (
            patches.mean(dim=(2, 3)) if self.class_token is None else prefix[:, self.class_token]
        )
        return self.coordinates(self.norm(token)).unflatten(1, (-1, 2))


#: Channels of a head, at most.
_MOST = 16384


def create_head(
    name: str,
    embed_dim: int,
    keypoints: int,
    patch_size: tuple[int, int],
    backbone_token: int | None,
    channels: int,
    **args: Any,
) -> Head:
    """A head by name, as it fits a backbone.

    Parameters
    ----------
    name : str
        One of `napari_vitface.settings.heads.HEADS`.
    embed_dim : int
        Channels of a token.
    keypoints : int
        K.
    patch_size : (ph, pw)
        Input pixels a patch.
    backbone_token : int or None
        Position of the backbone's class token.
    channels : int
        Of the images.
    **args
        Arguments of the head's class, over the defaults.

    Raises
    ------
    CheckpointError
        There is no head of that name.
    """
    kind: type[Head] = resolve_name(find_head(name).place)
    head = kind(embed_dim, keypoints, **(kind.fitting(patch_size, backbone_token, channels) | args))
    head.name = name
    return head


def check_head_argument(name: str, value: Any) -> None:
    """Raise `CheckpointError` unless a head's argument is a number of usual size, or such ones."""
    numbers = value if isinstance(value, list | tuple) else [value]
    for number in numbers:
        if number is not None and (type(number) is not int or not 0 <= number <= _MOST):
            raise CheckpointError(f"The {name} of a head cannot be {value!r}.")


def coordinates_to_pixels(fractions: Tensor, input_size: tuple[int, int]) -> Tensor:
    """Output of `RegressionHead` (B, K, 2) to input pixels, pixel centres being whole numbers."""
    size = fractions.new_tensor([input_size[1], input_size[0]])
    return fractions * size - 0.5


def pixels_to_coordinates(xy: Tensor, input_size: tuple[int, int]) -> Tensor:
    """Input pixels (B, K, 2) to what `RegressionHead` is trained to give."""
    return (xy + 0.5) / torch.as_tensor([input_size[1], input_size[0]]).to(xy)
