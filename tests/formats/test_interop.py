"""Prediction files in the hands of the programs that they are for.

These need many packages, so they may live in an environment of their own, whose Python is named by
``VITFACE_INTEROP_PYTHON``. With pandas 2 in it, as DeepLabCut has, that is tested too. Where they
are installed beside this package, no other environment is needed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from napari_vitface.formats.poses import write_poses
from napari_vitface.pose.keypoints import MOUSE_FACE, KeypointSet
from napari_vitface.pose.table import PoseTable

PROGRAMS = ("movement", "sleap_io", "napari_deeplabcut")
NAMED = os.environ.get("VITFACE_INTEROP_PYTHON", "")
HERE = sys.executable if all(map(find_spec, PROGRAMS)) else None
PYTHON = NAMED if Path(NAMED).is_file() else HERE
pytestmark = pytest.mark.skipif(
    not PYTHON,
    reason="no movement, sleap-io and napari-deeplabcut here; name their Python in "
    "VITFACE_INTEROP_PYTHON",
)

Read = Callable[..., dict[str, np.ndarray]]

#: What each program reads. sleap-io finds no frames in DeepLabCut's CSV files of predictions.
PAIRS = [
    ("pandas", ".h5"),
    ("pandas", ".csv"),
    ("movement", ".h5"),
    ("movement", ".csv"),
    ("sleap-io", ".h5"),
    ("napari-deeplabcut", ".h5"),
]


@pytest.fixture
def read_elsewhere(tmp_path: Path) -> Read:
    def read(reader: str, table: PoseTable, suffix: str) -> dict[str, np.ndarray]:
        path = tmp_path / f"mouse_vitface_mouse-face{suffix}"
        write_poses(table, path, scorer="vitface_mouse-face")
        script = Path(__file__).with_name("read_elsewhere.py")
        output = tmp_path / "found.npz"
        run = subprocess.run(
            [str(PYTHON), str(script), reader, str(path), str(output)],
            capture_output=True,
            text=True,
            timeout=1500,
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        )
        assert run.returncode == 0, run.stderr
        with np.load(output) as arrays:
            return dict(arrays)

    return read


def poses(keypoints: KeypointSet, frames: list[int]) -> PoseTable:
    """Random poses without the points of one frame and one point of another."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 640, (len(frames), len(keypoints), 2))
    xy[2] = np.nan
    xy[3, 1] = np.nan
    confidence = rng.uniform(0, 1, (len(frames), len(keypoints)))
    confidence[np.isnan(xy).any(axis=-1)] = 0
    return PoseTable(keypoints, xy, confidence, frames=frames)


def assert_found(found: dict[str, np.ndarray], table: PoseTable) -> None:
    """Every point is there with its name, place and confidence; absent ones are not."""
    rows = np.isin(table.frames, found["frames"])
    assert np.isnan(table.xy[~rows]).all()
    assert found["frames"].tolist() == table.frames[rows].tolist()
    columns = [table.keypoints.index(str(name)) for name in found["names"]]
    assert sorted(columns) == list(range(len(table.keypoints)))
    np.testing.assert_allclose(found["xy"], table.xy[rows][:, columns], rtol=1e-6)
    present = np.isfinite(found["xy"]).all(axis=-1)
    np.testing.assert_allclose(
        found["confidence"][present], table.confidence[rows][:, columns][present], rtol=1e-6
    )


@pytest.mark.slow
@pytest.mark.parametrize(("reader", "suffix"), PAIRS)
def test_the_mouse_face_s_poses_are_read(read_elsewhere: Read, reader: str, suffix: str) -> None:
    table = poses(MOUSE_FACE, list(range(10)))
    assert_found(read_elsewhere(reader, table, suffix), table)


@pytest.mark.slow
@pytest.mark.parametrize(("reader", "suffix"), PAIRS)
def test_odd_names_and_frames_left_out_are_read(
    read_elsewhere: Read, reader: str, suffix: str
) -> None:
    table = poses(KeypointSet(("nose, tip", "né 鼠", 'a "b"')), [0, 2, 4, 6, 100])
    found = read_elsewhere(reader, table, suffix)
    if reader == "movement":
        found["frames"] = table.frames[found["frames"].astype(int)]
    assert_found(found, table)


@pytest.mark.slow
def test_sleap_io_gets_the_skeleton(read_elsewhere: Read) -> None:
    found = read_elsewhere("sleap-io", poses(MOUSE_FACE, list(range(5))), ".h5")
    np.testing.assert_array_equal(found["edges"], MOUSE_FACE.edges())
