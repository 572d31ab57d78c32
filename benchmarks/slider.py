"""A slider step in a real napari window with the overlays on, against the image alone.

The frames come from memory, so that decoding, which both would pay, does not hide the difference. A
step is moving the slider and letting the window draw. Rounds with and without overlays alternate,
and the median over rounds of their ratio is reported. The answers to attention requests are ready
made: what counts is what the window does with them, as it never waits for them.

Under software OpenGL (Xvfb) the share of drawing is much larger than with a graphics card.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import Row
from benchmarks._display import can_open_windows

if TYPE_CHECKING:
    from napari_vitface.gui.workbench import Workbench
    from napari_vitface.video import Video


_NAME = "slider step with overlay / image alone"
_SIZE = (480, 640)
_LENGTHS = (1_000, 1_000_000)
_ROUNDS = 7
_STEPS = 30
_GRID = (12, 16)


def run() -> list[Row]:
    """Rows for points alone and for all overlays at each length, and across lengths."""
    if not can_open_windows():
        return [(_NAME, "no window", None, "no display and no Xvfb")]
    from napari_vitface.gui.overlays import ATTENTION, KEYPOINTS, SKELETON

    rows: list[Row] = []
    cost: dict[tuple[str, int], float] = {}
    overlays = {
        "points, names, skeleton": (KEYPOINTS, SKELETON),
        "points, names, skeleton, attention": (KEYPOINTS, SKELETON, ATTENTION),
    }
    for length in _LENGTHS:
        with _session(length) as (session, step):
            for title, wanted in overlays.items():
                alone, with_overlay = _compare(session, step, wanted, length)
                ratios = [b / a for a, b in zip(alone, with_overlay, strict=True)]
                a, b = statistics.median(alone), statistics.median(with_overlay)
                cost[title, length] = b
                note = f"{b * 1e3:.1f} against {a * 1e3:.1f} ms a step"
                case = f"{title}; {length:,} frames".replace(",0", " 0")
                rows.append((_NAME, case, statistics.median(ratios), note))
    for title in overlays:
        few, many = (cost[title, length] for length in _LENGTHS)
        note = f"{many * 1e3:.1f} against {few * 1e3:.1f} ms a step"
        rows.append(("slider step at 1 000 000 / at 1 000 frames", title, many / few, note))
    return rows


def _compare(
    session: Workbench, step: Callable[[int], None], wanted: Iterable[str], length: int
) -> tuple[list[float], list[float]]:
    """Seconds a step in each round, image alone and with the overlays in `wanted`."""
    from napari_vitface.gui.overlays import ATTENTION, KEYPOINTS, SKELETON

    rng = np.random.default_rng(0)
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(_ROUNDS):
        frames = rng.integers(0, length, _STEPS + 3)
        for on in (False, True):
            for what in (KEYPOINTS, SKELETON):
                session.overlays.show(what, on and what in wanted)
            session.attention.enabled = on and ATTENTION in wanted
            for frame in frames[:3]:
                step(int(frame))
            began = time.perf_counter()
            for frame in frames[3:]:
                step(int(frame))
            seconds[on].append((time.perf_counter() - began) / _STEPS)
    return seconds


@contextmanager
def _session(length: int) -> Iterator[tuple[Workbench, Callable[[int], None]]]:
    """A window on a video of `length` frames with poses, and what a slider step is."""
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_vitface.gui.actions import open_dock
    from napari_vitface.pose.keypoints import MOUSE_FACE
    from napari_vitface.pose.table import PoseTable

    viewer = napari.Viewer(show=True)
    try:
        dock = open_dock(viewer)
        session = dock.session
        session.submit = _answer_at_once  # type: ignore[method-assign, assignment]
        opened = session.add_video(noise_video(length))
        rng = np.random.default_rng(1)
        xy = rng.uniform(40, 440, (length, len(MOUSE_FACE), 2)).astype(np.float32)
        confidence = rng.uniform(0, 1, xy.shape[:2]).astype(np.float32)
        session.set_poses(opened, PoseTable(MOUSE_FACE, xy, confidence), session.model_name)

        def step(frame: int) -> None:
            viewer.dims.set_current_step(0, frame)
            QApplication.processEvents()

        yield session, step
    finally:
        viewer.close()


class _Request:
    done = True

    def cancel(self) -> None:
        pass


def _answer_at_once(
    job: str, arguments: dict[str, Any], on_event: Callable[[Any], None], **_: Any
) -> _Request:
    from napari_vitface.jobs.events import AttentionComputed

    if job == "explain":
        from napari_vitface.pose.keypoints import MOUSE_FACE

        frame = arguments["frame"]
        rng = np.random.default_rng(frame)
        maps = rng.random((len(MOUSE_FACE) + 1, *_GRID), dtype=np.float32) / np.prod(_GRID)
        patch = _SIZE[0] / _GRID[0]
        place = (patch - 1) / 2
        event = AttentionComputed(
            frame,
            (*MOUSE_FACE.names, "global"),
            maps.astype(np.float32),
            np.zeros(len(maps), np.float32),
            (patch, patch),
            (place, place),
            np.zeros((len(MOUSE_FACE), 2), np.float32),
            np.ones(len(MOUSE_FACE), np.float32),
            np.zeros(len(maps), np.float32),
            np.ones(len(maps), np.float32),
            {"method": "rollout", "layers": [0, 12], "head_fusion": "mean", "model": "none"},
        )
        on_event(event)
    return _Request()


def noise_video(length: int) -> Video:
    """A video of noise that is held in memory, eight different frames over and over."""
    from napari_vitface.video import Video

    rng = np.random.default_rng(2)
    frames = rng.integers(0, 255, (8, *_SIZE), dtype=np.uint8)

    class Noise:
        path = Path("noise.mp4")
        shape: tuple[int, ...] = (length, *_SIZE)
        dtype: np.dtype[Any] = np.dtype(np.uint8)
        white = 255
        times = np.arange(length) / 100.0
        frame_rate = 100.0
        promised: int | None = None
        problems: tuple[str, ...] = ()

        def read(self, frame: int) -> np.ndarray:
            return frames[frame % len(frames)].copy()

        def stream(self, wanted: Iterable[int], scale: Any) -> Iterator[tuple[int, np.ndarray]]:
            raise NotImplementedError

        def name_of(self, frame: int) -> str:
            return f"frame {frame}"

        def close(self) -> None:
            pass

    return Video(Noise())


def main() -> None:
    """Print the rows."""
    for name, case, ratio, note in run():
        print(f"{name}: {case}: {'-' if ratio is None else f'{ratio:.3f}'} ({note})")


if __name__ == "__main__":
    main()
