"""Any sequence of edits, undos, saves, failures, crashes and reopenings keeps every label.

The model is a dictionary of points and two lists of edits. Whatever happens to the files, the
document has to say what the dictionary says.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from napari_vitface.errors import LabelError
from napari_vitface.pose.edits import Edit, LabelEdit, PredictionEdit, make_edit
from napari_vitface.pose.labels import ABSENT, NOT_VISIBLE, Point, labelled, occluded
from napari_vitface.project.journalled import ADOPTED
from napari_vitface.project.merge import SaveConflict
from napari_vitface.project.project import Project

from .conftest import KEYPOINTS, crash, frame, said

Points = dict[tuple[int, int], Point]

numbers = st.one_of(st.integers(0, 640), st.floats(-10, 2000, allow_subnormal=False))
points = st.one_of(
    st.sampled_from([ABSENT, NOT_VISIBLE]),
    st.builds(labelled, numbers, numbers),
    st.builds(occluded, numbers, numbers),
)
places = st.tuples(st.integers(0, 6), st.integers(0, 2))


class Killed(BaseException):
    """The process died here."""


@contextmanager
def failing_rename(number: int, error: BaseException, *, after: bool) -> Iterator[None]:
    """Let the rename with a number fail, before or after it is done; all later ones too if dead."""
    original = Path.replace
    count = 0

    def replace(self: Path, target: Any) -> Path:
        nonlocal count
        count += 1
        if count < number or (count > number and not isinstance(error, Killed)):
            return original(self, target)
        if after and count == number:
            original(self, target)
        raise error

    Path.replace = replace  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        Path.replace = original  # type: ignore[method-assign]


@contextmanager
def failing(module: Any, name: str, error: OSError) -> Iterator[None]:
    original = getattr(module, name)

    def fail(*args: Any, **kwargs: Any) -> None:
        if name == "write" and len(args[1]) > 3:
            # A full disk takes a part of what is written.
            original(args[0], bytes(args[1])[:3])
        raise error

    setattr(module, name, fail)
    try:
        yield
    finally:
        setattr(module, name, original)


class Labelling(RuleBasedStateMachine):
    @initialize(shape=st.sampled_from(["new", "csv only", "one level", "four rows"]))
    def begin(self, shape: str) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="vitface-labels-"))
        project = Project.create(self.root / "project", KEYPOINTS, "Ann B")
        self.folder = project.folder / "labeled-data" / "mouse 1"
        self.folder.mkdir()
        self.points: Points = {}
        self.operations: list[dict[str, Any]] = []
        self.done: list[Edit] = []
        self.undone: list[Edit] = []
        self.foreign: Points = {}
        self.edited: set[tuple[int, int]] = set()
        self.entries: list[tuple[str, Edit]] = []
        if shape != "new":
            self._write_as_deeplabcut(shape)
        self.project = project
        self.project.reload()
        self.document = self.project.document("mouse 1", frame)

    def _write_as_deeplabcut(self, shape: str) -> None:
        self.points = {(20, 0): labelled(1 / 3, 2), (20, 2): labelled(7, 8), (2, 1): labelled(5, 6)}
        rows = [("labeled-data", "mouse 1", f"img{f:03d}.png") for f in (2, 20)]
        parts = [["Ann B"], list(KEYPOINTS.names), ["x", "y"]]
        names = ["scorer", "bodyparts", "coords"]
        if shape == "four rows":
            parts.insert(1, ["mouse"])
            names.insert(1, "individuals")
        index: Any = pd.MultiIndex.from_tuples(rows)
        if shape == "one level":
            index = ["/".join(row) for row in rows]
        columns = pd.MultiIndex.from_product(parts, names=names)
        table = pd.DataFrame(np.full((2, 6), np.nan), index=index, columns=columns)
        for (f, k), point in self.points.items():
            table.iloc[int(f == 20), 2 * k : 2 * k + 2] = point[:2]
        table.to_csv(self.folder / "CollectedData_Ann B.csv")
        if shape != "csv only":
            table.to_hdf(self.folder / "CollectedData_Ann B.h5", key="df_with_missing", mode="w")

    # --- editing ----------------------------------------------------------------------------------

    @rule(changes=st.dictionaries(places, points, min_size=1, max_size=3))
    def edit(self, changes: Points) -> None:
        edit = make_edit(self.document.labels, "place", changes)
        if edit is not None:
            self.document.do(edit)
            self._did("do", edit)

    @rule(n=st.integers(0, 9))
    def smooth(self, n: int) -> None:
        edit = PredictionEdit("smooth", {"n": n})
        self.document.do(edit)
        self._did("do", edit)

    @rule()
    def undo(self) -> None:
        edit = self.document.undo()
        assert edit == (self.done[-1] if self.done else None)
        if edit is not None:
            self._did("undo", edit)

    @rule()
    def redo(self) -> None:
        edit = self.document.redo()
        assert edit == (self.undone[-1] if self.undone else None)
        if edit is not None:
            self._did("redo", edit)

    def _did(self, kind: str, edit: Edit) -> None:
        self.entries.append((kind, edit))
        self._step(kind, edit)
        if isinstance(edit, PredictionEdit):
            if kind == "undo":
                self.operations.pop()
            else:
                self.operations.append(edit.operation)
            return
        for f, k, before, after in edit.changes:
            self.edited.add((f, k))
            self.points[f, k] = before if kind == "undo" else after

    def _step(self, kind: str, edit: Edit) -> None:
        if kind == "do":
            self.done.append(edit)
            self.undone = []
        elif kind == "undo":
            self.done = self.done[:-1]
            self.undone.append(edit)
        else:
            self.undone = self.undone[:-1]
            self.done.append(edit)

    # --- what goes wrong --------------------------------------------------------------------------

    @rule(
        changes=st.dictionaries(places, points, min_size=1, max_size=2),
        where=st.sampled_from(["fsync", "write"]),
        what=st.sampled_from(["do", "undo", "redo"]),
    )
    def edit_on_a_full_disk(self, changes: Points, where: str, what: str) -> None:
        edit = make_edit(self.document.labels, "place", changes)
        steps: dict[str, Callable[[], Any]] = {
            "do": lambda: edit and self.document.do(edit),
            "undo": self.document.undo,
            "redo": self.document.redo,
        }
        possible = {"do": edit, "undo": self.done, "redo": self.undone}[what]
        with failing(os, where, OSError(errno.ENOSPC, "No space left on device")):
            if possible:
                with pytest.raises(LabelError, match="No space left"):
                    steps[what]()

    @rule(number=st.integers(1, 6))
    def save_on_a_full_disk(self, number: int) -> None:
        with failing_rename(number, OSError(errno.ENOSPC, "No space left"), after=False):
            try:
                report = self.document.save()
            except SaveConflict as conflict:
                self._check(conflict)
                return
            except LabelError:
                self._adopted()
                return
        self._saved(keep_entries=bool(report.problems))

    @rule(keep=st.sampled_from(["ours", "theirs"]))
    def save(self, keep: Literal["ours", "theirs"]) -> None:
        before = self._files()
        try:
            self.document.save()
        except SaveConflict as conflict:
            self._check(conflict)
            assert self._files() == before
            self.document.resolve(conflict, keep)
            if keep == "theirs":
                self._did("do", self.document.history.done[-1])
            for each in conflict.conflicts:
                del self.foreign[each.frame, each.keypoint]
            self.document.save()
        self._saved()

    def _check(self, conflict: SaveConflict) -> None:
        for each in conflict.conflicts:
            place = (each.frame, each.keypoint)
            assert place in self.edited
            assert each.theirs == self.foreign[place]
            assert each.ours == self.points[place]

    def _files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}

    def _saved(self, keep_entries: bool = False) -> None:
        self._adopted()
        assert not self.document.unsaved
        assert not self.foreign
        if not keep_entries:
            self.entries = []
            self.edited = set()

    def _adopted(self) -> None:
        """Saving took over what another program changed, as a step that can be undone."""
        new = self.document.history.done[len(self.done) :]
        assert all(edit.what == ADOPTED for edit in new)
        for edit in new:
            self._did("do", edit)
        self._see()

    def _see(self) -> None:
        """What another program changed is in the labels, unless it was edited here too."""
        for place, point in list(self.foreign.items()):
            if self.document.labels.point(*place) == point:
                self.points[place] = self.foreign.pop(place)
            else:
                assert place in self.edited

    @rule()
    def close_and_open(self) -> None:
        self.document.close()
        if not self.document.journal.path.exists():
            # All is in the files: what could be undone goes with the window.
            self.entries = []
        self._open()

    @rule()
    def crash_and_open(self) -> None:
        crash(self.document)
        self._open()

    @rule(number=st.integers(1, 6), after=st.booleans())
    def crash_while_saving(self, number: int, after: bool) -> None:
        with failing_rename(number, Killed(), after=after), suppress(Killed, SaveConflict):
            self.document.save()
        crash(self.document)
        self._open(exactly=False)

    @rule()
    def crash_in_the_middle_of_an_entry(self) -> None:
        crash(self.document)
        journal = self.document.journal.path
        if journal.exists():
            with journal.open("ab") as file:
                file.write(b'{"crc":"01234567","line":{"n":5,"do"')
        self._open()

    def _open(self, exactly: bool = True) -> None:
        self.document = self.project.document("mouse 1", frame)
        self._see()
        assert self.document.problems == ()
        if not exactly:
            # Whether the journal began anew is not known; the labels are what counts.
            self.edited |= {
                (change.frame, change.keypoint)
                for edit in self.document.history.done
                if isinstance(edit, LabelEdit)
                for change in edit.changes
            }
            self.done = list(self.document.history.done)
            self.undone = list(self.document.history.undone)
            self.entries = [("do", edit) for edit in [*self.done, *reversed(self.undone)]]
            self.entries += [("undo", edit) for edit in self.undone]
            return
        self.done, self.undone = [], []
        for kind, edit in self.entries:
            self._step(kind, edit)
        assert self.document.history.done == self.done
        assert self.document.history.undone == self.undone

    # --- another program --------------------------------------------------------------------------

    @rule(f=st.integers(30, 32), k=st.integers(0, 2), x=numbers, y=numbers)
    def another_program_labels(self, f: int, k: int, x: float, y: float) -> None:
        """It changes frames that are not edited here, and writes both files."""
        stem = self.folder / "CollectedData_Ann B"
        if not stem.with_name(stem.name + ".h5").exists():
            return
        table = pd.read_hdf(f"{stem}.h5")
        name = f"img{f:04d}.png"
        known = [
            row for row in table.index if (row if isinstance(row, str) else row[-1]).endswith(name)
        ]
        sample = table.index[0] if len(table) else None
        if not known and sample is None:
            return
        if known:
            row = known[0]
        elif isinstance(sample, str):
            row = sample.rsplit("/", 1)[0] + "/" + name
        else:
            row = (*sample[:-1], name)
        table.loc[row, [column for column in table.columns if column[-2] == KEYPOINTS.names[k]]] = (
            x,
            y,
        )
        table = table.sort_index()
        table.to_hdf(f"{stem}.h5", key="df_with_missing", mode="w")
        table.to_csv(f"{stem}.csv")
        self.foreign[f, k] = labelled(x, y)

    # --- what holds -------------------------------------------------------------------------------

    @invariant()
    def the_labels_are_those_of_the_dictionary(self) -> None:
        if not hasattr(self, "document"):
            return
        expected = {place: point for place, point in self.points.items() if point != ABSENT}
        assert said(self.document) == expected
        assert self.document.operations == self.operations

    def teardown(self) -> None:
        if hasattr(self, "document"):
            self.save("ours")
            self.document.close()
            assert not self.document.journal.path.exists() or self.operations
            # Without the journal too, the files alone say it all.
            shutil.rmtree(self.project.own_folder)
            again = Project.open(self.root / "project").document("mouse 1")
            assert said(again) == {p: v for p, v in self.points.items() if v != ABSENT}
            again.close()
            shutil.rmtree(self.root)


TestLabelling = pytest.mark.slow(Labelling.TestCase)
TestLabelling.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
    deadline=None,
)
