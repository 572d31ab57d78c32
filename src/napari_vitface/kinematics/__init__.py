"""What is computed from poses over time: smoothing, gap filling, traces and how they are plotted.

numpy and scipy only. Nothing here changes a table that it is given: results are new.
"""

from napari_vitface.kinematics.gaps import fill_gaps
from napari_vitface.kinematics.operations import (
    apply_operations,
    check_operation,
    describe_operation,
)
from napari_vitface.kinematics.pyramid import Pyramid, build
from napari_vitface.kinematics.smoothing import median_filter, savgol_filter
from napari_vitface.kinematics.traces import Trace

__all__ = [
    "Pyramid",
    "Trace",
    "apply_operations",
    "build",
    "check_operation",
    "describe_operation",
    "fill_gaps",
    "median_filter",
    "savgol_filter",
]
