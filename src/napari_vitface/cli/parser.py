"""What can be typed: subcommands, options, their defaults and help."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_vitface import __version__

_EPILOG = """\
Exit status: 0 done; 1 failed, with one sentence on standard error; 2 wrong arguments;
130 cancelled (Ctrl-C). A cancelled or killed prediction goes on where it stopped when the same
command is given again.
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of ``napari-vitface``; the namespace's `command` names the subcommand."""
    parser = argparse.ArgumentParser(
        prog="napari-vitface",
        description="ViT keypoints and attention maps for mouse-face videos.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"napari-vitface {__version__}")
    # Their modules take what is common to all commands from this one.
    from napari_vitface.cli.attention import add_attention
    from napari_vitface.cli.export import add_export
    from napari_vitface.cli.frames import add_audit, add_suggest
    from napari_vitface.cli.quantise import add_quantise
    from napari_vitface.cli.training import add_train

    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show the traceback of an error")
    as_json = argparse.ArgumentParser(add_help=False)
    as_json.add_argument(
        "--json",
        action="store_true",
        help="write one JSON object a line to standard output, the last one the result",
    )
    _add_demo(commands, [common])
    _add_predict(commands, [common, as_json])
    add_attention(commands, [common, as_json])
    add_train(commands, [common, as_json])
    _add_evaluate(commands, [common, as_json])
    add_suggest(commands, [common, as_json])
    add_audit(commands, [common, as_json])
    add_export(commands, [common, as_json])
    add_quantise(commands, [common, as_json])
    _add_models(commands, [common, as_json])
    return parser


_Commands = argparse._SubParsersAction  # argparse names no public type for it
_Parents = list[argparse.ArgumentParser]


def _add(commands: _Commands, name: str, help: str, parents: _Parents) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=help[0].lower() + help[1:].rstrip("."),
        description=help,
        parents=parents,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_demo(commands: _Commands, parents: _Parents) -> None:
    parser = _add(
        commands, "demo", "Show points and attention on a drawn sample video in napari.", parents
    )
    parser.add_argument(
        "--headless",
        action="store_true",
        help="write overlay.mp4, overlay.png and predictions.csv instead of opening a window; so "
        "it is without a display, too",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("vitface-demo"),
        metavar="DIR",
        help="folder for the sample video and what is made of it (default: %(default)s)",
    )


def _add_predict(commands: _Commands, parents: _Parents) -> None:
    parser = _add(
        commands,
        "predict",
        "Predict the keypoints of videos; write <video>_vitface_<model>.h5 and .csv.",
        parents,
    )
    parser.add_argument(
        "videos",
        nargs="+",
        type=Path,
        metavar="VIDEO",
        help="a video, a folder of images, a TIFF stack or an image",
    )
    _add_model(parser)
    parser.add_argument(
        "--output-dir",
        type=Path,
        metavar="DIR",
        help="where the files go (default: beside each video)",
    )
    _add_computing(parser, int8=True)
    parser.add_argument(
        "--batch-size",
        type=_batch_size,
        default="auto",
        metavar="auto|N",
        help="frames that go through the model together (default: auto, by the device)",
    )
    _add_crop(parser)
    parser.add_argument(
        "--frames",
        type=_frames,
        metavar="START:STOP:STEP",
        help="only these frames, as in Python: 0:1000, ::10, -500: (default: all)",
    )
    parser.add_argument(
        "--white",
        type=int,
        metavar="N",
        help="value that is white in a recording of more than 8 bits, 4095 for 12 (default: what "
        "the file says, or what the brightest of 32 of its frames needs)",
    )
    parser.add_argument(
        "--overlay",
        action="store_true",
        help="also write <video>_vitface_<model>_overlay.mp4 with points, names, skeleton and "
        "trails; fainter is less sure",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace files that exist (default: refuse)",
    )


def _add_evaluate(commands: _Commands, parents: _Parents) -> None:
    parser = _add(
        commands,
        "evaluate",
        "Measure a model's error on labelled frames, beside that of the mean pose.",
        parents,
    )
    parser.add_argument(
        "model", metavar="MODEL", help="name of a bundled model or a .safetensors file"
    )
    parser.add_argument(
        "labels",
        nargs="+",
        type=Path,
        metavar="LABELS",
        help="a DeepLabCut project folder, a labeled-data/<video> folder, or a "
        "CollectedData_*.csv|.h5",
    )
    parser.add_argument(
        "--held-out",
        action="store_true",
        help="judge only the frames that the model's training kept apart (default: all frames)",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="write report.html, metrics.json and worst.png there",
    )
    _add_computing(parser, int8=True)


def _add_models(commands: _Commands, parents: _Parents) -> None:
    parser = _add(
        commands,
        "models",
        "List the models that can be used, with their measured accuracy.",
        parents,
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="FOLDER",
        help="a project folder or a folder of .safetensors files, listed beside the bundled models "
        "(default: the current folder, if it is a project)",
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        default="mouse-face",
        metavar="NAME|FILE",
        help="name of a bundled model or a .safetensors file (default: %(default)s)",
    )


def _add_computing(parser: argparse.ArgumentParser, *, int8: bool = False) -> None:
    """`int8`: points are all that is wanted, so that they can be computed in 8 bits."""
    precisions = ["auto", "fp32", "bf16", "fp16", *(["int8"] if int8 else [])]
    parser.add_argument(
        "--device",
        default="auto",
        type=_device,
        metavar="auto|cpu|cuda|cuda:N|mps",
        help="where to compute (default: auto, a GPU if there is one)",
    )
    parser.add_argument(
        "--precision",
        default="auto",
        choices=precisions,
        metavar="|".join(precisions),
        help="number format of the model; auto: the fastest measured that gives the same points "
        "(default: %(default)s)",
    )


def _add_crop(parser: argparse.ArgumentParser, *, auto: bool = True) -> None:
    """`auto`: the crop can be found by the model."""
    found = "; auto: where the model finds the face, looking at a few frames" if auto else ""
    parser.add_argument(
        "--crop",
        type=_crop_or_auto if auto else _crop,
        metavar="auto|X,Y,W,H" if auto else "X,Y,W,H",
        help=f"part of the frame that the model sees, in video pixels{found} (default: the crop "
        "stored with the model, or the whole frame)",
    )


def _crop_or_auto(text: str) -> tuple[int, int, int, int] | str:
    if text == "auto":
        return text
    try:
        return _crop(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}; or auto") from None


def _crop(text: str) -> tuple[int, int, int, int]:
    try:
        x, y, w, h = (int(part) for part in text.split(","))
        if min(x, y) < 0 or min(w, h) < 1:
            raise ValueError
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no crop; give X,Y,W,H in whole pixels, for example 100,80,400,300"
        ) from None
    return x, y, w, h


def _frames(text: str) -> slice:
    from napari_vitface.errors import VitFaceError
    from napari_vitface.jobs.frame_range import parse_frames

    try:
        return parse_frames(text)
    except VitFaceError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _count(text: str) -> int:
    try:
        number = int(text)
        if number < 1:
            raise ValueError
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1") from None
    return number


def _batch_size(text: str) -> int | str:
    if text == "auto":
        return text
    try:
        number = int(text)
        if number < 1:
            raise ValueError
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither auto nor a number from 1") from None
    return number


def _device(text: str) -> str:
    kind, colon, number = text.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (
        colon and not (kind == "cuda" and number.isdigit())
    ):
        raise argparse.ArgumentTypeError(f"{text!r} is not one of auto, cpu, cuda, cuda:N, mps")
    return text


def _share(text: str) -> float:
    try:
        share = float(text)
        if not 0 <= share < 1:
            raise ValueError
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to below 1") from None
    return share
