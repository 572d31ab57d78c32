"""Backbone and head as one network that finds keypoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from napari_vitface.model.architecture import check_architecture
from napari_vitface.model.backbone import Backbone
from napari_vitface.model.building import create_backbone, known_name
from napari_vitface.model.heads import check_head_argument, coordinates_to_pixels, create_head
from napari_vitface.model.heatmap_decoding import decode_heatmaps
from napari_vitface.model.metadata import NetworkDescription
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.settings.heads import DEFAULT_HEAD


class KeypointNetwork(nn.Module):
    """A ViT backbone with a keypoint head.

    Parameters
    ----------
    backbone : Backbone
    keypoints : KeypointSet
    head : str
        One of `napari_vitface.settings.heads.HEADS`.
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
        """(h, w) of the maps that the head gives; None for one that gives coordinates."""
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

        A head of coordinates says nothing about how sure it is: its confidence is 1 until the
        checkpoint's calibration replaces it by the share that was right on held-out frames.
        """
        if self.heatmap_size is None:
            xy = coordinates_to_pixels(output.float(), self.input_size)
            finite = torch.isfinite(xy).all(dim=-1)
            return torch.nan_to_num(xy, nan=0.0, posinf=0.0, neginf=0.0), finite.float()
        return decode_heatmaps(output, self.stride)

    def to_dict(self) -> NetworkDescription:
        """Architecture as plain data, for JSON."""
        return {
            "backbone": self.backbone.to_dict(),
            "head": {"name": self.head.name, "args": dict(self.head.args)},
            "keypoints": self.keypoints.to_dict(),
        }

    @classmethod
    def misfits(cls, data: Mapping[str, Any], shapes: Mapping[str, Sequence[int]]) -> list[str]:
        """Names of weights that are not those of the network that `to_dict` described.

        Nothing is allocated for it (the network is on PyTorch's "meta" device and has shapes only),
        so ask this first: a description of a kilobyte can be one of a network of any size.

        Parameters
        ----------
        data : mapping
            See `to_dict`.
        shapes : mapping of str to sequence of int
            What is there, by name.
        """
        with torch.device("meta"):
            network = cls.from_dict(data, probe=False)
        expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        odd = sorted(set(expected) ^ set(shapes))
        return odd + [
            name for name in expected if name in shapes and tuple(shapes[name]) != expected[name]
        ]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, probe: bool = True) -> KeypointNetwork:
        """The network that `to_dict` described, its weights still to be loaded.

        Raises
        ------
        BackboneError, CheckpointError
            It asks for more than a network, or for one that cannot be; nothing was fetched or read.
        """
        spec, head = data["backbone"], data["head"]
        check_architecture(spec["timm_args"])
        for name, value in head["args"].items():
            check_head_argument(name, value)
        backbone = create_backbone(
            known_name(spec["timm_name"]),
            (spec["input_size"][0], spec["input_size"][1]),
            spec["channels"],
            initialise=False,
            probe=probe,
            **spec["timm_args"],
        )
        return cls(backbone, KeypointSet.from_dict(data["keypoints"]), head["name"], **head["args"])
