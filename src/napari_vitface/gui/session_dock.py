"""What the docks below the canvas have in common: each follows the session of a ViT Face dock."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, ClassVar

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_vitface.gui.connections import Connections
from napari_vitface.gui.docked import DockedWidget
from napari_vitface.gui.given import given
from napari_vitface.gui.plugin_docks import FACE, FACE_CLOSED, open_plugin_dock, placed_below
from napari_vitface.gui.section import WrappedLabel
from napari_vitface.gui.style import plot_colours, style_sheet
from napari_vitface.gui.workbench import Workbench, open_session_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

#: Looks of the buttons, beside those of `style.style_sheet`.
_STYLE = """
    QPushButton[role="toggle"] { padding: 3px 9px; min-width: 12px; }
    QPushButton[role="tool"] { padding: 3px 10px; }
"""


class SessionPanel(QWidget):
    """What a dock shows of one session, and is there as long as that.

    Signals are connected by `self.connections`, so that they are let go of at the end.
    """

    def __init__(self, session: Workbench) -> None:
        super().__init__()
        self.session = session
        self.connections = connections = Connections()
        self.waiting = waiting_label()
        # When the window goes, nothing is to reach what is left of the widget.
        self.destroyed.connect(lambda *_: connections.undo())

    def leave(self) -> None:
        """Stop listening to the session."""
        self.connections.undo()

    def set_colours(self, text: QColor, back: QColor) -> None:
        """Take over colours of the theme."""
        raise NotImplementedError


class SessionDock(DockedWidget):
    """The dock of one viewer; it follows the session of that viewer's ViT Face dock.

    Attributes
    ----------
    panel : SessionPanel or None
        None once that dock was closed.
    """

    name: ClassVar[str]
    shows: ClassVar[type[SessionPanel]]
    #: Width and height in pixels that it asks for, and its least.
    size_wanted: ClassVar[tuple[int, int]]
    least_size: ClassVar[tuple[int, int]] = (400, 150)

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.setObjectName(self.name.lower().replace(" ", "-"))
        self._viewer = weakref.ref(viewer)
        self.panel: Any = None
        self._closed = False
        placed_below(self.name)
        self.waiting = waiting_label(FACE_CLOSED)
        self.open_button = QPushButton("Open the ViT Face dock")
        self.open_button.clicked.connect(lambda: self.join_session())
        layout = self._layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.waiting, 1)
        layout.addWidget(self.open_button, 0, Qt.AlignmentFlag.AlignHCenter)
        self._connections = connections = Connections()
        self._of_theme = Connections()
        self._of_theme.connect(viewer.events.theme, self._restyle)
        # When the window goes, nothing is to reach what is left of the widget.
        self.destroyed.connect(lambda *_: connections.undo())
        self.join_session()

    @property
    @given("panel")
    def session(self, panel: SessionPanel) -> Workbench:
        """The one that is followed, if there is one."""
        return panel.session

    def join_session(self) -> None:
        """Follow the session of the viewer's ViT Face dock, which is opened if there is none."""
        viewer = self._viewer()
        if viewer is None or self._closed:
            return
        self.leave_session()
        session: Workbench = open_session_of(viewer) or open_plugin_dock(viewer, FACE).session
        self._connections.connect(session.ended, self.leave_session)
        self.panel = self.shows(session)
        self._layout.insertWidget(0, self.panel, 1)
        self._show_panel()
        self._restyle()

    def leave_session(self) -> None:
        """Stop listening to the session."""
        self._connections.undo()
        self._take_panel_away()
        self._show_panel()

    @given("panel")
    def _take_panel_away(self, panel: SessionPanel) -> None:
        panel.leave()
        self._layout.removeWidget(panel)
        panel.hide()
        panel.deleteLater()
        self.panel = None

    def close_links(self) -> None:
        """Let go of the session and the viewer; the dock is of no use afterwards."""
        self.leave_session()
        self._of_theme.undo()
        self._closed = True

    def _show_panel(self) -> None:
        for widget in (self.waiting, self.open_button):
            widget.setVisible(self.panel is None)

    def sizeHint(self) -> QSize:
        return QSize(*self.size_wanted)

    def minimumSizeHint(self) -> QSize:
        return QSize(*self.least_size)

    def _restyle(self, event: Any = None) -> None:
        viewer = self._viewer()
        if viewer is not None:
            self.setStyleSheet(style_sheet(viewer) + _STYLE)
            if self.panel is not None:
                self.panel.set_colours(*plot_colours(viewer.theme))


def open_session_dock(viewer: Viewer, name: str) -> Any:
    """A dock below the canvas, opened and brought to the front, with the panel of a session."""
    dock = open_plugin_dock(viewer, name)
    if dock.panel is None:
        # It was left open when the ViT Face dock was closed, and that may be open again.
        dock.join_session()
    return dock


def waiting_label(text: str = "") -> WrappedLabel:
    """A line in the middle that says what is waited for."""
    label = WrappedLabel(text, "hint")
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    return label
