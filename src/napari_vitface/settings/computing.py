"""With what a network computes, and what it looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from napari_vitface.errors import VitFaceError
from napari_vitface.settings.option import Option

#: x, y, width and height, in whole video pixels.
Rectangle = tuple[int, int, int, int]
#: "auto" is where the face is found.
Crop = Rectangle | Literal["auto"]

#: In which numbers; the last is for points alone.
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")


def _read_device(text: str) -> str:
    kind, colon, number = text.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (
        colon and not (kind == "cuda" and number.isdigit())
    ):
        raise VitFaceError(f"{text!r} is not one of auto, cpu, cuda, cuda:N, mps")
    return text


def _read_batch_size(text: str) -> int | str:
    if text == "auto":
        return text
    if not text.isdecimal() or int(text) < 1:
        raise VitFaceError(f"{text!r} is neither auto nor a number from 1")
    return int(text)


def read_rectangle(text: str) -> Rectangle:
    """The part of a frame that was typed; raises `VitFaceError`."""
    try:
        x, y, w, h = (int(part) for part in text.split(","))
        if min(x, y) < 0 or min(w, h) < 1:
            raise ValueError
    except ValueError:
        raise VitFaceError(
            f"{text!r} is no crop; give X,Y,W,H in whole pixels, for example 100,80,400,300"
        ) from None
    return x, y, w, h


def _read_crop(text: str) -> Crop:
    if text == "auto":
        return "auto"
    try:
        return read_rectangle(text)
    except VitFaceError as error:
        raise VitFaceError(f"{error}; or auto") from None


White = Annotated[
    int | None,
    Option(
        help="value that is white in recordings of more than 8 bits, 4095 for 12 (default: what "
        "the project sets or the file says, or what the brightest of 32 of its frames needs)",
        metavar="N",
        ge=1,
        le=65535,
    ),
]


@dataclass(frozen=True)
class Numerics:
    """Where and in which numbers a network computes."""

    device: Annotated[
        str,
        Option(
            help="where to compute (default: auto, a GPU if there is one)",
            metavar="auto|cpu|cuda|cuda:N|mps",
            parse=_read_device,
        ),
    ] = "auto"
    precision: Annotated[
        str,
        Option(
            help="number format of the model; auto: the fastest measured that gives the same points"
        ),
    ] = "auto"


@dataclass(frozen=True)
class Computing(Numerics):
    """The same, and in which portions."""

    batch_size: Annotated[
        int | str,
        Option(
            help="frames that go through the model together (default: auto, by the device)",
            metavar="auto|N",
            parse=_read_batch_size,
        ),
    ] = "auto"


@dataclass(frozen=True)
class WhiteLevel:
    """How what is read becomes grey."""

    white: White = None


@dataclass(frozen=True)
class Reading(WhiteLevel, Computing):
    """With what a network computes, and how what is read becomes grey."""

    @property
    def computing(self) -> Computing:
        """What it takes to load a model."""
        return Computing(self.device, self.precision, self.batch_size)


@dataclass(frozen=True)
class Looking(Reading):
    """The same, and at what part of the frames a network looks."""

    crop: Annotated[
        Crop | None,
        Option(
            help="part of the frame that the model sees, in video pixels; auto: where the model "
            "finds the face, looking at a few frames (default: the crop stored with the model, or "
            "the whole frame)",
            metavar="auto|X,Y,W,H",
            parse=_read_crop,
        ),
    ] = None
