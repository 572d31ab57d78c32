"""Label files in the hands of the programs that they are for; see `other_programs`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import NOT_VISIBLE, Point, labelled, occluded
from napari_vitface.pose.table import PointState
from napari_vitface.project.project import Project

from .conftest import frame, place, said

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("other_programs")]

KEYPOINTS = KeypointSet(("nose tip", "né, 鼠", "lip"), skeleton=(("nose tip", "lip"),))
LABELS: dict[tuple[int, int], Point] = {
    (f, k): labelled(f + k + 1 / 3, 2 * k + 0.1) for f in (3, 12, 40) for k in range(3)
}
LABELS |= {(12, 1): NOT_VISIBLE, (40, 2): occluded(5, 6.5)}


READERS = ("pandas h5", "pandas csv", "movement", "sleap-io", "napari-deeplabcut")


Run = Callable[..., None]


@pytest.fixture(scope="session")
def run_elsewhere(call_readers: Callable[..., str]) -> Run:
    """Has programs read a folder of labels; what each found goes to ``<reader>.npz``."""

    def run(folder: Path, output: Path, *readers: str) -> None:
        outputs = [output / f"{reader}.npz" for reader in readers]
        calls = [
            (reader, [str(folder), "Ann"], str(path))
            for reader, path in zip(readers, outputs, strict=True)
        ]
        errors = call_readers(Path(__file__).with_name("label_elsewhere.py"), calls)
        assert all(path.exists() for path in outputs), errors

    return run


def make_folder(parent: Path) -> Path:
    """The labels of a video in a project of ours."""
    project = Project.create(parent / "project", KEYPOINTS, "Ann")
    folder = project.folder / "labeled-data" / "mouse 1"
    folder.mkdir()
    project.reload()
    document = project.document("mouse 1", frame)
    place(document, *((f, k, point) for (f, k), point in LABELS.items()))
    document.save()
    document.close()
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


@pytest.fixture(scope="session")
def found_elsewhere(
    made_once: Callable[[str, Callable[[Path], Any]], Any], run_elsewhere: Run
) -> Path:
    """A folder of what all readers found."""

    def make(output: Path) -> Path:
        run_elsewhere(make_folder(output), output, *READERS, "visibility")
        return output

    return made_once("labels-elsewhere", make)


def found_by(folder: Path, reader: str) -> dict[str, np.ndarray]:
    with np.load(folder / f"{reader}.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("reader", READERS)
def test_labels_are_read(found_elsewhere: Path, reader: str) -> None:
    found = found_by(found_elsewhere, reader)
    frames = (3, 12, 40)
    expected = np.full((3, 3, 2), np.nan)
    for (f, k), point in LABELS.items():
        if point.state == PointState.LABELLED:
            expected[frames.index(f), k] = point[:2]
    columns = [KEYPOINTS.index(str(name)) for name in found["names"]]
    assert sorted(columns) == [0, 1, 2]
    # Older pandas rounds the last bit of numbers in a CSV file.
    np.testing.assert_allclose(found["xy"], expected[:, columns], rtol=1e-15)
    if "images" in found:
        assert found["images"].tolist() == [f"img{f:04d}.png" for f in frames]


def test_occluded_points_are_read_as_lightning_pose_reads_them(found_elsewhere: Path) -> None:
    found = found_by(found_elsewhere, "visibility")
    assert found["images"].tolist() == [f"labeled-data/mouse 1/img{f:04d}.png" for f in (12, 40)]
    assert found["visible"].tolist() == [[2, 1, 2], [2, 2, 1]]
    assert np.isnan(found["xy"][0, 1]).all()
    assert found["xy"][1, 2].tolist() == [5, 6.5]


def test_what_napari_deeplabcut_changes_is_merged(
    folder: Path, tmp_path: Path, run_elsewhere: Run
) -> None:
    project = Project.open(folder)
    document = project.document("mouse 1", frame)
    place(document, (50, 0, labelled(3, 4)))
    run_elsewhere(folder, tmp_path, "move")
    report = document.save()
    placed = {p: v for p, v in LABELS.items() if v.state == PointState.LABELLED}
    assert report.adopted == len(placed)
    found = said(document)
    for (f, k), point in placed.items():
        assert found.pop((f, k))[:2] == pytest.approx((point.x + 10, point.y + 20))
    assert found == {
        (12, 1): NOT_VISIBLE,
        (40, 2): LABELS[40, 2],
        (50, 0): labelled(3, 4),
    }
    document.close()
    again = project.document("mouse 1")
    assert again.problems == ()
    assert said(again) == said(document)
    again.close()


def test_a_table_that_pandas_2_wrote_is_read(
    folder: Path, tmp_path: Path, run_elsewhere: Run
) -> None:
    run_elsewhere(folder, tmp_path, "move")
    document = Project.open(folder).document("mouse 1")
    assert document.problems == ()
    point = document.labels.point(3, 0)
    assert (point.x, point.y) == pytest.approx((3 + 1 / 3 + 10, 20.1))
    document.close()
