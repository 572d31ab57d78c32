"""Reading frames: `open_video` against OpenCV and bare PyAV, in order and at random.

The frames carry their number, so that a fast reader that gives the wrong frame is found out. Bare
PyAV seeks as its documentation shows: by the time that the frame rate gives, then decoding forward.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks import Row
from napari_vitface.video import VideoWriter, open_video

SIZE = (480, 640)
COUNT = 750
RANDOM_READS = 40
BLOCK = 32
BITS = 12


def draw(number: int, texture: np.ndarray) -> np.ndarray:
    """A textured frame that drifts, with its number as bright and dark blocks along the top."""
    frame = np.roll(texture, (number // 3, number), axis=(0, 1)).copy()
    for bit in range(BITS):
        frame[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 220 if number >> bit & 1 else 30
    return frame


def read_number(frame: np.ndarray) -> int:
    """The number that `draw` burnt in, from a grey or colour frame."""
    grey = frame if frame.ndim == 2 else frame[..., 0]
    quarter = BLOCK // 4
    rows = grey[quarter : BLOCK - quarter]
    blocks = [
        rows[:, bit * BLOCK + quarter : (bit + 1) * BLOCK - quarter].mean() for bit in range(BITS)
    ]
    return sum(1 << bit for bit, value in enumerate(blocks) if value > 125)


def texture() -> np.ndarray:
    """Smooth grey noise, about as hard to encode as fur."""
    from skimage.filters import gaussian

    noise = gaussian(np.random.default_rng(0).random(SIZE), 3, mode="wrap")
    return np.interp(noise, (noise.min(), noise.max()), (20, 200)).astype(np.uint8)


def write_cases(folder: Path) -> dict[str, Path]:
    """The test videos: the same frames in three kinds of H.264."""
    background = texture()
    steps = random.Random(0).choices([0.01, 0.033, 0.04, 0.2], k=COUNT)
    times = np.cumsum(steps)
    cases = {
        "constant rate, key frame every 30": (30.0, 30),
        "constant rate, key frame every 250": (30.0, 250),
        "variable rate, key frame every 250": (None, 250),
    }
    paths = {}
    for position, (case, (rate, interval)) in enumerate(cases.items()):
        paths[case] = folder / f"case{position}.mp4"
        options = {"preset": "veryfast", "bf": "2"}
        with VideoWriter(
            paths[case], SIZE, rate, keyframe_interval=interval, options=options
        ) as writer:
            for number in range(COUNT):
                own = None if rate else float(times[number])
                writer.write(draw(number, background), time=own)
    return paths


@contextmanager
def ours(path: Path) -> Iterator[Callable[[int], np.ndarray]]:
    with open_video(path) as video:
        yield video.__getitem__


@contextmanager
def opencv(path: Path) -> Iterator[Callable[[int], np.ndarray]]:
    import cv2

    capture: Any = cv2.VideoCapture(str(path))
    position = 0

    def read(number: int) -> np.ndarray:
        nonlocal position
        if number != position:
            capture.set(cv2.CAP_PROP_POS_FRAMES, number)
        position = number + 1
        _, frame = capture.read()
        return frame if frame is not None else np.zeros((*SIZE, 3), np.uint8)

    yield read
    capture.release()


@contextmanager
def bare_pyav(path: Path) -> Iterator[Callable[[int], np.ndarray]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        rate, base = stream.average_rate or 1, stream.time_base or 1
        frames = container.decode(stream)
        position = 0

        def read(number: int) -> np.ndarray:
            nonlocal frames, position
            if number != position:
                target = int(number / rate / base)
                container.seek(target, stream=stream)
                frames = container.decode(stream)
                frame = next(f for f in frames if f.pts is not None and f.pts >= target)
            else:
                frame = next(frames)
            position = number + 1
            return frame.to_ndarray(format="gray")

        yield read


READERS = {"open_video": ours, "OpenCV": opencv, "bare PyAV": bare_pyav}


def measure(
    reader: Callable[[Path], Any], path: Path, numbers: Iterable[int], repeats: int
) -> tuple[float, int]:
    """Shortest time of `repeats` to open the file and read these frames, and how many are wrong."""
    numbers = list(numbers)
    shortest, wrong = float("inf"), 0
    for _ in range(repeats):
        started = time.perf_counter()
        with reader(path) as read:
            found = []
            for number in numbers:
                try:
                    found.append(read_number(read(number)))
                except StopIteration:
                    found.append(-1)
        shortest = min(shortest, time.perf_counter() - started)
        wrong = sum(number != expected for number, expected in zip(found, numbers, strict=True))
    return shortest, wrong


def run(repeats: int = 3) -> list[Row]:
    """Rows (benchmark, case, ratio, note); the ratio is the other reader's time over ours."""
    try:
        import cv2  # noqa: F401

        readers = READERS
    except ImportError:
        readers = {name: reader for name, reader in READERS.items() if name != "OpenCV"}
    orders = {
        "in order": range(COUNT),
        "at random": random.Random(1).sample(range(COUNT), RANDOM_READS),
        "backwards": range(COUNT - 1, COUNT - 101, -1),
    }
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for case, path in write_cases(Path(folder)).items():
            for order, numbers in orders.items():
                results = {
                    name: measure(reader, path, numbers, repeats)
                    for name, reader in readers.items()
                }
                mine, wrong = results.pop("open_video")
                for name, (seconds, others_wrong) in results.items():
                    note = (
                        f"{1e3 * mine / len(numbers):.1f} ms a frame against "
                        f"{1e3 * seconds / len(numbers):.1f}; wrong frames {wrong} against "
                        f"{others_wrong} of {len(numbers)}"
                    )
                    rows.append((f"reading {order}, against {name}", case, seconds / mine, note))
    return rows


def main() -> None:
    """Print the table."""
    for benchmark, case, ratio, note in run():
        print(f"{benchmark:36} {case:36} {ratio:6.2f}  {note}")


if __name__ == "__main__":
    main()
