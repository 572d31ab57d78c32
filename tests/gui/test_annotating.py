"""Annotating without a window: the events of a video, the commands, labels, files, projects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from napari_vitface.events.event_labels import EventLabel
from napari_vitface.events.format import read_events, write_events
from napari_vitface.events.intervals import Interval
from napari_vitface.gui.events.annotating import Annotating
from napari_vitface.gui.events.event_documents import beside
from napari_vitface.gui.events.video_events import VideoEvents
from napari_vitface.gui.open_videos import open_for_window
from napari_vitface.gui.states.event_trials import annotated_videos, without_video
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.project.event_document import EventDocument
from napari_vitface.project.event_labels import read_event_labels
from napari_vitface.project.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Pump

    from napari_vitface.gui.workbench import Workbench


@pytest.fixture
def told(session: Workbench) -> list[str]:
    heard: list[str] = []
    session.told.connect(lambda text, level: heard.append(text))
    return heard


@pytest.fixture
def hints(session: Workbench) -> list[str]:
    heard: list[str] = []
    session.annotating.hinted.connect(lambda text: text and heard.append(text))
    return heard


@pytest.fixture
def annotating(session: Workbench, pump: Pump, video_path: Path) -> Annotating:
    """On a video of 40 frames at 50 a second, in no project."""
    session.add_video(open_for_window(video_path))
    pump.until(lambda: session.annotating.document is not None)
    return session.annotating


def spans(annotating: Annotating) -> list[tuple[int, int, str]]:
    return [(each.onset, each.offset, each.label) for each in annotating.events]


def test_events_are_drawn_changed_deleted_and_all_is_undone(annotating: Annotating) -> None:
    assert annotating.add_label(" groom ")
    assert annotating.label == "groom"
    assert annotating.draw("groom", 5, 12)
    assert annotating.selected == Interval(5, 12, "groom")
    assert annotating.change(annotating.selected, 3, 14)
    annotating.add_label("rest")
    assert annotating.relabel()
    assert spans(annotating) == [(3, 14, "rest")]
    assert annotating.delete()
    assert spans(annotating) == []
    assert annotating.selected is None
    document = annotating.document
    assert document is not None
    assert document.history.undo_text == "delete rest"
    for expected in ([(3, 14, "rest")], [(3, 14, "groom")], [(5, 12, "groom")], []):
        assert annotating.undo()
        assert spans(annotating) == expected
    assert not annotating.undo()
    for _ in range(4):
        assert annotating.redo()
    assert spans(annotating) == []


def test_events_stay_inside_the_video(annotating: Annotating) -> None:
    annotating.draw("a", -5, 3)
    annotating.draw("b", 38, 99)
    annotating.draw("c", 99, 99)
    assert spans(annotating) == [(0, 3, "a"), (38, 40, "b"), (39, 39, "c")]


def test_a_key_begins_and_ends_an_event(
    session: Workbench, annotating: Annotating, hints: list[str]
) -> None:
    session.labelling.run("mark")
    assert "Make a label first" in hints[-1]
    annotating.add_label("groom")
    session.go_to(20)
    session.labelling.run("mark")
    assert annotating.begun == 20
    session.go_to(11)
    session.labelling.run("mark")
    # Both frames belong to it, whichever came first.
    assert spans(annotating) == [(11, 21, "groom")]
    assert annotating.begun is None
    session.labelling.run("mark_point")
    assert spans(annotating) == [(11, 11, "groom"), (11, 21, "groom")]
    session.labelling.run("mark")
    annotating.choose("rest")
    assert annotating.begun is None


def test_keys_go_from_event_to_event(session: Workbench, annotating: Annotating) -> None:
    for label, onset in (("a", 5), ("b", 8), ("a", 20)):
        annotating.draw(label, onset, onset + 2)
    annotating.choose("a")
    session.go_to(0)
    session.labelling.run("next_event")
    assert session.frame == 5
    assert annotating.selected == Interval(5, 7, "a")
    session.labelling.run("next_event")
    assert session.frame == 20
    session.labelling.run("next_event")
    assert session.frame == 20
    session.labelling.run("previous_event")
    assert session.frame == 5
    session.labelling.run("choose_next")
    assert annotating.label == "b"
    session.labelling.run("choose_next")
    assert annotating.label == "a"


def test_labels_are_renamed_coloured_and_removed(annotating: Annotating, told: list[str]) -> None:
    annotating.draw("groom", 5, 12)
    annotating.add_label("rest")
    first, second = annotating.labels
    assert (first.name, second.name) == ("groom", "rest")
    assert first.colour != second.colour
    assert annotating.recolour("rest", "#123456")
    assert annotating.rename_label("groom", "lick")
    assert spans(annotating) == [(5, 12, "lick")]
    assert annotating.labels == (EventLabel("lick", first.colour), EventLabel("rest", "#123456"))
    assert not annotating.rename_label("lick", "rest")
    assert "There is a label rest already" in told[-1]
    assert not annotating.add_label("  ")
    assert "cannot be a label" in told[-1]
    assert annotating.remove_label("lick")
    assert spans(annotating) == []
    assert [each.name for each in annotating.labels] == ["rest"]
    annotating.undo()
    assert spans(annotating) == [(5, 12, "lick")]


def test_events_of_a_video_in_no_project_are_kept_beside_it(
    session: Workbench, annotating: Annotating, video_path: Path, pump: Pump, state: Path
) -> None:
    annotating.draw("groom", 5, 12)
    assert "safe in the journal" in annotating.line
    assert annotating.save()
    assert annotating.line == "Saved."
    table = beside(video_path)
    assert table.parent == video_path.parent
    assert read_events(table) == (Interval(5, 12, "groom"),)
    annotating.draw("groom", 20, 22)
    assert session.viewer is not None
    session.viewer.layers.clear()
    # What is left behind is saved, and nothing keeps the journal open.
    assert len(read_events(table)) == 2
    assert not list(state.rglob("*.jsonl"))
    session.add_video(open_for_window(video_path))
    pump.until(lambda: annotating.document is not None)
    assert spans(annotating) == [(5, 12, "groom"), (20, 22, "groom")]


def test_edits_of_a_window_that_died_are_found_again(
    session: Workbench, annotating: Annotating, video_path: Path, pump: Pump
) -> None:
    annotating.draw("groom", 5, 12)
    document = annotating.document
    assert document is not None
    document.journal.close()
    opened = session.current
    assert opened is not None
    opened.events = VideoEvents()
    session.annotating.documents._follow()
    pump.until(lambda: annotating.document is not None)
    assert spans(annotating) == [(5, 12, "groom")]
    assert not beside(video_path).exists()


def test_a_project_takes_over_what_was_drawn_before_it_was_there(
    session: Workbench, annotating: Annotating, pump: Pump, tmp_path: Path
) -> None:
    annotating.draw("groom", 5, 12)
    annotating.recolour("groom", "#abcdef")
    folder = tmp_path / "project"
    session.labelling.documents.create(folder, KeypointSet(("nose",)), "Ann")
    pump.until(lambda: _kept_in(session) == folder)
    assert spans(annotating) == [(5, 12, "groom")]
    annotating.add_label("rest")
    annotating.recolour("rest", "#123456")
    assert EventLabel("rest", "#123456") in read_event_labels(folder)
    assert "events:" in (folder / "vitface" / "project.yaml").read_text()
    assert annotating.save()
    assert read_events(folder / "vitface" / "events" / "mouse.tsv") == (Interval(5, 12, "groom"),)
    # And DeepLabCut's own file knows nothing of it.
    assert "events" not in (folder / "config.yaml").read_text()
    session.labelling.documents.changed.emit()
    assert Project.open(folder).video("mouse") is not None


def test_nothing_is_drawn_that_would_be_left_behind_while_events_move_into_a_project(
    session: Workbench, annotating: Annotating, pump: Pump, tmp_path: Path, hints: list[str]
) -> None:
    annotating.draw("groom", 5, 12)
    drawn: list[bool] = []

    def draw() -> None:
        if annotating.documents.opening:
            drawn.append(annotating.draw("rest", 20, 22))

    annotating.documents.changed.connect(draw)
    session.labelling.documents.create(tmp_path / "project", KeypointSet(("nose",)), "Ann")
    pump.until(lambda: _kept_in(session) == tmp_path / "project")
    assert drawn
    assert not any(drawn)
    assert "being opened" in hints[-1]
    assert spans(annotating) == [(5, 12, "groom")]


def test_the_videos_of_a_project_share_its_labels(
    session: Workbench,
    annotating: Annotating,
    pump: Pump,
    tmp_path: Path,
    write_video: Callable[..., Path],
) -> None:
    folder = tmp_path / "project"
    session.labelling.documents.create(folder, KeypointSet(("nose",)), "Ann")
    pump.until(lambda: _kept_in(session) == folder)
    annotating.draw("groom", 5, 12)
    project = session.labelling.documents.project
    assert project is not None
    # One that is not open, and one that is opened beside it.
    paths = [write_video(tmp_path / f"{name}.mp4") for name in ("shut", "open")]
    for path in paths:
        project.add_video(path)
        entry = project.video(path)
        assert entry is not None
        table = project.events_path(entry)
        table.parent.mkdir(exist_ok=True)
        write_events(table, [Interval(1, 2, "groom")])
    session.add_video(open_for_window(paths[1]))
    pump.until(lambda: spans(annotating) == [(1, 2, "groom")] and _kept_in(session) == folder)
    annotating.add_label("rest")
    annotating.draw("rest", 20, 22)
    session.videos.show(session.videos.find(tmp_path / "mouse.mp4"))
    pump.until(lambda: spans(annotating) == [(5, 12, "groom")])
    assert [each.name for each in annotating.labels] == ["groom", "rest"]
    assert annotating.rename_label("groom", "lick")
    assert spans(annotating) == [(5, 12, "lick")]
    assert read_events(project.events_path(project.video(paths[0]))) == (Interval(1, 2, "lick"),)
    session.videos.show(session.videos.find(paths[1]))
    pump.until(lambda: spans(annotating) == [(1, 2, "lick"), (20, 22, "rest")])
    assert [each.name for each in read_event_labels(folder)] == ["lick", "rest"]
    # Trials are made of all of them, but of one whose video has gone, which is named.
    assert not without_video(session)
    paths[0].unlink()
    assert without_video(session) == ["shut"]
    assert {each.video.name for each in annotated_videos(session, None)} == {
        "mouse.mp4",
        "open.mp4",
    }


def _kept_in(session: Workbench) -> Path | None:
    current = session.made.events
    return current.project if current is not None else None


def test_what_another_program_changed_too_is_asked_about(
    annotating: Annotating, video_path: Path
) -> None:
    asked: list[object] = []
    annotating.conflict_found.connect(asked.append)
    annotating.draw("groom", 5, 12)
    annotating.save()
    assert annotating.selected is not None
    annotating.change(annotating.selected, 5, 20)
    theirs = [Interval(2, 12, "groom"), Interval(30, 31, "groom")]
    write_events(beside(video_path), theirs, format="tsv")
    assert not annotating.save()
    assert len(asked) == 1
    assert annotating.resolve(keep_ours=False)
    assert annotating.conflict is None
    assert spans(annotating) == [(2, 12, "groom"), (30, 31, "groom")]


def test_files_of_other_programs_are_imported_and_written(
    annotating: Annotating, told: list[str], hints: list[str], tmp_path: Path
) -> None:
    table = tmp_path / "boris.csv"
    table.write_text(
        "Observation id,FPS,Subject,Behavior,Behavior type,Start (s),Stop (s),Media file name\n"
        "o,50,,groom,STATE,0.1,0.3,mouse.mp4\no,50,,lick,POINT,0.5,0.5,mouse.mp4\n"
    )
    assert annotating.import_file(table)
    assert spans(annotating) == [(5, 15, "groom"), (25, 25, "lick")]
    assert not annotating.import_file(table)
    assert "nothing in boris.csv that is not here already" in hints[-1]
    written = tmp_path / "mouse_events.tsv"
    assert annotating.export_file(written, "bids")
    assert written.read_text() == "onset\tduration\ttrial_type\n0.1\t0.2\tgroom\n0.5\t0\tlick\n"
    frames = tmp_path / "frames.csv"
    frames.write_text("onset,offset,label\n10,20,rest\n")
    assert not annotating.import_file(frames)
    assert "has 40 frames: is it of another video, or in another unit?" in told[-1]
    assert annotating.import_file(frames, "frames")
    assert (10, 20, "rest") in spans(annotating)
    annotating.undo()
    assert (10, 20, "rest") not in spans(annotating)
    assert not annotating.export_file(tmp_path / "no" / "x.csv")
    assert "cannot be written" in told[-1]


def test_events_that_are_open_elsewhere_are_said(
    session: Workbench, video_path: Path, pump: Pump, told: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "mouse-labels"
    project = Project.create(folder, KeypointSet(("nose",)), "Ann")
    project.add_video(video_path)
    elsewhere: EventDocument = project.events(video_path)
    session.add_video(open_for_window(video_path))
    pump.until(lambda: bool(session.annotating.documents.problem))
    assert "events of mouse are already open" in session.annotating.documents.problem
    assert session.annotating.document is None
    assert not session.annotating.draw("groom", 1, 2)
    elsewhere.close()


def test_ten_thousand_events_are_in_view_at_once(annotating: Annotating) -> None:
    from napari_vitface.gui.events.lanes import _columns, _Lane

    intervals = [Interval(10 * i, 10 * i + 4, "a") for i in range(10_000)]
    lane = _Lane.of(intervals)
    assert lane.within(95, 131) == slice(10, 14)
    assert lane.within(94, 100) == slice(10, 11)
    starts, ends = _columns((lane.onsets - 0.5) / 100, (lane.stops - 0.5) / 100, 1000)
    # Denser than pixels: one bar.
    assert (starts.tolist(), ends.tolist()) == ([0.0], [1000.0])
