"""With what a network computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from napari_vitface.errors import VitFaceError
from napari_vitface.settings.option import Option

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


@dataclass(frozen=True)
class Computing:
    """Where, in which numbers and in which portions a network computes."""

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
    batch_size: Annotated[
        int | str,
        Option(
            help="frames that go through the model together (default: auto, by the device)",
            metavar="auto|N",
            parse=_read_batch_size,
        ),
    ] = "auto"
