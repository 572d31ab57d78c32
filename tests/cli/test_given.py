"""What is typed reaches the job, by the names of its parameters or as its command reads it."""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
from collections.abc import Iterator

import pytest

from napari_vitface.cli.arguments import Command
from napari_vitface.cli.parser import OWN_COMMANDS
from napari_vitface.cli.states.states import STATES
from napari_vitface.settings.attention import METHODS
from napari_vitface.settings.computing import Looking
from napari_vitface.settings.features import FEATURES
from napari_vitface.settings.kind import settings_of
from napari_vitface.settings.traces import TRACES


def _commands() -> Iterator[Command]:
    for command in OWN_COMMANDS:
        if command is STATES:
            yield from command.add_arguments.keywords["commands"]  # type: ignore[attr-defined]
        else:
            yield command


@pytest.mark.parametrize("command", list(_commands()), ids=lambda command: command.name)
def test_nothing_that_is_typed_is_lost(command: Command) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    command.add_arguments(parser)
    source = inspect.getsource(importlib.import_module(command.handle.__module__))
    taken = set(re.findall(r"arguments\.(\w+)", source)) | {"map_path"}
    for kinds in (METHODS, FEATURES, TRACES):
        taken |= set(settings_of(kinds.values()))
    for module, name in re.findall(r"from (napari_vitface\.\S+) import (\w+) as job", source):
        taken |= set(inspect.signature(getattr(importlib.import_module(module), name)).parameters)
    if "Looking" in source:
        taken |= set(inspect.signature(Looking).parameters)
    assert {action.dest for action in parser._actions} - taken == set()
