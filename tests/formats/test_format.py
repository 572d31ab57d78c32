"""Which format opens a file, and formats of other packages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from napari_vitface import read_labels, read_poses, write_poses
from napari_vitface.errors import LabelError
from napari_vitface.formats.format import FORMATS, read_as, suffixes
from napari_vitface.gui.predict.other_tables import read_predictions
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

TWO = KeypointSet(("nose", "ear"))
POSES = PoseTable(TWO, np.arange(12, dtype=np.float32).reshape(3, 2, 2), frames=[0, 1, 4])

# Predictions that share their ending with DeepLabCut's, and are written in one of their own.
PREDICTIONS = """
from pathlib import Path
import h5py
import numpy as np
from napari_vitface.errors import LabelError
from napari_vitface.formats.format import Format
from napari_vitface.formats.predictions import Predictions
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

def can_open(path):
    with h5py.File(path, "r") as file:
        return "toy" in file

def read(path, choice):
    try:
        with h5py.File(path, "r") as file:
            keypoints = KeypointSet(tuple(file["toy"].attrs["names"]))
            return Predictions(PoseTable(keypoints, file["toy"][()], frames=file["frames"][()]))
    except OSError as error:
        raise LabelError(f"{path} is a damaged toy.") from error

class Sink:
    def __init__(self, path, heading):
        self.file = h5py.File(path, "w")
        self.names, self.rows, self.frames = heading.keypoints.names, [], []

    def write(self, frames, values):
        self.frames += list(frames)
        self.rows += list(values.reshape(len(frames), -1, 3)[..., :2])

    def close(self):
        self.file["toy"] = np.stack(self.rows)
        self.file["frames"] = self.frames
        self.file["toy"].attrs["names"] = list(self.names)
        self.file.close()

    def abort(self):
        self.file.close()

TOY = Format("toy", "a toy (.toy)", (".toy", ".h5"), can_open, read_poses=read, pose_sink=Sink)
"""

# A folder with one text of points beside each image.
LABELS = """
import numpy as np
from napari_vitface.formats.labelled_images import Labels
from napari_vitface.formats.format import Format
from napari_vitface.pose.keypoints import KeypointSet

def read(path, choice):
    images = sorted(path.glob("*.png"))
    xy = np.array([np.loadtxt(image.with_suffix(".points")) for image in images])
    return Labels(
        KeypointSet(("nose", "ear")), xy, tuple(images), np.full(len(images), path.name),
        np.arange(len(images)), "toy",
    )

TOY = Format(
    "toy-labels", "a folder of toys", ("",), lambda path: any(path.glob("*.points")),
    read_labels=read,
)
"""


def test_predictions_of_another_package_are_read_and_written(
    install: Callable[..., None], tmp_path: Path
) -> None:
    with pytest.raises(LabelError, match=r"written as \.h5.*\.csv.*, not as a\.toy"):
        write_poses(POSES, tmp_path / "a.toy", scorer="me")
    install(FORMATS, PREDICTIONS)
    write_poses(POSES, tmp_path / "a.toy", scorer="me")
    again = read_poses(tmp_path / "a.toy")
    assert again.keypoints.names == TWO.names
    assert again.frames.tolist() == [0, 1, 4]
    np.testing.assert_array_equal(again.xy, POSES.xy)
    # What the window opens, and what its dialog offers.
    shown, _, _ = read_predictions(tmp_path / "a.toy", 10, 0.0, [])
    np.testing.assert_array_equal(shown.xy[4], POSES.xy[2])
    assert suffixes("predictions")[-1] == ".toy"


def test_of_one_ending_the_content_decides(install: Callable[..., None], tmp_path: Path) -> None:
    install(FORMATS, PREDICTIONS)
    theirs, ours = tmp_path / "theirs.h5", tmp_path / "ours.h5"
    with h5py.File(theirs, "w") as file:
        file["toy"], file["frames"] = POSES.xy, POSES.frames
        file["toy"].attrs["names"] = ["nose", "ear"]
    write_poses(POSES, ours, scorer="me")
    with h5py.File(ours) as file:
        assert "toy" not in file
    for path in (theirs, ours):
        np.testing.assert_array_equal(read_poses(path).xy, POSES.xy)
    nameless = theirs.rename(tmp_path / "a name without an ending")
    np.testing.assert_array_equal(read_poses(nameless).xy, POSES.xy)


def test_labels_of_another_package_are_read_beside_ours(
    install: Callable[..., None], tmp_path: Path
) -> None:
    install(FORMATS, LABELS)
    toys = tmp_path / "toys"
    toys.mkdir()
    for i in range(2):
        (toys / f"{i}.png").touch()
        np.savetxt(toys / f"{i}.points", [[i, 1], [2, np.nan]])
    labels = read_labels(toys)
    assert labels.xy[:, 0].tolist() == [[0, 1], [1, 1]]
    assert labels.count == 2
    ours = tmp_path / "labeled-data" / "cam"
    ours.mkdir(parents=True)
    (ours / "img7.png").touch()
    columns = pd.MultiIndex.from_product([["Ann"], ["ear", "eye"], ["x", "y"]])
    columns.names = ["scorer", "bodyparts", "coords"]
    table = pd.DataFrame([[5.0, 6.0, 7.0, 8.0]], ["labeled-data/cam/img7.png"], columns)
    table.to_csv(ours / "CollectedData_Ann.csv")
    both = read_labels([toys, tmp_path])
    assert both.keypoints.names == ("nose", "ear", "eye")
    assert both.videos.tolist() == ["toys", "toys", "cam"]
    assert both.frames.tolist() == [0, 1, 7]
    assert both.xy[2, 1:].tolist() == [[5, 6], [7, 8]]
    assert both.scorer == "toy, Ann"


def test_where_nobody_can_open_a_file_who_reads_such_files_says_why(
    install: Callable[..., None], tmp_path: Path
) -> None:
    for name in ("a.csv", "a.h5", "a.toy", "a.txt"):
        (tmp_path / name).write_text("nonsense")
    with pytest.raises(LabelError, match=r"a\.txt is no table of predictions: open a DeepLabCut"):
        read_poses(tmp_path / "a.txt")
    install(FORMATS, PREDICTIONS)
    with pytest.raises(LabelError, match=r"a\.csv does not begin with DeepLabCut's header rows"):
        read_poses(tmp_path / "a.csv")
    with pytest.raises(LabelError, match=r"a\.h5 cannot be read as a DeepLabCut HDF5 table"):
        read_poses(tmp_path / "a.h5")
    with pytest.raises(LabelError, match=r"a\.toy is a damaged toy"):
        read_poses(tmp_path / "a.toy")
    with pytest.raises(
        LabelError, match=r"a DeepLabCut table as text \(\.csv\), .* or a toy \(\.toy\)"
    ):
        read_poses(tmp_path / "a.txt")
    with pytest.raises(LabelError, match=r"a\.txt is no project: open a project folder"):
        read_labels(tmp_path / "a.txt")


@pytest.mark.parametrize("name", ["gone.h5", "no\0name.csv", "x" * 5000 + ".h5"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    for content in ("predictions", "labels"):
        with pytest.raises(LabelError, match="There is no file or folder"):
            read_as(content, tmp_path / name)


def test_knowing_the_formats_loads_none_of_what_reads_them() -> None:
    code = (
        "import sys; from napari_vitface.formats.format import FORMATS; assert list(FORMATS);"
        "assert not {'pandas', 'h5py', 'tables', 'ruamel', 'scipy', 'av'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
