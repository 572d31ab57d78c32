"""What is typed reaches the job: each option changes what the job is handed."""

from __future__ import annotations

import argparse
import functools
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from napari_vitface.cli.arguments import Command
from napari_vitface.cli.parser import OWN_COMMANDS
from napari_vitface.cli.report import Reporter
from napari_vitface.cli.states.states import STATES
from napari_vitface.errors import VitFaceError
from napari_vitface.settings.attention import METHODS
from napari_vitface.settings.features import FEATURES

_FRAME = ["--frame", "3", "--output", "maps.npz"]
_FRAMES = ["--frames", "1:9", "--output"]
#: What is typed beside an option: some stand only beside others.
_BESIDE = {
    "attention": [
        *([*_FRAME, "--method", method] for method in METHODS),
        [*_FRAMES, "maps.npz"],
        [*_FRAMES, "table.csv"],
    ],
    "states features": [["--features", name] for name in FEATURES],
    "states responses": [["--features", name] for name in FEATURES],
    "states explain": [["--frame", "3"]],
    "smooth": [["--output", "table.csv"]],
    "export": [["--output", "model.onnx"]],
    "states train": [["--features", name] for name in FEATURES],
}
#: Tried one after the other behind an option, until one is taken that is not its default.
_TYPED = (
    "3", "5", "0.3", "cpu", "heatmap", "1,2", "1,2,30,40", "a,b", "2:8",
    "a=b", "nose=a", "rotation=3", "eye=1,2,30,40", "trials.csv",
)  # fmt: skip
#: Of no use without a cluster; and refused on one.
_ON_CLUSTER_ALONE, _HERE_ALONE = {"cluster", "map_path"}, {"faithfulness"}


class _Handed(BaseException):
    """Raised in place of a job, with what it is handed."""


def _recorder(job: Callable[..., Any]) -> Callable[..., Any]:
    # The signature stays, by which commands know what it takes.
    @functools.wraps(job)
    def record(*args: Any, **options: Any) -> None:
        options.pop("resources", None)
        raise _Handed((job.__name__, args, options))

    return record


@contextmanager
def _connected(where: str, *, device: str) -> Iterator[tuple[str, str]]:
    yield where, device


def _commands() -> Iterator[Any]:
    for command in OWN_COMMANDS:
        if command is STATES:
            for each in command.add_arguments.keywords["commands"]:  # type: ignore[attr-defined]
                yield f"states {each.name}", each
        elif command.name != "demo":  # It runs two jobs with what it makes itself.
            yield command.name, command


def _parser(command: Command) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    command.add_arguments(parser)
    parser.set_defaults(debug=False)
    return parser


def _handed(command: Command, line: list[str]) -> Any:
    """What the job of a command gets for a line; None where that is refused."""
    assert command.handle is not None
    try:
        command.handle(_parser(command).parse_args(line), Reporter())
    except _Handed as handed:
        return handed.args[0]
    except (SystemExit, VitFaceError):
        pass
    return None


def _typed(action: argparse.Action) -> Iterator[list[str]]:
    """An option with values, or without where it takes none."""
    if action.nargs == 0:
        yield from ([each] for each in action.option_strings)
    else:
        values = _TYPED if action.choices is None else map(str, action.choices)
        yield from ([action.option_strings[0], each] for each in values)


@pytest.mark.parametrize("on_cluster", [False, True], ids=["here", "cluster"])
@pytest.mark.parametrize(("name", "command"), [pytest.param(*c, id=c[0]) for c in _commands()])
def test_nothing_that_is_typed_is_lost(
    name: str, command: Command, on_cluster: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    actions, beside = _parser(command)._actions, _BESIDE.get(name, [[]])
    places = [action.dest for action in actions if not action.option_strings]
    source = inspect.getsource(importlib.import_module(command.handle.__module__))
    jobs = re.findall(r"from (napari_vitface\.(?:jobs|cluster)\.\S+) import (\w+)", source)
    if on_cluster:
        if all(action.dest != "cluster" for action in actions):
            pytest.skip("has no --cluster")
        pytest.importorskip("distributed")
        monkeypatch.setattr("napari_vitface.cluster.clusters.connected", _connected)
        beside = [[*each, "--cluster", "local:2"] for each in beside]
        jobs.append(("napari_vitface.cluster.run_many", "run_many"))
    for module, function in jobs:
        job = getattr(importlib.import_module(module), function)
        if inspect.isgeneratorfunction(inspect.unwrap(job)):
            monkeypatch.setattr(f"{module}.{function}", _recorder(job))
    monkeypatch.chdir(tmp_path)
    Path("a.mp4").touch()
    Path("trials.csv").write_text("video,onset,label\na.mp4,3,calm\n")

    def handed(other: list[str], place: str = "") -> Any:
        given = ["other" if each == place else f"a {each}" for each in places]
        return _handed(command, [*given, *other])

    usual = [(other, before) for other in beside if (before := handed(other)) is not None]
    assert usual
    assert all(handed(other) == before for other, before in usual)

    def arrives(action: argparse.Action) -> bool:
        for other, before in usual:
            if action.option_strings:
                found = [handed([*other, *each]) for each in _typed(action)]
            else:
                found = [handed(other, action.dest)]
            if any(each is not None and each != before for each in found):
                return True
        return False

    without = _HERE_ALONE if on_cluster else _ON_CLUSTER_ALONE
    assert [a.dest for a in actions if a.dest not in without and not arrives(a)] == []
