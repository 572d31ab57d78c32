"""Building any timm Vision Transformer as backbone, and the reason why where one cannot serve."""

from __future__ import annotations

import difflib
import inspect
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from napari_vitface.errors import BackboneError
from napari_vitface.model.architecture import TimmArguments, check_architecture, check_input_size
from napari_vitface.model.backbone import Backbone
from napari_vitface.model.error_text import first_line
from napari_vitface.model.grey import fold_grey
from napari_vitface.model.probe import probe_attention
from napari_vitface.model.timm_import import timm
from napari_vitface.model.weights_file import weights_overlay
from napari_vitface.model.weights_hub import in_reach
from napari_vitface.words import counted

#: timm's modules whose models take ``weight_init="skip"``.
_SKIP_MODULES = ("vision_transformer", "vision_transformer_hybrid", "deit")


def create_backbone(
    timm_name: str,
    input_size: tuple[int, int],
    channels: int = 1,
    pretrained: bool = False,
    *,
    weights: str | os.PathLike[str] | None = None,
    blocks: int | None = None,
    initialise: bool = True,
    probe: bool = True,
    **timm_args: Any,
) -> Backbone:
    """Build a timm ViT for images of one size.

    Parameters
    ----------
    timm_name : str
        A name that timm knows, with or without a tag of weights.
    input_size : (H, W)
        Input size in pixels; multiples of the patch size (see `nearest_input_size`). Position
        embeddings are resampled to it.
    channels : 1 or 3
        Grey or RGB images. With `pretrained`, grey is folded in exactly: the model gives what the
        RGB model gives for three equal channels.
    pretrained : bool
        Load timm's weights (downloads them on first use).
    weights : path, optional
        A ``.safetensors`` file with weights in timm's layout, loaded instead of those.
    blocks : int, optional
        Keep the first so many blocks only.
    initialise : bool
        False skips the random start where timm can, for weights that are replaced anyway.
    probe : bool
        False takes its attention on trust: a model on PyTorch's "meta" device, which has shapes and
        no numbers, cannot be tried.
    **timm_args
        Passed on to `timm.create_model`: ``depth``, ``embed_dim``, ``drop_path_rate``, and what
        else `check_architecture` knows.

    Raises
    ------
    BackboneError
        timm has no such model, it is no ViT whose blocks give attention maps, the size does not
        fit, or the weights cannot be loaded; the text is one sentence with the reason.
    """
    check_input_size(input_size)
    size = (int(input_size[0]), int(input_size[1]))
    require_known(timm_name)
    load_args: dict[str, object] = {}
    if weights is not None:
        pretrained = True
        load_args["pretrained_cfg_overlay"] = weights_overlay(weights, timm_name)
    if not initialise and timm.models.is_model_in_modules(_bare(timm_name), _SKIP_MODULES):
        load_args["weight_init"] = "skip"
    check_architecture(timm_args)
    stem_channels = int(timm_args.pop("in_chans", 3 if pretrained else channels))
    kwargs: dict[str, object] = {
        **timm_args,
        "img_size": size,
        "in_chans": stem_channels,
        "num_classes": 0,
    }
    file = Path(weights).name if weights is not None else ""
    model = _create(timm_name, size, pretrained, {**kwargs, **load_args}, file)
    if stem_channels != channels:
        timm_args["in_chans"] = stem_channels
    config = getattr(model, "pretrained_cfg", None) or {}
    # They are in the model by now.
    config.pop("state_dict", None)
    bare = _bare(timm_name)
    # Only weights of timm that were loaded are named: a tag on a random start would claim
    # pretraining, and one that nobody gave for a file, that it holds these.
    tagged = pretrained and weights is None and config.get("tag")
    full_name = f"{bare}.{config['tag']}" if tagged else timm_name
    require_blocks(timm_name, model)
    if blocks is not None:
        timm_args["depth"] = blocks
        _keep_first(blocks, timm_name, model, size, stem_channels, timm_args)
    patch = _patch_size(model)
    check_input_size(size, patch)
    if size[0] % patch[0] or size[1] % patch[1]:
        # timm would leave the rest of the image out without a word.
        raise _odd_size(timm_name, size, patch)
    backbone = Backbone(model, full_name, timm_args, size, channels)
    if pretrained and channels == 1:
        fold_grey(backbone)
    reason = probe_attention(backbone) if probe else ""
    if reason:
        raise BackboneError(f"{timm_name} cannot be used: {reason}.")
    return backbone


