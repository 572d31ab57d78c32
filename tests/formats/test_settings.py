"""What a project's settings say, in which encoding, and where what is ours is kept."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from napari_vitface.errors import LabelError
from napari_vitface.formats.config import read_config, write_config
from napari_vitface.formats.settings import read_settings, take_over
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.project.label_reading import read_labels
from napari_vitface.project.project import Project

NAMES = ("left", "right", "nose")
KEYPOINTS = KeypointSet(
    NAMES, (("left", "nose"),), (("left", "right"),), ("#ff0000", "#00ff00", "#0000ff")
)
#: Every key that DeepLabCut 3.0.2 knows; it refuses a file with any other.
DEEPLABCUT_3 = {
    "Task", "scorer", "date", "multianimalproject", "identity", "project_path", "pose_config_path",
    "engine", "video_sets", "bodyparts", "individuals", "uniquebodyparts", "multianimalbodyparts",
    "start", "stop", "numframes2pick", "skeleton", "skeleton_color", "pcutoff", "dotsize",
    "alphavalue", "colormap", "TrainingFraction", "iteration", "default_net_type",
    "default_augmenter", "default_track_method", "snapshotindex", "detector_snapshotindex",
    "batch_size", "detector_batch_size", "cropping", "x1", "x2", "y1", "y2", "corner2move2",
    "move2corner", "SuperAnimalConversionTables", "resnet", "croppedtraining", "config_version",
}  # fmt: skip


def keys(root: Path) -> set[str]:
    return set(yaml.safe_load((root / "config.yaml").read_text()))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Project.create(tmp_path / "project", KEYPOINTS, "Ann").folder


# --- our own file ---------------------------------------------------------------------------------


def test_config_holds_deeplabcut_s_keys_and_no_other(root: Path, tmp_path: Path) -> None:
    assert keys(root) <= DEEPLABCUT_3
    own = yaml.safe_load((root / "vitface" / "project.yaml").read_text())
    assert own == {"format": 1, "swaps": [["left", "right"]], "colours": list(KEYPOINTS.colours)}
    project = Project.open(root)
    assert project.keypoints == KEYPOINTS
    changed = KeypointSet((*NAMES, "lip"), swaps=(("left", "right"), ("nose", "lip")))
    project.change_keypoints(changed)
    assert keys(root) <= DEEPLABCUT_3
    assert Project.open(root).keypoints.swaps == changed.swaps


@pytest.mark.parametrize("also", ["", "format: 1\nswaps: [[nose, left]]\nevents: [kept]\n"])
def test_what_older_versions_kept_in_config_moves(root: Path, also: str) -> None:
    own_file = root / "vitface" / "project.yaml"
    own_file.unlink()
    if also:
        own_file.write_text(also)
    config = root / "config.yaml"
    older = "vitface:\n  swaps:\n  - [left, right]\n  colours: ['#ff0000', '#00ff00', '#0000ff']\n"
    config.write_text(f"{config.read_text()}# mine\n{older}")
    before = read_settings(root)
    assert before.keypoints(NAMES) == KEYPOINTS
    project = Project.open(root)
    assert project.keypoints == KEYPOINTS
    assert project.problems == ()
    assert keys(root) <= DEEPLABCUT_3
    assert "# Where the project is" in config.read_text()
    own = yaml.safe_load(own_file.read_text())
    assert own["swaps"] == [["left", "right"]]
    assert own.get("events") == (["kept"] if also else None)
    assert Project.open(root).keypoints == KEYPOINTS


def test_what_older_versions_kept_in_their_own_file_moves(tmp_path: Path) -> None:
    folder = tmp_path / "labeled-data" / "cam"
    folder.mkdir(parents=True)
    (folder / "CollectedData_Ann.csv").write_text(
        "scorer,Ann,Ann,Ann,Ann\nbodyparts,left,left,right,right\ncoords,x,y,x,y\n"
    )
    older = tmp_path / "vitface" / "keypoints.yaml"
    older.parent.mkdir()
    older.write_text(
        "bodyparts: [left, right]\nskeleton: [[left, right]]\nvitface:\n  swaps: [[left, right]]\n"
    )
    expected = KeypointSet(("left", "right"), (("left", "right"),), (("left", "right"),))
    assert read_labels(tmp_path).keypoints == expected
    assert Project.open(tmp_path).keypoints == expected
    assert not older.exists()
    assert Project.open(tmp_path).keypoints == expected
    assert read_labels(tmp_path).keypoints == expected


def test_a_project_opens_where_nothing_can_be_moved(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "vitface" / "project.yaml").unlink()
    config = root / "config.yaml"
    config.write_text(f"{config.read_text()}vitface:\n  swaps:\n  - [left, right]\n")

    def refuse(*_: object) -> None:
        raise LabelError("read-only")

    monkeypatch.setattr("napari_vitface.formats.settings.write_config", refuse)
    assert Project.open(root).keypoints.swaps == (("left", "right"),)
    with pytest.raises(LabelError, match="read-only"):
        take_over(root)
    assert "vitface" in keys(root)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, ""),
        ("swaps: [", "project.yaml cannot be read"),
        ("just text", "is not a list of settings"),
        ("format: 99\nswaps: [[left, right]]\n", "was written by a newer version"),
    ],
)
def test_a_project_opens_without_a_usable_file_of_ours(
    root: Path, content: str | None, sentence: str
) -> None:
    own_file = root / "vitface" / "project.yaml"
    own_file.unlink()
    if content is not None:
        own_file.write_text(content)
    project = Project.open(root)
    assert project.keypoints.names == NAMES
    assert project.keypoints.swaps == ()
    assert [sentence in problem for problem in project.problems] == [True] * bool(sentence)
    new = KeypointSet(NAMES, swaps=(("left", "right"),))
    if "newer" in sentence:
        with pytest.raises(LabelError, match="newer version"):
            project.change_keypoints(new)
        assert own_file.read_text() == content
        return
    project.change_keypoints(new)
    assert Project.open(root).keypoints.swaps == new.swaps
    damaged = own_file.with_name("project.yaml.damaged")
    assert damaged.exists() == bool(sentence)
    if sentence:
        assert damaged.read_text() == content


# --- encodings ------------------------------------------------------------------------------------


def labelled_project(root: Path, scorer: str, encoding: str) -> None:
    folder = root / "labeled-data" / "cam"
    folder.mkdir(parents=True)
    (folder / f"CollectedData_{scorer}.csv").write_text(
        f"scorer,{scorer},{scorer}\nbodyparts,nose,nose\ncoords,x,y\n", encoding="utf-8"
    )
    text = f"Task: t\nscorer: {scorer}\ndate: J\nbodyparts:\n- nose\nvideo_sets: {{}}  # {scorer}\n"
    (root / "config.yaml").write_bytes(text.encode(encoding))


@pytest.mark.parametrize(
    ("scorer", "encoding"),
    [
        ("Müller", "utf-8"),
        ("Müller", "utf-8-sig"),
        ("Müller", "cp1252"),
        ("Müller", "utf-16"),
        ("Müller", "utf-16-le"),
        ("李小龙", "gb18030"),
        ("李", "gb18030"),
        ("山田", "cp932"),
        ("김철수", "cp949"),
        ("Łukasz", "cp1250"),
        ("Иван", "cp1251"),
    ],
)
def test_a_config_in_another_encoding_is_read_and_stays_in_it(
    tmp_path: Path, scorer: str, encoding: str
) -> None:
    labelled_project(tmp_path, scorer, encoding)
    project = Project.open(tmp_path)
    assert project.scorer == scorer
    project.change_keypoints(KeypointSet(("nose", "lip"), (("nose", "lip"),)))
    content = (tmp_path / "config.yaml").read_bytes()
    text = content.decode("utf-16" if "16" in encoding else encoding)
    assert text.count(scorer) == 2
    assert Project.open(tmp_path).keypoints.skeleton == (("nose", "lip"),)


def test_an_encoding_that_cannot_be_told_is_named(tmp_path: Path) -> None:
    labelled_project(tmp_path, "Ann", "utf-8")
    file = tmp_path / "config.yaml"
    file.write_bytes("Task: t\nscorer: 李小龙\nbodyparts: [nose]\n".encode("gb18030"))
    with pytest.raises(LabelError, match="not in UTF-8 and its encoding cannot be told") as caught:
        Project.open(tmp_path)
    assert str(file) in str(caught.value)


# --- hostile files --------------------------------------------------------------------------------

HOSTILE = {
    "a date that is none": "date: 2024-02-30\n",
    "a time that is none": "date: 2024-13-45T99:99:99\n",
    "lists in lists": "a: " + "[" * 20_000,
    "maps in maps": "a: " + "{a: " * 5_000,
    "an alias bomb": "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 20)),
    "a number of many digits": "a: " + "9" * 10_000,
    "a tag that would run something": "a: !!binary zzz\n",
    "no text": "a: \0\n",
    "more than a project has": "a:\n" + "- 12345\n" * 80_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_config_ends_soon_in_one_sentence(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(HOSTILE[kind])
    start = time.process_time()
    with pytest.raises(LabelError, match="cannot be read") as caught:
        read_config(file)
    assert time.process_time() - start < 30
    assert "\n" not in str(caught.value)


def test_settings_are_written_as_they_were_read(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    text = "# first\nb: 'x'   # why\na:\n- 1\n- \"two\"\n"
    file.write_text(text)
    write_config(file, read_config(file))
    assert file.read_text() == text


def test_hundreds_of_open_brackets_are_refused_unread(tmp_path: Path) -> None:
    """The parser takes seconds for them, in a file of some kilobytes."""
    path = tmp_path / "config.yaml"
    path.write_text("a: " + "[" * 250 + "]" * 250)
    with pytest.raises(LabelError, match="nested too deeply"):
        read_config(path)
    path.write_text("a: [" + "[1], " * 250 + "]")
    assert len(read_config(path)["a"]) == 250
