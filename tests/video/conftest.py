"""Videos whose frames say which one they are: sixteen blocks, dark or bright, one a bit."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

HEIGHT, WIDTH = 64, 96


class Numbered:
    """Makes and reads frames with burnt-in numbers, through any lossy codec."""

    def draw(self, number: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> NDArray[np.uint8]:
        bits = (number >> np.arange(16) & 1).reshape(4, 4)
        rows = np.arange(size[0]) * 4 // size[0]
        columns = np.arange(size[1]) * 4 // size[1]
        return np.where(bits, 220, 30).astype(np.uint8)[rows][:, columns]

    def read(self, frame: NDArray[Any]) -> int:
        grey = frame.mean(axis=2) if frame.ndim == 3 else frame
        top = 1023 if grey.max() < 1024 and frame.dtype == np.uint16 else np.iinfo(frame.dtype).max
        height, width = grey.shape
        middles = [(2 * k + 1) / 8 for k in range(4)]
        bits = [
            grey[round(y * height) - 3 : round(y * height) + 3, round(x * width) - 3 :][
                :, :6
            ].mean()
            > 0.49 * top
            for y in middles
            for x in middles
        ]
        return sum(1 << k for k, bit in enumerate(bits) if bit)

    def write(
        self,
        path: Path,
        count: int,
        codec: str = "libx264",
        *,
        pixel_format: str = "yuv420p",
        gop: int = 30,
        b_frames: int | None = None,
        options: dict[str, str] | None = None,
        rate: int = 25,
        times: Sequence[int] | None = None,
        size: tuple[int, int] = (HEIGHT, WIDTH),
        container: str | None = None,
        container_options: dict[str, str] | None = None,
    ) -> Path:
        """Encode frames 0..count-1 with PyAV; `times` in milliseconds for a variable rate."""
        output = av.open(
            str(path), "w", format=container, container_options=container_options or {}
        )
        stream: Any = output.add_stream(codec, rate=rate)
        stream.height, stream.width = size
        stream.pix_fmt = pixel_format
        stream.codec_context.gop_size = gop
        if b_frames is not None:
            stream.codec_context.max_b_frames = b_frames
        if codec == "libx264":
            options = {"preset": "ultrafast" if not b_frames else "veryfast", **(options or {})}
        stream.codec_context.options = options or {}
        base = Fraction(1, rate) if times is None else Fraction(1, 1000)
        stream.codec_context.time_base = base
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(self.draw(number, size), format="gray")
            frame = frame.reformat(format=pixel_format)
            frame.pts = number if times is None else times[number]
            frame.time_base = base
            for packet in stream.encode(frame):
                output.mux(packet)
        for packet in stream.encode(None):
            output.mux(packet)
        output.close()
        return path

    def decode(self, path: Path) -> list[int]:
        """The numbers of all frames as PyAV decodes them from the first to the last."""
        with av.open(str(path)) as container:
            container.streams.video[0].thread_type = "AUTO"
            return [
                self.read(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)
            ]

    def packets(self, path: Path) -> list[tuple[int, int, bool]]:
        """Place, size and whether it is a key frame, of each video packet of a file."""
        with av.open(str(path)) as container:
            return [
                (packet.pos, packet.size, packet.is_keyframe)
                for packet in container.demux(video=0)
                if packet.size
            ]

    def damage(self, path: Path, frames: Sequence[int], filler: int = 0) -> None:
        """Overwrite all but the first bytes of some packets."""
        data = bytearray(path.read_bytes())
        packets = self.packets(path)
        for frame in frames:
            place, size, _ = packets[frame]
            data[place + 4 : place + size] = bytes([filler]) * (size - 4)
        path.write_bytes(data)


@pytest.fixture(scope="session")
def numbered() -> Numbered:
    return Numbered()
