"""The video fills the canvas whatever docks open beside it, until the user zooms or moves it.

napari fits what is opened once, to the canvas as it is at that moment: a dock that opens later lies
over the edge of the picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QEvent, QObject, QSize, QTimer
from qtpy.QtGui import QResizeEvent

from napari_vitface.gui.on_video import frame_size
from napari_vitface.gui.open_video import OpenVideo, on_video

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_vitface.gui.session import Session

#: Share of the canvas that is filled, as napari has it.
_FILLED = 0.95
#: Differences below this share are nobody's zoom.
_ALIKE = 0.02


class FittedView(QObject):
    """Fits the current video of a session anew whenever the canvas gets another size.

    Parameters
    ----------
    session : Session
    viewer : Viewer
        With a window.
    parent : QObject
        As long as which it lives.
    """

    def __init__(self, session: Session, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._pending = False
        self._frame_size: tuple[int, int] | None = None
        self._canvas = viewer.window._qt_viewer.canvas.native
        self._canvas.installEventFilter(self)
        session.video_changed.connect(self._on_video)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QResizeEvent) and not self._pending:
            self._pending = self._is_fitted(event.oldSize())
            if self._pending:
                # Docks resize the canvas in several steps.
                QTimer.singleShot(0, self.fit)
        return False

    def fit(self) -> None:
        """Let the current video fill the canvas."""
        self._pending = False
        view = self._view(self._canvas.size())
        if view is not None and not self._session.closed:
            camera = self._camera()
            centre, camera.zoom = view
            camera.center = (*camera.center[:-2], *centre)

    def _is_fitted(self, canvas: QSize) -> bool:
        """Whether the video fills a canvas of that size as `fit` would have it."""
        view = self._view(canvas)
        if view is None:
            return False
        centre, zoom = view
        camera = self._camera()
        off = np.abs(np.subtract(camera.center[-2:], centre)) * zoom
        small = _ALIKE * min(canvas.width(), canvas.height())
        return abs(camera.zoom / zoom - 1) < _ALIKE and bool((off < small).all())

    def _view(self, canvas: QSize) -> tuple[tuple[float, float], float] | None:
        """Centre (y, x) and zoom; None where there is nothing to fit."""
        opened, viewer = self._session.current, self._session.viewer
        if opened is None or viewer.dims.ndisplay != 2 or canvas.isEmpty():
            return None
        size = np.array(frame_size(opened.layer))
        scale, first = np.asarray(opened.layer.scale[-2:]), opened.layer.translate[-2:]
        y, x = first + scale * (size - 1) / 2
        room = np.array([canvas.height(), canvas.width()])
        return (float(y), float(x)), float(_FILLED * (room / (size * np.abs(scale))).min())

    def _camera(self) -> Any:
        viewer: Any = self._session.viewer
        # napari 0.9 moved it.
        return getattr(viewer, "scene", viewer).camera

    @on_video
    def _on_video(self, opened: OpenVideo) -> None:
        before, self._frame_size = self._frame_size, frame_size(opened.layer)
        if before != self._frame_size:
            # A view of frames of another size is no view of these.
            self.fit()
