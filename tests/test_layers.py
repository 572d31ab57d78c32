"""The layers of the house: imports only point down, and torch stays out of napari's process."""

from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import napari_vitface

PACKAGE = Path(napari_vitface.__file__).parent
NAME = "napari_vitface"

# Layer -> the layers that it may import besides itself. Beside layers do not know each other.
BELOW: dict[str, set[str]] = {
    "pose": set(),
    "events": set(),
    "settings": set(),
    "video": {"pose"},
    "formats": {"video", "pose"},
    "sample": {"video", "pose"},
    "kinematics": {"pose"},
    "project": {"formats", "kinematics", "video", "pose", "events"},
    "model": {"formats", "sample", "video", "pose", "settings"},
    "attention": {"model", "formats", "sample", "video", "pose", "settings"},
}
BELOW["states"] = {"kinematics"} | BELOW["attention"]
BELOW["traces"] = {"states"} | BELOW["states"]
# Classifiers of states that are networks are trained there, and are such that can be judged here.
BELOW["training"] = {"states"} | BELOW["states"]
BELOW["jobs"] = (
    {"training", "attention", "traces", "states", "project"} | BELOW["training"] | BELOW["project"]
)
BELOW["cluster"] = {"jobs"} | BELOW["jobs"]
BELOW["engine"] = {"jobs"} | BELOW["jobs"]
BELOW["cli"] = {"engine", "cluster"} | BELOW["engine"]
# The window reaches models only through the engine.
BELOW["gui"] = ({"cli"} | BELOW["cli"]) - {"training", "attention", "traces", "states", "model"}
# Small modules of the root that any layer may use; of other packages they use platformdirs alone.
ROOT_MODULES = {
    "errors",
    "atomic",
    "history",
    "lock",
    "plugins",
    "record",
    "steps",
    "system_libraries",
    "user_folders",
    "words",
}

TORCH = {"torch", "timm", "torchvision", "triton"}
QT = {"qtpy", "napari", "magicgui", "superqt", "PySide6", "PyQt6", "vispy", "npe2", "app_model"}
TORCH_LAYERS = {"model", "attention", "training"}
#: Load what napari's process shall not: its window reaches them through the engine alone.
ENGINE_LAYERS = TORCH_LAYERS | {"states", "traces"}


def sources() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE) + [
        path for path in [PACKAGE / "cli.py"] if path.exists()
    ]


def layer_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Full name of each module that a file imports, and whether it does so when loaded itself.

    Imports in functions and under ``if TYPE_CHECKING:`` are not carried out on loading.
    """
    package = (NAME, *path.relative_to(PACKAGE).parts[:-1])
    pending: list[tuple[ast.AST, bool]] = [(ast.parse(path.read_text(encoding="utf-8")), True)]
    while pending:
        node, on_loading = pending.pop()
        if isinstance(node, ast.Import):
            yield from ((alias.name, on_loading) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (start, node.module) if part)
            yield from ((f"{module}.{alias.name}", on_loading) for alias in node.names)
        inner = on_loading and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        pending += [(child, inner and not for_types) for child in ast.iter_child_nodes(node)]


def test_every_folder_is_a_layer() -> None:
    assert {layer_of(path) for path in sources()} <= set(BELOW)


@pytest.mark.parametrize("layer", BELOW)
def test_imports_only_point_down(layer: str) -> None:
    upwards = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in sources()
        if layer_of(path) == layer
        for name, _ in imports(path)
        if name.startswith(NAME + ".")
        and name.split(".")[1] not in BELOW[layer] | ROOT_MODULES | {layer, "__version__"}
    ]
    assert not upwards


def test_only_the_window_knows_qt_and_napari() -> None:
    strays = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in sources()
        if layer_of(path) != "gui"
        for name, _ in imports(path)
        if name.split(".")[0] in QT
    ]
    assert not strays


def test_torch_is_named_only_where_models_are_run() -> None:
    strays = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in sources()
        if layer_of(path) not in TORCH_LAYERS
        for name, on_loading in imports(path)
        if name.split(".")[0] in TORCH
        # Others load it in the functions that need it.
        and (on_loading or layer_of(path) not in {"states", "jobs", "engine"})
    ]
    assert not strays


def test_poses_and_events_need_numpy_only_and_the_root_where_the_users_folders_are() -> None:
    allowed = set(sys.stdlib_module_names) | {NAME}
    strays = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for folder in ("pose", "events", ".")
        for path in PACKAGE.glob(f"{folder}/*.py")
        for name, _ in imports(path)
        if name.split(".")[0]
        not in allowed | {"platformdirs" if path.parent == PACKAGE else "numpy"}
        if path.name != "cli.py"
    ]
    assert not strays


def modules_of_the_window_process() -> list[str]:
    """Every module that may be loaded in napari's process or by the command line as it starts."""
    names = [module.name for module in pkgutil.walk_packages([str(PACKAGE)], NAME + ".")]
    engine_process = {f"{NAME}.engine.__main__", f"{NAME}.engine.worker"}
    return [
        name
        for name in names
        if name.split(".")[1] not in ENGINE_LAYERS and name not in engine_process
    ]


def loaded_after(statements: str) -> set[str]:
    """Top-level modules in a fresh interpreter after running some statements."""
    script = f"import sys\n{statements}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return set(run.stdout.splitlines()[-1].split())


def test_napari_s_process_loads_neither_torch_nor_scikit_learn() -> None:
    names = modules_of_the_window_process()
    assert f"{NAME}.gui.session" in names
    assert f"{NAME}.engine.client" in names
    loaded = loaded_after("\n".join(f"import {name}" for name in names))
    assert "napari" in loaded
    assert not loaded & (TORCH | {"sklearn"})


def test_importing_the_package_costs_next_to_nothing() -> None:
    loaded = loaded_after(f"import {NAME}; dir({NAME})")
    heavy = {"numpy", "pandas", "h5py", "skimage", "scipy", "av", "napari", "qtpy", "tables"}
    assert not loaded & (heavy | TORCH)


def import_graph() -> dict[str, set[str]]:
    """What each module of the package imports of it, in functions and for types included."""
    paths = {
        ".".join((NAME, *path.relative_to(PACKAGE).parts)).removesuffix(".py"): path
        for path in PACKAGE.rglob("*.py")
    }
    paths = {name.removesuffix(".__init__"): path for name, path in paths.items()}

    def module(name: str) -> str:
        while name not in paths:
            name = name.rpartition(".")[0]
        return name

    return {
        importer: {module(name) for name, _ in imports(path) if name.split(".")[0] == NAME}
        - {importer, NAME}
        for importer, path in paths.items()
    }


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """The modules that import each other, directly or through others."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        reached[start], pending = set(), [start]
        while pending:
            fresh = graph[pending.pop()] - reached[start]
            reached[start] |= fresh
            pending += fresh
    return {
        frozenset(other for other in reached[one] if one in reached[other])
        for one in graph
        if one in reached[one]
    }


def test_a_circle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}
    assert circles(graph) == {frozenset("bc")}


def test_no_module_imports_one_that_imports_it() -> None:
    assert circles(import_graph()) == set()
