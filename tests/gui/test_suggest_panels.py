from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_vitface.gui.open_video import OpenVideo, Suggestion
from napari_vitface.gui.open_videos import open_for_window
from napari_vitface.gui.which_frames.audits import CHANGED, FIXED, OPEN, AuditRun, Audits
from napari_vitface.gui.workbench import Workbench
from napari_vitface.jobs.events import Finished, LabelDoubted
from napari_vitface.pose.edits import make_edit
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import ABSENT, FrameLabels, Point, labelled, occluded

if TYPE_CHECKING:
    from conftest import Pump

    from napari_vitface.gui.dock import ViTFaceDock

KEYPOINTS = KeypointSet(("eye", "nose tip", "mouth"))
WAIT = 600_000


def places(frame: int) -> np.ndarray:
    return np.array([(10.25, 20), (30, 40 + frame / 7), (50.1, 60)])


def label_some(session: Workbench, count: int = 14) -> None:
    """Label every second frame, all three points."""
    labels = session.labelling.labels
    points = {
        (frame, k): labelled(*places(frame)[k])
        for frame in range(0, 2 * count, 2)
        for k in range(3)
    }
    edit = make_edit(labels, "place points", points)
    assert edit is not None
    assert session.labelling.do(edit)


def doubt(
    frame: int, kind: str, keypoints: tuple[str, ...], moves: dict[str, str | None]
) -> LabelDoubted:
    return LabelDoubted(
        "mouse", frame, "", kind, keypoints, 3.0, f"{kind} labels", tuple(moves.items()),
        places(frame), places(frame),
    )  # fmt: skip


SWAP = {"eye": "mouth", "mouth": "eye"}


@pytest.fixture
def opened(session: Workbench, video_path: Path, tiny_model: Path) -> OpenVideo:
    session.choose_model(str(tiny_model))
    session.device = "cpu"
    return session.add_video(open_for_window(video_path))


@pytest.fixture
def labels(session: Workbench, opened: OpenVideo, tmp_path: Path, pump: Pump) -> FrameLabels:
    session.labelling.documents.create(tmp_path / "project", KEYPOINTS, "me")
    pump.until(lambda: session.labelling.document is not None)
    label_some(session)
    assert session.labelling.document is not None
    return session.labelling.labels


@pytest.fixture
def audits(session: Workbench, labels: FrameLabels) -> Audits:
    return session.audits


def tell(audits: Audits, session: Workbench, *findings: LabelDoubted) -> None:
    """An audit that found these."""
    assert session.current is not None
    run = AuditRun(session.current)
    for event in (*findings, Finished("audit")):
        run.take(event)
        audits._on_event(run, event)


# --- suggestions ----------------------------------------------------------------------------------


def test_suggested_frames_become_marks_and_none_is_labelled(
    session: Workbench, labels: FrameLabels, pump: Pump
) -> None:
    suggestions = session.suggestions
    suggestions.start(5)
    assert suggestions.active
    pump.until(lambda: not suggestions.active)
    assert suggestions.run is not None
    assert suggestions.run.status == "done", suggestions.run.message
    assert len(session.marks.suggested) == 5
    assert all(session.marks.suggested.values())
    assert not set(session.marks.suggested) & set(labels.frames().tolist())
    before = session.marks.suggestions
    suggestions.start(5)
    pump.until(lambda: not suggestions.active)
    assert session.marks.suggestions == before


def test_a_search_that_is_cancelled_keeps_the_earlier_suggestions(
    session: Workbench, opened: OpenVideo, pump: Pump
) -> None:
    session.marks.suggest(opened, [Suggestion(3, "dark")])
    suggestions = session.suggestions
    suggestions.start(5)
    suggestions.cancel()
    pump.until(lambda: not suggestions.active)
    assert suggestions.run is not None
    assert suggestions.run.status == "cancelled"
    assert session.marks.suggested == {3: "dark"}


