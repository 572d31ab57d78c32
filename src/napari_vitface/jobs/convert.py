"""Predictions or labels from one file format to another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_vitface.formats.conversion import (
    check_needs,
    from_corners,
    source_format,
    target_format,
    write_labels,
    write_predictions,
)
from napari_vitface.formats.format import Content, read_with
from napari_vitface.formats.label_tables import top_of
from napari_vitface.formats.labelled_images import Labels
from napari_vitface.formats.predictions import Choice
from napari_vitface.jobs.events import Event, Finished, Notice, Progress, Settings, Started
from napari_vitface.jobs.outputs import made_folder, refuse_existing
from napari_vitface.jobs.results.convert import ConvertResult
from napari_vitface.project.embedded_images import IMAGES, with_images
from napari_vitface.words import counted


def convert(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    read_as: str | None = None,
    write_as: str | None = None,
    content: Content | None = None,
    animal: str | None = None,
    table: str | None = None,
    frame_rate: float | None = None,
    corners: bool = False,
    overwrite: bool = False,
) -> Iterator[Event]:
    """Write what a file holds in another format.

    Predictions stay predictions and labels stay labels. What the other format cannot hold is told.

    Parameters
    ----------
    source, output : path
    read_as, write_as : str, optional
        Names of formats; default: what the files are, or end in.
    content : "predictions" or "labels", optional
        What is wanted of a file that holds both.
    animal, table : str, optional
        Which of several in the file.
    frame_rate : float, optional
        Frames a second, in place of what the file says.
    corners : bool
        The file counts from the corner of the top left pixel, the centre of which is (0.5, 0.5).
    overwrite : bool
        Replace a file that exists.

    Yields
    ------
    Started, Progress, Notice
    Finished
        With a `ConvertResult`.

    Raises
    ------
    VitFaceError
        One sentence: a file cannot be read or written, or more than one thing could be meant.
    """
    source, target = Path(source), Path(output)
    reader, held = source_format(source, read_as, content)
    writer = target_format(target, held, write_as)
    refuse_existing(target, overwrite)
    found = read_with(reader, held, source, Choice(animal, table, frame_rate))
    made_folder(target.parent)
    lost: list[str]
    if isinstance(found, Labels):
        yield Started("convert", len(found), settings=Settings(unit="images"))
        if corners:
            found = replace(found, xy=found.xy - 0.5, guesses=found.guesses - 0.5)
        top = top_of(target.absolute())
        found, images = with_images(found, top)
        if images:
            yield Notice(
                f"{counted(images, 'image')} of {source.name} "
                f"{'is' if images == 1 else 'are'} written below {top / IMAGES}."
            )
        points = found.count
        lost = write_labels(target, found, writer)
        yield Progress(len(found), len(found), 0.0)
    else:
        yield Started("convert", len(found.poses))
        poses = from_corners(found.poses) if corners else found.poses
        rate = found.frame_rate if frame_rate is None else float(frame_rate)
        found = replace(found, poses=poses, frame_rate=rate)
        check_needs(found, writer, source, rate_option="--frame-rate")
        points = int(np.isfinite(poses.xy).all(axis=-1).sum())
        lost = write_predictions(target, found, writer)
        yield Progress(len(poses), len(poses), 0.0)
    for sentence in lost:
        yield Notice(sentence)
    yield Finished(
        "convert",
        ConvertResult(
            file=str(target),
            content=held,
            read_as=reader.name,
            written_as=writer.name,
            frames=len(found if isinstance(found, Labels) else found.poses),
            points=points,
            lost=tuple(lost),
        ),
    )
