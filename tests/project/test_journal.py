from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_vitface.errors import LabelError
from napari_vitface.project.journal import Journal, _encode, read_journal

WHAT = "the labels of mouse 1"
entries_of_any_kind = st.lists(
    st.dictionaries(st.text(max_size=3), st.floats(allow_nan=False, allow_infinity=False)),
    max_size=6,
).map(lambda found: [{"do": entry} for entry in found])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vitface" / "journal" / "mouse 1.jsonl"


def written(path: Path, *entries: dict[str, object]) -> None:
    journal = Journal(path, WHAT)
    journal.begin({"video": "mouse 1"})
    for entry in entries:
        journal.append(entry)
    journal.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(entries=entries_of_any_kind, cut=st.integers(0, 400))
def test_a_journal_cut_anywhere_holds_the_entries_before_the_cut(
    path: Path, entries: list[dict[str, object]], cut: int
) -> None:
    shutil.rmtree(path.parent.parent, ignore_errors=True)
    written(path, {"do": {}}, *entries)
    content = path.read_bytes()
    kept = content[: max(len(content.split(b"\n")[0]) + 1, len(content) - cut)]
    path.write_bytes(kept)
    found = read_journal(path)
    # A line that lacks nothing but its end is whole.
    whole = kept + b"\n" if content.startswith(kept + b"\n") else kept
    assert found.entries == [{"do": {}}, *entries][: whole.count(b"\n") - 1]
    assert found.problems == ()
    # And it goes on from there.
    written(path, {"do": {"more": 1}})
    assert read_journal(path).entries == [*found.entries, {"do": {"more": 1}}]


def test_an_entry_that_was_refused_is_not_found_again(path: Path) -> None:
    journal = Journal(path, WHAT)
    journal.append({"do": 1})
    fsync = os.fsync

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    os.fsync = full  # type: ignore[assignment]
    try:
        with pytest.raises(LabelError, match=r"not made.*No space left.*everything before it is"):
            journal.append({"do": "refused"})
    finally:
        os.fsync = fsync
    assert read_journal(path).entries == [{"do": 1}]
    journal.append({"do": 2})
    journal.close()
    assert read_journal(path).entries == [{"do": 1}, {"do": 2}]


def test_a_refused_entry_that_could_not_be_cut_off_is_replaced(path: Path) -> None:
    written(path, {"do": 1}, {"do": "refused"})
    lines = path.read_bytes().splitlines(keepends=True)
    written_again = path.with_name("other.jsonl")
    written(written_again, {"do": 1}, {"do": 2})
    path.write_bytes(b"".join(lines) + written_again.read_bytes().splitlines(keepends=True)[2])
    assert read_journal(path).entries == [{"do": 1}, {"do": 2}]
    half = lines[2][:10]
    path.write_bytes(
        b"".join(lines[:2]) + half + b"\n" + written_again.read_bytes().splitlines()[2] + b"\n"
    )
    found = read_journal(path)
    assert found.entries == [{"do": 1}, {"do": 2}]
    assert found.problems == ()


def test_a_damaged_entry_in_the_middle_is_told_and_a_copy_is_kept(path: Path) -> None:
    written(path, {"do": 1}, {"do": 2}, {"do": 3})
    damaged = path.read_bytes().replace(b'"do":2', b'"do":7')
    path.write_bytes(damaged)
    journal = Journal(path, WHAT)
    (problem,) = journal.content.problems
    assert "damaged: 1 of its edits could not be read and 2 were" in problem
    assert journal.content.entries == [{"do": 1}, {"do": 3}]
    journal.append({"do": 4})
    journal.close()
    assert read_journal(path).entries == [{"do": 1}, {"do": 3}, {"do": 4}]
    assert read_journal(path).problems == ()
    assert path.with_suffix(".damaged").read_bytes() == damaged


def test_a_journal_that_somebody_removed_is_written_anew(path: Path) -> None:
    journal = Journal(path, WHAT)
    journal.append({"do": 1})
    shutil.rmtree(path.parent)
    journal.append({"do": 2})
    assert read_journal(path).entries == [{"do": 1}, {"do": 2}]
    with pytest.raises(LabelError, match="already open in this window"):
        Journal(path, WHAT)
    journal.close()


def test_nothing_is_made_where_a_drive_has_gone(path: Path) -> None:
    journal = Journal(path, WHAT)
    journal.append({"do": 1})
    gone = path.parents[3] / "mounted"
    path.parents[2].rename(gone)
    with pytest.raises(LabelError, match="The edit was not made"):
        journal.append({"do": 2})
    assert not path.parents[2].exists()
    gone.rename(path.parents[2])
    journal.append({"do": 3})
    journal.close()
    assert read_journal(path).entries == [{"do": 1}, {"do": 3}]


def test_a_journal_of_a_newer_version_is_left_alone(path: Path) -> None:
    journal = Journal(path, WHAT)
    journal.begin({"vitface_journal": 99})
    journal.append({"do": 1})
    journal.close()
    before = path.read_bytes()
    with pytest.raises(LabelError, match="newer version of napari-vitface"):
        Journal(path, WHAT)
    assert path.read_bytes() == before


def test_another_process_is_kept_out_as_long_as_the_first_lives(path: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from napari_vitface.project.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1]), 'the labels of mouse 1')\n"
        "journal.append({'do': 1})\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    path.parents[2].mkdir(exist_ok=True)
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        with pytest.raises(
            LabelError, match=rf"The labels of mouse 1 are open .*\(process {other.pid} on .*\)"
        ):
            Journal(path, WHAT)
    finally:
        other.kill()
        other.wait()
    journal = Journal(path, WHAT)
    assert journal.content.entries == [{"do": 1}]
    journal.close()


def test_a_closed_journal_takes_nothing(path: Path) -> None:
    journal = Journal(path, WHAT)
    journal.close()
    with pytest.raises(LabelError, match="are closed"):
        journal.append({"do": 1})
    assert not path.exists()


def test_a_last_line_that_the_disk_damaged_is_told_and_kept(path: Path) -> None:
    journal = Journal(path, WHAT)
    journal.append({"do": 1})
    journal.append({"do": 2})
    journal.close()
    content = path.read_bytes()
    damaged = content[:-10] + bytes([content[-10] ^ 1]) + content[-9:]
    path.write_bytes(damaged)
    again = Journal(path, WHAT)
    assert again.content.entries == [{"do": 1}]
    (problem,) = again.content.problems
    assert "1 of its edits could not be read" in problem
    again.append({"do": 3})
    again.close()
    assert path.with_suffix(".damaged").read_bytes() == damaged
    assert read_journal(path).entries == [{"do": 1}, {"do": 3}]


@pytest.mark.parametrize("number", [10**8, -1, True, 2.0, None])
def test_a_number_that_no_file_of_its_size_can_reach_takes_no_memory(
    path: Path, number: object
) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(_encode({"n": 0}) + _encode({"n": 1, "do": 1}) + _encode({"n": number}))
    tracemalloc.start()
    try:
        content = read_journal(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert content.entries == [{"do": 1}]
    assert len(content.problems) == 1
