"""Files as other programs write them, made here in their way, and what is asked about them."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from napari_vitface import read_labels, read_poses, write_poses
from napari_vitface.errors import LabelError, VitFaceError
from napari_vitface.formats.conversion import write_predictions
from napari_vitface.formats.format import FORMATS, Content, read_with
from napari_vitface.formats.predictions import Choice, Predictions, confidence_of
from napari_vitface.jobs.convert import convert
from napari_vitface.jobs.events import Finished, Notice
from napari_vitface.jobs.results.convert import ConvertResult
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

TWO = KeypointSet(("nose", "ear"))
POSES = PoseTable(TWO, np.arange(12, dtype=np.float32).reshape(3, 2, 2), frames=[0, 1, 4])


def converted(*paths: Path, **options: Any) -> ConvertResult:
    *_, end = convert(*paths, **options)
    assert isinstance(end, Finished)
    return end.result


def read(name: str, path: Path, choice: Choice = Choice()) -> Predictions:  # noqa: B008
    return read_with(FORMATS[name], "predictions", path, choice)


# --- several animals and tables -------------------------------------------------------------------


def two_animals(path: Path) -> Path:
    """As multi-animal DeepLabCut writes its predictions."""
    parts = [["DLC"], ["m1", "m2"], ["nose", "ear"], ["x", "y", "likelihood"]]
    columns = pd.MultiIndex.from_product(
        parts, names=["scorer", "individuals", "bodyparts", "coords"]
    )
    values = np.arange(24, dtype=float).reshape(2, 12)
    values[:, 2::3] = 0.5
    table = pd.DataFrame(values, columns=columns)
    table.to_hdf(path, key="df_with_missing", format="table", mode="w")
    return path


def test_of_several_animals_one_is_chosen(tmp_path: Path) -> None:
    path = two_animals(tmp_path / "two.h5")
    out = tmp_path / "one.csv"
    with pytest.raises(LabelError, match=r"several animals \(m1, m2\).*convert --animal NAME"):
        converted(path, out, write_as="tidy-csv")
    assert not out.exists()
    with pytest.raises(LabelError, match=r"holds no animal 'm3'; there is m1, m2"):
        converted(path, out, write_as="tidy-csv", animal="m3")
    result = converted(path, out, write_as="tidy-csv", animal="m2")
    assert (result.frames, result.points) == (2, 4)
    assert read_poses(out).xy.tolist() == [[[6, 7], [9, 10]], [[18, 19], [21, 22]]]
    # The window has no such choice, and names the command that has.
    with pytest.raises(LabelError, match="convert --animal"):
        read_poses(path)


def test_a_choice_where_there_is_none_is_refused(labels: Path, tmp_path: Path) -> None:
    write_poses(POSES, tmp_path / "p.csv", scorer="me")
    converted(labels, tmp_path / "labels.nwb")
    out = tmp_path / "out.parquet"
    for source in (tmp_path / "p.csv", labels, labels.parent):
        for what in ("animal", "table"):
            told = f"no choice of {what}s in it: leave --{what} bob out"
            with pytest.raises(LabelError, match=told):
                converted(source, out, **{what: "bob"})
    with pytest.raises(LabelError, match="holds no animal 'bob'; there is animal"):
        converted(tmp_path / "labels.nwb", out, animal="bob")
    assert not out.exists()


def test_of_several_tables_one_is_chosen(tmp_path: Path) -> None:
    path = tmp_path / "several.h5"
    columns = pd.MultiIndex.from_product([["s"], ["nose"], ["x", "y"]])
    columns.names = ["scorer", "bodyparts", "coords"]
    for key, value in (("left", 1.0), ("right", 2.0)):
        pd.DataFrame([[value, 0.0]], columns=columns).to_hdf(path, key=key)
    with pytest.raises(LabelError, match=r"several tables \(left, right\).*convert --table NAME"):
        converted(path, tmp_path / "p.nc")
    converted(path, tmp_path / "p.nc", table="right")
    assert read_poses(tmp_path / "p.nc").xy.tolist() == [[[2, 0]]]


def test_tracks_of_sleap_are_animals(tmp_path: Path) -> None:
    path = tmp_path / "sleap.h5"
    tracks = np.full((2, 2, 1, 3), np.nan)
    tracks[0, :, 0, 1] = 1, 2
    tracks[1, :, 0] = [[3, 4, 5], [6, 7, 8]]
    with h5py.File(path, "w") as file:
        # As SLEAP itself writes: no note of the dimensions, names in bytes.
        file["tracks"], file["node_names"] = tracks, [b"nose"]
        file["track_names"] = [b"a", b"b"]
        file["point_scores"] = np.full((2, 1, 3), 0.25)
    with pytest.raises(LabelError, match=r"several animals \(a, b\)"):
        read_poses(path)
    found = read("sleap-analysis", path, Choice(animal="a")).poses
    assert np.isnan(found.xy[[0, 2]]).all()
    assert found.xy[1].tolist() == [[1, 2]]
    assert found.confidence.tolist() == [[0], [0.25], [0]]
    assert read("sleap-analysis", path, Choice(animal="b")).poses.xy[:, 0, 1].tolist() == [6, 7, 8]


# --- smoothers ------------------------------------------------------------------------------------


def test_a_smoother_s_columns_are_read_and_the_others_named(tmp_path: Path) -> None:
    """As eks names its columns, and in its order."""
    coords = ["x", "y", "likelihood", "x_ens_median", "y_ens_median", "x_ens_var", "y_ens_var"]
    coords += ["x_posterior_var", "y_posterior_var"]
    columns = pd.MultiIndex.from_product(
        [["ensemble-kalman_tracker"], ["nose", "ear"], coords],
        names=["scorer", "bodyparts", "coords"],
    )
    values = np.arange(36, dtype=float).reshape(2, 18)
    values[:, [2, 11]] = 0.5
    path = tmp_path / "eks.csv"
    pd.DataFrame(values, columns=columns).to_csv(path)
    out = tmp_path / "tidy.csv"
    result = converted(path, out, write_as="tidy-csv")
    assert result.read_as == "eks-csv"
    told = [sentence for sentence in result.lost if sentence.startswith("Not read")]
    assert len(told) == 4
    assert "Not read, so left behind: the column x_ens_median of each keypoint." in told
    found = read("tidy-csv", out)
    assert found.poses.xy[1].tolist() == [[18, 19], [27, 28]]
    assert found.variance is not None
    assert found.variance[0].tolist() == [[7, 8], [16, 17]]


def test_a_real_prediction_of_an_ensemble_goes_round(real_data: Path, tmp_path: Path) -> None:
    path = next(iter(sorted((real_data / "eks" / "ibl-pupil").glob("*rng=0.csv"))))
    result = converted(path, tmp_path / "p.h5", write_as="sleap-analysis")
    assert (result.read_as, result.frames, result.points) == ("deeplabcut-csv", 2000, 8000)
    expected = pd.read_csv(path, header=[0, 1, 2], index_col=0).to_numpy(np.float32)
    found = read_poses(tmp_path / "p.h5")
    assert found.keypoints.names[0] == "pupil_top_r"
    np.testing.assert_array_equal(found.xy[:, 1], expected[:, 3:5])
    np.testing.assert_array_equal(found.confidence[:, 3], expected[:, 11])


def test_anipose_s_points_in_space_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "session.csv"
    path.write_text("nose_x,nose_y,nose_z,nose_error,nose_ncams,nose_score,fnum\n1,2,3,0,2,1,0\n")
    with pytest.raises(LabelError, match=r"three dimensions.*pose-2d"):
        read_poses(path)
    with pytest.raises(LabelError, match=r"three dimensions.*pose-2d"):
        converted(path, tmp_path / "p.nc")


# --- confidence that is no probability --------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        each.name
        for each in FORMATS.values()
        if each.read_poses and each.pose_sink and "confidence" in each.holds
    ],
)
def test_confidence_beyond_0_and_1_is_told(name: str, tmp_path: Path) -> None:
    one = FORMATS[name]
    path = tmp_path / f"p{one.endings[0]}"
    confidence = [[3, 1.7], [1.0005, -0.25], [0.25, 1]]
    poses = PoseTable(TWO, POSES.xy.copy(), confidence)
    # What is said of no point does not count.
    poses.xy[0, 0] = np.nan
    variance = np.ones((3, 2, 2), np.float32) if "variance" in one.needs else None
    write_predictions(path, Predictions(poses, "me", "m.mp4", 30.0, variance), one)
    found = read(name, path)
    np.testing.assert_allclose(found.poses.confidence[1:], [[1, 0], [0.25, 1]])
    (sentence,) = found.problems
    assert sentence.startswith(
        "The confidence of 2 of 5 points is not between 0 and 1 (-0.25 to 1.7): above 1 it is read"
    )
    result = converted(path, tmp_path / "again.csv", read_as=name, write_as="tidy-csv")
    assert sentence in result.lost
    assert not read("tidy-csv", tmp_path / "again.csv").problems


def test_a_confidence_that_is_told_is_not_told_as_1() -> None:
    sure = np.array([[1.002], [1.0021], [1.0009]])
    kept, (sentence,) = confidence_of(sure, np.zeros((3, 1, 2)))
    assert kept.tolist() == [[1], [1], [1]]
    assert "of 2 of 3 points is not between 0 and 1 (1.002): above" in sentence


def test_an_absent_point_keeps_its_confidence_where_that_is_asked_for() -> None:
    sure, nowhere = np.array([[0.5, np.nan, 2.0]]), np.full((1, 3, 2), np.nan)
    assert confidence_of(sure, nowhere)[0].tolist() == [[0, 0, 0]]
    kept, problems = confidence_of(sure, nowhere, keep_absent=True)
    assert kept.tolist() == [[0.5, 0, 1]]
    assert problems == ()


# --- Facemap --------------------------------------------------------------------------------------


def test_facemap_s_keypoints_are_read(tmp_path: Path) -> None:
    path = tmp_path / "cam_FacemapPose.h5"
    with h5py.File(path, "w") as file:
        for k, name in enumerate(("eye(back)", "nose(tip)")):
            for c, coord in enumerate(("x", "y", "likelihood")):
                file[f"Facemap/{name}/{coord}"] = np.array([k + c / 4, k + c / 4 + 0.125])
    found = read_poses(path)
    assert found.keypoints.names == ("eye(back)", "nose(tip)")
    assert found.xy[1].tolist() == [[0.125, 0.375], [1.125, 1.375]]
    assert found.confidence.tolist() == [[0.5, 1], [0.625, 1]]


def test_names_that_a_format_cannot_hold_are_refused(tmp_path: Path) -> None:
    poses = PoseTable(KeypointSet(("eye/back",)), np.zeros((1, 1, 2)))
    write_poses(poses, tmp_path / "p.csv", scorer="s")
    out = tmp_path / "p.h5"
    with pytest.raises(LabelError, match="cannot hold a keypoint named 'eye/back'"):
        converted(tmp_path / "p.csv", out, write_as="facemap-pose")
    assert not out.exists()


def saved_by_facemap(path: Path, **more: Any) -> Path:
    """As Facemap saves what it measured, of two pupils and a region of motion."""
    centre = np.array([[2.0, 5.0], [3.0, 6.0], [np.nan, np.nan]])
    regions = [
        {"rind": 0, "ivid": 0, "yrange": np.arange(10, 20), "xrange": np.arange(100, 120)},
        {"rind": 1, "ivid": 0, "yrange": np.arange(0, 9), "xrange": np.arange(0, 9)},
        {"rind": 0, "ivid": np.int64(0), "yrange": np.arange(30, 40), "xrange": np.arange(7, 9)},
    ]
    pupils = [{"com": centre, "area": np.ones(3)}, {"com": centre[::-1].copy(order="F")}]
    saved = {
        "filenames": [["/data/face.avi"]],
        "rois": regions,
        "pupil": pupils,
        "motSVD": [np.zeros((3, 2), np.float32)],
        "blink": [],
        **more,
    }
    np.save(path, saved)  # type: ignore[arg-type]
    return path


def test_facemap_s_pupils_are_read_without_running_its_pickle(tmp_path: Path) -> None:
    path = saved_by_facemap(tmp_path / "face_proc.npy")
    found = read("facemap-proc", path)
    assert found.poses.keypoints.names == ("pupil 1", "pupil 2")
    assert found.poses.xy[1].tolist() == [[106, 13], [13, 33]]
    assert np.isnan(found.poses.xy[2, 0]).all()
    assert found.poses.xy[2, 1].tolist() == [12, 32]
    assert found.video == "/data/face.avi"
    result = converted(path, tmp_path / "p.nc")
    assert "Not read, so left behind: components of motion." in result.lost


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_pickle_of_numpy_is_read(tmp_path: Path, protocol: int) -> None:
    saved = np.load(saved_by_facemap(tmp_path / "a_proc.npy"), allow_pickle=True)
    path = tmp_path / "b_proc.npy"
    mark = tmp_path / "mark"
    saved.item()["extra"] = [_Runs(mark)]
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|O", "fortran_order": False, "shape": ()}
        )
        pickle.dump(saved, file, protocol=protocol)
    assert read("facemap-proc", path).poses.xy[1].tolist() == [[106, 13], [13, 33]]
    assert not mark.exists()


class _Runs:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_nothing_in_facemap_s_pickle_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    path = saved_by_facemap(tmp_path / "face_proc.npy", extra=[_Runs(mark)])
    assert read("facemap-proc", path).poses.xy[1].tolist() == [[106, 13], [13, 33]]
    assert not mark.exists()
    path = saved_by_facemap(tmp_path / "face_proc.npy", pupil=_Runs(mark))
    with pytest.raises(LabelError, match="cannot be read as what Facemap saves"):
        read("facemap-proc", path)
    assert not mark.exists()


def test_what_facemap_saved_without_a_pupil_is_told(tmp_path: Path) -> None:
    path = saved_by_facemap(tmp_path / "face_proc.npy", pupil=[], rois=None)
    with pytest.raises(LabelError, match=r"no pupil; of what it holds \(components of motion\)"):
        read_poses(path)
    (tmp_path / "short_proc.npy").write_bytes(path.read_bytes()[:200])
    with pytest.raises(LabelError, match="cannot be read as what Facemap saves"):
        read_poses(tmp_path / "short_proc.npy")


# --- movement -------------------------------------------------------------------------------------


def test_times_without_a_rate_are_asked_for(tmp_path: Path) -> None:
    write_poses(POSES, tmp_path / "p.csv", scorer="s")
    path = tmp_path / "p.nc"
    converted(tmp_path / "p.csv", path, frame_rate=50)
    with h5py.File(path) as file:
        assert file["time"][()].tolist() == [0, 0.02, 0.08]
        assert file["position"].shape == (3, 2, 2, 1)
    with h5py.File(path, "r+") as file:
        del file.attrs["fps"]
    with pytest.raises(LabelError, match=r"\(give it with --frame-rate\)"):
        converted(path, tmp_path / "q.csv", write_as="tidy-csv")
    converted(path, tmp_path / "q.csv", write_as="tidy-csv", frame_rate=50)
    assert read_poses(tmp_path / "q.csv").frames.tolist() == [0, 1, 4]
    with pytest.raises(LabelError, match="not those of frames at 30 a second"):
        converted(path, tmp_path / "r.csv", write_as="tidy-csv", frame_rate=30)


def test_the_rate_of_the_video_counts_where_times_of_nwb_have_none(tmp_path: Path) -> None:
    pytest.importorskip("ndx_pose")
    xy = np.arange(400, dtype=np.float32).reshape(200, 1, 2)
    write_poses(PoseTable(KeypointSet(("nose",)), xy), tmp_path / "p.csv", scorer="s")
    path = tmp_path / "p.nwb"
    with pytest.raises(LabelError, match=r"does not say \(give it with --frame-rate\)\.$"):
        converted(tmp_path / "p.csv", path)
    converted(tmp_path / "p.csv", path, frame_rate=30)

    def at(times: Any) -> None:
        """Give each row its time."""
        with h5py.File(path, "r+") as file:
            series = file["processing/behavior/PoseEstimation/nose"]
            for name in {"starting_time", "timestamps"} & {*series}:
                del series[name]
            series["timestamps"] = np.asarray(times)
            series["timestamps"].attrs.update(interval=np.int32(1), unit="seconds")

    # In whole milliseconds, most steps are of 33: 30.3 frames a second.
    at(np.round(np.arange(200) / 30, 3))
    with pytest.raises(LabelError, match=r"not those of frames at 30\.303 a second \(give the"):
        read("nwb", path)
    for choice in (Choice(video_rate=30.0), Choice(frame_rate=30.0)):
        assert read("nwb", path, choice).poses.frames.tolist() == list(range(200))
    # A rate that is found stays, unless another one is given: videos may be shown slower.
    at(np.arange(200) / 15)
    found = read("nwb", path, Choice(video_rate=30.0))
    assert found.frame_rate == pytest.approx(15)
    assert found.poses.frames.tolist() == list(range(200))
    given = read("nwb", path, Choice(frame_rate=30.0))
    assert given.poses.frames.tolist() == list(range(0, 400, 2))


# --- labels ---------------------------------------------------------------------------------------


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """The table of a project with two labelled images."""
    folder = tmp_path / "labeled-data" / "cam"
    folder.mkdir(parents=True)
    columns = pd.MultiIndex.from_product([["Ann"], ["nose", "ear"], ["x", "y"]])
    columns.names = ["scorer", "bodyparts", "coords"]
    rows = [f"labeled-data/cam/img{i}.png" for i in (7, 9)]
    for row in rows:
        Image.new("L", (8, 6)).save(tmp_path / row)
    table = pd.DataFrame([[1 / 3, 2, 3, 4], [5, 6, np.nan, np.nan]], rows, columns)
    table.to_csv(folder / "CollectedData_Ann.csv")
    return folder / "CollectedData_Ann.csv"


def test_labels_stay_labels_to_the_last_bit(labels: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    result = converted(labels, path, write_as="tidy-csv")
    assert (result.content, result.frames, result.points) == ("labels", 2, 3)
    assert result.lost == ("tidy-csv cannot hold who made the points, so that is left behind.",)
    found, before = read_labels(path), read_labels(labels)
    np.testing.assert_array_equal(found.xy, before.xy)
    assert found.images == before.images
    assert found.frames.tolist() == [7, 9]
    with pytest.raises(LabelError, match="holds no predictions"):
        converted(path, tmp_path / "p.nc", content="predictions")
    with pytest.raises(LabelError, match="Labels are written to files that end in"):
        converted(labels, tmp_path / "p.nc")


def test_labels_are_written_as_coco_has_them(labels: Path, tmp_path: Path) -> None:
    path = tmp_path / "coco.json"
    converted(labels, path)
    data = json.loads(path.read_text())
    assert data["images"][1] == {
        "id": 2,
        "file_name": "labeled-data/cam/img9.png",
        "width": 8,
        "height": 6,
    }
    assert data["annotations"][1]["keypoints"] == [5, 6, 2, 0, 0, 0]
    assert data["annotations"][0]["bbox"] == [1 / 3, 2, 3 - 1 / 3, 2]
    assert data["categories"][0]["keypoints"] == ["nose", "ear"]
    # A hidden point of somebody else, with the place that they guess.
    data["annotations"][1]["keypoints"] = [5, 6, 2, 1, 1, 1]
    path.write_text(json.dumps(data))
    found = read_labels(path)
    assert found.occluded.tolist() == [[False, False], [False, True]]
    assert np.isnan(found.xy[1, 1]).all()
    assert found.guesses[1].tolist()[1] == [1, 1]
    converted(path, tmp_path / "again.json")
    again = json.loads((tmp_path / "again.json").read_text())
    assert again["annotations"][1]["keypoints"] == [5, 6, 2, 1, 1, 1]
    data["annotations"][1]["image_id"] = 1
    path.write_text(json.dumps(data))
    with pytest.raises(
        LabelError, match=r"several animals of one category \(animal\) in one image"
    ):
        read_labels(path)
    # Categories tell them apart.
    data["categories"].append({**data["categories"][0], "id": 2, "name": "rat"})
    data["annotations"][1]["category_id"] = 2
    path.write_text(json.dumps(data))
    with pytest.raises(LabelError, match=r"several animals \(animal, rat\).*convert --animal NAME"):
        read_labels(path)
    converted(path, tmp_path / "rat.csv", write_as="tidy-csv", animal="rat")
    assert read_labels(tmp_path / "rat.csv").xy[0, 0].tolist() == [5, 6]


def test_a_guess_in_a_project_is_a_hidden_point_of_coco(labels: Path, tmp_path: Path) -> None:
    row = "labeled-data/cam/img9.png"
    header = ["scorer" + ",Ann" * 6, "bodyparts,nose,nose,nose,ear,ear,ear"]
    lines = [*header, "coords" + ",x,y,visible" * 2, f"{row},5,6,2,3.5,4,1"]
    (labels.parent / "visibility_Ann.csv").write_text("\n".join(lines) + "\n")
    result = converted(labels.parent, tmp_path / "coco.json")
    assert not any("ccluded" in sentence for sentence in result.lost)
    data = json.loads((tmp_path / "coco.json").read_text())
    assert data["annotations"][1]["keypoints"] == [5, 6, 2, 3.5, 4, 1]
    lost = converted(labels.parent, tmp_path / "CollectedData.csv", write_as="lightning-pose").lost
    assert any("cannot hold where occluded points may be" in sentence for sentence in lost)
    # Without a place COCO has no way to say it.
    (labels.parent / "visibility_Ann.csv").write_text(
        "\n".join([*lines[:-1], f"{row},5,6,2,,,1"]) + "\n"
    )
    lost = converted(labels.parent, tmp_path / "coco.json", overwrite=True).lost
    assert any("where they may be: 1 is left behind" in sentence for sentence in lost)


def test_of_labels_of_several_animals_one_is_chosen(labels: Path, tmp_path: Path) -> None:
    parts = [["Ann"], ["m1", "m2"], ["nose", "ear"], ["x", "y"]]
    columns = pd.MultiIndex.from_product(
        parts, names=["scorer", "individuals", "bodyparts", "coords"]
    )
    rows = [f"labeled-data/cam/img{number}.png" for number in (7, 9)]
    table = pd.DataFrame(np.arange(16, dtype=float).reshape(2, 8), rows, columns)
    table.to_csv(labels)
    for source in (labels, labels.parent):
        with pytest.raises(LabelError, match=r"several animals \(m1, m2\).*convert --animal NAME"):
            converted(source, tmp_path / "one.csv", write_as="tidy-csv")
    result = converted(labels, tmp_path / "one.csv", write_as="tidy-csv", animal="m2")
    assert result.points == 4
    assert read_labels(tmp_path / "one.csv").xy[1].tolist() == [[12, 13], [14, 15]]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_of_tidy_labels_of_several_animals_one_is_chosen(tmp_path: Path, suffix: str) -> None:
    rows = [("a", 0, "n", 1.0, 2.0, "labelled"), ("b", 0, "n", 3.0, 4.0, "labelled")]
    table = pd.DataFrame(rows, columns=["animal", "frame", "keypoint", "x", "y", "state"])
    path, out = tmp_path / f"two{suffix}", tmp_path / f"one{suffix}"
    getattr(table, {".csv": "to_csv", ".parquet": "to_parquet"}[suffix])(path, index=False)
    with pytest.raises(LabelError, match=r"several animals \(a, b\).*convert --animal NAME"):
        converted(path, out, write_as=TIDY[suffix])
    converted(path, out, write_as=TIDY[suffix], animal="b")
    assert read_with(FORMATS[TIDY[suffix]], "labels", out).xy.tolist() == [[[3, 4]]]


TIDY = {".csv": "tidy-csv", ".parquet": "parquet"}


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("0,n,1,2,labelled\n0,n,3,4,labelled\n", "names a keypoint of one frame twice"),
        ("1.5,n,1,2,labelled\n", r"a row of frame 1\.5"),
        ("1.5,n,1,2,predicted\n", r"a row of frame 1\.5"),
        ("-5,n,1,2,labelled\n", r"a row of frame -5.*on\.$"),
        ("inf,n,1,2,predicted\n", "a row of frame inf"),
        ("0,n,1,2,Labelled\n", "rows of the state 'Labelled'; there is absent, predicted"),
        ("0,n,1,2,labelled\n1,n,1", "ends within a row: it is cut off"),
        ("img001,n,1,2,labelled\n", "something that is not a number .*img001"),
    ],
)
def test_what_a_tidy_table_means_is_not_guessed(tmp_path: Path, rows: str, sentence: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"frame,keypoint,x,y,state\n{rows}")
    with pytest.raises(LabelError, match=sentence):
        converted(path, tmp_path / "t.parquet")
    assert not (tmp_path / "t.parquet").exists()


@pytest.mark.parametrize(
    "text",
    [
        "frame,keypoint,x,y\n0,nose,1,2\n  ",
        'frame,x,y,keypoint\n0,1,2,"left\near"\n1,1,2,"left\near"',
        'frame,x,y,keypoint\r0,1,2,"ear, left"\r1,1,2,"ear, left"',
        "scorer,s,s,s\nbodyparts,n,n,n\ncoords,x,y,likelihood\n0,1,2,.5\n ",
    ],
)
def test_a_table_that_ends_without_a_line_break_is_whole(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, newline="")
    assert read_poses(path).xy[-1, 0].tolist() == [1, 2]


@pytest.mark.parametrize("animals", [[0], [1], [0, 2], [1.0, np.nan]])
def test_animals_may_be_numbers(tmp_path: Path, animals: list[float]) -> None:
    rows = [(k, 0, "n", float(k), 2.0, "labelled") for k in animals]
    table = pd.DataFrame(rows, columns=["track", "frame", "keypoint", "x", "y", "state"])
    table.to_parquet(tmp_path / "t.parquet")
    contents: tuple[Content, ...] = ("labels", "predictions")
    for content in contents:
        if content == "predictions":
            table.assign(state="predicted").to_parquet(tmp_path / "t.parquet")
        if animals == [0, 2]:
            with pytest.raises(LabelError, match=r"several animals \(0, 2\)"):
                read_with(FORMATS["parquet"], content, tmp_path / "t.parquet")
        name = f"{animals[-1] if animals == [0, 2] else animals[0]:g}"
        found = read_with(FORMATS["parquet"], content, tmp_path / "t.parquet", Choice(animal=name))
        points = found if content == "labels" else found.poses
        assert points.xy.tolist() == [[[float(name), 2]]]


def test_what_is_absent_yields_to_what_another_row_says_of_the_point(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    predictions = "0,n,,,absent\n0,m,5,6,predicted\n1,n,7,8,predicted\n1,m,,,absent\n"
    labels = "0,n,1,2,labelled\n0,m,,,absent\n"
    for rows in (predictions + labels, labels + predictions):
        path.write_text(f"frame,keypoint,x,y,state\n{rows}")
        read = read_with(FORMATS["tidy-csv"], "labels", path)
        order = [read.keypoints.names.index(name) for name in "nm"]
        assert read.frames.tolist() == [0]
        np.testing.assert_array_equal(read.xy[:, order], [[[1, 2], [np.nan, np.nan]]])
        found = read_with(FORMATS["tidy-csv"], "predictions", path).poses
        order = [found.keypoints.names.index(name) for name in "nm"]
        assert found.frames.tolist() == [0, 1]
        nothing = [np.nan, np.nan]
        np.testing.assert_array_equal(found.xy[:, order], [[nothing, [5, 6]], [[7, 8], nothing]])


def test_of_labels_of_sleap_s_tracks_one_is_chosen(tmp_path: Path) -> None:
    sio = pytest.importorskip("sleap_io")
    skeleton = sio.Skeleton(nodes=["nose", "ear"])
    video = sio.Video("cam.mp4", open_backend=False)
    instances = [
        sio.Instance.from_numpy(np.array([[k, 2.0], [3.0, 4.0]]), skeleton, track=sio.Track(name))
        for k, name in enumerate("ab")
    ]
    instances[1].points["visible"][1] = False
    frames = [sio.LabeledFrame(video=video, frame_idx=5, instances=instances)]
    project = sio.Labels(frames, videos=[video], skeletons=[skeleton])
    path = tmp_path / "p.slp"
    sio.save_slp(project, str(path), embed=False, verbose=False)
    with pytest.raises(LabelError, match=r"several animals \(a, b\).*convert --animal NAME"):
        converted(path, tmp_path / "one.json")
    converted(path, tmp_path / "one.json", animal="b")
    data = json.loads((tmp_path / "one.json").read_text())
    assert data["annotations"][0]["keypoints"] == [1, 2, 2, 3, 4, 1]


def test_a_video_of_sleap_is_chosen_by_the_name_of_its_file(tmp_path: Path) -> None:
    sio = pytest.importorskip("sleap_io")
    skeleton = sio.Skeleton(nodes=["nose"])
    frames = []
    for x, name in enumerate(("/lab/a/cam.mp4", "/lab/b/cam.mp4", "/lab/b.mp4")):
        video = sio.Video(name, open_backend=False)
        nose = sio.PredictedInstance.from_numpy(np.array([[x, 2.0]]), skeleton)
        frames.append(sio.LabeledFrame(video=video, frame_idx=5, instances=[nose]))
    path = tmp_path / "p.slp"
    videos = [frame.video for frame in frames]
    project = sio.Labels(frames, videos=videos, skeletons=[skeleton])
    sio.save_slp(project, str(path), embed=False, verbose=False)
    for x, name in ((2, "b.mp4"), (2, "/lab/b.mp4"), (1, "/lab/b/cam.mp4")):
        out = tmp_path / f"{x}{len(name)}.csv"
        converted(path, out, table=name, write_as="deeplabcut-csv")
        assert read_poses(out).xy[-1, 0, 0] == x
    for name in ("cam.mp4", "mp4", "a"):
        with pytest.raises(LabelError, match=f"holds no table '{name}'; there is /lab/a/cam.mp4, "):
            converted(path, tmp_path / "no.csv", table=name, write_as="deeplabcut-csv")


def test_labels_of_lightning_pose_say_what_is_hidden(labels: Path, tmp_path: Path) -> None:
    path = tmp_path / "tidy.csv"
    converted(labels, path, write_as="tidy-csv")
    path.write_text(path.read_text().replace("ear,,,absent", "ear,,,occluded"))
    out = tmp_path / "CollectedData.csv"
    converted(path, out, write_as="lightning-pose")
    lines = [line.split(",") for line in out.read_text().splitlines()]
    assert lines[2] == ["coords", "x", "y", "visible", "x", "y", "visible"]
    assert lines[4] == ["labeled-data/cam/img9.png", "5.0", "6.0", "2", "", "", "1"]


def test_images_that_are_no_files_are_told(labels: Path, tmp_path: Path) -> None:
    path = tmp_path / "tidy.csv"
    converted(labels, path, write_as="tidy-csv")
    (tmp_path / "labeled-data" / "cam" / "img9.png").unlink()
    lost = converted(path, tmp_path / "coco.json").lost
    assert any("1 of 2 labelled images are no files" in sentence for sentence in lost)
    with pytest.raises(LabelError, match=r"img9\.png is labelled in .* but is not there"):
        read_labels(path)


@pytest.mark.parametrize("name", ["labels.csv", "labeled-data/cam/CollectedData_Ann.h5"])
def test_where_a_table_of_labels_looks_for_its_images_is_told(
    labels: Path, tmp_path: Path, name: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    (sentence,) = converted(labels, elsewhere / name, write_as="deeplabcut-labels").lost
    assert f"{elsewhere / 'labeled-data/cam/img7.png'} the first: put them there" in sentence


@pytest.mark.parametrize("name", ["out", "config.yaml", "out.nwb"])
def test_what_a_table_s_name_ends_in_is_seen_to(labels: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(LabelError, match=r"files that end in \.csv or \.h5, not to"):
        converted(labels, tmp_path / "elsewhere" / name, write_as="deeplabcut-labels")


def test_predictions_never_become_labels(tmp_path: Path) -> None:
    write_poses(POSES, tmp_path / "p.csv", scorer="s")
    converted(tmp_path / "p.csv", tmp_path / "tidy.csv", write_as="tidy-csv")
    with pytest.raises(LabelError, match="holds no labels"):
        converted(tmp_path / "tidy.csv", tmp_path / "l.csv", content="labels", write_as="tidy-csv")
    with pytest.raises(LabelError, match="holds no labels"):
        read_labels(tmp_path / "tidy.csv")


def test_of_predictions_and_labels_in_one_file_one_is_chosen(tmp_path: Path) -> None:
    path, out = tmp_path / "both.csv", tmp_path / "out.csv"
    path.write_text(
        "frame,keypoint,x,y,state\n0,nose,1,2,predicted\n1,nose,3,4,labelled\n2,nose,,,occluded\n"
    )
    with pytest.raises(LabelError, match=r"predictions and labels: say which \(--content"):
        converted(path, out, write_as="tidy-csv")
    assert converted(path, out, write_as="tidy-csv", content="predictions").points == 1
    assert read_poses(out).frames.tolist() == [0]
    converted(path, out, write_as="tidy-csv", content="labels", overwrite=True)
    assert [line.split(",")[-1] for line in out.read_text().splitlines()] == [
        "state",
        "labelled",
        "occluded",
    ]


# --- what is asked and kept -----------------------------------------------------------------------


def test_half_a_pixel_is_half_a_pixel(tmp_path: Path) -> None:
    write_poses(POSES, tmp_path / "p.csv", scorer="s")
    converted(tmp_path / "p.csv", tmp_path / "q.nc", corners=True)
    np.testing.assert_array_equal(read_poses(tmp_path / "q.nc").xy, POSES.xy - 0.5)


def test_an_ending_of_several_formats_is_asked_about(tmp_path: Path) -> None:
    write_poses(POSES, tmp_path / "p.csv", scorer="s")
    with pytest.raises(LabelError, match=r"deeplabcut-csv, eks-csv or tidy-csv: say which \(--to"):
        converted(tmp_path / "p.csv", tmp_path / "q.csv")
    with pytest.raises(LabelError, match=r"as no format 'dlc'; there is deeplabcut-hdf5"):
        converted(tmp_path / "p.csv", tmp_path / "q.csv", write_as="dlc")
    with pytest.raises(LabelError, match=r"reads no format 'dlc'"):
        converted(tmp_path / "p.csv", tmp_path / "q.nc", read_as="dlc")
    (tmp_path / "p.xyz").write_text("?")
    with pytest.raises(LabelError, match=r"p\.xyz is of no format that is known"):
        converted(tmp_path / "p.xyz", tmp_path / "q.nc")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    write_poses(POSES, tmp_path / "p.csv", scorer="me")
    sentence = r"The output folder .*p\.csv cannot be made \(File exists\); choose another one\."
    with pytest.raises(VitFaceError, match=sentence):
        converted(tmp_path / "p.csv", tmp_path / "p.csv" / "out.parquet")


@pytest.mark.parametrize("name", ["p.slp", "p.nwb", "labels.slp", "labels.pkg.slp", "labels.nwb"])
def test_hdf5_is_not_left_to_find_a_disk_full(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_poses(POSES, tmp_path / "p.csv", scorer="me")
    source = tmp_path / "p.csv" if name.startswith("p") else labels
    before = sorted(tmp_path.iterdir())
    full = shutil.disk_usage(tmp_path)._replace(free=1 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    with pytest.raises(LabelError, match=rf"{name} could not be .*\(No space left on device\)\.$"):
        converted(source, tmp_path / name, frame_rate=25.0)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["p.csv", "p.h5", "p.nc"])
def test_a_file_that_is_cut_off_is_called_that(tmp_path: Path, name: str) -> None:
    write_poses(POSES, tmp_path / name, scorer="me")
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[:-5] if name == "p.csv" else content[: len(content) // 2])
    with pytest.raises(LabelError, match=rf"{name}.*it is cut off"):
        read_poses(tmp_path / name)


def test_a_likelihood_that_says_nothing_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("scorer,s,s,s\nbodyparts,n,n,n\ncoords,x,y,likelihood\n0,1,2,\n1,,,\n")
    assert read_poses(path).confidence.tolist() == [[1], [0]]


def test_a_file_that_exists_stays_unless_that_is_said(tmp_path: Path) -> None:
    write_poses(POSES, tmp_path / "p.csv", scorer="s")
    out = tmp_path / "q.nc"
    out.write_text("precious")
    with pytest.raises(VitFaceError, match="exists"):
        converted(tmp_path / "p.csv", out)
    assert out.read_text() == "precious"
    events = list(convert(tmp_path / "p.csv", out, overwrite=True))
    assert [one.message for one in events if isinstance(one, Notice)] == []
    np.testing.assert_array_equal(read_poses(out).xy, POSES.xy)


def test_an_extra_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sleap_io", None)
    write_poses(POSES, tmp_path / "p.csv", scorer="s")
    with pytest.raises(LabelError, match=r'needs sleap-io.*pip install "napari-vitface\[sleap\]"'):
        converted(tmp_path / "p.csv", tmp_path / "p.slp")
    assert not (tmp_path / "p.slp").exists()


# --- what comes with other packages ---------------------------------------------------------------


def test_a_project_of_sleap_goes_round_without_the_ffmpeg_that_its_package_brings(
    tmp_path: Path,
) -> None:
    pytest.importorskip("sleap_io")
    write_poses(POSES, tmp_path / "p.csv", scorer="me")
    code = (
        "import sys; sys.modules['imageio_ffmpeg'] = None\n"
        "from napari_vitface.jobs.convert import convert\n"
        "list(convert('p.csv', 'p.slp')), list(convert('p.slp', 'back.csv', write_as='tidy-csv'))\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    np.testing.assert_array_equal(read_poses(tmp_path / "back.csv").xy, POSES.xy)


def test_tables_of_anipose_s_cameras_are_deeplabcut_s(tmp_path: Path) -> None:
    """As `anipose filter` writes ``pose-2d-filtered``: DeepLabCut's rows, sorted columns."""
    folder = tmp_path / "session" / "pose-2d-filtered"
    folder.mkdir(parents=True)
    parts = [["DLC_resnet50_reachJul1shuffle1_500000"], ["ear", "nose"], ["likelihood", "x", "y"]]
    columns = pd.MultiIndex.from_product(parts, names=["scorer", "bodyparts", "coords"])
    values = np.arange(24, dtype=float).reshape(4, 6)
    values[:, [0, 3]] = 0.75
    values[2, 4:] = np.nan
    path = folder / "vid1_camA.h5"
    table = pd.DataFrame(values, columns=columns)
    table.to_hdf(path, key="df_with_missing", format="table", mode="w")
    found = read_poses(path)
    assert found.keypoints.names == ("ear", "nose")
    assert found.xy[1].tolist() == [[7, 8], [10, 11]]
    assert np.isnan(found.xy[2, 1]).all()
    assert (found.confidence == 0.75).all()
    result = converted(path, tmp_path / "p.h5", write_as="deeplabcut-hdf5")
    assert (result.read_as, result.frames, result.points) == ("deeplabcut-hdf5", 4, 7)


