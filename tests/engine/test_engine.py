from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import small_jobs

from napari_vitface.engine import Engine, client
from napari_vitface.errors import EngineError
from napari_vitface.jobs.events import (
    Cancelled,
    Event,
    Failed,
    Finished,
    PosesPredicted,
    Preparing,
    Progress,
    Started,
)

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")


class Heard(list):
    """Events in the order in which they came, and a way to wait for one."""

    def __init__(self) -> None:
        self._news = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._news:
            self.append(event)
            self._news.notify_all()

    def wait_for(self, kind: type[Event], timeout: float = 20.0) -> None:
        with self._news:
            assert self._news.wait_for(lambda: any(isinstance(e, kind) for e in self), timeout)


def wait_for_file(path: Path, timeout: float = 600.0) -> None:
    deadline = time.monotonic() + timeout
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def gone(pid: int, timeout: float = 10.0) -> bool:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def test_events_come_in_order_and_the_last_is_the_result(engine):
    heard = Heard()
    request = engine.submit("small_jobs:count", {"steps": 3}, on_event=heard)
    assert request.wait(20) == Finished("count", small_jobs.Counted(3))
    assert heard == [
        Started("count", 3),
        *(Progress(i, 3) for i in (1, 2, 3)),
        Finished("count", small_jobs.Counted(3)),
    ]
    assert request.done


def test_arguments_and_arrays_travel_both_ways(engine):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    sent = {"path": Path("ü.mp4"), "frames": range(3), "array": array, "nothing": None}
    result = engine.submit("small_jobs:echo", sent).wait(20).result.arguments
    np.testing.assert_array_equal(result["array"], array)
    assert (result["path"], result["frames"], result["nothing"]) == ("ü.mp4", range(3), None)
    heard = Heard()
    engine.submit("small_jobs:poses", {"frames": 5000, "keypoints": 12}, on_event=heard).wait(20)
    assert isinstance(heard[0], PosesPredicted)
    assert heard[0].xy.shape == (5000, 12, 2)
    assert np.isnan(heard[0].xy[0, 0]).all()


def test_what_libraries_print_does_not_disturb_the_messages(engine):
    assert engine.submit("small_jobs:shout").wait(20) == Finished("shout", small_jobs.Heard(""))
    assert isinstance(engine.submit("small_jobs:pid").wait(20), Finished)


def test_the_process_is_another_one_and_loads_torch_only_when_a_job_needs_it(engine):
    result = engine.submit("small_jobs:pid").wait(20).result
    assert result.pid == engine.pid != os.getpid()
    assert result.torch is False


def test_an_error_of_the_user_is_its_own_sentence(engine):
    failed = engine.submit("small_jobs:bad_video").wait(20)
    assert isinstance(failed, Failed)
    assert failed.message == "mouse.mp4 is cut off at frame 12; record it again."
    assert "small_jobs.py" in failed.detail


@pytest.mark.parametrize(
    ("job", "sentence"),
    [
        ("bug", "Unexpected error in small_jobs:bug: ZeroDivisionError: one over nothing."),
        ("out_of_memory", "There is not enough memory for small_jobs:out_of_memory;"),
        ("no_result", "The job small_jobs:no_result ended without a result."),
    ],
)
def test_the_process_lives_on_after_an_error_in_a_job(engine, job, sentence):
    failed = engine.submit(f"small_jobs:{job}").wait(20)
    assert isinstance(failed, Failed)
    assert failed.message.startswith(sentence)
    assert failed.unexpected is (job != "out_of_memory")
    pid = engine.pid
    assert engine.submit("small_jobs:pid").wait(20).result.pid == pid


def test_an_unknown_job_or_argument_fails_with_a_sentence(engine):
    failed = engine.submit("paint").wait(20)
    assert failed.message.startswith("The engine has no job 'paint'; it has: ")
    assert isinstance(engine.submit("small_jobs:count", {"colour": 1}).wait(20), Failed)


def test_an_argument_that_cannot_travel_is_refused_at_once(engine):
    with pytest.raises(TypeError, match="cannot be sent"):
        engine.submit("small_jobs:echo", {"value": object()})
    assert isinstance(engine.submit("small_jobs:pid").wait(20), Finished)


