"""What pressing Fine-tune would do: counted from the labels as they are, and asked of the engine.

Nothing of it is waited for. Labels in files are read on a thread, and only when the files changed;
the engine is asked only when what it would say may be another.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.fine_tune.fine_tune_options import FineTuneOptions
from napari_vitface.gui.fine_tune.labelled_frames import (
    LabelledFrames,
    of_document,
    on_disk,
    stamps,
    without,
)
from napari_vitface.jobs.events import Event, Failed, Finished
from napari_vitface.jobs.results.training import PlanTrainingResult
from napari_vitface.jobs.training.plan import FEWEST_FRAMES

if TYPE_CHECKING:
    from pathlib import Path

    from napari_vitface.engine import Request
    from napari_vitface.gui.correct.labelling import Labelling
    from napari_vitface.gui.session import Session
    from napari_vitface.project.project import Project


#: Number of labels, and of labelled frames by video.
_Labels = tuple[int, dict[str, int]]


@dataclass(frozen=True)
class Plan:
    """What is known before the press.

    Attributes
    ----------
    status : str
        "no video", "no project", "counting", "too few", "planning", "ready" or "refused".
    labels : LabelledFrames
    result : PlanTrainingResult or None
        Once it is there.
    message : str
        Why it is refused.
    """

    status: str = "no video"
    labels: LabelledFrames = field(default_factory=LabelledFrames)
    result: PlanTrainingResult | None = None
    message: str = ""

    @property
    def missing(self) -> int:
        """Frames that are to be labelled before anything can be trained."""
        return max(0, FEWEST_FRAMES - len(self.labels))

    @property
    def can_start(self) -> bool:
        """Whether the button may be pressed; what the engine has to add need not be awaited."""
        return self.status in ("planning", "ready")


class Planner:
    """Keeps the plan in step with labels, model and options."""

    changed = Signal()

    def __init__(self, session: Session, labelling: Labelling) -> None:
        self._session = session
        self._labelling = labelling
        self.plan = Plan()
        self.options = FineTuneOptions()
        self.paused = False
        self._due = False
        self._asked: tuple[Any, ...] | None = None
        # Folder of the project, and how many labels were there at first, of which videos.
        self._found: tuple[Path | None, _Labels] = (None, (0, {}))
        self._request: Request | None = None
        # Labels that files hold, and the state of the files that they were read from.
        self._read: tuple[Project, Any, LabelledFrames | Exception] | None = None
        self._reading = False
        for signal in (
            session.video_changed,
            session.model_changed,
            labelling.document_changed,
            labelling.keypoints_changed,
            labelling.changed,
            labelling.state_changed,
            labelling.documents.changed,
        ):
            signal.connect(self.refresh_soon)
        self.refresh_soon()

    def configure(self, options: FineTuneOptions) -> None:
        """Plan with other options."""
        if options != self.options:
            self.options = options
            self.refresh_soon()

    def pause(self, paused: bool) -> None:
        """Ask the engine nothing while a training is under way."""
        self.paused = paused
        if not paused:
            self.refresh_soon()

    def refresh_soon(self, *_: Any) -> None:
        """Bring the plan up to date once, after what is going on now."""
        if not self._due:
            self._due = True
            self._session.soon(self._refresh)

    def _refresh(self) -> None:
        self._due = False
        session = self._session
        project = self._labelling.project
        if project is None:
            self._set(Plan("no video" if session.made.waiting else "no project"))
            return
        disk = self._labels_on_disk(project)
        if disk is None:
            if self.plan.status not in ("ready", "planning"):
                self._set(Plan("counting"))
            return
        documents = self._labelling.documents.of_project(project)
        if isinstance(disk, Exception):
            self._set(Plan("refused", message=sentence_of("reading the labels", disk)))
            return
        inside = [of_document(document) for document in documents]
        names = [document.files.images.name for document in documents]
        labels = LabelledFrames.joined([*inside, without(disk, names)], project.keypoints.names)
        if self._found[0] != project.folder:
            self._found = project.folder, _how_many(labels)
        if len(labels) < FEWEST_FRAMES:
            self._asked = None
            self._set(Plan("too few", labels))
            return
        self._ask(labels)

    def _labels_on_disk(self, project: Project) -> LabelledFrames | Exception | None:
        """What the files hold; None while that is being read."""
        if self._reading:
            return None
        try:
            now = stamps(project)
        except OSError as error:
            return error
        if self._read is not None and self._read[0] is project and self._read[1] == now:
            return self._read[2]
        self._reading = True

        def read(result: LabelledFrames | Exception) -> None:
            self._reading = False
            self._read = (project, now, result)
            self.refresh_soon()

        self._session.in_background(lambda: on_disk(project), read)
        return None

    def _ask(self, labels: LabelledFrames) -> None:
        session, options = self._session, self.options
        key = (labels.digest(), session.model, options)
        if key == self._asked and self.plan.status in ("ready", "planning", "refused"):
            return
        if self.paused:
            self._asked = None
            self._set(Plan("planning", labels))
            return
        try:
            arguments = {
                "videos": labels.videos.tolist(),
                "frames": labels.frames,
                "placed": labels.placed,
                "names": list(labels.names),
                **options.plan_arguments(session.model),
            }
            self._request = session.submit(
                "plan_training",
                arguments,
                lambda event: self._on_event(key, labels, event),
                urgent=True,
                replaces="training plan",
            )
        except Exception as error:
            self._asked = key
            said = sentence_of("planning the fine-tune", error)
            self._set(Plan("refused", labels, message=said))
            return
        self._asked = key
        # What was said before stays until it is known better.
        self._set(Plan("planning", labels, self.plan.result))

    def _on_event(self, key: tuple[Any, ...], labels: LabelledFrames, event: Event) -> None:
        if key != self._asked:
            return
        match event:
            case Finished(result=PlanTrainingResult() as result):
                self._set(Plan("ready", labels, result))
                if _how_many(labels) != self._found[1]:
                    # Labels are being made: before long, there is something to train. Not before
                    # the plan, which measures how long a step takes.
                    with suppress(Exception):  # Told when it is asked to train.
                        self._session.engine.warm_up("train")
            case Failed():
                self._set(Plan("refused", labels, message=event.message))

    def _set(self, plan: Plan) -> None:
        self.plan = plan
        self.changed.emit()


def _how_many(labels: LabelledFrames) -> _Labels:
    return labels.points, labels.by_video()
