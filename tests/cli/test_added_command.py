"""A command of another package: listed, run, and none that is ours already."""

from __future__ import annotations

from collections.abc import Callable
from subprocess import CompletedProcess

import pytest

from napari_vitface.cli.parser import COMMANDS, OWN_COMMANDS, parse

TOY = """
from napari_vitface.cli.arguments import Command, add_model
from napari_vitface.errors import VitFaceError

def add_arguments(parser):
    add_model(parser)
    parser.add_argument("--loud", action="store_true", help="say it louder than usual")

def handle(arguments, reporter):
    if arguments.model == "none":
        raise VitFaceError("There is nobody to greet.")
    reporter.result(f"Hello {arguments.model}{'!' if arguments.loud else '.'}")
    return 0

TOY = Command("greet", "Greet a model.", add_arguments, handle)
"""


def test_it_is_listed_explained_and_run(
    install: Callable[..., None], vitface: Callable[..., CompletedProcess[str]]
) -> None:
    install(COMMANDS, TOY)
    assert "    greet     greet a model\n" in vitface("--help").stdout
    assert "say it louder than usual" in vitface("greet", "--help").stdout
    run = vitface("greet", "--loud")
    assert (run.returncode, run.stdout) == (0, "Hello mouse-face!\n")
    refused = vitface("greet", "--model", "none")
    assert (refused.returncode, refused.stderr) == (
        1, "napari-vitface: There is nobody to greet.\n",
    )  # fmt: skip


def test_ours_stay_ours(install: Callable[..., None]) -> None:
    install(COMMANDS, TOY.replace('"greet"', '"models"'))
    with pytest.warns(UserWarning, match="another one named models"):
        assert tuple(COMMANDS.values()) == OWN_COMMANDS
    # What is ours is found without looking for others.
    COMMANDS.look_again()
    assert parse(["models"]).handle is COMMANDS.own[-1].handle
    assert "_all" not in vars(COMMANDS)
