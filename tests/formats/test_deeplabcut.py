from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from napari_vitface.errors import LabelError
from napari_vitface.pose.keypoints import MOUSE_FACE
from napari_vitface.pose.table import PointState
from napari_vitface.project.label_reading import read_labels

Project = Callable[..., Path]
IMAGES = ["img0007.png", "img0010.png", "img0123.png"]


def label_frame(
    images: list[str],
    names: tuple[str, ...] = ("nose tip", "left, ear"),
    *,
    scorer: str = "AVS",
    video: str = "cam1",
    levels: int = 3,
    individual: str | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Labels as DeepLabCut makes them, with one point left out."""
    parts = [[scorer], list(names), ["x", "y"]]
    level_names = ["scorer", "bodyparts", "coords"]
    if individual is not None:
        parts.insert(1, [individual])
        level_names.insert(1, "individuals")
    values = np.random.default_rng(seed).uniform(0, 60, (len(images), 2 * len(names)))
    values[0, :2] = np.nan
    rows = [("labeled-data", video, image) for image in images]
    index = pd.MultiIndex.from_tuples(rows) if levels == 3 else ["/".join(row) for row in rows]
    columns = pd.MultiIndex.from_product(parts, names=level_names)
    return pd.DataFrame(values, index=index, columns=columns)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Make a video folder of a DeepLabCut project with its images; returns the folder."""

    def make(
        table: pd.DataFrame, video: str = "cam1", *, formats: tuple[str, ...] = ("h5", "csv")
    ) -> Path:
        folder = tmp_path / "project" / "labeled-data" / video
        folder.mkdir(parents=True, exist_ok=True)
        for row in table.index:
            name = row[-1] if isinstance(row, tuple) else str(row).split("/")[-1]
            Image.new("L", (64, 48)).save(folder / name)
        stem = f"CollectedData_{table.columns[0][0]}"
        if "h5" in formats:
            table.to_hdf(folder / f"{stem}.h5", key="df_with_missing", mode="w")
        if "csv" in formats:
            table.to_csv(folder / f"{stem}.csv")
        return folder

    return make


# --- real labels ----------------------------------------------------------------------------------


def test_the_real_labels_are_the_same_from_every_place(real_data: Path) -> None:
    top = real_data / "mouse_face"
    folder = top / "labeled-data" / "cam1_G7c1_1"
    expected = read_labels(folder / "CollectedData_AVS.csv")
    assert len(expected) == 119
    assert expected.count == 1420
    assert expected.keypoints == MOUSE_FACE
    assert expected.scorer == "AVS"
    assert set(expected.videos) == {"cam1_G7c1_1"}
    assert expected.frames[:3].tolist() == [51, 68, 76]
    assert expected.images[0] == folder / "img0051.png"
    np.testing.assert_array_equal(expected.xy[0, 0], [589.0232336327339, 70.6114567762314])
    for place in (top, top / "labeled-data", folder, folder / "CollectedData_AVS.h5"):
        labels = read_labels(place)
        np.testing.assert_array_equal(labels.xy, expected.xy)
        assert labels.images == expected.images
        assert labels.problems == ()


def test_the_real_labels_are_those_that_pandas_reads(real_data: Path) -> None:
    folder = real_data / "mouse_face" / "labeled-data" / "cam1_G7c1_1"
    labels = read_labels(folder)
    for table in (
        pd.read_hdf(folder / "CollectedData_AVS.h5"),
        pd.read_csv(folder / "CollectedData_AVS.csv", header=[0, 1, 2], index_col=[0, 1, 2]),
    ):
        # Older pandas rounds the last bit of numbers in a CSV file.
        np.testing.assert_allclose(labels.xy.reshape(119, 24), table.to_numpy(), rtol=1e-15)
        assert [image.name for image in labels.images] == [row[2] for row in table.index]


# --- forms of the table ---------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["h5", "csv"])
@pytest.mark.parametrize("levels", [1, 3])
@pytest.mark.parametrize("individual", [None, "mouse1"])
def test_every_form_of_deeplabcut_s_table_is_read(
    project: Project, suffix: str, levels: int, individual: str | None
) -> None:
    table = label_frame(IMAGES, levels=levels, individual=individual)
    folder = project(table, formats=(suffix,))
    for place in (folder, folder / f"CollectedData_AVS.{suffix}"):
        labels = read_labels(place)
        assert labels.keypoints.names == ("nose tip", "left, ear")
        assert labels.scorer == "AVS"
        assert labels.frames.tolist() == [7, 10, 123]
        assert labels.videos.tolist() == ["cam1"] * 3
        assert labels.images == tuple(folder / image for image in IMAGES)
        np.testing.assert_array_equal(labels.xy.reshape(3, 4), table.to_numpy())
        assert labels.count == 5


def test_a_table_whose_row_labels_have_names_is_read(project: Project) -> None:
    table = label_frame(IMAGES)
    table.index.names = ["folder", "video", "image"]
    folder = project(table, formats=("csv",))
    assert len((folder / "CollectedData_AVS.csv").read_text().splitlines()) == 3 + 1 + 3
    np.testing.assert_array_equal(read_labels(folder).xy.reshape(3, 4), table.to_numpy())


def test_paths_of_a_project_made_on_windows_are_read(project: Project) -> None:
    folder = project(label_frame(IMAGES, levels=1), formats=("csv",))
    file = folder / "CollectedData_AVS.csv"
    file.write_text(file.read_text().replace("labeled-data/cam1/", "labeled-data\\cam1\\"))
    assert read_labels(file).images == tuple(folder / image for image in IMAGES)


def test_one_table_at_the_top_of_a_project_names_images_below(project: Project) -> None:
    folder = project(label_frame(IMAGES, levels=1), formats=("csv",))
    top = folder.parent.parent
    shutil.move(folder / "CollectedData_AVS.csv", top / "CollectedData.csv")
    labels = read_labels(top / "CollectedData.csv")
    assert labels.images == tuple(folder / image for image in IMAGES)
    assert labels.videos.tolist() == ["cam1"] * 3


def test_numbers_of_a_csv_are_read_to_the_last_bit(project: Project) -> None:
    images = [f"img{i:04d}.png" for i in range(300)]
    table = label_frame(images)
    folder = project(table, formats=("csv",))
    np.testing.assert_array_equal(read_labels(folder).xy.reshape(300, 4), table.to_numpy())


def test_half_a_point_is_no_point(project: Project) -> None:
    table = label_frame(IMAGES)
    table.iloc[1, 1] = np.nan
    labels = read_labels(project(table))
    assert np.isnan(labels.xy[1, 0]).all()
    assert labels.count == 4


def test_points_of_no_animal_go_with_the_one_animal(project: Project) -> None:
    mouse = label_frame(IMAGES, ("nose",), individual="mouse1")
    single = label_frame(IMAGES, ("spout",), individual="single", seed=1)
    absent = label_frame(IMAGES, ("nose",), individual="mouse2") * np.nan
    labels = read_labels(project(pd.concat([mouse, absent, single], axis=1)))
    assert labels.keypoints.names == ("nose", "spout")
    np.testing.assert_array_equal(labels.xy[:, 1], single.to_numpy())


# --- projects -------------------------------------------------------------------------------------


def test_videos_of_a_project_come_by_name_and_keypoints_by_name(project: Project) -> None:
    first = project(label_frame(IMAGES, ("nose", "ear"), video="cam1"), "cam1")
    second = label_frame(IMAGES[:2], ("ear", "tail"), video="cam2", seed=1)
    project(second, "cam2")
    (first.parent / "cam1_labeled").mkdir()
    labels = read_labels(first.parent.parent)
    assert labels.keypoints.names == ("nose", "ear", "tail")
    assert labels.videos.tolist() == ["cam1"] * 3 + ["cam2"] * 2
    np.testing.assert_array_equal(labels.xy[3:, 1:].reshape(2, 4), second.to_numpy())
    assert np.isnan(labels.xy[:3, 2]).all()
    assert np.isnan(labels.xy[3:, 0]).all()


def test_the_config_gives_the_skeleton_and_chooses_the_scorer(project: Project) -> None:
    folder = project(label_frame(IMAGES, ("nose", "ear"), scorer="Ann"))
    project(label_frame(IMAGES, ("nose", "ear"), scorer="Bob", seed=1))
    with pytest.raises(LabelError, match=r"several scorers \(Ann, Bob\)"):
        read_labels(folder)
    config = folder.parent.parent / "config.yaml"
    config.write_text("scorer: Bob\nskeleton:\n- [ear, nose]\n- [ear, tail]\n")
    for place in (folder, folder.parent, folder.parent.parent, config):
        labels = read_labels(place)
        assert labels.scorer == "Bob"
        assert labels.keypoints.skeleton == (("ear", "nose"),)


def test_several_places_are_read_into_one(project: Project) -> None:
    one = project(label_frame(IMAGES, video="cam1"), "cam1")
    other = project(label_frame(IMAGES, video="cam2"), "cam2")
    assert read_labels([other, one]).videos.tolist() == ["cam2"] * 3 + ["cam1"] * 3


def test_files_that_disagree_are_told_and_hdf5_counts(project: Project) -> None:
    table = label_frame(IMAGES)
    folder = project(table)
    (table + 1).to_csv(folder / "CollectedData_AVS.csv")
    labels = read_labels(folder)
    np.testing.assert_array_equal(labels.xy.reshape(3, 4), table.to_numpy())
    (problem,) = labels.problems
    assert "do not hold the same labels (they differ in 5 points); those of the .h5" in problem


def test_the_csv_serves_where_the_hdf5_cannot_be_read(project: Project) -> None:
    table = label_frame(IMAGES)
    folder = project(table)
    (folder / "CollectedData_AVS.h5").write_bytes(b"not HDF5")
    labels = read_labels(folder)
    np.testing.assert_array_equal(labels.xy.reshape(3, 4), table.to_numpy())
    assert "CollectedData_AVS.h5 cannot be read" in labels.problems[0]


# --- using labels ---------------------------------------------------------------------------------


def test_rows_are_taken_by_position_slice_or_mask(project: Project) -> None:
    labels = read_labels(project(label_frame(IMAGES)))
    for rows in ([0, 2], slice(0, 3, 2), np.array([True, False, True])):
        taken = labels.take(rows)
        assert taken.frames.tolist() == [7, 123]
        assert taken.images == (labels.images[0], labels.images[2])
        np.testing.assert_array_equal(taken.xy, labels.xy[[0, 2]])


def test_frame_numbers_come_from_the_names_of_the_images(project: Project) -> None:
    names = ["img0051.png", "img7_cam2.png", "cam2_frame_00012.png", "face.png"]
    assert read_labels(project(label_frame(names))).frames.tolist() == [51, 7, 12, -1]


def test_the_labels_of_a_video_are_a_table_in_the_order_of_time(project: Project) -> None:
    table = label_frame(["img20.png", "img3.png", "other.png"])
    labels = read_labels(project(table))
    assert labels.frames.tolist() == [20, 3, -1]
    poses = labels.table("cam1")
    assert poses.frames.tolist() == [3, 20]
    np.testing.assert_array_equal(poses.xy[0], labels.xy[1].astype(np.float32))
    assert poses.state.tolist() == [[PointState.LABELLED] * 2, [0, PointState.LABELLED]]


# --- what cannot be used --------------------------------------------------------------------------


def test_a_missing_image_is_named(project: Project) -> None:
    folder = project(label_frame(IMAGES))
    (folder / "img0010.png").unlink()
    with pytest.raises(LabelError, match=r"The image .*cam1/img0010\.png is labelled in .*\.h5"):
        read_labels(folder)


def test_two_animals_are_refused(project: Project) -> None:
    table = pd.concat(
        [label_frame(IMAGES, individual="mouse1"), label_frame(IMAGES, individual="mouse2")], axis=1
    )
    with pytest.raises(LabelError, match=r"several animals \(mouse1, mouse2\)"):
        read_labels(project(table))


def test_two_scorers_in_one_file_are_refused(project: Project) -> None:
    table = pd.concat([label_frame(IMAGES), label_frame(IMAGES, scorer="Bob")], axis=1)
    with pytest.raises(LabelError, match=r"several scorers \(AVS, Bob\)"):
        read_labels(project(table))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "does not begin with DeepLabCut's header rows"),
        ("a,b\n1,2\n", "does not begin with DeepLabCut's header rows"),
        ("scorer,A,A\nbodyparts,nose,nose\ncoords,x,y\nimg1.png,1\n", "3 in its header"),
        ("scorer,A,A\nbodyparts,nose,nose\ncoords,x,y\nimg1.png,1,2,3\n", "columns in its rows"),
        ("scorer,A,A\nbodyparts,nose\ncoords,x,y\n", "differ in length"),
        ("scorer,A,A\nbodyparts,nose,nose\ncoords,x,y\nimg1.png,1,two\n", "not a number"),
        ("scorer,A,A\nbodyparts,nose,nose\ncoords,x,z\nimg1.png,1,2\n", "no y column for 'nose'"),
        ("scorer,A,A\nbodyparts,nose,nose\ncoords,x,x\nimg1.png,1,2\n", "same body part twice"),
        ("\x00\x01\x02", "does not begin with DeepLabCut's header rows"),
    ],
)
def test_a_damaged_csv_gets_one_sentence(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "CollectedData_A.csv"
    file.write_text(content)
    with pytest.raises(LabelError, match=message) as caught:
        read_labels(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_csv_in_another_encoding_gets_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "CollectedData_A.csv"
    file.write_bytes("scorer,Zoë,Zoë\n".encode("latin-1"))
    with pytest.raises(LabelError, match="is not a CSV text file"):
        read_labels(file)


def test_places_without_labels_are_named(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"There is no file or folder .*gone"):
        read_labels(tmp_path / "gone")
    with pytest.raises(LabelError, match="is no project"):
        read_labels(tmp_path)
    with pytest.raises(LabelError, match="No labels were named"):
        read_labels([])
    other = tmp_path / "labels.txt"
    other.touch()
    with pytest.raises(LabelError, match=r"is no project: open a project folder"):
        read_labels(other)


def test_a_broken_config_is_named(project: Project) -> None:
    folder = project(label_frame(IMAGES))
    (folder.parent.parent / "config.yaml").write_text("scorer: [")
    with pytest.raises(LabelError, match=r"config\.yaml cannot be read"):
        read_labels(folder)


# --- hidden points --------------------------------------------------------------------------------


def with_visibility(table: pd.DataFrame, visible: list[list[float]]) -> pd.DataFrame:
    """A table with a `visible` column after x and y of each keypoint."""
    scorer = table.columns[0][0]
    names = list(dict.fromkeys(column[-2] for column in table.columns))
    parts = {}
    for k, name in enumerate(names):
        for coord in ("x", "y"):
            parts[scorer, name, coord] = table[scorer, name, coord]
        parts[scorer, name, "visible"] = [row[k] for row in visible]
    made = pd.DataFrame(parts, index=table.index)
    made.columns.names = table.columns.names
    return made


@pytest.mark.parametrize("suffix", ["h5", "csv"])
def test_hidden_points_stand_in_a_table_with_visible_columns(project: Project, suffix: str) -> None:
    table = label_frame(IMAGES)
    folder = project(with_visibility(table, [[1, 2], [1, 2], [0, np.nan]]), formats=(suffix,))
    labels = read_labels(folder)
    assert labels.occluded.tolist() == [[True, False], [True, False], [False, False]]
    # The place of a hidden point is a guess; what nothing is said of is as it is placed.
    expected = table.to_numpy().reshape(3, 2, 2).copy()
    expected[:, 0] = np.nan
    np.testing.assert_array_equal(labels.xy, expected)
    assert labels.take([1]).occluded.tolist() == [[True, False]]
    states = [[PointState.OCCLUDED, PointState.LABELLED]] * 2
    states += [[PointState.ABSENT, PointState.LABELLED]]
    assert labels.table("cam1").state.tolist() == states


def test_hidden_points_of_the_visibility_file(project: Project) -> None:
    table = label_frame(IMAGES)
    folder = project(table)
    more = label_frame([*IMAGES[:2], "img0200.png", "img0300.png"], ("left, ear", "nose tip"))
    Image.new("L", (64, 48)).save(folder / "img0200.png")
    with_visibility(more, [[1, 1], [2, 2], [1, 0], [1, 1]]).to_csv(folder / "visibility_AVS.csv")
    with_visibility(more, [[1, 1]] * 4).to_csv(folder / "visibility_other.csv")
    for place in (folder.parent.parent, folder / "CollectedData_AVS.h5"):
        labels = read_labels(place)
        # A frame in which points are only called hidden is a frame of its own.
        assert labels.frames.tolist() == [7, 10, 123, 200]
        assert labels.videos.tolist() == ["cam1"] * 4
        # "left, ear" is placed in frame 7, so it is seen there.
        assert labels.occluded.tolist() == [
            [True, False],
            [False, False],
            [False, False],
            [False, True],
        ]
        np.testing.assert_array_equal(labels.xy[:3].reshape(3, 4), table.to_numpy())
        assert np.isnan(labels.xy[3]).all()
        assert "img0300.png is named in visibility_AVS.csv but is not there" in labels.problems[0]


# --- settings of the project ----------------------------------------------------------------------


def test_pairs_skeleton_and_colours_come_from_the_project(project: Project) -> None:
    table = label_frame(IMAGES, ("left", "right", "nose"))
    folder = project(table)
    root = folder.parent.parent
    own = "  swaps:\n  - [left, right]\n  - [nose, left]\n  - [tail, nose]\n"
    own += "  colours: ['#ff0000', '#00ff00', '#0000ff']\n"
    config = "Task: t\nscorer: AVS\nbodyparts: [left, right, nose]\nskeleton:\n- [left, nose]\n"
    (root / "config.yaml").write_text(f"{config}vitface:\n{own}")
    for place in (root, folder, folder / "CollectedData_AVS.csv"):
        keypoints = read_labels(place).keypoints
        # Of a pair that does not fit, or whose keypoint has a partner already, nothing is left.
        assert keypoints.swaps == (("left", "right"),)
        assert keypoints.skeleton == (("left", "nose"),)
        assert keypoints.colours == ("#ff0000", "#00ff00", "#0000ff")


@pytest.mark.parametrize("config", [None, "data:\n  data_dir: here\n"])
def test_label_folders_on_their_own_keep_their_pairs(project: Project, config: str | None) -> None:
    from napari_vitface.pose.keypoints import KeypointSet
    from napari_vitface.project.project import Project as Opened

    folder = project(label_frame(IMAGES, ("left", "right", "nose")))
    root = folder.parent.parent
    if config is not None:
        (root / "config.yaml").write_text(config)
    opened = Opened.open(root)
    names = opened.keypoints.names
    opened.change_keypoints(KeypointSet(names, swaps=(("right", "left"),)))
    assert read_labels(root).keypoints.swaps == (("right", "left"),)
    assert read_labels(folder).keypoints.swaps == (("right", "left"),)
