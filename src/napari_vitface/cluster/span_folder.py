"""What workers have done of one video: a folder beside the outputs, with a file for each span.

It is called ``<video>_vitface_<model>.spans`` and stands on the file system that all workers
share, so that what is done outlives workers, scheduler and whoever gave the command. ``run.json``
says what was asked for; files have their names when they are complete, and not before.
"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import atomic_write
from napari_vitface.cluster.spans import Span
from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.fingerprint import Asked
from napari_vitface.jobs.outputs import Outputs, unwritable

_RUN = "run.json"
_NAME = re.compile(r"(\d{10})-(\d{10})\.npz")


class Run(TypedDict, total=False):
    """What was asked for, as ``run.json`` says it."""

    asked: Asked
    #: The fields of `Computing`, and of `Face`.
    computing: Mapping[str, Any]
    face: Mapping[str, Any] | None
    white: int | None
    versions: Mapping[str, str]


class Making(TypedDict, total=False):
    """By whom and how fast a span was made, and what was said meanwhile."""

    worker: str
    seconds: float
    notices: list[str]


class SpanFolder:
    """The spans of one video.

    Parameters
    ----------
    path : Path
        Need not be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def beside(cls, outputs: Outputs) -> SpanFolder:
        """That of a run, by its outputs."""
        return cls(outputs.spans)

    def run(self) -> Run:
        """What `begin` was given; empty if there is nothing to go on from."""
        try:
            found = json.loads((self.path / _RUN).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return cast(Run, found) if isinstance(found, dict) else {}

    def begin(self, run: Run) -> None:
        """Begin anew: what is there is deleted."""
        self.remove()
        try:
            self.path.mkdir(parents=True)
            with atomic_write(self.path / _RUN) as temporary:
                temporary.write_text(json.dumps(run, indent=1), encoding="utf-8")
        except OSError as error:
            raise unwritable(self.path.parent, error) from error

    def done(self) -> list[Span]:
        """Spans that are complete, in their order; none of them overlap."""
        try:
            names = sorted(path.name for path in self.path.iterdir())
        except OSError:
            return []
        spans: list[Span] = []
        for found in filter(None, map(_NAME.fullmatch, names)):
            first, stop = int(found[1]), int(found[2])
            if stop > first >= (spans[-1][1] if spans else 0):
                spans.append((first, stop))
        return spans

    def write(self, span: Span, rows: NDArray[np.void], about: Making) -> None:
        """Keep the records of a span, and by whom and how fast they were made."""
        with atomic_write(self._file(span)) as temporary, temporary.open("wb") as file:
            np.savez(file, rows=rows, about=json.dumps(about))

    def about(self, span: Span) -> Making:
        """By whom and how fast a span was made."""
        return json.loads(str(self._read(span, "about")))  # type: ignore[no-any-return]

    def rows(self, spans: Sequence[Span]) -> Iterator[NDArray[np.void]]:
        """The records of spans, one span after the other."""
        for span in spans:
            yield self._read(span, "rows")

    def remove(self) -> None:
        """Delete the folder."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.path)

    def _read(self, span: Span, name: str) -> NDArray[Any]:
        file = self._file(span)
        try:
            # Of arrays alone: pickles are refused. Every entry of the archive has a checksum.
            with np.load(file, allow_pickle=False) as archive:
                return archive[name]  # type: ignore[no-any-return]
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            with suppress(OSError):
                file.unlink()
            raise VitFaceError(
                f"{file} is damaged and was deleted: run the same again, which predicts its "
                "frames anew."
            ) from error

    def _file(self, span: Span) -> Path:
        return self.path / f"{span[0]:010}-{span[1]:010}.npz"
