"""Judge a classifier of states on labelled trials that it was not trained on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Event, Finished, Notice, Settings, Started
from napari_vitface.jobs.resources import Resources, shared_or_own
from napari_vitface.jobs.results.classifying import EvaluateStatesResult
from napari_vitface.jobs.states.collecting import collect
from napari_vitface.jobs.states.labelled_trials import Labelled
from napari_vitface.jobs.states.predict import look_of
from napari_vitface.settings.computing import Computing
from napari_vitface.settings.option import takes
from napari_vitface.settings.states import Unit


@takes(Computing)
def evaluate_states(
    model: str | os.PathLike[str],
    trials: str | os.PathLike[str],
    *,
    resources: Resources | None = None,
    **settings: Any,
) -> Iterator[Event]:
    """Judge a classifier as it is on the trials of a table.

    Parameters
    ----------
    model : path
        A ``.vitstate`` file.
    trials : path
        A table with the column that it was trained on, or events of that label.
    resources : Resources, optional
        Where to borrow videos from.
    {settings}

    Yields
    ------
    Started, Progress, Notice
    Finished
        With an `EvaluateStatesResult`.

    Raises
    ------
    VitFaceError
        One sentence: the classifier or the table cannot be used.
    """
    from napari_vitface.events.event_trials import read_trials_or_events
    from napari_vitface.states.model_file import load_states_model
    from napari_vitface.states.predicting import predict_frames
    from napari_vitface.states.scores import score

    trained = load_states_model(model)
    about = trained.about
    table = read_trials_or_events(trials)
    labelled = Labelled.of(
        table, about.label, about.states or None, graded=not about.states, some=True
    )
    unit: Unit = "animal" if "animal" in labelled.units else "trial"
    name = Path(model).name
    with shared_or_own(resources) as shared:
        yield Started(
            "evaluate_states", len(labelled.trials), settings=Settings(unit="trials", model=name)
        )
        yield from labelled.left_out_notice(about.label)
        look = look_of(trained, Path(model), Computing(**settings))
        collected = yield from collect(labelled, look, about.window, shared)
    samples = collected.samples
    if about.evaluation.tuning.baseline != "none" and samples.before is None:
        raise VitFaceError(
            f"{name} compares with frames before the window, and some of these trials have none."
        )
    rows = samples.rows_by_trial()
    frames = np.zeros((len(samples), max(1, len(about.states))))
    together = np.zeros((len(rows), frames.shape[1]))
    unlike = np.zeros(len(samples), bool)
    for number, own in enumerate(rows):
        before = None if samples.before is None else (samples.before[number],)
        said = predict_frames(
            trained,
            (samples.values[own],),
            before,
            collected.layouts,
            collected.frames[number],
            labelled.trials[number].video.name,
        )
        frames[own], unlike[own] = said.values, said.unlike
        together[number] = said.of_trial(trained, np.ones(len(own), bool))
    groups = samples.units[unit]
    known = set(about.groups.get("animal", ())) & set(samples.units.get("animal", ()))
    result = EvaluateStatesResult(
        model=os.fspath(model),
        frames=score(frames, samples.frame_labels, samples.trial, groups[samples.trial], unit=unit),
        trials=score(together, samples.labels, np.arange(len(rows)), groups, unit=unit),
        unlike=float(unlike.mean()),
        seen=tuple(sorted(map(str, known))),
    )
    if known:
        yield Notice(
            f"{name} was trained on {', '.join(result.seen)}: figures with "
            f"{'it' if len(known) == 1 else 'them'} are too good."
        )
    yield Finished("evaluate_states", result)
