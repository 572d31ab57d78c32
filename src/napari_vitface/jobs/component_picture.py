"""One spatial component of motion or of the movie, to be drawn on the video."""

from __future__ import annotations

import os
from collections.abc import Iterator

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Event, Finished
from napari_vitface.jobs.results.traces import ComponentPictureResult


def component_picture(
    path: str | os.PathLike[str], region: str = "", number: int = 1
) -> Iterator[Event]:
    """Read a component of a file that the job of traces wrote.

    Parameters
    ----------
    path : path
        ``<video>_traces_components.h5``.
    region : str
        As the table calls it: "motion pad"; default the first one.
    number : int
        From 1.

    Yields
    ------
    Finished
        With a `ComponentPictureResult`.

    Raises
    ------
    VitFaceError
        The file cannot be read, or has no such component.
    """
    from napari_vitface.traces.components_file import read_components

    found = {f"{each.of} {each.region}": each for each in read_components(path)}
    chosen = found.get(region or next(iter(found), ""))
    if chosen is None or not 1 <= number <= len(chosen.masks):
        raise VitFaceError(f"{path} holds no component {number} of {region}; measure it again.")
    yield Finished(
        "component_picture",
        ComponentPictureResult(
            counts={name: len(each.masks) for name, each in found.items()},
            picture=chosen.masks[number - 1],
            corner=chosen.rectangle[:2],
            bin=chosen.bin,
        ),
    )