def test_a_search_that_fails_says_why(session: Workbench, opened: OpenVideo, pump: Pump) -> None:
    opened.crop = (0, 0, 4000, 4000)
    suggestions = session.suggestions
    suggestions.start(5)
    pump.until(lambda: not suggestions.active)
    assert suggestions.run is not None
    assert suggestions.run.status == "failed"
    assert "does not lie within the frame of 128 x 96 pixels" in suggestions.run.message


# --- audits ---------------------------------------------------------------------------------------


def test_an_audit_runs_in_the_engine_and_can_be_cancelled(
    session: Workbench, audits: Audits, pump: Pump
) -> None:
    assert len(audits.labelled_frames) == 14
    audits.start()
    pump.until(lambda: audits.run is not None and audits.run.total > 0)
    assert audits.run is not None
    assert audits.run.settings.start == "mouse-face"
    audits.cancel()
    pump.until(lambda: not audits.active)
    assert audits.run.status == "cancelled"
    assert audits.findings == []


def test_too_few_labels_are_refused_in_a_sentence(
    session: Workbench, opened: OpenVideo, tmp_path: Path, pump: Pump
) -> None:
    session.labelling.documents.create(tmp_path / "project", KEYPOINTS, "me")
    pump.until(lambda: session.labelling.document is not None)
    label_some(session, 3)
    audits = session.audits
    audits.start()
    pump.until(lambda: not audits.active)
    assert audits.run is not None
    assert "Only 3 frames are labelled" in audits.run.message


def test_a_fix_is_one_step_of_undo_and_exact_to_the_last_bit(
    session: Workbench, audits: Audits, labels: FrameLabels
) -> None:
    finding = doubt(6, "swapped", ("eye", "mouth"), SWAP)
    tell(audits, session, finding)
    assert audits.findings == [finding] or audits.findings[0] is finding
    assert audits.state(finding) == OPEN
    steps = len(session.labelling.document.history.done)
    assert audits.fix(finding)
    np.testing.assert_array_equal(labels.xy(6), places(6)[[2, 1, 0]])
    assert len(session.labelling.document.history.done) == steps + 1
    assert session.labelling.document.history.undo_text == "fix swapped labels"
    assert audits.state(finding) == FIXED
    assert not audits.fix(finding)
    session.labelling.undo()
    np.testing.assert_array_equal(labels.xy(6), places(6))
    assert audits.state(finding) == OPEN


def test_a_fix_takes_a_label_away_where_none_belongs(
    session: Workbench, audits: Audits, labels: FrameLabels
) -> None:
    finding = doubt(
        6, "shifted", KEYPOINTS.names, {"eye": None, "nose tip": "eye", "mouth": "nose tip"}
    )
    assert audits.fix(finding)
    assert labels.point(6, 0) == ABSENT
    np.testing.assert_array_equal(labels.xy(6)[1:], places(6)[:2])
    assert audits.state(finding) == FIXED


@pytest.mark.parametrize("now", [labelled(11, 20), occluded(11, 20), ABSENT])
def test_labels_that_changed_since_are_not_fixed(
    session: Workbench, audits: Audits, labels: FrameLabels, now: Point
) -> None:
    finding = doubt(6, "swapped", ("eye", "mouth"), SWAP)
    edit = make_edit(labels, "change", {(6, 0): now})
    assert edit is not None
    session.labelling.do(edit)
    assert audits.state(finding) == CHANGED
    assert audits.fix_of(finding) is None
    assert not audits.fix(finding)
    assert labels.point(6, 0) == now


def test_a_lone_label_has_no_fix_and_is_settled_by_moving_it(
    session: Workbench, audits: Audits, labels: FrameLabels
) -> None:
    finding = doubt(6, "far", ("nose tip",), {})
    assert audits.fix_of(finding) is None
    assert audits.state(finding) == OPEN
    session.labelling.move({1: (33.0, 44.0)}, 6)
    assert audits.state(finding) == CHANGED


def test_without_a_project_nothing_that_was_found_is_fixed(
    session: Workbench, audits: Audits, opened: OpenVideo
) -> None:
    finding = doubt(6, "far", ("mouth",), {"mouth": None})
    assert audits.state(finding) == OPEN
    opened.in_project = None
    assert audits.state(finding) == CHANGED
    assert audits.fix_of(finding) is None


