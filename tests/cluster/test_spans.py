"""How videos are cut, what is kept of their spans, and what paths are called elsewhere."""

from __future__ import annotations

import heapq
import json

import numpy as np
import pytest

from napari_vitface.cluster.path_map import PathMap, parent_of
from napari_vitface.cluster.span_folder import SpanFolder
from napari_vitface.cluster.spans import (
    cut,
    gaps,
    possible_starts,
    seconds_of_span,
    shorter_to_the_end,
)
from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.frame_batches import batches
from napari_vitface.jobs.part_file import record_type


@pytest.mark.parametrize("frames", [range(200), range(7, 200), range(0, 200, 3), range(5, 199, 2)])
@pytest.mark.parametrize("batch", [1, 4, 8])
def test_spans_begin_where_a_batch_of_one_machine_does_just_behind_a_key_frame(frames, batch):
    keys = np.array([0, 30, 60, 90, 120, 150, 180])
    starts = possible_starts(frames, keys, batch)
    assert starts[0] == 0
    for start in starts[1:]:
        assert (start - 1) % batch == 0
        key = keys[keys <= frames[start]][-1]
        # No batch begins between the key frame and it.
        assert start - batch < 1 or frames[start - batch] < key


def test_batches_of_spans_are_those_of_the_whole(write_video, tmp_path):
    from napari_vitface.model.preprocessing import Preprocessing
    from napari_vitface.video import open_video

    with open_video(write_video(tmp_path / "mouse.mp4")) as video:
        view = Preprocessing((64, 80)).view((96, 128))
        whole = [batch.frames.tolist() for batch in batches(video, range(60), view, 8)]
        starts = possible_starts(range(60), video.key_frames, 8)
        parts = [
            batch.frames.tolist()
            for first, stop in cut([(0, 60)], starts, 15)
            for batch in batches(video, range(60)[first:stop], view, 8, first=8 if first else 1)
        ]
    assert len(starts) > 3
    assert parts == whole


def test_what_is_left_is_cut_evenly_and_nothing_twice():
    left = gaps([(41, 81), (121, 200)], 400)
    assert left == [(0, 41), (81, 121), (200, 400)]
    spans = cut(left, np.arange(1, 400, 8), 25)
    assert [frame for span in spans for frame in range(*span)] == [
        frame for span in left for frame in range(*span)
    ]
    assert {stop - first for first, stop in spans[3:]} <= set(range(16, 34))


def test_a_video_without_key_frames_is_one_span():
    assert cut([(0, 1000)], np.array([0]), 10) == [(0, 1000)]


def test_spans_are_long_where_there_is_much_to_do_and_never_too_short():
    day = seconds_of_span(100 * 24 * 3600, workers=100)
    assert day == 600
    assert seconds_of_span(60, workers=4) == 10
    assert seconds_of_span(100 * 32 * 30, workers=100) == 30


def test_spans_at_the_end_are_short_so_that_no_worker_is_left_with_a_long_one():
    workers, rate = 20, 30
    rng = np.random.default_rng(0)
    frames = {f"{number}.mp4": int(rng.integers(2000, 30000)) for number in range(200)}
    starts = {key: np.arange(0, total, 250) for key, total in frames.items()}
    size = seconds_of_span(sum(frames.values()) / rate, workers) * rate
    even = [(key, each) for key, n in frames.items() for each in cut([(0, n)], starts[key], size)]
    seconds = dict.fromkeys(frames, 1 / rate)
    spans = shorter_to_the_end(even, starts, seconds, workers)
    for key, total in frames.items():
        own = [span for name, span in spans if name == key]
        assert [first for first, _ in own] == [0, *(stop for _, stop in own[:-1])]
        assert own[-1][1] == total
        assert {first for first, _ in own} <= set(starts[key])
    assert spans[: len(even) // 2] == even[: len(even) // 2]
    took = rng.lognormal(0, 0.2, len(spans))
    idle = [
        time_in_turn(
            [(stop - first) * slow for (_, (first, stop)), slow in zip(each, took, strict=False)],
            workers,
        )
        for each in (even, spans)
    ]
    assert idle[1] < 1.01 < 1.02 < idle[0]
    unknown = dict.fromkeys(frames, 0.0)
    assert shorter_to_the_end(even, starts, unknown, workers) == even


def time_in_turn(spans: list[float], workers: int) -> float:
    """Over the ideal, if whoever is free takes the next one."""
    free = [0.0] * workers
    for span in spans:
        heapq.heappush(free, heapq.heappop(free) + span)
    return max(free) * workers / sum(spans)


def test_spans_that_are_complete_are_found_again(tmp_path):
    folder = SpanFolder(tmp_path / "mouse.spans")
    assert (folder.run(), folder.done()) == ({}, [])
    folder.begin({"asked": 1})
    rows = np.zeros(5, record_type(3))
    rows["frame"] = range(5)
    folder.write((0, 5), rows, {"worker": "a"})
    (folder.path / ".0000000005-0000000010.abc.npz").write_bytes(b"half")
    again = SpanFolder(folder.path)
    assert again.run() == {"asked": 1}
    assert again.done() == [(0, 5)]
    assert again.about((0, 5)) == {"worker": "a"}
    assert np.concatenate(list(again.rows([(0, 5)]))).tobytes() == rows.tobytes()


def test_a_span_that_is_damaged_is_told_and_predicted_anew(tmp_path):
    folder = SpanFolder(tmp_path / "mouse.spans")
    folder.begin({})
    folder.write((0, 500), np.zeros(500, record_type(3)), {})
    (file,) = folder.path.glob("*.npz")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 255
    file.write_bytes(data)
    with pytest.raises(VitFaceError, match="damaged and was deleted"):
        list(folder.rows([(0, 500)]))
    assert folder.done() == []


def test_no_pickle_is_loaded_from_a_folder(tmp_path):
    folder = SpanFolder(tmp_path / "mouse.spans")
    folder.begin({})
    np.savez(folder.path / "0000000000-0000000001.npz", rows=np.array([{}]), about=json.dumps({}))
    with pytest.raises(VitFaceError, match="damaged"):
        list(folder.rows([(0, 1)]))


def test_paths_are_called_as_workers_know_them():
    mapped = PathMap.of([r"D:\videos=/mnt/lab/videos", "/home/me=/net/home/me"])
    assert mapped.there(r"d:\Videos\day 1\a.mp4") == "/mnt/lab/videos/day 1/a.mp4"
    assert mapped.there("D:/videos/a.mp4") == "/mnt/lab/videos/a.mp4"
    assert mapped.there(r"D:\videos2\a.mp4") == r"D:\videos2\a.mp4"
    assert mapped.there("/home/me/a.mp4") == "/net/home/me/a.mp4"
    assert mapped.there("/home/meg/a.mp4") == "/home/meg/a.mp4"
    assert mapped.here("/mnt/lab/videos/day 1/a.mp4") == r"D:\videos\day 1\a.mp4"
    assert parent_of(r"D:\videos\a.mp4") == r"D:\videos"
    assert parent_of("/mnt/a/b.mp4") == "/mnt/a"


@pytest.mark.parametrize("text", ["/a", "=/a", "/a="])
def test_a_map_of_paths_has_two_sides(text):
    with pytest.raises(VitFaceError, match="HERE=THERE"):
        PathMap.of([text])
