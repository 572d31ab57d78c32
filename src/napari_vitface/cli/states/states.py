"""The command ``states``, and those behind it."""

from __future__ import annotations

from napari_vitface.cli.arguments import group
from napari_vitface.cli.states import (
    evaluate,
    explain,
    features,
    predict,
    report,
    responses,
    train,
)

STATES = group(
    "states",
    "What the face in a video says of the state that the animal is in.",
    (
        features.COMMAND,
        responses.COMMAND,
        train.COMMAND,
        predict.COMMAND,
        evaluate.COMMAND,
        report.COMMAND,
        explain.COMMAND,
    ),
)