def test_an_urgent_request_is_answered_while_a_long_job_runs(engine):
    heard = Heard()
    long = engine.submit("small_jobs:count", {"steps": 200, "seconds": 0.05}, on_event=heard)
    heard.wait_for(Progress)
    began = time.monotonic()
    assert isinstance(engine.submit("small_jobs:pid", urgent=True).wait(20), Finished)
    assert time.monotonic() - began < 1.0
    assert not long.done
    long.cancel()
    assert isinstance(long.wait(20), Cancelled)


def test_only_the_newest_request_of_a_key_is_answered(engine):
    busy = engine.submit("small_jobs:one_step", {"seconds": 0.5})
    slides = [
        engine.submit("small_jobs:echo", {"frame": i}, urgent=True, replaces="attention")
        for i in range(20)
    ]
    assert slides[-1].wait(20) == Finished("echo", small_jobs.Echo({"frame": 19}))
    assert all(isinstance(slide.wait(20), Cancelled) for slide in slides[1:-1])
    assert isinstance(busy.wait(20), Finished)


def test_cancel_closes_the_job_and_says_so_once(engine, tmp_path):
    heard = Heard()
    closed = tmp_path / "closed"
    arguments = {"steps": 1000, "seconds": 0.01, "closed": closed}
    request = engine.submit("small_jobs:count", arguments, on_event=heard)
    heard.wait_for(Progress)
    request.cancel()
    request.cancel()
    assert isinstance(request.wait(20), Cancelled)
    assert closed.read_text() == "closed"
    assert sum(isinstance(event, Cancelled) for event in heard) == 1


@posix
def test_ctrl_c_cancels_the_jobs_and_the_process_lives_on(engine, tmp_path):
    heard = Heard()
    closed = tmp_path / "closed"
    arguments = {"steps": 1000, "seconds": 0.01, "closed": closed}
    request = engine.submit("small_jobs:count", arguments, on_event=heard)
    heard.wait_for(Progress)
    pid = engine.pid
    os.kill(pid, signal.SIGINT)
    assert isinstance(request.wait(20), Cancelled)
    assert closed.exists()
    assert engine.submit("small_jobs:pid").wait(20).result.pid == pid


@posix
def test_a_killed_process_fails_every_open_request_once_and_the_next_starts_a_new_one(engine):
    heard, waiting = Heard(), Heard()
    running = engine.submit("small_jobs:count", {"steps": 999, "seconds": 0.01}, on_event=heard)
    queued = engine.submit("small_jobs:count", on_event=waiting)
    heard.wait_for(Progress)
    pid = engine.pid
    os.kill(pid, signal.SIGKILL)
    for request, events in ((running, heard), (queued, waiting)):
        failed = request.wait(10)
        assert isinstance(failed, Failed)
        assert "was killed (SIGKILL)" in failed.message
        assert not failed.unexpected
        assert sum(isinstance(event, Failed) for event in events) == 1
    assert engine.submit("small_jobs:pid").wait(20).result.pid != pid


def test_a_process_that_leaves_is_told_with_its_last_words(engine):
    failed = engine.submit("small_jobs:leave").wait(20)
    assert isinstance(failed, Failed)
    assert "exit status 3" in failed.message
    assert failed.unexpected
    assert "about to leave" in failed.detail


def test_a_process_that_cannot_start_is_told(tmp_path):
    (tmp_path / "numpy.py").write_text("raise ImportError('numpy is broken here')")
    with Engine({"PYTHONPATH": str(tmp_path)}) as engine:
        failed = engine.submit("describe").wait(20)
        assert isinstance(failed, Failed)
        assert failed.message.startswith("The engine process could not start: ")
        assert "numpy is broken here" in failed.message


def test_a_listener_that_fails_disturbs_nobody(engine, caplog):
    def listener(event: Event) -> None:
        raise RuntimeError("the widget is gone")

    assert isinstance(engine.submit("small_jobs:count", on_event=listener).wait(20), Finished)
    assert isinstance(engine.submit("small_jobs:pid").wait(20), Finished)
    assert "the widget is gone" in caplog.text


