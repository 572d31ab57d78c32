"""A timm Vision Transformer as backbone: its prefix tokens, and its patch tokens as a map."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from napari_vitface.errors import BackboneError
from napari_vitface.model.architecture import TimmArguments
from napari_vitface.model.metadata import BackboneDescription


class Backbone(nn.Module):
    """A timm ViT that gives its prefix tokens and its patch tokens as a map.

    Made by `create_backbone`; not by hand.

    Attributes
    ----------
    model : nn.Module
        The timm model.
    timm_name : str
        Architecture and, where it has one, tag of the weights: ``vit_tiny_patch16_224.augreg_...``.
    timm_args : dict
        Further arguments of `timm.create_model`, enough to build the same architecture again.
    input_size : (H, W)
    channels : int
        Channels of the images given to `forward`, 1 or 3.
    grid : (gh, gw)
        Patches along the height and the width.
    patch_size : (ph, pw)
        Input pixels a patch.
    num_prefix_tokens : int
        Class, distillation and register tokens before the patch tokens.
    embed_dim : int
        Channels of a token.
    mean, std : tuple of float
        Normalisation that the weights expect, for pixel values in 0..1, one a channel.
    """

    grey_scale: Tensor | None
    grey_shift: Tensor | None

    def __init__(
        self,
        model: nn.Module,
        timm_name: str,
        timm_args: TimmArguments,
        input_size: tuple[int, int],
        channels: int,
    ) -> None:
        super().__init__()
        self.model = model
        self.timm_name = timm_name
        self.timm_args = timm_args
        self.input_size = input_size
        self.channels = channels
        config = getattr(model, "pretrained_cfg", None) or {}
        mean = tuple(float(value) for value in config.get("mean", (0.5,) * 3))
        std = tuple(float(value) for value in config.get("std", (0.5,) * 3))
        self.mean: tuple[float, ...] = mean if channels == 3 else (sum(mean) / len(mean),)
        self.std: tuple[float, ...] = std if channels == 3 else (sum(std) / len(std),)
        self.embed_dim = int(model.num_features)  # type: ignore[arg-type]
        self.num_prefix_tokens = int(getattr(model, "num_prefix_tokens", 0))
        grid = model.patch_embed.dynamic_feat_size(input_size)  # type: ignore[union-attr,operator]
        self.grid: tuple[int, int] = (int(grid[0]), int(grid[1]))
        self.patch_size = (input_size[0] // self.grid[0], input_size[1] // self.grid[1])
        # How a normalised grey image becomes the three channels of the stem; see `fold_grey`.
        expands = self.stem_channels == 3 and channels == 1
        self.register_buffer("grey_scale", torch.ones(1, 3, 1, 1) if expands else None)
        self.register_buffer("grey_shift", torch.zeros(1, 3, 1, 1) if expands else None)

    @property
    def blocks(self) -> list[nn.Module]:
        """The transformer blocks, first to last."""
        return list(self.model.blocks)  # type: ignore[arg-type]

    @property
    def class_token(self) -> int | None:
        """Position of the class token among the prefix tokens; None where there is none."""
        return None if getattr(self.model, "cls_token", None) is None else 0

    @property
    def stem_channels(self) -> int:
        """Channels that the timm model takes; 3 for some grey models, see `fold_grey`."""
        return int(self.timm_args.get("in_chans", self.channels))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens of normalised images (B, channels, H, W).

        Returns
        -------
        prefix : (B, P, C)
        patches : (B, C, gh, gw)

        Raises
        ------
        BackboneError
            The model gives something else than these tokens.
        """
        return self._split(self.model.forward_features(self._stem_images(images)))  # type: ignore[operator]

    def at_layer(self, images: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """As `forward`, but what block number `layer` gives, from 0, normalised as the last is.

        The blocks after it are not computed.
        """
        kept: list[Tensor] = []

        class Done(Exception):
            pass

        def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
            kept.append(output)
            raise Done

        hook = self.blocks[layer].register_forward_hook(keep)
        try:
            with suppress(Done):
                self.model.forward_features(self._stem_images(images))  # type: ignore[operator]
        finally:
            hook.remove()
        norm = getattr(self.model, "norm", None)
        return self._split(norm(kept[0]) if isinstance(norm, nn.Module) else kept[0])

    def _stem_images(self, images: Tensor) -> Tensor:
        if self.grey_scale is None or self.grey_shift is None:
            return images
        return images * self.grey_scale + self.grey_shift

    def _split(self, tokens: Any) -> tuple[Tensor, Tensor]:
        count = self.num_prefix_tokens + self.grid[0] * self.grid[1]
        if not isinstance(tokens, Tensor) or tokens.ndim != 3 or tokens.shape[1] != count:
            raise BackboneError("its features are not one sequence of prefix and patch tokens")
        prefix = tokens[:, : self.num_prefix_tokens]
        patches = tokens[:, self.num_prefix_tokens :].transpose(1, 2)
        return prefix, patches.unflatten(2, self.grid)

    def to_dict(self) -> BackboneDescription:
        """What `create_backbone` needs to build the same architecture, for JSON."""
        return {
            "timm_name": self.timm_name,
            "input_size": list(self.input_size),
            "channels": self.channels,
            "timm_args": dict(self.timm_args),
        }
