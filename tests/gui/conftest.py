"""Small videos and a small model for the window's tests, made without torch in this process."""

from __future__ import annotations

import gc
import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_vitface.engine import Engine, Request

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_vitface.gui.dock import ViTFaceDock
    from napari_vitface.gui.workbench import Workbench

#: Height and width of the test videos; twice the model's input, so that mapping back matters.
SIZE = (96, 128)
KEYPOINTS = ("eye", "nose tip", "mouth")

_MODEL = """
import sys
import torch
from napari_vitface.model.building import create_backbone
from napari_vitface.model.checkpoint import save_checkpoint
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.pose.keypoints import KeypointSet

torch.manual_seed(0)
backbone = create_backbone("vit_tiny_patch16_224", (48, 64), 1, depth=3, embed_dim=48, num_heads=3)
keypoints = KeypointSet(("eye", "nose tip", "mouth"), skeleton=(("eye", "nose tip"),))
network = KeypointNetwork(backbone, keypoints, widths=(8, 16, 16))
save_checkpoint(sys.argv[1], network, Preprocessing((48, 64)), training={"summary": "nothing"})
"""


@pytest.fixture(scope="session")
def tiny_model(made_once: Callable[..., Path]) -> Path:
    """A checkpoint of a very small untrained ViT with three keypoints and three layers."""

    def make(folder: Path) -> Path:
        path = folder / "tiny.safetensors"
        subprocess.run([sys.executable, "-c", _MODEL, str(path)], check=True, timeout=1800)
        return path

    return made_once("tiny-model-for-windows", make)


def _spot_at(frame: int) -> tuple[float, float]:
    """Centre (x, y) of the bright spot in a frame of the test videos."""
    return 64 + 40 * np.cos(frame / 7), 48 + 30 * np.sin(frame / 9)


@pytest.fixture(scope="session")
def spot_at() -> Callable[[int], tuple[float, float]]:
    """Where the spot of the test videos is."""
    return _spot_at


@pytest.fixture(scope="session")
def write_video() -> Callable[..., Path]:
    """Write a grey video of a small bright spot that wanders over black."""

    def write(path: Path, frames: int = 40) -> Path:
        from napari_vitface.video import VideoWriter

        y, x = np.mgrid[: SIZE[0], : SIZE[1]]
        with VideoWriter(path, SIZE, 50.0) as writer:
            for frame in range(frames):
                across, down = _spot_at(frame)
                spot = 255 * np.exp(-((x - across) ** 2 + (y - down) ** 2) / 8)
                writer.write(spot.astype(np.uint8))
        return path

    return write


@pytest.fixture
def video_path(tmp_path: Path, write_video: Callable[..., Path]) -> Path:
    """40 frames in a folder of its own."""
    return write_video(tmp_path / "mouse.mp4")


@pytest.fixture(scope="session")
def long_video(tmp_path_factory: pytest.TempPathFactory, write_video: Callable[..., Path]) -> Path:
    """600 frames: a run over them, one by one, can be stopped in the middle."""
    return write_video(tmp_path_factory.mktemp("long") / "long.mp4", 600)


@pytest.fixture
def qtbot(qtbot: Any) -> Any:
    """Waits as long as a busy computer needs; only what hangs is given up."""
    qtbot.waitUntil = partial(qtbot.waitUntil, timeout=600_000)
    return qtbot


class Pump:
    """What the Qt event loop does for a session, by hand: runs what threads posted."""

    def __init__(self) -> None:
        self._posted: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.post = self._posted.put

    def until(self, condition: Callable[[], bool], seconds: float = 600.0) -> None:
        """Run what is posted until `condition` holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            try:
                self._posted.get(timeout=0.05)()
            except Empty:
                continue


@pytest.fixture
def pump() -> Pump:
    return Pump()


@pytest.fixture(autouse=True)
def kept_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the list of videos is kept: for this test alone."""
    path = tmp_path / "state" / "videos.json"
    monkeypatch.setattr("napari_vitface.gui.video_list.list_store.default_file", lambda: path)
    return path


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where journals of videos in no project are: for this test alone."""
    folder = tmp_path / "state"
    monkeypatch.setattr("napari_vitface.gui.events.event_documents.state_folder", lambda: folder)
    return folder


class SharedEngine(Engine):
    """The real engine, kept for all tests: importing torch takes longer than most of them."""

    #: Predictions rest after each batch, so that they are still under way when a test looks.
    unhurried = False

    def submit(self, job: str, *arguments: Any, **options: Any) -> Request:
        """Give a job to the engine."""
        if self.unhurried and job == "predict":
            job = "small_jobs:slow_predict"
        return super().submit(job, *arguments, **options)

    def close(self) -> None:
        """Stay."""


@pytest.fixture(scope="session")
def shared_engine() -> Iterator[SharedEngine]:
    # One thread: two busy machines' worth of them on two cores wait for each other.
    jobs = str(Path(__file__).parents[1] / "engine")
    path = os.pathsep.join(filter(None, [jobs, os.environ.get("PYTHONPATH")]))
    engine = SharedEngine({"OMP_NUM_THREADS": "1", "PYTHONPATH": path})
    yield engine
    Engine.close(engine)


@pytest.fixture
def engine(shared_engine: SharedEngine, monkeypatch: pytest.MonkeyPatch) -> SharedEngine:
    """All sessions of the test use the shared engine."""
    monkeypatch.setattr("napari_vitface.gui.session.Engine", lambda: shared_engine)
    return shared_engine


@pytest.fixture
def unhurried(shared_engine: SharedEngine) -> Iterator[None]:
    """Predictions take a while, whatever the computer."""
    shared_engine.unhurried = True
    yield
    shared_engine.unhurried = False


@pytest.fixture
def viewer_model() -> ViewerModel:
    from napari.components import ViewerModel
    from npe2 import PluginManager

    # A window does this when it starts; a bare model does not.
    PluginManager.instance().discover()
    return ViewerModel()


@pytest.fixture
def session(engine: Engine, viewer_model: ViewerModel, pump: Pump) -> Iterator[Workbench]:
    """A session on a viewer model, without a window."""
    from napari_vitface.gui.workbench import session_of

    made = session_of(viewer_model, pump.post)
    yield made
    made.close()


@pytest.fixture(scope="session")
def imports_set_aside() -> None:
    """Spare the garbage collector what is imported: napari's fixture runs it twice a window."""
    for name in ("napari._qt.qt_viewer", "napari_vitface.gui.actions", "napari_vitface.gui.dock"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


@pytest.fixture
def dock(
    imports_set_aside: None, engine: Engine, make_napari_viewer: Any, qtbot: Any
) -> Iterator[ViTFaceDock]:
    """The dock in a real window, as the plugin menu opens it."""
    from napari_vitface.gui.actions import open_dock

    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1400, 1000)
    made = open_dock(viewer)
    yield made
    made.close_links()