def test_a_listener_may_submit_the_next_request(engine):
    second: list = []

    def listener(event: Event) -> None:
        if isinstance(event, Finished):
            second.append(engine.submit("small_jobs:pid"))

    engine.submit("small_jobs:count", on_event=listener).wait(20)
    assert isinstance(second[0].wait(20), Finished)


def test_close_cancels_what_is_open_and_ends_the_process(engine, tmp_path):
    closed = tmp_path / "closed"
    heard = Heard()
    arguments = {"steps": 1000, "seconds": 0.01, "closed": closed}
    request = engine.submit("small_jobs:count", arguments, on_event=heard)
    heard.wait_for(Progress)
    pid = engine.pid
    engine.close()
    assert isinstance(request.outcome, Cancelled)
    assert closed.exists()
    assert gone(pid)
    assert engine.pid is None
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.submit("small_jobs:pid")


def test_close_does_not_wait_for_a_step_that_takes_for_ever(engine):
    request = engine.submit("small_jobs:one_step", {"seconds": 600})
    engine.submit("small_jobs:pid", urgent=True)
    time.sleep(0.5)
    pid = engine.pid
    began = time.monotonic()
    engine.close()
    assert time.monotonic() - began < 6
    assert isinstance(request.outcome, Cancelled)
    assert gone(pid)


def test_an_engine_that_nobody_holds_ends_its_process():
    engine = Engine()
    engine.start()
    pid = engine.pid
    del engine
    gc.collect()
    assert gone(pid)


def test_start_brings_up_the_process_and_the_first_request_uses_it(engine):
    engine.start()
    pid = engine.pid
    engine.start()
    assert engine.submit("small_jobs:pid").wait(20).result.pid == pid


PARENT = """
import sys, threading, time
from napari_vitface.engine import Engine
engine = Engine()
arguments = {"steps": 10000, "seconds": 0.02, "closed": sys.argv[1]}
running = threading.Event()
request = engine.submit("small_jobs:count", arguments, on_event=lambda event: running.set())
running.wait()
print(engine.pid, flush=True)
if sys.argv[2] == "fork":
    import os
    if os.fork() == 0:
        time.sleep(20)
        os._exit(0)
if sys.argv[2] != "exit":
    time.sleep(600)
"""


@pytest.mark.parametrize("how", ["exit", "kill", pytest.param("fork", marks=posix)])
def test_the_process_ends_with_the_one_that_started_it(tmp_path, how):
    closed = tmp_path / "closed"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", PARENT, str(closed), how]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        if how != "exit":
            time.sleep(0.5)
            children = psutil.Process(parent.pid).children()
            parent.kill()
        assert gone(pid)
        if how != "exit":
            for child in children:
                child.kill()
    assert closed.exists()


