"""The labels of one video: in memory, with undo and redo, in the journal and in the files.

How nothing is lost
-------------------
Every edit is written to the journal and flushed before it counts (`Journal.append`). Opening reads
the files and carries out the journal's edits on them, so a process may be killed between any two
instructions:

* before an entry is whole, the edit was never confirmed; after that it is found again;
* while saving, the order is: images; the journal notes what each edited point was on disk and will
  be; the tables and the visibility file are written under temporary names, flushed, and renamed one
  after the other; last the journal begins anew. Killed anywhere in between, the journal still holds
  every edit, and whichever of the files were renamed, each holds one of the values that the journal
  noted. So opening knows that nobody else changed them, carries out the edits again, to the same
  labels, and the next save completes the files. The order of the renames does not matter;
* the journal begins anew by a rename, so it is the old or the new one.

Saving is a three-way merge, see `merge`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

from napari_vitface.errors import LabelError
from napari_vitface.history import Line
from napari_vitface.pose.edits import Edit, EditHistory, LabelEdit, Operation, make_edit
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import Point
from napari_vitface.project.disagreement import Disagreement, find_disagreement
from napari_vitface.project.frame_images import FrameReader, missing_images, write_images
from napari_vitface.project.frame_names import FrameNames
from napari_vitface.project.grid import Grid, Place
from napari_vitface.project.journal import Journal
from napari_vitface.project.journalled import ADOPTED, ATTEMPTS, Journalled
from napari_vitface.project.label_files import LabelFiles
from napari_vitface.project.label_snapshot import Kind, Reading
from napari_vitface.project.merge import Conflict, SaveConflict, merge
from napari_vitface.project.replaced_files import REPLACED, keep_copy
from napari_vitface.project.replay import read_steps
from napari_vitface.project.save_report import SaveReport
from napari_vitface.project.table_changes import TableChanges


class LabelDocument(Journalled[Edit]):
    """The labels of one video, open for editing in this process alone.

    Attributes
    ----------
    name : str
        Of the video.
    labels : FrameLabels
        As they are now. Read them; change them through `do`.
    journal : Journal
    history : EditHistory
    disagreement : Disagreement or None
        While there is one, the HDF5 file's labels are shown and nothing is saved.
    problems : tuple of str
        Sentences about what is odd on disk.
    """

    what = "labels"

    def __init__(
        self,
        name: str,
        files: LabelFiles,
        names: FrameNames,
        keypoints: KeypointSet,
        journal: Journal,
        frame_reader: FrameReader | None = None,
        source: Path | None = None,
        before_saving: Callable[[], object] = lambda: None,
    ) -> None:
        self.name = name
        self.files = files
        self.frame_names = names
        self.frame_reader = frame_reader
        self.disagreement: Disagreement | None = None
        self._source = source
        self._before_saving = before_saving
        self.journal = journal
        self._given_up: set[Kind] = set()
        # What the next entry of the journal notes besides its edit.
        self._with_next: dict[Place, list[Point]] = {}
        # Points edited since the disk was read -> what the disk may hold of them, base first.
        self._touched: dict[Place, list[Point]] = {}
        self._dirty: set[Place] = set()
        reading = files.read(keypoints, names)
        self.labels = reading.labels(keypoints)
        self._problems = [*reading.problems, *journal.content.problems]
        operations = journal.content.header.get("operations", [])
        self.history: EditHistory = EditHistory(self.labels, self._record, list(operations))
        self._replay(journal.content.header, journal.content.entries)
        self.history.changed.append(self._after)
        journal.begin(self._header(operations))
        if journal.refused:
            self._problems.append(journal.refused)
        outcome = merge(reading, self.labels, self._touched, settled=False)
        self.disagreement = find_disagreement(reading, outcome, self._given_up)
        if self.disagreement is None and outcome.adopted and not journal.refused:
            try:
                self._adopt(outcome.adopted)
            except LabelError as error:
                # On a full disk the labels can be seen; the next save takes over what changed.
                self._problems.append(str(error))

    # --- state ------------------------------------------------------------------------------------

    @property
    def keypoints(self) -> KeypointSet:
        return self.labels.keypoints

    @property
    def scorer(self) -> str:
        """In whose name the labels are saved."""
        return self.files.scorer

    @property
    def operations(self) -> list[Operation]:
        """Operations on predictions that are done, in order."""
        return self.history.operations

    @property
    def unsaved(self) -> bool:
        """Whether the files do not hold all labels yet; the journal always does."""
        return bool(self._dirty)

    @property
    def problems(self) -> tuple[str, ...]:
        first = [self.disagreement.text] if self.disagreement else []
        return (*first, *self._problems)

    # --- saving -----------------------------------------------------------------------------------

    def save(self) -> SaveReport:
        """Write the labels to their files, merged into what is there now.

        Raises
        ------
        SaveConflict
            If another program changed points that were changed here: see `resolve`.
        LabelError
            If the files disagree with one another (`disagreement`) or cannot be written. Nothing
            is lost: the labels stay in memory and the edits in the journal.
        """
        if self.journal.refused:
            raise LabelError(self.journal.refused)
        self._before_saving()
        for _ in range(ATTEMPTS):
            self._check_writable(self.files.images.parent)
            reading = self.files.read(self.keypoints, self.frame_names)
            settled = self.disagreement is None
            outcome = merge(reading, self.labels, self._touched, settled=settled)
            self.disagreement = find_disagreement(reading, outcome, self._given_up)
            if self.disagreement is not None:
                raise LabelError(self.disagreement.text)
            if outcome.conflicts:
                raise SaveConflict.of(self.name, outcome.conflicts)
            if outcome.adopted:
                self._adopt(outcome.adopted)
            report = self._write(reading, len(outcome.adopted))
            if report is not None:
                return report
        raise self._never_settled(self.files.images)

    def resolve(
        self,
        conflicts: SaveConflict | Conflict | Iterable[Conflict],
        keep: Literal["ours", "theirs"],
    ) -> None:
        """Decide conflicts; the next `save` goes by it.

        Parameters
        ----------
        conflicts : SaveConflict, Conflict or several
        keep : "ours" or "theirs"
            Keep what is in memory, or take what is on disk (one step of undo).

        Raises
        ------
        LabelError
            If the decision cannot be recorded.
        """
        if isinstance(conflicts, Conflict):
            conflicts = [conflicts]
        elif isinstance(conflicts, SaveConflict):
            conflicts = conflicts.conflicts
        theirs = {(c.frame, c.keypoint): c.theirs for c in conflicts}
        if keep == "theirs":
            self._adopt(theirs)
        else:
            self._accept({place: [point] for place, point in theirs.items()})

    def choose(self, kind: Kind) -> None:
        """Settle a disagreement: the labels of one file count.

        The labels become those of that file, except points that were edited here since. The other
        file is replaced with the next `save`; what it holds is copied to ``vitface/replaced``.

        Raises
        ------
        LabelError
            If the file cannot be read or the copy not be made.
        """
        if self.disagreement is None:
            return
        if kind not in self.disagreement.readable:
            raise LabelError(f"{self.files.tables[kind]} cannot be read, so it cannot be chosen.")
        reading = self.files.read(self.keypoints, self.frame_names)
        for other, table in reading.tables.items():
            if other != kind:
                keep_copy(table.path, self.name, self.journal.path.parent.parent / REPLACED)
        known: dict[Place, list[Point]] = {}
        taken: dict[Place, Point] = {}
        places = self.disagreement.points
        sides = [reading.said(side, places) for side in reading.readable]
        for place, *found in zip(places, *sides, strict=True):
            known[place] = found
            if place not in self._touched:
                taken[place] = found[reading.readable.index(kind)]
        edit = make_edit(self.labels, f"take the labels of {reading.tables[kind].path.name}", taken)
        self._accept(known, edit)
        self._given_up.update(other for other in reading.unreadable)
        self.disagreement = None

    def close(self) -> None:
        """Let other processes open the labels. Unsaved edits stay in the journal."""
        if not self._touched and not self.operations and not self.journal.refused:
            self.journal.remove()
        self.journal.close()

    def tell(self, problems: Iterable[str]) -> None:
        """Add sentences to `problems`."""
        self._problems += problems

    def rename_and_append(self, keypoints: KeypointSet) -> None:
        """Take the project's new keypoints; called by `Project.change_keypoints`."""
        self.labels.rename_and_append(keypoints)

    # --- the journal ------------------------------------------------------------------------------

    def _header(self, operations: Sequence[Operation]) -> Line:
        return {
            "video": self.name,
            "scorer": self.files.scorer,
            "keypoints": list(self.keypoints.names),
            "operations": list(operations),
        }

    def _record(self, line: Line) -> None:
        ((kind, edit),) = line.items()
        if "changes" in edit:
            key = self.frame_names.key
            changes = [[key(frame), *rest] for frame, *rest in edit["changes"]]
            line = {kind: {**edit, "changes": changes}}
        self.journal.append({**line, **self._note(self._with_next)})

    def _after(self, edit: Edit) -> None:
        """Keep account of what is not in the files, after an edit was done or undone."""
        if not isinstance(edit, LabelEdit):
            return
        for frame, keypoint, before, after in edit.changes:
            now = self.labels.point(frame, keypoint)
            self._touch((frame, keypoint), before if now == after else after)

    def _touch(self, place: Place, before: Point) -> None:
        known = self._touched.setdefault(place, [before])
        if len(known) == 1 and known[0] == self.labels.point(*place):
            self._dirty.discard(place)
        else:
            self._dirty.add(place)

    def _note(self, known: dict[Place, list[Point]]) -> Line:
        """A part of an entry: what the files may hold without anybody else having changed it."""
        if not known:
            return {}
        key = self.frame_names.key
        return {"accept": [[key(f), k, [p.to_json() for p in ps]] for (f, k), ps in known.items()]}

    def _accept(self, known: dict[Place, list[Point]], edit: Edit | None = None) -> None:
        """Note what the files may hold, and carry out an edit, both in one entry or neither."""
        if edit is not None:
            self._with_next = known
            try:
                self.history.do(edit)
            finally:
                self._with_next = {}
        elif known:
            self.journal.append(
                self._note(known), refusal=f"The labels of {self.name} were not saved"
            )
        for place, points in known.items():
            now = self.labels.point(*place)
            accepted = self._touched.setdefault(place, [now])
            accepted += [point for point in points if point not in accepted]
            self._touch(place, now)

    def _adopt(self, points: dict[Place, Point]) -> None:
        """Take over what another program changed, as a step that can be undone."""
        edit = make_edit(self.labels, ADOPTED, points)
        self._accept({place: [point] for place, point in points.items()}, edit)
        for place, point in points.items():
            self._touched[place] = [point]
            self._touch(place, point)

    def _replay(self, header: Line, entries: Sequence[Line]) -> None:
        """Carry out the edits of a journal on what is on disk."""
        steps, noted = read_steps(
            header, entries, self.keypoints, self.frame_names, self.journal.path
        )
        for kind, edit in steps:
            if not isinstance(edit, LabelEdit):
                continue
            for frame, keypoint, before, after in edit.changes:
                base = after if kind == "undo" else before
                if (frame, keypoint) not in self._touched:
                    self._touched[frame, keypoint] = [base]
                    # The disk may hold what a save that was cut short has written.
                    self.labels.set(frame, keypoint, base)
        carry_out = {
            "do": self.history.replay_do,
            "undo": self.history.replay_undo,
            "redo": self.history.replay_redo,
        }
        for kind, edit in steps:
            carry_out[kind](edit)
        for place, points in noted.items():
            if place in self._touched:
                known = self._touched[place]
                known += [point for point in points if point not in known]
        for place, known in self._touched.items():
            self._touch(place, known[0])

    # --- files ------------------------------------------------------------------------------------

    def _write(self, reading: Reading, adopted: int) -> SaveReport | None:
        """Bring the files to what the labels say; None if another program was faster."""
        labels = Grid.of(self.labels)
        changes = TableChanges(self.files, self.keypoints, self.frame_names)
        files = changes.plan(reading, labels, set(self._touched))
        wanted = {frame: self.frame_names.name(frame) for frame in labels.frames.tolist()}
        self.files.check_inside()
        try:
            if wanted:
                self.files.images.mkdir(exist_ok=True)
            missing = missing_images(self.files.images, wanted)
            images, problems = write_images(
                self.files.images, missing, self.frame_reader, self._source
            )
            if files:
                self._note_what_is_written(reading)
            if not self.files.write(files, reading):
                return None
        except OSError as error:
            raise LabelError(
                f"The labels of {self.name} were not saved to {self.files.images} "
                f"({error.strerror or error}); they stay in memory and in the journal."
            ) from error
        self._touched.clear()
        self._dirty.clear()
        self._given_up.clear()
        try:
            self.journal.restart(self._header(self.operations))
        except LabelError as error:
            # The files are complete; edits that the journal still holds are in them.
            problems.append(str(error))
        return SaveReport(
            int(labels.states.any(axis=1).sum()),
            tuple(files),
            tuple(images),
            adopted,
            tuple(problems),
        )

    def _note_what_is_written(self, reading: Reading) -> None:
        places = list(self._touched)
        if not places:
            return
        ours = Grid.of(self.labels).points(places).to_points()
        sides = [reading.said(kind, places) for kind in reading.readable]
        # What is there and is not known already can be what a save that failed has written.
        known = {
            place: [point, *(there for there in found if there not in self._touched[place])]
            for place, point, *found in zip(places, ours, *sides, strict=True)
        }
        self._accept(known)
