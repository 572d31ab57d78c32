"""Every journal has a name of its own, and those of older versions are found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from napari_vitface.errors import LabelError
from napari_vitface.pose.labels import labelled
from napari_vitface.project.document import LabelDocument
from napari_vitface.project.project import Project

from .conftest import crash, place, said


@pytest.fixture
def two(project: Project) -> Project:
    """A project with the videos "cam" and "cam.left"."""
    for name in ("cam", "cam.left"):
        (project.folder / "labeled-data" / name).mkdir()
    project.reload()
    return project


def label(project: Project, video: str, scorer: str | None, x: float) -> Path:
    """An edit that is not saved; the file that holds it."""
    document = project.document(video, scorer=scorer)
    place(document, (0, 0, labelled(x, 1)))
    crash(document)
    return document.journal.path


def labels(
    project: Project, video: str, scorer: str | None = None
) -> dict[tuple[int, int], object]:
    document: LabelDocument = project.document(video, scorer=scorer)
    found = said(document)
    crash(document)
    return found


def as_older_versions_named_it(project: Project, path: Path) -> Path:
    old = project.folder / "vitface" / "journal" / f"{path.stem}.left.jsonl"
    return path.rename(old)


def test_two_videos_do_not_take_each_others_labels(two: Project) -> None:
    paths = {
        label(two, "cam", "left", 1),
        label(two, "cam.left", None, 2),
        label(two, "cam", None, 3),
    }
    assert len(paths) == 3
    assert labels(two, "cam", "left") == {(0, 0): labelled(1, 1)}
    assert labels(two, "cam.left") == {(0, 0): labelled(2, 1)}
    assert labels(two, "cam") == {(0, 0): labelled(3, 1)}


@pytest.mark.parametrize(
    "first", [lambda p: labels(p, "cam", "left"), lambda p: labels(p, "cam.left")]
)
def test_a_journal_of_an_older_version_is_found(
    two: Project, first: Callable[[Project], object]
) -> None:
    as_older_versions_named_it(two, label(two, "cam", "left", 1))
    # Whichever of the two videos that have a claim to the name is opened first.
    first(two)
    assert labels(two, "cam.left") == {}
    assert labels(two, "cam", "left") == {(0, 0): labelled(1, 1)}


def test_a_journal_of_something_else_is_not_read_as_ours(two: Project) -> None:
    path = label(two, "cam", None, 1)
    path.rename(path.with_name("mouse 1.jsonl"))
    with pytest.raises(LabelError, match=r"holds edits of the video cam, not of mouse 1"):
        two.document("mouse 1")
