"""DeepLabCut itself, offline: makes a project, or takes one through training to predictions.

    python deeplabcut_run.py make FOLDER VIDEO      prints the config.yaml of a new project
    python deeplabcut_run.py train CONFIG VIDEO     check, dataset, one epoch, analysis

Knows nothing of napari-vitface.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import timm


def offline() -> None:
    """Weights begin at random: with none to download, DeepLabCut would stop."""
    create = timm.create_model

    def create_offline(*args: Any, **kwargs: Any) -> Any:
        return create(*args, **{**kwargs, "pretrained": False})

    timm.create_model = create_offline


def make(folder: str, video: str) -> None:
    import deeplabcut

    config = deeplabcut.create_new_project(
        "whiskers", "Ann", [video], working_directory=folder, copy_videos=True
    )
    print(f"CONFIG {config}")


def train(config: str, video: str) -> None:
    import deeplabcut

    deeplabcut.check_labels(config)
    deeplabcut.create_training_dataset(config, userfeedback=False, net_type="resnet_50")
    deeplabcut.train_network(config, epochs=1, save_epochs=1, batch_size=2, device="cpu")
    deeplabcut.analyze_videos(config, [video], save_as_csv=True, device="cpu")


if __name__ == "__main__":
    offline()
    {"make": make, "train": train}[sys.argv[1]](*sys.argv[2:])
    assert Path(sys.argv[2]).exists()
