"""Files of events: what other programs write is read, and what is written is read again."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_vitface.errors import LabelError
from napari_vitface.events.clock import Clock
from napari_vitface.events.format import EVENT_FORMATS, read_events, write_events
from napari_vitface.events.intervals import Interval, checked_label

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str, name: str = "e.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode())
        return path

    return write


# --- what is written is read again ----------------------------------------------------------------


def _is_label(text: str) -> bool:
    try:
        return checked_label(text) == text
    except ValueError:
        return False


LABELS = st.one_of(
    st.sampled_from(["groom", "tail shock", "a,b", 'he said "so"', ";", "1,5", "Ünï", "'x", "#1"]),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=12).filter(_is_label),
)
INTERVALS = st.builds(
    lambda onset, length, label: Interval(onset, onset + length, label),
    st.integers(0, 2_000_000),
    st.integers(0, 50_000),
    LABELS,
)
CLOCKS = st.one_of(
    st.sampled_from([1.0, 20.0, 29.97, 30000 / 1001, 250.0, 1000.0]).map(Clock),
    # A video with frames at odd times.
    st.lists(st.integers(1, 90), min_size=2, max_size=40).map(
        lambda steps: Clock(20.0, np.cumsum(steps, dtype=float) / 1000 + 5)
    ),
)


@pytest.mark.parametrize(
    ("name", "format"),
    [("e.csv", None), ("e.tsv", None), ("e_events.tsv", None), ("e.csv", "boris")],
)
@given(st.lists(INTERVALS, max_size=8), CLOCKS, st.sampled_from(["", "mouse 1.mp4"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_round_trip(
    tmp_path: Path,
    name: str,
    format: str | None,
    intervals: list[Interval],
    clock: Clock,
    video: str,
) -> None:
    path = tmp_path / name
    write_events(path, intervals, clock, format=format, video=video)
    assert read_events(path, clock, video=video) == tuple(sorted(set(intervals)))


@given(st.lists(INTERVALS, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_plain_tables_count_frames_without_a_clock(
    tmp_path: Path, intervals: list[Interval]
) -> None:
    for name in ("e.csv", "e.tsv"):
        write_events(tmp_path / name, intervals)
        assert read_events(tmp_path / name) == tuple(sorted(set(intervals)))


@given(CLOCKS, st.integers(0, 100_000))
def test_a_clock_goes_there_and_back(clock: Clock, frame: int) -> None:
    assert clock.frame(clock.seconds(frame)) == frame
    assert clock.seconds(frame) < clock.seconds(frame + 1)


def test_what_each_format_looks_like(tmp_path: Path) -> None:
    events = [Interval(40, 50, "shock"), Interval(7, 7, "lick")]
    texts = {}
    for name, format in (("a.csv", None), ("a.tsv", None), ("a_events.tsv", None), ("a", "boris")):
        write_events(tmp_path / name, events, Clock(20.0), format=format, video="m1.mp4")
        texts[name] = (tmp_path / name).read_text()
    assert texts["a.csv"] == (
        "onset_frame,offset_frame,label,onset_s,duration_s,video\n"
        "7,7,lick,0.35,0,m1.mp4\n40,50,shock,2,0.5,m1.mp4\n"
    )
    assert texts["a.tsv"].startswith("onset_frame\toffset_frame\tlabel\t")
    assert texts["a_events.tsv"] == ("onset\tduration\ttrial_type\n0.35\t0\tlick\n2\t0.5\tshock\n")
    header, point, state = texts["a"].splitlines()
    assert "Behavior,Behavioral category,Behavior type,Start (s),Stop (s),Duration (s)" in header
    assert ",lick,,POINT,0.35,0.35,NA,m1.mp4," in point
    assert ",shock,,STATE,2,2.5,0.5,m1.mp4," in state


# --- plain tables ---------------------------------------------------------------------------------

SHOCK = (Interval(40, 50, "shock"),)


@pytest.mark.parametrize(
    "content",
    [
        "onset_frame,offset_frame,label\n40,50,shock\n",
        "label,start_frame,stop_frame\nshock,40,50\n",
        "Start frame;Duration (frames);Behaviour\n40;10;shock\n",
        "onset,duration,label\n2.0,0.5,shock\n",
        "onset_s\tduration_s\tevent\n2\t.5\tshock\n",
        "start (s),end (s),state\n2.0,2.5,shock\n",
        "Start time;Stop time;Label\n2,0;2,5;shock\n",
        "onset,duration,onset_frame,offset_frame,label\n9,9,40,50,shock\n",
        "onset_frame,onset,duration,label\n9,2,.5,shock\n",
        "start_frame,stop,label\n40,50,shock\n",
        "onset,duration,stop,label\n2,0.5,n/a,shock\n",
        "\ufeffonset,duration,label\r\n2,0.5,shock\r\n\r\n",
        "onset,duration,label\n2,0.5,shock\n2.0,0.50,shock\n",
    ],
)
def test_frames_and_seconds_are_told_apart_by_the_header(write: Write, content: str) -> None:
    assert read_events(write(content), Clock(20.0)) == SHOCK


def test_the_unit_is_asked_for_where_the_header_does_not_say_it(write: Write) -> None:
    path = write("onset,offset,label\n40,50,shock\n")
    assert read_events(path, unit="frames") == SHOCK
    assert read_events(path, Clock(10.0)) == (Interval(400, 500, "shock"),)
    with pytest.raises(LabelError, match="counts seconds: say how many frames a second"):
        read_events(path)


def test_what_is_short_stays_an_interval_and_what_has_no_end_is_a_point(write: Write) -> None:
    path = write("onset,duration,label\n2,0.001,blink\n3,0,lick\n4,,sniff\n")
    assert read_events(path, Clock(20.0)) == (
        Interval(40, 41, "blink"),
        Interval(60, 60, "lick"),
        Interval(80, 80, "sniff"),
    )


def test_one_video_of_several(write: Write) -> None:
    path = write("video,onset_frame,offset_frame,label\nC:\\x\\a.mp4,1,2,p\n/y/b.avi,3,4,q\n")
    assert read_events(path, video="b.mp4") == (Interval(3, 4, "q"),)
    assert read_events(path, video="/z/a.mp4") == (Interval(1, 2, "p"),)
    with pytest.raises(LabelError, match=r"several videos \(a, b\) and none of c\.mp4"):
        read_events(path, video="c.mp4")
    with pytest.raises(LabelError, match="none of them was named"):
        read_events(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "has no column onset or start; it has a, b"),
        ("onset,duration\n1,2\n", "has no column label, behavior or event"),
        ("onset,duration,label\n1,2,x\n3,4,\n", "no label in row 3, column label"),
        ("onset,duration,label\n,2,x\n", "no onset in row 2"),
        ("onset,duration,label\n1,-2,x\n", "row 2 of {} ends before it begins (duration -2)"),
        ("onset,offset,label\n3,2,x\n", "ends before it begins (offset 2)"),
        ("onset,duration,label\n-1,2,x\n", "row 2 of {} is none: it begins before the video"),
        ("onset_frame,offset_frame,label\n1.5,2,x\n", "frames are whole numbers"),
        ("onset,duration,label\n1e99,2,x\n", "more frames than a video has"),
        ("onset,duration,label\n1e999,2,x\n", "is no number"),
        ('onset,duration,label\n1,2,"x\ny"\n', "row 3 of {} is none: 'x\\ny'… cannot be a label"),
        ("onset_ms,label\n1,x\n", "has no column onset or start"),
    ],
)
def test_what_is_wrong_is_said_with_the_row(write: Write, content: str, said: str) -> None:
    path = write(content)
    with pytest.raises(LabelError) as raised:
        read_events(path, Clock(20.0))
    assert said.format(path) in str(raised.value)


def test_a_file_that_nobody_can_open(write: Write) -> None:
    with pytest.raises(LabelError, match=r"holds no events: open BIDS' events\.tsv, an export"):
        read_events(write("?", "e.xyz"))
    with pytest.raises(LabelError, match="There is no file"):
        read_events(Path("nowhere.csv"))


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"written as bids, boris, csv, tsv, not as e\.docx"):
        write_events(tmp_path / "e.docx", SHOCK)
    with pytest.raises(LabelError, match="say how many frames a second"):
        write_events(tmp_path / "e_events.tsv", SHOCK)
    with pytest.raises(LabelError, match="cannot be written"):
        write_events(tmp_path / "no" / "e.csv", SHOCK)
    with pytest.raises(LabelError, match="does not have 0 frames a second"):
        Clock(0.0)


# --- BIDS -----------------------------------------------------------------------------------------


def test_bids(write: Write) -> None:
    path = write(
        "onset\tduration\ttrial_type\tresponse_time\tstim_file\n"
        "2.0\t0.5\tshock\t1.435\timages/red.jpg\n3\t0\tlick\tn/a\tn/a\n4\tn/a\tsniff\t1\tx\n"
        "5\t1\tn/a\t1\tx\n",
        "sub-01_task-x_events.tsv",
    )
    assert read_events(path, Clock(20.0), unit="frames") == (
        Interval(40, 50, "shock"),
        Interval(60, 60, "lick"),
        Interval(80, 80, "sniff"),
    )
    with pytest.raises(LabelError, match="has no column trial_type"):
        read_events(write("onset\tduration\n1\t2\n", "a_events.tsv"), Clock(20.0))


# --- BORIS ----------------------------------------------------------------------------------------

# The headers as versions 8, 7 and 6 write them.
AGGREGATED = (
    "Observation id,Observation date,Description,Observation type,Source,Time offset (s),"
    "Coding duration,Media duration (s),FPS (frame/s),Subject,"
    "Observation duration by subject by observation,Behavior,Behavioral category,Modifier #1,"
    "Behavior type,Start (s),Stop (s),Duration (s),Media file name,Image index start,"
    "Image index stop,Image file path start,Image file path stop,Comment start,Comment stop\n"
    "o1,2026-01-05 10:00:00,,Media file,player #1:m1.mp4,0,60,60,20.0,No focal subject,5,groom,,,"
    "STATE,2.000,2.500,0.500,m1.mp4,40,1,,,,\n"
    "o1,2026-01-05 10:00:00,,Media file,player #1:m1.mp4,0,60,60,20.0,No focal subject,5,lick,,,"
    "POINT,3.000,3.000,NA,m1.mp4,60,60,,,,\n"
)
AGGREGATED_7 = (
    "Observation id,Observation date,Description,Media file,Total length,FPS,Subject,Behavior,"
    "Behavioral category,Modifiers,Behavior type,Start (s),Stop (s),Duration (s),Comment start,"
    "Comment stop\n"
    "o1,2021-12-06 13:26:24,,T:/videos/m1.mp4,60.0,20,No focal subject,groom,,,STATE,2,2.5,.5,,\n"
    "o1,2021-12-06 13:26:24,,T:/videos/m1.mp4,60.0,20,No focal subject,lick,,,POINT,3,3,0,,\n"
)
TABULAR = (
    "Observation id\tObservation date\tDescription\tObservation duration\tObservation type\t"
    "Source\tMedia duration (s)\tFPS\tSubject\tObservation duration by subject by observation\t"
    "Behavior\tBehavioral category\tModifiers\tBehavior type\tTime\tMedia file name\tImage index\t"
    "Image file path\tComment\n"
    + "".join(
        f"o1\t2026-01-05\t\t60\tMedia file\tplayer #1:m1.mp4\t60\t20.0\t\t5\t{behavior}\t\t\t"
        f"{change}\t{time}\tm1.mp4\t{frame}\t\t\n"
        for behavior, change, time, frame in (
            ("groom", "START", "2.000", 40),
            ("groom", "STOP", "2.500", 50),
            ("lick", "POINT", "3.000", 60),
        )
    )
)
TABULAR_7 = (
    "Observation id,o1\n\nMedia file(s)\n\nPlayer #1,m1.mp4\n\nObservation date,2019-01-05\n\n"
    "Description,\n\nTime offset (s),0.000\n\n"
    "Time,Media file path,Total length,FPS,Subject,Behavior,Behavioral category,Comment,Status\n"
    "2.000,m1.mp4,60.0,20.0,,groom,,,START\n2.200,m1.mp4,60.0,20.0,,lick,,,POINT\n"
    "2.500,m1.mp4,60.0,20.0,,groom,,,STOP\n"
)


@pytest.mark.parametrize(
    ("content", "lick"),
    [(AGGREGATED, 60), (AGGREGATED_7, 60), (TABULAR, 60), (TABULAR_7, 44)],
    ids=["aggregated", "aggregated 7", "tabular", "tabular 7"],
)
def test_boris(write: Write, content: str, lick: int) -> None:
    path = write(content, "export.tsv" if "\t" in content else "export.csv")
    # The rate is that of the file, unless one is given.
    assert read_events(path) == (Interval(40, 50, "groom"), Interval(lick, lick, "lick"))
    first, _ = read_events(path, Clock(40.0))
    assert first == Interval(80, 100, "groom")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("STOP", "START"), "row 3 of {} starts again before the one of row 2 stops"),
        (("START\t2", "STOP\t2"), "row 2 of {} stops without having started"),
        (("groom\t\t\tSTOP", "rest\t\t\tSTOP"), "row 3 of {} stops without having started"),
        (("STOP\t2.500", "STOP\t1.5"), "row 3 of {} ends before it begins in row 2"),
        (("STOP", "PAUSE"), "neither starts nor stops nor is a point ('pause')"),
        (("POINT\t3.000\tm1", "POINT\t3.000\tm2"), "{} has an observation of several media files "
                                                   "(m1.mp4, m2.mp4), and does not say how long"),
        (("POINT\t3.000", "POINT\t"), "row 4 of {} has no time"),
        (("lick\t\t\tPOINT", "lick\t\t\tSTART"), "row 4 of {} starts and never stops"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_export(write: Write, change: tuple[str, str], said: str) -> None:
    assert change[0] in TABULAR
    path = write(TABULAR.replace(*change), "export.tsv")
    with pytest.raises(LabelError) as raised:
        read_events(path)
    assert said.format(path) in str(raised.value)


# As version 9.15 writes an observation of two files before one camera and one before another, with
# independent variables, one of which has the name that a time has.
SEVERAL = (
    "Observation id,Observation date,Description,Observation type,Source,Time offset (s),"
    "Coding duration,Media duration (s),FPS (frame/s),Duration,box,Subject,"
    "Observation duration by subject by observation,Behavior,Behavioral category,Modifier #1,"
    "Behavior type,Start (s),Stop (s),Duration (s),Media file name,Image index start,"
    "Image index stop,Image file path start,Image file path stop,Comment start,Comment stop\r\n"
    + "".join(
        "o 1,2026-01-05 10:00:00,,Media file,"
        "player #1:D:/Camera 2/a.mp4;D:/Camera 2/b.mp4|player #2:D:/c.mp4,0.0,60.0,"
        f"10.500;20.000|30.500,20.000;20.000|25.000,,Lift,No focal subject,5.0,{event},,,,\r\n"
        for event in (
            "lick,Not defined,m1,POINT,1.000,1.000,NA,D:/Camera 2/a.mp4,21,21",
            "groom,Not defined,,STATE,10.000,12.500,2.500,D:/Camera 2/a.mp4,201,41",
            "lick,Not defined,m2,POINT,10.500,10.500,NA,Not found,NA,NA",
            "rest,Not defined,,STATE,12.500,14.500,2.000,D:/Camera 2/b.mp4,41,81",
            "lick,Not defined,None,POINT,31.000,31.000,NA,D:/Camera 2/b.mp4,411,411",
        )
    )
)


def test_files_that_an_observation_plays_one_after_the_other(write: Write) -> None:
    path = write(SEVERAL, "export.csv")
    assert read_events(path, video="a.mp4") == (
        Interval(20, 20, "lick"),
        # It goes on in the second file.
        Interval(200, 210, "groom"),
    )
    second = (
        Interval(0, 0, "lick"),
        Interval(0, 40, "groom"),
        Interval(40, 80, "rest"),
        Interval(410, 410, "lick"),
    )
    assert read_events(path, video="b.mp4") == second
    with pytest.raises(LabelError, match="several videos"):
        read_events(path, video="c.mp4")
    # Events in the second file alone are not those of the first.
    head, *rows = SEVERAL.splitlines()
    assert read_events(write("\n".join([head, *rows[3:]]))) == second[2:]
    # A spreadsheet where decimal commas are written.
    sheet = io.StringIO()
    cells = csv.reader(io.StringIO(re.sub(r"(\d)\.(\d)", r"\1:\2", SEVERAL)))
    csv.writer(sheet, delimiter=";").writerows(cells)
    commas = "\ufeff" + re.sub(r"(\d):(\d\d\d)", r"\1,\2", sheet.getvalue())
    assert read_events(write(commas), video="b.mp4") == second


def test_a_state_starts_anew_with_another_modifier(write: Write) -> None:
    lines = TABULAR.splitlines()
    another = [
        line.replace("groom\t\t\t", "groom\t\tleft\t").replace("\t2.", "\t2.2")
        for line in lines[1:3]
    ]
    path = write("\n".join([lines[0], lines[1], another[0], *lines[2:], another[1]]), "e.tsv")
    assert read_events(path) == (
        Interval(40, 50, "groom"),
        Interval(44, 45, "groom"),
        Interval(60, 60, "lick"),
    )


def test_subjects_do_the_same_at_the_same_time(write: Write) -> None:
    lines = TABULAR_7.splitlines()
    second = ["2.100,m1.mp4,60,20,m2,groom,,,START", "2.700,m1.mp4,60,20,m2,groom,,,STOP"]
    path = write("\n".join([*lines, *second]))
    assert Interval(42, 54, "groom") in read_events(path)
    assert Interval(40, 50, "groom") in read_events(path)


# --- formats of other packages --------------------------------------------------------------------

TOY = """
from napari_vitface.events.format import EventFormat, EventRows, Row

def read(path):
    return EventRows([Row(float(path.read_text()), 9.0, "toy", 1)], "frames")

def write(intervals, clock, video):
    return str(intervals[0].onset)

TOY = EventFormat("toy", "a toy", (".toy",), lambda path: path.suffix == ".toy", read, write)
"""


def test_a_format_of_another_package(tmp_path: Path) -> None:
    site = tmp_path / "site"
    about = site / "toy_events-1.dist-info"
    about.mkdir(parents=True)
    (site / "toy_events.py").write_text(TOY)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-events\nVersion: 1\n")
    (about / "entry_points.txt").write_text(
        "[napari_vitface.event_formats]\ntoy = toy_events:TOY\n"
    )
    script = f"""
import sys; sys.path.insert(0, {str(site)!r})
from napari_vitface.events.format import read_events, write_events
from napari_vitface.events.intervals import Interval
write_events("a.toy", [Interval(5, 6, "x")])
assert read_events("a.toy") == (Interval(5, 9, "toy"),)
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)


def test_the_formats_there_are() -> None:
    assert list(EVENT_FORMATS) == ["bids", "boris", "csv", "tsv"]
