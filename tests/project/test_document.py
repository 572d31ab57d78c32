from __future__ import annotations

import json
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from napari_vitface.errors import LabelError
from napari_vitface.pose.edits import PredictionEdit, make_edit
from napari_vitface.pose.labels import ABSENT, NOT_VISIBLE, labelled, occluded
from napari_vitface.project.project import Project

from .conftest import crash, frame, place, said

POINTS = {
    (3, 0): labelled(1 / 3, 2.5),
    (3, 1): NOT_VISIBLE,
    (12, 0): labelled(7, 8),
    (12, 2): occluded(0.1, 0.2),
}


def test_labels_are_saved_and_opened_again(project: Project) -> None:
    document = project.document("mouse 1", frame)
    for (f, k), point in POINTS.items():
        place(document, (f, k, point))
    assert document.unsaved
    report = document.save()
    assert not document.unsaved
    assert report.frames == 2
    assert {path.name for path in report.files} == {
        "CollectedData_Ann B.csv",
        "CollectedData_Ann B.h5",
        "visibility_Ann B.csv",
    }
    assert {path.name for path in report.images} == {"img0003.png", "img0012.png"}
    document.close()
    again = Project.open(project.folder).document("mouse 1")
    assert said(again) == POINTS
    assert again.problems == ()
    assert not again.unsaved
    again.close()


def test_unsaved_edits_are_there_after_a_crash_with_undo_and_redo(project: Project) -> None:
    document = project.document("mouse 1")
    place(document, (3, 0, labelled(1, 2)))
    place(document, (3, 1, NOT_VISIBLE))
    document.do(PredictionEdit("smooth", {"smooth": "median", "window": 5}))
    place(document, (5, 0, labelled(3, 4)))
    document.undo()
    expected = said(document)
    crash(document)
    again = project.document("mouse 1")
    assert said(again) == expected
    assert again.operations == [{"smooth": "median", "window": 5}]
    assert again.unsaved
    again.redo()
    assert again.labels.point(5, 0) == labelled(3, 4)
    for _ in range(4):
        assert again.undo() is not None
    assert said(again) == {}
    assert again.operations == []
    again.close()


def test_a_journal_that_speaks_of_frames_that_cannot_be_is_refused(project: Project) -> None:
    document = project.document("mouse 1")
    place(document, (77, 0, labelled(1, 2)))
    crash(document)
    (journal,) = (project.folder / "vitface" / "journal").glob("*.jsonl")
    lines = [json.loads(line)["line"] for line in journal.read_text().splitlines()]
    texts = [json.dumps(line).replace("[[77,", "[[-1,") for line in lines]
    assert any("[[-1," in text for text in texts)
    sealed = [f'{{"crc":"{crc32(text.encode()):08x}","line":{text}}}\n' for text in texts]
    journal.write_text("".join(sealed))
    with pytest.raises(LabelError, match="speaks of -1, 0, which is nothing"):
        project.document("mouse 1")


def test_undo_goes_on_after_saving_and_what_it_does_survives_a_crash(project: Project) -> None:
    document = project.document("mouse 1", frame)
    place(document, (3, 0, labelled(1, 2)))
    place(document, (3, 0, labelled(5, 6)))
    document.save()
    document.undo()
    assert document.labels.point(3, 0) == labelled(1, 2)
    assert document.unsaved
    crash(document)
    again = project.document("mouse 1", frame)
    assert again.labels.point(3, 0) == labelled(1, 2)
    again.redo()
    assert again.labels.point(3, 0) == labelled(5, 6)
    assert not again.unsaved
    again.close()


def test_operations_on_predictions_survive_a_save(project: Project) -> None:
    document = project.document("mouse 1", frame)
    document.do(PredictionEdit("smooth", {"smooth": "median"}))
    place(document, (3, 0, labelled(1, 2)))
    document.save()
    document.close()
    again = project.document("mouse 1")
    assert again.operations == [{"smooth": "median"}]
    again.close()


def test_a_second_window_is_kept_out_until_the_first_closes(project: Project) -> None:
    document = project.document("mouse 1")
    with pytest.raises(LabelError, match="already open in this window"):
        project.document("mouse 1")
    document.close()
    project.document("mouse 1").close()


def test_existing_images_are_never_written_over(project: Project) -> None:
    folder = project.folder / "labeled-data" / "mouse 1"
    Image.new("L", (8, 6), 77).save(folder / "img00012.png")
    document = project.document("mouse 1", frame)
    place(document, (12, 0, labelled(1, 2)), (3, 0, labelled(1, 2)))
    document.save()
    document.close()
    assert sorted(path.name for path in folder.glob("*.png")) == ["img00003.png", "img00012.png"]
    assert np.asarray(Image.open(folder / "img00012.png")).max() == 77
    assert np.asarray(Image.open(folder / "img00003.png")).tolist() == frame(3).tolist()
    table = pd.read_csv(folder / "CollectedData_Ann B.csv", header=[0, 1, 2], index_col=[0, 1, 2])
    assert [row[2] for row in table.index] == ["img00003.png", "img00012.png"]


def test_an_edit_costs_no_more_with_many_labelled_frames(project: Project) -> None:
    document = project.document("mouse 1", frame)
    many = {(f, 0): labelled(f, 1) for f in range(2000)}
    edit = make_edit(document.labels, "accept", many)
    assert edit is not None
    document.do(edit)
    before = document.journal.path.stat().st_size
    place(document, (5000, 1, labelled(1, 2)))
    assert document.journal.path.stat().st_size - before < 200
    document.close()


def test_taking_every_label_back_empties_the_files(project: Project, tmp_path: Path) -> None:
    document = project.document("mouse 1", frame)
    place(document, *((f, k, point) for (f, k), point in POINTS.items()))
    document.save()
    place(document, *((f, k, ABSENT) for f, k in POINTS))
    document.save()
    document.close()
    again = project.document("mouse 1")
    assert said(again) == {}
    again.close()