def test_the_images_in_a_package_of_sleap_are_files_again(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sleap_io")
    package = tmp_path / "there" / "labels.pkg.slp"
    assert converted(labels, package).written_as == "sleap-package"
    before = {image.name: np.array(Image.open(image)) for image in read_labels(labels).images}
    (tmp_path / "labeled-data").rename(tmp_path / "gone")
    found = tmp_path / "here" / "CollectedData_Ann.csv"
    events = list(convert(package, found, write_as="deeplabcut-labels"))
    told = [event.message for event in events if isinstance(event, Notice)]
    assert any("2 images of labels.pkg.slp are written below" in sentence for sentence in told)
    again = read_labels(found)
    assert [image.parent for image in again.images] == [found.parent / "labeled-data" / "cam"] * 2
    for image in again.images:
        np.testing.assert_array_equal(np.array(Image.open(image)), before[image.name])
    np.testing.assert_array_equal(again.xy[0], [[1 / 3, 2], [3, 4]])
    # Those who read labels need no conversion.
    cache = tmp_path / "cache"
    monkeypatch.setenv("VITFACE_CACHE", str(cache))
    for _ in range(2):
        direct = read_labels(package)
        assert len(direct) == len(before) == len(list(cache.rglob("*.png")))
        for image in direct.images:
            assert image.is_relative_to(cache)
            np.testing.assert_array_equal(np.array(Image.open(image)), before[image.name])
        np.testing.assert_array_equal(direct.xy, again.xy)
    path = tmp_path / "tidy.csv"
    path.write_text("frame,keypoint,x,y,state,image\n7,nose,1,2,labelled,img7.png\n")
    with pytest.raises(LabelError, match=r"the labelled images, and .*img7\.png is not there"):
        converted(path, tmp_path / "again.pkg.slp")
