"""The Trajectories dock with ten hours of video at 100 Hz: slider steps, zooming, reading in.

Three questions, each answered by a ratio of times taken in the same process, round by round:

* What does the open dock add to a step of the slider? The dock floats, so that the canvas is as
  large with it as without.
* Does drawing a stretch of a long recording cost more than drawing the same stretch of a short one?
* How long does the window stand still, at the most, while a long recording is gone through?

Under software OpenGL (Xvfb) drawing is slower than with a graphics card, the canvas most of all.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import Row
from benchmarks._display import can_open_windows
from benchmarks.slider import noise_video

if TYPE_CHECKING:
    from napari_vitface.gui.trajectories.dock import TrajectoriesPanel
    from napari_vitface.gui.workbench import Workbench


LONG = 3_600_000
SHORT = 10_000

_STEP = "slider step with trajectories / without"
_REDRAW = "redraw of trajectories, long recording / 10 000 frames"
_ROUNDS = 7
_STEPS = 30
#: Frames in view. 0 stands for all.
_SPANS = (500, 5_000, 0)


def run(long: int = LONG, rounds: int = _ROUNDS) -> list[Row]:
    """Rows for the step, for each stretch in view, and for the longest pause."""
    if not can_open_windows():
        return [(_STEP, "no window", None, "no display and no Xvfb")]
    size = f"12 keypoints; {long:,} frames".replace(",", " ")
    rows: list[Row] = []
    redraws: dict[tuple[int, int], float] = {}
    for length in (SHORT, long):
        with _dock(length) as (session, dock, pause):
            for span in _SPANS:
                redraws[length, span] = _redraw(dock, length, span, rounds)
            if length != long:
                continue
            without, with_dock = _steps(session, dock, length, rounds)
            a, b = statistics.median(without), statistics.median(with_dock)
            ratio = statistics.median(y / x for x, y in zip(without, with_dock, strict=True))
            rows.append((_STEP, size, ratio, f"{b * 1e3:.1f} against {a * 1e3:.1f} ms a step"))
            note = f"{pause * 1e3:.0f} ms at the most between two turns of the event loop"
            rows.append(("longest pause while read in / slider step", size, pause / a, note))
    for span in _SPANS:
        short, far = redraws[SHORT, span], redraws[long, span]
        view = f"{span:,} frames in view".replace(",", " ") if span else "all frames in view"
        note = f"{far * 1e3:.1f} against {short * 1e3:.1f} ms"
        rows.append((_REDRAW, f"{size}; {view}", far / short, note))
    return rows


def _steps(
    session: Workbench, dock: TrajectoriesPanel, length: int, rounds: int
) -> tuple[list[float], list[float]]:
    """Seconds a step in each round, with the dock closed and open."""
    from qtpy.QtWidgets import QApplication

    viewer = session.viewer
    assert viewer is not None
    # Turning the page is a redraw, which is measured on its own.
    dock.plot.fit()
    rng = np.random.default_rng(0)
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        frames = rng.integers(0, length, _STEPS + 3)
        for there in (False, True):
            dock.window().setVisible(there)
            _wait(0.3)
            for frame in frames[:3]:
                viewer.dims.set_current_step(0, int(frame))
                QApplication.processEvents()
            began = time.perf_counter()
            for frame in frames[3:]:
                viewer.dims.set_current_step(0, int(frame))
                QApplication.processEvents()
            seconds[there].append((time.perf_counter() - began) / _STEPS)
    return seconds


def _redraw(dock: TrajectoriesPanel, length: int, span: int, rounds: int) -> float:
    """Seconds for bringing other frames into view and drawing them: x, y, speed, confidence."""
    from qtpy.QtWidgets import QApplication

    plot = dock.plot
    span = min(span or length, length)
    rng = np.random.default_rng(1)
    seconds = []
    for _ in range(rounds):
        # All frames are drawn anew by zooming out from a little less.
        starts = rng.uniform(0, max(1, length - span), 10)
        began = time.perf_counter()
        for place, start in enumerate(starts):
            shrink = 0.98 if place % 2 else 1.0
            plot.show_frames(start, start + span * shrink - 1)
            QApplication.processEvents()
            QApplication.processEvents()
        seconds.append((time.perf_counter() - began) / len(starts))
    return statistics.median(seconds)


@contextmanager
def _dock(length: int) -> Iterator[tuple[Workbench, TrajectoriesPanel, float]]:
    """The dock on a video of `length` frames, and the longest pause while its poses were read in.

    Poses wander, so that every level of zoom has something to draw, and a tenth of them is absent.
    """
    import napari
    from qtpy.QtWidgets import QDockWidget

    from napari_vitface.gui.actions import open_dock, open_trajectories
    from napari_vitface.pose.keypoints import MOUSE_FACE
    from napari_vitface.pose.table import PoseTable

    viewer = napari.Viewer(show=True)
    try:
        session = open_dock(viewer).session
        below = open_trajectories(viewer)
        holder, dock = below.parent(), below.panel
        assert isinstance(holder, QDockWidget)
        holder.setFloating(True)
        holder.resize(1200, 400)
        opened = session.add_video(noise_video(length))
        dock.toolbar.panel_button("speed").setChecked(True)
        rng = np.random.default_rng(2)
        xy = np.empty((length, len(MOUSE_FACE), 2), np.float32)
        for keypoint in range(len(MOUSE_FACE)):
            steps = rng.standard_normal((length, 2), np.float32)
            xy[:, keypoint] = 240 + 100 * np.sin(np.cumsum(steps, axis=0) / 100) + steps
        confidence = rng.random(xy.shape[:2], np.float32)
        xy[confidence < 0.1] = np.nan
        table = PoseTable(MOUSE_FACE, xy, confidence)
        # What is imported and made for the first points, of whatever length, is not the question.
        first = PoseTable(MOUSE_FACE, np.full((length, len(MOUSE_FACE), 2), np.float32(100)))
        session.set_poses(opened, first, session.model_name)
        _wait(2)
        plotted = dock.video
        assert plotted is not None
        while plotted.store.building:
            _wait(0.1)
        pause = _longest_pause(
            lambda: session.set_poses(opened, table, session.model_name),
            lambda: plotted.store.building,
        )
        yield session, dock, pause
    finally:
        viewer.close()


def _longest_pause(start: Callable[[], None], busy: Callable[[], bool]) -> float:
    """Seconds that the longest turn of the event loop takes from `start` until not `busy`."""
    from qtpy.QtWidgets import QApplication

    longest, last = 0.0, time.perf_counter()
    start()
    while True:
        QApplication.processEvents()
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
        if not busy():
            return longest
        time.sleep(0.001)


def _wait(seconds: float) -> None:
    from qtpy.QtWidgets import QApplication

    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        QApplication.processEvents()
        time.sleep(0.005)


def main() -> None:
    """Print the rows."""
    for name, case, ratio, note in run():
        print(f"{name}: {case}: {'-' if ratio is None else f'{ratio:.3f}'} ({note})")


if __name__ == "__main__":
    main()