def test_a_finding_that_is_right_leaves_the_list(session: Workbench, audits: Audits) -> None:
    first = doubt(6, "far", ("nose tip",), {})
    second = doubt(8, "far", ("nose tip",), {})
    tell(audits, session, first, second)
    audits.keep(first)
    assert [finding.frame for finding in audits.findings] == [8]


# --- in a window ----------------------------------------------------------------------------------


@pytest.fixture
def open_dock(
    dock: ViTFaceDock, video_path: Path, tiny_model: Path, tmp_path: Path, qtbot: object
) -> ViTFaceDock:
    session = dock.session
    session.choose_model(str(tiny_model))
    session.device = "cpu"
    session.add_video(open_for_window(video_path))
    session.labelling.documents.create(tmp_path / "project", KEYPOINTS, "me")
    qtbot.waitUntil(lambda: session.labelling.document is not None, timeout=WAIT)  # type: ignore[attr-defined]
    return dock


@pytest.mark.window
def test_the_button_finds_frames_and_a_click_on_one_goes_there(
    open_dock: ViTFaceDock, qtbot: object
) -> None:
    from qtpy.QtCore import Qt

    panel = open_dock.correct_section.suggest_panel
    panel.count.setValue(10)
    panel.button.click()
    assert not panel.progress.isHidden()
    assert panel.button.isHidden()
    qtbot.waitUntil(lambda: not panel.suggestions.active, timeout=WAIT)  # type: ignore[attr-defined]
    assert panel.progress.isHidden()
    assert len(panel.rows.rows) == 10
    # Ten are too many for the column at once.
    assert sum(not row.isHidden() for row in panel.rows.rows) == 8
    panel.rows.more_button.click()
    assert not any(row.isHidden() for row in panel.rows.rows)
    row = panel.rows.rows[3]
    qtbot.mouseClick(row, Qt.MouseButton.LeftButton)  # type: ignore[attr-defined]
    session = open_dock.session
    assert session.frame == session.marks.suggestions[3].frame
    assert row.property("current") == "true"
    assert panel.found.text() == "10 frames, 0 labelled"
    edit = make_edit(session.labelling.labels, "place", {(session.frame, 0): labelled(3, 4)})
    session.labelling.do(edit)
    assert row.note.text() == "✓ labelled"
    assert panel.found.text() == "10 frames, 1 labelled"


@pytest.mark.window
def test_findings_are_listed_with_their_fix(open_dock: ViTFaceDock, qtbot: object) -> None:
    from qtpy.QtCore import Qt

    session = open_dock.session
    panel = open_dock.correct_section.audit_panel
    assert not panel.button.isEnabled()
    assert panel.hint.text().startswith("Waits for 12 labelled frames")
    label_some(session)
    assert panel.button.isEnabled()
    assert panel.button.text() == "Check 14 labelled frames"
    tell(
        panel.audits,
        session,
        doubt(6, "swapped", ("eye", "mouth"), SWAP),
        doubt(8, "far", ("nose tip",), {}),
    )
    first, second = panel.rows.rows
    assert first.note.text() == "probably wrong"
    assert panel.summary.text() == "2 probably wrong, 0 worth a look."
    qtbot.mouseClick(second, Qt.MouseButton.LeftButton)  # type: ignore[attr-defined]
    assert session.frame == 8
    assert session.labelling.selection.indices == (1,)
    fix, _ = panel._buttons[0]
    fix.click()
    assert session.frame == 6
    np.testing.assert_array_equal(session.labelling.labels.xy(6), places(6)[[2, 1, 0]])
    assert first.note.text() == "✓ fixed"
    assert fix.isHidden()
    assert panel.summary.text() == "1 probably wrong, 0 worth a look, 1 settled."
    session.labelling.undo()
    assert first.note.text() == "probably wrong"
    assert not fix.isHidden()
    panel._buttons[1][-1].click()
    assert len(panel.rows.rows) == 1
