"""Tables of an ensemble Kalman smoother (EKS), as Lightning Pose writes them too.

DeepLabCut's header rows, and for each keypoint beside x, y and likelihood the median and the
variance of the ensemble and the variance of the smoothed point, each of x and of y.

Biderman et al., "Lightning Pose", Nature Methods 21 (2024).
"""

from __future__ import annotations

from pathlib import Path

from napari_vitface.formats.deeplabcut_csv import CsvSink, header_rows, rows_of
from napari_vitface.formats.dlc_table import VARIANCE_COORDS, read_dlc_poses
from napari_vitface.formats.format import Format


def _can_open(path: Path) -> bool:
    if rows_of(path) != "predictions":
        return False
    header, _ = header_rows(path)
    return any(set(pair).issubset(header[-1]) for pair in VARIANCE_COORDS)


EKS_CSV = Format(
    "eks-csv",
    "a table of an ensemble Kalman smoother (.csv)",
    (".csv",),
    _can_open,
    read_poses=read_dlc_poses,
    pose_sink=CsvSink,
    holds=frozenset({"confidence", "variance", "gaps", "scorer"}),
    needs=frozenset({"variance"}),
)
