"""The command ``train``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.cli.arguments import (
    Command,
    add_computing,
    add_labels,
    add_output_dir,
    add_settings,
    given,
)
from napari_vitface.settings.option import declared
from napari_vitface.settings.training import TrainingSettings

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter


_SETTINGS = declared(TrainingSettings)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_labels(parser)
    parser.add_argument(
        "--name",
        metavar="NAME",
        help="of the new model (default: the project's folder, with a number if it is taken)",
    )
    add_settings(parser, _SETTINGS, "init", "quick", "val")
    add_output_dir(
        parser, "the model and runs/NAME", "vitface/models and vitface/runs of the project"
    )
    _add_going_on(parser)
    add_settings(parser, _SETTINGS, "backbone", "blocks", "head", "image_size", "channels")
    parser.add_argument(
        "--drop-path",
        type=float,
        metavar="RATE",
        help="of a new network; 0.1 to 0.3 keeps large ones from learning by heart (default: 0.05)",
    )
    add_settings(parser, _SETTINGS, "crop", "white")
    add_computing(parser)
    add_settings(
        parser,
        _SETTINGS,
        "steps",
        "seed",
        "batch_size",
        "accumulate",
        "learning_rate",
        "layer_decay",
        "weight_decay",
        "warm_up",
        "frozen_steps",
        "sigma",
        "gradient_clip",
        "ema_decay",
        "patience",
    )
    parser.add_argument(
        "--augment",
        action="append",
        default=[],
        type=_strength,
        metavar="NAME=VALUE",
        help="change how strongly frames are varied: rotation (degrees), scale, translation, flip, "
        "brightness, contrast, gamma, noise, blur, erase; flip=0.5 for recordings of both sides",
    )
    add_settings(parser, _SETTINGS, "radius")
    parser.add_argument(
        "--track",
        action="append",
        default=[],
        choices=("tensorboard", "wandb"),
        metavar="tensorboard|wandb",
        help="also write the curves for these, in the run's folder; nothing is sent",
    )


def _add_going_on(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--continue",
        dest="resume",
        action="store_true",
        default=None,
        help="go on with the unfinished run --name as it was begun, with the labels of then",
    )
    group.add_argument(
        "--finish",
        action="store_true",
        help="end the unfinished run --name with what it has reached",
    )
    group.add_argument(
        "--overwrite", action="store_true", help="begin anew, whatever is there under this name"
    )


def handle(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Train, and print the verdict and where the files are."""
    from napari_vitface.jobs.results.training import TrainResult
    from napari_vitface.jobs.training.train import train as job

    drop_path = arguments.drop_path
    events = job(
        **given(
            arguments,
            job,
            augmentation=dict(arguments.augment),
            timm_args={} if drop_path is None else {"drop_path_rate": drop_path},
        )
    )
    result = reporter.run(events, TrainResult, title="training")
    verdicts = [result.verdict, result.against_mean_pose]
    lines = [verdict.sentence for verdict in verdicts if verdict is not None]
    # Without room for it a notice said so.
    report = [path for path in [result.report] if Path(path).is_file()]
    reporter.result(*lines, result.model, *report)
    return 0


def _strength(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no strength; give NAME=VALUE, for example rotation=20"
        ) from None


COMMAND = Command(
    "train",
    "Train a model on labelled frames, and judge it on frames that it was not trained on.",
    _add_arguments,
    handle,
)
