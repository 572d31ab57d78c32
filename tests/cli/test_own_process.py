"""A command that goes on by itself and is found again."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from napari_vitface.cli.own_process import CommandRun


def waited(run: CommandRun) -> None:
    deadline = time.monotonic() + 120
    while run.alive:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_command_tells_its_events_to_whoever_finds_it(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "run"
    run = CommandRun(folder)
    assert not run.begun
    run.start(["models", "no-such-model", "--json"], {"model": "x"})
    assert run.begun
    again = CommandRun(folder)
    assert again.about["model"] == "x"
    waited(again)
    (event,) = again.news()
    assert event["event"] == "Failed"
    assert "no-such-model" in event["message"]
    assert again.news() == []
    again.over()
    assert not run.begun
    assert run.log.exists()


def test_a_process_is_alive_until_it_is_stopped(tmp_path: Path, monkeypatch) -> None:
    # As of a napari that a script started in the background.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    monkeypatch.setattr(
        "napari_vitface.cli.own_process._PROGRAM",
        'import time; print(\'{"event": "Preparing"}\', flush=True); time.sleep(600)',
    )
    run = CommandRun(tmp_path / "run")
    try:
        run.start([])
    finally:
        signal.signal(signal.SIGINT, before)
    assert run.alive
    while not CommandRun(tmp_path / "run").news():
        assert run.alive
        time.sleep(0.05)
    CommandRun(tmp_path / "run").stop()
    waited(run)


@pytest.mark.parametrize("content", ["", "no json", "[1]"])
def test_a_damaged_folder_is_as_one_that_says_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "command.json").write_text(content)
    (tmp_path / "events.jsonl").write_text(content + "\n5\n")
    run = CommandRun(tmp_path)
    assert run.begun
    assert not run.alive
    assert run.about == {}
    assert run.news() == []
