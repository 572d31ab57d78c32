"""Arguments that several commands have, and what can be typed for them."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.frame_range import parse_frames
from napari_vitface.settings.computing import PRECISIONS, Looking, read_rectangle
from napari_vitface.settings.kind import Kind, settings_of
from napari_vitface.settings.option import Setting, declared

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter
    from napari_vitface.jobs.events import Event

N = TypeVar("N", int, float)
T = TypeVar("T")

_COMPUTING = declared(Looking)


class Command(NamedTuple):
    """A command of ``napari-vitface``.

    Attributes
    ----------
    name : str
        As it is typed.
    description : str
        What it does, in a sentence.
    add_arguments : callable
        Adds what can be typed behind it to its parser. All help waits for this, so it imports
        nothing that is slow.
    handle : callable or None
        Does it, shows it with the reporter, and returns the exit status. It raises `VitFaceError`
        if it fails. None of a group, whose commands have their own.
    json : bool
        Whether it has ``--json``, as what runs its jobs with the reporter does.
    """

    name: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    handle: Callable[[argparse.Namespace, Reporter], int] | None
    json: bool = True


def group(name: str, description: str, commands: Sequence[Command]) -> Command:
    """Commands that are typed behind a name of their own: ``napari-vitface states train``."""
    return Command(name, description, partial(add_commands, commands=commands, dest="behind"), None)


def add_commands(
    parser: argparse.ArgumentParser, commands: Iterable[Command], *, dest: str = "command"
) -> None:
    """Have a parser take commands, each with its own arguments and those that all have.

    In the namespace is the name of what was typed as `dest`, and as `handle` what does it.
    """
    subparsers = parser.add_subparsers(dest=dest, required=True, metavar="COMMAND")
    # Behind a group both can be typed before or after the name; what is left out changes nothing.
    silent: Any = {} if dest == "command" else {"default": argparse.SUPPRESS}
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--debug", action="store_true", help="show the traceback of an error", **silent
    )
    as_json = argparse.ArgumentParser(add_help=False)
    as_json.add_argument(
        "--json",
        action="store_true",
        help="write one JSON object a line to standard output, the last one the result",
        **silent,
    )
    for command in commands:
        text = command.description
        its = subparsers.add_parser(
            command.name,
            help=text[0].lower() + text[1:].rstrip("."),
            description=text,
            parents=[common, as_json] if command.json else [common],
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if command.handle is not None:
            its.set_defaults(handle=command.handle)
        command.add_arguments(its)


def add_labels(parser: argparse.ArgumentParser) -> None:
    """Add what `napari_vitface.read_labels` takes."""
    parser.add_argument(
        "labels",
        nargs="+",
        type=Path,
        metavar="LABELS",
        help="a DeepLabCut project folder, a labeled-data/<video> folder, or a "
        "CollectedData_*.csv|.h5",
    )


def add_file_of_model(parser: argparse.ArgumentParser) -> None:
    """Add the model that has to be named."""
    parser.add_argument(
        "model", metavar="MODEL", help="name of a bundled model or a .safetensors file"
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the model with a default."""
    parser.add_argument(
        "--model",
        default="mouse-face",
        metavar="NAME|FILE",
        help="name of a bundled model or a .safetensors file (default: %(default)s)",
    )


