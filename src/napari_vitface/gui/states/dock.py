"""The dock of frames: how alike they are and a map of them, linked with the slider."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSplitter,
    QWidget,
)

from napari_vitface.errors import FeatureFileError
from napari_vitface.events.event_labels import PALETTE
from napari_vitface.gui.given import given
from napari_vitface.gui.numbers import counted
from napari_vitface.gui.plugin_docks import FRAMES, TRAJECTORIES
from napari_vitface.gui.run_progress import RunProgress
from napari_vitface.gui.section import Note, WrappedLabel, set_role, stack
from napari_vitface.gui.session_dock import SessionDock, SessionPanel, open_session_dock
from napari_vitface.gui.states.frame_colours import frame_colours
from napari_vitface.gui.states.frame_map import FrameMap
from napari_vitface.gui.states.matrix import SimilarityPlot
from napari_vitface.gui.workbench import Workbench

if TYPE_CHECKING:
    from napari_vitface.jobs.results.states import CompareFramesResult

_ORDERS = {"time": "in time", "label": "by label", "clusters": "by likeness"}
_MAPS = {"pca": "PCA", "umap": "UMAP"}


class FramesPanel(SessionPanel):
    """How alike the frames of the video on screen are, and a map of them."""

    def __init__(self, session: Workbench) -> None:
        super().__init__(session)
        self.comparison = session.frame_comparison
        self._colours: dict[str, str] = {}
        self.kind = QComboBox()
        self.kind.setToolTip("By what frames are compared")
        self.embedding = QComboBox()
        self.embedding.setToolTip(
            "How the map is made: principal components, or UMAP, which keeps neighbours together"
        )
        for key, title in _MAPS.items():
            self.embedding.addItem(title, key)
        self.compare_button = QPushButton("Compare frames")
        self.compare_button.setToolTip(
            "Compute the features of this video, unless they lie beside it, and compare its frames"
        )
        self.together = QCheckBox("all videos")
        self.together.setToolTip(
            "With the other videos that are open or in the list, beside which these features lie"
        )
        self.order = QComboBox()
        self.order.setToolTip("In which order frames stand in the matrix")
        for key, title in _ORDERS.items():
            self.order.addItem(title, key)
        self.order.setCurrentIndex(self.order.findData("clusters"))
        self.lasso_button = QPushButton("Lasso")
        self.lasso_button.setCheckable(True)
        self.lasso_button.setToolTip("Circle points of the map: their mean face is shown")
        self.label = QComboBox()
        self.label.setToolTip(
            "Show the mean face of a label, and how it differs from that of all other frames"
        )
        self.likeness_button = QPushButton("Likeness")
        self.likeness_button.setToolTip(
            "Plot, in the Trajectories dock, how like the typical face of each label every frame is"
        )
        self.hog = QCheckBox("HOG on the frame")
        self.hog.setToolTip("Draw what HOG sees over each frame")
        self.again_button = QPushButton("Compute again")
        self.again_button.setToolTip(
            "Replace the file of features, which was made otherwise or is damaged"
        )
        self.progress = RunProgress(
            self.comparison.runner, "frame", "Stop; what is computed is kept"
        )
        self.note = Note()
        self.about = WrappedLabel("", "hint")
        self.matrix, self.map = SimilarityPlot(), FrameMap()
        self.plots = QSplitter(Qt.Orientation.Horizontal)
        self.plots.addWidget(self.matrix)
        self.plots.addWidget(self.map)
        self.plots.setChildrenCollapsible(False)
        self.plots.setStretchFactor(0, 2)
        self.plots.setStretchFactor(1, 3)
        self._lay_out()
        self._connect_own()
        for kind in self.comparison.kinds():
            self.kind.addItem(kind.title, kind.name)
            self.kind.setItemData(self.kind.count() - 1, kind.help, Qt.ItemDataRole.ToolTipRole)
        session.kept.follow(self, "kind", "embedding", "together", "order", "hog")
        self._refresh()
        self._show_result()

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setSpacing(5)
        for button in (self.compare_button, self.lasso_button, self.likeness_button):
            set_role(button, "tool")
        left: tuple[QWidget, ...] = (
            self.kind, self.embedding, self.compare_button, self.together
        )  # fmt: skip
        right: tuple[QWidget, ...] = (
            self.label,
            self.likeness_button,
            self.lasso_button,
            self.hog,
        )
        for widget in left:
            bar.addWidget(widget)
        bar.addSpacing(8)
        bar.addWidget(QLabel("matrix"))
        bar.addWidget(self.order)
        bar.addStretch(1)
        for widget in right:
            bar.addWidget(widget)
        layout = stack(self, bar, self.progress, self.note, spacing=3, margins=(4, 3, 4, 3))
        layout.addWidget(self.again_button, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self.plots, 1)
        layout.addStretch(0)
        layout.addWidget(self.about)
        layout.addWidget(self.waiting)

    def _connect_own(self) -> None:
        session, comparison, connect = self.session, self.comparison, self.connections.connect
        self.compare_button.clicked.connect(lambda: self.compare())
        self.again_button.clicked.connect(lambda: self.compare(overwrite=True))
        self.order.activated.connect(lambda _: self._show_matrix())
        self.lasso_button.toggled.connect(lambda on: setattr(self.map, "lasso", on))
        self.label.activated.connect(lambda _: self._on_label())
        self.likeness_button.clicked.connect(lambda: self.plot_likeness())
        self.hog.toggled.connect(lambda on: setattr(session.face_layers, "hog", on))
        self.matrix.clicked.connect(comparison.go_to)
        self.map.clicked.connect(comparison.go_to)
        self.map.lassoed.connect(comparison.select)
        connect(session.video_changed, self._refresh)
        connect(session.video_changed, self._mark)
        connect(session.frame_changed, self._mark)
        connect(session.annotating.changed, self._on_events)
        connect(comparison.changed, self._show_result)
        connect(comparison.selection_changed, self._show_selection)
        connect(comparison.face_changed, self._say)
        connect(comparison.runner.started, self._refresh)
        connect(comparison.runner.changed, self._refresh)

    # ----------------------------------------------------------------- what the user does

    def compare(self, *, overwrite: bool = False) -> None:
        """Compare the frames of the video on screen by the kind that is chosen."""
        self.comparison.compare(
            self.kind.currentData(),
            self.embedding.currentData(),
            overwrite=overwrite,
            together=self.together.isChecked() and self.together.isVisible(),
        )

    def plot_likeness(self) -> None:
        """Plot how like the typical face of each label frames are, below the canvas."""
        self.comparison.plot_likeness()
        open_session_dock(self.session.viewer, TRAJECTORIES)

    def _on_label(self) -> None:
        if self.label.currentData():
            self.comparison.show_label(self.label.currentData())

    # ----------------------------------------------------------------- what is shown

    def _refresh(self, *_: object) -> None:
        """Bring buttons and sentences up to date."""
        opened, comparison = self.session.current, self.comparison
        run, result = comparison.runner.last_of(opened), comparison.result
        active, there = comparison.runner.active, result is not None
        waiting = self.session.made.waiting_elsewhere
        waits = bool(waiting)
        if not (waits or there or active):
            waiting = (
                "Press Compare frames: a matrix of how alike frames are, and a map of them, in "
                "which a click shows a frame."
            )
        self.waiting.setText(waiting)
        for widget in (self.kind, self.embedding, self.compare_button, self.together):
            widget.setEnabled(not waits and not active)
        self.together.setVisible(bool(self.comparison.others))
        self.hog.setEnabled(not waits)
        self.progress.show_run(run)
        failed = run.status == "failed"
        notices = [] if active else run.notices
        self.note.say(
            run.message if failed else "\n".join(notices), "error" if failed else "warning"
        )
        self.again_button.setVisible(failed and run.error == FeatureFileError.__name__)
        self.plots.setVisible(there)
        for widget in (self.order, self.label, self.lasso_button):
            widget.setEnabled(there)

    def _show_result(self) -> None:
        self._refresh()
        self.label.clear()
        self.label.addItem("face of …", "")
        self._say()
        self._plot()

    @given("comparison.result")
    def _plot(self, result: CompareFramesResult) -> None:
        for name, colour in self.comparison.colours.items():
            patch = QPixmap(12, 12)
            patch.fill(QColor(colour))
            self.label.addItem(QIcon(patch), name, name)
        for widget in (self.label, self.likeness_button):
            widget.setVisible(bool(result.labels))
        titles = ("", "")
        if result.explained is not None:
            first, second = (
                f"PC {i} ({100 * share:.0f} %)"
                for i, share in enumerate((*result.explained, 0.0, 0.0)[:2], start=1)
            )
            titles = first, second
        self.map.show_points(result.points, self._frame_colours(result), titles)
        self._show_matrix()

    def _frame_colours(self, result: CompareFramesResult) -> NDArray[np.uint8]:
        """(n, 4), as the timeline has them."""
        self._colours = self.comparison.colours
        if not self._colours and len(result.videos) > 1:
            by_video = [PALETTE[k % len(PALETTE)] for k in range(len(result.videos))]
            return frame_colours(result.source, by_video)
        return frame_colours(result.label, list(self._colours.values()))

    def _on_events(self) -> None:
        """Take over the colours of labels, if others were given to them."""
        if self.comparison.colours != self._colours:
            self._show_result()

    @given("comparison.result")
    def _show_matrix(self, result: CompareFramesResult) -> None:
        order = result.order(self.order.currentData())
        self.matrix.show_matrix(result.similarity, order, self._frame_colours(result))
        self._mark()

    @given("comparison.result")
    def _mark(self, result: CompareFramesResult, *_: object) -> None:
        position = self.comparison.nearest(self.session.frame)
        self.matrix.mark(position)
        self.map.mark(position)

    def _show_selection(self) -> None:
        self.map.show_chosen(self.comparison.selected)
        self._say()

    def _say(self) -> None:
        self.about.setText(self._words() or "")

    @given("comparison.result")
    def _words(self, result: CompareFramesResult) -> str:
        comparison = self.comparison
        of = f" of {counted(len(result.videos), 'video')}" if len(result.videos) > 1 else ""
        words = [f"{counted(len(result.frames), 'frame')}{of} compared by {result.title}"]
        if comparison.selected.any():
            words.append(f"{int(comparison.selected.sum())} selected")
        face = comparison.face
        if face is not None:
            against = f" against {counted(face.outside, 'other')}" if face.outside else ""
            words.append(f"mean face of {comparison.face_name} ({face.inside} averaged{against})")
        return "; ".join(words) + "."

    def set_colours(self, text: QColor, back: QColor) -> None:
        """Take over colours of the theme."""
        self.matrix.set_colours(text, back)
        self.map.set_colours(text, back)


class FramesDock(SessionDock):
    """The dock of frames of one viewer."""

    name = FRAMES
    shows = FramesPanel
    size_wanted = (900, 360)
