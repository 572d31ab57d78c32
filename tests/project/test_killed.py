"""Labels after ``kill -9`` at a random moment of labelling, saving or opening."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from napari_vitface.pose.labels import ABSENT, Point
from napari_vitface.project.project import Project

from .conftest import said

#: ``tox run -e fuzz`` kills a thousand.
KILLS = int(os.environ.get("VITFACE_KILLS", "50"))

Points = dict[tuple[int, int], Point]


def after(points: Points, changes: list[list[object]]) -> Points:
    changed = {(f, k): Point.from_json(to) for f, k, _, to in changes}  # type: ignore[misc]
    return {place: point for place, point in (points | changed).items() if point != ABSENT}


def possible(points: Points, log: list[object]) -> list[Points]:
    """What labels may be after a log: an edit that was begun and not confirmed may be done or not.

    Raises
    ------
    AssertionError
        If the process ended by itself.
    """
    begun = None
    for entry in log:
        if isinstance(entry, list):
            begun = after(points, entry[1])
        elif entry == "done" and begun is not None:
            points, begun = begun, None
    return [points] if begun is None else [points, begun]


def wait_for(log: Path, lines: int) -> None:
    """Until the process has written that much, so that kills are spread over all it does."""
    deadline = time.monotonic() + 600
    while lines and time.monotonic() < deadline:
        if log.exists() and log.read_bytes().count(b"\n") >= lines:
            return
        time.sleep(0.002)


def temporary_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if path.is_file()]


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_every_confirmed_edit_is_there_after_kill_9(project: Project, tmp_path: Path) -> None:
    chance = random.Random(1)
    starter = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("labelling_process.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdin is not None
    assert starter.stdout is not None
    assert starter.stdout.readline() == "ready\n"
    points: Points = {}
    edits = saves = killed_files = 0
    try:
        for seed in range(KILLS):
            log = tmp_path / f"{seed}.log"
            starter.stdin.write(f"{project.folder}\t{log}\t{seed}\n")
            starter.stdin.flush()
            child = int(starter.stdout.readline())
            wait_for(log, chance.choice([0, chance.randint(1, 50)]))
            time.sleep(chance.uniform(0.0, 0.05))
            os.kill(child, signal.SIGKILL)
            assert starter.stdout.readline() == "gone\n"
            lines = log.read_text().splitlines() if log.exists() else []
            entries = [json.loads(line) for line in lines]
            edits += entries.count("done")
            saves += entries.count("saved")
            killed_files += len(temporary_files(project.folder))
            document = project.document("mouse 1")
            assert temporary_files(project.folder) == [], f"left behind after kill {seed}"
            found = said(document)
            assert found in possible(points, entries), f"after kill {seed}"
            assert document.problems == ()
            points = found
            document.close()
    finally:
        starter.kill()
        starter.wait()
    print(f"{KILLS} kills survived, {edits} edits, {saves} saves, {killed_files} files cut short")
    assert edits > KILLS
    assert saves > KILLS / 4
    document = project.document("mouse 1")
    document.save()
    document.close()
    again = Project.open(project.folder).document("mouse 1")
    assert said(again) == points
    again.close()
