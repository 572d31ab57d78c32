"""Tables of several models as one."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from napari_vitface.cli import main
from napari_vitface.errors import VitFaceError
from napari_vitface.formats.format import read_as
from napari_vitface.formats.poses import write_poses
from napari_vitface.jobs.convert import convert
from napari_vitface.jobs.events import Finished
from napari_vitface.jobs.smooth import smooth
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

NAMES = ("nose", "Left Ear")


@pytest.fixture
def tables(tmp_path: Path) -> list[Path]:
    """Three models, of which one has its keypoints the other way round and lacks frames."""
    random = np.random.default_rng(0)
    truth = random.normal(0, 1, (60, 2, 2)).cumsum(axis=0)
    found = []
    for place in range(3):
        xy = truth + random.normal(0, 1, truth.shape)
        xy[20] = np.nan
        names, rows = NAMES, np.arange(60)
        if place == 2:
            names, xy, rows = ("left ear", "nose"), xy[:, ::-1], rows[10:50]
        file = tmp_path / f"{place}.csv"
        write_poses(PoseTable(KeypointSet(names), xy[rows], frames=rows), file, scorer="me")
        found.append(file)
    return found


def test_tables_become_one_with_the_variance_of_each_point(
    tables: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tables[0].with_name("out.csv")
    before = [table.read_bytes() for table in tables]
    assert main(["smooth", *map(str, tables), "--output", str(out)]) == 0
    assert "118 points in 60 frames, of 3 tables; as eks-csv" in capsys.readouterr().out
    found = read_as("predictions", out)
    assert found.poses.keypoints.names == NAMES
    # What no model saw stays missing.
    assert np.isnan(found.poses.xy[20]).all()
    assert found.variance is not None
    assert (found.variance[21:] > 0).all()
    models = [read_as("predictions", table).poses for table in tables]
    between = np.stack([models[0].xy, models[1].xy])[:, 21:]
    assert np.abs(found.poses.xy[21:] - between.mean(axis=0)).max() < 4
    assert [table.read_bytes() for table in tables] == before


def test_points_of_little_confidence_are_missing_and_a_format_without_variance_is_told(
    tables: list[Path],
) -> None:
    poses = read_as("predictions", tables[0]).poses
    poses.confidence[:30] = 0.1
    write_poses(poses, tables[0], scorer="me")
    out = tables[0].with_name("out.h5")
    *_, end = smooth(tables[:2], out, write_as="deeplabcut-hdf5", sure=0.5)
    assert isinstance(end, Finished)
    assert any("variance" in sentence for sentence in end.result.lost)
    # Of the first frames only the second model is left.
    assert (read_as("predictions", Path(end.result.file)).poses.confidence[:20] == 1).all()


def test_what_is_no_ensemble_is_refused(tables: list[Path]) -> None:
    out = tables[0].with_name("out.csv")
    with pytest.raises(VitFaceError, match="two models or more"):
        list(smooth(tables[:1], out))
    other = tables[0].with_name("other.csv")
    write_poses(PoseTable(KeypointSet(("nose", "tail")), np.ones((3, 2, 2))), other, scorer="me")
    with pytest.raises(VitFaceError, match=r"other keypoints than 0\.csv, such as 'tail'"):
        list(smooth([tables[0], other], out))
    out.touch()
    with pytest.raises(VitFaceError, match="exists"):
        list(smooth(tables, out))


def test_what_the_format_needs_is_asked_for_before_anything_is_smoothed(
    tables: list[Path],
) -> None:
    pytest.importorskip("ndx_pose")
    out = tables[0].with_name("out.nwb")
    events = smooth(tables[:2], out)
    with pytest.raises(VitFaceError, match=r"nwb needs the frame rate, .* does not say\.$"):
        next(events)
    list(convert(tables[1], tables[1].with_suffix(".nc"), frame_rate=50.0))
    *_, end = smooth([tables[0], tables[1].with_suffix(".nc")], out)
    assert isinstance(end, Finished)
    assert read_as("predictions", out).frame_rate == 50


def test_what_is_not_read_of_a_table_is_told(tables: list[Path]) -> None:
    path = tables[1].with_suffix(".nc")
    list(convert(tables[1], path, frame_rate=50.0))
    with h5py.File(path, "r+") as file:
        file["speed"] = np.zeros(60)
    *_, end = smooth([tables[0], path], tables[0].with_name("out.csv"))
    assert isinstance(end, Finished)
    assert f"{path.name}: Not read, so left behind: the variable speed." in end.result.lost
