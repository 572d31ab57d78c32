"""Lightning Pose itself, offline: reads a table of labels, or trains on it and predicts a video.

    python lightning_pose_run.py read FOLDER TABLE OUTPUT.npz
    python lightning_pose_run.py train FOLDER TABLE VIDEO MODEL_FOLDER

`read` writes names, images, xy (frames, keypoints, 2), visible (frames, keypoints), and the targets
that its data set trains on. `train` takes one epoch and prints the table of predictions. Knows
nothing of napari-vitface.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import imgaug.augmenters as iaa
import numpy as np
from lightning_pose.data.datasets import HeatmapDataset
from lightning_pose.utils.io import parse_label_csv


def read(folder: str, table: str, output: str) -> None:
    found = parse_label_csv(str(Path(folder) / table))
    data = HeatmapDataset(
        root_directory=folder,
        csv_path=table,
        image_resize_height=128,
        image_resize_width=128,
        imgaug_transform=iaa.Sequential([]),
    )
    heatmaps = [np.asarray(example["heatmaps"]) for example in data]
    np.savez(
        output,
        names=found.keypoint_names,
        images=found.image_names,
        xy=found.keypoints.numpy(),
        visible=np.empty(0) if found.visibility is None else found.visibility.numpy(),
        heatmaps=np.stack(heatmaps),
    )


def train(folder: str, table: str, video: str, model_folder: str) -> None:
    from lightning_pose.train import train as train_model
    from omegaconf import OmegaConf

    names = parse_label_csv(str(Path(folder) / table)).keypoint_names
    model = train_model(OmegaConf.create(_config(folder, table, names)), model_dir=model_folder)
    predicted = model.predict_on_video_file(video, output_dir=Path(model_folder) / "videos")
    assert len(predicted.predictions)
    (written,) = Path(model_folder, "videos").glob(f"{Path(video).stem}.csv")
    print(f"PREDICTIONS {written}")


def _config(folder: str, table: str, names: list[str]) -> dict[str, Any]:
    """The template of its documentation, for one epoch from random weights."""
    return {
        "data": {
            "data_dir": folder,
            "video_dir": str(Path(folder) / "videos"),
            "csv_file": table,
            "image_resize_dims": {"height": 128, "width": 128},
            "downsample_factor": 2,
            "num_keypoints": len(names),
            "keypoint_names": names,
            "columns_for_singleview_pca": None,
            "mirrored_column_matches": None,
        },
        "training": {
            "imgaug": "default",
            "train_batch_size": 2,
            "val_batch_size": 2,
            "test_batch_size": 2,
            "train_prob": 0.6,
            "val_prob": 0.2,
            "train_frames": 1,
            "num_gpus": 1,
            "num_workers": 0,
            "min_epochs": 1,
            "max_epochs": 1,
            "log_every_n_steps": 1,
            "check_val_every_n_epoch": 1,
            "unfreezing_epoch": 0,
            "early_stopping": False,
            "early_stop_patience": 3,
            "rng_seed_data_pt": 0,
            "rng_seed_model_pt": 0,
            "optimizer": "Adam",
            "optimizer_params": {"learning_rate": 1e-3},
            "lr_scheduler": "multisteplr",
            "lr_scheduler_params": {"multisteplr": {"milestones": [1], "gamma": 0.5}},
        },
        "model": {
            "losses_to_use": [],
            "backbone": "resnet18",
            "backbone_pretrained": False,
            "model_type": "heatmap",
            "heatmap_loss_type": "mse",
            "model_name": "test",
            "checkpoint": None,
        },
        "dali": {
            "general": {"seed": 0},
            "base": {
                "train": {"sequence_length": 8},
                "predict": {"sequence_length": 8},
            },
            "context": {"train": {"batch_size": 8}, "predict": {"sequence_length": 8}},
        },
        "losses": {},
        "eval": {
            "predict_vids_after_training": False,
            "test_videos_directory": None,
            "save_vids_after_training": False,
            "colormap": "cool",
            "confidence_thresh_for_vid": 0.9,
        },
        "callbacks": {"anneal_weight": {}},
    }


if __name__ == "__main__":
    {"read": read, "train": train}[sys.argv[1]](*sys.argv[2:])
