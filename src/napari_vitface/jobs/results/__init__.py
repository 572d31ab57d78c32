"""What jobs begin and end with: `Settings` and a `Result` for each.

The names of the fields are those that ``--json`` prints. All of them are loaded with this package,
so that the window, which loads no job, knows those that the engine sends.
"""

from napari_vitface.jobs.results import (
    attention,
    classifying,
    convert,
    evaluation,
    labelling,
    models,
    prediction,
    responses,
    sample,
    smooth,
    states,
    traces,
    training,
)

__all__ = [
    "attention",
    "classifying",
    "convert",
    "evaluation",
    "labelling",
    "models",
    "prediction",
    "responses",
    "sample",
    "smooth",
    "states",
    "traces",
    "training",
]
