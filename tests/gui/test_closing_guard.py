"""Closing the window or the dock asks before long work is stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import Qt, QTimer

from napari_vitface.gui.fine_tune.training_run import TrainingRun
from napari_vitface.gui.open_videos import open_for_window
from napari_vitface.gui.states.classifying import StatesRun
from napari_vitface.jobs.results.classifying import PredictStatesResult, TrialStates

if TYPE_CHECKING:
    from napari_vitface.gui.dock import ViTFaceDock

pytestmark = pytest.mark.window


def answered(dock: ViTFaceDock, qtbot: Any, button: str, close: Callable[[], Any]) -> str:
    """Close something, press a button of the question that comes, and return what was asked."""
    asked: list[str] = []

    def answer() -> None:
        question = dock.closing.question
        assert question is not None
        asked.append(f"{question.text()} {question.informativeText()}")
        pressed = next(each for each in question.buttons() if each.text() == button)
        qtbot.mouseClick(pressed, Qt.MouseButton.LeftButton)

    QTimer.singleShot(500, answer)
    close()
    (text,) = asked
    return text


def test_closing_the_window_or_the_dock_asks_while_a_model_is_trained(
    dock: ViTFaceDock, qtbot: Any, video_path: Path, tmp_path: Path
) -> None:
    session, window = dock.session, dock.window()
    session.add_video(open_for_window(video_path))
    holder = _holder(dock)
    run = TrainingRun("face", tmp_path / "face", "tiny", status="running", step=40, steps=300)
    session.fine_tune.run = run
    text = answered(dock, qtbot, "Keep open", window.close)
    assert "face is being trained at step 40 of 300. Close napari?" in text
    assert "Continue in section 5 (Fine-tune) goes on from there" in text
    assert window.isVisible()
    text = answered(dock, qtbot, "Keep open", holder.title.close_button.click)
    assert "Close the dock?" in text
    assert dock.isVisible()
    assert run.status == "running"
    assert not session.closed
    answered(dock, qtbot, "Stop and close", holder.title.close_button.click)
    assert session.closed
    assert run.status == "cancelling"


def test_closing_asks_while_a_classifier_is_trained_or_states_are_told_of_many_videos(
    dock: ViTFaceDock, qtbot: Any, video_path: Path
) -> None:
    session, window = dock.session, dock.window()
    session.add_video(open_for_window(video_path))
    states = session.classifying
    states.runner.run = run = StatesRun(work="train", status="running", done=3, total=16)
    text = answered(dock, qtbot, "Keep open", window.close)
    assert "A classifier of states is being trained. Close napari?" in text
    assert "nothing of it is kept" in text
    assert window.isVisible()
    run.work, states.asked_of = "predict all", 16
    told = TrialStates(
        video=str(video_path), probabilities={"calm": 1.0}, value=None, unlike=0, frames=9,
        table=None,
    )  # fmt: skip
    states.told_of_all = PredictStatesResult(model="m.vitstate", states=("calm",), trials=(told,))
    heard: list[str] = []
    states.runner.changed.connect(lambda: heard.append(run.status))
    text = answered(dock, qtbot, "Stop and close", _holder(dock).title.close_button.click)
    assert "States were told of 1 of 16 videos. Close the dock?" in text
    assert session.closed
    assert run.status == "cancelling"
    # Widgets that are being taken down hear nothing of it.
    assert heard == []


def _holder(dock: Any) -> Any:
    """napari's dock around ours."""
    while not hasattr(dock, "destroyOnClose"):
        dock = dock.parent()
    return dock
