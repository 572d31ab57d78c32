"""Events of several videos are trials, wherever they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_vitface.errors import LabelError
from napari_vitface.events.event_trials import read_trials_or_events


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Two files that could be videos, with events beside them."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.mp4").write_bytes(b"")
    (tmp_path / "a_events.tsv").write_text(
        "onset\tduration\ttrial_type\n1.5\t1\tshock\n4\t1\trest\n"
    )
    (tmp_path / "b_events.tsv").write_text("onset_frame\toffset_frame\tlabel\n10\t20\trest\n")
    return tmp_path


def test_a_table_of_videos_says_whose_events_they_are(videos) -> None:
    table = videos / "videos.csv"
    table.write_text("video,mouse,events\na.mp4,m1,a_events.tsv\nb.mp4,m2,b_events.tsv\n")
    trials = read_trials_or_events(table)
    assert trials.column("label") == ("shock", "rest", "rest")
    assert trials.column("animal") == ("m1", "m1", "m2")
    assert [each.onset_frame(20) for each in trials.trials] == [30, 80, 10]
    table.write_text("video,mouse,events\na.mp4,m1,none.tsv\n")
    with pytest.raises(LabelError, match=r"'none.tsv' in row 2 .* are not there"):
        read_trials_or_events(table)


def test_a_folder_holds_videos_with_events_beside_them(videos) -> None:
    trials = read_trials_or_events(videos)
    assert [each.video.name for each in trials.trials] == ["a.mp4", "a.mp4", "b.mp4"]
    for file in videos.glob("*.tsv"):
        file.unlink()
    with pytest.raises(LabelError, match="has a file of events beside it"):
        read_trials_or_events(videos)


def test_a_file_of_events_that_names_its_videos(videos) -> None:
    file = videos / "boris.csv"
    file.write_text(
        "Observation id,Media file,FPS,Subject,Behavior,Behavior type,Start (s),Stop (s)\n"
        "one,D:\\films\\b.mp4,20,,rest,STATE,2,3\n"
    )
    (trial,) = read_trials_or_events(file).trials
    assert (trial.video.name, trial.onset_frame(20), trial.values["label"]) == ("b.mp4", 40, "rest")
    file.write_text(file.read_text().replace("b.mp4", "c.mp4"))
    with pytest.raises(LabelError, match=r"c.mp4.* is not there"):
        read_trials_or_events(file)


def test_a_table_of_trials_stays_one(videos) -> None:
    table = videos / "trials.csv"
    table.write_text("clip,animal,dose,onset_frame\na.mp4,m1,5,3\n")
    trials = read_trials_or_events(table)
    assert trials.column("dose") == ("5",)
