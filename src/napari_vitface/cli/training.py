"""The command ``train``: its options, and what it prints."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vitface.cli.parser import (
    _add,
    _add_computing,
    _add_crop,
    _Commands,
    _Parents,
)

if TYPE_CHECKING:
    from napari_vitface.cli.report import Reporter


def add_train(commands: _Commands, parents: _Parents) -> None:
    """Add the parser of ``train``."""
    parser = _add(
        commands,
        "train",
        "Train a model on labelled frames, and judge it on frames that it was not trained on.",
        parents,
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
        "--name",
        metavar="NAME",
        help="of the new model (default: the project's folder, with a number if it is taken)",
    )
    parser.add_argument(
        "--init",
        default="mouse-face",
        metavar="MODEL|timm:NAME|scratch",
        help="model to start from; timm:NAME takes pretrained weights of timm, scratch random ones "
        "(needs hundreds of frames) (default: %(default)s)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="train the head alone, on features that are computed once: for few frames and no GPU",
    )
    parser.add_argument(
        "--val",
        default="time",
        metavar="time|video:NAME|random:FRACTION",
        help="labelled frames kept apart to judge by: the last quarter of each recording "
        "(time:FRACTION for another share), a recording, or frames at random (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--output-dir",
        type=Path,
        metavar="DIR",
        help="where the model and runs/NAME go (default: vitface/models and vitface/runs of the "
        "project)",
    )
    _add_going_on(parser)
    _add_network(parser)
    _add_computing(parser)
    _add_optimiser(parser)
    parser.add_argument(
        "--augment",
        action="append",
        default=[],
        type=_strength,
        metavar="NAME=VALUE",
        help="change how strongly frames are varied: rotation (degrees), scale, translation, flip, "
        "brightness, contrast, gamma, noise, blur, erase; flip=0.5 for recordings of both sides",
    )
    parser.add_argument(
        "--radius",
        type=float,
        metavar="PIXELS",
        help="distance that confidence is about: 0.9 is that nine points in ten lie within it "
        "(default: 1 %% of the frame's diagonal)",
    )
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


def _add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backbone",
        metavar="NAME",
        help="timm's name of a ViT, with --init scratch; larger ones need a GPU (default: "
        "vit_tiny_patch16_224)",
    )
    parser.add_argument(
        "--head",
        choices=("unet", "heatmap", "regression"),
        metavar="unet|heatmap|regression",
        help="unet also looks at the image itself, heatmap at the tokens alone, regression "
        "gives no confidence (default: that of the start, or unet)",
    )
    parser.add_argument(
        "--image-size",
        type=_size,
        metavar="HxW",
        help="of the model's input, in pixels; larger is more exact and slower (default: that of "
        "the start, or about 240x320)",
    )
    parser.add_argument(
        "--channels",
        type=int,
        choices=(1, 3),
        help="grey or colour, for a new network (default: 1)",
    )
    parser.add_argument(
        "--drop-path",
        type=float,
        metavar="RATE",
        help="of a new network; 0.1 to 0.3 keeps large ones from learning by heart (default: 0.05)",
    )
    # The labels say where the face is.
    _add_crop(parser, auto=False)


def _add_optimiser(parser: argparse.ArgumentParser) -> None:
    for flag, kind, metavar, text in (
        ("--steps", _whole, "N", "optimiser steps; more if the error still falls at the end "
         "(default: by the number of frames)"),
        ("--seed", int, "N", "of all that is random; with the same seed, precision and number of "
         "threads a CPU gives the same weights (default: 0)"),
        ("--batch-size", _whole, "N", "frames that go through the network together (default: 16)"),
        ("--accumulate", _whole, "N", "batches that make a step; double it and halve the batch for "
         "much the same result in less memory (default: 1)"),
        ("--learning-rate", float, "RATE",
         "lower it if the loss jumps (default: 5e-4; quick 2e-3)"),
        ("--layer-decay", float, "FACTOR", "of the rate from each block to the one before it; "
         "raise it for recordings unlike those that the start knows (default: 0.75)"),
        ("--weight-decay", float, "RATE", "raise it if the loss falls and the held-out error does "
         "not (default: 0.05)"),
        ("--warm-up", int, "N", "steps of rising rate (default: a tenth of all)"),
        ("--frozen-steps", int, "N", "steps at the start in which only the head is trained; more "
         "for new keypoints (default: a tenth of all)"),
        ("--sigma", float, "CELLS", "spread of the heatmap targets; smaller is more exact and "
         "harder to learn (default: 2)"),
        ("--gradient-clip", float, "NORM", "largest norm of a gradient (default: 1)"),
        ("--ema-decay", float, "DECAY", "of the average of weights that is kept (default: by the "
         "steps)"),
        ("--patience", int, "N", "judgements (each a twentieth of the steps) without a better one "
         "after which it stops; 0: never (default: 6)"),
    ):  # fmt: skip
        parser.add_argument(flag, type=kind, metavar=metavar, help=text)


def train(arguments: argparse.Namespace, reporter: Reporter) -> int:
    """Train, and print the verdict and where the files are."""
    from napari_vitface.jobs.training.train import train as job

    options: dict[str, Any] = {}
    # What is not given is left to the job.
    for name in (
        "steps", "seed", "batch_size", "accumulate", "learning_rate", "layer_decay",
        "weight_decay", "warm_up", "frozen_steps", "sigma", "gradient_clip", "ema_decay",
        "patience",
    ):  # fmt: skip
        if (value := getattr(arguments, name)) is not None:
            options[name] = value
    if arguments.drop_path is not None:
        options["timm_args"] = {"drop_path_rate": arguments.drop_path}
    events = job(
        arguments.labels,
        name=arguments.name,
        init=arguments.init,
        quick=arguments.quick,
        val=arguments.val,
        backbone=arguments.backbone,
        head=arguments.head,
        image_size=arguments.image_size,
        channels=arguments.channels,
        crop=arguments.crop,
        output_dir=arguments.output_dir,
        device=arguments.device,
        precision=arguments.precision,
        augmentation=dict(arguments.augment),
        radius=arguments.radius,
        resume=arguments.resume,
        finish=arguments.finish,
        overwrite=arguments.overwrite,
        track=arguments.track,
        **options,
    )
    result = reporter.run(events, title="training")
    verdicts = [result["verdict"], result["against_mean_pose"]]
    lines = [verdict["sentence"] for verdict in verdicts if verdict is not None]
    reporter.result("\n".join([*lines, result["model"], result["report"]]))
    return 0


def _whole(text: str) -> int:
    try:
        number = int(text)
        if number < 1:
            raise ValueError
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1") from None
    return number


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    try:
        size = int(height), int(width)
        if min(size) < 1:
            raise ValueError
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no size; give HEIGHTxWIDTH in pixels, for example 240x320"
        ) from None
    return size


def _strength(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no strength; give NAME=VALUE, for example rotation=20"
        ) from None
