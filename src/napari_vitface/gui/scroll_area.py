"""A column that scrolls so that what is under the mouse stays there when rows come and go."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QFrame, QScrollArea, QWidget


class Column(QWidget):
    """What scrolls: as narrow as the dock is, whatever its parts would like."""

    def minimumSizeHint(self) -> QSize:
        return QSize(0, super().minimumSizeHint().height())


class SteadyScrollArea(QScrollArea):
    """Scrolls along with what the user points at, or else with the topmost widget on screen.

    Parameters
    ----------
    column : Column
        Its widgets have their places already when it hears of its new height.
    """

    def __init__(self, column: Column) -> None:
        super().__init__()
        #: Where the widgets were, top and bottom, when all was at rest.
        self._places: dict[QWidget, tuple[int, int]] = {}
        self._column = column
        self.setWidget(column)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.verticalScrollBar().valueChanged.connect(self._note_places)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # First the scroll bar learns of the new height.
        done = bool(super().eventFilter(watched, event))
        if watched is self._column and event.type() == QEvent.Type.Resize:
            self._follow()
        return done

    def _follow(self) -> None:
        """Scroll by as much as what is pointed at was moved."""
        before, self._places = self._places, {}
        pointed = self.viewport().mapFromGlobal(QCursor.pos())
        inside = self.viewport().rect().contains(pointed)
        if not inside and self.verticalScrollBar().value() == 0:
            # Nobody looks away from the top.
            self._note_places()
            return
        y = pointed.y() if inside else 0
        anchor = min(
            (widget for widget in before if self._is_there(widget)),
            key=lambda widget: _distance(y, *before[widget]),
            default=None,
        )
        if anchor is not None:
            bar = self.verticalScrollBar()
            bar.setValue(bar.value() + self._top(anchor) - before[anchor][0])
        self._note_places()

    def _note_places(self) -> None:
        viewport = self.viewport().height()
        places = {}
        for widget in self._column.findChildren(QWidget):
            if self._is_there(widget) and not widget.findChildren(
                QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly
            ):
                top = self._top(widget)
                if -widget.height() < top < viewport:
                    places[widget] = top, top + widget.height()
        self._places = places

    def _is_there(self, widget: QWidget) -> bool:
        return widget.isVisibleTo(self._column)

    def _top(self, widget: QWidget) -> int:
        return int(widget.mapTo(self.viewport(), widget.rect().topLeft()).y())


def _distance(y: int, top: int, bottom: int) -> int:
    return max(top - y, y - bottom, 0)