def nearest_input_size(timm_name: str, size: tuple[int, int]) -> tuple[int, int]:
    """The size (H, W) nearest to `size` that a backbone takes: multiples of its patch size."""
    require_known(timm_name)
    with torch.device("meta"):
        model = _create(timm_name, None, False, {"num_classes": 0})
    require_blocks(timm_name, model)
    return _nearest(size, _patch_size(model))


def known_name(timm_name: str) -> str:
    """`timm_name`, without its tag where this timm does not know the tag.

    For checkpoints, which bring their own weights: tags come and go between releases of timm.
    """
    bare = _bare(timm_name)
    tagged = timm.list_pretrained(f"{bare}.*") if timm.is_model(bare) else []
    return timm_name if timm_name in tagged else bare


def require_known(timm_name: str) -> None:
    """Raise `BackboneError` with the closest names if timm has no model `timm_name`."""
    bare = _bare(timm_name)
    if timm.is_model(bare):
        tag = timm_name.partition(".")[2]
        tags = {name.partition(".")[2] for name in timm.list_pretrained(f"{bare}.*")}
        if tag and "/" not in timm_name and tag not in tags:
            raise BackboneError(
                f"timm knows {bare} but no weights {tag!r} of it; there are: "
                f"{', '.join(sorted(tags)) or 'none'}."
            )
        return
    close = difflib.get_close_matches(bare, timm.list_models(), n=3, cutoff=0.5)
    hint = f"; did you mean {' or '.join(close)}?" if close else "."
    raise BackboneError(f"timm {timm.__version__} has no model named {timm_name!r}{hint}")


def require_blocks(timm_name: str, model: nn.Module) -> None:
    """Raise `BackboneError` unless `model` has one patch grid and one list of blocks."""
    reason = ""
    blocks = getattr(model, "blocks", None)
    if not isinstance(blocks, nn.Sequential | nn.ModuleList) or not len(blocks):
        reason = "it is no plain Vision Transformer (it has no single list of blocks)"
    elif not hasattr(getattr(model, "patch_embed", None), "dynamic_feat_size"):
        reason = "it does not cut the image into one grid of patches"
    elif not hasattr(model, "forward_features"):
        reason = "it does not give patch tokens"
    if reason:
        raise BackboneError(f"{timm_name} cannot be used: {reason}.")


def _create(
    timm_name: str,
    size: tuple[int, int] | None,
    pretrained: bool,
    kwargs: dict[str, object],
    file: str = "",
) -> nn.Module:
    """`timm.create_model` whose failures are sentences; `file` has the weights, if one has."""
    why = ""
    try:
        with in_reach() if pretrained and not file else nullcontext("") as why:
            return timm.create_model(timm_name, pretrained=pretrained, **kwargs)
    except BackboneError:
        raise
    except TypeError as error:
        if "img_size" in str(error):
            reason = "it is no Vision Transformer (it takes no image size)"
        else:
            reason = f"timm refuses its arguments ({first_line(error)})"
        raise BackboneError(f"{timm_name} cannot be used: {reason}.") from error
    except AssertionError as error:
        raise BackboneError(
            f"{timm_name} cannot be built for images of {size} ({first_line(error)})."
        ) from error
    except RuntimeError as error:
        if pretrained and "loading state_dict" in str(error):
            raise _no_fit(timm_name, size, error, file) from error
        if pretrained:
            raise _no_weights(timm_name, why or first_line(error), file) from error
        raise
    except Exception as error:
        # Without a network, huggingface_hub, requests, httpx and urllib raise many kinds of error.
        if pretrained:
            raise _no_weights(timm_name, why or first_line(error), file) from error
        raise


