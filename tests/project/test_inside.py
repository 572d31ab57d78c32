"""Everything that is written stays in the project's folder, whatever its files say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from napari_vitface.errors import LabelError
from napari_vitface.jobs.training.train import train
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import labelled
from napari_vitface.project.journal import Journal
from napari_vitface.project.label_reading import read_labels
from napari_vitface.project.project import Project

from .conftest import KEYPOINTS, frame, place


@pytest.fixture
def outside(tmp_path: Path, project: Project) -> Iterator[Path]:
    """A folder beside the project, in which nothing may have changed at the end."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    before = sorted(tmp_path.iterdir())
    yield folder
    assert [file.name for file in folder.rglob("*")] == ["mine.txt"]
    assert (folder / "mine.txt").read_text() == "mine"
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("scorer", ["x/../../../outside/name", "..\\x", "a/b", "n" * 300])
def test_a_scorer_that_leads_elsewhere_is_refused(
    project: Project, outside: Path, scorer: str
) -> None:
    file = project.folder / "config.yaml"
    file.write_text(file.read_text().replace("scorer: Ann B", f"scorer: {json.dumps(scorer)}"))
    for read in (Project.open, read_labels):
        with pytest.raises(LabelError, match=r"The scorer .* in config\.yaml cannot be part"):
            read(project.folder)


def test_a_scorer_of_a_journal_that_leads_elsewhere_is_refused(
    project: Project, outside: Path
) -> None:
    document = project.document("mouse 1", frame)
    place(document, (3, 0, labelled(1, 2)))
    path = document.journal.path
    document.journal.close()
    journal = Journal(path, "the labels")
    header, entries = dict(journal.content.header), journal.content.entries
    journal.remove()
    journal.close()
    journal = Journal(path, "the labels")
    del header["vitface_journal"]
    journal.begin({**header, "scorer": "x/../../../outside/name"})
    for entry in entries:
        journal.append(entry)
    journal.close()
    with pytest.raises(LabelError, match="cannot be part of the names of files"):
        project.document("mouse 1", frame)


@pytest.mark.parametrize("name", ["..", "../../outside/x", "C:\\..\\..", ".", "/"])
def test_videos_that_lead_elsewhere_are_no_videos(
    project: Project, outside: Path, name: str
) -> None:
    file = project.folder / "config.yaml"
    text = file.read_text().replace("video_sets: {}", f"video_sets:\n  {json.dumps(name)}: {{}}")
    file.write_text(text)
    for entry in Project.open(project.folder).videos:
        assert entry.folder.parent == project.folder / "labeled-data"
        assert entry.folder.resolve().parent == (project.folder / "labeled-data").resolve()


@pytest.mark.parametrize("what", ["video", "labeled-data", "table", "image", "folder"])
def test_links_out_of_the_project_are_not_written_through(
    project: Project, outside: Path, what: str
) -> None:
    top = project.folder / "labeled-data"
    (top / "mouse 1").rmdir()
    if what == "video":
        (top / "mouse 1").symlink_to(outside, target_is_directory=True)
    elif what == "labeled-data":
        top.rmdir()
        top.symlink_to(outside, target_is_directory=True)
        file = project.folder / "config.yaml"
        file.write_text(file.read_text().replace("video_sets: {}", "video_sets: {mouse 1.mp4: {}}"))
    elif what == "table":
        (top / "mouse 1").mkdir()
        (top / "mouse 1" / "CollectedData_Ann B.csv").symlink_to(outside / "new.csv")
    elif what == "image":
        (top / "mouse 1").mkdir()
        (top / "mouse 1" / "img0003.png").symlink_to(outside / "new.png")
    else:
        (top / "mouse 1").symlink_to(Path("..") / ".." / "outside")
    project = Project.open(project.folder)
    document = project.document("mouse 1", frame)
    place(document, (3, 0, labelled(1, 2)))
    if what == "image":
        # The name is taken, and an image that is there is never written over.
        document.save()
    else:
        with pytest.raises(LabelError, match="leads out of the project"):
            document.save()
    assert document.labels.point(3, 0) == labelled(1, 2)
    document.close()


def test_links_of_our_own_folder_are_not_written_through(project: Project, outside: Path) -> None:
    for file in project.own_folder.rglob("*"):
        file.unlink()
    if project.own_folder.is_dir():
        project.own_folder.rmdir()
    project.own_folder.symlink_to(outside, target_is_directory=True)
    project = Project.open(project.folder)
    with pytest.raises(LabelError, match="leads out of the project"):
        project.document("mouse 1")
    with pytest.raises(LabelError, match="leads out of the project"):
        project.change_keypoints(KeypointSet((*KEYPOINTS.names, "tail")))
    with pytest.raises(LabelError, match="leads out of the project"):
        next(train(project.folder))


@pytest.mark.parametrize("suffix", ["jsonl", "lock"])
def test_links_of_the_journal_are_not_written_through(
    project: Project, outside: Path, suffix: str
) -> None:
    link = project.own_folder / "journal" / f"mouse 1.{suffix}"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside / "new")
    with pytest.raises(LabelError, match="leads out of the project"):
        project.document("mouse 1")


def test_a_link_within_the_project_is_followed(project: Project) -> None:
    top = project.folder / "labeled-data"
    (top / "mouse 1").rename(project.folder / "elsewhere")
    (top / "mouse 1").symlink_to(project.folder / "elsewhere", target_is_directory=True)
    document = project.document("mouse 1", frame)
    place(document, (3, 0, labelled(1, 2)))
    document.save()
    document.close()
    assert (project.folder / "elsewhere" / "CollectedData_Ann B.csv").is_file()


def test_an_interrupted_change_of_keypoints_that_leads_elsewhere_is_refused(
    project: Project, outside: Path
) -> None:
    intent = project.own_folder / "keypoints-change.json"
    intent.parent.mkdir(exist_ok=True)
    intent.write_text(
        json.dumps(
            {
                "new": KEYPOINTS.to_dict(),
                "renames": {},
                "appended": ["x"],
                "tables": {"../outside/mine.txt": ["nose tip"]},
            }
        )
    )
    with pytest.raises(LabelError, match="names tables outside the project"):
        Project.open(project.folder)
