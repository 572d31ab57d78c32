"""Labels on their way to the files of the project, and conflicts with what other programs wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.given import given
from napari_vitface.gui.numbers import counted
from napari_vitface.gui.wait_dialog import run_waiting

if TYPE_CHECKING:
    from napari_vitface.gui.correct.documents import Documents
    from napari_vitface.gui.session import Session
    from napari_vitface.project.disagreement import Disagreement
    from napari_vitface.project.document import LabelDocument
    from napari_vitface.project.label_snapshot import Kind
    from napari_vitface.project.merge import SaveConflict
    from napari_vitface.project.project import Project
    from napari_vitface.project.save_report import SaveReport


class LabelSaving:
    """Saves the labels of the current video; nothing on disk is overwritten unseen.

    Attributes
    ----------
    conflict : SaveConflict or None
        What kept the last save from being done.
    """

    #: Saving found labels on disk that another program changed meanwhile.
    conflict_found = Signal(object)
    #: Saving did an edit (`Edit`): it took over what another program changed.
    edited = Signal(object)
    #: What is saved changed.
    changed = Signal()
    #: A sentence on how to use it.
    hinted = Signal(str)

    def __init__(self, session: Session, documents: Documents) -> None:
        self._session = session
        self._documents = documents
        self.conflict: SaveConflict | None = None
        documents.changed.connect(self._on_document)

    @property
    @given("_documents.document")
    def line(self, document: LabelDocument) -> str:
        """What is on disk, in a sentence."""
        folder = document.journal.path.parent if document.unsaved else document.files.images.parent
        if not folder.is_dir():
            return f"{folder} is not there: is its drive connected? The labels stay in memory."
        if not document.unsaved:
            return "Saved." if len(document.labels) else "No labels yet."
        edits = self._documents.edits
        return f"{counted(edits, 'edit')} since the last save, safe in the journal."

    @property
    @given("_documents.document")
    def disagreement(self, document: LabelDocument) -> Disagreement | None:
        """That of two files of the same labels, if they do."""
        return document.disagreement

    def save(self) -> bool:
        """Merge the edits into the label files; a conflict is said and nothing is overwritten."""
        document = self._documents.document
        if document is None:
            self.hinted.emit("There are no labels to save yet.")
            return False
        return self._tell(document, document.save)

    def save_all(self, project: Project) -> str:
        """Save all labels of a project; a sentence if that fails, else nothing."""
        for document in self._documents.of_project(project):
            if not document.unsaved:
                continue
            if document is self._documents.document:
                problem = self._save_current(document)
            else:
                problem = _save_other(document)
                if not problem:
                    self._documents.note_saved(document)
            if problem:
                return problem
        return ""

    def _save_current(self, document: LabelDocument) -> str:
        from napari_vitface.project.merge import SaveConflict

        try:
            self.write(document, document.save)
        except SaveConflict:
            return (
                "another program changed points that you changed too. Choose which to keep in "
                "section 4 (Correct), then press again."
            )
        except Exception as error:
            return not_written(error)
        return ""

    @given("_documents.document")
    @given("conflict")
    def resolve(
        self,
        conflict: SaveConflict,
        document: LabelDocument,
        keep: Mapping[tuple[int, int], str],
    ) -> bool:
        """Save after a conflict.

        Parameters
        ----------
        keep : mapping of (frame, keypoint) to "ours" or "theirs"
        """

        def work() -> SaveReport:
            for side in ("ours", "theirs"):
                chosen = [c for c in conflict.conflicts if keep.get((c.frame, c.keypoint)) == side]
                if chosen:
                    document.resolve(chosen, side)
            return document.save()

        return self._tell(document, work)

    @given("_documents.document")
    def choose_file(self, document: LabelDocument, kind: Kind) -> bool:
        """Settle which of two files that disagree counts, and save.

        Parameters
        ----------
        kind : "h5" or "csv"
        """

        def work() -> SaveReport:
            document.choose(kind)
            return document.save()

        return self._tell(document, work)

    def write(self, document: LabelDocument, work: Callable[[], SaveReport]) -> None:
        """Save on a thread; another program's changes that were taken over are shown.

        Raises
        ------
        SaveConflict
            It is shown, and nothing was overwritten.
        Exception
            Whatever else kept the labels from being written.
        """
        from napari_vitface.project.merge import SaveConflict

        self.conflict = None
        before = len(document.history.done)
        try:
            report = run_waiting(work, "Saving the labels …")
        except SaveConflict as conflict:
            self.conflict = conflict
            self.conflict_found.emit(conflict)
            raise
        finally:
            for edit in document.history.done[before:]:
                self.edited.emit(edit)
            self.changed.emit()
        self._documents.note_saved(document)
        self.changed.emit()
        words = list(report.problems)
        if report.adopted:
            words.append(
                f"Another program had changed {counted(report.adopted, 'point')} on disk, and "
                "what it left there stays (Undo brings yours back)."
            )
        if words:
            self._session.tell(" ".join(words), "warning")

    def _tell(self, document: LabelDocument, work: Callable[[], SaveReport]) -> bool:
        """The same; what keeps it from being done is told, a conflict by `conflict_found`."""
        from napari_vitface.project.merge import SaveConflict

        try:
            self.write(document, work)
        except SaveConflict:
            return False
        except Exception as error:
            self._session.tell(not_written(error), "error")
            return False
        return True

    def _on_document(self) -> None:
        self.conflict = None


def _save_other(document: LabelDocument) -> str:
    """Save the labels of a video that is open but not on screen."""
    try:
        document.save()
    except Exception as error:
        said = sentence_of(f"saving the labels of {document.name}", error)
        return f"{said} (Open {document.name} to settle it.)"
    return ""


def not_written(error: Exception) -> str:
    """Why labels could not be written, in a sentence."""
    return sentence_of("writing the labels", error)
