"""The audit job as the window runs it, on the labels of the current video as they are now."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_vitface.gui.correct.labelling import Labelling
from napari_vitface.gui.given import given
from napari_vitface.gui.job_run import VideoRun, VideoRunner
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.gui.session import Session
from napari_vitface.jobs.events import Event, Finished, LabelDoubted
from napari_vitface.pose.edits import LabelEdit, make_edit
from napari_vitface.pose.labels import ABSENT, FrameLabels, Point
from napari_vitface.pose.table import PointState
from napari_vitface.project.document import LabelDocument

#: What became of a finding.
OPEN, FIXED, CHANGED = "open", "fixed", "changed"


@dataclass
class AuditRun(VideoRun):
    """An audit in progress or the last one."""

    found: list[LabelDoubted] = field(default_factory=list)


class Audits(VideoRunner[AuditRun]):
    """Runs the audit job for a session, one run at a time, and keeps what each video's found."""

    #: The findings of the current video changed.
    found = Signal()

    def __init__(self, session: Session, labelling: Labelling) -> None:
        super().__init__(session)
        self._labelling = labelling

    @property
    def labelled_frames(self) -> NDArray[np.int64]:
        """Frames of the current video with a placed point."""
        labels = self._session.made.labels
        frames = [f for f in labels.frames().tolist() if np.isfinite(_placed(labels, f)).any()]
        return np.array(frames, dtype=np.int64)

    @property
    def findings(self) -> list[LabelDoubted]:
        """What the last audit of the current video found, less what was kept as it is."""
        return list(self._session.made.findings)

    @on_video
    def start(self, opened: OpenVideo) -> None:
        """Audit the labels of the current video."""
        labels, frames = self._session.made.labels, self.labelled_frames
        if not len(frames) or self.active:
            return
        arguments = {
            **self.common(opened),
            "keypoints": labels.keypoints,
            "frames": frames,
            "xy": np.stack([_placed(labels, frame) for frame in frames.tolist()]),
        }
        run = AuditRun(opened)
        self.begin(run, "audit_video", arguments, lambda event: self._on_event(run, event))

    def _on_event(self, run: AuditRun, event: Event) -> bool:
        if isinstance(event, LabelDoubted):
            run.found.append(event)
            return True
        if isinstance(event, Finished):
            run.opened.findings = run.found
            self.found.emit()
        return False

    @on_video
    def keep(self, opened: OpenVideo, finding: LabelDoubted) -> None:
        """The labels are right: take the finding off the list."""
        opened.findings = [f for f in opened.findings if f is not finding]
        self.found.emit()

    def state(self, finding: LabelDoubted) -> str:
        """Whether the labels of a finding are as they were audited, as its fix makes them, or
        neither, as when the video is in no project any more."""
        if self._session.made.document is None:
            return CHANGED
        labels = self._session.made.labels
        edit = self.fix_of(finding)
        if edit is not None:
            return OPEN
        names = labels.keypoints.names
        if any(name not in names for name in finding.keypoints):
            return CHANGED
        audited = _points(finding, names)
        points = _fixed(finding, audited) if finding.moves else {}
        if points and all(
            labels.point(finding.frame, names.index(name)) == point
            for name, point in points.items()
        ):
            return FIXED
        mine = [names.index(name) for name in finding.keypoints]
        same = all(
            labels.point(finding.frame, k) == audited[names[k]]
            for k in mine
            if audited[names[k]] != ABSENT
        )
        return OPEN if same else CHANGED

    @given("_session.made.document")
    def fix_of(self, document: LabelDocument, finding: LabelDoubted) -> LabelEdit | None:
        """The edit that fixes a finding; None if there is none, or the labels are others now."""
        labels = document.labels
        if not finding.moves:
            return None
        names = labels.keypoints.names
        if any(name not in names for name in finding.keypoints):
            return None
        audited = _points(finding, names)
        for name in finding.keypoints:
            now = labels.point(finding.frame, names.index(name))
            # A hidden point had no label to be audited; moving one onto it would lose that.
            if now != audited[name]:
                return None
        points = {
            (finding.frame, names.index(name)): point
            for name, point in _fixed(finding, audited).items()
        }
        return make_edit(labels, f"fix {finding.kind} labels", points)

    def fix(self, finding: LabelDoubted) -> bool:
        """Carry out the fix of a finding as one step of undo."""
        edit = self.fix_of(finding)
        return edit is not None and self._labelling.do(edit)


def _points(finding: LabelDoubted, names: tuple[str, ...]) -> dict[str, Point]:
    """The labels of the frame as they were audited."""
    points = {}
    for name, (x, y) in zip(names, finding.xy.tolist(), strict=False):
        there = np.isfinite(x) and np.isfinite(y)
        points[name] = Point(x, y, PointState.LABELLED) if there else ABSENT
    return points


def _fixed(finding: LabelDoubted, audited: dict[str, Point]) -> dict[str, Point]:
    """What the fix makes of them."""
    return {name: ABSENT if source is None else audited[source] for name, source in finding.moves}


def _placed(labels: FrameLabels, frame: int) -> NDArray[np.float64]:
    """The placed points of a frame (K, 2), NaN elsewhere."""
    xy = labels.xy(frame)
    xy[labels.states(frame) != PointState.LABELLED] = np.nan
    return xy
