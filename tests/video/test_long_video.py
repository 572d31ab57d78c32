"""A hundred thousand frames: opened and scrubbed without reading it all."""

from __future__ import annotations

import itertools
import random
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from napari_vitface.video import open_video
from napari_vitface.video.packets import PacketDecoder

COUNT = 100_000
GOP = 250
GROUPS = 8
CONSTANT_RATE = {"b": "200k", "minrate": "200k", "maxrate": "200k", "bufsize": "100k"}


@pytest.fixture(scope="module")
def long_video(numbered: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """H.264 with B-frames: eight groups of pictures, strung together in random order."""
    if int(av.__version__.split(".")[0]) < 15:
        pytest.skip("PyAV before 15 writes broken files when it copies packets")
    folder = tmp_path_factory.mktemp("long")
    short = numbered.write(
        folder / "short.mp4",
        GROUPS * GOP,
        gop=GOP,
        b_frames=2,
        # Padded, so that the pictures outweigh the table of them.
        options={"x264-params": "scenecut=0:nal-hrd=cbr:force-cfr=1", **CONSTANT_RATE},
    )
    order = random.Random(0).choices(range(GROUPS), k=COUNT // GOP)
    path = folder / "long.mp4"
    with av.open(str(short)) as source, av.open(str(path), "w") as output:
        stream = source.streams.video[0]
        copy: Any = output.add_stream_from_template(stream)
        starts = [packet.pts for packet in source.demux(stream) if packet.is_keyframe]
        step = (starts[1] - starts[0]) // GOP
        for slot, group in enumerate(order):
            source.seek(starts[group], stream=stream)
            for packet in itertools.islice(source.demux(stream), GOP):
                packet.pts += (slot - group) * GOP * step
                packet.dts += (slot - group) * GOP * step
                packet.stream = copy
                output.mux(packet)
    expected = [group * GOP + k for group in order for k in range(GOP)]
    return path, expected


def bytes_read() -> int | None:
    """Bytes that this process has read from files so far; None where the system does not tell."""
    counters = Path("/proc/self/io")
    if not counters.exists():
        return None
    return int(counters.read_text().split("rchar:")[1].split()[0])


def test_opening_and_scrubbing_reads_and_decodes_little(
    numbered: Any, long_video: tuple[Path, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expected = long_video
    decoded = 0
    original = PacketDecoder.__next__

    def counting(self: PacketDecoder) -> Any:
        nonlocal decoded
        decoded += 1
        return original(self)

    monkeypatch.setattr(PacketDecoder, "__next__", counting)
    before = bytes_read()
    started = time.perf_counter()
    with open_video(path) as video:
        opened = time.perf_counter() - started
        assert len(video) == COUNT
        assert decoded < 1000
        assert opened < 10
        scrubbed = random.Random(1).sample(range(COUNT), 20)
        for i in scrubbed:
            assert numbered.read(video[i]) == expected[i]
        assert decoded < 1000 + 20 * (GOP + 30)
        after = bytes_read()
        if hasattr(VideoStream, "index_entries") and before is not None and after is not None:
            assert after - before < 0.25 * path.stat().st_size
        assert video.times[-1] == pytest.approx((COUNT - 1) / 25)


def test_the_index_takes_little_memory(long_video: tuple[Path, list[int]]) -> None:
    path, _ = long_video
    with open_video(path) as video:
        index = video._source.index  # type: ignore[attr-defined]
        held = sum(value.nbytes for value in vars(index).values() if isinstance(value, np.ndarray))
        assert held <= 16 * COUNT
