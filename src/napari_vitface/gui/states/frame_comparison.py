"""Frames of videos beside each other: computing them, choosing some, their mean face.

Knows napari's viewer model through the session, but no widget and no Qt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_vitface.events.event_labels import colours_of
from napari_vitface.gui.given import given
from napari_vitface.gui.job_run import VideoRun, VideoRunner
from napari_vitface.gui.numbers import counted
from napari_vitface.gui.open_video import on_video
from napari_vitface.gui.states.event_trials import annotated_videos
from napari_vitface.gui.trajectories.measured_traces import MeasuredTrace
from napari_vitface.gui.trajectories.panel_kinds import LIKENESS
from napari_vitface.jobs.events import Event, Failed, Finished
from napari_vitface.jobs.results.states import (
    CompareFramesResult,
    FeaturesResult,
    LikenessResult,
    MeanFaceResult,
)
from napari_vitface.settings.features import FEATURES, FeatureKind

if TYPE_CHECKING:
    from napari_vitface.gui.events.annotating import Annotating
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.session import Session


@dataclass(kw_only=True)
class CompareRun(VideoRun):
    """Features being computed, and frames being compared by them.

    Attributes
    ----------
    kind : str
        Of the features.
    embedding : str
    together : bool
        With those of other videos.
    """

    kind: str
    embedding: str
    together: bool = False


class FrameComparison:
    """What the dock of frames calls and shows.

    Parameters
    ----------
    session : Session
    annotating : Annotating
        The events of the video on screen.
    listed : callable
        Gives the videos of the list.

    Attributes
    ----------
    runner : Runner
        Of what is being computed.
    result : CompareFramesResult or None
        The frames of the video on screen that are beside each other, or of several.
    selected : (n,) bool
        Which of them are.
    face : MeanFaceResult or None
        Of the selected ones.
    """

    #: There is another result, or none.
    changed = Signal()
    selection_changed = Signal()
    #: Another mean face, or none.
    face_changed = Signal()

    def __init__(
        self,
        session: Session,
        annotating: Annotating,
        listed: Callable[[], Iterable[Path]],
    ) -> None:
        self._session = session
        self._annotating = annotating
        self._listed = listed
        self.runner: VideoRunner[CompareRun] = VideoRunner(session)
        self.result: CompareFramesResult | None = None
        self.selected = np.zeros(0, np.bool_)
        self.face: MeanFaceResult | None = None
        self.face_name = ""
        session.video_changed.connect(self._on_video)

    @staticmethod
    def kinds() -> list[FeatureKind]:
        """Kinds by which frames can be compared: those that are more than a number or a place."""
        return [kind for kind in FEATURES.values() if not kind.trivial]

    # ----------------------------------------------------------------- computing

    @property
    def others(self) -> list[Path]:
        """The other videos that are open or in the list."""
        known = [*(each.path for each in self._session.videos), *self._listed()]
        return [path for path in dict.fromkeys(known) if path != self._session.made.path]

    @on_video
    def compare(
        self,
        opened: OpenVideo,
        kind: str,
        embedding: str = "pca",
        *,
        overwrite: bool = False,
        together: bool = False,
    ) -> None:
        """Compute the features of the video on screen, unless they are there, and compare frames.

        `overwrite`: also where they are there with other settings, or of another crop. `together`:
        with those of `others` whose features are there.
        """
        if self.runner.active:
            return
        run = CompareRun(opened=opened, kind=kind, embedding=embedding, together=together)
        arguments: dict[str, object] = {
            "video": str(opened.path),
            "features": kind,
            "crop": opened.crop,
            "model": self._session.model,
            "device": self._session.device,
            "overwrite": overwrite,
        }

        def on_event(event: Event) -> bool:
            match event:
                case Finished(result=FeaturesResult() as computed):
                    self._compare_features(run, computed.files[0].path)
                    return True
            return False

        self.runner.begin(run, "features", arguments, on_event)

    def _compare_features(self, run: CompareRun, path: str) -> None:
        spans = self._spans_of_videos()
        others = [each for each in self.others if each != run.opened.path] if run.together else []
        arguments = {
            "path": path,
            "embedding": run.embedding,
            "intervals": spans.get(run.opened.path.resolve(), {}),
            "others": {str(each): spans.get(each.resolve(), {}) for each in others},
            "model": self._session.model,
        }
        again = replace(run, status="starting", done=0, total=0, result=None)

        def on_event(event: Event) -> bool:
            match event:
                case Finished(result=CompareFramesResult() as found):
                    result = replace(found, videos=(str(run.opened.path), *found.videos[1:]))
                    compared = {Path(video).resolve() for video in result.videos}
                    for opened in self._session.videos:
                        if opened.path.resolve() in compared:
                            opened.compared = result
                    self._on_video()
            return False

        self.runner.begin(again, "compare_frames", arguments, on_event)

    def _on_video(self) -> None:
        result = self._session.made.compared
        if result is self.result:
            return
        self.result = result
        self.selected = np.zeros(0 if result is None else len(result.frames), np.bool_)
        self._give_face(None)
        self.changed.emit()

    @property
    def colours(self) -> dict[str, str]:
        """Of the labels of the result: those that they have on the timeline."""
        labels = self.result.labels if self.result is not None else ()
        return colours_of(labels, self._annotating.labels)

    # ----------------------------------------------------------------- choosing

    def _own(self, result: CompareFramesResult) -> int | None:
        """Which of the videos of a result is on screen."""
        own = self._session.made.path
        return next((k for k, each in enumerate(result.videos) if Path(each) == own), None)

    @given("result")
    def nearest(self, result: CompareFramesResult, frame: int) -> int | None:
        """Position of the frame that is shown for one of the video; None without a result."""
        mine = np.flatnonzero(result.source == self._own(result))
        if not len(mine):
            return None
        away = np.abs(result.frames[mine] - frame)
        return int(mine[int(away.argmin())])

    @given("result")
    def go_to(self, result: CompareFramesResult, position: int) -> None:
        """Show a frame that was clicked, in its video."""
        number = int(result.source[position])
        if number != self._own(result):
            opened = self._session.show_video(Path(result.videos[number]))
            if opened is None:
                return
            opened.compared = result
            self._on_video()
        self._session.go_to(int(result.frames[position]))

    @given("result")
    def select(self, result: CompareFramesResult, chosen: NDArray[np.bool_]) -> None:
        """Select some of the frames, and have their mean face shown; none clears it."""
        if chosen.shape != result.frames.shape:
            return
        self.selected = chosen
        self.selection_changed.emit()
        if chosen.any():
            self._average(chosen, f"{counted(int(chosen.sum()), 'frame')}")
        else:
            self._give_face(None)

    @given("result")
    def show_label(self, result: CompareFramesResult, label: str) -> None:
        """Show the mean face of a label, and how it differs from all other frames."""
        if label not in result.labels:
            return
        self.selected = result.label == result.labels.index(label)
        self.selection_changed.emit()
        self._average(self.selected, label)

    @on_video
    @given("result")
    def plot_likeness(self, result: CompareFramesResult, opened: OpenVideo) -> None:
        """Compare every frame with the typical face of each label, and have that plotted."""

        def on_event(event: Event) -> None:
            match event:
                case Finished(result=LikenessResult() as found):
                    traces = likeness_traces(found, len(opened.video), self.colours)
                    self._session.put_traces(opened, traces, opened.elsewhere)
                case Failed():
                    self._session.tell(event.message, "error")

        spans = self._spans_of_videos().get(opened.path.resolve(), {})
        arguments = {"path": result.paths[self._own(result) or 0], "intervals": spans}
        self._session.submit("likeness", arguments, on_event, urgent=True, replaces="likeness")

    def _spans_of_videos(self) -> dict[Path, dict[str, list[list[int]]]]:
        """The events of videos, by label."""
        found: dict[Path, dict[str, list[list[int]]]] = {}
        for video in annotated_videos(self._session, None):
            spans = found.setdefault(video.video, {})
            for each in video.events:
                spans.setdefault(each.label, []).append([each.onset, each.stop])
        return found

    @on_video
    @given("result")
    def _average(
        self, result: CompareFramesResult, opened: OpenVideo, chosen: NDArray[np.bool_], name: str
    ) -> None:
        mine = result.source == self._own(result)
        if not (mine & chosen).any():
            self._session.tell("None of these frames is of the video on screen.", "info")
            self._give_face(None)
            return
        arguments = {
            "video": str(opened.path),
            "inside": result.frames[mine & chosen],
            "outside": result.frames[mine & ~chosen],
            "crop": opened.crop,
        }

        def on_event(event: Event) -> None:
            if result is not self.result:
                return
            match event:
                case Finished(result=MeanFaceResult() as face):
                    self.face_name = name
                    self._give_face(face)
                case Failed():
                    self._session.tell(event.message, "error")

        self._session.submit("mean_face", arguments, on_event, urgent=True, replaces="mean face")

    def _give_face(self, face: MeanFaceResult | None) -> None:
        if face is not self.face:
            self.face = face
            self.face_changed.emit()


def likeness_traces(
    found: LikenessResult, count: int, colours: Mapping[str, str]
) -> list[MeasuredTrace]:
    """A trace for each label over the `count` frames of a video, in the order of `colours`."""
    frames = np.arange(*found.frames)
    traces = []
    for name in (each for each in colours if each in found.labels):
        samples = np.full(count, np.nan, np.float32)
        samples[frames] = found.similarity[:, found.labels.index(name)]
        traces.append(
            MeasuredTrace(
                LIKENESS,  # type: ignore[arg-type]
                (f"likeness {name}",),
                name,
                samples=samples,
                of="correlation",
                colour=colours[name],
            )
        )
    return traces
