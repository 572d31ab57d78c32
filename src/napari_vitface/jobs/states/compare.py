"""Compare the frames of a recording by their features: their similarity, and a map of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np

from napari_vitface.jobs.events import Event, Finished, Preparing, Started
from napari_vitface.jobs.results.states import CompareFramesResult


def compare_frames(
    path: str | os.PathLike[str],
    *,
    intervals: Mapping[str, Sequence[Sequence[int]]] | None = None,
    embedding: Literal["pca", "umap"] = "pca",
    most: int = 2000,
    seed: int = 0,
) -> Iterator[Event]:
    """Compare frames of a recording.

    Parameters
    ----------
    path : path
        A file that `features` wrote.
    intervals : mapping of str to sequence of (onset, offset), optional
        Frames with a label, offset being the first frame after them.
    embedding : {"pca", "umap"}
    most : int
        Frames that are looked at: as many, evenly spread, and up to as many again with a label.
    seed : int
        Of UMAP.

    Yields
    ------
    Started, Preparing
    Finished
        With a `CompareFramesResult`.

    Raises
    ------
    VitFaceError
        The file is no such file, has a single number a frame, or too few frames; UMAP is not
        installed.
    """
    from napari_vitface.states.comparing import compared
    from napari_vitface.states.embedding import embed
    from napari_vitface.states.features.file import FeatureFile
    from napari_vitface.states.similarity import order_of, similarity

    labels = dict(intervals or {})
    with FeatureFile(path) as file:
        yield Preparing(f"Reading {file.path.name}")
        some = compared(file, labels, most)
        yield Started("compare_frames", len(some.frames))
        matrix = similarity(some.values)
        yield Preparing("Ordering frames by what is alike")
        clusters = order_of(matrix, "clusters")
        yield Preparing("Making a map of the frames")
        found = embed(some.values, embedding, seed=seed)
        names = tuple(name for name in labels if (some.labels == name).any())
        position = {name: i for i, name in enumerate(names)}
        yield Finished(
            "compare_frames",
            CompareFramesResult(
                path=str(file.path),
                kind=file.kind.name,
                title=file.kind.title,
                video=str(file.about.get("video", {}).get("name", "")),
                frames=some.frames,
                labels=names,
                label=np.array([position.get(name, -1) for name in some.labels], np.int16),
                similarity=matrix.astype(np.float16),
                clusters=clusters,
                points=found.points,
                explained=found.explained,
            ),
        )
