"""Compare frames of recordings by their features: their similarity, and a map of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_vitface.jobs.events import Event, Finished, Notice, Preparing, Started
from napari_vitface.jobs.results.states import CompareFramesResult
from napari_vitface.jobs.states.feature_files import file_of

if TYPE_CHECKING:
    from napari_vitface.states.comparing import Intervals
    from napari_vitface.states.features.file import FeatureFile


def compare_frames(
    path: str | os.PathLike[str],
    *,
    intervals: Intervals | None = None,
    others: Mapping[str, Intervals] | None = None,
    model: str = "mouse-face",
    embedding: Literal["pca", "umap"] = "pca",
    most: int = 2000,
    seed: int = 0,
) -> Iterator[Event]:
    """Compare frames of a recording, and of others beside it.

    Parameters
    ----------
    path : path
        A file that `features` wrote.
    intervals : mapping of str to sequence of (onset, offset), optional
        Frames with a label, offset being the first frame after them.
    others : mapping of str to intervals, optional
        By their paths, other videos beside which features of the same kind may lie; those that
        have none are left out.
    model : str
        Of these features, if they are of one.
    embedding : {"pca", "umap"}
    most : int
        Frames that are looked at: as many, evenly spread, and up to as many again with a label.
    seed : int
        Of UMAP.

    Yields
    ------
    Started, Preparing, Notice
    Finished
        With a `CompareFramesResult`.

    Raises
    ------
    VitFaceError
        A file is no such file, has a single number a frame, or too few frames, or features were
        not made alike; UMAP is not installed.
    """
    from napari_vitface.states.comparing import compared
    from napari_vitface.states.embedding import embed
    from napari_vitface.states.features.file import FeatureFile
    from napari_vitface.states.similarity import clustered, similarity

    with ExitStack() as stack:
        file = stack.enter_context(FeatureFile(path))
        recordings: list[tuple[FeatureFile, Intervals]] = [(file, intervals or {})]
        videos = [_video_of(file)]
        missing = []
        for video, spans in (others or {}).items():
            beside = file_of(file.kind, Path(video), model)
            if beside.exists():
                recordings.append((stack.enter_context(FeatureFile(beside)), spans))
                videos.append(video)
            else:
                missing.append(Path(video).name)
        if missing:
            yield Notice(
                f"Not compared, for no {file.kind.title} was computed of "
                f"{'it' if len(missing) == 1 else 'them'}: {', '.join(missing)}."
            )
        yield Preparing(f"Reading {file.path.name}")
        some = compared(recordings, most)
        labels = dict.fromkeys(name for _, spans in recordings for name in spans)
        yield Started("compare_frames", len(some.frames))
        matrix = similarity(some.values)
        yield Preparing("Ordering frames by what is alike")
        clusters = clustered(matrix)
        slow = (
            " by UMAP, which takes a minute or more the first time" if embedding == "umap" else ""
        )
        yield Preparing(f"Making a map of the frames{slow}")
        found = embed(some.values, embedding, seed=seed)
        names = tuple(name for name in labels if (some.labels == name).any())
        position = {name: i for i, name in enumerate(names)}
        yield Finished(
            "compare_frames",
            CompareFramesResult(
                paths=tuple(str(each.path) for each, _ in recordings),
                kind=file.kind.name,
                title=file.kind.title,
                videos=tuple(videos),
                source=some.source,
                frames=some.frames,
                labels=names,
                label=np.array([position.get(name, -1) for name in some.labels], np.int16),
                similarity=matrix.astype(np.float16),
                clusters=clusters,
                points=found.points,
                explained=found.explained,
            ),
        )


def _video_of(file: FeatureFile) -> str:
    """The path of a video that lies beside its features."""
    return str(file.path.with_name(str(file.about.get("video", {}).get("name", ""))))
