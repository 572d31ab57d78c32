"""Saving beside another program that changes the same files."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_vitface.errors import LabelError
from napari_vitface.pose.labels import ABSENT, NOT_VISIBLE, labelled, occluded
from napari_vitface.project.document import LabelDocument
from napari_vitface.project.journalled import ADOPTED
from napari_vitface.project.merge import SaveConflict
from napari_vitface.project.project import Project
from napari_vitface.project.table_changes import TableChanges

from .conftest import KEYPOINTS, crash, deeplabcut_table, frame, place, said, write_table

NAMES = list(KEYPOINTS.names)
NAN = (np.nan, np.nan)
START = {
    "img0003.png": [(1.0, 2.0), NAN, (3.0, 4.0)],
    "img0012.png": [(5.0, 6.0), (7.0, 8.0), NAN],
}


@pytest.fixture
def folder(project: Project) -> Path:
    """The video's folder, with labels that DeepLabCut wrote."""
    folder = project.folder / "labeled-data" / "mouse 1"
    write_table(deeplabcut_table(START, NAMES), folder)
    return folder


@pytest.fixture
def document(project: Project, folder: Path) -> LabelDocument:
    return project.document("mouse 1", frame)


def change(folder: Path, edit: Callable[[pd.DataFrame], None], kinds: str = "h5 csv") -> None:
    """Let another program change the table."""
    stem = folder / "CollectedData_Ann B"
    table = pd.read_hdf(f"{stem}.h5")
    edit(table)
    write_table(table, folder, tuple(kinds.split()))


def set_point(image: str, name: str, x: float, y: float) -> Callable[[pd.DataFrame], None]:
    def edit(table: pd.DataFrame) -> None:
        row = ("labeled-data", "mouse 1", image)
        table.loc[row, ("Ann B", name, "x")] = x
        table.loc[row, ("Ann B", name, "y")] = y

    return edit


def on_disk(folder: Path) -> pd.DataFrame:
    """The table, after seeing that both files hold the same."""
    binary = pd.read_hdf(folder / "CollectedData_Ann B.h5")
    text = pd.read_csv(
        folder / "CollectedData_Ann B.csv",
        header=list(range(binary.columns.nlevels)),
        index_col=list(range(binary.index.nlevels)),
    )
    np.testing.assert_array_equal(text.to_numpy(), binary.to_numpy())
    return binary


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- what only one side changed -------------------------------------------------------------------


def test_changes_of_both_sides_are_kept(document: LabelDocument, folder: Path) -> None:
    place(document, (3, 1, labelled(9, 9)), (20, 0, labelled(1, 1)))
    change(folder, set_point("img0012.png", "nose tip", 50, 60))
    change(folder, set_point("img0030.png", "lip", 70, 80))
    report = document.save()
    assert report.adopted == 2
    table = on_disk(folder)
    assert table.loc[("labeled-data", "mouse 1", "img0012.png")].tolist()[:2] == [50, 60]
    assert document.labels.point(12, 0) == labelled(50, 60)
    assert document.labels.point(30, 2) == labelled(70, 80)
    assert document.labels.point(3, 1) == labelled(9, 9)
    assert [row[2] for row in table.index] == [
        f"img00{number}.png" for number in ("03", "12", "20", "30")
    ]


def test_what_another_program_changed_can_be_undone(document: LabelDocument, folder: Path) -> None:
    change(folder, set_point("img0012.png", "nose tip", 50, 60))
    document.save()
    assert document.history.undo_text == ADOPTED
    document.undo()
    assert document.labels.point(12, 0) == labelled(5, 6)
    document.save()
    assert on_disk(folder).loc[("labeled-data", "mouse 1", "img0012.png")].tolist()[:2] == [5, 6]


