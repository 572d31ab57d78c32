"""Prediction files in the hands of the programs that they are for; see `other_programs`.

With pandas 2 among them, as DeepLabCut has, that is tested too.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from napari_vitface.errors import LabelError
from napari_vitface.formats.conversion import source_format
from napari_vitface.formats.format import FORMATS, read_with
from napari_vitface.formats.poses import PoseWriter, write_poses
from napari_vitface.formats.predictions import Choice, Heading, Predictions
from napari_vitface.pose.keypoints import MOUSE_FACE, KeypointSet
from napari_vitface.pose.table import PoseTable

pytestmark = pytest.mark.usefixtures("other_programs")

#: What each program reads. sleap-io finds no frames in DeepLabCut's CSV files of predictions.
PAIRS = [
    ("pandas", ".h5"),
    ("pandas", ".csv"),
    ("movement", ".h5"),
    ("movement", ".csv"),
    ("sleap-io", ".h5"),
    ("napari-deeplabcut", ".h5"),
]


def poses(keypoints: KeypointSet, frames: list[int]) -> PoseTable:
    """Random poses without the points of one frame and one point of another."""
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 640, (len(frames), len(keypoints), 2))
    xy[2] = np.nan
    xy[3, 1] = np.nan
    confidence = rng.uniform(0, 1, (len(frames), len(keypoints)))
    confidence[np.isnan(xy).any(axis=-1)] = 0
    return PoseTable(keypoints, xy, confidence, frames=frames)


TABLES = {
    "mouse face": poses(MOUSE_FACE, list(range(10))),
    "odd names and frames left out": poses(
        KeypointSet(("nose, tip", "né 鼠", 'a "b"')), [0, 2, 4, 6, 100]
    ),
}


@pytest.fixture(scope="session")
def found_elsewhere(
    made_once: Callable[[str, Callable[[Path], Any]], Any], call_readers: Callable[..., str]
) -> Path:
    """A folder of what each program found in each table."""

    def make(folder: Path) -> Path:
        calls = []
        for name, table in TABLES.items():
            for suffix in (".h5", ".csv"):
                path = folder / name / f"mouse_vitface_mouse-face{suffix}"
                path.parent.mkdir(exist_ok=True)
                write_poses(table, path, scorer="vitface_mouse-face")
                for reader in (reader for reader, other in PAIRS if other == suffix):
                    calls.append(
                        (reader, [str(path)], str(folder / f"{name} {reader}{suffix}.npz"))
                    )
        script = Path(__file__).with_name("read_elsewhere.py")
        (folder / "errors.txt").write_text(call_readers(script, calls), encoding="utf-8")
        return folder

    return made_once("found_elsewhere", make)


def found_in(folder: Path, name: str, reader: str, suffix: str) -> dict[str, np.ndarray]:
    path = folder / f"{name} {reader}{suffix}.npz"
    assert path.exists(), (folder / "errors.txt").read_text("utf-8")
    with np.load(path) as arrays:
        return dict(arrays)


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
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(("reader", "suffix"), PAIRS)
def test_predictions_are_read(found_elsewhere: Path, name: str, reader: str, suffix: str) -> None:
    found, table = found_in(found_elsewhere, name, reader, suffix), TABLES[name]
    if reader == "movement":
        found["frames"] = table.frames[found["frames"].astype(int)]
    assert_found(found, table)


@pytest.mark.slow
def test_sleap_io_gets_the_skeleton(found_elsewhere: Path) -> None:
    found = found_in(found_elsewhere, "mouse face", "sleap-io", ".h5")
    np.testing.assert_array_equal(found["edges"], MOUSE_FACE.edges())


# --- their files, and ours in other formats -------------------------------------------------------


@pytest.fixture(scope="module")
def elsewhere() -> ModuleType:
    """What the other programs are told to write."""
    path = Path(__file__).with_name("write_elsewhere.py")
    spec = spec_from_file_location("write_elsewhere", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def theirs(
    tmp_path_factory: pytest.TempPathFactory,
    elsewhere: ModuleType,
    other_programs: Callable[..., Any],
) -> Path:
    """A folder with the files of the other programs, and what they found in ours."""
    pytest.importorskip("sleap_io")
    folder = tmp_path_factory.mktemp("theirs")
    names = elsewhere.NAMES
    keypoints = KeypointSet(tuple(names), tuple((names[a], names[b]) for a, b in elsewhere.EDGES))
    ours = {"nc": "movement", "nwb": "nwb", "slp": "sleap", "h5": "sleap-analysis"}
    for ending, name in ours.items():
        heading = Heading(keypoints, "me", "cam.mp4", elsewhere.RATE)
        path = folder / f"ours.{ending}"
        with PoseWriter(path, heading=heading, to=FORMATS[name]) as writer:
            writer.append(range(elsewhere.FRAMES), *elsewhere.points())
    run = other_programs(Path(__file__).with_name("write_elsewhere.py"), folder)
    assert run.returncode == 0, run.stderr
    return folder


def assert_points(found: Predictions, elsewhere: ModuleType, animal: int) -> None:
    columns = [found.poses.keypoints.index(name) for name in elsewhere.NAMES]
    xy, confidence = elsewhere.points(animal)
    np.testing.assert_array_equal(found.poses.xy[:, columns], xy)
    np.testing.assert_array_equal(found.poses.confidence[:, columns], confidence)
    assert found.poses.frames.tolist() == list(range(elsewhere.FRAMES))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "name", "animal"),
    [
        ("movement.nc", "movement", None),
        ("movement-two.nc", "movement", "b"),
        ("movement-two.h5", "sleap-analysis", "b"),
        ("movement-dlc.csv", "deeplabcut-csv", "b"),
        ("movement-lp_a.csv", "deeplabcut-csv", None),
        ("movement.nwb", "nwb", None),
        ("sleap.slp", "sleap", "b"),
        ("sleap.pkg.slp", "sleap", "b"),
        ("sleap-standard.h5", "sleap-analysis", "b"),
    ],
)
def test_files_of_the_programs_themselves_are_read(
    theirs: Path, elsewhere: ModuleType, file: str, name: str, animal: str | None
) -> None:
    path = theirs / file
    one, content = source_format(path, content="predictions")
    assert one.name == name
    found = read_with(one, content, path, Choice(animal))
    assert_points(found, elsewhere, 0 if animal is None else 1)
    if file in ("movement.nc", "movement.nwb"):
        assert found.frame_rate == elsewhere.RATE
    if "sleap" in file:
        assert found.poses.keypoints.edges() == elsewhere.EDGES
        assert found.video == str(theirs)


@pytest.mark.slow
@pytest.mark.parametrize("file", ["sleap.slp", "sleap.pkg.slp"])
def test_labels_in_sleap_s_projects_are_labels(
    theirs: Path, elsewhere: ModuleType, file: str
) -> None:
    with pytest.raises(LabelError, match=r"predictions and labels: say which \(--content"):
        source_format(theirs / file)
    labels = read_with(FORMATS["sleap"], "labels", theirs / file)
    assert labels.frames.tolist() == [3]
    np.testing.assert_array_equal(labels.xy[0], elsewhere.points()[0][3] + 0.5)
    assert labels.images == (theirs / "img3.png",)


@pytest.mark.slow
def test_the_programs_read_what_is_written_for_them(theirs: Path, elsewhere: ModuleType) -> None:
    xy, confidence = elsewhere.points()
    with np.load(theirs / "found.npz") as found:
        np.testing.assert_array_equal(found["nc_xy"], xy.transpose(0, 2, 1))
        np.testing.assert_array_equal(found["nc_confidence"], confidence)
        assert found["nc_time"].tolist() == [i / elsewhere.RATE for i in range(elsewhere.FRAMES)]
        assert found["nc_names"].tolist() == elsewhere.NAMES
        assert found["nc_fps"] == found["nwb_fps"] == elsewhere.RATE
        columns = [found["nwb_names"].tolist().index(name) for name in elsewhere.NAMES]
        np.testing.assert_array_equal(found["nwb_xy"][..., columns], xy.transpose(0, 2, 1))
        for name in ("slp", "h5"):
            np.testing.assert_array_equal(found[f"{name}_xy"], xy)
            assert found[f"{name}_edges"].tolist() == [list(edge) for edge in elsewhere.EDGES]
            assert found[f"{name}_video"] == "cam.mp4"
