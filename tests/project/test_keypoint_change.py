from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from napari_vitface.errors import LabelError
from napari_vitface.formats.config import read_config
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import NOT_VISIBLE, labelled
from napari_vitface.project.project import Project

from .conftest import crash, deeplabcut_table, frame, place, said, write_table

NAMES = ["ear left", "ear right", "lip"]
OLD = KeypointSet(tuple(NAMES), skeleton=(("ear left", "lip"),), swaps=(("ear left", "ear right"),))
TABLE = {"img0003.png": [(1.0, 2.0), (3.0, 4.0), (5.0, 6.0)]}
LABELS = {(3, k): labelled(2 * k + 1, 2 * k + 2) for k in range(3)}

#: New names: one renamed and one added; and two that take each other's name.
CHANGES = {
    "rename and append": (("ear left", "ear right", "mouth", "chin"), {"lip": "mouth"}),
    "trade names": (
        ("ear right", "ear left", "lip"),
        {"ear left": "ear right", "ear right": "ear left"},
    ),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two videos, two scorers, a comment in the settings."""
    project = Project.create(tmp_path / "project", OLD, "Ann")
    config = project.folder / "config.yaml"
    config.write_text(config.read_text().replace("- lip\n", "- lip   # the lower one\n", 1))
    for video in ("mouse 1", "mouse 2"):
        for scorer in ("Ann", "Bob"):
            table = deeplabcut_table(TABLE, NAMES, scorer=scorer, video=video)
            write_table(table, project.folder / "labeled-data" / video)
    project.reload()
    return project


def new_set(what: str) -> tuple[KeypointSet, dict[str, str]]:
    names, renames = CHANGES[what]
    first = names[0]
    return KeypointSet(names, skeleton=((first, names[2]),), colours=("#101010",) * len(names)), (
        renames
    )


def assert_changed(root: Path, new: KeypointSet) -> None:
    """The project, as opened anew, and every table have the new names and the old labels."""
    project = Project.open(root)
    assert project.problems == ()
    assert project.keypoints == new
    for video in ("mouse 1", "mouse 2"):
        folder = root / "labeled-data" / video
        for scorer in ("Ann", "Bob"):
            table = pd.read_hdf(folder / f"CollectedData_{scorer}.h5")
            text = pd.read_csv(
                folder / f"CollectedData_{scorer}.csv", header=[0, 1, 2], index_col=[0, 1, 2]
            )
            assert list(text.columns) == list(table.columns)
            parts = list(dict.fromkeys(table.columns.get_level_values("bodyparts")))
            assert parts == list(new.names)
            assert table.to_numpy()[0, :6].tolist() == [1, 2, 3, 4, 5, 6]
        document = project.document(video)
        assert {place: point for place, point in said(document).items() if place in LABELS} == (
            LABELS
        )
        document.close()
    assert not (root / "vitface" / "keypoints-change.json").exists()


class Killed(BaseException):
    pass


@contextmanager
def dying_at_rename(number: int, after: bool) -> Iterator[list[int]]:
    original = Path.replace
    count = [0]

    def replace(self: Path, target: Any) -> Path:
        count[0] += 1
        if count[0] < number:
            return original(self, target)
        if after and count[0] == number:
            original(self, target)
        raise Killed

    Path.replace = replace  # type: ignore[method-assign,assignment]
    try:
        yield count
    finally:
        Path.replace = original  # type: ignore[method-assign]


@pytest.mark.parametrize("what", CHANGES)
def test_keypoints_are_changed_in_every_video_and_for_every_scorer(
    project: Project, what: str
) -> None:
    new, renames = new_set(what)
    document = project.document("mouse 1", frame)
    place(document, (9, 0, labelled(7, 7)), (9, 1, NOT_VISIBLE))
    project.change_keypoints(new, renames)
    assert document.keypoints == new
    assert document.labels.point(9, 0) == labelled(7, 7)
    document.undo()
    document.redo()
    last = len(new) - 1
    place(document, (9, last, labelled(8, 8)))
    crash(document)
    again = project.document("mouse 1", frame)
    assert said(again) == LABELS | {
        (9, 0): labelled(7, 7),
        (9, 1): NOT_VISIBLE,
        (9, last): labelled(8, 8),
    }
    again.save()
    again.close()
    assert_changed(project.folder, new)
    text = (project.folder / "config.yaml").read_text()
    assert "# the lower one" in text
    assert read_config(project.folder / "config.yaml")["skeleton"] == [list(new.skeleton[0])]


@pytest.mark.parametrize("what", CHANGES)
def test_edits_of_labels_that_are_closed_keep_their_keypoints(project: Project, what: str) -> None:
    document = project.document("mouse 2", frame)
    place(document, (9, 0, labelled(7, 7)))
    crash(document)
    new, renames = new_set(what)
    project.change_keypoints(new, renames)
    again = project.document("mouse 2", frame)
    assert again.labels.point(9, 0) == labelled(7, 7)
    again.save()
    again.close()
    assert_changed(project.folder, new)


@pytest.mark.parametrize(("what", "after"), list(zip(CHANGES, (False, True), strict=True)))
def test_a_crash_at_any_moment_leaves_the_change_done_or_not_done(
    project: Project, what: str, after: bool
) -> None:
    new, renames = new_set(what)
    document = project.document("mouse 1", frame)
    place(document, (9, 0, labelled(7, 7)))
    crash(document)
    for number in range(1, 100):
        copy = project.folder.with_name(f"copy {number}")
        shutil.copytree(project.folder, copy)
        victim = Project.open(copy)
        with dying_at_rename(number, after) as count, suppress(Killed):
            victim.change_keypoints(new, renames)
        again = Project.open(copy)
        document = again.document("mouse 1", frame)
        assert document.labels.point(9, 0) == labelled(7, 7)
        document.close()
        if again.keypoints == OLD:
            # What was to be done had not been noted down yet.
            assert (number, after) == (1, False)
        else:
            assert_changed(copy, new)
        if count[0] < number:
            break
    # The note, eight tables and the settings.
    assert number > 10


def test_a_change_that_does_not_fit_on_the_disk_is_completed_before_saving(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, renames = new_set("rename and append")
    document = project.document("mouse 1", frame)
    place(document, (9, 0, labelled(7, 7)))
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if "mouse 2" in str(target):
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(LabelError, match=r"No space left.*completed when .* opened or saved next"):
        project.change_keypoints(new, renames)
    assert document.keypoints == new
    with pytest.raises(LabelError, match="cut short and cannot be completed"):
        document.save()
    monkeypatch.undo()
    document.save()
    document.close()
    assert_changed(project.folder, new)


def test_skeleton_swaps_and_colours_change_without_touching_tables(project: Project) -> None:
    before = {path: path.read_bytes() for path in project.folder.rglob("CollectedData*")}
    new = KeypointSet(OLD.names, skeleton=(("ear right", "lip"),), colours=("#aabbcc",) * 3)
    project.change_keypoints(new)
    assert Project.open(project.folder).keypoints == new
    assert {path: path.read_bytes() for path in before} == before
    # Without any edge, too.
    bare = KeypointSet(OLD.names, colours=new.colours)
    project.change_keypoints(bare)
    assert Project.open(project.folder).keypoints == bare


def test_what_the_settings_say_besides_stays(project: Project) -> None:
    config = project.folder / "config.yaml"
    text = config.read_text()
    text = text.replace("skeleton:\n", "skeleton:\n- [all of it]\n", 1)
    config.write_text(text + "unknown: {deep: [1, 2]}   # theirs\n")
    new, renames = new_set("rename and append")
    Project.open(project.folder).change_keypoints(new, renames)
    changed = config.read_text()
    assert "unknown: {deep: [1, 2]}   # theirs\n" in changed
    assert read_config(config)["skeleton"] == [["ear left", "mouth"], ["all of it"]]


def test_taking_keypoints_away_or_moving_them_is_refused(project: Project) -> None:
    for names in (("ear left", "lip"), ("lip", "ear left", "ear right")):
        with pytest.raises(LabelError, match="taking one away or changing their order"):
            project.change_keypoints(KeypointSet(names))
    with pytest.raises(LabelError, match="no keypoint 'nose' to rename"):
        project.change_keypoints(OLD, {"nose": "snout"})
    assert Project.open(project.folder).keypoints == OLD


def test_bare_label_folders_keep_their_keypoints_beside_them(tmp_path: Path) -> None:
    folder = tmp_path / "labeled-data" / "mouse 1"
    write_table(deeplabcut_table(TABLE, NAMES, scorer="Ann"), folder)
    new, renames = new_set("rename and append")
    Project.open(folder).change_keypoints(new, renames)
    again = Project.open(folder)
    assert again.keypoints == new
    document = again.document("mouse 1")
    assert said(document) == LABELS
    document.close()


def test_a_table_that_cannot_be_read_stops_the_change(project: Project) -> None:
    broken = project.folder / "labeled-data" / "mouse 2" / "CollectedData_Bob.csv"
    broken.write_text("broken")
    before = {path: path.read_bytes() for path in project.folder.rglob("*.*")}
    new, renames = new_set("rename and append")
    with pytest.raises(LabelError, match=r"CollectedData_Bob\.csv"):
        project.change_keypoints(new, renames)
    after = {path: path.read_bytes() for path in before}
    assert after == before
    assert Project.open(project.folder).keypoints == OLD


def test_bodyparts_that_another_program_reordered_keep_their_unsaved_edits(
    project: Project,
) -> None:
    document = project.document("mouse 1", frame)
    place(document, (9, 0, labelled(7, 7)))
    crash(document)
    config = project.folder / "config.yaml"
    text = config.read_text().replace("- ear left\n- ear right\n", "- ear right\n- ear left\n")
    config.write_text(text)
    again = project.document("mouse 1", frame)
    assert again.keypoints.names == ("ear right", "ear left", "lip")
    assert again.labels.point(9, 1) == labelled(7, 7)
    assert again.labels.point(3, 0) == labelled(3, 4)
    again.save()
    again.close()
    table = pd.read_hdf(project.folder / "labeled-data" / "mouse 1" / "CollectedData_Ann.h5")
    assert table["Ann", "ear left", "x"].tolist() == [1, 7]


def test_unsaved_edits_of_a_body_part_that_was_removed_are_not_given_to_another(
    project: Project,
) -> None:
    document = project.document("mouse 1", frame)
    place(document, (9, 2, labelled(7, 7)))
    crash(document)
    config = project.folder / "config.yaml"
    text = config.read_text()
    config.write_text(text.replace("- lip   # the lower one\n", "", 1))
    with pytest.raises(LabelError, match="holds unsaved edits of lip, which is no keypoint"):
        project.document("mouse 1", frame)
    config.write_text(text)
    again = project.document("mouse 1", frame)
    assert again.labels.point(9, 2) == labelled(7, 7)
    again.close()
