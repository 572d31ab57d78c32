"""From a slider step to the attention map on screen, against the forward pass alone.

A real napari window on a drawn mouse's face, with the bundled model in the engine process, as a
user has it. The clock starts when the slider is moved to a frame that was not seen before and stops
when the window has drawn that frame's map; a second row is the engine's answer to the same request,
pipe included, while the window draws nothing. The forward pass is timed in the same engine process,
on the same frames, with the model as it is loaded there: same device, precision and threads. So the
ratio holds all that the window adds: reading the frame in both processes, the maps, the pipe, the
drawing.

Under software OpenGL (Xvfb) the share of drawing is much larger than with a graphics card.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import Row
from benchmarks._display import can_open_windows
from napari_vitface.jobs.events import Event, Finished, Result
from napari_vitface.steps import result_of

_NAME = "slider step to map on screen / forward pass"
_ANSWER = "the engine's answer / forward pass"
_SIZE = (480, 640)
#: Method and whose maps are asked for.
_CASES = (
    ("rollout", "all"),
    ("gradient-rollout", "nose tip"),
    ("relevance", "nose tip"),
)
_WARM = 4
_STEPS = 30
_TIMEOUT = 120.0


def run() -> list[Row]:
    """A row for each method."""
    if not can_open_windows():
        return [(_NAME, "no window", None, "no display and no Xvfb")]
    # The engine process has to find this module.
    folder = str(Path(__file__).parents[1])
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [folder, os.environ.get("PYTHONPATH", "")])
    )
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        video = _write_video(Path(temporary) / "face.mp4", 2 * len(_CASES) * (_WARM + _STEPS) + 1)
        steps, answers, device, forward = _measure(video)
    alone = statistics.median(forward)
    for name, results in ((_NAME, steps), (_ANSWER, answers)):
        for (method, target), times in zip(_CASES, results, strict=True):
            middle = statistics.median(times)
            slowest = sorted(times)[round(0.95 * (len(times) - 1))]
            note = (
                f"{middle * 1e3:.0f} ms (95 % within {slowest * 1e3:.0f}) "
                f"against {alone * 1e3:.0f} ms"
            )
            whose = "all keypoints" if target == "all" else "one keypoint"
            rows.append((name, f"{method}, {whose}, bundled model, {device}", middle / alone, note))
    return rows


def _measure(
    video: Path,
) -> tuple[list[list[float]], list[list[float]], str, list[float]]:
    """Seconds of each step and of each answer, by case; where it ran; of each forward pass."""
    import napari
    from qtpy.QtCore import QEventLoop, QTimer
    from qtpy.QtWidgets import QApplication

    from napari_vitface.gui.actions import open_dock

    viewer = napari.Viewer(show=True)
    try:
        dock = open_dock(viewer)
        session = dock.session
        dock.video_section.open(video)
        attention = session.attention
        attention.enabled = True

        # Sleeps between events as the real event loop does, and leaves the cores to the engine.
        alarm = QTimer()
        alarm.start(50)

        def until(condition: Callable[[], bool]) -> None:
            deadline = time.monotonic() + _TIMEOUT
            while not condition():
                if time.monotonic() > deadline:
                    raise TimeoutError(attention.message or "the window did not answer")
                QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)

        def settled() -> bool:
            return attention.status in ("shown", "failed")

        until(settled)
        frames = iter(range(1, len(session.current.video)))  # type: ignore[union-attr]
        results: list[list[float]] = []
        replies: list[list[float]] = []
        for method, target in _CASES:
            attention.configure(method=method, target=target)
            until(settled)
            if attention.status == "failed":
                raise RuntimeError(attention.message)
            times = []
            for number in range(_WARM + _STEPS):
                frame = next(frames)
                began = time.perf_counter()
                viewer.dims.set_current_step(0, frame)
                until(settled)
                # What is new in the layer is drawn with the events that wait now.
                QApplication.processEvents()
                if number >= _WARM:
                    times.append(time.perf_counter() - began)
                assert attention.shown is not None
                assert attention.shown.frame == frame
            results.append(times)
            replies.append([])
            alarm.setInterval(2)
            for number in range(_WARM + _STEPS):
                assert attention.key is not None
                key = replace(attention.key, frame=next(frames))
                began = time.perf_counter()
                reply = session.submit("explain", key.arguments(), lambda event: None, urgent=True)
                until(lambda reply=reply: reply.done)  # type: ignore[misc]
                if number >= _WARM:
                    replies[-1].append(time.perf_counter() - began)
            alarm.setInterval(50)
        answers: list[Passes] = []

        def on_event(event: Event) -> None:
            if isinstance(event, Finished) and isinstance(event.result, Passes):
                answers.append(event.result)

        arguments = {"source": video, "frames": range(1, 1 + _WARM + _STEPS)}
        request = session.submit("benchmarks.attention_window:forward_passes", arguments, on_event)
        until(lambda: bool(answers) or request.done)
        if not answers:
            raise RuntimeError(str(request.outcome))
        return results, replies, answers[0].device, answers[0].seconds[_WARM:]
    finally:
        viewer.close()


@dataclass(frozen=True)
class Passes(Result):
    """Seconds of each pass, and on what device in which numbers."""

    seconds: list[float]
    device: str


def forward_passes(source: Path, frames: range, resources: Any = None) -> Iterator[Event]:
    """A job of the engine: seconds of the bare forward pass, points and confidence included."""
    from napari_vitface.video import scale_image

    with ExitStack() as stack, resources.video(source) as video:
        model = result_of(resources.loading(stack, "mouse-face"))
        view = model.preprocessing.view((video.shape[1], video.shape[2]))
        seconds = []
        for frame in frames:
            canvas = view.pad(scale_image(video[frame], view.scale, white=video.white)[None])
            began = time.perf_counter()
            model.predict(canvas)
            seconds.append(time.perf_counter() - began)
        where = f"{model.device} {model.precision}"
    yield Finished("forward passes", Passes(seconds, where))


def _write_video(path: Path, count: int) -> Path:
    """A drawn mouse's face; frames repeat, as only their number has to be new."""
    from napari_vitface.sample import MouseFaceSample
    from napari_vitface.video import VideoWriter

    movie = MouseFaceSample(0, frames=8, size=_SIZE)
    pictures = [movie[number] for number in range(8)]
    with VideoWriter(path, _SIZE, 50.0) as writer:
        for number in range(count):
            writer.write(pictures[number % len(pictures)])
    return path


def main() -> None:
    """Print the rows."""
    for name, case, ratio, note in run():
        print(f"{name}: {case}: {'-' if ratio is None else f'{ratio:.3f}'} ({note})")


if __name__ == "__main__":
    main()
