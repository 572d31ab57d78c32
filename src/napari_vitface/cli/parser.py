"""The commands there are, and the parser of what is typed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from napari_vitface import __version__
from napari_vitface.cli import (
    attention,
    audit,
    convert,
    demo,
    evaluate,
    export,
    models,
    predict,
    quantise,
    smooth,
    suggest,
    traces,
    train,
)
from napari_vitface.cli.arguments import Command, add_commands
from napari_vitface.cli.states.states import STATES
from napari_vitface.plugins import Registry

OWN_COMMANDS = (
    demo.COMMAND,
    predict.COMMAND,
    attention.COMMAND,
    train.COMMAND,
    evaluate.COMMAND,
    STATES,
    traces.COMMAND,
    suggest.COMMAND,
    audit.COMMAND,
    smooth.COMMAND,
    convert.COMMAND,
    export.COMMAND,
    quantise.COMMAND,
    models.COMMAND,
)
#: Other packages add theirs as entry points of this group, each a `Command`.
COMMANDS: Registry[Command] = Registry(Command, OWN_COMMANDS, group="napari_vitface.commands")

_EPILOG = """\
Exit status: 0 done; 1 failed, with one sentence on standard error; 2 wrong arguments;
130 cancelled (Ctrl-C). A cancelled or killed prediction goes on where it stopped when the same
command is given again.
"""


def build_parser(commands: Sequence[Command] = OWN_COMMANDS) -> argparse.ArgumentParser:
    """The parser of ``napari-vitface``; the namespace's `command` names the subcommand.

    Its `handle` is what does it.
    """
    parser = argparse.ArgumentParser(
        prog="napari-vitface",
        description="ViT keypoints and attention maps for mouse-face videos.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"napari-vitface {__version__}")
    add_commands(parser, commands)
    return parser


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """What was typed; other packages are asked for their commands only if it is none of ours."""
    ours = {command.name for command in OWN_COMMANDS}
    if argv and argv[0] in ours | {"--version"}:
        return build_parser().parse_args(argv)
    return build_parser(list(COMMANDS.values())).parse_args(argv)
