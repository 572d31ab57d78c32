"""The report of an unexpected error: what it holds, what it does not, and where it is offered."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from napari.utils.notifications import Notification, notification_manager
from qtpy.QtWidgets import QApplication

from napari_vitface.gui.error_report import compose_report, note_engine, without_user
from napari_vitface.gui.predict.prediction import PredictOptions
from napari_vitface.gui.section import Note
from napari_vitface.jobs.failure import describe_failure, where_to_report
from napari_vitface.jobs.results.models import DescribeResult
from napari_vitface.jobs.results.prediction import PredictSettings
from napari_vitface.pose.keypoints import MOUSE_FACE

if TYPE_CHECKING:
    from napari_vitface.gui.dock import ViTFaceDock


def test_a_report_holds_the_versions_what_was_done_and_the_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("napari_vitface.gui.error_report._engine", [])
    with pytest.raises(KeyError) as fault:
        {}["chroma"]
    failed = describe_failure("opening the video", fault.value)
    text = compose_report([failed])
    assert "> Unexpected error in opening the video: KeyError: 'chroma'." in text
    assert "test_a_report_holds" in text
    for name in ("napari-vitface", "Python", "napari", "Qt", "system", "processor"):
        assert f"- {name}: " in text
    assert "torch" not in text
    note_engine(
        DescribeResult(
            python="3.12", system="Linux on anna-pc", napari_vitface="1.0", torch="2.12",
            timm="1.0", devices=("cpu",), device_names=("x86",), threads=2, processor="x86",
            capability="AVX512",
        )
    )  # fmt: skip
    text = compose_report([failed])
    assert "- torch: 2.12" in text
    assert "anna-pc" not in text


def test_the_user_stays_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "anna")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/anna"))
    assert without_user("/home/anna/cam_1.mp4, /data/Anna/susanna.mp4, 'anna_2'") == (
        "~/cam_1.mp4, /data/~/susanna.mp4, '~_2'"
    )


def test_the_address_is_the_package_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from email.message import Message

    told = Message()
    told["Project-URL"] = "Homepage, https://example.org"
    monkeypatch.setattr("importlib.metadata.metadata", lambda _: told)
    assert where_to_report() == "to those from whom you have napari-vitface"
    told["Project-URL"] = "Issues, https://example.org/issues"
    assert where_to_report() == "at https://example.org/issues"


def offers_report(note: Note, words: str) -> bool:
    """Whether a note says an unexpected error, and has a button to report it."""
    assert "Traceback" not in note.text()
    return words in note.text() and note.isVisibleTo(note.parentWidget()) and (
        note.report_button.isVisibleTo(note)
    )  # fmt: skip


@pytest.mark.window
def test_unexpected_errors_of_a_window_can_be_reported(
    dock: ViTFaceDock, qtbot: Any, video_path: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    session, problems = dock.session, dock.video_section.problems
    # What is the user's to mend is told without the button, and control characters as such.
    dock.video_section.open(tmp_path / "a\x1b[2J\u202e\n.mp4")
    assert r"a\x1b[2J\u202e\n.mp4" in problems.text()
    assert not offers_report(problems, "a")

    with monkeypatch.context() as patched:
        patched.setattr("napari_vitface.gui.video_section.open_for_window", _stumble)
        dock.video_section.open(video_path)
    assert offers_report(problems, "Unexpected error in opening the video: RuntimeError: odd.")
    problems.report_button.click()
    assert "> Unexpected error in opening the video" in QApplication.clipboard().text()
    assert "Copied, and sent nowhere." in problems.reported.text()

    dock.video_section.open(video_path)
    assert not problems.isVisible()
    # A job of the engine, and one that cannot even be asked for.
    result = dock.predict_section.result
    failed = describe_failure("predict", RuntimeError("engine stumbled"))
    with monkeypatch.context() as patched:
        patched.setattr(session.engine, "submit", lambda *_, on_event, **__: on_event(failed))
        session.prediction.start(PredictOptions())
        qtbot.waitUntil(lambda: not session.prediction.active)
    assert offers_report(result, "Unexpected error in predict: RuntimeError: engine stumbled.")
    with monkeypatch.context() as patched:
        patched.setattr(session.engine, "submit", _stumble)
        session.prediction.start(PredictOptions())
    assert offers_report(result, "Unexpected error in predict: RuntimeError: odd.")
    # What a cancelled run did is said to be kept where it is.
    part = video_path.with_name("mouse.part")
    part.touch()
    run = session.prediction.run
    run.status, run.done = "cancelled", 3
    run.settings = PredictSettings(
        video="mouse.mp4", frame_rate=30.0, frames=(0, 40, 1), model="tiny", device="cpu",
        precision="fp32", why="", batch_size=1, crop=(0, 0, 64, 48), white=None, face=None,
        keypoints=MOUSE_FACE, fresh_from=0, kept_in=str(part),
    )  # fmt: skip
    session.prediction.changed.emit()
    assert "is kept; Go on" in dock.predict_section.hint.text()
    part.unlink()
    session.prediction.changed.emit()
    assert "Nothing is kept: mouse.part is not in" in dock.predict_section.hint.text()
    assert dock.predict_section.predict_button.text() == "Predict 40 frames"

    # What nobody catches: napari would offer a traceback. Where the note is seen, that is enough.
    dock.hide()
    told: list[Notification] = []
    monkeypatch.setattr(notification_manager, "dispatch", told.append)
    monkeypatch.setattr(session, "choose_model", _stumble)
    with notification_manager:
        assert sys.excepthook is notification_manager.receive_error
        session.soon(lambda: session.fine_tune.use("x"))
        qtbot.waitUntil(lambda: bool(told))
    assert offers_report(dock.note, "Unexpected error in the window: RuntimeError: odd.")
    assert [one.message for one in told] == [dock.note.text()]
    assert [name for name, _ in told[0].actions] == ["Report…"]


def _stumble(*_: Any, **__: Any) -> None:
    raise RuntimeError("odd")
