"""What the window opens, training and evaluation read, and the other way round: one reader."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from napari_vitface.errors import LabelError
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import NOT_VISIBLE, labelled, occluded
from napari_vitface.project.frame_names import can_be_a_file
from napari_vitface.project.label_reading import read_labels
from napari_vitface.project.project import Project

from .conftest import deeplabcut_table, place, said

NAN = np.nan
NAMES = ["nose tip", "ear"]
Points = dict[str, list[tuple[float, float]]]
CONFIG = "Task: t\nscorer: Ann B\ndate: J\nbodyparts: [nose tip, ear]\nvideo_sets: {}\n"
POINTS: Points = {
    "img0003.png": [(1.5, 2), (3, 4)],
    "img0012.png": [(5, 6), (NAN, NAN)],
    "img0040.png": [(7, 8), (9, 10)],
}


def images(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("L", (16, 12)).save(folder / name)


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    """A DeepLabCut project whose tables are given, one video each."""

    def make(config: str = "", **tables: pd.DataFrame) -> Path:
        root = tmp_path / "project"
        for video, table in tables.items():
            folder = root / "labeled-data" / video
            rows = [row if isinstance(row, str) else row[-1] for row in table.index]
            images(folder, [re.split(r"[\\/]", row)[-1] for row in rows])
            table.to_csv(folder / "CollectedData_Ann B.csv")
        (root / "config.yaml").write_text(config or CONFIG)
        return root

    return make


def both(root: Path, video: str = "cam") -> tuple[dict[tuple[str, int], tuple[float, float]], ...]:
    """What the window shows and what training reads: (image, keypoint) -> place."""
    document = Project.open(root).document(video)
    try:
        shown = {
            (document.frame_names.name(frame), k): point[:2]
            for (frame, k), point in said(document).items()
        }
    finally:
        document.close()
    labels = read_labels(root)
    read = {
        (labels.images[row].name, k): tuple(labels.xy[row, k].tolist())
        for row, k in np.argwhere(np.isfinite(labels.xy).all(axis=-1)).tolist()
        if labels.videos[row] == video
    }
    return shown, read  # type: ignore[return-value]


def sentences(root: Path, video: str = "cam") -> tuple[set[str], set[str]]:
    """What the window and what training say is odd."""
    project = Project.open(root)
    document = project.document(video)
    document.close()
    return {*project.problems, *document.problems}, set(read_labels(root).problems)


EXPECTED = {
    (image, k): xy
    for image, points in POINTS.items()
    for k, xy in enumerate(points)
    if np.isfinite(xy).all()
}


def test_a_plain_project_is_the_same_for_both(made: Callable[..., Path]) -> None:
    root = made(cam=deeplabcut_table(POINTS, NAMES, video="cam"))
    assert both(root) == (EXPECTED, EXPECTED)
    assert sentences(root) == (set(), set())


# --- Lightning Pose's table for all videos --------------------------------------------------------


def test_lightning_pose_s_table_at_the_top(tmp_path: Path) -> None:
    table = pd.concat(
        [
            deeplabcut_table(POINTS, NAMES, scorer="rater", video=video, levels=1)
            for video in ("session1", "session2")
        ]
    )
    for video in ("session1", "session2"):
        images(tmp_path / "labeled-data" / video, list(POINTS))
    table.to_csv(tmp_path / "CollectedData.csv")
    for place_ in (tmp_path, tmp_path / "CollectedData.csv", tmp_path / "labeled-data"):
        assert len(read_labels(place_)) == 6
        assert [video.name for video in Project.open(place_).videos] == ["session1", "session2"]
    one = tmp_path / "labeled-data" / "session1"
    assert read_labels(one).videos.tolist() == ["session1"] * 3
    assert both(tmp_path, "session2") == (EXPECTED, EXPECTED)


def test_the_real_table_of_lightning_pose(real_data: Path) -> None:
    source = real_data / "mirror_mouse_labels"
    table = pd.read_csv(source / "CollectedData.csv", header=[0, 1, 2], index_col=0)
    labels = read_labels(source)
    assert len(labels) == len(table)
    assert len(labels.keypoints) == 17
    np.testing.assert_allclose(labels.xy.reshape(len(table), -1), table.to_numpy(), rtol=1e-15)
    assert labels.images[0] == source / "labeled-data" / "img01.png"
    assert labels.problems == ()
    # Images lie in labeled-data itself.
    assert [entry.folder for entry in Project.open(source).videos] == [source / "labeled-data"]


@pytest.mark.parametrize("opened", ["", "CollectedData_Ann.csv", "CollectedData_Ann.h5"])
def test_the_table_of_deeplabcut_1_above_the_folders_of_images(tmp_path: Path, opened: str) -> None:
    images(tmp_path / "cam 1", ["img005.png"])
    images(tmp_path / "cam 2", ["img005.png", "img17.png"])
    columns = pd.MultiIndex.from_product(
        [["Ann"], ["nose"], ["x", "y"]], names=["scorer", "bodyparts", "coords"]
    )
    rows = ["cam 1/img005.png", "cam 2/img005.png", "cam 2/img17.png"]
    table = pd.DataFrame([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], rows, columns)
    table.to_csv(tmp_path / "CollectedData_Ann.csv")
    table.to_hdf(tmp_path / "CollectedData_Ann.h5", key="df_with_missing", format="table")
    labels = read_labels(tmp_path / opened)
    assert [str(image.relative_to(tmp_path)) for image in labels.images] == rows
    assert labels.xy[:, 0].tolist() == table.to_numpy().tolist()
    assert labels.scorer == "Ann"


def test_a_video_that_only_the_table_names_is_told(tmp_path: Path) -> None:
    images(tmp_path / "labeled-data" / "one", list(POINTS))
    for video in ("one", "two"):
        deeplabcut_table(POINTS, NAMES, video=video, levels=1).to_csv(
            tmp_path / "CollectedData.csv", mode="a", header=video == "one"
        )
    assert [video.name for video in Project.open(tmp_path).videos] == ["one", "two"]
    with pytest.raises(LabelError, match=r"two/img0003\.png is labelled in CollectedData\.csv"):
        read_labels(tmp_path)


# --- names of body parts --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [[" nose tip", "ear "], ["Nose Tip", "EAR"], ["nose  tip", "ear\u00a0"], ["ear", "nose tip"]],
)
def test_names_are_taken_for_the_keypoints_that_they_mean(
    made: Callable[..., Path], names: list[str]
) -> None:
    swapped = names[0] == "ear"
    points = {image: rows[::-1] if swapped else rows for image, rows in POINTS.items()}
    root = made(cam=deeplabcut_table(points, names, video="cam"))
    assert both(root) == (EXPECTED, EXPECTED)
    assert read_labels(root).keypoints.names == ("nose tip", "ear")
    # Saving keeps the names as they are written.
    document = Project.open(root).document("cam", lambda _: np.zeros((12, 16), np.uint8))
    place(document, (3, 0, labelled(11, 12)))
    document.save()
    document.close()
    saved = pd.read_csv(
        root / "labeled-data/cam/CollectedData_Ann B.csv", header=[0, 1, 2], index_col=[0, 1, 2]
    )
    assert list(dict.fromkeys(column[1] for column in saved.columns)) == names
    changed = {**EXPECTED, ("img0003.png", 0): (11.0, 12.0)}
    assert both(root) == (changed, changed)


def test_two_names_that_are_alike_are_told_apart_by_their_capitals(
    made: Callable[..., Path],
) -> None:
    config = "Task: t\nscorer: Ann B\ndate: J\nbodyparts: [ear, Ear]\nvideo_sets: {}\n"
    root = made(config, cam=deeplabcut_table(POINTS, ["Ear", "ear"], video="cam"))
    swapped = {(image, 1 - k): xy for (image, k), xy in EXPECTED.items()}
    assert both(root) == (swapped, swapped)


def test_a_part_that_the_settings_lack_is_told_and_kept(made: Callable[..., Path]) -> None:
    config = "Task: t\nscorer: Ann B\ndate: J\nbodyparts: [nose tip]\nvideo_sets: {}\n"
    root = made(config, cam=deeplabcut_table(POINTS, NAMES, video="cam"))
    window, training = sentences(root)
    assert window == training
    (sentence,) = window
    assert "labels ear, which is no keypoint of the project" in sentence
    nose = {where: xy for where, xy in EXPECTED.items() if where[1] == 0}
    assert both(root) == (nose, nose)
    assert read_labels(root).keypoints.names == ("nose tip",)
    document = Project.open(root).document("cam")
    place(document, (3, 0, labelled(11, 12)))
    document.save()
    document.close()
    saved = pd.read_csv(
        root / "labeled-data/cam/CollectedData_Ann B.csv", header=[0, 1, 2], index_col=[0, 1, 2]
    )
    assert saved["Ann B", "ear", "x"].tolist()[::2] == [3, 9]


# --- rows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["identical", "empty", "different"])
def test_an_image_in_two_rows(made: Callable[..., Path], kind: str) -> None:
    table = deeplabcut_table(POINTS, NAMES, video="cam")
    again = table.iloc[:1] * {"identical": 1, "empty": NAN, "different": 2}[kind]
    # The row that says nothing comes first.
    parts = [table.iloc[1:], again, table.iloc[:1]] if kind == "empty" else [table, again]
    root = made(cam=pd.concat(parts))
    assert both(root) == (EXPECTED, EXPECTED)
    assert len(read_labels(root)) == 3
    window, training = sentences(root)
    assert window == training
    assert [("twice, differently" in sentence) for sentence in window] == [True] * (
        kind == "different"
    )
    # Saving something else leaves both rows as they are; what is edited is the same in both.
    document = Project.open(root).document("cam")
    place(document, (12, 0, labelled(11, 12)))
    document.save()
    saved = pd.read_csv(
        root / "labeled-data/cam/CollectedData_Ann B.csv", header=[0, 1, 2], index_col=[0, 1, 2]
    )
    rows = saved.loc[("labeled-data", "cam", "img0003.png")]
    np.testing.assert_array_equal(
        rows.to_numpy(), pd.concat(parts).loc[("labeled-data", "cam", "img0003.png")].to_numpy()
    )
    place(document, (3, 0, labelled(20, 21)))
    document.save()
    document.close()
    assert both(root)[0]["img0003.png", 0] == (20, 21)
    assert not any("img0003.png, 0" in sentence for sentence in sentences(root)[0])


def test_what_a_spreadsheet_leaves_is_not_read_and_not_saved_on(made: Callable[..., Path]) -> None:
    root = made(cam=deeplabcut_table(POINTS, NAMES, video="cam"))
    file = root / "labeled-data" / "cam" / "CollectedData_Ann B.csv"
    lines = [f"{line},," for line in file.read_text().splitlines()]
    file.write_text("\n".join([*lines, "," * lines[0].count(","), "," * lines[0].count(",")]))
    assert both(root) == (EXPECTED, EXPECTED)
    document = Project.open(root).document("cam")
    place(document, (3, 0, labelled(11, 12)))
    document.save()
    document.close()
    saved = pd.read_hdf(file.with_suffix(".h5"))
    assert saved.shape == (3, 4)
    assert pd.read_csv(file, header=[0, 1, 2], index_col=[0, 1, 2]).shape == (3, 4)


def test_numbers_under_no_name_are_told(made: Callable[..., Path]) -> None:
    root = made(cam=deeplabcut_table(POINTS, NAMES, video="cam"))
    file = root / "labeled-data" / "cam" / "CollectedData_Ann B.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(f"{line},{5 if row > 2 else ''}" for row, line in enumerate(lines)))
    with pytest.raises(LabelError, match=r"Column 5 of .* holds numbers, but no body part"):
        read_labels(root)
    document = Project.open(root).document("cam")
    assert "Column 5 of" in document.problems[0]
    document.close()


@pytest.mark.parametrize("video", ["NA", "null", "None", "nan"])
@pytest.mark.parametrize("levels", [1, 3])
def test_a_video_whose_name_pandas_takes_for_nothing(
    made: Callable[..., Path], video: str, levels: int
) -> None:
    root = made(**{video: deeplabcut_table(POINTS, NAMES, video=video, levels=levels)})
    assert both(root, video) == (EXPECTED, EXPECTED)
    document = Project.open(root).document(video, lambda _: np.zeros((12, 16), np.uint8))
    place(document, (3, 0, labelled(11, 12)), (50, 1, labelled(13, 14)))
    document.save()
    document.close()
    expected = {**EXPECTED, ("img0003.png", 0): (11.0, 12.0), ("img0050.png", 1): (13.0, 14.0)}
    assert both(root, video) == (expected, expected)
    assert sentences(root, video) == (set(), set())
    lines = (root / "labeled-data" / video / "CollectedData_Ann B.csv").read_text().splitlines()
    start = f"labeled-data/{video}/" if levels == 1 else f"labeled-data,{video},"
    assert all(line.startswith(start) for line in lines[3:])


@pytest.mark.parametrize("name", ["img" + "1" * 20 + ".png", "²1.png", "x" * 300 + ".png", ".."])
def test_odd_names_of_images_end_in_sentences(made: Callable[..., Path], name: str) -> None:
    root = made(cam=deeplabcut_table(POINTS, NAMES, video="cam"))
    file = root / "labeled-data" / "cam" / "CollectedData_Ann B.csv"
    with file.open("a", encoding="utf-8") as text:
        text.write(f"labeled-data,cam,{name},1,2,3,4\n")
    project = Project.open(root)
    document = project.document("cam")
    place(document, (3, 0, labelled(11, 12)))
    document.save()
    document.close()
    if can_be_a_file(name):
        with pytest.raises(LabelError, match=r"is labelled in CollectedData_Ann B\.h5 but is not"):
            read_labels(root)
    else:
        labels = read_labels(root)
        assert len(labels) == 3
        assert "name images which are no frames" in labels.problems[0]
    assert name in file.read_text(encoding="utf-8")


def test_a_video_whose_name_is_too_long_for_a_file_is_one_that_is_not_there(
    made: Callable[..., Path],
) -> None:
    config = CONFIG.replace("{}", f"{{{'a' * 300}.mp4: {{crop: '0, 10, 0, 10'}}}}")
    root = made(config, cam=deeplabcut_table(POINTS, NAMES, video="cam"))
    project = Project.open(root)
    assert "a" * 300 in [entry.name for entry in project.videos]
    assert project.video(root / "videos" / "other.mp4") is None
    assert len(read_labels(root).frames) == 3


def test_a_zero_byte_in_the_name_of_an_image_is_told(made: Callable[..., Path]) -> None:
    root = made(cam=deeplabcut_table(POINTS, NAMES, video="cam"))
    with (root / "labeled-data" / "cam" / "CollectedData_Ann B.csv").open("a") as text:
        text.write("labeled-data,cam,img1\0.png,1,2,3,4\n")
    with pytest.raises(LabelError, match="zero bytes in its row labels"):
        read_labels(root)
    document = Project.open(root).document("cam")
    assert "zero bytes in its row labels" in document.problems[0]
    document.close()


# --- two forms of a table -------------------------------------------------------------------------


def forms() -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    three = deeplabcut_table(POINTS, NAMES, video="cam")
    one = deeplabcut_table(POINTS, NAMES, video="cam", levels=1)
    back = one.copy()
    back.index = pd.Index([row.replace("/", "\\") for row in one.index])
    columns = three[[three.columns[i] for i in (2, 3, 0, 1)]]
    empty = three.iloc[:1] * NAN
    empty.index = pd.MultiIndex.from_tuples([("labeled-data", "cam", "img0099.png")])
    return {
        "one and three levels": (three, one),
        "backslashes": (back, one),
        "order of rows": (three, three.iloc[::-1]),
        "order of columns": (three, columns),
        "an empty row more": (three, pd.concat([three, empty])),
    }


@pytest.mark.parametrize("form", forms())
def test_forms_of_the_same_labels_are_no_disagreement(made: Callable[..., Path], form: str) -> None:
    binary, text = forms()[form]
    root = made(cam=text)
    binary.to_hdf(root / "labeled-data/cam/CollectedData_Ann B.h5", key="df_with_missing", mode="w")
    assert both(root) == (EXPECTED, EXPECTED)
    assert sentences(root) == (set(), set())


@pytest.mark.parametrize("damage", ["zeroed tail", "flipped bit", "cut off", "no HDF5"])
def test_labels_come_from_the_csv_where_the_hdf5_is_damaged(
    made: Callable[..., Path], damage: str
) -> None:
    table = deeplabcut_table(POINTS, NAMES, video="cam")
    root = made(cam=table)
    file = root / "labeled-data" / "cam" / "CollectedData_Ann B.h5"
    table.to_hdf(file, key="df_with_missing", mode="w")
    content = bytearray(file.read_bytes())
    if damage == "zeroed tail":
        content[len(content) // 3 :] = bytes(len(content) - len(content) // 3)
    elif damage == "flipped bit":
        content[9] ^= 0x10
    elif damage == "cut off":
        del content[len(content) // 2 :]
    else:
        content[:] = b"no HDF5"
    file.write_bytes(content)
    assert both(root) == (EXPECTED, EXPECTED)
    for said_ in sentences(root):
        (sentence,) = said_
        assert "cannot be read" in sentence
        assert "The labels of CollectedData_Ann B.csv beside it count." in sentence


def test_labels_come_from_the_hdf5_where_the_csv_is_damaged(made: Callable[..., Path]) -> None:
    table = deeplabcut_table(POINTS, NAMES, video="cam")
    root = made(cam=table)
    file = root / "labeled-data" / "cam" / "CollectedData_Ann B.h5"
    table.to_hdf(file, key="df_with_missing", mode="w")
    file.with_suffix(".csv").write_text("scorer;Ann B\n")
    assert both(root) == (EXPECTED, EXPECTED)
    for said_ in sentences(root):
        (sentence,) = said_
        assert "has semicolons between its cells" in sentence
        assert "The labels of CollectedData_Ann B.h5 beside it count." in sentence


def test_every_flipped_bit_of_an_hdf5_file_ends_in_labels_or_a_sentence(
    made: Callable[..., Path],
) -> None:
    table = deeplabcut_table(POINTS, NAMES, video="cam")
    root = made(cam=table)
    file = root / "labeled-data" / "cam" / "CollectedData_Ann B.h5"
    table.to_hdf(file, key="df_with_missing", mode="w")
    content = file.read_bytes()
    rng = np.random.default_rng(0)
    read = refused = 0
    for position in rng.choice(len(content), 200, replace=False).tolist():
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        file.write_bytes(damaged)
        try:
            read += not read_labels(root).problems
        except LabelError:
            # The name of an image is another one now.
            refused += 1
    assert read > 100
    assert refused < 20


# --- what all refuse ------------------------------------------------------------------------------


def test_window_and_training_refuse_with_the_same_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    two = tmp_path / "two"
    for scorer in ("Ann", "Bob"):
        images(two, list(POINTS))
        deeplabcut_table(POINTS, NAMES, scorer=scorer).to_csv(two / f"CollectedData_{scorer}.csv")
    broken = tmp_path / "broken"
    images(broken, list(POINTS))
    (broken / "CollectedData_Ann.csv").write_text("scorer\tAnn\n")
    for path in (tmp_path / "gone", tmp_path / "empty", two, broken, tmp_path / "x\0y",
                 tmp_path / ("y" * 300)):  # fmt: skip
        with pytest.raises(LabelError) as window:
            Project.open(path)
        with pytest.raises(LabelError) as training:
            read_labels(path)
        assert str(window.value) == str(training.value)
        assert "\n" not in str(window.value)


def test_labels_of_somebody_else_than_the_project_s_scorer_are_told(
    made: Callable[..., Path],
) -> None:
    config = "Task: t\nscorer: Bob\ndate: J\nbodyparts: [nose tip, ear]\nvideo_sets: {}\n"
    root = made(config, cam=deeplabcut_table(POINTS, NAMES, video="cam"))
    with pytest.raises(LabelError, match=r"holds labels of Ann B and none of Bob"):
        read_labels(root)
    document = Project.open(root).document("cam")
    assert "holds labels of Ann B and none of Bob" in document.problems[0]
    document.close()
    table = root / "labeled-data" / "cam" / "CollectedData_Ann B.csv"
    assert len(read_labels(table)) == 3
    assert Project.open(table).scorer == "Ann B"


def test_half_a_point_and_an_infinite_one_are_none(made: Callable[..., Path]) -> None:
    root = made(cam=deeplabcut_table({"img0003.png": [(1, NAN), (np.inf, 4)]}, NAMES, video="cam"))
    assert both(root) == ({}, {})


# --- Lightning Pose's own form --------------------------------------------------------------------


@pytest.mark.parametrize("table_there", [True, False])
def test_occluded_points_stand_in_lightning_pose_s_table(tmp_path: Path, table_there: bool) -> None:
    for video in ("one", "two"):
        images(tmp_path / "labeled-data" / video, list(POINTS))
    (tmp_path / "config.yaml").write_text(
        "data:\n  csv_file: CollectedData.csv\n  keypoint_names: [nose tip, ear]\n"
    )
    file = tmp_path / "CollectedData.csv"
    if table_there:
        tables = [deeplabcut_table(POINTS, NAMES, video=v, levels=1) for v in ("one", "two")]
        pd.concat(tables).to_csv(file)
    document = Project.open(tmp_path).document("one")
    place(document, (3, 0, labelled(11, 12)), (12, 1, occluded(5, 6)), (40, 1, NOT_VISIBLE))
    document.save()
    document.close()
    saved = pd.read_csv(file, header=[0, 1, 2], index_col=0)
    assert [column[2] for column in saved.columns] == ["x", "y", "visible"] * 2
    assert not list(tmp_path.rglob("visibility_*"))
    scorer = saved.columns[0][0]
    row = saved.loc["labeled-data/one/img0012.png", (scorer, "ear")]
    assert row.tolist() == [5, 6, 1]
    assert saved.loc["labeled-data/one/img0003.png", (scorer, "nose tip")].tolist() == [11, 12, 2]
    assert saved.loc["labeled-data/one/img0040.png", (scorer, "ear")].isna().tolist()[:2] == [
        True, True,
    ]  # fmt: skip
    assert len(saved) == (6 if table_there else 3)
    if table_there:
        other = saved.loc["labeled-data/two/img0012.png"].tolist()
        assert other[:3] == [5, 6, 2]
        assert other[5] == 0
    again = Project.open(tmp_path).document("one")
    assert again.problems == ()
    found = said(again)
    again.close()
    assert found[12, 1] == occluded(5, 6)
    assert found[40, 1] == NOT_VISIBLE
    labels = read_labels(tmp_path)
    assert labels.problems == ()
    assert labels.occluded.sum() == 2


def test_keypoints_are_renamed_in_tables_that_write_them_otherwise(
    made: Callable[..., Path],
) -> None:
    root = made(cam=deeplabcut_table(POINTS, ["Nose Tip", " ear"], video="cam"))
    project = Project.open(root)
    project.change_keypoints(KeypointSet(("snout", "ear", "lip")), {"nose tip": "snout"})
    assert both(root) == (EXPECTED, EXPECTED)
    saved = pd.read_csv(
        root / "labeled-data/cam/CollectedData_Ann B.csv", header=[0, 1, 2], index_col=[0, 1, 2]
    )
    assert list(dict.fromkeys(column[1] for column in saved.columns)) == ["snout", " ear", "lip"]


def test_body_parts_called_as_nothing_is_called(made: Callable[..., Path]) -> None:
    names = ["NA", "null", "None", "nan"]
    points: Points = {"img0003.png": [(1, 2), (3, 4), (5, 6), (7, 8)]}
    config = f"Task: t\nscorer: Ann B\ndate: J\nbodyparts: [{', '.join(names)}]\nvideo_sets: {{}}\n"
    root = made(config, cam=deeplabcut_table(points, names, video="cam"))
    expected = {("img0003.png", k): xy for k, xy in enumerate(points["img0003.png"])}
    assert both(root) == (expected, expected)
    assert read_labels(root).keypoints.names == tuple(names)


def test_a_table_of_any_name_is_opened_by_naming_it(tmp_path: Path) -> None:
    folder = tmp_path / "labeled-data" / "cam"
    images(folder, list(POINTS))
    file = folder / "labels.csv"
    deeplabcut_table(POINTS, NAMES, video="cam").to_csv(file)
    assert read_labels(file).count == len(EXPECTED)
    project = Project.open(file)
    assert project.scorer == "Ann B"
    document = project.document("cam")
    assert len(said(document)) == len(EXPECTED)
    place(document, (3, 0, labelled(11, 12)))
    assert document.save().files == (file,)
    document.close()
