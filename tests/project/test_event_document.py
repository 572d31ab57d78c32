"""The events of a video: journal, undo, saving into what other programs wrote."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from napari_vitface.errors import LabelError
from napari_vitface.events.format import read_events, write_events
from napari_vitface.events.intervals import EventEdit, Events, Interval, make_edit
from napari_vitface.events.merge import EventsConflict, merge
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.project.event_document import EventDocument
from napari_vitface.project.journalled import ADOPTED
from napari_vitface.project.project import Project

A, B, C = Interval(10, 20, "groom"), Interval(30, 40, "groom"), Interval(12, 12, "lick")
TABLE = Path("vitface") / "events" / "mouse 1.tsv"


def change(document: EventDocument, *add: Interval, remove: tuple[Interval, ...] = ()) -> None:
    edit = make_edit(document.events, "change", remove=remove, add=add)
    assert edit is not None
    document.do(edit)


def crash(document: EventDocument) -> None:
    """What is left after the process died: the files, and no lock."""
    document.journal.close()


# --- merging --------------------------------------------------------------------------------------


def test_what_one_side_changed_is_taken_from_it() -> None:
    moved = Interval(31, 45, "groom")
    outcome = merge([A, B], [A, B, C], [A, moved])
    assert (outcome.gone, outcome.new, outcome.conflicts) == ({B}, {moved}, [])
    outcome = merge([A, B], [A, moved, C], [A, B])
    assert (outcome.gone, outcome.new, outcome.conflicts) == (set(), set(), [])


def test_what_both_changed_alike_is_none() -> None:
    assert merge([A], [A, B], [A, B]).conflicts == []


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([Interval(10, 22, "groom")], [Interval(8, 20, "groom")]),
        ([], [Interval(8, 20, "groom")]),
        ([Interval(10, 22, "groom")], []),
    ],
)
def test_what_both_changed_differently_is_a_conflict(
    ours: list[Interval], theirs: list[Interval]
) -> None:
    (conflict,) = merge([A, B], [*ours, B], [*theirs, B]).conflicts
    assert conflict.label == "groom"
    assert conflict.base == {A}
    assert (conflict.ours, conflict.theirs) == (set(ours), set(theirs))


def test_events_of_other_labels_and_behind_each_other_are_apart() -> None:
    behind, other = Interval(20, 25, "groom"), Interval(15, 18, "rest")
    outcome = merge([A], [A, behind], [A, other, C])
    assert (outcome.new, outcome.conflicts) == ({other, C}, [])


INTERVALS = st.builds(
    lambda onset, length, label: Interval(onset, onset + length, label),
    st.integers(0, 25),
    st.integers(0, 6),
    st.sampled_from(["groom", "lick"]),
)


# --- documents ------------------------------------------------------------------------------------


def test_events_are_kept_in_the_project(project: Project) -> None:
    document = project.events("mouse 1")
    change(document, A, C)
    assert document.unsaved
    assert document.save() == 0
    assert not document.unsaved
    document.close()
    table = project.folder / TABLE
    assert table.read_text() == ("onset_frame\toffset_frame\tlabel\n10\t20\tgroom\n12\t12\tlick\n")
    again = project.events("mouse 1")
    assert list(again.events) == [A, C]
    assert not again.history.can_undo
    again.close()
    assert not list((project.folder / "vitface" / "journal" / "events").glob("*.jsonl"))


def test_edits_that_were_not_saved_are_found_again_with_their_undo(project: Project) -> None:
    document = project.events("mouse 1")
    change(document, A)
    document.save()
    change(document, B, remove=(A,))
    change(document, C)
    document.undo()
    crash(document)
    assert read_events(project.folder / TABLE) == (A,)
    again = project.events("mouse 1")
    assert list(again.events) == [B]
    assert again.unsaved
    assert (again.history.undo_text, again.history.redo_text) == ("change", "change")
    again.redo()
    assert again.events == Events([B, C])
    again.undo()
    again.undo()
    assert list(again.events) == [A]
    again.close()


def test_an_undo_of_what_was_saved_is_found_again(project: Project) -> None:
    document = project.events("mouse 1")
    change(document, A)
    document.save()
    document.undo()
    crash(document)
    again = project.events("mouse 1")
    assert list(again.events) == []
    assert again.unsaved
    again.save()
    assert read_events(project.folder / TABLE) == ()
    again.close()


def test_a_stale_edit_is_refused(project: Project) -> None:
    document = project.events("mouse 1")
    change(document, A)
    with pytest.raises(LabelError, match="have changed meanwhile"):
        document.do(EventEdit("drag", (B,), (C,)))
    with pytest.raises(LabelError, match="have changed meanwhile"):
        document.do(EventEdit("draw", (), (A,)))
    assert list(document.events) == [A]
    document.close()


def test_what_another_program_wrote_is_taken_over(project: Project) -> None:
    document = project.events("mouse 1")
    change(document, A)
    document.save()
    write_events(project.folder / TABLE, [A, B])
    change(document, C)
    assert document.save() == 1
    assert list(document.events) == sorted([A, B, C])
    assert read_events(project.folder / TABLE) == tuple(sorted([A, B, C]))
    assert document.history.undo_text == ADOPTED
    document.undo()
    crash(document)
    again = project.events("mouse 1")
    assert list(again.events) == sorted([A, C])
    again.close()


@pytest.mark.parametrize("keep", ["ours", "theirs"])
@pytest.mark.parametrize("crashes", [False, True])
def test_a_conflict_is_decided_by_a_person(project: Project, keep: str, crashes: bool) -> None:
    ours, theirs = Interval(10, 25, "groom"), Interval(5, 20, "groom")
    document = project.events("mouse 1")
    change(document, A)
    document.save()
    change(document, ours, remove=(A,))
    write_events(project.folder / TABLE, [theirs])
    with pytest.raises(EventsConflict, match="groom about frame 5") as raised:
        document.save()
    assert read_events(project.folder / TABLE) == (theirs,)
    document.resolve(raised.value, keep)  # type: ignore[arg-type]
    if crashes:
        crash(document)
        document = project.events("mouse 1")
    document.save()
    assert read_events(project.folder / TABLE) == (ours if keep == "ours" else theirs,)
    document.close()


def test_a_table_that_is_gone_takes_nothing_along(project: Project) -> None:
    document = project.events("mouse 1")
    change(document, A)
    document.save()
    (project.folder / TABLE).unlink()
    change(document, B)
    document.save()
    assert read_events(project.folder / TABLE) == (A, B)
    document.close()


def test_two_windows_do_not_edit_the_same_events(project: Project) -> None:
    document = project.events("mouse 1")
    with pytest.raises(LabelError, match="events of mouse 1 are already open in this window"):
        project.events("mouse 1")
    # Labels of it can be edited at the same time.
    project.document("mouse 1").close()
    document.close()
    project.events("mouse 1").close()
    with pytest.raises(LabelError, match="nobody is not in the project"):
        project.events("nobody")


def test_a_full_disk_refuses_the_edit(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    document = project.events("mouse 1")
    change(document, A)

    def fail(*args: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fail)
        with pytest.raises(LabelError, match="The edit was not made"):
            change(document, B)
    assert list(document.events) == [A]
    crash(document)
    again = project.events("mouse 1")
    assert list(again.events) == [A]
    again.close()


@pytest.mark.parametrize("crashes_again", [False, True])
def test_an_event_saved_in_a_crash_and_undone_stays_undone(
    project: Project, monkeypatch: pytest.MonkeyPatch, crashes_again: bool
) -> None:
    document = project.events("mouse 1")
    edit = make_edit(document.events, "add", add=[A])
    assert edit is not None
    document.do(edit)

    def dies(header: object) -> None:
        raise Killed

    # The table is written, and the journal still holds the edit.
    monkeypatch.setattr(document.journal, "restart", dies)
    with pytest.raises(Killed):
        document.save()
    crash(document)
    again = project.events("mouse 1")
    assert (list(again.events), again.unsaved) == ([A], False)
    again.undo()
    if crashes_again:
        crash(again)
        again = project.events("mouse 1")
    assert (list(again.events), again.unsaved) == ([], True)
    assert again.save() == 0
    assert read_events(project.folder / TABLE) == ()
    again.close()


@pytest.mark.parametrize("changed", [False, True])
def test_events_open_on_a_full_disk(
    project: Project, monkeypatch: pytest.MonkeyPatch, changed: bool
) -> None:
    document = project.events("mouse 1")
    change(document, A)
    crash(document)
    # The file has the journal's events: the process died while saving. Or another program's too.
    (project.folder / TABLE).parent.mkdir()
    write_events(project.folder / TABLE, {A, C} if changed else {A})

    def fail(*args: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fail)
        again = project.events("mouse 1")
    assert list(again.events) == [A]
    assert "No space left on device" in again.problems[0]
    again.undo()
    crash(again)
    again = project.events("mouse 1")
    again.save()
    assert read_events(project.folder / TABLE) == ((C,) if changed else ())
    again.close()


@pytest.mark.parametrize("crashes", [False, True])
def test_an_event_undone_stays_undone_though_the_journal_was_not_begun_anew(
    project: Project, monkeypatch: pytest.MonkeyPatch, crashes: bool
) -> None:
    document = project.events("mouse 1")
    change(document, A)

    def fail(header: object) -> None:
        raise LabelError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(document.journal, "restart", fail)
        document.save()
        change(document, B)
        document.save()
    assert read_events(project.folder / TABLE) == (A, B)
    document.undo()
    document.undo()
    if crashes:
        crash(document)
        document = project.events("mouse 1")
    assert (list(document.events), document.unsaved) == ([], True)
    document.save()
    assert read_events(project.folder / TABLE) == ()
    document.close()


@pytest.mark.parametrize("content", ["{}", "onset_frame\tlabel\nx\tgroom\n"])
def test_a_damaged_table_is_said(project: Project, content: str) -> None:
    table = project.folder / TABLE
    table.parent.mkdir(parents=True)
    table.write_text(content)
    with pytest.raises(LabelError, match=r"mouse 1\.tsv"):
        project.events("mouse 1")
    # And it is not left locked.
    table.unlink()
    project.events("mouse 1").close()


def test_a_foreign_journal_is_said(project: Project) -> None:
    document = project.events("mouse 1")
    document.journal.append({"accept": []})
    crash(document)
    with pytest.raises(LabelError, match="holds an edit that is none"):
        project.events("mouse 1")


# --- whatever happens -----------------------------------------------------------------------------


class Killed(BaseException):
    """The process died here."""


class Annotating(RuleBasedStateMachine):
    """Edits, undos, saves, crashes in the middle of them, and another program: nothing is lost."""

    @initialize()
    def begin(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="vitface-events-"))
        self.project = Project.create(self.root / "project", KeypointSet(("nose",)), "Ann")
        (self.project.folder / "labeled-data" / "m").mkdir()
        self.project.reload()
        self.table = self.project.folder / "vitface" / "events" / "m.tsv"
        self.expected: set[Interval] = set()
        self.document = self.project.events("m")

    @rule(add=st.lists(INTERVALS, max_size=2), remove=st.lists(st.integers(0, 20), max_size=2))
    def edit(self, add: list[Interval], remove: list[int]) -> None:
        there = list(self.document.events)
        out = [there[i] for i in remove if i < len(there)]
        edit = make_edit(self.document.events, "change", remove=out, add=add)
        if edit is not None:
            self.document.do(edit)
            self.expected = (self.expected - set(edit.removed)) | set(edit.added)

    @rule()
    def undo(self) -> None:
        edit = self.document.undo()
        if edit is not None:
            self.expected = (self.expected - set(edit.added)) | set(edit.removed)

    @rule()
    def redo(self) -> None:
        edit = self.document.redo()
        if edit is not None:
            self.expected = (self.expected - set(edit.removed)) | set(edit.added)

    @rule(dies_at=st.integers(0, 5), after=st.booleans())
    def save(self, dies_at: int, after: bool) -> None:
        original, count = Path.replace, 0

        def replace(path: Path, target: Path) -> Path:
            nonlocal count
            count += 1
            if count < dies_at or not dies_at:
                return original(path, target)
            if after and count == dies_at:
                original(path, target)
            raise Killed

        Path.replace = replace  # type: ignore[method-assign,assignment]
        try:
            self.document.save()
            assert set(read_events(self.table)) == self.expected
        except Killed:
            Path.replace = original  # type: ignore[method-assign]
            self.reopen()
        finally:
            Path.replace = original  # type: ignore[method-assign]

    @rule()
    def reopen(self) -> None:
        crash(self.document)
        self.document = self.project.events("m")

    @rule(interval=INTERVALS)
    def another_program_adds(self, interval: Interval) -> None:
        """Where nothing is of ours, so that there is nothing to decide."""
        far = Interval(interval.onset + 1000, interval.offset + 1000, "foreign")
        self.document.save()
        write_events(self.table, {*self.expected, far})
        self.document.save()
        self.expected.add(far)

    @invariant()
    def everything_is_there(self) -> None:
        if hasattr(self, "document"):
            assert self.document.events == Events(self.expected)
            assert self.document.unsaved or set(self.expected) == (
                set(read_events(self.table)) if self.table.exists() else set()
            )

    def teardown(self) -> None:
        if hasattr(self, "document"):
            crash(self.document)
            shutil.rmtree(self.root, ignore_errors=True)


TestNothingIsLost = Annotating.TestCase
TestNothingIsLost.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
