"""The Trajectories dock: keypoints over time, below the canvas, linked with the slider."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_vitface.gui.connections import Connections
from napari_vitface.gui.docked import DockedWidget
from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.open_videos import open_for_window
from napari_vitface.gui.plugin_docks import FACE, TRAJECTORIES, open_plugin_dock, placed_below
from napari_vitface.gui.section import WrappedLabel
from napari_vitface.gui.style import plot_colours, style_sheet
from napari_vitface.gui.trajectories.filter_form import FilterForm
from napari_vitface.gui.trajectories.list import TraceList
from napari_vitface.gui.trajectories.peri_event_view import PeriEventView
from napari_vitface.gui.trajectories.toolbar import STYLE, TrajectoryToolbar
from napari_vitface.gui.trajectories.trajectory_plot import TrajectoryPlot
from napari_vitface.gui.trajectories.video_plot import DockParts, VideoPlot
from napari_vitface.gui.workbench import Workbench, open_session_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

_HEIGHT = 330


class TrajectoriesDock(DockedWidget):
    """The dock of one viewer; it follows the session of that viewer's ViT Face dock.

    Attributes
    ----------
    session : Workbench or None
        None once that dock was closed.
    video : VideoPlot or None
        What is plotted of the video on screen; None without one.
    """

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.setObjectName("vitface-trajectories")
        self._viewer_ref = weakref.ref(viewer)
        self.session: Workbench | None = None
        self.video: VideoPlot | None = None
        self._of_session, self._of_video = of_session, of_video = Connections(), Connections()
        self._closed = False
        self._missing = ""
        placed_below(TRAJECTORIES)

        self.list = TraceList()
        self.list.setFixedWidth(172)
        self.plot = TrajectoryPlot()
        self.form = FilterForm()
        self.form.setVisible(False)
        self.around = PeriEventView()
        self.around.setVisible(False)
        self.waiting = WrappedLabel("", "hint")
        self.waiting.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.open_button = QPushButton("Open the ViT Face dock")
        self.open_button.clicked.connect(lambda: self.join_session())
        self.toolbar = TrajectoryToolbar()
        self._parts = DockParts(self.toolbar, self.list, self.plot, self.form)
        middle = QVBoxLayout()
        middle.setSpacing(3)
        middle.addWidget(self.toolbar)
        middle.addWidget(self.plot, 1)
        middle.addWidget(self.around, 1)
        middle.addStretch(0)
        middle.addWidget(self.waiting)
        middle.addWidget(self.open_button, 0, Qt.AlignmentFlag.AlignHCenter)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(4, 3, 4, 3)
        layout.setSpacing(6)
        layout.addWidget(self.list)
        layout.addLayout(middle, 1)
        layout.addWidget(self.form)

        self._connect_own()
        self._restyle()
        self._of_viewer = Connections()
        self._of_viewer.connect(viewer.events.theme, self._restyle)

        # When the window goes, nothing is to reach what is left of the widget.
        def undo(*_: object) -> None:
            of_session.undo()
            of_video.undo()

        self.destroyed.connect(undo)
        self.join_session()

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
        self.around.sought.connect(self._seek_trial)
        self.around.written.connect(lambda path: self._say_written(path))
        self.list.changed.connect(self._to_video(VideoPlot.show_traces))
        self.list.chosen.connect(self._to_video(VideoPlot.select))
        self.plot.sought.connect(self._to_video(VideoPlot.seek))
        self.plot.range_changed.connect(self._to_video(VideoPlot.show_time))
        self.plot.threshold_moved.connect(self._to_video(VideoPlot.set_threshold))
        self.form.applied.connect(self._to_video(VideoPlot.apply))
        self.form.undo_pressed.connect(self._to_video(VideoPlot.undo))
        self.form.redo_pressed.connect(self._to_video(VideoPlot.redo))
        self.form.save_pressed.connect(self._to_video(VideoPlot.save_filtered))

    def _to_video(self, work: Callable[..., None]) -> Callable[..., None]:
        """A slot that hands on what the user does to the plot of a video, while there is one."""

        def slot(*values: Any) -> None:
            if self.video is not None:
                work(self.video, *values)

        return slot

    @property
    def _viewer(self) -> Viewer:
        viewer = self._viewer_ref()
        assert viewer is not None
        return viewer

    # ----------------------------------------------------------------- the session

    def join_session(self) -> None:
        """Follow the session of the viewer's ViT Face dock, which is opened if there is none."""
        if self._closed:
            return
        self.leave_session()
        viewer = self._viewer
        session: Workbench = open_session_of(viewer) or open_plugin_dock(viewer, FACE).session
        self.session = session
        self._of_session.connect(session.video_changed, self._on_video)
        self._of_session.connect(session.ended, self._on_ended)
        self._of_session.connect(session.responses.changed, self._show_responses)
        self._of_session.connect(session.responses.found, self.show_around)
        self._on_video()

    def leave_session(self) -> None:
        """Stop listening to the session."""
        if self.session is not None:
            self.session.responses.watch(False)
        self._of_session.undo()
        self._leave_video()
        self.session = None

    def close_links(self) -> None:
        """Let go of the session and the viewer; the dock is of no use afterwards."""
        self.leave_session()
        self._of_viewer.undo()
        self._closed = True

    def _on_ended(self) -> None:
        self.leave_session()
        self._on_video()

    def _on_video(self) -> None:
        self._leave_video()
        session = self.session
        if session is not None and session.current is not None:
            self.video = VideoPlot(
                session, session.current, self._parts, self._of_video, self._wait_for
            )
            return
        self.list.set_keypoints(None)
        self.form.set_state([], None, "", "", usable=False)
        self.toolbar.place.setText("")
        self._wait_for(
            "Waits for a video: open one in the ViT Face dock."
            if session is not None
            else "The ViT Face dock of this window was closed."
        )

    def _leave_video(self) -> None:
        if self.video is not None:
            self.video.close()
            self.video = None

    # ----------------------------------------------------------------- around onsets

    def show_around(self) -> None:
        """Show means around onsets in place of time."""
        self.toolbar.around_button.setChecked(True)

    def _on_around(self, on: bool) -> None:
        self._arrange()
        if self.session is not None:
            self.session.responses.watch(on)

    def _show_responses(self) -> None:
        session = self.session
        if session is not None and self.toolbar.around_button.isChecked():
            responses = session.responses
            sources = responses.sources
            place = list(sources).index(responses.source)
            self.around.set_sources(list(sources.values()), place)
            self.around.show_responses(responses.shown, responses.waiting, responses.colours)

    def _choose_source(self, place: int) -> None:
        if self.session is not None:
            responses = self.session.responses
            responses.choose(list(responses.sources)[place])

    def _seek_trial(self, path: Path, onset: int) -> None:
        if self.session is not None:
            try:
                self.session.responses.go_to(path, onset, lambda: open_for_window(path))
            except Exception as error:
                self.session.tell(sentence_of("opening the video", error), "error")

    def _say_written(self, path: Path) -> None:
        if self.session is not None:
            self.session.tell(f"Wrote {path}.", "info")

    # ----------------------------------------------------------------- the widget

    def sizeHint(self) -> QSize:
        return QSize(900, _HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(400, 150)

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
        around = self.toolbar.around_button.isChecked() and self.session is not None
        text = "" if around else self._missing
        self.waiting.setText(text)
        self.open_button.setVisible(self.session is None)
        self.plot.setVisible(not text and not around)
        self.list.setEnabled(not text)
        self.list.setVisible(not around)
        self.around.setVisible(around)

    def _restyle(self, event: Any = None) -> None:
        viewer = self._viewer
        text, back = plot_colours(viewer.theme)
        self.setStyleSheet(style_sheet(viewer) + STYLE)
        self.plot.set_colours(text, back, QColor(text))
        self.around.set_colours(QColor(text), back)
        self._to_video(VideoPlot.show_traces)()