def test_the_client_imports_neither_torch_nor_qt():
    code = (
        "import sys, napari_vitface.engine, napari_vitface.jobs.events\n"
        "heavy = {'torch', 'timm', 'qtpy', 'napari', 'pandas', 'av'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_engine_starts_when_the_folder_holds_files_named_like_modules(tmp_path, monkeypatch):
    (tmp_path / "random.py").write_text("raise SystemExit('the wrong random')")
    monkeypatch.chdir(tmp_path)
    with Engine() as engine:
        engine.start()
        failed = engine.submit("nothing").wait(20)
        assert failed.message.startswith("The engine has no job")


# --- a job that does not answer -------------------------------------------------------------------


@pytest.mark.parametrize("how", ["sleeps", "holds the interpreter"])
def test_a_job_that_does_not_answer_is_cancelled_with_its_process(engine, how, tmp_path):
    heard = Heard()
    mark = tmp_path / "stuck"
    request = engine.submit("small_jobs:stuck", {"how": how, "mark": mark}, on_event=heard)
    wait_for_file(mark)
    pid = engine.pid
    request.cancel()
    assert isinstance(request.wait(20), Cancelled)
    assert gone(pid)
    assert engine.submit("small_jobs:pid").wait(20).result.pid != pid
    assert sum(isinstance(event, Cancelled) for event in heard) == 1


def test_requests_that_waited_behind_it_are_answered_by_the_next_process(engine, tmp_path):
    waiting = Heard()
    mark = tmp_path / "stuck"
    stuck = engine.submit("small_jobs:stuck", {"how": "sleeps", "mark": mark})
    wait_for_file(mark)
    queued = engine.submit("small_jobs:count", {"steps": 2}, on_event=waiting)
    urgent = engine.submit("small_jobs:pid", urgent=True)
    pid = engine.pid
    stuck.cancel()
    assert queued.wait(30) == Finished("count", small_jobs.Counted(2))
    assert isinstance(urgent.wait(30), Finished)
    assert isinstance(stuck.outcome, Cancelled)
    assert gone(pid)
    assert sum(isinstance(event, Started) for event in waiting) == 1


def test_cancelling_what_waits_does_not_end_the_long_job_before_it(engine):
    heard = Heard()
    long = engine.submit(
        "small_jobs:count", {"steps": 2, "seconds": client.PATIENCE + 1.5}, on_event=heard
    )
    heard.wait_for(Started)
    pid = engine.pid
    queued = engine.submit("small_jobs:count")
    urgent = engine.submit("small_jobs:count", urgent=True)
    queued.cancel()
    urgent.cancel()
    assert isinstance(queued.wait(20), Cancelled)
    # It may have been answered before it was cancelled.
    assert isinstance(urgent.wait(20), Cancelled | Finished)
    assert isinstance(long.wait(30), Finished)
    assert engine.pid == pid


def test_a_job_that_puts_its_files_in_order_gets_the_time_for_it(engine, tmp_path):
    heard = Heard()
    closed = tmp_path / "closed"
    arguments = {"closed": closed, "seconds": client.PATIENCE + 1.0}
    request = engine.submit("small_jobs:tidy", arguments, on_event=heard)
    heard.wait_for(Progress)
    pid = engine.pid
    request.cancel()
    assert isinstance(request.wait(20), Cancelled)
    assert closed.read_text() == "closed"
    assert engine.pid == pid


def test_the_process_imports_ahead_and_answers_meanwhile(engine):
    engine.warm_up("predict")
    pid = engine.pid
    # Begun while PyTorch is imported, it is told so; and it can be left at once.
    heard = Heard()
    request = engine.submit("small_jobs:pid", on_event=heard)
    assert isinstance(engine.submit("models").wait(60), Finished)
    assert request.wait(120).result == small_jobs.Process(pid, torch=True)
    assert set(heard[:-1]) <= {Preparing("Importing PyTorch")}


def test_what_training_needs_is_imported_when_it_is_likely_and_not_before(engine):
    engine.warm_up("predict")
    modules = ["napari_vitface.training.fit", "torch._dynamo"]
    request = engine.submit("small_jobs:imported", {"names": modules})
    assert request.wait(120).result == small_jobs.Imported(())
    engine.warm_up("train")
    engine.warm_up("train")
    # Jobs wait for imports that were begun before they were given.
    request = engine.submit("small_jobs:imported", {"names": modules})
    assert request.wait(120).result == small_jobs.Imported(tuple(modules))
    # A process in its place begins with what answers soonest.
    psutil.Process(engine.pid).kill()
    deadline = time.monotonic() + 20
    while engine.pid is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    request = engine.submit("small_jobs:imported", {"names": modules})
    assert request.wait(120).result == small_jobs.Imported(())
    engine.warm_up("train")
    request = engine.submit("small_jobs:imported", {"names": modules})
    assert request.wait(120).result == small_jobs.Imported(tuple(modules))


def test_a_request_is_left_while_the_process_imports(engine):
    engine.warm_up("predict")
    heard = Heard()
    request = engine.submit("small_jobs:one_step", {"seconds": 0}, on_event=heard)
    heard.wait_for(Event)
    request.cancel()
    assert isinstance(request.wait(20), Cancelled | Finished)
    assert isinstance(engine.submit("small_jobs:pid").wait(120), Finished)