def add_videos(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the videos, of which `what` says what can be given: "a video or an image"."""
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO", help=what)


def add_frames(parser: argparse.ArgumentParser) -> None:
    """Add the choice of frames."""
    parser.add_argument(
        "--frames",
        type=frames,
        metavar="START:STOP:STEP",
        help="only these frames, as in Python: 0:1000, ::10, -500: (default: all)",
    )


def add_output_dir(
    parser: argparse.ArgumentParser, what: str = "the files", default: str = "beside each video"
) -> None:
    """Add the folder that `what` goes into."""
    text = f"where {what} go (default: {default})"
    parser.add_argument("--output-dir", type=Path, metavar="DIR", help=text)


def add_overwrite(parser: argparse.ArgumentParser, what: str = "files that exist") -> None:
    """Add the leave to replace what is there."""
    text = f"replace {what} (default: refuse)"
    parser.add_argument("--overwrite", action="store_true", help=text)


def add_kinds(
    parser: argparse.ArgumentParser, flag: str, what: str, kinds: Mapping[str, Kind], default: str
) -> None:
    """Add the choice of kinds of what is computed, and the settings of all of them."""
    lines = "; ".join(f"{kind.name}: {kind.help}" for kind in kinds.values())
    text = f"{what} (default: %(default)s). {lines}"
    parser.add_argument(flag, default=default, metavar="KIND[,KIND]", help=text)
    add_settings(parser, settings_of(kinds.values()))


def add_settings(
    parser: argparse.ArgumentParser, settings: Mapping[str, Setting], *names: str
) -> None:
    """Add the options of settings: those named, or all."""
    for name in names or settings:
        add_setting(parser, settings[name])


def add_setting(parser: argparse.ArgumentParser, setting: Setting) -> None:
    """Add the option of a setting, if it is offered: ``--like-this`` for ``like_this``."""
    option = setting.option
    if not option.offered:
        return
    flag = "--" + setting.name.replace("_", "-")
    text = option.help.replace("%", "%%")
    if setting.kind is bool:
        plain = not setting.default
        action = "store_true" if plain else argparse.BooleanOptionalAction
        parser.add_argument(flag, action=action, default=setting.default, help=text)
        return
    # Some say what an automatic choice is.
    if setting.default is not None and "(default: " not in text:
        text += " (default: %(default)s)"
    if setting.choices:
        metavar = "|".join(setting.choices)
        parser.add_argument(
            flag, choices=setting.choices, metavar=metavar, default=setting.default, help=text
        )
        return

    metavar = option.metavar or setting.name.upper()
    read = typed(setting.read)
    parser.add_argument(flag, type=read, metavar=metavar, default=setting.default, help=text)


def add_computing(parser: argparse.ArgumentParser, *, int8: bool = False) -> None:
    """Add where and in which numbers to compute.

    `int8`: points are all that is wanted, so that they can be computed in 8 bits.
    """
    add_setting(parser, _COMPUTING["device"])
    choices = PRECISIONS if int8 else PRECISIONS[:-1]
    add_setting(parser, replace(_COMPUTING["precision"], choices=choices))


def add_batch_size(parser: argparse.ArgumentParser) -> None:
    """Add how many frames are computed together."""
    add_setting(parser, _COMPUTING["batch_size"])


def add_white(parser: argparse.ArgumentParser) -> None:
    """Add the white level."""
    add_setting(parser, _COMPUTING["white"])


def add_crop(parser: argparse.ArgumentParser) -> None:
    """Add the crop."""
    add_setting(parser, _COMPUTING["crop"])


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """Add the cluster that a job on many videos runs on; see `napari_vitface.cli.on_cluster`."""
    parser.add_argument(
        "--cluster",
        metavar="local:N|tcp://HOST:PORT|FILE.yaml",
        help="run on a Dask cluster: N processes of this computer, a scheduler that runs, or jobs "
        "of a queue (SLURM, PBS, ...) by a file of dask-jobqueue's settings",
    )
    parser.add_argument(
        "--map-path",
        action="append",
        default=[],
        metavar="HERE=THERE",
        help=r"what a folder of this computer is called on the workers of the cluster, as in "
        r"D:\\videos=/mnt/lab/videos; may be given several times",
    )


def chosen(arguments: argparse.Namespace, *owners: type) -> dict[str, Any]:
    """What was typed of the settings of dataclasses, those that the command has."""
    names = {name for owner in owners for name in declared(owner)}
    return {name: value for name, value in vars(arguments).items() if name in names}


def given(
    arguments: argparse.Namespace, job: Callable[..., Iterator[Event]], **own: Any
) -> dict[str, Any]:
    """What a job takes of what was typed, for what is typed is called as its parameters are.

    `own`: what else it takes, or takes in place of what was typed.
    """
    names = inspect.signature(job).parameters
    return {name: value for name, value in vars(arguments).items() if name in names} | own


def typed(read: Callable[[str], T]) -> Callable[[str], T]:
    """The type of what is read of a text, whose `VitFaceError` is told of the option."""

    def found(text: str) -> T:
        try:
            return read(text)
        except VitFaceError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return found


#: The types of a part of the frame (x, y, width and height in pixels) and of a range of frames.
rectangle, frames = typed(read_rectangle), typed(parse_frames)


def number(kind: type[N], what: str, fits: Callable[[N], bool]) -> Callable[[str], N]:
    """The type of a number that `fits`; `what` it is, for the sentence about one that does not."""

    def read(text: str) -> N:
        try:
            found = kind(text)
            if not fits(found):
                raise ValueError
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no {what}") from None
        return found

    return read


#: The type of how many of something are wanted.
count = number(int, "whole number from 1", lambda found: found >= 1)
