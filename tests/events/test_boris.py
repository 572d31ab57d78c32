"""Exports of BORIS, as its versions write them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_vitface.errors import LabelError
from napari_vitface.events.clock import Clock
from napari_vitface.events.format import read_events, rows_of_events
from napari_vitface.events.intervals import Interval

Write = Callable[..., Path]

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
    path = write("\n".join([head, *rows[3:]]))
    assert read_events(path, video="b.mp4") == second[2:]
    assert read_events(path, video="a.mp4") == ()
    assert list(rows_of_events(path, video="a.mp4").rows) == []
    with pytest.raises(LabelError, match="several videos"):
        read_events(path)
    # A spreadsheet where decimal commas are written.
    sheet = io.StringIO()
    cells = csv.reader(io.StringIO(re.sub(r"(\d)\.(\d)", r"\1^\2", SEVERAL)))
    csv.writer(sheet, delimiter=";").writerows(cells)
    commas = "\ufeff" + sheet.getvalue().replace("^", ",")
    assert read_events(write(commas), video="b.mp4") == second


def plays(
    *events: str,
    source: str = "player #1:a.mp4;b.mp4",
    seconds: str = "10.000;10.000",
    offset: str = "0.000",
) -> str:
    """An export of an observation; each event as `groom,STATE,1,2,a.mp4`."""
    return (
        "Observation id,Source,Time offset (s),Media duration (s),FPS (frame/s),Subject,Behavior,"
        "Behavior type,Start (s),Stop (s),Media file name\n"
        + "".join(f"o1,{source},{offset},{seconds},20.000;20.000,,{each}\n" for each in events)
    )


def test_the_time_offset_of_an_observation_is_taken_off(write: Write) -> None:
    lick, groom = "lick,POINT,13,13,Not found", "groom,STATE,20.5,22.5,Not found"
    path = write(plays(lick, groom, offset="12.0"))
    first = (Interval(20, 20, "lick"), Interval(170, 200, "groom"))
    assert read_events(path, video="a.mp4") == first
    assert read_events(path, video="b.mp4") == (Interval(0, 10, "groom"),)
    one = {"source": "player #1:a.mp4", "seconds": "10.000"}
    with pytest.raises(LabelError, match=r"ends 15 s after .*, less the time offset of -12 s"):
        read_events(write(plays(lick, **one, offset="-12.0")))
    path = write(plays(lick, **one, offset="12.0"))
    assert read_events(path) == (Interval(20, 20, "lick"),)
    # The name is known, where BORIS does not find the file because of the offset.
    assert rows_of_events(path).rows[0].video == "a.mp4"
    # Version 7 says it above the header.
    path = write(TABULAR_7.replace("Time offset (s),0.000", "Time offset (s),1.500"))
    assert read_events(path) == (Interval(10, 20, "groom"), Interval(14, 14, "lick"))
    path = write(TABULAR_7.replace("Time offset (s),0.000", "Time offset (s),1 h"))
    with pytest.raises(LabelError, match="a time offset of '1 h', which is no number"):
        read_events(path)


@pytest.mark.parametrize("source", ["player #1:a.mp4", "player #1:a.mp4;b.mp4"])
@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("lick,POINT,-1,-1", "row 2 of {} begins 1 s before the first media file: correct"),
        ("groom,STATE,-1,2", "row 2 of {} begins 1 s before the first media file: correct"),
        ("lick,POINT,23,23", "row 2 of {} ends 3 s after the last media file: correct"),
        ("groom,STATE,19,23", "row 2 of {} ends 3 s after the last media file: correct"),
    ],
)
def test_events_outside_the_files_of_an_observation(
    write: Write, source: str, event: str, said: str
) -> None:
    seconds = "10.000;10.000" if ";" in source else "20.000"
    path = write(plays(f"{event},a.mp4", source=source, seconds=seconds))
    with pytest.raises(LabelError) as raised:
        read_events(path, video="a.mp4")
    assert said.format(path) in str(raised.value)


@pytest.mark.parametrize("times", ["5,10.002", "5,10.001", "5,10"])
def test_times_are_rounded_at_the_end_of_a_file(write: Write, times: str) -> None:
    path = write(plays(f"groom,STATE,{times},a.mp4"))
    assert read_events(path, video="a.mp4") == (Interval(100, 200, "groom"),)
    assert read_events(path, video="b.mp4") == ()
    # A beginning of the next file, and a state that is short itself.
    path = write(plays("groom,STATE,9.998,12,b.mp4", "twitch,STATE,1,1.001,a.mp4"))
    assert read_events(path, video="a.mp4") == (Interval(20, 21, "twitch"),)
    assert read_events(path, video="b.mp4") == (Interval(0, 40, "groom"),)
    # Longer ones go on.
    path = write(plays("groom,STATE,5,10.003,a.mp4"))
    assert read_events(path, video="b.mp4") == (Interval(0, 1, "groom"),)
    # Before the first file, too.
    path = write(plays("lick,POINT,-0.001,-0.001,a.mp4"))
    assert read_events(path, video="a.mp4") == (Interval(0, 0, "lick"),)


@pytest.mark.parametrize(
    ("source", "seconds"),
    [
        ("player #1:a.mp4;b.mp4", ""),
        ("player #1:a.mp4;b.mp4", "NA;NA"),
        ("player #1:a.mp4;b.mp4", "NA;10.000"),
        ("player #1:a.mp4;b.mp4", "10.000;NA"),
        ("player #1:a.mp4;b.mp4", "10.000;0.000"),
        ("player #1:a.mp4;b.mp4", "10.000"),
        ("player #1:a.mp4;b.mp4;c.mp4", "NA;10.000;10.000"),
        ("player #1:a;1.mp4;b.mp4", "10.000;10.000"),
        ("player #1: a.mp4;b.mp4 player #2: c.mp4", ""),
        ("a.mp4;b.mp4", ""),
    ],
)
def test_several_files_of_unknown_length(write: Write, source: str, seconds: str) -> None:
    path = write(plays("groom,STATE,15,19,b.mp4", source=source, seconds=seconds))
    with pytest.raises(LabelError, match=r"several media files \(a.*b.mp4.*say how long each is"):
        read_events(path, video="b.mp4")


def test_several_files_above_the_header(write: Write) -> None:
    path = write(TABULAR_7.replace("Player #1,m1.mp4", "Player #1,m0.mp4\nPlayer #1,m1.mp4"))
    with pytest.raises(LabelError, match=r"\(m0\.mp4, m1\.mp4\), and does not say"):
        read_events(path)


def test_a_name_with_a_semicolon(write: Write) -> None:
    path = write(plays("lick,POINT,1,1,a;1.mp4", source="player #1:a;1.mp4", seconds="10.000"))
    assert read_events(path, video="a;1.mp4") == (Interval(20, 20, "lick"),)


def test_two_files_of_one_name_in_an_observation(write: Write) -> None:
    source = "player #1:D:/day1/GX01.mp4;D:/day2/GX01.mp4"
    path = write(plays("lick,POINT,1,1,D:/day1/GX01.mp4", source=source))
    with pytest.raises(LabelError, match=r"several media files of one name .*day1.*day2"):
        read_events(path, video="GX01.mp4")


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
