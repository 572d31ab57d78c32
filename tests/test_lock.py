"""One process at a time, on every system the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from napari_vitface.lock import FileLock, Taken, lock_open_file

HOLD = """
import sys
from pathlib import Path
from napari_vitface.lock import FileLock
lock = FileLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_it_is_held_once_in_a_process_and_given_back(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with FileLock(path) as lock:
        assert lock.intact
        with pytest.raises(Taken) as taken:
            FileLock(path)
        assert taken.value.here
    FileLock(path).close()
    assert path.exists()


def test_one_that_was_closed_or_refused_gives_nothing_back_of_another(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    first = FileLock(path)
    first.close()
    with FileLock(path) as second:
        first.close()
        assert not first.intact
        assert second.intact
        with pytest.raises(Taken):
            FileLock(path)
        with pytest.raises(Taken):
            FileLock(path)


def test_another_process_that_holds_it_is_named_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(Taken) as taken:
            FileLock(path)
        assert not taken.value.here
        assert f"process {other.pid} on" in taken.value.holder
        with path.open("rb") as file:
            assert not lock_open_file(file.fileno())
        other.kill()
        other.wait()
    FileLock(path).close()


def test_a_lock_whose_file_was_replaced_is_not_intact(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with FileLock(path) as lock:
        path.unlink()
        assert not lock.intact
        path.touch()
        assert not lock.intact
