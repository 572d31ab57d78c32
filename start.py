#!/usr/bin/env python3
"""Install napari-vitface into a private environment and run its demo or its tests.

    python3 start.py demo [ARGUMENTS OF napari-vitface demo]
    python3 start.py test

Needs Python 3.11 or newer with pip, and nothing else: tox is installed in the folder ``.start`` and
makes the environments that ``tox.ini`` describes in ``.tox``. Both folders can be deleted.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
# What is asked for -> environments of tox.ini.
ENVIRONMENTS = {"demo": "demo", "test": "interop,test"}
USAGE = "usage: python3 start.py demo [ARGUMENTS] | test"


def main(arguments: list[str]) -> int:
    if sys.version_info < (3, 11):  # noqa: UP036, this file is what meets an old Python
        sys.exit(f"napari-vitface needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
    if not arguments or arguments[0] not in ENVIRONMENTS:
        sys.exit(USAGE)
    environment, *rest = arguments
    if problem := provide_libraries(environment):
        print(problem, file=sys.stderr)
    command = [str(install_tox()), "run", "-e", ENVIRONMENTS[environment]]
    return subprocess.call([*command, *(["--", *rest] if rest else [])], cwd=ROOT)


def provide_libraries(environment: str) -> str | None:
    """Install or name the system libraries of a window, if there will be one."""
    tests = environment == "test"
    if not tests and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return None  # the demo writes files instead of opening a window
    path = ROOT / "src" / "napari_vitface" / "system_libraries.py"
    spec = importlib.util.spec_from_file_location("system_libraries", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.provide_libraries(virtual_display=tests)


def install_tox() -> Path:
    """Make sure that tox is in ``.start``, and return the program.

    The environment is made without pip, because Debian's Python lacks ensurepip; the pip that is
    there installs into it from outside, which a system Python marked "externally managed" allows.
    """
    if importlib.util.find_spec("pip") is None:
        sys.exit(f"{sys.executable} has no pip; on Debian or Ubuntu: apt-get install python3-pip.")
    folder = ROOT / ".start" / sys.implementation.cache_tag
    binaries = folder / ("Scripts" if os.name == "nt" else "bin")
    python = binaries / ("python.exe" if os.name == "nt" else "python")
    if not python.exists():
        venv.create(folder, symlinks=os.name != "nt")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    # Quick and without the network once they are there.
    if subprocess.call([*pip, "install", "--quiet", *constraints, "tox", "tox-uv"]) != 0:
        sys.exit("pip could not install tox (see above); pip 22.3 or newer is needed.")
    return binaries / ("tox.exe" if os.name == "nt" else "tox")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
