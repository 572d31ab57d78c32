"""How like each label's prototype every frame of a recording is."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from napari_vitface.jobs.events import Event, Finished, Progress, Started
from napari_vitface.jobs.results.states import LikenessResult

#: Rows that are read at a time.
_ROWS = 4096


def likeness(
    path: str | os.PathLike[str],
    intervals: Mapping[str, Sequence[Sequence[int]]],
    *,
    share: float = 0.1,
) -> Iterator[Event]:
    """Compare every frame of a recording with the prototypes of its own labels.

    That a frame is like the prototype of a label which it was made of says little; what others are
    like says where else that face appears. Across animals see
    `napari_vitface.jobs.states.responses`.

    Parameters
    ----------
    path : path
        A file that `features` wrote.
    intervals : mapping of str to sequence of (onset, offset)
        Frames with a label, offset being the first frame after them.
    share : float
        Of a label's frames, those that its prototype is the mean of.

    Yields
    ------
    Started, Progress
    Finished
        With a `LikenessResult`.

    Raises
    ------
    VitFaceError
        The file is no such file, has a single number a frame, or no frame of it has a label.
    """
    from napari_vitface.states.comparing import Comparable, compared
    from napari_vitface.states.features.file import FeatureFile
    from napari_vitface.states.prototypes import prototypes

    with FeatureFile(path) as file:
        some = compared([(file, dict(intervals))])
        made = prototypes(some.values, some.labels, share=share)
        yield Started("likeness", len(file))
        scale = Comparable.of(file.thinned()[1], mixed=file.kind.mixed)
        found = np.empty((len(file), len(made.labels)), np.float32)
        for start in range(0, len(file), _ROWS):
            rows = file.rows(start, start + _ROWS)
            found[start : start + len(rows)] = made.similarity(scale(rows))
            yield Progress(start + len(rows), len(file))
        yield Finished(
            "likeness",
            LikenessResult(
                labels=made.labels,
                frames=(file.frames.start, file.frames.stop, file.frames.step),
                similarity=found,
            ),
        )
