"""Lightning Pose's own reader and data set on a table of labels.

    python lightning_pose_read.py FOLDER TABLE OUTPUT.npz

Writes names, images, xy (frames, keypoints, 2), visible (frames, keypoints), and the targets that
its data set trains on. Knows nothing of napari-vitface.
"""

from __future__ import annotations

import sys
from pathlib import Path

import imgaug.augmenters as iaa
import numpy as np
from lightning_pose.data.datasets import HeatmapDataset
from lightning_pose.utils.io import parse_label_csv

if __name__ == "__main__":
    _, folder, table, output = sys.argv
    read = parse_label_csv(str(Path(folder) / table))
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
        names=read.keypoint_names,
        images=read.image_names,
        xy=read.keypoints.numpy(),
        visible=np.empty(0) if read.visibility is None else read.visibility.numpy(),
        heatmaps=np.stack(heatmaps),
    )
