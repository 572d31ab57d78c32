"""The files that traces of a video are written to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import OutputExistsError, VitFaceError
from napari_vitface.jobs.outputs import output_path

#: Takes (B,) frames, their times if they are known, and (B, D) values.
Write = Callable[[NDArray[np.int64], NDArray[np.float64] | None, NDArray[np.float32]], None]


@dataclass(frozen=True)
class TraceFiles:
    """Where traces go.

    Attributes
    ----------
    table : Path
        CSV or Parquet, as it ends.
    components : Path
        Spatial components, if there are any.
    nwb : Path or None
        The same traces as NWB, if that is wanted.
    made : Path
        How they were made; there while all of them are.
    """

    table: Path
    components: Path
    nwb: Path | None
    made: Path

    @classmethod
    def of(cls, video: Path, folder: Path, table: str, *, nwb: bool) -> TraceFiles:
        """Those of a video in a folder."""
        return cls(
            output_path(video, f"_traces.{table}", folder=folder),
            output_path(video, "_traces_components.h5", folder=folder),
            output_path(video, "_traces.nwb", folder=folder) if nwb else None,
            output_path(video, "_traces.json", folder=folder),
        )

    def check(self, video: str, *, overwrite: bool, timed: bool) -> None:
        """Raise `VitFaceError` where they cannot be written, before the video is read.

        It is an `OutputExistsError` where one is there and may not be replaced.
        """
        for each in (self.table, self.components, self.nwb):
            if each is not None and each.exists() and not overwrite:
                raise OutputExistsError(
                    f"{each.name} already exists in {each.parent}, and was not asked for in the "
                    "same way; choose to overwrite (--overwrite), or another output folder."
                )
        if self.nwb is None:
            return
        from napari_vitface.formats.extra import needed

        needed("pynwb", "nwb")
        if not timed:
            raise VitFaceError(
                f"NWB needs the time of each frame, which {video} does not have: give the times "
                "of its triggers (--triggers)."
            )

    @contextmanager
    def writing(
        self, columns: Sequence[tuple[str, str]], video: str, *, timed: bool
    ) -> Iterator[Write]:
        """Give what takes the rows; the files have their names once all are written.

        `columns` are name and unit of each trace.
        """
        from napari_vitface.formats.nwb_traces import writing_nwb
        from napari_vitface.formats.trace_table import title, writing_traces

        self.made.unlink(missing_ok=True)
        with ExitStack() as files:
            sinks: list[Write] = []
            if self.nwb is not None:
                sinks.append(files.enter_context(writing_nwb(self.nwb, columns, video)).write)
            titles = [title(*column) for column in columns]
            sink = files.enter_context(writing_traces(self.table, titles, timed=timed))
            sinks.append(sink.write)

            def write(
                frames: NDArray[np.int64],
                times: NDArray[np.float64] | None,
                values: NDArray[np.float32],
            ) -> None:
                for each in sinks:
                    each(frames, times, values)

            yield write
