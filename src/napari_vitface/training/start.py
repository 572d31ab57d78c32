"""What a training starts from: another model, weights of timm, or random ones."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from timm.layers import resample_abs_pos_embed
from torch import Tensor

from napari_vitface.errors import BackboneError, VitFaceError
from napari_vitface.model.architecture import TimmArguments
from napari_vitface.model.building import create_backbone, nearest_input_size
from napari_vitface.model.checkpoint import find_model, load_network
from napari_vitface.model.metadata import TrainingSummary
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.model.weights_file import told_of_weights
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.settings.heads import DEFAULT_HEAD
from napari_vitface.settings.training import TIMM, is_model, timm_start
from napari_vitface.words import counted

#: Backbone of a training from random weights: small enough for two CPU cores.
DEFAULT_BACKBONE = "vit_tiny_patch16_224"
#: Pixels of the input unless a size is asked for; its sides are chosen by the shape of the frames.
DEFAULT_AREA = 240 * 320
#: Drop path of a new backbone. More (0.1 to 0.3) helps large ones against learning by heart.
_DROP_PATH = 0.05


@dataclass(frozen=True)
class Start:
    """A network to be trained, and where it comes from.

    Attributes
    ----------
    network : KeypointNetwork
        In fp32, on the CPU.
    preprocessing : Preprocessing
    init : str
        Name of the model, ``timm:NAME``, ``timm:NAME=FILE`` without folders, or ``scratch``.
    training : TrainingSummary
        What is told of the weights that it comes from: by the checkpoint, or by timm and the file.
    kept, fresh : tuple of str
        Keypoints whose head comes along, and those whose head is new.
    notice : str
        A sentence for the user, or empty.
    """

    network: KeypointNetwork
    preprocessing: Preprocessing
    init: str
    training: TrainingSummary
    kept: tuple[str, ...]
    fresh: tuple[str, ...]
    notice: str = ""


def start_from(
    init: str | os.PathLike[str],
    keypoints: KeypointSet,
    frame_size: tuple[int, int],
    *,
    backbone: str | None = None,
    blocks: int | None = None,
    head: str | None = None,
    image_size: tuple[int, int] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    channels: int | None = None,
    seed: int = 0,
    timm_args: TimmArguments | None = None,
) -> Start:
    """Build the network that is to be trained.

    Parameters
    ----------
    init : str or path
        Name of a bundled model, a ``.safetensors`` file, ``"timm:NAME"`` (pretrained weights of
        timm), ``"timm:NAME=FILE"`` (the same from a ``.safetensors`` file) or ``"scratch"``.
    keypoints : KeypointSet
        Those that are to be learnt. Heads of names that a checkpoint knows come along.
    frame_size : (H, W)
        Of the labelled frames, or of the crop: the shape of the default image size.
    backbone : str, optional
        timm name, for ``"scratch"`` only.
    blocks : int, optional
        Only the first so many of a new network.
    head : str, optional
        One of `napari_vitface.settings.heads.HEADS`; default: that of the checkpoint, or
        `DEFAULT_HEAD`.
    image_size : (H, W), optional
        Default: that of the checkpoint, or about as many pixels as 240 x 320.
    crop : (x, y, w, h), optional
        Part of the frames to look at; default: that of the checkpoint, or all.
    channels : 1 or 3, optional
        Grey or RGB inputs of a new network (default 1).
    seed : int
        Of random weights.
    timm_args : dict, optional
        Further arguments of `timm.create_model`.

    Raises
    ------
    VitFaceError
        One sentence: no such model, no such weights, or they cannot be had.
    """
    name = os.fspath(init)
    torch.manual_seed(seed)
    if not is_model(name):
        return _new(
            name, keypoints, frame_size, backbone, blocks, head or DEFAULT_HEAD, image_size, crop,
            channels or 1, timm_args or {},
        )  # fmt: skip
    file = find_model(name)
    network, preprocessing, metadata = load_network(file)
    known = network.backbone.timm_name
    if backbone is not None and backbone.partition(".")[0] != known.partition(".")[0]:
        raise VitFaceError(
            f"The model {file.stem} has the backbone {known}, so it cannot be trained as "
            f"{backbone}; start from scratch or from timm:{backbone} instead."
        )
    if blocks is not None and blocks != len(network.backbone.blocks):
        raise VitFaceError(
            f"The model {file.stem} has {counted(len(network.backbone.blocks), 'block')}, not "
            f"{blocks}; start from scratch or from timm weights instead."
        )
    if channels is not None and channels != network.backbone.channels:
        raise VitFaceError(
            f"The model {file.stem} takes images of "
            f"{counted(network.backbone.channels, 'channel')}, not {channels}; start from scratch "
            "or from timm weights instead."
        )
    size = image_size or network.input_size
    adapted = adapt(network, keypoints, size, head or network.head.name)
    kept = _kept_names(network, adapted)
    notice, own = "", preprocessing.crop
    if crop is None and own is not None:
        x, y, w, h = own
        if x + w > frame_size[1] or y + h > frame_size[0]:
            notice = (
                f"The crop that belongs to {file.stem} does not fit these frames; it is trained on "
                "whole frames."
            )
            own = None
    preprocessing = replace(preprocessing, input_size=size, crop=crop or own)
    fresh = tuple(point for point in keypoints.names if point not in kept)
    return Start(adapted, preprocessing, file.stem, metadata["training"], kept, fresh, notice)


def _new(
    name: str,
    keypoints: KeypointSet,
    frame_size: tuple[int, int],
    backbone: str | None,
    blocks: int | None,
    head: str,
    image_size: tuple[int, int] | None,
    crop: tuple[int, int, int, int] | None,
    channels: int,
    timm_args: TimmArguments,
) -> Start:
    pretrained = name.startswith(TIMM)
    timm_name, weights = backbone or DEFAULT_BACKBONE, None
    if pretrained:
        timm_name, weights = timm_start(name)
    if pretrained and backbone not in (None, timm_name):
        raise VitFaceError(f"{name} names the backbone already; leave out {backbone}.")
    size = image_size or nearest_input_size(timm_name, _like(frame_size))
    built = create_backbone(
        timm_name, size, channels, pretrained, weights=weights, blocks=blocks,
        **{"drop_path_rate": _DROP_PATH, **timm_args},
    )  # fmt: skip
    network = KeypointNetwork(built, keypoints, head)
    preprocessing = Preprocessing(size, channels, mean=built.mean, std=built.std, crop=crop)
    training: TrainingSummary = told_of_weights(timm_name, weights) if pretrained else {}
    if weights is not None:
        name = f"{TIMM}{timm_name}={Path(weights).name}"
    return Start(network, preprocessing, name, training, (), keypoints.names)


def adapt(
    network: KeypointNetwork,
    keypoints: KeypointSet,
    size: tuple[int, int] | None = None,
    head: str | None = None,
) -> KeypointNetwork:
    """The same network for other keypoints or another input size.

    The backbone comes along, its position embedding resampled; so does the head, of whose last
    layer only what serves keypoints of the same name. What is new starts from random weights.

    Raises
    ------
    BackboneError
        The backbone is bound to its input size, or cannot have the new one.
    """
    size = size or network.input_size
    head = head or network.head.name
    description = network.to_dict()
    description["backbone"]["input_size"] = list(size)
    description["keypoints"] = keypoints.to_dict()
    if head != network.head.name:
        description["head"] = {"name": head, "args": {}}
    adapted = KeypointNetwork.from_dict(description)
    _copy_backbone(network, adapted)
    if type(adapted.head) is type(network.head):
        _copy_head(network, adapted)
    return adapted


def _copy_backbone(old: KeypointNetwork, new: KeypointNetwork) -> None:
    weights = old.backbone.state_dict()
    expected = new.backbone.state_dict()
    name = "model.pos_embed"
    if name in weights and weights[name].shape != expected[name].shape:
        weights[name] = resample_abs_pos_embed(
            weights[name],
            new_size=list(new.backbone.grid),
            old_size=list(old.backbone.grid),
            num_prefix_tokens=_embedded_prefix(old, weights[name]),
        )
    # Tables of relative positions and of angles that a backbone computes from its size itself are
    # kept as they were made.
    computed = [
        key
        for key, tensor in weights.items()
        if key in expected and tensor.shape != expected[key].shape
    ]
    learnt = dict(new.backbone.named_parameters())
    if any(key in learnt for key in computed) or set(weights) != set(expected):
        raise BackboneError(
            f"{old.backbone.timm_name} is bound to its image size of {old.input_size[0]} x "
            f"{old.input_size[1]}; leave the image size as it is."
        )
    for key in computed:
        weights[key] = expected[key]
    new.backbone.load_state_dict(weights)


def _embedded_prefix(network: KeypointNetwork, embedding: Tensor) -> int:
    """Prefix tokens that have a position embedding: all or none, by the model."""
    grid = network.backbone.grid
    return int(embedding.shape[1]) - grid[0] * grid[1]


@torch.no_grad()
def _copy_head(old: KeypointNetwork, new: KeypointNetwork) -> None:
    shared = _shared(old.keypoints, new.keypoints)
    final = new.head.final
    weights, trunk = new.head.state_dict(), old.head.state_dict()
    outputs = weights[f"{final}.bias"].shape[0] // len(new.keypoints)
    for key, tensor in weights.items():
        if not key.startswith(final + "."):
            tensor.copy_(trunk[key])
            continue
        for position, before in shared:
            rows = trunk[key][before * outputs : (before + 1) * outputs]
            tensor[position * outputs : (position + 1) * outputs] = rows


def _shared(old: KeypointSet, new: KeypointSet) -> list[tuple[int, int]]:
    """(position in the new set, position in the old one) of names in both."""
    return [(k, old.index(name)) for k, name in enumerate(new.names) if name in old.names]


def _kept_names(old: KeypointNetwork, new: KeypointNetwork) -> tuple[str, ...]:
    if type(old.head) is not type(new.head):
        return ()
    return tuple(new.keypoints.names[k] for k, _ in _shared(old.keypoints, new.keypoints))


def _like(frame_size: tuple[int, int]) -> tuple[int, int]:
    """A size of `DEFAULT_AREA` pixels with the shape of the frames."""
    factor = (DEFAULT_AREA / (frame_size[0] * frame_size[1])) ** 0.5
    return round(frame_size[0] * factor), round(frame_size[1] * factor)
