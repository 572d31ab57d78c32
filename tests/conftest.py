"""Shared by all tests: a private home, a display for window tests, the real data."""

from __future__ import annotations

import json
import os
import pickle
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from filelock import FileLock

from napari_vitface.plugins import Registry

# Set before anything reads them: no test sees or changes the settings and caches of who runs it.
_HOME = Path(tempfile.mkdtemp(prefix="vitface-home-"))
for _variable in ("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"):
    os.environ[_variable] = str(_HOME)
for _variable in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
    os.environ[_variable] = str(_HOME / _variable.lower())
os.environ["VITFACE_CACHE"] = str(_HOME / "vitface")
os.environ["NAPARI_CONFIG"] = str(_HOME / "napari.yaml")
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    # Or each of the processes that tests start compiles PyTorch anew.
    os.environ["PYTHONPYCACHEPREFIX"] = str(_HOME / "pycache")
# Nothing is fetched from a model hub in a test.
os.environ["HF_HUB_OFFLINE"] = "1"

hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With ``-m window``, files without such tests are not even imported: most import torch."""
    if config.option.markexpr != "window":
        return None
    files = [collection_path] if collection_path.is_file() else collection_path.rglob("test_*.py")
    return None if any("mark.window" in file.read_text("utf-8") for file in files) else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Window tests come last and get a display.

    Last, because importing timm (which imports triton) after software OpenGL has drawn in the same
    process crashes it; the other order is safe.
    """
    items.sort(key=lambda item: item.get_closest_marker("window") is not None)
    for item in items:
        if item.get_closest_marker("window") is not None:
            item.fixturenames.insert(0, "display")  # type: ignore[attr-defined]


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def other_programs() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a script with the Python that has the programs which our files are for.

    They need many packages, so they may live in an environment of their own, whose Python is named
    by ``VITFACE_INTEROP_PYTHON``. Where they are installed beside this package, no other is needed.
    """
    named = os.environ.get("VITFACE_INTEROP_PYTHON", "")
    here = all(map(find_spec, ("movement", "sleap_io", "napari_deeplabcut")))
    python = named if Path(named).is_file() else sys.executable if here else ""
    if not python:
        pytest.skip(
            "no movement, sleap-io and napari-deeplabcut here; name their Python in "
            "VITFACE_INTEROP_PYTHON"
        )

    def run(*command: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, *map(str, command)],
            capture_output=True,
            text=True,
            timeout=1500,
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        )

    return run


@pytest.fixture(scope="session")
def call_readers(other_programs: Callable[..., Any]) -> Callable[[Path, Sequence[Any]], str]:
    """Calls readers of a script there; see ``call_readers.py``. Gives what went wrong."""

    def call(script: Path, calls: Sequence[tuple[str, Sequence[str], str]]) -> str:
        caller = Path(__file__).with_name("call_readers.py")
        return str(other_programs(caller, script, json.dumps(calls)).stderr)

    return call


@pytest.fixture(scope="session")
def made_once(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Callable[[str, Callable[[Path], Any]], Any]:
    """Make something costly once for all processes of a test run.

    ``made_once(name, make)`` calls ``make(folder)`` in the first process that asks, with an empty
    folder that stays, and returns what it returned in all of them.
    """
    root = tmp_path_factory.getbasetemp()
    root = root if worker_id == "master" else root.parent

    def made(name: str, make: Callable[[Path], Any]) -> Any:
        folder, result = root / "made-once" / name, root / "made-once" / f"{name}.pickle"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not result.exists():
                result.write_bytes(pickle.dumps(make(folder)))
        return pickle.loads(result.read_bytes())

    return made


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """`install(registry, source)`: a package that adds the `TOY` of its source to a registry.

    It is there as pip leaves a package, and gone after the test.
    """
    registries: list[Registry[Any]] = []

    def installed(registry: Registry[Any], source: str) -> None:
        name = f"toy_{len(registries)}_{tmp_path.name}"
        site = tmp_path / "site-packages"
        about = site / f"{name}-1.0.dist-info"
        about.mkdir(parents=True)
        (site / f"{name}.py").write_text(source, encoding="utf-8")
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[{registry.group}]\ntoy = {name}:TOY\n")
        monkeypatch.syspath_prepend(site)
        registries.append(registry)
        registry.look_again()

    yield installed
    monkeypatch.undo()
    for registry in registries:
        registry.look_again()


@pytest.fixture(scope="session")
def display() -> Iterator[None]:
    """A display that a napari window can open on: the one that is there, else Xvfb on Linux."""
    if not sys.platform.startswith("linux") or _display_answers():
        yield
        return
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        pytest.fail("No display and no Xvfb: install it with apt-get install xvfb", pytrace=False)
    reader, writer = os.pipe()
    server = subprocess.Popen(
        [xvfb, "-displayfd", str(writer), "-screen", "0", "1400x1000x24", "-nolisten", "tcp"],
        pass_fds=[writer],
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    try:
        # Xvfb writes the number of the display once it takes connections.
        ready, _, _ = select.select([reader], [], [], 60)
        number = os.read(reader, 16).decode().strip() if ready else ""
        if not number:
            pytest.fail("Xvfb did not start within a minute", pytrace=False)
        os.environ["DISPLAY"] = f":{number}"
        os.environ["QT_QPA_PLATFORM"] = "xcb"
        os.environ["LIBGL_ALWAYS_SOFTWARE"] = "1"
        yield
    finally:
        os.close(reader)
        server.terminate()
        server.wait(10)


def _display_answers() -> bool:
    """Whether ``DISPLAY`` names an X server that takes connections."""
    name = os.environ.get("DISPLAY")
    if not name:
        return False
    import ctypes

    try:
        x11 = ctypes.CDLL("libX11.so.6")
    except OSError:
        return False
    x11.XOpenDisplay.restype = ctypes.c_void_p
    connection = x11.XOpenDisplay(name.encode())
    if connection:
        x11.XCloseDisplay(ctypes.c_void_p(connection))
    return bool(connection)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder with the real recordings; not part of the repository, so many machines have none."""
    named = os.environ.get("VITFACE_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not (folder / "mouse_face").is_dir():
        pytest.skip(f"no real recordings at {folder}; name their folder in VITFACE_DATA")
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a very small untrained ViT: its points mean nothing but are the same."""
    import torch

    # The model is so small that more threads would only wait for each other.
    torch.set_num_threads(1)
    from napari_vitface.model.building import create_backbone
    from napari_vitface.model.checkpoint import save_checkpoint
    from napari_vitface.model.network import KeypointNetwork
    from napari_vitface.model.preprocessing import Preprocessing
    from napari_vitface.pose.keypoints import KeypointSet

    torch.manual_seed(0)
    backbone = create_backbone(
        "vit_tiny_patch16_224", (64, 80), 1, depth=2, embed_dim=48, num_heads=3
    )
    keypoints = KeypointSet(("eye", "nose tip", "mouth"), skeleton=(("eye", "nose tip"),))
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    save_checkpoint(
        path,
        KeypointNetwork(backbone, keypoints, widths=(8, 8, 16)),
        Preprocessing((64, 80)),
        training={"data": "none", "licence": "none"},
    )
    return path
