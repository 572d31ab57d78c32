"""Tables that a run with the same settings has left: what is done need not be done again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict, cast

import h5py
import numpy as np

from napari_vitface.jobs.fingerprint import Asked
from napari_vitface.jobs.outputs import Outputs
from napari_vitface.jobs.part_file import record_type
from napari_vitface.jobs.predicted_rows import Tally
from napari_vitface.jobs.results.prediction import PredictResult


class ByWorkers(TypedDict):
    """Which worker of a cluster predicted which frames of a table."""

    versions: Mapping[str, str]
    workers: list[str]
    columns: list[str]
    #: First and last frame, number of the worker, and seconds.
    spans: list[tuple[int, int, int, float]]


class Made(TypedDict, total=False):
    """How a table was made, as JSON has it; those of other programs do not say it."""

    model: str
    #: Of a bundled model's weights; others have none.
    model_version: str | None
    device: str
    precision: str
    batch_size: int
    crop: list[int]
    white: int | None
    asked: Asked
    cluster: ByWorkers


def tables_there(outputs: Outputs, asked: Asked, video: Path) -> PredictResult | None:
    """What a run that was asked for the same has left of a video; None if nothing stands there.

    Parameters
    ----------
    asked : Asked

    Raises
    ------
    VitFaceError
        Something else stands in the place of an output.
    """
    there = outputs.existing()
    if not there:
        return None
    made = _made(outputs.h5)
    if there != outputs.wanted or made.get("asked") != asked:
        outputs.refuse_if_existing()
    x, y, w, h = made["crop"]
    tally, frames = _tally(outputs.h5)
    return PredictResult(
        video=str(video),
        model=made["model"],
        **outputs.told(),
        frames=frames,
        broken=tuple(tally.broken),
        low_confidence=tally.low_confidence,
        crop=(x, y, w, h),
        white=made["white"],
        face=None,
        seconds=0.0,
        frames_per_second=None,
        device=made["device"],
        precision=made["precision"],
        batch_size=made["batch_size"],
        made=False,
    )


def _made(table: Path) -> Made:
    """How a table was made; empty if it does not say."""
    try:
        with h5py.File(table) as file:
            found = json.loads(file.attrs["vitface"])
    except (OSError, KeyError, TypeError, ValueError, RecursionError):
        return {}
    return cast(Made, found) if isinstance(found, dict) else {}


def _tally(table: Path) -> tuple[Tally, int]:
    from napari_vitface.formats.poses import read_poses

    poses = read_poses(table)
    rows = np.empty(len(poses.frames), record_type(poses.xy.shape[1]))
    rows["frame"], rows["xy"], rows["confidence"] = poses.frames, poses.xy, poses.confidence
    # Every frame that could be decoded has all points.
    rows["confidence"][np.isnan(poses.xy).all(axis=(1, 2))] = np.nan
    tally = Tally()
    tally.note(rows)
    return tally, len(rows)
