"""The lanes of a timeline: painting intervals, and finding the one at a place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPolygonF

from napari_vitface.events.event_labels import EventLabel
from napari_vitface.events.intervals import Events, Interval
from napari_vitface.gui.trajectories.fills_view import FillsView
from napari_vitface.gui.trajectories.pg import pg

#: Which part of an interval is at a place.
Part = Literal["onset", "offset", "inside"]

#: Pixels that an interval is drawn wide at least, and beside an edge in which a press grabs it.
_LEAST = 3.0
#: Half the width in pixels of what a point event is drawn as.
_DIAMOND = 6.0
_GRAB = 5.0
#: The part of a lane's height that is filled.
_TOP, _BOTTOM = 0.12, 0.88


@dataclass(frozen=True)
class Hit:
    """What is at a place: an interval, and which part of it."""

    interval: Interval
    part: Part


@dataclass(frozen=True)
class _Lane:
    """The intervals of one label as arrays, by onset."""

    intervals: list[Interval]
    onsets: NDArray[np.int64]
    #: The frames after the last that each is seen in, and the greatest of these up to each.
    stops: NDArray[np.int64]
    reach: NDArray[np.int64]
    points: NDArray[np.bool_]

    @classmethod
    def of(cls, intervals: list[Interval]) -> _Lane:
        onsets = np.array([each.onset for each in intervals], np.int64)
        stops = np.array([each.stop for each in intervals], np.int64)
        reach = np.maximum.accumulate(stops) if len(stops) else stops
        points = np.array([each.is_point for each in intervals], np.bool_)
        return cls(intervals, onsets, stops, reach, points)

    def within(self, start: float, stop: float) -> slice:
        """Those that may be seen from frame `start` to `stop`."""
        first = int(np.searchsorted(self.reach, int(np.floor(start)), "right"))
        return slice(first, int(np.searchsorted(self.onsets, int(np.ceil(stop)), "right")))


_NO_LANE = _Lane.of([])


class IntervalLanes(FillsView, pg.GraphicsObject):
    """A lane for each label with its intervals; as quick for ten thousand as for ten.

    A frame is drawn from half before to half behind its number. An interval that would be thinner
    than a few pixels is drawn that wide; where there are more than pixels, columns are filled.
    """

    def __init__(self) -> None:
        super().__init__()
        self.labels: tuple[EventLabel, ...] = ()
        self._lanes: dict[str, _Lane] = {}
        self._selected: Interval | None = None
        self._chosen = ""
        self._ghost: Interval | None = None
        self._ink = QColor("white")

    def set_events(self, events: Events, labels: Sequence[EventLabel]) -> None:
        """Draw these."""
        self.labels = tuple(labels)
        by_label: dict[str, list[Interval]] = {each.name: [] for each in labels}
        for each in events:
            by_label.setdefault(each.label, []).append(each)
        self._lanes = {each.name: _Lane.of(by_label[each.name]) for each in labels}
        self.update()

    def set_selected(self, interval: Interval | None, label: str) -> None:
        """Let an interval, and the lane of a label, stand out."""
        self._selected, self._chosen = interval, label
        self.update()

    def set_ghost(self, interval: Interval | None) -> None:
        """Draw what is being drawn or dragged with the mouse."""
        self._ghost = interval
        self.update()

    def set_ink(self, colour: QColor) -> None:
        """Colour of the frame around what is selected."""
        self._ink = colour
        self.update()

    def label_at(self, y: float) -> str:
        """The label whose lane is at a height; empty above and below them."""
        row = int(np.floor(y))
        return self.labels[row].name if 0 <= row < len(self.labels) else ""

    def hit(self, x: float, y: float) -> Hit | None:
        """What is at a place in the coordinates of the view."""
        grab = _GRAB * self._per_pixel()
        lane = self._lanes.get(self.label_at(y), _NO_LANE)
        near = lane.intervals[lane.within(x - 2 * grab - 1, x + 2 * grab + 1)]
        at = [
            each
            for each in near
            if self._left(each) - grab <= x <= self._right(each) + grab
            or (each.is_point and abs(x - each.onset) <= 2 * grab)
        ]
        if not at:
            return None
        # The selected one first, then the shortest: what covers it is reached beside it.
        found = min(at, key=lambda each: (each != self._selected, each.stop - each.onset))
        left, right = self._left(found), self._right(found)
        if found.is_point or right - left < 3 * grab:
            # Too small for its edges to be grabbed apart from the middle, from the inside.
            part: Part = "inside"
            if not found.is_point and not left <= x <= right:
                part = "onset" if x < left else "offset"
            return Hit(found, part)
        if abs(x - left) <= grab:
            return Hit(found, "onset")
        return Hit(found, "offset" if abs(x - right) <= grab else "inside")

    # ----------------------------------------------------------------- painting

    def paint(self, painter: QPainter, *_: Any) -> None:
        (left, right), _y = self.getViewBox().viewRange()
        ghost, selected = self._ghost, self._selected
        for row, (label, lane) in enumerate(zip(self.labels, self._lanes.values(), strict=True)):
            colour = QColor(label.colour)
            track = QColor(colour)
            track.setAlpha(60 if label.name == self._chosen else 26)
            painter.fillRect(QRectF(left, row + 0.04, right - left, 0.92), track)
            self._paint_lane(painter, row, lane, colour, left, right)
            for each in (selected, ghost):
                if each is not None and each.label == label.name:
                    self._paint_framed(painter, row, each, colour)

    def _paint_lane(
        self, painter: QPainter, row: int, lane: _Lane, colour: QColor, left: float, right: float
    ) -> None:
        seen = lane.within(left, right)
        if seen.start >= seen.stop:
            return
        view = self.getViewBox()
        width = max(1, round(view.width()))
        per_pixel = (right - left) / width
        starts = (lane.onsets[seen] - 0.5 - left) / per_pixel
        ends = (lane.stops[seen] - 0.5 - left) / per_pixel
        ends = np.maximum(ends, starts + _LEAST)
        if len(starts) > width // 2:
            starts, ends = _columns(starts, ends, width)
        else:
            points = lane.points[seen]
            self._paint_points(painter, row, lane.onsets[seen][points], colour, per_pixel)
            starts, ends = starts[~points], ends[~points]
        top, height = row + _TOP, _BOTTOM - _TOP
        # A gap as thin as can be seen tells neighbours apart.
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            gap = 1.0 if end - start > 2 * _LEAST else 0.0
            painter.fillRect(
                QRectF(left + start * per_pixel, top, (end - start - gap) * per_pixel, height),
                colour,
            )

    def _paint_points(
        self,
        painter: QPainter,
        row: int,
        frames: NDArray[np.int64],
        colour: QColor,
        per_pixel: float,
    ) -> None:
        """Point events as diamonds, which have no duration that could be read off."""
        half = _DIAMOND * per_pixel
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        middle = row + (_TOP + _BOTTOM) / 2
        for frame in frames.tolist():
            corners = ((-half, middle), (0, row + _TOP), (half, middle), (0, row + _BOTTOM))
            painter.drawPolygon(QPolygonF([QPointF(frame + dx, y) for dx, y in corners]))

    def _paint_framed(
        self, painter: QPainter, row: int, interval: Interval, colour: QColor
    ) -> None:
        left = self._left(interval)
        width = max(self._right(interval) - left, _LEAST * self._per_pixel())
        if interval.is_point:
            width = 2 * (_DIAMOND + 2) * self._per_pixel()
            left = interval.onset - width / 2
            colour = QColor(Qt.GlobalColor.transparent)
        area = QRectF(left, row + _TOP, width, _BOTTOM - _TOP)
        painter.fillRect(area, colour)
        pen = pg.mkPen(self._ink, width=2)
        pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(area)

    def _per_pixel(self) -> float:
        view = self.getViewBox()
        (left, right), _ = view.viewRange()
        return float(right - left) / max(1.0, view.width())

    @staticmethod
    def _left(interval: Interval) -> float:
        return interval.onset - 0.5

    @staticmethod
    def _right(interval: Interval) -> float:
        return interval.stop - 0.5


def _columns(
    starts: NDArray[np.float64], ends: NDArray[np.float64], width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The runs of pixel columns in which there is any of many intervals."""
    first = np.clip(np.floor(starts), 0, width).astype(np.int64)
    last = np.clip(np.ceil(ends), 0, width).astype(np.int64)
    change = np.zeros(width + 2, np.int64)
    np.add.at(change, first, 1)
    np.add.at(change, last, -1)
    filled = np.concatenate([[0], np.cumsum(change)[:width] > 0, [0]]).astype(np.int8)
    edges = np.diff(filled)
    return np.flatnonzero(edges == 1).astype(float), np.flatnonzero(edges == -1).astype(float)
