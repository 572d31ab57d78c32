"""The system libraries that a napari window needs on Linux: found, installed, or named in one line.

Wheels bring Qt, but Qt loads OpenGL, X11 and font libraries of the system. Where one is absent, Qt
aborts the process with a message that few users can act on, so they are looked for before it.

Standard library only: `start.py` loads this file before anything is installed.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import subprocess
import sys

#: Shared library -> Debian package that holds it: what Qt's xcb platform plugin and QtGui load.
LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxkbcommon.so.0": "libxkbcommon0",
}

#: The same for a virtual display: software OpenGL (whose driver libGL finds at run time).
VIRTUAL_DISPLAY_LIBRARIES = {"libGLX_mesa.so.0": "libgl1-mesa-dri"}


def missing_libraries(*, virtual_display: bool = False) -> dict[str, str]:
    """Libraries, and the program ``Xvfb``, that a window needs and that are not there.

    Parameters
    ----------
    virtual_display : bool
        Whether the window is to open on Xvfb instead of on the user's display.

    Returns
    -------
    dict
        What is missing -> Debian package that holds it. Empty on macOS and Windows, where the
        wheels bring all that is needed.
    """
    if not sys.platform.startswith("linux"):
        return {}
    wanted = LIBRARIES | (VIRTUAL_DISPLAY_LIBRARIES if virtual_display else {})
    missing = {name: package for name, package in wanted.items() if not _loads(name)}
    if virtual_display and shutil.which("Xvfb") is None:
        missing["Xvfb"] = "xvfb"
    return missing


def provide_libraries(*, virtual_display: bool = False) -> str | None:
    """Install what `missing_libraries` finds, as root on Debian or Ubuntu.

    Returns
    -------
    str or None
        None if nothing is missing any more. Else one line that names what is missing and, where
        apt-get is there, the command that installs it.
    """
    missing = missing_libraries(virtual_display=virtual_display)
    if missing and shutil.which("apt-get") is not None and os.geteuid() == 0:
        _apt_get_install(sorted(set(missing.values())))
        missing = missing_libraries(virtual_display=virtual_display)
    return describe_missing(missing) if missing else None


def describe_missing(missing: dict[str, str]) -> str:
    """One line that names missing libraries and says what to run."""
    if shutil.which("apt-get") is not None:
        command = shlex.join(["apt-get", "install", *sorted(set(missing.values()))])
        return f"A napari window needs system libraries that are missing; run: sudo {command}"
    return (
        "A napari window needs system libraries that are missing; install them with your "
        f"distribution's package manager: {', '.join(sorted(missing))}"
    )


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _apt_get_install(packages: list[str]) -> None:
    """Run apt-get; what it could not install is still missing afterwards and named then.

    Releases that renamed a package for 64-bit time (``libglib2.0-0t64``) provide the old name, so
    the names above install there too.
    """
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    print(f"Installing system libraries: {' '.join(packages)}", file=sys.stderr, flush=True)
    for arguments in (
        ["update", "-qq"],
        ["install", "-y", "-qq", "--no-install-recommends", *packages],
    ):
        subprocess.run(
            ["apt-get", "-o", "DPkg::Lock::Timeout=300", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            check=False,
        )
