"""A training that is stopped, killed or out of room goes on as if nothing had happened."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import EpochFinished, Event, Finished, LossMeasured, Notice, Started
from napari_vitface.jobs.training import run as training_run
from napari_vitface.jobs.training.train import train
from napari_vitface.record import plain_data

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and limits")

STEPS = 12
OPTIONS: dict[str, Any] = {
    "init": "scratch",
    "image_size": (64, 80),
    "timm_args": {"depth": 2, "embed_dim": 48, "num_heads": 3, "drop_path_rate": 0.2},
    "steps": STEPS,
    "batch_size": 4,
    "device": "cpu",
    "precision": "fp32",
}
#: The same on the command line.
ARGUMENTS = (
    "--init", "scratch", "--backbone", "vit_tiny_patch16_224", "--image-size", "32x48",
    "--steps", "30", "--batch-size", "1", "--device", "cpu", "--precision", "fp32",
)  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def project(drawn_project: Callable[..., Path]) -> Path:
    return drawn_project(mice=(0, 1), frames=6)


def outcome(events: list[Event]) -> dict[str, Any]:
    assert isinstance(events[-1], Finished)
    return events[-1].result


def weights(model: str | Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return load_file(model)


def same(one: str | Path, other: str | Path) -> bool:
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) for name in first
    )


@pytest.fixture(scope="module")
def reference(project: Path) -> dict[str, Any]:
    """The run that nothing disturbs."""
    return outcome(list(train(project, name="reference", **OPTIONS)))


def leave_after(events: Iterator[Event], count: int) -> None:
    for _ in range(count):
        next(events)
    events.close()  # type: ignore[attr-defined]


def until_step(events: Iterator[Event], step: int) -> None:
    while not (isinstance(event := next(events), LossMeasured) and event.step == step):
        pass


# --- repeating ------------------------------------------------------------------------------------


def test_a_seed_repeats_a_run_bit_for_bit_and_another_does_not(
    project: Path, reference: dict[str, Any]
) -> None:
    again = outcome(list(train(project, name="again", **OPTIONS)))
    assert same(again.model, reference.model)
    assert again.after == reference.after
    other = outcome(list(train(project, name="other", **OPTIONS, seed=1)))
    assert not same(other.model, reference.model)


# --- cancelling -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_a_run_cancelled_at_random_moments_ends_with_the_same_weights(
    project: Path, reference: dict[str, Any], seed: int
) -> None:
    rng = random.Random(seed)
    name = f"cancelled-{seed}"
    for _ in range(3):
        leave_after(train(project, name=name, **OPTIONS), rng.randint(1, 18))
        assert not (project / "vitface" / "models" / f"{name}.safetensors").exists()
    result = outcome(list(train(project, name=name, **OPTIONS)))
    assert same(result.model, reference.model)
    assert result.after == reference.after
    # All that a run needs while it is not over is gone.
    assert not list(Path(result.run).glob("*.safetensors"))


def test_a_quick_run_goes_on_too(project: Path, drawn_start: Path) -> None:
    options = {"init": drawn_start, "quick": True, "steps": 8, "device": "cpu", "precision": "fp32"}
    whole = outcome(list(train(project, name="whole", **options)))
    events = train(project, name="halves", **options)
    while not (isinstance(event := next(events), LossMeasured) and event.step == 4):
        pass
    events.close()  # type: ignore[attr-defined]
    rest = list(train(project, name="halves", **options))
    assert any(isinstance(e, Notice) and "Going on from step 4 of 8" in e.message for e in rest)
    assert [e.step for e in rest if isinstance(e, LossMeasured)] == [5, 6, 7, 8]
    assert same(outcome(rest).model, whole.model)


def test_a_stopped_run_goes_on_with_the_labels_that_it_began_with(
    drawn_project: Callable[..., Path],
) -> None:
    project = drawn_project(mice=(0, 1), frames=6)
    reference = outcome(list(train(project, name="reference", **OPTIONS)))
    leave_after(train(project, name="stopped", **OPTIONS), 30)
    table = next(project.glob("labeled-data/mouse0/CollectedData_me.csv"))
    first = table.read_text().splitlines()[3].split(",")[3]
    table.write_text(table.read_text().replace(first, "50.5"))
    # The labels have changed: neither is the old run thrown away nor are they mixed.
    with pytest.raises(VitFaceError, match="begun with other labels and is not finished"):
        list(train(project, name="stopped", **OPTIONS))
    with pytest.raises(VitFaceError, match="begun with other seed and labels"):
        list(train(project, name="stopped", **OPTIONS, seed=4))
    for image in project.glob("labeled-data/*/*.png"):
        image.unlink()
    result = outcome(list(train(project, name="stopped", resume=True)))
    assert same(result.model, reference.model)


def test_a_stopped_run_can_be_ended_with_what_it_reached(project: Path) -> None:
    events = train(project, name="ended", **OPTIONS)
    while not (isinstance(event := next(events), LossMeasured) and event.step == 7):
        pass
    events.close()  # type: ignore[attr-defined]
    result = outcome(list(train(project, name="ended", finish=True)))
    assert (result.steps, result.stopped) == (7, "asked")
    assert Path(result.model).is_file()
    assert result.after.points > 0
    assert "report.html" in {path.name for path in Path(result.run).iterdir()}


def test_a_run_ends_when_it_no_longer_gets_better(
    drawn_project: Callable[..., Path], drawn_start: Path
) -> None:
    project = drawn_project(mice=(0, 1, 2, 3), frames=8)
    options = {"init": drawn_start, "val": "time:0.6", "quick": True, "steps": 60, "device": "cpu"}
    # A rate that destroys what the start knows.
    wild = {**options, "learning_rate": 0.5, "warm_up": 0, "patience": 2, "precision": "fp32"}
    events = list(train(project, name="wild", **wild))
    result = outcome(events)
    judged = [event for event in events if isinstance(event, EpochFinished)]
    assert result.stopped == "no longer better"
    assert result.steps == judged[-1].step < 60
    assert [event.best for event in judged[-2:]] == [False, False]
    # The best weights are kept, here those that it began with.
    assert result.after.mean < 1.5 * result.before.mean
    assert result.kept_step == 0
    said = " ".join(event.message for event in events if isinstance(event, Notice))
    assert "so wild has the weights that it started with" in said


def test_two_runs_of_one_name_do_not_meet(project: Path) -> None:
    first = train(project, name="taken", **OPTIONS)
    next(first)
    with pytest.raises(VitFaceError, match="The training taken is running in another process"):
        next(train(project, name="taken", **OPTIONS))
    first.close()  # type: ignore[attr-defined]


# --- killing --------------------------------------------------------------------------------------

_SAVE_OFTEN = (
    "import sys; from napari_vitface.jobs.training import run; run._SAVE_EVERY = 0.0; "
    "run._SAVE_SHARE = 1e9; "
    "from napari_vitface.cli import main; sys.exit(main(sys.argv[1:]))"
)


def start_command(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _SAVE_OFTEN, "train", *map(str, arguments), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@posix
@pytest.mark.slow
def test_a_command_killed_at_random_moments_ends_with_the_same_weights(project: Path) -> None:
    # Commands and calls from Python are the same runs.
    options = {"init": "scratch", "backbone": "vit_tiny_patch16_224", "image_size": (32, 48),
               "steps": 30, "batch_size": 1, "device": "cpu", "precision": "fp32"}  # fmt: skip
    whole = outcome(list(train(project, name="whole-command", **options)))
    rng = random.Random(1)
    for last_seen in (rng.randint(3, 9), rng.randint(12, 25)):
        process = start_command(project, "--name", "killed", *ARGUMENTS)
        assert process.stdout is not None
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "LossMeasured" and event["step"] >= last_seen:
                break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (project / "vitface" / "models" / "killed.safetensors").exists()
    rest = list(train(project, name="killed", **options))
    losses = [event.step for event in rest if isinstance(event, LossMeasured)]
    assert losses[-1] == 30
    assert losses[0] > 10
    result = outcome(rest)
    assert same(result.model, whole.model)
    assert plain_data(result) == json.loads(
        (project / "vitface/runs/killed/metrics.json").read_text()
    )
    # No temporary files of the killed processes are left.
    assert not list((project / "vitface").rglob(".*"))


# --- no room --------------------------------------------------------------------------------------


@contextmanager
def full_disk(largest: int) -> Iterator[None]:
    """Let the system refuse files of more than so many bytes."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@posix
