"""Tables of trials, as people and spreadsheets write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from napari_vitface.errors import LabelError
from napari_vitface.events.intervals import Interval
from napari_vitface.events.trials import AnnotatedVideo, Trials, read_trials, write_trials

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a table beside three videos (which nobody opens)."""
    for name in ("a.mp4", "b.mp4", "c d.mp4"):
        (tmp_path / name).touch()

    def write(content: str | bytes, name: str = "trials.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def names(trials: Trials) -> list[str]:
    return [trial.video.name for trial in trials.trials]


def test_a_table_of_clips_beside_it(write: Write, tmp_path: Path) -> None:
    path = write("clip,animal,microampere,repetition\na.mp4,m1,0,0\nb.mp4,m2,500,1\n")
    trials = read_trials(path)
    first, second = trials.trials
    assert first.video == tmp_path / "a.mp4"
    assert (first.animal, first.session, first.trial, first.onset) == ("m1", "", "", None)
    assert second.values == {"animal": "m2", "microampere": "500", "repetition": "1"}
    assert second.row == 3
    assert trials.columns == ("animal", "microampere", "repetition")
    assert trials.column("microampere") == ("0", "500")


@pytest.mark.parametrize("name", ["video", "clip", "file", "File name", "FILENAME", "video_file"])
def test_usual_names_of_the_column_of_videos(write: Write, name: str) -> None:
    assert names(read_trials(write(f"state,{name}\nx,b.mp4\n"))) == ["b.mp4"]


@pytest.mark.parametrize("name", ["animal", "mouse", "Mouse ID", "subject", "animal_id"])
def test_animals_are_found_by_what_the_table_calls_them(write: Write, name: str) -> None:
    trials = read_trials(write(f"clip,{name}\na.mp4,m1\nb.mp4,m2\n"))
    assert [trial.animal for trial in trials.trials] == ["m1", "m2"]
    assert trials.column("animal") == trials.column(name) == ("m1", "m2")


@pytest.mark.parametrize(
    ("header", "cell", "frame"),
    [
        ("onset_frame", "40", 40),
        ("start (frames)", "40", 40),
        ("onset", "2.0", 40),
        ("onset_s", "2.02", 40),
        ("Start time (s)", "0.05", 1),
        ("onset", "", None),
        ("onset", "n/a", None),
    ],
)
def test_an_onset_in_frames_or_seconds(
    write: Write, header: str, cell: str, frame: int | None
) -> None:
    (trial,) = read_trials(write(f"clip,{header}\na.mp4,{cell}\n")).trials
    assert trial.onset_frame(20.0) == frame


@pytest.mark.parametrize(
    "content",
    [
        "clip;dose;note\na.mp4;0,5;one, two\nb.mp4;1;\n",
        "clip\tdose\tnote\na.mp4\t0,5\tone, two\nb.mp4\t1\t\n",
        'clip,dose,note\r\na.mp4,"0,5","one, two"\r\nb.mp4,1\r\n',
        "\ufeffclip;dose;note;;\n\na.mp4 ; 0,5; one, two;;\n b.mp4;1;;;\n;;\n\n",
        'clip,dose,note\ra.mp4,"0,5","one, two"\rb.mp4,1,\r',
    ],
    ids=["semicolons", "tabs", "commas of Windows", "BOM and empty cells", "old Mac"],
)
def test_what_stands_between_cells_is_seen(write: Write, content: str) -> None:
    trials = read_trials(write(content))
    assert names(trials) == ["a.mp4", "b.mp4"]
    assert trials.trials[0].values == {"dose": "0,5", "note": "one, two"}
    assert trials.trials[1].values == {"dose": "1", "note": ""}


def test_paths_below_above_and_absolute(write: Write, tmp_path: Path) -> None:
    table = tmp_path / "tables" / "t.csv"
    table.parent.mkdir()
    table.write_text(f"clip\n../a.mp4\n{tmp_path / 'b.mp4'}\n")
    trials = read_trials(table)
    assert [t.video for t in trials.trials] == [tmp_path / "a.mp4", tmp_path / "b.mp4"]


def test_several_trials_of_one_video(write: Write) -> None:
    trials = read_trials(write("video,trial,onset_frame\na.mp4,1,10\na.mp4,2,50\n"))
    assert [trial.onset for trial in trials.trials] == [10, 50]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty: a table of trials has a header and rows"),
        ("clip,animal\n", "holds no trials"),
        ("animal,dose\nm1,0\n", "has no column of videos: name one video, clip or file; its "
                                "columns are animal, dose"),
        ("clip,animal\na.mp4,m1\nx.mp4,m2\n", "video x.mp4 in row 3, column clip, of"),
        ("clip,animal\na.mp4,m1\n\n,m2\n", "no video in row 4, column clip"),
        ("clip,animal\na.mp4,m1,x\n", "Row 2 of {} has 3 cells, but the header has 2"),
        ("clip,animal,Animal\na.mp4,m1,x\n", "has two columns named Animal"),
        ("clip,onset\na.mp4,two\n", "'two' in row 2, column onset, of {}, is no number"),
        ("clip,onset\na.mp4,1_0\n", "'1_0' in row 2"),
        ("clip,animal\na.mp4,m1\nb.mp4,m1\na.mp4,m2\n", "Rows 2 and 4 of {} are the same trial"),
        ('clip,animal\na.mp4,"m1\n', "Row 2 of {} cannot be read"),
        (b"clip,animal\na.mp4,m\xfcller\n", "is not a table of text in UTF-8"),
        ("clip,animal\na.mp4,m1\n".encode("utf-16"), "is not a table of text in UTF-8"),
        ("clip\n" + "a" * 5000 + ".mp4\n", "is not there"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_row_and_column(
    write: Write, content: str | bytes, said: str
) -> None:
    path = write(content)
    with pytest.raises(LabelError) as raised:
        read_trials(path)
    assert said.format(path) in str(raised.value)
    assert str(path) in str(raised.value) or "…" in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="There is no file"):
        read_trials(tmp_path / "none.csv")


def test_a_column_that_is_not_there_or_has_holes(write: Write) -> None:
    trials = read_trials(write("clip,animal,dose\na.mp4,m1,5\nb.mp4,m2,n/a\n"))
    with pytest.raises(LabelError, match=r"has no column drug; it has animal, dose\."):
        trials.column("drug")
    with pytest.raises(LabelError, match=r"Row 3 of .* has nothing in column dose"):
        trials.column("dose")
    with pytest.raises(LabelError, match="has no column session"):
        trials.column("session")


def test_events_become_trials_that_are_read_again(write: Write, tmp_path: Path) -> None:
    shocks = (Interval(40, 50, "shock"), Interval(7, 7, "lick"))
    elsewhere = tmp_path.parent / "other.mp4"
    elsewhere.touch()
    videos = [
        AnnotatedVideo(tmp_path / "a.mp4", shocks, "m1", "s, 1"),
        AnnotatedVideo(elsewhere, shocks[:1]),
    ]
    path = tmp_path / "trials.csv"
    assert write_trials(path, videos) == 3
    assert path.read_text().splitlines()[1] == 'a.mp4,m1,"s, 1",0,7,7,lick'
    trials = read_trials(path)
    assert [trial.video for trial in trials.trials] == [tmp_path / "a.mp4"] * 2 + [elsewhere]
    assert [trial.onset for trial in trials.trials] == [7, 40, 40]
    assert [trial.animal for trial in trials.trials] == ["m1", "m1", ""]
    assert trials.column("label") == ("lick", "shock", "shock")
    with pytest.raises(LabelError, match="There are no events to make trials of"):
        write_trials(path, [AnnotatedVideo(elsewhere, ())])
    with pytest.raises(LabelError, match="cannot be written"):
        write_trials(tmp_path / "no" / "t.csv", videos)
