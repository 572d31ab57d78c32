"""An error that nobody thought of ends in a sentence, and its traceback in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from napari.utils.notifications import Notification, notification_manager
from psygnal import EmitLoopError, Signal

from napari_vitface.errors import LabelError
from napari_vitface.gui import reader
from napari_vitface.gui.background_writing import write_in_background, write_now
from napari_vitface.gui.correct.saving import _save_other
from napari_vitface.gui.error_report import can_be_reported
from napari_vitface.gui.error_sentences import sentence_of, unexpected_in
from napari_vitface.gui.job_run import JobRun, Runner
from napari_vitface.jobs.events import Event, Finished, Result
from napari_vitface.pose.keypoints import MOUSE_FACE
from napari_vitface.pose.table import PoseTable

if TYPE_CHECKING:
    from napari_vitface.gui.workbench import Workbench


def test_our_fault_is_logged_and_the_user_s_is_not(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert sentence_of("opening", LabelError("No labels here.")) == "No labels here."
        assert not caplog.records
        with pytest.raises(KeyError) as fault:
            {}["x"]
        said = sentence_of("opening", fault.value)
    assert said == "Unexpected error in opening: KeyError: 'x'."
    assert "test_our_fault_is_logged" in caplog.text


def test_a_dropped_file_on_which_a_library_stumbles_is_told_and_can_be_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[Notification] = []
    monkeypatch.setattr(notification_manager, "dispatch", told.append)

    def stumble(path: Any) -> None:
        raise KeyError("chroma")

    monkeypatch.setattr(reader, "open_for_window", stumble)
    assert reader.read(tmp_path / "mouse.mp4") == [(None,)]
    (one,) = told
    assert one.message == "Unexpected error in opening the video: KeyError: 'chroma'."
    assert [name for name, _ in one.actions] == ["Report…"]


def test_what_listens_to_a_signal_fails_with_its_own_sentence_and_the_whole_traceback() -> None:
    class Sender:
        sent = Signal()

    def stumble() -> None:
        raise KeyError("listener")

    sender = Sender()
    sender.sent.connect(stumble)
    with pytest.raises(EmitLoopError) as fault:
        sender.sent.emit()
    said = sentence_of("looking", fault.value)
    assert said == "Unexpected error in looking: KeyError: 'listener'."
    (failed,) = unexpected_in(f"mouse.mp4: {said}")
    assert "EmitLoopError" in failed.detail
    assert "sender.sent.emit()" in failed.detail


def test_a_run_that_ended_is_shown_whatever_becomes_of_its_result() -> None:
    class Engine:
        def submit(self, job: str, arguments: Any, on_event: Callable[[Event], None]) -> None:
            self.on_event = on_event

    def stumble(event: Event) -> bool:
        raise KeyError("result")

    engine = Engine()
    runner: Runner[JobRun] = Runner(engine)  # type: ignore[arg-type]
    shown: list[bool] = []
    runner.changed.connect(lambda: shown.append(runner.active))
    runner.begin(JobRun(), "traces", {}, stumble)
    with pytest.raises(KeyError):
        engine.on_event(Finished("traces", Result()))
    assert shown == [True, False]


def test_labels_that_cannot_be_saved_before_a_training_are_told() -> None:
    class Document:
        name = "other"

        def save(self) -> None:
            raise KeyError("x")

    said = _save_other(Document())  # type: ignore[arg-type]
    assert said.endswith("KeyError: 'x'. (Open other to settle it.)")


def stumble(*_: Any, **__: Any) -> None:
    """Fail as nobody thought of."""
    raise RuntimeError("odd")


def _open_predictions(session: Workbench, path: Path) -> None:
    session.saved_predictions.open(path)


def _open_saved(session: Workbench, path: Path) -> None:
    path.with_name("mouse_vitface_mouse-face.csv").touch()
    session.choose_model("other")
    session.choose_model("mouse-face")


def _filter(session: Workbench, path: Path) -> None:
    opened = session.current
    assert opened is not None
    session.set_poses(opened, PoseTable.empty(MOUSE_FACE, 40), session.model_name)
    session.filters.do({"smooth": "median", "window": 5})


def _write(session: Workbench, path: Path) -> None:
    write_in_background(session, stumble, path.with_name("traces.csv"))


def _write_now(session: Workbench, path: Path) -> None:
    write_now(session, stumble, path.with_name("plot.png"))


@pytest.mark.parametrize(
    ("patched", "act", "said"),
    [
        ("gui.predict.saved.read_predictions", _open_predictions, "reading mouse.mp4"),
        ("formats.poses.read_poses", _open_saved, "reading mouse_vitface_mouse-face.csv"),
        ("gui.trajectories.filters.check_operation", _filter, "the filter"),
        ("gui.trajectories.filters.filter_poses", _filter, "applying the filters"),
        (
            "gui.video_list.queue.videos_of",
            lambda session, path: session.video_list.add([path]),
            "looking for the videos",
        ),
        (
            "gui.video_list.video_search.estimated_length",
            lambda session, path: session.video_list.add([path]),
            "reading how long the videos are",
        ),
        (
            "gui.video_list.list_store.Store.save",
            lambda session, path: session.video_list.add([path]),
            "writing it",
        ),
        (
            "project.project.Project.open",
            lambda session, path: session.labelling.documents.open(path.parent),
            "opening the labels",
        ),
        (
            "project.project.Project.create",
            lambda session, path: session.labelling.documents.create(
                path.parent / "new", MOUSE_FACE, "me"
            ),
            "opening the labels",
        ),
        ("", _write, "writing traces.csv"),
        ("", _write_now, "writing plot.png"),
    ],
)
def test_whatever_a_library_raises_is_a_sentence_that_can_be_reported(
    session: Workbench, pump: Any, video_path: Path, monkeypatch: pytest.MonkeyPatch,
    patched: str, act: Callable[[Workbench, Path], None], said: str,
) -> None:  # fmt: skip
    told: list[str] = []
    session.told.connect(lambda text, level: told.append(text))
    session.add_video(reader.open_for_window(video_path))
    if patched:
        monkeypatch.setattr(f"napari_vitface.{patched}", stumble)
    act(session, video_path)
    pump.until(lambda: any(can_be_reported(text) for text in told))
    assert f"Unexpected error in {said}: RuntimeError: odd." in " ".join(told)