def test_a_full_disk_while_training_is_told_and_the_run_goes_on_later(
    project: Path, reference: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_run, "_SAVE_EVERY", 0.0)
    monkeypatch.setattr(training_run, "_SAVE_SHARE", 1e9)
    events = train(project, name="full", **OPTIONS)
    until_step(events, 3)
    with full_disk(20_000):
        said: list[Event] = []
        while not (said and isinstance(said[-1], LossMeasured) and said[-1].step == 6):
            said.append(next(events))
        message = next(event.message for event in said if isinstance(event, Notice))
        assert "The state of the training cannot be written" in message
        assert "Make room on the disk" in message
        with pytest.raises(OSError, match=r"large|space"):
            list(events)
    assert not (project / "vitface" / "models" / "full.safetensors").exists()
    result = outcome(list(train(project, name="full", **OPTIONS)))
    assert same(result.model, reference.model)


def test_a_folder_that_is_renamed_during_a_training_is_told_and_the_model_made(
    project: Path, reference: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_run, "_SAVE_EVERY", 0.0)
    monkeypatch.setattr(training_run, "_SAVE_SHARE", 1e9)
    runs = project / "vitface" / "runs"
    events = train(project, name="renamed", **OPTIONS)
    until_step(events, 3)
    (runs / "renamed").rename(runs / "away")
    rest = list(events)
    message = next(event.message for event in rest if isinstance(event, Notice))
    assert message.startswith(f"The folder {runs / 'renamed'} was moved, renamed or deleted;")
    assert same(outcome(rest).model, reference.model)


def test_a_training_that_is_stopped_without_its_folder_ends_quietly(project: Path) -> None:
    events = train(project, name="stopped", **OPTIONS)
    started = next(event for event in events if isinstance(event, Started))
    until_step(events, 3)
    kept_in = Path(started.settings.kept_in)
    assert kept_in.parent == project / "vitface" / "runs" / "stopped"
    kept_in.parent.rename(kept_in.parent.with_name("gone"))
    events.close()  # type: ignore[attr-defined]
    assert not kept_in.parent.exists()


def test_a_full_disk_at_the_end_keeps_the_state(
    project: Path, reference: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_vitface.model import checkpoint

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "full.safetensors")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_checkpoint", refuse)
        with pytest.raises(OSError, match="No space left"):
            list(train(project, name="no room", **OPTIONS))
    rest = list(train(project, name="no room", **OPTIONS))
    # Nothing is trained again.
    assert not [event for event in rest if isinstance(event, LossMeasured)]
    assert same(outcome(rest).model, reference.model)


def test_a_damaged_state_gets_one_sentence(project: Path) -> None:
    leave_after(train(project, name="damaged", **OPTIONS), 30)
    (project / "vitface/runs/damaged/state.safetensors").write_bytes(b"nothing")
    with pytest.raises(VitFaceError, match=r"The state of the training in .* cannot be read"):
        list(train(project, name="damaged", **OPTIONS))