def _keep_first(
    blocks: int,
    timm_name: str,
    model: Any,
    size: tuple[int, int],
    channels: int,
    timm_args: TimmArguments,
) -> None:
    """Cut off the blocks after the first, if timm can build what is left: checkpoints need that."""
    if not 0 < blocks <= len(model.blocks):
        raise BackboneError(
            f"{timm_name} has {counted(len(model.blocks), 'block')}; its first {blocks} cannot be "
            "taken."
        )
    model.blocks = model.blocks[:blocks]
    with torch.device("meta"):
        again = create_backbone(
            _bare(timm_name), size, channels, initialise=False, probe=False, **timm_args
        ).model
    shapes, expected = (
        {key: tensor.shape for key, tensor in each.state_dict().items()} for each in (model, again)
    )
    if shapes != expected:
        raise BackboneError(
            f"{timm_name} cannot be cut to {counted(blocks, 'block')}; take all of them."
        )
    # Rates of stochastic depth grow over the blocks that there are: those of the model that a
    # checkpoint is read into.
    for own, others in zip(model.modules(), again.modules(), strict=True):
        if hasattr(own, "drop_prob"):
            own.drop_prob = others.drop_prob


def _no_fit(
    timm_name: str, size: tuple[int, int] | None, error: Exception, file: str
) -> BackboneError:
    why = first_line(ValueError(str(error).partition(":")[2]))
    if not file:
        return BackboneError(
            f"The pretrained weights of {timm_name} do not fit the model with these arguments "
            f"({why}); leave the arguments that change its shape out, or train from scratch."
        )
    remedy = "name the backbone that it belongs to"
    if "pos_embed" in why and size is not None:
        # timm resamples embeddings of square images alone.
        remedy = (
            f"images are {size[0]} x {size[1]} here: give the size of those that it is for "
            f"(--image-size), or {remedy}"
        )
    return BackboneError(f"{file} does not fit {timm_name} ({why}); {remedy}.")


def _no_weights(timm_name: str, why: str, file: str) -> BackboneError:
    if file:
        return BackboneError(
            f"{file} could not be loaded as weights of {timm_name} ({why}); name the "
            "backbone that it belongs to, or train from scratch."
        )
    return BackboneError(
        f"The pretrained weights of {timm_name} could not be loaded ({why}); "
        "connect to the internet once so that timm can download them, name a file that has them "
        f"(timm:{timm_name}=FILE.safetensors), or train from scratch."
    )


def _nearest(size: tuple[int, int], patch: tuple[int, int]) -> tuple[int, int]:
    return (
        max(1, round(size[0] / patch[0])) * patch[0],
        max(1, round(size[1] / patch[1])) * patch[1],
    )


def _odd_size(timm_name: str, size: tuple[int, int], patch: tuple[int, int]) -> BackboneError:
    nearest = _nearest(size, patch)
    return BackboneError(
        f"{timm_name} cuts images into patches of {patch[0]} x {patch[1]} pixels, which do not "
        f"fill {size[0]} x {size[1]}; the nearest size that fits is {nearest[0]} x {nearest[1]}."
    )


def _bare(timm_name: str) -> str:
    """The architecture's name, without hub and tag of weights."""
    return timm_name.split("/")[-1].partition(".")[0]


def _patch_size(model: nn.Module) -> tuple[int, int]:
    """Input pixels a patch, stem included."""
    embed: Any = model.patch_embed
    ratio = embed.feat_ratio(as_scalar=False) if _takes_as_scalar(embed) else embed.feat_ratio()
    if isinstance(ratio, int):
        return ratio, ratio
    return int(ratio[0]), int(ratio[1])


def _takes_as_scalar(embed: Any) -> bool:
    return "as_scalar" in inspect.signature(embed.feat_ratio).parameters
