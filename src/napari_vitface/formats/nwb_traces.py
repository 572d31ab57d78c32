"""Traces of a video as NWB: a time series of each in the processing module *behavior*.

Components of one region are one series, with a column each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import atomic_write, require_room
from napari_vitface.errors import LabelError
from napari_vitface.formats.extra import needed
from napari_vitface.formats.nwb import new_file

#: What NWB calls a number without unit.
_NO_UNIT = "n.a."


class NwbTraces:
    """Takes rows in their order, as `napari_vitface.formats.trace_table.TraceSink` does.

    They are kept in a file until all are there, for NWB's arrays have a length from the beginning.
    """

    def __init__(self, rows: IO[bytes], columns: Sequence[tuple[str, str]], video: str) -> None:
        self._rows = rows
        self._columns = columns
        self._video = video
        self._frames: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        self._times: list[NDArray[np.float64]] = [np.empty(0)]

    def write(
        self,
        frames: NDArray[np.int64],
        times: NDArray[np.float64] | None,
        values: NDArray[np.float32],
    ) -> None:
        """Add (B,) frames with their times and (B, D) values."""
        if times is None:
            raise LabelError(f"NWB needs the time of each frame, which {self._video} has not.")
        self._frames.append(frames)
        self._times.append(times)
        self._rows.write(np.ascontiguousarray(values, np.float32).tobytes())

    def save(self, path: Path) -> None:
        """Write the file."""
        pynwb = needed("pynwb", "nwb")
        self._rows.flush()
        frames, times = np.concatenate(self._frames), np.concatenate(self._times)
        shape = len(frames), len(self._columns)
        values: NDArray[np.float32] = np.empty(shape, np.float32)
        if values.size:
            values = np.memmap(self._rows.name, np.float32, "r", shape=shape)
        file = new_file(f"Traces of the video {self._video}.")
        module = file.create_processing_module("behavior", f"Traces of {self._video}.")

        def add(name: str, description: str, data: NDArray[Any], unit: str, when: Any) -> Any:
            series = pynwb.TimeSeries(
                name=name, description=description, data=data, unit=unit, timestamps=when
            )
            module.add(series)
            return series

        first = add("frame", "Number of the frame in the video, from 0.", frames, _NO_UNIT, times)
        for name, columns in _series(self._columns).items():
            data = values[:, columns[0]] if len(columns) == 1 else values[:, columns]
            unit = self._columns[columns[0]][1] or _NO_UNIT
            add(name, f"{name} in each frame; NaN where it is not known.", data, unit, first)
        require_room(path, values.nbytes + frames.nbytes + times.nbytes)
        with pynwb.NWBHDF5IO(str(path), "w") as io:
            io.write(file)


@contextmanager
def writing_nwb(path: Path, columns: Sequence[tuple[str, str]], video: str) -> Iterator[NwbTraces]:
    """A file under its name once all rows are written, or none.

    Parameters
    ----------
    path : Path
    columns : sequence of (name, unit)
        Of the D traces; a unit may be empty.
    video : str
        Name of the video.

    Raises
    ------
    LabelError
        pynwb is not installed, or rows have no times.
    OSError
        It cannot be written.
    """
    needed("pynwb", "nwb")
    with ExitStack() as stack:
        temporary = stack.enter_context(atomic_write(path))
        # So named that what a killed process leaves is found and deleted as temporary files are.
        kept = temporary.with_suffix(".rows")
        stack.callback(kept.unlink, missing_ok=True)
        sink = NwbTraces(stack.enter_context(kept.open("wb")), columns, video)
        yield sink
        sink.save(temporary)


def _series(columns: Sequence[tuple[str, str]]) -> dict[str, list[int]]:
    """Which columns are one series, by its name: numbered ones of one name, else each alone."""
    numbered: dict[str, list[int]] = {}
    for at, (name, _) in enumerate(columns):
        found = re.fullmatch(r"(.+) (\d+)", name)
        numbered.setdefault(found[1] if found else name, []).append(at)
    # NWB has no way to write these in a name.
    return {re.sub("[/:]", "-", name): places for name, places in numbered.items()}
