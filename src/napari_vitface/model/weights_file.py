"""Weights in timm's layout from a file of the user, for computers that reach no hub."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from napari_vitface.errors import BackboneError
from napari_vitface.model.error_text import first_line
from napari_vitface.model.metadata import TrainingSummary
from napari_vitface.model.timm_import import timm

#: Before names of timm's own weights, where these say which hub they are on.
_HUB = ("hf-hub:timm", "hf_hub:timm")


def weights_overlay(weights: str | os.PathLike[str], timm_name: str) -> dict[str, Any]:
    """What `timm.create_model` takes as ``pretrained_cfg_overlay`` to load a file, completely.

    Where timm drops a classifier it no longer minds whether any other weight is missing, and a file
    of another network would leave the random start in place. So the classifier is taken out here,
    and the rest has to fit.

    Raises
    ------
    BackboneError
        It is no file of safetensors.
    """
    if not os.fspath(weights):
        raise BackboneError(
            f"No file is named after {timm_name}=; name one, or leave the = out for timm's own."
        )
    path = Path(weights).expanduser()
    if not path.is_file():
        raise BackboneError(f"There is no file {path} with weights of {timm_name}.")
    if path.suffix != ".safetensors":
        raise BackboneError(
            f"{path.name} is no .safetensors file, and weights are read from no other, since "
            "PyTorch's own can hold programs; model.safetensors on timm's page of the Hugging Face "
            "hub is one."
        )
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise BackboneError(f"{path.name} cannot be read ({first_line(error)}).") from error
    config = _config(timm_name)
    classifier = (config.classifier if config is not None else None) or ()
    names = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    dropped = tuple(f"{name}." for name in names)
    return {
        "state_dict": {key: t for key, t in tensors.items() if not key.startswith(dropped)},
        "num_classes": 0,
        "custom_load": False,
    }


def told_of_weights(timm_name: str, weights: str | os.PathLike[str] | None) -> TrainingSummary:
    """Licence and source of timm's weights, or of those in a file, for what is trained from them.

    timm's licence is that of the weights it has under that name. What else a file holds nobody
    knows but who made it, so its own words and its digest stand beside it.
    """
    config = _config(timm_name)
    licence = (config.license if config is not None else None) or "not known to timm"
    if weights is None:
        source = (config.hf_hub_id or config.url) if config is not None else None
        return {"licence": licence, "citations": [f"{timm_name}: {source or 'timm'}"]}
    path = Path(weights).expanduser()
    with safe_open(path, framework="np") as file:
        told = {key: text for key, text in (file.metadata() or {}).items() if key != "format"}
    words = "; ".join(f"{key}: {text}" for key, text in told.items()) or "says nothing of itself"
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if config is not None:
        licence += f", if {path.name} holds what timm calls {timm_name}"
    return {
        "licence": licence,
        "citations": [f"{path.name} (SHA-256 {digest}): {words}"],
    }


def _config(timm_name: str) -> Any:
    """What timm knows of its weights of a name, which may say that they are on its own hub."""
    hub, _, name = timm_name.rpartition("/")
    return timm.get_pretrained_cfg(name if hub in _HUB else timm_name)
