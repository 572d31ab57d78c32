"""The Trajectories dock: keypoints over time, below the canvas, linked with the slider."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QEvent, QSize, Qt, QTimer
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_vitface.gui.plugin_docks import FACE, TRAJECTORIES, open_plugin_dock
from napari_vitface.gui.section import WrappedLabel
from napari_vitface.gui.style import style_sheet
from napari_vitface.gui.trajectories.data import TraceStore
from napari_vitface.gui.trajectories.export import (
    ask_for_file,
    export_csv,
    export_picture,
    save_filtered,
)
from napari_vitface.gui.trajectories.files import filtered_paths
from napari_vitface.gui.trajectories.filter_form import FilterForm
from napari_vitface.gui.trajectories.labels import LabelRows
from napari_vitface.gui.trajectories.list import TraceList, listed_keypoints
from napari_vitface.gui.trajectories.panel import PANELS, clock
from napari_vitface.gui.trajectories.plot import TrajectoryPlot
from napari_vitface.gui.trajectories.toolbar import STYLE, TrajectoryToolbar
from napari_vitface.gui.workbench import Workbench, open_session_of
from napari_vitface.kinematics import Trace
from napari_vitface.kinematics.traces import KEYPOINTS_OF

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_vitface.gui.open_video import OpenVideo

#: Its name in napari's settings.
DOCK_NAME = f"{TRAJECTORIES} (napari-vitface)"

#: Milliseconds between looks at poses that are still coming in.
_REFRESH = 300

_HEIGHT = 330


class TrajectoriesDock(QWidget):
    """The dock of one viewer; it follows the session of that viewer's ViT Face dock."""

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.setObjectName("vitface-trajectories")
        self._viewer = weakref.ref(viewer)
        self._links: list[tuple[Any, Callable[..., Any]]] = []
        self.session: Workbench | None = None
        self._rows = LabelRows()
        self._redraw_wanted = False
        self._closed = False
        self._centred = True
        self._light = False
        open_below_the_canvas()

        self.list = TraceList()
        self.list.setFixedWidth(172)
        self.plot = TrajectoryPlot()
        self.form = FilterForm()
        self.form.setVisible(False)
        self.waiting = WrappedLabel("", "hint")
        self.waiting.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.open_button = QPushButton("Open the ViT Face dock")
        self.open_button.clicked.connect(lambda: self.join_session())
        self.toolbar = TrajectoryToolbar()
        for text, work in (
            ("Plotted traces, frames in view (CSV)…", lambda: self.export_csv()),
            ("Plotted traces, all frames (CSV)…", lambda: self.export_csv(all_frames=True)),
            ("Picture of the plot (PNG, SVG)…", lambda: self.export_picture()),
            ("Filtered predictions beside the video", lambda: self.save_filtered()),
        ):
            self.toolbar.add_export(text, work)
        middle = QVBoxLayout()
        middle.setSpacing(3)
        middle.addWidget(self.toolbar)
        middle.addWidget(self.plot, 1)
        middle.addStretch(0)
        middle.addWidget(self.waiting)
        middle.addWidget(self.open_button, 0, Qt.AlignmentFlag.AlignHCenter)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 3, 4, 3)
        layout.setSpacing(6)
        layout.addWidget(self.list)
        layout.addLayout(middle, 1)
        layout.addWidget(self.form)

        self.store: TraceStore | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(_REFRESH)
        self._timer.timeout.connect(self._look_again)
        self._connect_own()
        self._restyle()
        viewer.events.theme.connect(self._restyle)
        # When the window goes, nothing is to reach what is left of the widget.
        links = self._links
        self.destroyed.connect(lambda *_: _unlink(links))
        self.join_session()

    def _connect_own(self) -> None:
        self.toolbar.changed.connect(self._on_traces)
        self.toolbar.fit_pressed.connect(self.plot.fit)
        self.toolbar.filter_toggled.connect(self.form.setVisible)
        self.list.changed.connect(self._on_traces)
        self.list.chosen.connect(self._on_chosen)
        self.plot.sought.connect(self._on_sought)
        self.plot.range_changed.connect(self._redraw_soon)
        self.plot.threshold_moved.connect(self._on_threshold_moved)
        self.form.applied.connect(self._on_applied)
        self.form.undo_pressed.connect(lambda: self.session and self.session.labelling.undo())
        self.form.redo_pressed.connect(lambda: self.session and self.session.labelling.redo())
        self.form.save_pressed.connect(lambda: self.save_filtered())

    # ----------------------------------------------------------------- the session

    def join_session(self) -> None:
        """Follow the session of the viewer's ViT Face dock, which is opened if there is none."""
        viewer = self._viewer()
        if viewer is None or self._closed:
            return
        self.leave_session()
        session = open_session_of(viewer)
        if session is None:
            session = open_plugin_dock(viewer, FACE).session
        self.session = session
        self.store = TraceStore(session, self._redraw_soon)
        labelling = session.labelling
        self._link(session.video_changed, self._on_video)
        self._link(session.frame_changed, self._on_frame)
        self._link(session.poses_changed, self._on_poses)
        self._link(session.ended, self._on_ended)
        self._link(session.prediction.filled, self._on_filled)
        self._link(session.prediction.changed, self._watch)
        self._link(session.video_list.changed, self._watch)
        self._link(session.filters.changed, self._on_filters)
        self._link(session.traces_changed, self._on_measured)
        self._link(labelling.changed, self._on_labels_of)
        self._link(labelling.document_changed, self._on_labels)
        self._link(labelling.keypoints_changed, self._on_keypoints)
        self._link(labelling.selection.changed, self._on_selection)
        self._link(session.marks.changed, self._on_marks)
        self._on_video()

    @property
    def _opened(self) -> OpenVideo | None:
        """The video on screen, while there is a session."""
        return self.session.current if self.session is not None else None

    def leave_session(self) -> None:
        """Stop listening to the session."""
        _unlink(self._links)
        self._timer.stop()
        self.session = None
        self.store = None

    def close_links(self) -> None:
        """Let go of the session and the viewer; the dock is of no use afterwards."""
        self.leave_session()
        viewer = self._viewer()
        if viewer is not None:
            viewer.events.theme.disconnect(self._restyle)
        self._closed = True

    def _link(self, signal: Any, slot: Callable[..., Any]) -> None:
        signal.connect(slot)
        self._links.append((signal, slot))

    def event(self, event: QEvent) -> bool:
        # napari takes the widget out of its dock when the user closes that.
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.close_links()
        return bool(super().event(event))

    def sizeHint(self) -> QSize:
        return QSize(900, _HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(400, 150)

    def showEvent(self, event: Any) -> None:
        """Catch up with what happened while nobody looked."""
        super().showEvent(event)
        self._redraw_soon()

    # ----------------------------------------------------------------- what the session does

    def _on_ended(self) -> None:
        self.leave_session()
        self._show_waiting()

    def _on_video(self) -> None:
        session, store = self.session, self.store
        if session is None or store is None:
            return
        opened = session.current
        times = None
        if opened is not None and opened.video.frame_rate > 0:
            times = opened.video.times
        self.form.set_rate(opened.video.frame_rate if opened is not None else 0.0)
        self.plot.set_length(len(opened.video) if opened is not None else 0, times)
        store.set_table(session.predictions, times)
        self._on_labels()
        self._on_keypoints()
        self._on_marks()
        self._show_elsewhere()
        self._on_filters()
        self.plot.set_frame(session.frame)
        self._show_place()

    def _on_frame(self, frame: int) -> None:
        self.plot.set_frame(frame)
        self._show_place()
        if self.toolbar.follow.isChecked() and self.isVisible():
            self.plot.bring_into_view(frame)

    def _on_poses(self) -> None:
        session, store = self.session, self.store
        if session is None or store is None:
            return
        if session.predictions is not store.table:
            store.set_table(session.predictions, store.times)
        self._on_keypoints()
        self._on_filters()
        self._watch()
        self._redraw_soon()

    def _on_filled(self, start: int, stop: int) -> None:
        session, store = self.session, self.store
        if session is None or store is None or session.predictions is not store.table:
            return
        store.touched(start, stop)

    def _watch(self) -> None:
        """Look now and then while poses come in or are gone through."""
        session, store = self.session, self.store
        busy = (
            session is not None
            and store is not None
            and (
                session.prediction.active
                or session.video_list.active
                or session.filters.share is not None
                or store.building
            )
        )
        if busy and not self._timer.isActive():
            self._timer.start()
        elif not busy and self._timer.isActive():
            self._timer.stop()
            self._look_again()

    def _look_again(self) -> None:
        """Take in what came since the last time."""
        if self.store is not None and self.isVisible():
            self.store.catch_up()
            self._show_filters()
            self._redraw_soon()
        self._watch()

    def _on_labels(self) -> None:
        session = self.session
        self._rows = LabelRows(session.labelling.labels if session is not None else None)
        self._show_labelled()
        self._show_waiting()
        self._redraw_soon()

    def _on_labels_of(self, frame: int) -> None:
        session = self.session
        labels = session.labelling.labels if session is not None else None
        if labels is None or self._rows.keypoints != labels.keypoints:
            self._on_labels()
            return
        before = len(self._rows.frames)
        self._rows.update(labels, frame)
        if len(self._rows.frames) != before:
            self._show_labelled()
            self._show_waiting()
        self._redraw_soon()

    def _show_labelled(self) -> None:
        self.plot.lanes.ticks["labelled"].set_frames(self._rows.frames)

    def _on_keypoints(self) -> None:
        session = self.session
        if session is not None:
            predicted = session.predictions
            self.list.set_keypoints(
                listed_keypoints(
                    session.labelling.keypoints, predicted.keypoints if predicted else None
                )
            )
        if self._rows.keypoints is not None and self.session is not None:
            labels = self.session.labelling.labels
            if labels is not None and labels.keypoints != self._rows.keypoints:
                self._on_labels()
        self._on_traces()
        self._show_waiting()

    def _on_marks(self) -> None:
        if self.session is None:
            return
        marks = self.session.marks
        why = marks.suggested
        ticks = self.plot.lanes.ticks
        ticks["suggested"].set_frames(np.array(sorted(why), dtype=np.int64))
        self.plot.lanes.words["suggested"] = why
        ticks["low"].set_frames(marks.low_confidence)
        if self.plot.threshold.value() != marks.threshold:
            self.plot.threshold.setValue(marks.threshold)

    def _on_measured(self) -> None:
        self._show_elsewhere()
        self._on_traces()

    def _show_elsewhere(self) -> None:
        """Mark the frames in which the network tracks a keypoint by something else."""
        opened = self._opened
        elsewhere = opened.elsewhere if opened is not None else {}
        self.plot.lanes.words["elsewhere"] = elsewhere
        self.plot.lanes.ticks["elsewhere"].set_frames(np.array(sorted(elsewhere), dtype=np.int64))

    def _on_selection(self) -> None:
        self.list.set_selected(self._selected())
        self._on_traces()

    def _selected(self) -> list[str]:
        """Names of the keypoints that are selected on the video."""
        session = self.session
        keypoints = session.labelling.keypoints if session is not None else None
        if session is None or keypoints is None:
            return []
        return [keypoints.names[k] for k in session.labelling.selection.indices]

    def _on_filters(self) -> None:
        self._show_filters()
        self._watch()

    def _show_filters(self) -> None:
        session = self.session
        if session is None:
            return
        filters, opened = session.filters, session.current
        usable = opened is not None and opened.poses is not None
        waits = opened is not None and session.prediction.is_filling(opened)
        self.form.set_state(
            filters.operations, filters.share, filters.undo_text, filters.redo_text, usable, waits
        )
        if opened is not None:
            h5, _ = filtered_paths(opened.path, opened.saved, opened.model)
            self.form.set_table_name(h5.stem)

    # ----------------------------------------------------------------- what the user does

    def _on_sought(self, frame: int) -> None:
        if self.session is not None:
            self.session.go_to(frame)

    def _on_chosen(self, name: str) -> None:
        session = self.session
        keypoints = session.labelling.keypoints if session is not None else None
        if session is not None and keypoints is not None and name in keypoints.names:
            session.labelling.selection.select([keypoints.index(name)])

    def _on_threshold_moved(self, value: float) -> None:
        if self.session is not None:
            self.session.marks.threshold = round(value, 3)

    def _on_applied(self, operation: dict[str, Any]) -> None:
        session = self.session
        if session is None:
            return
        if self.form.only_plotted:
            operation["keypoints"] = self.list.keypoints
        if self.form.only_in_view:
            operation["frames"] = list(self.plot.frames)
        session.filters.do(operation)

    def traces(self) -> list[Trace]:
        """What is plotted, from the top panel to the bottom one."""
        traces: list[Trace] = []
        for kind in PANELS:
            if kind.key in self.toolbar.panels:
                if not kind.kinds:
                    traces += self._measured(kind.key)
                elif KEYPOINTS_OF[kind.kinds[0]] == 1:
                    traces += [Trace(kind.kinds[0], (name,)) for name in self.list.keypoints]
                traces += [trace for trace in self.list.derived if trace.kind in kind.kinds]
        return traces

    def _measured(self, panel: str) -> Sequence[Trace]:
        """What other parts of the window measured of the keypoints that are ticked."""
        opened = self._opened
        return opened.traces_in(panel, self.list.keypoints) if opened is not None else []

    def _on_traces(self) -> None:
        measured = set(self._opened.traces) if self._opened is not None else set()
        self.toolbar.offer({trace.kind for trace in self.list.all_derived} | measured)
        traces = self.traces()
        self.plot.set_panels(self.toolbar.panels)
        colours = {trace: self._colour(trace) for trace in traces}
        self.plot.set_traces(colours, self._selected())
        if self._centred != self.toolbar.centred.isChecked():
            self._centred = not self._centred
            self.plot.fit_values()
        timed = self.store is not None and self.store.times is not None
        self.plot.set_titles(timed, self._centred)
        if self.store is not None:
            self.store.want(traces)
        self._watch()
        self._redraw_soon()

    # ----------------------------------------------------------------- drawing

    def _redraw_soon(self) -> None:
        """Draw once, after all that is going on now."""
        if not self._redraw_wanted:
            self._redraw_wanted = True
            QTimer.singleShot(0, self._redraw)

    def _redraw(self) -> None:
        self._redraw_wanted = False
        if self.store is not None and self.plot.isVisible():
            self.plot.draw(self.store, self._rows, self._centred)

    def _show_place(self) -> None:
        session, store = self.session, self.store
        if session is None or session.current is None or store is None:
            self.toolbar.place.setText("")
            return
        frame = session.frame
        text = f"frame {frame:,}".replace(",", " ")
        if store.times is not None and frame < len(store.times):
            text += f"  ·  {clock(float(store.times[frame]), 3)}"
        self.toolbar.place.setText(text)

    def _show_waiting(self) -> None:
        """Say what is missing, if there is nothing to plot."""
        session = self.session
        text = ""
        if session is None:
            text = "The ViT Face dock of this window was closed."
        elif session.current is None:
            text = "Waits for a video: open one in the ViT Face dock."
        elif session.predictions is None and not len(self._rows.frames):
            text = (
                "Nothing to plot yet: press Predict in the ViT Face dock, or label some frames "
                "under Correct."
            )
        self.waiting.setText(text)
        self.open_button.setVisible(session is None)
        self.plot.setVisible(not text)
        self.list.setEnabled(not text)
        self.toolbar.set_usable(not text)

    def _colour(self, trace: Trace) -> QColor:
        colour = self.list.colour(trace)
        # Colours are made for grey video; on a light ground they need more weight.
        return colour.darker(150) if self._light else colour

    def _restyle(self, event: Any = None) -> None:
        from napari.utils.theme import get_theme

        viewer = self._viewer()
        if viewer is None:
            return
        theme = get_theme(viewer.theme)
        back, text = (QColor(*colour.as_rgb_tuple()[:3]) for colour in (theme.canvas, theme.text))
        self._light = back.lightness() > 128
        self.setStyleSheet(style_sheet(viewer) + STYLE)
        self.plot.set_colours(text, back, QColor(text))
        self._on_traces()

    # ----------------------------------------------------------------- files

    def export_csv(self, all_frames: bool = False) -> None:
        """Ask for a file and write the plotted traces of the frames in view, or of all."""
        session = self.session
        path = ask_for_file(self, session, picture=False) if session is not None else None
        if session is not None and session.current is not None and path is not None:
            frames = (0, len(session.current.video)) if all_frames else self.plot.frames
            export_csv(session, path, self.traces(), self._rows, frames)

    def export_picture(self) -> None:
        """Ask for a file and write a picture of the plot."""
        session = self.session
        path = ask_for_file(self, session, picture=True) if session is not None else None
        if session is not None and path is not None:
            self._redraw()
            export_picture(session, path, self.plot)

    def save_filtered(self) -> None:
        """Write the predictions as they are shown beside those of the model."""
        if self.session is not None:
            save_filtered(self.session, self._rows, self)


def _unlink(links: list[tuple[Any, Callable[..., Any]]]) -> None:
    for signal, slot in links:
        signal.disconnect(slot, missing_ok=True)
    links.clear()


def open_below_the_canvas() -> None:
    """Let napari open the dock at the bottom, unless the user had it elsewhere the last time."""
    from napari.settings import get_settings

    positions = getattr(get_settings().application, "plugin_widget_positions", None)
    if positions is not None:
        positions.setdefault(DOCK_NAME, "bottom")
