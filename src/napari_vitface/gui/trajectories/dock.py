"""The Trajectories dock: keypoints over time, below the canvas, linked with the slider."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtGui import QColor
from qtpy.QtWidgets import QHBoxLayout, QVBoxLayout

from napari_vitface.gui.connections import Connections
from napari_vitface.gui.plugin_docks import TRAJECTORIES
from napari_vitface.gui.session_dock import SessionDock, SessionPanel
from napari_vitface.gui.trajectories.filter_form import FilterForm
from napari_vitface.gui.trajectories.list import TraceChoice, TraceList
from napari_vitface.gui.trajectories.peri_event_view import PeriEventView
from napari_vitface.gui.trajectories.toolbar import TrajectoryToolbar
from napari_vitface.gui.trajectories.trajectory_plot import TrajectoryPlot
from napari_vitface.gui.trajectories.video_plot import DockParts, VideoPlot
from napari_vitface.gui.workbench import Workbench


class TrajectoriesPanel(SessionPanel):
    """Plots of the video on screen, or around onsets, and what is done with them.

    Attributes
    ----------
    video : VideoPlot or None
        What is plotted of the video on screen; None without one.
    """

    def __init__(self, session: Workbench) -> None:
        super().__init__(session)
        self.video: VideoPlot | None = None
        self._of_video = of_video = Connections()
        self._missing = ""
        self.list = TraceList(session.kept.of("trajectories.traces", TraceChoice()))
        self.list.setFixedWidth(172)
        self.plot = TrajectoryPlot()
        self.form = FilterForm(session.kept)
        self.form.setVisible(False)
        self.around = PeriEventView()
        self.around.setVisible(False)
        self.toolbar = TrajectoryToolbar(session.kept)
        self._parts = DockParts(self.toolbar, self.list, self.plot, self.form)
        middle = QVBoxLayout()
        middle.setSpacing(3)
        middle.addWidget(self.toolbar)
        middle.addWidget(self.plot, 1)
        middle.addWidget(self.around, 1)
        middle.addStretch(0)
        middle.addWidget(self.waiting)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 3, 4, 3)
        layout.setSpacing(6)
        layout.addWidget(self.list)
        layout.addLayout(middle, 1)
        layout.addWidget(self.form)

        self._connect_own()
        # When the window goes, nothing is to reach what is left of the widget.
        self.destroyed.connect(lambda *_: of_video.undo())
        self.connections.connect(session.video_changed, self._on_video)
        self.connections.connect(session.responses.changed, self._show_responses)
        self.connections.connect(session.responses.found, self.show_around)
        self._on_video()

    def _connect_own(self) -> None:
        for text, work in (
            ("Plotted traces, frames in view (CSV)…", VideoPlot.export_frames_in_view),
            ("Plotted traces, all frames (CSV)…", VideoPlot.export_all_frames),
            ("Picture of the plot (PNG, SVG)…", VideoPlot.export_picture),
            ("Filtered predictions beside the video", VideoPlot.save_filtered),
        ):
            self.toolbar.add_export(text, self._to_video(work))
        self.toolbar.changed.connect(self._to_video(VideoPlot.show_traces))
        self.toolbar.fit_pressed.connect(self.plot.fit)
        self.toolbar.filter_toggled.connect(self.form.setVisible)
        self.toolbar.around_toggled.connect(self._on_around)
        self.around.source_chosen.connect(self._choose_source)
        self.around.sought.connect(self.session.responses.go_to)
        self.around.written.connect(lambda path: self.session.tell(f"Wrote {path}.", "info"))
        self.list.changed.connect(self._to_video(VideoPlot.show_traces))
        self.list.chosen.connect(self._to_video(VideoPlot.select))
        self.plot.sought.connect(self._to_video(VideoPlot.seek))
        self.plot.range_changed.connect(self._to_video(VideoPlot.show_time))
        self.plot.threshold_moved.connect(self._to_video(VideoPlot.set_threshold))
        self.form.applied.connect(self._to_video(VideoPlot.apply))
        self.form.undo_pressed.connect(self._to_video(VideoPlot.undo))
        self.form.redo_pressed.connect(self._to_video(VideoPlot.redo))
        self.form.save_pressed.connect(self._to_video(VideoPlot.save_filtered))
        self.session.kept.follow(self.toolbar, "filter_button")

    def _to_video(self, work: Callable[..., None]) -> Callable[..., None]:
        """A slot that hands on what the user does to the plot of a video, while there is one."""

        def slot(*values: Any) -> None:
            if self.video is not None:
                work(self.video, *values)

        return slot

    def leave(self) -> None:
        """Stop listening to the session."""
        self.session.responses.watch(False)
        self._leave_video()
        super().leave()

    # ----------------------------------------------------------------- the video

    def _on_video(self) -> None:
        self._leave_video()
        if (opened := self.session.current) is not None:
            self.video = VideoPlot(
                self.session, opened, self._parts, self._of_video, self._wait_for
            )
            return
        self.list.set_keypoints()
        self.form.set_state([], None, "", "", usable=False)
        self.toolbar.place.setText("")
        self._wait_for(self.session.made.waiting_elsewhere)

    def _leave_video(self) -> None:
        self._to_video(VideoPlot.close)()
        self.video = None

    # ----------------------------------------------------------------- around onsets

    def show_around(self) -> None:
        """Show means around onsets in place of time."""
        self.toolbar.around_button.setChecked(True)

    def _on_around(self, on: bool) -> None:
        self._arrange()
        self.session.responses.watch(on)

    def _show_responses(self) -> None:
        if self.toolbar.around_button.isChecked():
            responses = self.session.responses
            sources = responses.sources
            place = list(sources).index(responses.source)
            self.around.set_sources(list(sources.values()), place)
            self.around.show_responses(responses.shown, responses.colours)

    def _choose_source(self, place: int) -> None:
        responses = self.session.responses
        responses.choose(list(responses.sources)[place])

    # ----------------------------------------------------------------- the widget

    def showEvent(self, event: Any) -> None:
        """Catch up with what happened while nobody looked."""
        super().showEvent(event)
        self._to_video(VideoPlot.redraw_soon)()

    def _wait_for(self, text: str) -> None:
        """Say what is missing; with an empty text, show the plot."""
        self._missing = text
        self.toolbar.set_usable(not text)
        self._arrange()

    def _arrange(self) -> None:
        around = self.toolbar.around_button.isChecked()
        text = "" if around else self._missing
        self.waiting.setText(text)
        self.plot.setVisible(not text and not around)
        self.list.setEnabled(not text)
        self.list.setVisible(not around)
        self.around.setVisible(around)

    def set_colours(self, text: QColor, back: QColor) -> None:
        """Take over colours of the theme."""
        self.plot.set_colours(text, back, QColor(text))
        self.around.set_colours(QColor(text), back)
        self._to_video(VideoPlot.show_traces)()


class TrajectoriesDock(SessionDock):
    """The dock of plots of one viewer."""

    name = TRAJECTORIES
    shows = TrajectoriesPanel
    size_wanted = (900, 330)
