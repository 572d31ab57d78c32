"""Heads that read keypoints from a ViT's tokens. No BatchNorm: batches and data sets are small."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_vitface.errors import CheckpointError


class HeatmapHead(nn.Module):
    """One map of logits a keypoint, from the patch tokens.

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

    def __init__(self, embed_dim: int, keypoints: int, upsample: int = 4, hidden: int = 32) -> None:
        super().__init__()
        self.args: dict[str, Any] = {"upsample": upsample, "hidden": hidden}
        self.norm = nn.LayerNorm(embed_dim)
        self.expand = nn.Linear(embed_dim, hidden * upsample**2)
        self.mix = nn.Conv2d(hidden, hidden, 3, padding=1)
        self.logits = nn.Conv2d(hidden, keypoints, 3, padding=1)
        self.upsample = upsample
        nn.init.normal_(self.logits.weight, std=0.01)
        if self.logits.bias is not None:
            nn.init.zeros_(self.logits.bias)

    def forward(self, prefix: Tensor, patches: Tensor) -> Tensor:
        """Logits (B, K, gh * upsample, gw * upsample) of patch tokens (B, C, gh, gw)."""
        features = self.expand(self.norm(patches.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        maps = functional.gelu(functional.pixel_shuffle(features, self.upsample))
        maps = maps + functional.gelu(self.mix(maps))
        return self.logits(maps)


class RegressionHead(nn.Module):
    """Coordinates straight from the class token, as in ViT_facemap.

    A model without a class token gives the mean of its patch tokens instead.
    """

    def __init__(self, embed_dim: int, keypoints: int, class_token: int | None = 0) -> None:
        super().__init__()
        self.args: dict[str, Any] = {"class_token": class_token}
        self.class_token = class_token
        self.norm = nn.LayerNorm(embed_dim)
        self.coordinates = nn.Linear(embed_dim, keypoints * 2)
        nn.init.normal_(self.coordinates.weight, std=0.01)
        nn.init.constant_(self.coordinates.bias, 0.5)

    def forward(self, prefix: Tensor, patches: Tensor) -> Tensor:
        """x, y (B, K, 2) as fractions: (x + 0.5) / W, (y + 0.5) / H, so 0..1 spans the input."""
        token = (
            patches.mean(dim=(2, 3)) if self.class_token is None else prefix[:, self.class_token]
        )
        return self.coordinates(self.norm(token)).unflatten(1, (-1, 2))


HEADS: dict[str, type[HeatmapHead] | type[RegressionHead]] = {
    "heatmap": HeatmapHead,
    "regression": RegressionHead,
}


def create_head(
    name: str,
    embed_dim: int,
    keypoints: int,
    patch_size: tuple[int, int],
    backbone_token: int | None,
    **args: Any,
) -> HeatmapHead | RegressionHead:
    """A head by name: ``"heatmap"``, by default with maps at stride about 4, or ``"regression"``.

    Parameters
    ----------
    name : str
    embed_dim : int
        Channels of a token.
    keypoints : int
        K.
    patch_size : (ph, pw)
        Input pixels a patch.
    backbone_token : int or None
        Position of the backbone's class token.
    **args
        Arguments of the head's class, over the defaults.

    Raises
    ------
    CheckpointError
        There is no head of that name.
    """
    if name == "heatmap":
        upsample = max(1, round(max(patch_size) / 4))
        return HeatmapHead(embed_dim, keypoints, **({"upsample": upsample} | args))
    if name == "regression":
        return RegressionHead(embed_dim, keypoints, **({"class_token": backbone_token} | args))
    raise CheckpointError(f"There is no head named {name!r}; there are: {', '.join(HEADS)}.")


def head_name(head: nn.Module) -> str:
    """Inverse of `create_head`'s first argument."""
    return next(name for name, kind in HEADS.items() if isinstance(head, kind))


def coordinates_to_pixels(fractions: Tensor, input_size: tuple[int, int]) -> Tensor:
    """Output of `RegressionHead` (B, K, 2) to input pixels, pixel centres being whole numbers."""
    size = fractions.new_tensor([input_size[1], input_size[0]])
    return fractions * size - 0.5


def pixels_to_coordinates(xy: Tensor, input_size: tuple[int, int]) -> Tensor:
    """Input pixels (B, K, 2) to what `RegressionHead` is trained to give."""
    return (xy + 0.5) / torch.as_tensor([input_size[1], input_size[0]]).to(xy)
