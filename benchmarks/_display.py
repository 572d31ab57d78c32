"""A display for the benchmarks that open a window."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def display() -> Iterator[dict[str, str]]:
    """An environment in which a window can be opened, where that is possible at all.

    On Linux without a display, Xvfb is started for the time of the block. It has to outlive the
    process that opens the window: Qt crashes when the display goes first.
    """
    if not sys.platform.startswith("linux") or os.environ.get("DISPLAY"):
        yield dict(os.environ)
        return
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        yield dict(os.environ)
        return
    reader, writer = os.pipe()
    server = subprocess.Popen(
        [xvfb, "-displayfd", str(writer), "-screen", "0", "1400x1000x24", "-nolisten", "tcp"],
        pass_fds=[writer],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    try:
        ready, _, _ = select.select([reader], [], [], 60)
        number = os.read(reader, 16).decode().strip() if ready else ""
        software = {"DISPLAY": f":{number}", "LIBGL_ALWAYS_SOFTWARE": "1"} if number else {}
        yield {**os.environ, **software}
    finally:
        os.close(reader)
        server.terminate()
        server.wait(10)


def can_open_windows() -> bool:
    """Whether this process has a display."""
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY"))
