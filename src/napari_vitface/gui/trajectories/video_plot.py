"""What the Trajectories dock plots of one video, and what the user does to it there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtGui import QColor

from napari_vitface.gui.given import given
from napari_vitface.gui.trajectories.exports import filtered_paths
from napari_vitface.gui.trajectories.filter_form import FilterForm
from napari_vitface.gui.trajectories.label_rows import LabelRows
from napari_vitface.gui.trajectories.list import TraceList
from napari_vitface.gui.trajectories.measured_traces import MeasuredTrace
from napari_vitface.gui.trajectories.panel_kinds import PANELS
from napari_vitface.gui.trajectories.plotted_table import PlottedTable
from napari_vitface.gui.trajectories.toolbar import TrajectoryToolbar
from napari_vitface.gui.trajectories.trace_export import (
    ask_for_file,
    export_csv,
    export_picture,
    save_filtered,
)
from napari_vitface.gui.trajectories.trace_store import TraceStore
from napari_vitface.gui.trajectories.trajectory_plot import TrajectoryPlot
from napari_vitface.kinematics import Trace
from napari_vitface.kinematics.traces import KEYPOINTS_OF
from napari_vitface.pose.edits import Operation
from napari_vitface.pose.keypoints import KeypointSet

if TYPE_CHECKING:
    from napari_vitface.gui.connections import Connections
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.workbench import Workbench

#: Milliseconds between looks at poses that are still coming in.
_REFRESH = 300

_NOTHING_YET = (
    "Nothing to plot yet: press Predict in the ViT Face dock, or label some frames under Correct."
)


@dataclass(frozen=True)
class DockParts:
    """The widgets of the dock that show a video."""

    toolbar: TrajectoryToolbar
    list: TraceList
    plot: TrajectoryPlot
    form: FilterForm


class VideoPlot:
    """Plots one video, as long as it is on screen.

    Parameters
    ----------
    connections : Connections
        What it listens to; undone by `close`, or when the window goes.
    wait_for : callable
        Says in a sentence what is missing, or, with an empty one, that there is something to plot.

    Attributes
    ----------
    store : TraceStore
    """

    def __init__(
        self,
        session: Workbench,
        opened: OpenVideo,
        parts: DockParts,
        connections: Connections,
        wait_for: Callable[[str], None],
    ) -> None:
        self._session = session
        self._opened = opened
        self._toolbar, self._list = parts.toolbar, parts.list
        self._plot, self._form = parts.plot, parts.form
        self._connections = connections
        self._wait_for = wait_for
        self._rows = LabelRows(opened.labels)
        self._centred = self._toolbar.centred.isChecked()
        self.store = TraceStore(session, self.redraw_soon)
        self._table = PlottedTable(opened, self.store)
        self._timer = QTimer(self._plot)
        self._timer.setInterval(_REFRESH)
        self._timer.timeout.connect(self._look_again)
        # Draws once, after all that is going on now.
        self._redrawing = QTimer(self._plot)
        self._redrawing.setSingleShot(True)
        self._redrawing.timeout.connect(self._redraw)
        self._listen()
        self._begin()

    def _listen(self) -> None:
        session, labelling = self._session, self._session.labelling
        for signal, slot in (
            (session.frame_changed, self._on_frame),
            (session.time_in_view.changed, self._plot.show_frames),
            (session.poses_changed, self._on_poses),
            (session.traces_changed, self._on_measured),
            (session.prediction.filled, self._on_filled),
            (session.prediction.changed, self._watch),
            (session.video_list.changed, self._watch),
            (session.filters.changed, self._on_filters),
            (session.marks.changed, self._on_marks),
            (labelling.changed, self._on_labels_of),
            (labelling.document_changed, self._on_labels),
            (labelling.keypoints_changed, self._on_keypoints),
            (labelling.selection.changed, self._on_selection),
        ):
            self._connections.connect(signal, slot)

    def _begin(self) -> None:
        video = self._opened.video
        times = video.times if video.frame_rate > 0 else None
        self._form.set_rate(video.frame_rate)
        self._form.models.show_video(self._session, self._opened)
        self._plot.set_length(len(video), times)
        self._table.begin(times)
        self._on_labels()
        self._on_keypoints()
        self._on_marks()
        self._show_elsewhere()
        self._on_filters()
        self._plot.set_frame(self._session.frame)
        self._toolbar.show_place(self._session.frame, self.store.times)

    def close(self) -> None:
        """Plot nothing more."""
        self._connections.undo()
        self._table.end()
        for lane in self._plot.lanes.ticks:
            self._show_frames(lane, {})
        for timer in (self._timer, self._redrawing):
            timer.stop()
            timer.deleteLater()

    # ----------------------------------------------------------------- what the session does

    def _on_frame(self, frame: int) -> None:
        self._plot.set_frame(frame)
        self._toolbar.show_place(frame, self.store.times)
        if self._toolbar.follow.isChecked() and self._toolbar.isVisible():
            self._plot.bring_into_view(frame)

    def _on_poses(self) -> None:
        self._table.take()
        self._on_keypoints()
        self._on_filters()
        self._form.models.look_again()

    def _on_filled(self, start: int, stop: int) -> None:
        if self._opened.predictions is self.store.table:
            self.store.touched(start, stop)

    def _watch(self) -> None:
        """Look now and then while poses come in or are gone through."""
        session = self._session
        busy = (
            session.prediction.active
            or session.video_list.active
            or session.filters.share is not None
            or self.store.building
        )
        if busy and not self._timer.isActive():
            self._timer.start()
        elif not busy and self._timer.isActive():
            self._timer.stop()
            self._look_again()

    def _look_again(self) -> None:
        """Take in what came since the last time."""
        if self._toolbar.isVisible():
            self.store.catch_up()
            self._show_filters()
            self.redraw_soon()
        self._watch()

    def _on_labels(self) -> None:
        self._rows = LabelRows(self._opened.labels)
        self._show_labelled()

    def _on_labels_of(self, frame: int) -> None:
        labels = self._opened.labels
        if self._rows.keypoints != labels.keypoints:
            self._on_labels()
            return
        before = len(self._rows.frames)
        self._rows.update(labels, frame)
        if len(self._rows.frames) != before:
            self._show_labelled()
        self.redraw_soon()

    def _show_labelled(self) -> None:
        self._plot.lanes.ticks["labelled"].set_frames(self._rows.frames)
        self._show_waiting()
        self.show_traces()  # Without predictions, there are panels once there are labels.

    def _on_keypoints(self) -> None:
        opened = self._opened
        self._list.set_keypoints(opened.keypoints, opened.predicted_keypoints)
        if self._rows.keypoints != opened.labels.keypoints:
            self._on_labels()
        self.show_traces()
        self._show_waiting()

    def _on_marks(self) -> None:
        marks = self._session.marks
        self._show_frames("suggested", marks.suggested)
        self._plot.lanes.ticks["low"].set_frames(marks.low_confidence)
        if self._plot.threshold.value() != marks.threshold:
            self._plot.threshold.setValue(marks.threshold)

    def _on_measured(self) -> None:
        self._table.take()
        self._show_elsewhere()
        self.show_traces()
        self._show_waiting()

    @property
    def _tracked(self) -> bool:
        """Whether there are predictions or labels."""
        return self._opened.predictions is not None or len(self._rows.frames) > 0

    def _show_elsewhere(self) -> None:
        """Mark the frames in which the network tracks a keypoint by something else."""
        self._show_frames("elsewhere", self._opened.elsewhere)

    def _show_frames(self, lane: str, why: dict[int, str]) -> None:
        self._plot.lanes.words[lane] = why
        self._plot.lanes.ticks[lane].set_frames(np.array(sorted(why), dtype=np.int64))

    def _on_selection(self) -> None:
        self._list.set_selected(self._selected())
        self.show_traces()

    def _selected(self) -> list[str]:
        """Names of the keypoints that are selected on the video."""
        keypoints = self._opened.keypoints
        chosen = self._session.labelling.selection.indices
        return [keypoints.names[k] for k in chosen] if keypoints is not None else []

    def _on_filters(self) -> None:
        self._show_filters()
        self._watch()

    def _show_filters(self) -> None:
        filters, opened = self._session.filters, self._opened
        self._form.set_state(
            filters.operations,
            filters.share,
            filters.undo_text,
            filters.redo_text,
            usable=opened.poses is not None,
            waits=bool(self._session.prediction.is_filling(opened)),
            problem=filters.problem,
        )
        h5, _ = filtered_paths(opened.path, opened.saved, opened.model)
        self._form.set_table_name(h5.stem)

    # ----------------------------------------------------------------- what the user does

    def seek(self, frame: int) -> None:
        """Move the slider to a frame."""
        self._session.go_to(frame)

    @given("_opened.keypoints")
    def select(self, keypoints: KeypointSet, name: str) -> None:
        """Select a keypoint on the video."""
        if name in keypoints.names:
            self._session.labelling.selection.select([keypoints.index(name)])

    def set_threshold(self, value: float) -> None:
        """Call confidences below this one low."""
        self._session.marks.threshold = round(value, 3)

    def apply(self, operation: Operation) -> None:
        """Smooth the predictions or fill their gaps, as the form says."""
        if self._form.only_plotted:
            operation["keypoints"] = self._list.keypoints
        if self._form.only_in_view:
            operation["frames"] = list(self._plot.frames)
        self._session.filters.do(operation)

    def undo(self) -> None:
        """Take back the last edit or operation."""
        self._session.labelling.undo()

    def redo(self) -> None:
        """Do again what was taken back last."""
        self._session.labelling.redo()

    # ----------------------------------------------------------------- drawing

    def traces(self) -> list[Trace]:
        """What is plotted, from the top panel to the bottom one."""
        traces: list[Trace] = []
        for kind in PANELS:
            if kind.key in self._panels():
                if kind.of_video:
                    traces += self._opened.traces.get(kind.key, [])
                elif not kind.kinds:
                    # What other parts of the window measured.
                    traces += self._opened.traces_in(kind.key, self._list.keypoints)
                elif KEYPOINTS_OF[kind.kinds[0]] == 1:
                    traces += [Trace(kind.kinds[0], (name,)) for name in self._list.keypoints]
                traces += [trace for trace in self._list.derived if trace.kind in kind.kinds]
        return traces

    def _panels(self) -> list[str]:
        """Keys of the panels that are wanted, and have something to show."""
        tracked = self._tracked
        of_video = {kind.key for kind in PANELS if kind.of_video}
        return [key for key in self._toolbar.panels if key in of_video or tracked]

    def show_traces(self) -> None:
        """Plot what is ticked now."""
        derived = {trace.kind for trace in self._list.all_derived}
        self._toolbar.offer(derived | set(self._opened.traces))
        traces = self.traces()
        self._plot.set_panels(self._panels())
        colours = {trace: self._colour(trace) for trace in traces}
        self._plot.set_traces(colours, self._selected())
        if self._centred != self._toolbar.centred.isChecked():
            self._centred = not self._centred
            self._plot.fit_values()
        self._plot.set_titles(self.store.times is not None, self._centred)
        self.store.want(traces)
        self._watch()
        self.redraw_soon()

    def show_time(self) -> None:
        """Other frames are in view: draw them, and let other docks show them."""
        self._session.time_in_view.show(*self._plot.time.viewRange()[0])
        self.redraw_soon()

    def _colour(self, trace: Trace) -> QColor:
        own = trace.colour if isinstance(trace, MeasuredTrace) else ""
        return QColor(own) if own else self._list.colour(trace)

    def redraw_soon(self) -> None:
        """Draw once, after all that is going on now."""
        if not self._redrawing.isActive():
            self._redrawing.start(0)

    def _redraw(self) -> None:
        if self._plot.isVisible():
            self._plot.draw(self.store, self._rows, self._centred)

    def _show_waiting(self) -> None:
        self._wait_for("" if self._tracked or self._opened.traces else _NOTHING_YET)

    # ----------------------------------------------------------------- files

    def export_frames_in_view(self) -> None:
        """Ask for a file and write the plotted traces of the frames in view."""
        self._export_csv(self._plot.frames)

    def export_all_frames(self) -> None:
        """Ask for a file and write the plotted traces of all frames."""
        self._export_csv((0, len(self._opened.video)))

    def _export_csv(self, frames: tuple[int, int]) -> None:
        def write(path: Path) -> None:
            table, rows = self._table.now, self._rows
            export_csv(self._session, self._opened, path, self.traces(), table, rows, frames)

        ask_for_file(self._plot.parentWidget(), self._opened, write, picture=False)

    def export_picture(self) -> None:
        """Ask for a file and write a picture of the plot."""
        ask_for_file(self._plot.parentWidget(), self._opened, self._draw_to, picture=True)

    def _draw_to(self, path: Path) -> None:
        self._redraw()
        export_picture(self._session, path, self._plot)

    def save_filtered(self) -> None:
        """Write the predictions as they are shown beside those of the model."""
        save_filtered(self._session, self._opened, self._rows, self._plot.parentWidget())
