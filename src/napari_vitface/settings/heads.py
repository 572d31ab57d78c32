"""The heads that a network can have, by name."""

from __future__ import annotations

from typing import NamedTuple

from napari_vitface.errors import CheckpointError
from napari_vitface.plugins import Registry


class HeadKind(NamedTuple):
    """A head as people choose it.

    Attributes
    ----------
    name : str
        In ``--head`` and in checkpoints.
    description : str
        What sets it apart, said after its name: ``looks at the tokens alone``.
    place : str
        ``"module:Class"`` of the `napari_vitface.model.heads.Head`; it imports PyTorch.
    maps : bool
        Whether it gives a map for each keypoint, which says how sure it is; else bare coordinates.
    """

    name: str
    description: str
    place: str
    maps: bool = True


UNET = HeadKind("unet", "also looks at the image itself", "napari_vitface.model.heads:UNetHead")
HEATMAP = HeadKind("heatmap", "looks at the tokens alone", "napari_vitface.model.heads:HeatmapHead")
REGRESSION = HeadKind(
    "regression", "gives no confidence", "napari_vitface.model.heads:RegressionHead", maps=False
)
OWN_HEADS = (UNET, HEATMAP, REGRESSION)
#: Other packages add theirs as entry points of this group, each a `HeadKind`.
HEADS: Registry[HeadKind] = Registry(HeadKind, OWN_HEADS, group="napari_vitface.heads")
#: Of a new network.
DEFAULT_HEAD = UNET.name


def find_head(name: str) -> HeadKind:
    """The head of a name; `CheckpointError` if there is none.

    A name in a file is looked up here and nowhere else, so that no file has something imported.
    """
    found = HEADS.get(name) if isinstance(name, str) else None
    if found is None:
        raise CheckpointError(
            f"There is no head named {name!r}; there are: {', '.join(HEADS)}, and those of "
            "packages that add one."
        )
    return found
