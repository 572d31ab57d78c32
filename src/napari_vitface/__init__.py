"""ViT keypoints and attention on mouse-face videos, in napari and from the command line."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Public name -> module that defines it. Resolved on first use (PEP 562), so that importing the
# package costs next to nothing and the napari process does not load torch by accident.
_PUBLIC = {
    "KeypointSet": "napari_vitface.pose.keypoints",
    "PoseTable": "napari_vitface.pose.table",
    "evaluate": "napari_vitface.jobs.evaluate",
    "explain": "napari_vitface.jobs.explaining.explain",
    "export": "napari_vitface.jobs.export",
    "load_model": "napari_vitface.model.checkpoint",
    "open_video": "napari_vitface.video",
    "predict": "napari_vitface.jobs.predict",
    "predict_many": "napari_vitface.cluster.predict_many",
    "quantise": "napari_vitface.jobs.quantise",
    "read_labels": "napari_vitface.project.label_reading",
    "read_poses": "napari_vitface.formats.poses",
    "run_many": "napari_vitface.cluster.run_many",
    "train": "napari_vitface.jobs.training.train",
    "write_poses": "napari_vitface.formats.poses",
}

if TYPE_CHECKING:
    from napari_vitface.cluster.predict_many import predict_many
    from napari_vitface.cluster.run_many import run_many
    from napari_vitface.formats.poses import read_poses, write_poses
    from napari_vitface.jobs.evaluate import evaluate
    from napari_vitface.jobs.explaining.explain import explain
    from napari_vitface.jobs.export import export
    from napari_vitface.jobs.predict import predict
    from napari_vitface.jobs.quantise import quantise
    from napari_vitface.jobs.training.train import train
    from napari_vitface.model.checkpoint import load_model
    from napari_vitface.pose.keypoints import KeypointSet
    from napari_vitface.pose.table import PoseTable
    from napari_vitface.project.label_reading import read_labels
    from napari_vitface.video import open_video

__all__ = [
    "KeypointSet",
    "PoseTable",
    "evaluate",
    "explain",
    "export",
    "load_model",
    "open_video",
    "predict",
    "predict_many",
    "quantise",
    "read_labels",
    "read_poses",
    "run_many",
    "train",
    "write_poses",
]


def __getattr__(name: str) -> Any:
    try:
        module = _PUBLIC[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