def test_labels_that_another_program_changed_open_on_a_full_disk(
    document: LabelDocument, project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(document, (3, 1, labelled(9, 9)))
    crash(document)
    change(folder, set_point("img0012.png", "nose tip", 50, 60))
    change(folder, set_point("img0003.png", "nose tip", 70, 80))

    def fail(*args: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fail)
        again = project.document("mouse 1", frame)
    assert again.labels.point(3, 1) == labelled(9, 9)
    assert again.labels.point(12, 0) == labelled(50, 60)
    again.save()
    assert on_disk(folder).loc[("labeled-data", "mouse 1", "img0003.png")].tolist()[:4] == [
        70, 80, 9, 9
    ]  # fmt: skip


def test_a_point_that_another_program_deleted_is_gone(
    document: LabelDocument, folder: Path
) -> None:
    place(document, (3, 1, labelled(9, 9)))
    change(folder, set_point("img0012.png", "nose tip", np.nan, np.nan))
    document.save()
    assert document.labels.point(12, 0) == ABSENT


def test_an_occluded_point_that_another_program_places_is_labelled(
    document: LabelDocument, folder: Path
) -> None:
    place(document, (3, 1, occluded(9, 9)))
    document.save()
    change(folder, set_point("img0003.png", "left, ear", 50, 60))
    document.save()
    assert document.labels.point(3, 1) == labelled(50, 60)
    assert not (pd.read_csv(folder / "visibility_Ann B.csv", header=[0, 1, 2]).size)


def test_only_one_of_the_two_files_was_changed(document: LabelDocument, folder: Path) -> None:
    place(document, (3, 1, labelled(9, 9)))
    change(folder, set_point("img0012.png", "nose tip", 50, 60), "csv")
    document.save()
    assert document.labels.point(12, 0) == labelled(50, 60)
    assert on_disk(folder).loc[("labeled-data", "mouse 1", "img0012.png")].tolist()[:2] == [50, 60]


def test_rounding_by_another_program_is_no_change(document: LabelDocument, folder: Path) -> None:
    place(document, (3, 0, labelled(1 / 3, 2 / 3)))
    document.save()

    def round_off(table: pd.DataFrame) -> None:
        table[:] = table.to_numpy().astype(np.float32)

    change(folder, round_off)
    place(document, (3, 1, labelled(9, 9)))
    assert document.save().adopted == 0
    assert document.labels.point(3, 0) == labelled(1 / 3, 2 / 3)


def test_rows_columns_and_files_that_are_not_ours_stay(project: Project, folder: Path) -> None:
    stem = folder / "CollectedData_Ann B"
    table = pd.read_hdf(f"{stem}.h5")
    for coord in ("x", "y", "likelihood"):
        table["Ann B", "tail", coord] = [11.0, 12.0]
    table.loc[("labeled-data", "mouse 1", "no number.png")] = 13.0
    write_table(table, folder)
    write_table(deeplabcut_table(START, NAMES, scorer="Bob"), folder)
    bob = {path.name: path.read_bytes() for path in folder.glob("*_Bob*")}
    document = project.document("mouse 1", frame)
    assert any("name images which are no frames" in problem for problem in document.problems)
    place(document, (3, 1, labelled(9, 9)), (4, 0, labelled(1, 1)))
    document.save()
    after = on_disk(folder)
    assert after["Ann B", "tail"].iloc[1].isna().all()
    pd.testing.assert_frame_equal(
        after["Ann B", "tail"].loc[table.index].sort_index(), table["Ann B", "tail"].sort_index()
    )
    assert (after.loc[("labeled-data", "mouse 1", "no number.png")] == 13.0).all()
    assert {path.name: path.read_bytes() for path in folder.glob("*_Bob*")} == bob


def test_files_that_are_gone_do_not_mean_that_labels_were_deleted(
    document: LabelDocument, folder: Path
) -> None:
    place(document, (3, 1, NOT_VISIBLE))
    document.save()
    before = said(document)
    for path in folder.glob("*_Ann B*"):
        path.unlink()
    assert document.save().adopted == 0
    assert said(document) == before
    assert len(on_disk(folder)) == 2
    document.close()


# --- what both sides changed ----------------------------------------------------------------------


def test_a_conflict_is_shown_and_nothing_is_written(document: LabelDocument, folder: Path) -> None:
    place(document, (12, 0, labelled(9, 9)), (3, 1, labelled(1, 1)))
    change(folder, set_point("img0012.png", "nose tip", 50, 60))
    before = contents(folder)
    with pytest.raises(SaveConflict, match="nose tip in frame 12") as caught:
        document.save()
    (conflict,) = caught.value.conflicts
    assert (conflict.frame, conflict.keypoint, conflict.name) == (12, 0, "nose tip")
    assert conflict.ours == labelled(9, 9)
    assert conflict.theirs == labelled(50, 60)
    assert contents(folder) == before
    assert document.unsaved


def test_a_conflict_is_resolved_either_way(document: LabelDocument, folder: Path) -> None:
    place(document, (12, 0, labelled(9, 9)), (12, 1, labelled(9, 9)))
    change(folder, set_point("img0012.png", "nose tip", 50, 60))
    change(folder, set_point("img0012.png", "left, ear", 70, 80))
    with pytest.raises(SaveConflict) as caught:
        document.save()
    nose, ear = caught.value.conflicts
    document.resolve(nose, "ours")
    with pytest.raises(SaveConflict) as caught:
        document.save()
    assert caught.value.conflicts == (ear,)
    document.resolve(caught.value, "theirs")
    assert document.labels.point(12, 1) == labelled(70, 80)
    document.save()
    row = on_disk(folder).loc[("labeled-data", "mouse 1", "img0012.png")].tolist()
    assert row[:4] == [9, 9, 70, 80]
    document.undo()
    assert document.labels.point(12, 1) == labelled(9, 9)


def test_a_conflict_outlives_a_crash_and_so_does_its_resolution(
    project: Project, document: LabelDocument, folder: Path
) -> None:
    place(document, (12, 0, labelled(9, 9)))
    crash(document)
    change(folder, set_point("img0012.png", "nose tip", 50, 60))
    document = project.document("mouse 1", frame)
    assert document.labels.point(12, 0) == labelled(9, 9)
    with pytest.raises(SaveConflict) as caught:
        document.save()
    document.resolve(caught.value, "ours")
    crash(document)
    document = project.document("mouse 1", frame)
    document.save()
    assert on_disk(folder).loc[("labeled-data", "mouse 1", "img0012.png")].tolist()[:2] == [9, 9]


def test_an_edit_that_was_taken_back_is_none(document: LabelDocument, folder: Path) -> None:
    place(document, (12, 0, labelled(9, 9)))
    document.undo()
    change(folder, set_point("img0012.png", "nose tip", 50, 60))
    document.save()
    assert document.labels.point(12, 0) == labelled(50, 60)


def test_the_same_change_on_both_sides_is_no_conflict(
    document: LabelDocument, folder: Path
) -> None:
    place(document, (12, 0, labelled(50, 60)))
    change(folder, set_point("img0012.png", "nose tip", 50, 60))
    assert document.save().adopted == 0


def test_a_program_that_writes_while_we_do_is_noticed(
    document: LabelDocument, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading the files and replacing them, another program gets in once."""
    place(document, (3, 1, labelled(9, 9)))
    read = TableChanges.plan
    times = []

    def slow(self: object, *args: object) -> object:
        made = read(self, *args)  # type: ignore[arg-type]
        if not times:
            change(folder, set_point("img0012.png", "nose tip", 50, 60))
        times.append(1)
        return made

    monkeypatch.setattr(TableChanges, "plan", slow)
    document.save()
    assert len(times) == 2
    table = on_disk(folder)
    assert table.loc[("labeled-data", "mouse 1", "img0012.png")].tolist()[:2] == [50, 60]
    assert table.loc[("labeled-data", "mouse 1", "img0003.png")].tolist()[2:4] == [9, 9]


# --- files that disagree --------------------------------------------------------------------------


@pytest.mark.parametrize("choice", ["h5", "csv"])
def test_files_that_disagree_are_told_and_left_alone_until_one_is_chosen(
    project: Project, folder: Path, choice: str
) -> None:
    change(folder, set_point("img0012.png", "nose tip", 50, 60), "csv")
    document = project.document("mouse 1", frame)
    assert document.labels.point(12, 0) == labelled(5, 6)
    assert document.disagreement is not None
    assert document.disagreement.points == ((12, 0),)
    assert "do not hold the same labels (they differ in 1 point)" in document.problems[0]
    before = contents(folder)
    place(document, (3, 1, labelled(9, 9)))
    for _ in range(2):
        with pytest.raises(LabelError, match="nothing is saved until you choose"):
            document.save()
    assert contents(folder) == before
    document.choose(choice)  # type: ignore[arg-type]
    assert document.problems == ()
    document.save()
    expected = [5, 6] if choice == "h5" else [50, 60]
    row = on_disk(folder).loc[("labeled-data", "mouse 1", "img0012.png")].tolist()
    assert row[:2] == expected
    assert document.labels.point(12, 0) == labelled(*expected)
    other = {"h5": "csv", "csv": "h5"}[choice]
    (copy,) = (project.own_folder / "replaced").iterdir()
    assert copy.read_bytes() == before[f"CollectedData_Ann B.{other}"]


def test_a_choice_outlives_a_crash_before_it_is_saved(project: Project, folder: Path) -> None:
    change(folder, set_point("img0012.png", "nose tip", 50, 60), "csv")
    document = project.document("mouse 1", frame)
    document.choose("csv")
    crash(document)
    document = project.document("mouse 1", frame)
    assert document.disagreement is None
    assert document.labels.point(12, 0) == labelled(50, 60)
    document.save()
    assert on_disk(folder).loc[("labeled-data", "mouse 1", "img0012.png")].tolist()[:2] == [50, 60]


def test_a_file_that_cannot_be_read_is_not_replaced_until_the_other_is_chosen(
    project: Project, folder: Path
) -> None:
    broken = folder / "CollectedData_Ann B.h5"
    broken.write_bytes(b"not HDF5")
    document = project.document("mouse 1", frame)
    assert document.labels.point(12, 0) == labelled(5, 6)
    place(document, (3, 1, labelled(9, 9)))
    with pytest.raises(LabelError, match=r"h5 cannot be read.*choose CollectedData_Ann B\.csv"):
        document.save()
    assert broken.read_bytes() == b"not HDF5"
    with pytest.raises(LabelError, match="cannot be chosen"):
        document.choose("h5")
    document.choose("csv")
    document.save()
    assert len(on_disk(folder)) == 2
    document.close()


def test_without_any_readable_file_nothing_is_replaced(project: Project, folder: Path) -> None:
    for kind in ("h5", "csv"):
        (folder / f"CollectedData_Ann B.{kind}").write_bytes(b"broken")
    document = project.document("mouse 1", frame)
    place(document, (3, 1, labelled(9, 9)))
    with pytest.raises(LabelError, match="mend it or move it away"):
        document.save()
    assert (folder / "CollectedData_Ann B.csv").read_bytes() == b"broken"
    (folder / "CollectedData_Ann B.csv").unlink()
    (folder / "CollectedData_Ann B.h5").unlink()
    document.save()
    assert len(on_disk(folder)) == 1
    document.close()


def test_a_visibility_file_that_cannot_be_read_is_not_replaced(
    project: Project, folder: Path
) -> None:
    broken = folder / "visibility_Ann B.csv"
    broken.write_text("broken")
    document = project.document("mouse 1", frame)
    place(document, (3, 1, NOT_VISIBLE))
    with pytest.raises(LabelError, match=r"visibility_Ann B\.csv does not begin"):
        document.save()
    assert broken.read_text() == "broken"
    document.close()
