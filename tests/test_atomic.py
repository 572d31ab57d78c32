from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from napari_vitface.atomic import atomic_write, leftovers, remove_leftovers

posix = pytest.mark.skipif(os.name != "posix", reason="rights and links as POSIX has them")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_file_appears_only_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    with atomic_write(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".csv"
    assert target.read_text() == "new"
    assert names_in(tmp_path) == ["table.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_an_error_in_the_block_leaves_what_was_there(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")

    def write_and_fail() -> None:
        with atomic_write(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        write_and_fail()
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["table.csv"]


def test_a_killed_process_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")
    script = (
        "import os, sys\n"
        "from napari_vitface.atomic import atomic_write\n"
        "with atomic_write(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os._exit(9)\n"
    )
    run = subprocess.run([sys.executable, "-c", script, str(target)], check=False)
    assert run.returncode == 9
    assert target.read_text() == "old"
    (left,) = leftovers(target)
    assert left.read_text() == "half"
    assert names_in(tmp_path) == sorted([left.name, "table.csv"])
    with atomic_write(target) as ours:
        (tmp_path / ".table.notes.csv").touch()
        # Of a process that is writing now nothing is taken away, and nothing that is not ours.
        remove_leftovers(tmp_path, tmp_path / "gone")
        assert names_in(tmp_path) == sorted([ours.name, ".table.notes.csv", "table.csv"])


@pytest.mark.parametrize("name", ["table.csv", "a" * 200 + ".csv", "odd [name].1.csv"])
def test_leftovers_are_those_of_one_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "table.csv").touch()
    (tmp_path / ".other.0123abcd.csv").touch()
    (tmp_path / ".table.notes.csv").touch()
    with atomic_write(tmp_path / name) as temporary:
        assert leftovers(tmp_path / name) == [temporary]
    assert leftovers(tmp_path / name) == []


def test_files_whose_long_names_begin_alike_are_told_apart(tmp_path: Path) -> None:
    start = "2026-01-31_mouse_12_session_3_left_camera_part_"
    with atomic_write(tmp_path / f"{start}1.csv") as temporary:
        assert leftovers(tmp_path / f"{start}1.csv") == [temporary]
        assert leftovers(tmp_path / f"{start}2.csv") == []


def test_two_writers_of_one_file_do_not_share_a_temporary_file(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    with atomic_write(target) as one, atomic_write(target) as other:
        one.write_text("one")
        other.write_text("other")
    # The inner block ends first, so the outer one has the last word.
    assert target.read_text() == "one"
    assert names_in(tmp_path) == ["table.csv"]


def test_a_folder_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "gone" / "table.csv"):
        pytest.fail("the block must not run")


@posix
def test_new_files_get_the_rights_that_open_would_give(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    with atomic_write(tmp_path / "atomic") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "atomic").stat().st_mode == plain.stat().st_mode


@posix
def test_the_new_file_takes_the_place_of_the_old_in_one_step(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")
    with target.open() as reader:
        with atomic_write(target) as temporary:
            temporary.write_text("new")
        # Who had the old file open still reads the whole old file, never a part of the new one.
        assert reader.read() == "old"
    assert target.read_text() == "new"


@posix
def test_a_replaced_file_keeps_its_rights(tmp_path: Path) -> None:
    target = tmp_path / "shared.csv"
    target.touch()
    target.chmod(0o664)
    with atomic_write(target) as temporary:
        temporary.write_text("new")
    assert stat.S_IMODE(target.stat().st_mode) == 0o664


@posix
def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    real = tmp_path / "disk" / "table.csv"
    real.write_text("old")
    link = tmp_path / "table.csv"
    link.symlink_to(real)
    with atomic_write(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert real.read_text() == "new"
