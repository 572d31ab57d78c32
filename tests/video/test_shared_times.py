"""Frames that share a time stamp, as fast cameras write them, are told apart by their place."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_vitface.video import open_video
from napari_vitface.video.index import build_index

ALL_INTRA: dict[str, Any] = {"codec": "mjpeg", "pixel_format": "yuvj420p"}
GROUPS: dict[str, Any] = {"codec": "mpeg4", "gop": 6, "b_frames": 0}
VP8: dict[str, Any] = {"codec": "libvpx", "gop": 5, "options": {"deadline": "realtime"}}


def stamped(source: Path, target: Path, times: list[int]) -> Path:
    """A copy of a video whose packets show at these milliseconds."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = old.streams.video[0]
        copy = new.add_stream_from_template(stream)
        packets = [packet for packet in old.demux(stream) if packet.size]
        for packet, time in zip(packets, times, strict=True):
            packet.stream = copy
            packet.time_base = Fraction(1, 1000)
            packet.pts = packet.dts = time
            new.mux(packet)
    return target


def assert_exact(path: Path, count: int, numbered: Any, seed: int = 0) -> None:
    with open_video(path, cache_bytes=0) as video:
        assert len(video) == count
        assert [numbered.read(frame) for _, frame in video.frames()] == list(range(count))
        order = random.Random(seed).sample(range(count), count)
        assert [numbered.read(video[i]) for i in order] == order
        backwards = list(range(count - 1, -1, -1))
        assert [numbered.read(video[i]) for i in backwards] == backwards


@pytest.mark.parametrize(
    ("kind", "suffix"), [(ALL_INTRA, ".mkv"), (GROUPS, ".mkv"), (VP8, ".webm")]
)
@pytest.mark.parametrize("per_millisecond", [2, 5])
def test_thousands_of_frames_a_second_on_a_clock_of_milliseconds(
    tmp_path: Path, numbered: Any, kind: dict[str, Any], suffix: str, per_millisecond: int
) -> None:
    source = numbered.write(tmp_path / f"source{suffix}", 60, **kind)
    times = [i // per_millisecond for i in range(60)]
    path = stamped(source, tmp_path / f"fast{suffix}", times)
    assert_exact(path, 60, numbered)


@pytest.fixture(scope="module")
def all_intra(tmp_path_factory: pytest.TempPathFactory, numbered: Any) -> Path:
    return numbered.write(tmp_path_factory.mktemp("intra") / "source.mkv", 30, **ALL_INTRA)


@settings(max_examples=15)
@given(st.lists(st.sampled_from([0, 0, 0, 1, 40]), min_size=29, max_size=29), st.integers(0, 99))
def test_bursts_of_frames_are_read_as_they_stream(
    all_intra: Path, numbered: Any, steps: list[int], seed: int
) -> None:
    path = stamped(all_intra, all_intra.with_name("bursts.mkv"), [0, *np.cumsum(steps).tolist()])
    assert_exact(path, 30, numbered, seed)


def test_a_frame_is_reached_without_decoding_from_the_start(tmp_path: Path, numbered: Any) -> None:
    source = numbered.write(tmp_path / "source.mkv", 60, **ALL_INTRA)
    index = build_index(stamped(source, tmp_path / "one.mkv", [0] * 20 + [7] * 40))
    assert index.key_shares_time.all()
    assert (index.key_pos > 0).all()
    assert len(np.unique(index.key_pos)) == 60


def test_equal_times_of_reordered_frames_are_settled_by_decoding(
    tmp_path: Path, numbered: Any
) -> None:
    source = numbered.write(tmp_path / "source.mkv", 40, "libx264", b_frames=3, gop=10)
    target = tmp_path / "fast.mkv"
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = old.streams.video[0]
        copy = new.add_stream_from_template(stream)
        packets = [packet for packet in old.demux(stream) if packet.size]
        for number, packet in enumerate(packets):
            # 40 ms a frame become a quarter: four frames share each millisecond.
            packet.pts, packet.dts = packet.pts // 160, number // 4 - 1
            packet.stream, packet.time_base = copy, Fraction(1, 1000)
            new.mux(packet)
    assert_exact(target, 40, numbered)
