"""System libraries: what a window needs is found, and what is missing is named in one line."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_vitface import system_libraries

linux_only = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="system libraries matter on Linux only"
)


def test_start_can_load_it_before_anything_is_installed() -> None:
    tree = ast.parse(Path(system_libraries.__file__).read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= set(sys.stdlib_module_names)


@linux_only
def test_a_library_that_is_not_there_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    present = system_libraries.missing_libraries()
    monkeypatch.setitem(system_libraries.LIBRARIES, "libvitface-none.so.9", "libvitface-none9")
    assert system_libraries.missing_libraries() == present | {
        "libvitface-none.so.9": "libvitface-none9"
    }


@linux_only
def test_a_virtual_display_needs_xvfb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert system_libraries.missing_libraries(virtual_display=True)["Xvfb"] == "xvfb"
    assert "Xvfb" not in system_libraries.missing_libraries()


@linux_only
def test_other_systems_need_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(system_libraries.LIBRARIES, "libvitface-none.so.9", "libvitface-none9")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert system_libraries.provide_libraries(virtual_display=True) is None


@pytest.fixture
def apt_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in apt-get, alone on PATH, that notes what it was asked for; returns its notes."""
    notes = tmp_path / "notes"
    program = tmp_path / "apt-get"
    program.write_text(f'#!/bin/sh\necho "$DEBIAN_FRONTEND $*" >> {notes}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setitem(system_libraries.LIBRARIES, "libvitface-none.so.9", "libvitface-none9")
    return notes


@linux_only
def test_root_on_debian_installs_and_what_stays_missing_is_named(
    apt_get: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    message = system_libraries.provide_libraries()
    update, install = apt_get.read_text().splitlines()
    assert "noninteractive" in update
    assert " update" in update
    assert " install -y" in install
    assert install.endswith("libvitface-none9")
    assert message is not None
    assert "libvitface-none9" in message
    assert "\n" not in message


@linux_only
def test_other_users_are_told_the_command_and_nothing_is_run(
    apt_get: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    message = system_libraries.provide_libraries()
    assert message is not None
    assert "sudo apt-get install" in message
    assert "libvitface-none9" in message
    assert not apt_get.exists()


@linux_only
def test_without_apt_get_the_libraries_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(system_libraries.LIBRARIES, "libvitface-none.so.9", "libvitface-none9")
    message = system_libraries.provide_libraries()
    assert message is not None
    assert "libvitface-none.so.9" in message
    assert "\n" not in message


@linux_only
def test_what_qt_loads_of_x11_and_opengl_is_in_the_list() -> None:
    ldd = shutil.which("ldd")
    pyside = pytest.importorskip("PySide6")
    plugin = Path(pyside.__file__).parent / "Qt" / "plugins" / "platforms" / "libqxcb.so"
    if ldd is None or not plugin.exists():
        pytest.skip("needs ldd and PySide6's wheel")
    loaded = subprocess.run([ldd, str(plugin)], capture_output=True, text=True, check=True).stdout
    names = {line.split()[0] for line in loaded.splitlines()}
    needed = {name for name in names if name.startswith(("libxcb", "libxkb", "libGL", "libEGL"))}
    # Debian packages of those in the list depend on these.
    followers = {
        "libGLX.so.0",
        "libGLdispatch.so.0",
        "libxcb-render.so.0",
        "libxcb-shm.so.0",
        "libxcb.so.1",
    }
    assert "libxcb-cursor.so.0" in needed
    assert needed <= set(system_libraries.LIBRARIES) | followers


@pytest.mark.window
def test_a_napari_window_draws_on_the_display() -> None:
    import napari

    viewer = napari.Viewer(show=True)
    try:
        viewer.add_image(np.full((64, 64), 255, np.uint8), contrast_limits=(0, 255))
        picture = viewer.screenshot(canvas_only=True, flash=False)
        assert (picture[..., :3] == 255).all(axis=-1).mean() > 0.1
    finally:
        viewer.close()
