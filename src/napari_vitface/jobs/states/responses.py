"""How trials become like the prototype of each state, prototypes being of other animals alone."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import VitFaceError
from napari_vitface.events.event_trials import read_trials_or_events
from napari_vitface.jobs.events import Event, Finished, Started
from napari_vitface.jobs.html_page import as_written
from napari_vitface.jobs.outputs import made_folder, results_folder
from napari_vitface.jobs.pace import Counter
from napari_vitface.jobs.resources import Resources, shared_or_own
from napari_vitface.jobs.results.responses import ResponsesResult, ResponseSummary
from napari_vitface.jobs.states.frame_features import Look, Window
from napari_vitface.jobs.states.labelled_trials import Labelled
from napari_vitface.jobs.states.material import Follow
from napari_vitface.settings.computing import Computing
from napari_vitface.settings.features import DEFAULT, choose
from napari_vitface.settings.option import takes
from napari_vitface.settings.states import UNITS, PrototypeRule, Unit

if TYPE_CHECKING:
    from napari_vitface.states.aligned import Aligned

#: What the files end in, after the table's name and the label's.
_ENDINGS = ("_responses.csv", "_curves.csv", "_responses.png", "_similarity.csv")


@takes(Computing)
def responses(
    trials: str | os.PathLike[str],
    label: str = "label",
    *,
    classes: Sequence[str] | None = None,
    window: tuple[int, int] | None = None,
    features: str | Sequence[str] = DEFAULT,
    settings: Mapping[str, Any] | None = None,
    share: float = 0.1,
    rule: PrototypeRule = "typical",
    crop: tuple[int, int, int, int] | None = None,
    follow: Follow | None = None,
    model: str | os.PathLike[str] = "mouse-face",
    output_dir: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resources: Resources | None = None,
    **computing: Any,
) -> Iterator[Event]:
    """Compare the frames of each trial with prototypes, aligned to the onset.

    What is compared is how the face has changed since before the window: features less their median
    there, in units of their standard deviation there; by the rule "least-neutral", as two programs
    do that came of the paper's code, features as they are. A prototype of each state is made of the
    trials of the other animals (else sessions, else trials), which weigh the same in it.

    Parameters
    ----------
    trials : path
        A table of trials, or events; see `napari_vitface.events.event_trials`.
    label, classes
        The column of the state, and which of its values; default all.
    window : (start, stop)
        Frames that show the state, counted from the table's onset if it has one: the response
        begins at `start`. As many frames before it, or as many as there are, are its baseline.
    features, settings, crop, follow, model, resources
        As in `napari_vitface.jobs.states.features.features`.
    share : float
        Of a state's frames, those that its prototype is the mean of, by the rule "typical".
    rule : "typical" or "least-neutral"
        Which frames prototypes are made of; see `napari_vitface.states.prototypes`. Frames before
        the window are neutral.
    output_dir : path, optional
        Where ``<table>_<label>_responses.csv``, ``.png``, ``<table>_<label>_curves.csv`` and
        ``<table>_<label>_similarity.csv`` go; default beside the table.
    overwrite : bool
    {settings}

    Yields
    ------
    Started, Progress
    Finished
        With a `ResponsesResult`.

    Raises
    ------
    VitFaceError
        One sentence: the table, a video or the window cannot be used, there is no such share or
        rule, there is one group alone, or the files are there already.
    """
    from napari_vitface.states.prototypes import check_prototypes

    if window is None:
        raise VitFaceError(
            "Responses are aligned to the first frame of a window; give one (--window 40:100)."
        )
    check_prototypes(share, rule)
    kinds = choose(features, settings or {})
    table = read_trials_or_events(trials)
    labelled = Labelled.of(table, label, classes, graded=False)
    unit, groups = _groups(labelled)
    folder = results_folder(table.path, output_dir)
    named = re.sub(r"[^\w.-]+", "-", label)
    files = [folder / f"{table.path.stem}_{named}{ending}" for ending in _ENDINGS]
    there = [path.name for path in files if path.exists()]
    if there and not overwrite:
        raise VitFaceError(
            f"{there[0]} is in {folder} already; choose to overwrite (--overwrite), or another "
            "output folder."
        )
    look = Look(kinds, crop, follow, os.fspath(model), Computing(**computing))
    with ExitStack() as stack:
        shared = stack.enter_context(shared_or_own(resources))
        yield Started("responses", len(labelled.trials))
        seen, onsets, rate = yield from _features(labelled, look, window, shared)
    likeness = _likeness(seen, labelled, groups, share, rule, mixed=any(k.mixed for k in kinds))
    curves = _aligned(likeness, labelled, groups, rate)
    made_folder(folder)
    _write_table(files[0], labelled, groups, unit, onsets, curves, rule)
    _write_curves(files[1], curves, rule)
    _draw(files[2], curves, label, bool(rate), rule)
    _write_similarity(files[3], labelled, onsets, likeness)
    yield Finished(
        "responses",
        ResponsesResult(
            table=str(files[0]),
            curves=str(files[1]),
            picture=str(files[2]),
            similarity=str(files[3]),
            unit=unit,
            groups=len(set(groups.tolist())),
            rule=rule,
            timed=bool(rate),
            states=labelled.states,
            summaries=tuple(
                summary_of(*key, found, groups[rows]) for key, (rows, found) in curves.items()
            ),
        ),
    )


#: (state, prototype) -> the trials of the state, and their similarity to the prototype.
Curves = dict[tuple[str, str], "tuple[NDArray[np.intp], Aligned]"]


def _groups(labelled: Labelled) -> tuple[Unit, NDArray[np.str_]]:
    for unit in UNITS:
        found = labelled.units.get(unit)
        if found is not None and len(set(found.tolist())) > 1:
            return unit, found
    raise VitFaceError(
        "There is one trial alone, and a prototype is made of others than it is compared with."
    )


def _features(
    labelled: Labelled, look: Look, window: tuple[int, int], resources: Resources
) -> Generator[Event, None, tuple[list[NDArray[np.float32]], list[int], float]]:
    """(before + after, D) of each trial, NaN for frames that it lacks before the window; the frame
    of the onset in each video; frames a second."""
    from napari_vitface.states.features.compute import features_of

    length = window[1] - window[0]
    seen: list[NDArray[np.float32]] = []
    onsets: list[int] = []
    rate = 0.0
    counter = Counter(len(labelled.trials), "Computing features")
    for number, trial in enumerate(labelled.trials):
        yield counter.at(number)
        with ExitStack() as stack:
            material = yield from look.material(stack, resources, trial.video)
            rate = material.video.frame_rate
            onset = trial.onset_frame(rate) or 0
            frames = Window.of(material.video, window, onset, where=f" (row {trial.row})").frames
            first = max(0, frames.start - length)
            if first == frames.start:
                raise VitFaceError(
                    f"Nothing is before the window of {trial.video.name} (row {trial.row}); choose "
                    "a later one, as a response is told by what was before."
                )
            _, values, _ = features_of(look.kinds, material, range(first, frames.stop))
            if seen and values.shape[1] != seen[0].shape[1]:
                raise VitFaceError(
                    f"{trial.video.name} (row {trial.row}) gives other features than "
                    f"{labelled.trials[0].video.name}: their frames differ in size; give a crop."
                )
            missing = 2 * length - len(values)
            seen.append(np.pad(values, ((missing, 0), (0, 0)), constant_values=np.nan))
            onsets.append(frames.start)
    yield counter.at(len(seen))
    return seen, onsets, rate


def _likeness(
    seen: Sequence[NDArray[np.float32]],
    labelled: Labelled,
    groups: NDArray[np.str_],
    share: float,
    rule: PrototypeRule,
    *,
    mixed: bool,
) -> NDArray[np.float32]:
    """(trials, frames, states): similarity to the prototype of each state, of other groups."""
    from napari_vitface.states.comparing import comparable
    from napari_vitface.states.prototypes import prototypes

    length = len(seen[0]) // 2
    states = labelled.states
    values = comparable(np.concatenate(list(seen)), mixed=mixed)
    typical = rule == "typical"
    if typical:
        # How the face has changed: how it is tells animals apart far more than states.
        for of_trial in np.split(values, len(seen)):
            of_trial -= np.nanmedian(of_trial[:length], axis=0)
    trial = np.repeat(np.arange(len(seen)), 2 * length)
    inside = np.tile(np.arange(2 * length) >= length, len(seen))
    named = np.where(inside, np.array(states)[labelled.labels[trial]], "")
    likeness = np.full((len(values), len(states)), np.nan, np.float32)
    for group in sorted(set(groups.tolist())):
        mine = (groups == group)[trial]
        compared, training = values, ~mine
        if typical:
            # In units of what each number does of itself: noise in the background is no expression.
            spread = np.nanstd(values[~mine & ~inside], axis=0)
            compared = values / np.maximum(spread + np.median(spread) / 2, 1e-6)
            training = ~mine & inside
        made = prototypes(
            compared, named, training=training, groups=groups[trial], share=share, rule=rule
        )
        for column, name in enumerate(made.labels):
            likeness[mine, states.index(name)] = made.similarity(compared[mine])[:, column]
    return likeness.reshape(len(seen), 2 * length, len(states))


def _aligned(
    likeness: NDArray[np.float32], labelled: Labelled, groups: NDArray[np.str_], rate: float
) -> Curves:
    from napari_vitface.states.aligned import align

    states, length = labelled.states, likeness.shape[1] // 2
    curves: Curves = {}
    for k, state in enumerate(states):
        rows = np.flatnonzero(labelled.labels == k)
        for column, prototype in enumerate(states):
            curves[state, prototype] = (
                rows,
                align(likeness[rows, :, column], length, rate, groups[rows]),
            )
    return curves


def summary_of(
    state: str, prototype: str, found: Aligned, groups: NDArray[np.str_]
) -> ResponseSummary:
    """How trials of a state, aligned, become like a prototype; `groups` (n,) are their animals."""
    from napari_vitface.states.aligned import interval_of_mean

    sizes = np.array([each.size for each in found.responses], np.float32)
    low, high = interval_of_mean(sizes[:, None], groups)
    latencies = np.array([each.latency for each in found.responses])
    responding = np.isfinite(latencies)
    return ResponseSummary(
        state=state,
        prototype=prototype,
        trials=len(sizes),
        size=float(np.nanmean(sizes)) if np.isfinite(sizes).any() else float("nan"),
        low=float(low[0]),
        high=float(high[0]),
        responding=float(responding.mean()),
        latency=float(np.median(latencies[responding])) if responding.any() else float("nan"),
    )


def _write_table(
    path: Path,
    labelled: Labelled,
    groups: NDArray[np.str_],
    unit: Unit,
    onsets: Sequence[int],
    curves: Curves,
    rule: PrototypeRule,
) -> None:
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        head = ["row", "video", unit, "onset_frame", "state", "prototype", "size", "peak"]
        writer.writerow([*head, "latency", "rule"])
        for (state, prototype), (rows, found) in curves.items():
            for row, each in zip(rows.tolist(), found.responses, strict=True):
                trial = labelled.trials[row]
                whose = [trial.row, trial.video.name, groups[row], onsets[row], state, prototype]
                numbers = [f"{value:.5g}" for value in (each.size, each.peak, each.latency)]
                writer.writerow([*whose, *numbers, rule])


def _write_curves(path: Path, curves: Curves, rule: PrototypeRule) -> None:
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["state", "prototype", "time", "mean", "low", "high", "rule"])
        for (state, prototype), (_, found) in curves.items():
            lines = zip(found.times, found.mean, found.low, found.high, strict=True)
            for line in lines:
                writer.writerow([state, prototype, *(f"{value:.5g}" for value in line), rule])


def _write_similarity(
    path: Path, labelled: Labelled, onsets: Sequence[int], likeness: NDArray[np.float32]
) -> None:
    """A row for each frame of each trial that was compared."""
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "video", "frame", *labelled.states])
        length = likeness.shape[1] // 2
        for trial, onset, frames in zip(labelled.trials, onsets, likeness, strict=True):
            for frame, values in enumerate(frames, start=onset - length):
                if np.isfinite(values).any():
                    told = [f"{value:.5g}" for value in values.tolist()]
                    writer.writerow([trial.row, trial.video.name, frame, *told])


def _draw(path: Path, curves: Curves, label: str, timed: bool, rule: PrototypeRule) -> None:
    """A panel a prototype, a line a state with the interval of its mean."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(prototype for _, prototype in curves))
    figure = Figure(figsize=(4 * len(names), 3.4), layout="constrained")
    axes = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    shades = [f"C{k}" for k in range(10)]
    for axis, prototype in zip(axes, names, strict=True):
        lines = [(state, found) for (state, of), (_, found) in curves.items() if of == prototype]
        for (state, found), shade in zip(lines, shades * len(lines), strict=False):
            axis.plot(
                found.times,
                found.mean,
                color=shade,
                label=as_written(f"{state} (n = {len(found.trials)})"),
            )
            axis.fill_between(
                found.times, found.low, found.high, color=shade, alpha=0.2, linewidth=0
            )
        axis.axvline(0, color="0.5", linewidth=0.8)
        axis.set_title(as_written(f"prototype of {label} {prototype}"), fontsize=10)
        axis.set_xlabel("seconds from the onset" if timed else "frames from the onset")
    axes[0].set_ylabel(f"similarity (correlation), rule {rule}")
    axes[-1].legend(frameon=False, fontsize=8, title=label)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=150)
