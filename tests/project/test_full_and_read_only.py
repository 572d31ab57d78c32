"""Disks that are full, folders that cannot be written to, drives that go away."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_vitface.errors import LabelError
from napari_vitface.pose.edits import make_edit
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import Point, labelled
from napari_vitface.project.document import LabelDocument
from napari_vitface.project.project import Project

from .conftest import KEYPOINTS, crash, deeplabcut_table, frame, place, said, write_table

posix = pytest.mark.skipif(os.name != "posix", reason="rights as POSIX has them")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("a small tmpfs can be mounted by root on Linux alone")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k,mode=777", "vitface-test", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def new_project(folder: Path) -> Project:
    project = Project.create(folder / "project", KEYPOINTS, "Ann B")
    (project.folder / "labeled-data" / "mouse 1").mkdir()
    project.reload()
    return project


def edit_until_refused(document: LabelDocument) -> tuple[dict[tuple[int, int], Point], str]:
    """Label until the disk takes no more; what was confirmed, and the sentence."""
    confirmed = said(document)
    for f in range(10_000):
        points = {(f, k): labelled(f + 0.123456789, k) for k in range(3)}
        edit = make_edit(document.labels, "place", points)
        if edit is None:
            continue
        try:
            document.do(edit)
        except LabelError as error:
            return confirmed, str(error)
        confirmed |= points
    raise AssertionError("the disk never got full")


def test_a_full_disk_refuses_the_edit_and_keeps_all_before(small_disk: Path) -> None:
    project = new_project(small_disk)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 300_000)
    document = project.document("mouse 1")
    confirmed, sentence = edit_until_refused(document)
    assert "The edit was not made" in sentence
    assert "No space left" in sentence
    assert said(document) == confirmed
    # A save needs room too: nothing is replaced, nothing lost.
    with pytest.raises(LabelError, match=r"not saved.*No space left.*everything before it is kept"):
        document.save()
    assert said(document) == confirmed
    assert document.unsaved
    assert list((project.folder / "labeled-data" / "mouse 1").iterdir()) == []
    crash(document)
    document = project.document("mouse 1")
    assert said(document) == confirmed
    # With room again all goes on.
    ballast.unlink()
    place(document, (20_000, 0, labelled(1, 2)))
    document.save()
    document.close()
    again = project.document("mouse 1")
    assert said(again) == confirmed | {(20_000, 0): labelled(1, 2)}
    again.close()


def test_a_disk_that_fills_up_while_saving_leaves_the_old_files(small_disk: Path) -> None:
    project = new_project(small_disk)
    document = project.document("mouse 1", lambda f: np.zeros((10, 10), np.uint8))
    place(document, (0, 0, labelled(1, 2)))
    document.save()
    folder = project.folder / "labeled-data" / "mouse 1"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    points = {(f, k): labelled(f + 0.123456789, k) for f in range(1, 400) for k in range(3)}
    edit = make_edit(document.labels, "accept", points)
    assert edit is not None
    document.do(edit)
    document.frame_reader = None
    room = shutil.disk_usage(small_disk).free
    # Room for the notes in the journal and a part of the files.
    (small_disk / "ballast").write_bytes(b"x" * (room - 60_000))
    with pytest.raises(LabelError, match="No space left"):
        document.save()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    crash(document)
    (small_disk / "ballast").unlink()
    document = project.document("mouse 1")
    assert said(document) == {(0, 0): labelled(1, 2)} | points
    document.save()
    document.close()


def test_a_drive_that_goes_away_and_comes_back(small_disk: Path) -> None:
    project = new_project(small_disk)
    document = project.document("mouse 1", frame)
    place(document, (0, 0, labelled(1, 2)))
    elsewhere = small_disk.with_name("elsewhere")
    elsewhere.mkdir()
    subprocess.run(["mount", "--move", str(small_disk), str(elsewhere)], capture_output=True)
    if (small_disk / "project").exists():
        subprocess.run(["mount", "--bind", str(small_disk), str(elsewhere)], check=True)
        subprocess.run(["umount", "-l", str(small_disk)], check=True)
    try:
        assert not (small_disk / "project").exists()
        with pytest.raises(LabelError, match="The edit was not made"):
            place(document, (1, 0, labelled(1, 2)))
        with pytest.raises(LabelError, match="is its drive connected"):
            document.save()
        assert said(document) == {(0, 0): labelled(1, 2)}
        assert list(small_disk.iterdir()) == []
    finally:
        subprocess.run(["mount", "--bind", str(elsewhere), str(small_disk)], check=True)
        subprocess.run(["umount", "-l", str(elsewhere)], check=True)
    place(document, (1, 0, labelled(1, 2)))
    document.save()
    document.close()
    again = project.document("mouse 1")
    assert said(again) == {(0, 0): labelled(1, 2), (1, 0): labelled(1, 2)}
    again.close()


@pytest.fixture
def read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of labels that nothing can be written into."""
    folder = tmp_path / "project" / "labeled-data" / "mouse 1"
    table = deeplabcut_table({"img0003.png": [(1, 2), (3, 4), (5, 6)]}, list(KEYPOINTS.names))
    write_table(table, folder)
    if os.name == "posix" and os.geteuid() != 0:
        for place in (folder, folder.parent, folder.parent.parent):
            place.chmod(0o555)
        yield folder
        for place in (folder.parent.parent, folder.parent, folder):
            place.chmod(0o755)
        return
    # Root may write anywhere, so the system's answer is played to it.
    make = Path.mkdir

    def refuse(self: Path, *args: object, **kwargs: object) -> None:
        if tmp_path / "project" in self.parents:
            raise PermissionError(13, "Permission denied", str(self))
        make(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", refuse)
    yield folder


def test_labels_in_a_read_only_folder_are_shown_and_not_edited(read_only: Path) -> None:
    project = Project.open(read_only)
    document = project.document("mouse 1")
    expected = {(3, k): labelled(2 * k + 1, 2 * k + 2) for k in range(3)}
    assert said(document) == expected
    assert "cannot be written to (Permission denied)" in document.read_only
    assert document.read_only in document.problems
    with pytest.raises(LabelError, match="make it writable or copy the project"):
        place(document, (3, 0, labelled(9, 9)))
    with pytest.raises(LabelError, match="make it writable or copy the project"):
        document.save()
    assert said(document) == expected
    assert not document.unsaved
    assert not document.history.can_undo
    document.close()
    assert not (project.folder / "vitface").exists()
    with pytest.raises(LabelError, match="cannot be written"):
        project.change_keypoints(
            KeypointSet(("snout", *KEYPOINTS.names[1:])), {KEYPOINTS.names[0]: "snout"}
        )


@posix
def test_a_folder_that_becomes_read_only_keeps_the_edits(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = project.document("mouse 1", frame)
    place(document, (3, 0, labelled(1, 2)))
    replace = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if "labeled-data" in str(target):
            raise PermissionError(13, "Permission denied", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(LabelError, match=r"not saved to .* \(Permission denied\); they stay in"):
        document.save()
    place(document, (4, 0, labelled(1, 2)))
    monkeypatch.undo()
    crash(document)
    document = project.document("mouse 1", frame)
    assert set(said(document)) == {(3, 0), (4, 0)}
    document.save()
    document.close()
