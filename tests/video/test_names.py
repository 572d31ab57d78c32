"""A name is a file's, whatever it looks like, and a file opens nothing but itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import struct
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vitface.errors import VideoError
from napari_vitface.video import VideoWriter, open_video
from napari_vitface.video.length import estimated_length
from napari_vitface.video.sample_table import composition_offsets

posix = pytest.mark.skipif(os.name != "posix", reason="such names are not allowed elsewhere")

NAMES = ("12:30:05.mp4", "http:x.mp4", "pipe:0.mp4", "concat:a|b.mp4", "a%03d.mp4", "[x]?*.mp4")


@posix
@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_looks_like_an_address_is_read_and_written(
    tmp_path: Path, numbered: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shutil.copy(numbered.write(tmp_path / "plain.mp4", 3), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for path in (name, tmp_path / name):
        with open_video(path) as video:
            assert [numbered.read(frame) for _, frame in video.frames()] == [0, 1, 2]
    written = tmp_path / f"out {name}"
    with VideoWriter(written, (16, 16), 10.0) as writer:
        writer.write(np.zeros((16, 16), np.uint8))
    assert written.stat().st_size > 0


def test_a_playlist_that_calls_itself_a_video_reaches_nothing(
    tmp_path: Path, numbered: Any
) -> None:
    visits = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        port = server.getsockname()[1]

        def listen() -> None:
            with contextlib.suppress(TimeoutError):
                visits.append(server.accept())

        listener = threading.Thread(target=listen)
        listener.start()
        numbered.write(tmp_path / "other.ts", 3, container="mpegts")
        texts = {
            "hls.mp4": f"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{port}/x.ts\n#EXT-X-ENDLIST\n",
            "local.mkv": f"#EXTM3U\n#EXTINF:1,\n{tmp_path / 'other.ts'}\n#EXT-X-ENDLIST\n",
            "concat.avi": f"ffconcat version 1.0\nfile '{tmp_path / 'other.ts'}'\n",
            "session.mov": f"v=0\nc=IN IP4 127.0.0.1\nm=video {port} RTP/AVP 96\n",
        }
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
            with pytest.raises(VideoError, match="cannot be read as a video"):
                open_video(tmp_path / name)
        listener.join()
    assert not visits


@posix
def test_what_is_no_file_is_said_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", tmp_path / ("x" * 300 + ".mp4"), tmp_path / "nul\0.mp4"):
        with pytest.raises(VideoError):
            open_video(path)


@posix
@pytest.mark.parametrize("name", ["pipe.mp4", "pipe.png", "pipe.tif"])
def test_a_pipe_is_never_opened(tmp_path: Path, name: str) -> None:
    pipe = tmp_path / name
    os.mkfifo(pipe)
    opened, over = threading.Event(), threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            # Possible only while somebody has it open for reading, whom closing it sets free.
            with contextlib.suppress(OSError):
                os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
                opened.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert estimated_length(pipe) is None
        assert estimated_length(tmp_path) is None
        for path in (pipe, tmp_path):
            with pytest.raises(VideoError):
                open_video(path)
    finally:
        over.set()
        watcher.join()
    assert not opened.is_set()


def test_a_table_of_times_that_asks_for_gigabytes_is_not_written_out(tmp_path: Path) -> None:
    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content) + 8) + kind + content

    huge = struct.pack(">IIII", 0, 1, 0xFFFFFFFF, 0)
    table = box(b"mdia", box(b"minf", box(b"stbl", box(b"ctts", huge))))
    header = box(b"tkhd", bytes(12) + struct.pack(">I", 1) + bytes(8))
    path = tmp_path / "huge.mp4"
    path.write_bytes(box(b"moov", box(b"trak", header + table)))
    assert composition_offsets(path, 1, 10) is None
