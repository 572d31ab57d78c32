"""Correcting at three lengths of video: an edit, a frame step and a save, against the shortest.

In a real napari window on a project on disk, with predictions for every frame. An edit moves a
point, which is written to the journal and synced, and is drawn; a step goes to another frame and
draws it; a save writes the labels of the same number of frames. None may cost more in a longer
video.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import Row
from benchmarks._display import can_open_windows

if TYPE_CHECKING:
    from napari_vitface.gui.workbench import Workbench


_LENGTHS = (1_000, 100_000, 1_000_000)
_EDITS = 60
_SAVES = 5
_LABELLED = 20


def run() -> list[Row]:
    """Rows for each action at the longer lengths."""
    if not can_open_windows():
        return [("correcting", "no window", None, "no display and no Xvfb")]
    seconds = {length: _measure(length) for length in _LENGTHS}
    shortest = _LENGTHS[0]
    rows: list[Row] = []
    for action in seconds[shortest]:
        for length in _LENGTHS[1:]:
            few, many = seconds[shortest][action], seconds[length][action]
            case = f"{length:,} frames / {shortest:,}".replace(",", " ")
            note = f"{many * 1e3:.1f} against {few * 1e3:.1f} ms"
            rows.append((f"correcting: {action}", case, many / few, note))
    return rows


def _measure(length: int) -> dict[str, float]:
    """Median seconds of each action in a video of `length` frames."""
    import napari

    from benchmarks.slider import noise_video
    from napari_vitface.gui.actions import open_dock
    from napari_vitface.pose.keypoints import MOUSE_FACE
    from napari_vitface.pose.table import PoseTable
    from napari_vitface.video import VideoWriter

    rng = np.random.default_rng(0)
    viewer = napari.Viewer(show=True)
    with tempfile.TemporaryDirectory() as folder:
        try:
            session = open_dock(viewer).session
            video = noise_video(length)
            # Projects ask that the file is there; its frames come from memory.
            video.path = Path(folder) / "noise.mp4"
            with VideoWriter(video.path, (video.shape[1], video.shape[2]), 100.0) as writer:
                writer.write(video[0])
            opened = session.add_video(video)
            xy = rng.uniform(40, 440, (length, len(MOUSE_FACE), 2)).astype(np.float32)
            session.set_poses(opened, PoseTable(MOUSE_FACE, xy), session.model_name)
            session.labelling.documents.create(Path(folder) / "project", MOUSE_FACE, "benchmark")
            _until(lambda: session.labelling.document is not None)
            return _actions(session, length, rng)
        finally:
            session.close()
            viewer.close()


def _actions(session: Workbench, length: int, rng: np.random.Generator) -> dict[str, float]:
    labelling = session.labelling
    frames = np.sort(rng.choice(length, _LABELLED, replace=False))
    for frame in frames:
        labelling.move({0: (100.0, 100.0)}, int(frame))
    if not labelling.saving.save():
        raise RuntimeError("the labels could not be saved")

    def edit() -> None:
        labelling.move({1: tuple(rng.uniform(50, 400, 2))}, session.frame)

    def step() -> None:
        session.go_to(int(rng.choice(frames)))

    def save() -> None:
        labelling.saving.save()

    times: dict[str, list[float]] = {"an edit": [], "a frame step": [], "a save": []}
    for _ in range(_EDITS):
        times["a frame step"].append(_time(step))
        times["an edit"].append(_time(edit))
    for _ in range(_SAVES):
        edit()
        times["a save"].append(_time(save))
    return {action: statistics.median(each) for action, each in times.items()}


def _time(action: Callable[[], None]) -> float:
    from qtpy.QtWidgets import QApplication

    QApplication.processEvents()
    began = time.perf_counter()
    action()
    QApplication.processEvents()
    return time.perf_counter() - began


def _until(condition: Callable[[], bool], patience: float = 60.0) -> None:
    from qtpy.QtWidgets import QApplication

    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the project did not open")
        QApplication.processEvents()
        time.sleep(0.01)


def main() -> None:
    """Print the rows."""
    for name, case, ratio, note in run():
        print(f"{name}: {case}: {'-' if ratio is None else f'{ratio:.3f}'} ({note})")


if __name__ == "__main__":
    main()
