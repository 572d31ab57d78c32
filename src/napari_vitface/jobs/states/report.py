"""Write the report of a classifier of states."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from napari_vitface.jobs.events import Event, Finished, Started
from napari_vitface.jobs.outputs import made_folder
from napari_vitface.jobs.results.classifying import ReportStatesResult


def report_states(
    model: str | os.PathLike[str], *, output: str | os.PathLike[str] | None = None
) -> Iterator[Event]:
    """Write ``report.html`` with every figure that a classifier carries.

    Parameters
    ----------
    model : path
        A ``.vitstate`` file.
    output : path, optional
        The file; default ``<model>_report.html`` beside the classifier. It is replaced.

    Yields
    ------
    Started
    Finished
        With a `ReportStatesResult`.

    Raises
    ------
    CheckpointError
        It is no classifier of states.
    """
    from napari_vitface.jobs.states.report_page import write_report
    from napari_vitface.states.model_file import load_states_model

    source = Path(model)
    trained = load_states_model(source)
    yield Started("report_states", 1)
    file = source.with_name(f"{source.stem}_report.html") if output is None else Path(output)
    made_folder(file.parent)
    write_report(file, trained, source.stem)
    yield Finished("report_states", ReportStatesResult(report=str(file)))
