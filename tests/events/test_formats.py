"""Files of events: what other programs write is read, and what is written is read again."""

from __future__ import annotations

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
