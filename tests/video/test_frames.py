"""Reading from threads: one video asked by many, and frames decoded ahead."""

from __future__ import annotations

import copy
import gc
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vitface.video import Scale, open_video
from napari_vitface.video.read_ahead import decode_ahead

COUNT = 120


@pytest.fixture(scope="module")
def path(numbered: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return numbered.write(tmp_path_factory.mktemp("frames") / "video.mp4", COUNT, b_frames=2)


def ahead_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "decode-ahead" in thread.name]


def test_many_threads_each_get_the_frame_they_ask_for(numbered: Any, path: Path) -> None:
    with open_video(path, cache_bytes=5 * 64 * 96) as video:

        def ask(seed: int) -> bool:
            numbers = random.Random(seed).choices(range(COUNT), k=40)
            # As napari asks: a slice of one frame and the whole of the other axes.
            return all(
                numbered.read(video[slice(i, i + 1), slice(None), slice(None)][0]) == i
                for i in numbers
            )

        streams = [video.frames(range(k, COUNT, 3)) for k in range(3)]
        with ThreadPoolExecutor(6) as pool:
            assert all(pool.map(ask, range(6)))
        for k, stream in enumerate(streams):
            assert [numbered.read(frame) for _, frame in stream] == list(range(k, COUNT, 3))


def test_indexing_is_numpys(path: Path) -> None:
    with open_video(path) as video:
        array = np.asarray(video)
        assert array.shape == video.shape == (COUNT, 64, 96)
        assert (video.ndim, video.size, len(video)) == (3, array.size, COUNT)
        for key in (
            0,
            -1,
            np.int64(7),
            slice(None, None, 17),
            slice(5, 5),
            slice(80, 20, -13),
            slice(-3, 900),
            Ellipsis,
            (3, 4, 5),
            (slice(2, 30, 9), slice(1, 3), 7),
            (Ellipsis, 11),
            (4, Ellipsis),
            (slice(1, 2), slice(None), slice(None, None, -2)),
            [5, -1, 5],
            np.array([3, 1]),
            ([0, 9], slice(None), slice(2, 4)),
            (),
        ):
            np.testing.assert_array_equal(video[key], array[key], err_msg=str(key))
        for wrong in (COUNT, -COUNT - 1, (0, 0, 0, 0), (0, 99), 1.5, "a"):
            with pytest.raises((IndexError, TypeError)):
                video[wrong]
        assert copy.deepcopy(video) is video
        frame = video[3]
        frame[:] = 0
        np.testing.assert_array_equal(video[3], array[3])


def test_memory_is_bounded(path: Path) -> None:
    with open_video(path, cache_bytes=10 * 64 * 96 * 2) as video:
        for i in range(COUNT):
            _ = video[i]
        cache = video._source._cache  # type: ignore[attr-defined]
        assert 1 <= len(cache) <= 20


def test_frames_come_in_order_and_the_thread_ends(numbered: Any, path: Path) -> None:
    with open_video(path) as video:
        assert [(i, numbered.read(frame)) for i, frame in video.frames()] == [
            (i, i) for i in range(COUNT)
        ]
        backwards = [i for i, _ in video.frames(range(50, 10, -7))]
        assert backwards == list(range(50, 10, -7))
        assert list(video.frames(range(0))) == []
        with pytest.raises(IndexError):
            video.frames(range(COUNT - 5, COUNT + 1))
    assert not ahead_threads()


@pytest.mark.parametrize("how", ["close", "drop", "error"])
def test_leaving_the_iteration_ends_the_thread(path: Path, how: str) -> None:
    with open_video(path) as video:
        frames = video.frames(ahead=2, scale=Scale(None, (32, 48), True))
        next(frames)
        assert len(ahead_threads()) == 1
        if how == "close":
            frames.close()  # type: ignore[attr-defined]
        elif how == "drop":
            del frames
            gc.collect()
        else:
            try:
                for _ in frames:
                    raise RuntimeError
            except RuntimeError:
                del frames
            gc.collect()
    assert not ahead_threads()


def test_an_iteration_that_was_never_begun_holds_no_thread(path: Path) -> None:
    with open_video(path) as video:
        frames = video.frames()
        assert not ahead_threads()
        del frames


def test_ahead_is_bounded_and_errors_arrive_in_place() -> None:
    made: list[int] = []

    def source() -> Any:
        for number in range(100):
            if number == 12:
                raise OSError("the disk is gone")
            made.append(number)
            yield number

    items = decode_ahead(source, 3)
    assert next(items) == 0
    time.sleep(0.2)
    assert len(made) <= 6
    assert [next(items) for _ in range(11)] == list(range(1, 12))
    with pytest.raises(OSError, match="disk is gone"):
        next(items)
    assert not ahead_threads()


def test_a_scale_that_does_not_fit_is_told_to_the_reader(path: Path) -> None:
    with open_video(path) as video, pytest.raises(ValueError, match="not inside the frame"):
        list(video.frames(scale=Scale((90, 0, 20, 20), (10, 10), True)))
    assert not ahead_threads()
