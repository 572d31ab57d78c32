"""The settings of a training.

The arguments of `napari_vitface.train`, the options of the command line, the fields of the window
and the checks of what is chosen come from this declaration.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

from napari_vitface.errors import VitFaceError
from napari_vitface.record import plain_data
from napari_vitface.settings.computing import Rectangle, White, read_rectangle
from napari_vitface.settings.heads import DEFAULT_HEAD, OWN_HEADS, find_head
from napari_vitface.settings.option import Option, declared

#: Starts that are no model: random weights, and the prefix of timm's pretrained weights.
SCRATCH, TIMM = "scratch", "timm:"


def is_model(init: str) -> bool:
    """Whether training starts from a model, and not from a backbone of timm with a new head."""
    return init != SCRATCH and not init.startswith(TIMM)


def timm_start(init: str) -> tuple[str, str | None]:
    """timm's name in ``timm:NAME`` or ``timm:NAME=FILE``, and the file of weights if any.

    That is empty where none is named after the ``=``.
    """
    name, equals, file = init.removeprefix(TIMM).partition("=")
    return name.strip(), file.strip() if equals else None


#: Where the file of a training's state keeps its numbers, in the metadata of safetensors.
STATE_KEY = "napari_vitface_training"


def read_size(text: str) -> tuple[int, int]:
    """(H, W) of ``HxW``.

    Raises
    ------
    VitFaceError
        The text is no size.
    """
    found = re.fullmatch(r"(\d+)\s*[xX×*, ]\s*(\d+)", text.strip())
    if found is None or not int(found[1]) or not int(found[2]):
        raise VitFaceError(
            f"{text!r} is no image size; give HEIGHTxWIDTH in pixels, for example 240x320."
        )
    return int(found[1]), int(found[2])


def _read_head(name: str) -> str:
    return find_head(name).name


def _read_channels(text: str) -> int:
    if text not in ("1", "3"):
        raise VitFaceError(f"{text!r} is no number of channels; give 1 for grey, 3 for colour.")
    return int(text)


@dataclass(frozen=True)
class TrainingSettings:
    """Everything that a training depends on but its labels. None is decided as it begins.

    `crop` (x, y, w, h), `white` and `precision` are those of `napari_vitface.predict`;
    ``"auto"`` takes bf16 where a training step is measured to be faster in it. `augmentation` has
    strengths of `napari_vitface.training.augmentation.Augmentation` to change, and `timm_args`
    further arguments of a new backbone, as ``{"drop_path_rate": 0.2}``.
    """

    init: Annotated[
        str,
        Option(
            help="model to start from; timm:NAME takes pretrained weights of timm, timm:NAME=FILE "
            "those of a .safetensors file, scratch random ones (needs hundreds of frames)",
            metavar="MODEL|timm:NAME[=FILE]|scratch",
        ),
    ] = "mouse-face"
    backbone: Annotated[
        str | None,
        Option(
            help="timm's name of a ViT, with --init scratch; larger ones need a GPU (default: "
            "vit_tiny_patch16_224)",
            metavar="NAME",
        ),
    ] = None
    blocks: Annotated[
        int | None,
        Option(
            help="of a new network, only the first so many: half of them take half the time "
            "(default: all)",
            metavar="N",
            ge=1,
        ),
    ] = None
    head: Annotated[
        str | None,
        Option(
            help=f"{', '.join(f'{head.name} {head.description}' for head in OWN_HEADS)} (default: "
            f"that of the start, or {DEFAULT_HEAD})",
            # Not as choices: to show them in --help, packages that add some would be searched for.
            metavar="|".join(head.name for head in OWN_HEADS),
            parse=_read_head,
        ),
    ] = None
    steps: Annotated[
        int | None,
        Option(
            help="optimiser steps; more if the error still falls at the end (default: by the "
            "number of frames)",
            label="Steps",
            metavar="N",
            ge=1,
            step=50,
        ),
    ] = None
    image_size: Annotated[
        tuple[int, int] | None,
        Option(
            help="of the model's input, in pixels; larger is more exact and slower (default: that "
            "of the start, or about 240x320)",
            label="Image size",
            metavar="HxW",
            parse=read_size,
            unset="as the model has it",
        ),
    ] = None
    # The labels say where the face is: it is not looked for.
    crop: Annotated[
        Rectangle | None,
        Option(
            help="part of the frame that the model sees, in video pixels (default: the crop stored "
            "with the model, or the whole frame)",
            metavar="X,Y,W,H",
            parse=read_rectangle,
        ),
    ] = None
    channels: Annotated[
        int | None,
        Option(
            help="grey or colour, for a new network (default: 1)",
            metavar="{1,3}",
            parse=_read_channels,
        ),
    ] = None
    val: Annotated[
        str,
        Option(
            help="labelled frames kept apart to judge by: the last quarter of each recording "
            "(time:FRACTION for another share), a recording, or frames at random",
            metavar="time|video:NAME|random:FRACTION",
        ),
    ] = "time"
    seed: Annotated[
        int,
        Option(
            help="of all that is random; with the same seed, precision and number of threads a "
            "CPU gives the same weights",
            label="Seed",
            metavar="N",
            ge=0,
        ),
    ] = 0
    precision: str = "auto"
    batch_size: Annotated[
        int | None,
        Option(
            help="frames that go through the network together; fewer need less memory "
            "(default: 16; quick 4)",
            label="Batch",
            metavar="N",
            ge=1,
        ),
    ] = None
    # The norms of the head unet see smaller batches.
    accumulate: Annotated[
        int,
        Option(
            help="batches that make a step; double it and halve the batch for much the same "
            "result in less memory",
            metavar="N",
            ge=1,
        ),
    ] = 1
    learning_rate: Annotated[
        float | None,
        Option(
            help="lower it if the loss jumps (default: 5e-4; quick 2e-3)",
            label="Learning rate",
            metavar="RATE",
            gt=0,
            step=1e-4,
        ),
    ] = None
    weight_decay: Annotated[
        float,
        Option(
            help="raise it if the loss falls and the held-out error does not", metavar="RATE", ge=0
        ),
    ] = 0.05
    # From random weights it is 1.
    layer_decay: Annotated[
        float | None,
        Option(
            help="of the rate from each block to the one before it; raise it for recordings "
            "unlike those that the start knows (default: 0.75)",
            metavar="FACTOR",
            gt=0,
            le=1,
        ),
    ] = None
    warm_up: Annotated[
        int | None,
        Option(help="steps of rising rate (default: a tenth of all)", metavar="N", ge=0),
    ] = None
    frozen_steps: Annotated[
        int | None,
        Option(
            help="steps at the start in which only the head is trained; more for new keypoints "
            "(default: a tenth of all)",
            metavar="N",
            ge=0,
        ),
    ] = None
    sigma: Annotated[
        float,
        Option(
            help="spread of the heatmap targets; smaller is more exact and harder to learn",
            metavar="CELLS",
            gt=0,
        ),
    ] = 2
    gradient_clip: Annotated[
        float, Option(help="largest norm of a gradient", metavar="NORM", gt=0)
    ] = 1
    ema_decay: Annotated[
        float | None,
        Option(
            help="of the average of weights that is kept (default: by the steps)",
            metavar="DECAY",
            ge=0,
            le=1,
        ),
    ] = None
    # It needs at least 16 frames kept apart, half of which then choose when to stop.
    patience: Annotated[
        int,
        Option(
            help="judgements (each a twentieth of the steps) without a better one after which it "
            "stops; 0: never",
            metavar="N",
            ge=0,
        ),
    ] = 6
    augmentation: Mapping[str, float] = field(default_factory=dict)
    timm_args: Mapping[str, Any] = field(default_factory=dict)
    radius: Annotated[
        float | None,
        Option(
            help="distance that confidence is about: 0.9 is that nine points in ten lie within it "
            "(default: 1 % of the diagonal of the frame or its crop)",
            metavar="PIXELS",
            gt=0,
        ),
    ] = None
    quick: Annotated[
        bool,
        Option(
            help="train the head alone, on features that are computed once: for few frames and no "
            "GPU",
        ),
    ] = False
    white: White = None

    def __post_init__(self) -> None:
        # As callers give them.
        object.__setattr__(self, "init", os.fspath(self.init))
        for name in ("augmentation", "timm_args"):
            object.__setattr__(self, name, dict(getattr(self, name) or {}))
        for name, setting in declared(type(self)).items():
            setting.check(getattr(self, name))
        if self.head is not None:
            find_head(self.head)
        if self.quick and (self.init == SCRATCH or self.head is not None):
            raise VitFaceError(
                "Quick training trains the head of a model that is there; start from a model or "
                "from timm weights and leave the head as it is, or train without quick."
            )

    def to_dict(self) -> Any:
        """As plain data, for JSON."""
        return plain_data(self)

    def difference(self, other: Mapping[str, object]) -> list[str]:
        """Names of the settings in which a stored run (`to_dict` through JSON) was begun otherwise.

        Precision is not among them: it moves points by fractions of a pixel.
        """
        mine = self.to_dict()
        names = [one.name for one in fields(self) if one.name != "precision"]
        return [name.replace("_", " ") for name in names if mine.get(name) != other.get(name)]
