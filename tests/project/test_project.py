from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from napari_vitface.errors import LabelError
from napari_vitface.pose.keypoints import MOUSE_FACE, KeypointSet
from napari_vitface.pose.labels import ABSENT, NOT_VISIBLE, labelled, occluded
from napari_vitface.project.label_reading import read_labels
from napari_vitface.project.project import Project
from napari_vitface.video.video_writer import VideoWriter

from .conftest import KEYPOINTS, crash, deeplabcut_table, frame, place, said, write_table

NAMES = list(KEYPOINTS.names)
NAN = (np.nan, np.nan)
START = {
    "img0003.png": [(1.0, 2.0), NAN, (3.0, 4.0)],
    "img0012.png": [(5.0, 6.0), (7.0, 8.0), NAN],
}
LABELS = {
    (3, 0): labelled(1, 2),
    (3, 2): labelled(3, 4),
    (12, 0): labelled(5, 6),
    (12, 1): labelled(7, 8),
}


def images(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.new("L", (8, 6), number).save(folder / name)


def small_video(path: Path, count: int = 20) -> Path:
    frames = [np.full((48, 64), i * 10, np.uint8) for i in range(count)]
    with VideoWriter(path, (48, 64), 25.0) as writer:
        for each in frames:
            writer.write(each)
    return path


#: Of the config.yaml of DeepLabCut's own projects.
DEEPLABCUT_KEYS = """
Task scorer date multianimalproject identity project_path engine video_sets bodyparts start stop
numframes2pick skeleton skeleton_color pcutoff dotsize alphavalue colormap TrainingFraction
iteration default_net_type default_augmenter snapshotindex batch_size cropping x1 x2 y1 y2
corner2move2 move2corner
"""


# --- creating -------------------------------------------------------------------------------------


def test_a_new_project_has_what_deeplabcut_asks_for(tmp_path: Path) -> None:
    keypoints = KeypointSet(
        ("left ear", "right ear", "né 鼠"),
        skeleton=(("left ear", "right ear"),),
        swaps=(("left ear", "right ear"),),
        colours=("#ff0000", "#00ff00", "#0000ff"),
    )
    project = Project.create(tmp_path / "a" / "face", keypoints, "Ann")
    assert project.keypoints == keypoints
    assert (project.scorer, project.videos) == ("Ann", [])
    from ruamel.yaml import YAML

    config = YAML(typ="safe").load((project.folder / "config.yaml").read_text(encoding="utf-8"))
    assert set(config) >= set(DEEPLABCUT_KEYS.split())
    assert config["bodyparts"] == list(keypoints.names)
    assert config["skeleton"] == [["left ear", "right ear"]]
    assert config["project_path"] == str(project.folder)
    assert config["multianimalproject"] is False
    assert Project.open(project.folder / "config.yaml").keypoints == keypoints


def test_a_project_is_not_made_over_another(project: Project) -> None:
    with pytest.raises(LabelError, match="holds a project already"):
        Project.create(project.folder, KEYPOINTS, "Ann")


@pytest.mark.parametrize("scorer", ["", "a/b", "..", "a\nb", 'say "x"'])
def test_a_scorer_that_cannot_be_in_a_file_s_name_is_refused(tmp_path: Path, scorer: str) -> None:
    with pytest.raises(LabelError, match="cannot be the scorer"):
        Project.create(tmp_path / "project", KEYPOINTS, scorer)
    assert not (tmp_path / "project").exists()


# --- videos ---------------------------------------------------------------------------------------


def test_videos_are_added_and_found_again(project: Project, tmp_path: Path) -> None:
    path = small_video(tmp_path / "mouse 1.mp4")
    other = small_video(tmp_path / "mouse.2.mp4")
    for video in (path, other, path):
        project.add_video(video)
    assert [entry.name for entry in project.videos] == ["mouse 1", "mouse.2"]
    assert [entry.path for entry in project.videos] == [path, other]
    again = Project.open(project.folder)
    assert again.videos == project.videos
    text = (project.folder / "config.yaml").read_text()
    assert "crop: 0, 64, 0, 48" in text
    assert again.video(path) == again.video("mouse 1")
    assert again.video(again.videos[0].folder) == again.video("mouse 1")
    assert again.video("mouse 3") is None
    with pytest.raises(LabelError, match="is not in the project"):
        again.document("mouse 3")


def test_two_videos_of_one_name_would_share_their_labels(project: Project, tmp_path: Path) -> None:
    project.add_video(small_video(tmp_path / "mouse 1.mp4"))
    (tmp_path / "other").mkdir()
    with pytest.raises(LabelError, match="another video named mouse 1"):
        project.add_video(small_video(tmp_path / "other" / "mouse 1.mp4"))


def test_labels_that_deeplabcut_leaves_out_of_its_training_sets_are_told(
    project: Project, tmp_path: Path
) -> None:
    def problems(video: str) -> tuple[str, ...]:
        document = project.document(video)
        document.close()
        return document.problems

    (project.folder / "labeled-data" / "mouse 2").mkdir()
    # As long as config.yaml names no video, DeepLabCut takes all folders.
    assert problems("mouse 1") == problems("mouse 2") == ()
    path = small_video(tmp_path / "mouse 1.mp4")
    project.add_video(path)
    assert problems("mouse 1") == ()
    assert "names no video mouse 2 under video_sets" in " ".join(problems("mouse 2"))
    config = project.folder / "config.yaml"
    config.write_text(config.read_text().replace(str(path), r"C:\data\mouse 2.avi"))
    assert problems("mouse 2") == ()


def test_a_moved_project_finds_its_videos_beside_it(project: Project, tmp_path: Path) -> None:
    path = small_video(tmp_path / "mouse 1.mp4")
    project.add_video(path)
    shutil.move(path, project.folder / "videos" / path.name)
    shutil.move(project.folder, tmp_path / "moved")
    (entry,) = Project.open(tmp_path / "moved").videos
    assert entry.path == tmp_path / "moved" / "videos" / "mouse 1.mp4"
    config = tmp_path / "moved" / "config.yaml"
    config.write_text(config.read_text().replace(str(path), r"C:\data\mouse 1.mp4"))
    assert Project.open(config).videos == [entry]
    shutil.move(entry.path, tmp_path / "elsewhere.mp4")
    (entry,) = Project.open(config).videos
    assert entry.path is None


def test_labelled_frames_of_a_video_are_saved_as_images(project: Project, tmp_path: Path) -> None:
    from napari_vitface.video import open_video

    path = small_video(tmp_path / "mouse 1.mp4")
    project.add_video(path)
    with open_video(path) as video:
        document = project.document(path, video.__getitem__)
        place(document, (7, 0, labelled(1, 2)), (3, 1, NOT_VISIBLE))
        report = document.save()
        document.close()
        assert [image.name for image in sorted(report.images)] == ["img0003.png", "img0007.png"]
        saved = np.asarray(Image.open(report.images[0]))
        number = int(report.images[0].stem.removeprefix("img"))
        np.testing.assert_array_equal(saved, np.asarray(video[number]))
    labels = read_labels(project.folder)
    assert labels.frames.tolist() == [3, 7]
    assert labels.count == 1


def test_labels_are_saved_even_where_the_video_cannot_be_read(project: Project) -> None:
    document = project.document("mouse 1")
    place(document, (7, 0, labelled(1, 2)))
    report = document.save()
    (problem,) = report.problems
    assert "labels of 1 frame (7) were saved without" in problem
    assert not document.unsaved
    document.frame_reader = frame
    assert [path.name for path in document.save().images] == ["img0007.png"]
    document.close()


def test_a_video_that_moved_takes_the_place_of_the_old_one(
    project: Project, tmp_path: Path
) -> None:
    project.add_video(small_video(tmp_path / "mouse 1.mp4"))
    (tmp_path / "disk").mkdir()
    moved = shutil.move(tmp_path / "mouse 1.mp4", tmp_path / "disk" / "mouse 1.mp4")
    assert project.video(moved) is not None
    entry = project.add_video(moved)
    assert Project.open(project.folder).videos == [entry]
    assert entry.path == moved


# --- opening what others made ---------------------------------------------------------------------


@pytest.mark.parametrize("levels", [1, 3])
@pytest.mark.parametrize("animal", [None, "mouse"])
@pytest.mark.parametrize("kinds", [("h5", "csv"), ("csv",), ("h5",)])
@pytest.mark.parametrize("configured", [True, False])
def test_every_form_of_deeplabcut_s_tables_is_opened_and_saved(
    tmp_path: Path, levels: int, animal: str | None, kinds: tuple[str, ...], configured: bool
) -> None:
    root = tmp_path / "project"
    folder = root / "labeled-data" / "mouse 1"
    write_table(deeplabcut_table(START, NAMES, levels=levels, animal=animal), folder, kinds)
    images(folder, *START)
    if configured:
        parts = "".join(f"- {name}\n" for name in NAMES)
        (root / "config.yaml").write_text(f"scorer: Ann B\nbodyparts:\n{parts}")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for start in (root, folder):
        project = Project.open(start)
        assert (project.scorer, project.keypoints.names) == ("Ann B", KEYPOINTS.names)
        document = project.document("mouse 1", frame)
        assert said(document) == LABELS
        assert document.problems == ()
        document.close()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    document = project.document("mouse 1", frame)
    place(document, (20, 1, labelled(1 / 3, 2)), (3, 0, NOT_VISIBLE))
    document.save()
    document.close()
    expected = LABELS | {(20, 1): labelled(1 / 3, 2), (3, 0): NOT_VISIBLE}
    again = Project.open(root).document("mouse 1")
    assert said(again) == expected
    again.close()
    binary = pd.read_hdf(folder / "CollectedData_Ann B.h5")
    header = list(range(binary.columns.nlevels))
    text = pd.read_csv(
        folder / "CollectedData_Ann B.csv", header=header, index_col=list(range(levels))
    )
    assert binary.index.nlevels == levels
    assert binary.columns.names[-2:] == ["bodyparts", "coords"]
    assert (binary.columns.nlevels == 4) == (animal is not None)
    np.testing.assert_array_equal(binary.to_numpy(), text.to_numpy())
    assert list(binary.columns) == list(text.columns)
    assert list(binary.index) == list(text.index)
    rows = [row if isinstance(row, str) else "/".join(row) for row in binary.index]
    assert rows == [f"labeled-data/mouse 1/img00{number}.png" for number in ("03", "12", "20")]


def test_the_real_labels_open_and_come_back_to_the_last_bit(
    real_data: Path, tmp_path: Path
) -> None:
    source = real_data / "mouse_face" / "labeled-data" / "cam1_G7c1_1"
    folder = tmp_path / "labeled-data" / "cam1_G7c1_1"
    shutil.copytree(source, folder)
    project = Project.open(folder)
    assert project.keypoints == MOUSE_FACE
    document = project.document("cam1_G7c1_1")
    assert document.problems == ()
    assert len(document.labels) == 119
    assert document.labels.point(51, 0) == labelled(589.0232336327339, 70.6114567762314)
    before = document.labels.point(51, 1)
    place(document, (51, 1, labelled(1, 2)))
    document.save()
    place(document, (51, 1, before))
    document.save()
    document.close()
    csv = "CollectedData_AVS.csv"
    assert (folder / csv).read_bytes() == (source / csv).read_bytes()
    pd.testing.assert_frame_equal(
        pd.read_hdf(folder / "CollectedData_AVS.h5"),
        pd.read_hdf(source / "CollectedData_AVS.h5"),
        check_exact=True,
    )


def test_a_folder_of_images_counts_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "labeled-data" / "mouse 1"
    write_table(deeplabcut_table(START, NAMES), folder)
    images(folder, "img0003.png", "img0005.png", "img0012.png")
    project = Project.open(folder)
    document = project.document(folder)
    assert said(document) == {
        (0, 0): labelled(1, 2),
        (0, 2): labelled(3, 4),
        (2, 0): labelled(5, 6),
        (2, 1): labelled(7, 8),
    }
    place(document, (1, 1, labelled(9, 9)))
    crash(document)
    # Another image in between: labels stay with their images.
    images(folder, "img0004.png")
    document = project.document(folder)
    assert document.labels.point(2, 1) == labelled(9, 9)
    assert document.labels.point(3, 0) == labelled(5, 6)
    crash(document)
    # The same journal, seen from the video.
    document = project.document("mouse 1")
    assert said(document) == LABELS | {(5, 1): labelled(9, 9)}
    crash(document)
    # An image that has gone: its labels are kept all the same.
    (folder / "img0005.png").unlink()
    document = project.document(folder)
    assert document.labels.point(3, 1) == labelled(9, 9)
    document.save()
    document.close()
    table = pd.read_hdf(folder / "CollectedData_Ann B.h5")
    assert table.loc[("labeled-data", "mouse 1", "img0005.png")].tolist()[2:4] == [9, 9]


def test_images_of_another_folder_are_copied_as_they_are(project: Project, tmp_path: Path) -> None:
    source = tmp_path / "mouse 1"
    images(source, "a_1.png", "a_2.png", "a_10.png")
    project.add_video(source)
    document = project.document(source, frame)
    place(document, (2, 0, labelled(1, 2)))
    document.save()
    document.close()
    folder = project.folder / "labeled-data" / "mouse 1"
    assert (folder / "a_10.png").read_bytes() == (source / "a_10.png").read_bytes()
    assert len(list(source.iterdir())) == 3
    assert read_labels(folder).images == (folder / "a_10.png",)


def test_another_scorer_s_labels_are_told_and_opened_on_demand(project: Project) -> None:
    folder = project.folder / "labeled-data" / "mouse 1"
    write_table(deeplabcut_table(START, NAMES, scorer="Bob"), folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    document = project.document("mouse 1", frame)
    assert said(document) == {}
    assert "holds labels of Bob and none of Ann B" in document.problems[0]
    place(document, (3, 0, labelled(9, 9)))
    document.save()
    document.close()
    assert {name: (folder / name).read_bytes() for name in before} == before
    document = project.document("mouse 1", frame, scorer="Bob")
    assert said(document) == LABELS
    place(document, (3, 0, labelled(0, 0)))
    crash(document)
    own = project.document("mouse 1")
    assert said(own) == {(3, 0): labelled(9, 9)}
    own.close()
    opened = Project.open(folder / "CollectedData_Bob.h5")
    assert opened.scorer == "Bob"
    document = project.document("mouse 1", frame, scorer="Bob")
    assert document.labels.point(3, 0) == labelled(0, 0)
    document.close()


def test_label_folders_of_several_scorers_ask_which(tmp_path: Path) -> None:
    folder = tmp_path / "labeled-data" / "mouse 1"
    for scorer in ("Ann", "Bob"):
        write_table(deeplabcut_table(START, NAMES, scorer=scorer), folder)
    for start in (tmp_path, folder):
        with pytest.raises(LabelError, match=r"several scorers \(Ann, Bob\): open the table"):
            Project.open(start)
    assert Project.open(folder / "CollectedData_Bob.csv").scorer == "Bob"


def test_what_is_no_project_is_told(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="There is no file or folder"):
        Project.open(tmp_path / "gone")
    with pytest.raises(LabelError, match="is no project: it holds neither"):
        Project.open(tmp_path)
    images(tmp_path / "pictures", "a.png")
    with pytest.raises(LabelError, match="names no keypoints"):
        Project.open(tmp_path / "pictures")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(LabelError, match="is no project: open a project folder"):
        Project.open(tmp_path / "notes.txt")


# --- Lightning Pose -------------------------------------------------------------------------------

LIGHTNING = """\
scorer,lp,lp,lp,lp,lp,lp
bodyparts,nose tip,nose tip,nose tip,lip,lip,lip
coords,x,y,visible,x,y,visible
labeled-data/mouse 1/img00000003.png,1.0,2.0,2,3.0,4.0,1
labeled-data/mouse 1/img00000012.png,,,1,,,0
labeled-data/mouse 2/img00000003.png,7.0,8.0,2,,,0
"""


@pytest.fixture
def lightning(tmp_path: Path) -> Path:
    """A folder of Lightning Pose: one table at the top, occluded points in it."""
    root = tmp_path / "lightning"
    (root / "videos").mkdir(parents=True)
    images(root / "labeled-data" / "mouse 1", "img00000003.png", "img00000012.png")
    images(root / "labeled-data" / "mouse 2", "img00000003.png")
    (root / "CollectedData.csv").write_text(LIGHTNING)
    return root


def test_a_folder_of_lightning_pose_is_opened_and_saved_in_its_own_form(lightning: Path) -> None:
    project = Project.open(lightning)
    assert project.scorer == "lp"
    assert project.keypoints.names == ("nose tip", "lip")
    assert [entry.name for entry in project.videos] == ["mouse 1", "mouse 2"]
    document = project.document("mouse 1", frame)
    assert said(document) == {
        (3, 0): labelled(1, 2),
        (3, 1): occluded(3, 4),
        (12, 0): NOT_VISIBLE,
    }
    place(document, (3, 1, labelled(3, 4)), (5, 0, occluded(0.5, 6)), (12, 0, ABSENT))
    document.save()
    document.close()
    assert (lightning / "CollectedData.csv").read_text() == (
        LIGHTNING.replace("3.0,4.0,1", "3.0,4.0,2")
        .replace(",,,1,,,0", ",,,0,,,0")
        .replace(
            "labeled-data/mouse 1/img00000012",
            "labeled-data/mouse 1/img00000005.png,0.5,6.0,1,,,0\nlabeled-data/mouse 1/img00000012",
        )
    )
    assert not list(lightning.glob("labeled-data/*/*.csv"))
    assert (lightning / "labeled-data" / "mouse 1" / "img00000005.png").is_file()
    other = project.document("mouse 2")
    assert said(other) == {(3, 0): labelled(7, 8)}
    other.close()


def test_a_table_of_any_name_at_the_top_is_opened(lightning: Path) -> None:
    (lightning / "CollectedData.csv").rename(lightning / "labels.csv")
    (lightning / "config.yaml").write_text("data:\n  csv_file: labels.csv\n")
    document = Project.open(lightning / "labels.csv").document("mouse 2")
    assert said(document) == {(3, 0): labelled(7, 8)}
    document.close()


def test_places_of_occluded_points_are_not_learned_from(lightning: Path) -> None:
    labels = read_labels(lightning / "CollectedData.csv")
    assert labels.count == 2


# --- several animals ------------------------------------------------------------------------------


def test_a_project_of_several_animals_is_labelled_with_its_first(tmp_path: Path) -> None:
    root = tmp_path / "multi"
    folder = root / "labeled-data" / "mouse 1"
    images(folder, "img0003.png")
    (root / "config.yaml").write_text(
        "scorer: Ann\nmultianimalproject: true\nindividuals:\n- mouse\n- other\n"
        "multianimalbodyparts:\n- nose\nuniquebodyparts:\n- spout\nbodyparts: MULTI!\n"
    )
    project = Project.open(root)
    assert project.keypoints.names == ("nose", "spout")
    document = project.document("mouse 1", frame)
    place(document, (3, 0, labelled(1, 2)), (3, 1, labelled(3, 4)))
    document.save()
    document.close()
    table = pd.read_hdf(folder / "CollectedData_Ann.h5")
    assert [column[1:3] for column in table.columns][::2] == [
        ("mouse", "nose"),
        ("single", "spout"),
    ]
    with pytest.raises(LabelError, match="add keypoints to it in DeepLabCut"):
        project.change_keypoints(KeypointSet(("nose", "spout", "ear")))
    table[[("Ann", "other", "nose", coord) for coord in ("x", "y")]] = 5.0
    write_table(table, folder)
    document = project.document("mouse 1", frame)
    assert "holds points of several animals (mouse, single, other)" in document.problems[0]
    place(document, (3, 0, labelled(9, 9)))
    with pytest.raises(LabelError, match="several animals"):
        document.save()
    document.close()
