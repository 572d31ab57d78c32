"""What is drawn wherever the view looks."""

from __future__ import annotations

from qtpy.QtCore import QRectF


class FillsView:
    """An item of a plot that is drawn in all of its view, and again whenever that moves."""

    def boundingRect(self) -> QRectF:
        view = self.getViewBox()  # type: ignore[attr-defined]
        return QRectF(view.viewRect()) if view is not None else QRectF()

    def viewRangeChanged(self) -> None:
        self.prepareGeometryChange()  # type: ignore[attr-defined]
        self.update()  # type: ignore[attr-defined]
