"""Backbone and head as one network that finds keypoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from napari_vitface.model.backbone import Backbone, create_backbone, known_name
from napari_vitface.model.decoding import decode_heatmaps
from napari_vitface.model.heads import (
    DEFAULT_HEAD,
    coordinates_to_pixels,
    create_head,
    head_name,
)
from napari_vitface.pose.keypoints import KeypointSet


class KeypointNetwork(nn.Module):
    """A ViT backbone with a keypoint head.

    Parameters
    ----------
    backbone : Backbone
    keypoints : KeypointSet
    head : {"unet", "heatmap", "regression"}
    **head_args
        Arguments of the head's class.
    """

    def __init__(
        self, backbone: Backbone, keypoints: KeypointSet, head: str = DEFAULT_HEAD, **head_args: Any
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.keypoints = keypoints
        self.head = create_head(
            head,
            backbone.embed_dim,
            len(keypoints),
            backbone.patch_size,
            backbone.class_token,
            backbone.channels,
            **head_args,
        )

    @property
    def input_size(self) -> tuple[int, int]:
        """(H, W) of the images that `forward` takes."""
        return self.backbone.input_size

    @property
    def heatmap_size(self) -> tuple[int, int] | None:
        """(h, w) of the maps that the head gives; None for a regression head."""
        return self.head.map_size(self.input_size, self.backbone.grid)

    @property
    def stride(self) -> tuple[float, float]:
        """Input pixels a heatmap pixel, (y, x)."""
        height, width = self.heatmap_size or self.input_size
        return self.input_size[0] / height, self.input_size[1] / width

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K, h, w), or fractions (B, K, 2), of normalised images (B, C, H, W)."""
        return self.head(*self.backbone(images), images)

    def decode(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Input pixels (B, K, 2) and confidence (B, K) from the output of `forward`.

        A regression head says nothing about how sure it is: its confidence is 1 until the
        checkpoint's calibration replaces it by the share that was right on held-out frames.
        """
        if self.heatmap_size is None:
            xy = coordinates_to_pixels(output.float(), self.input_size)
            finite = torch.isfinite(xy).all(dim=-1)
            return torch.nan_to_num(xy, nan=0.0, posinf=0.0, neginf=0.0), finite.float()
        return decode_heatmaps(output, self.stride)

    def to_dict(self) -> dict[str, Any]:
        """Architecture as plain data, for JSON."""
        return {
            "backbone": self.backbone.to_dict(),
            "head": {"name": head_name(self.head), "args": dict(self.head.args)},
            "keypoints": self.keypoints.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> KeypointNetwork:
        """The network that `to_dict` described, its weights still to be loaded."""
        spec = data["backbone"]
        backbone = create_backbone(
            known_name(spec["timm_name"]),
            (spec["input_size"][0], spec["input_size"][1]),
            spec["channels"],
            initialise=False,
            **spec["timm_args"],
        )
        head = data["head"]
        return cls(backbone, KeypointSet.from_dict(data["keypoints"]), head["name"], **head["args"])
