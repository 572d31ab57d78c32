"""``report.html`` of a classifier of states: every figure of it, the bad news first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from napari_vitface.jobs.html_page import as_written, blank, escape, image, table, write_page
from napari_vitface.states.scores import NumberScores, Scores, StateScores
from napari_vitface.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_vitface.states.evaluation import Evaluation
    from napari_vitface.states.model_file import About, StatesModel
    from napari_vitface.states.permutation import Permutations

#: Colours that can be told apart in any kind of colour vision, as in other reports.
_OWN, _OTHER, _CHANCE = "#0072b2", "#e69f00", "#999999"
#: States that a legend names.
_MOST_NAMED = 10


def write_report(file: Path, model: StatesModel, name: str) -> None:
    """Write the report of a classifier."""
    about, evaluation = model.about, model.about.evaluation
    body = [f"<h1>{escape(name)}</h1>"]
    body += [f"<p class='verdict'>{escape(each)}</p>" for each in evaluation.sentences]
    body += [f"<p class='small'>{escape(_how(about))}</p>"]
    body += ["<h2>By what is left out</h2>", table(_splits(evaluation))]
    body += [image(_bars(evaluation))]
    body += [f"<h2>Each {escape(evaluation.unit)} left out</h2>", table(_groups(evaluation))]
    if isinstance(evaluation.trials, StateScores) and isinstance(evaluation.frames, StateScores):
        body += ["<h2>Confusion</h2>", "<p>Trials, then frames.</p>"]
        body += [table(_confusion(evaluation.trials, about.states))]
        body += [table(_confusion(evaluation.frames, about.states))]
        body += [image(_curves(evaluation.frames, evaluation.trials, about.states))]
        if evaluation.reliability:
            body += ["<h2>Are its probabilities true?</h2>", image(_reliability(evaluation))]
            body += [f"<p class='small'>{escape(_calibration(evaluation))}</p>"]
        if evaluation.vote is not None:
            body += [
                f"<p>By the vote of their frames instead of the mean score, trials are told with a "
                f"balanced accuracy of {evaluation.vote:.2f}.</p>"
            ]
    if evaluation.permutations is not None:
        shuffled = _shuffled(evaluation.permutations, isinstance(evaluation.trials, StateScores))
        body += ["<h2>Shuffled labels</h2>", image(shuffled)]
    body += _why(model)
    body += ["<h2>How it was made</h2>", table(_made(about))]
    write_page(file, name, body)


def _how(about: About) -> str:
    trials = ", ".join(f"{count} {state}" for state, count in about.trials.items())
    groups = "; ".join(
        f"{len(names)} {unit}s ({', '.join(names)})"
        if unit == "animal"
        else f"{len(names)} {unit}s"
        for unit, names in about.groups.items()
    )
    return (
        f"Label {about.label}; trials: {trials}; {groups}. "
        f"{counted(about.frames, 'frame was', 'frames were')} learned from, "
        f"{counted(about.columns, 'feature')} each. All figures are of "
        f"{about.evaluation.unit}s that were left out, with baseline and calibration chosen "
        f"without them; intervals are 95 % and draw whole {about.evaluation.trials.drawn}s."
    )


def _splits(evaluation: Evaluation) -> list[list[str]]:
    rows = [
        ["left out", *_heads(evaluation.frames, "frames"), *_heads(evaluation.trials, "trials")]
    ]
    for split in evaluation.splits:
        rows.append([split.unit, *_cells(split.frames), *_cells(split.trials)])
    for trivial in evaluation.trivial:
        rows.append([f"{trivial.name} alone", *_cells(trivial.frames), *_cells(trivial.trials)])
    return rows


def _heads(scores: Scores, of: str) -> list[str]:
    names = ("r", "RMSE", "RMSE of the mean")
    if isinstance(scores, StateScores):
        names = ("balanced accuracy", "ROC area", "chance")
    return [f"{of}: {name}" for name in names]


def _cells(scores: Scores) -> list[str]:
    within = ""
    if scores.interval is not None:
        within = f" ({scores.interval[0]:.2f}–{scores.interval[1]:.2f})"
    if isinstance(scores, NumberScores):
        return [f"{scores.r:.2f}{within}", f"{scores.rmse:.3g}", f"{scores.chance:.3g}"]
    return [f"{scores.balanced_accuracy:.2f}{within}", f"{scores.auc:.2f}", f"{scores.chance:.2f}"]


def _bars(evaluation: Evaluation) -> Figure:
    """The one figure of trials, with intervals, beside chance."""
    shown = [(f"{each.unit} left out", each.trials, _OWN) for each in evaluation.splits]
    shown += [(f"{each.name} alone", each.trials, _OTHER) for each in evaluation.trivial]
    figure = blank(8, 0.8 + 0.32 * len(shown))
    axes = figure.add_subplot()
    for place, (_, scores, colour) in enumerate(shown):
        axes.barh(place, scores.figure, 0.7, color=colour)
        if scores.interval is not None:
            axes.plot(scores.interval, (place, place), color="black", lw=1.2)
    axes.set_yticks(range(len(shown)), [name for name, _, _ in shown], fontsize=8)
    axes.invert_yaxis()
    states = isinstance(evaluation.trials, StateScores)
    axes.axvline(evaluation.trials.chance if states else 0, color=_CHANCE, ls="--")
    axes.set_xlim(0 if states else -0.2, 1)
    axes.set_xlabel("balanced accuracy of trials" if states else "r of trials")
    return figure


def _groups(evaluation: Evaluation) -> list[list[str]]:
    what = "balanced accuracy" if isinstance(evaluation.trials, StateScores) else "r"
    rows = [[evaluation.unit, "trials", what, "baseline"]]
    for each in evaluation.groups:
        figure = "–" if each.figure is None else f"{each.figure:.2f}"
        rows.append([each.name, str(each.trials), figure, each.baseline])
    return rows


def _confusion(scores: StateScores, states: Sequence[str]) -> list[list[str]]:
    rows = [["is", *(f"said to be {state}" for state in states)]]
    for state, counts in zip(states, scores.confusion, strict=False):
        rows.append([state, *(str(count) for count in counts)])
    return rows


def _curves(frames: StateScores, trials: StateScores, states: Sequence[str]) -> Figure:
    figure = blank(8, 3.8)
    for axes, name, scores in zip(
        figure.subplots(1, 2), ("frames", "trials"), (frames, trials), strict=True
    ):
        _roc(axes, scores, states)
        axes.set_title(f"{name}, ROC area {scores.auc:.2f}", fontsize=9)
    return figure


def _roc(axes: Axes, scores: StateScores, states: Sequence[str]) -> None:
    axes.plot([0, 1], [0, 1], color=_CHANCE, lw=1)
    names = states[1:] if len(states) == 2 else states
    for name, (false, true) in zip(names, scores.roc, strict=False):
        axes.plot(false, true, label=as_written(name))
    axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(0, 1), ylim=(0, 1.01))
    if len(names) <= _MOST_NAMED:
        axes.legend(fontsize=8)


def _calibration(evaluation: Evaluation) -> str:
    frames, trials = (each.error for each in evaluation.reliability)
    return (
        f"Probabilities said of {evaluation.unit}s that were left out, in tenths, beside the share "
        f"that was so; numbers are counts. Expected calibration error: {frames:.3f} for frames, "
        f"{trials:.3f} for trials. Frames of one trial are near copies, so their counts say more "
        "than they know."
    )


def _reliability(evaluation: Evaluation) -> Figure:
    """Predicted against observed, with counts."""
    figure = blank(8, 3.8)
    panels = figure.subplots(1, 2)
    for axes, name, each in zip(panels, ("frames", "trials"), evaluation.reliability, strict=True):
        axes.plot([0, 1], [0, 1], color=_CHANCE, lw=1)
        axes.plot(each.predicted, each.observed, "o-", color=_OWN, ms=4)
        for place, share, count in zip(each.predicted, each.observed, each.counts, strict=True):
            below = share > 0.9
            axes.annotate(
                str(count), (place, share), (0, -11 if below else 6), fontsize=7, ha="center",
                textcoords="offset points",
            )  # fmt: skip
        axes.set(xlabel="predicted", ylabel="observed", xlim=(0, 1), ylim=(-0.03, 1.03))
        axes.set_title(f"{name}, expected calibration error {each.error:.3f}", fontsize=9)
    return figure


def _shuffled(test: Permutations, states: bool) -> Figure:
    figure = blank(6, 2.6)
    axes = figure.add_subplot()
    axes.hist(test.by_chance, bins=20, color=_CHANCE, label=f"{test.shuffled} shuffled")
    axes.axvline(test.found, color=_OWN, lw=2, label=f"true labels (p = {test.p:.2g})")
    axes.set_xlabel("ROC area" if states else "r")
    axes.legend(fontsize=8)
    return figure


def _why(model: StatesModel) -> list[str]:
    """What it is told by: cells of HOG on the mean face, or the features that are worth most."""
    about = model.about
    if about.faithfulness is None:
        return []
    body = ["<h2>What it is told by</h2>"]
    if not about.foremost or about.foremost[0][1] <= 0:
        # An order of places that are worth nothing is none, and there is nothing to draw.
        return [
            *body,
            f"<p>No place matters by itself: {_what_falls(about)} does not fall on frames of "
            f"{escape(about.evaluation.unit)}s left out when the features of one are taken from "
            "other frames. What one says, others say too.</p>",
        ]
    worth, face = model.pictures.get("importance"), model.pictures.get("face")
    if worth is not None and face is not None:
        body.append(
            image(importance_figure(worth, face, cast(float, about.layouts[0].get("cell", 1))))
        )
    else:
        rows = [["feature", "loss"]]
        rows += [[name, f"{value:.3f}"] for name, value in about.foremost]
        body.append(table(rows))
    found, random = about.faithfulness.found, about.faithfulness.random
    better = "sooner than" if found < random else "no sooner than"
    body.append(
        f"<p class='small'>Loss: by how much {_what_falls(about)} falls on frames of "
        f"{escape(about.evaluation.unit)}s left out when the features of a place are taken from "
        f"other frames. Is it true? On other trials the {_score(about)} "
        f"falls {better} in random order when places are mixed up from the most important "
        f"on: {found:.2f} is left on average, in random order {random:.2f}.</p>"
    )
    return body


def _what_falls(about: About) -> str:
    return "the probability of the true state" if about.states else "r"


def _score(about: About) -> str:
    return "ROC area" if about.states else "r"


def importance_figure(worth: np.ndarray, face: np.ndarray, cell: float) -> Figure:
    """Loss by cell (rows, columns) of so many pixels, on the mean face (H, W)."""
    figure = blank(8, 3.4)
    plain, drawn = figure.subplots(1, 2)
    height, width = face.shape
    extent = (-0.5, worth.shape[1] * cell - 0.5, worth.shape[0] * cell - 0.5, -0.5)
    for axes in (plain, drawn):
        axes.imshow(face, cmap="gray", vmin=0, vmax=255)
        axes.set_axis_off()
    top = max(float(np.max(worth)), 1e-6)
    heat = drawn.imshow(
        worth, cmap="magma", vmin=0, vmax=top, alpha=0.6, extent=extent, interpolation="nearest"
    )
    for axes in (plain, drawn):
        axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    plain.set_title("mean face of the training", fontsize=9)
    drawn.set_title("permutation importance of cells", fontsize=9)
    figure.colorbar(heat, ax=drawn, shrink=0.8, label="loss")
    return figure


def _made(about: About) -> list[list[str]]:
    features = "; ".join(
        f"{each.get('kind')} ({', '.join(f'{k} {v}' for k, v in each.items() if k != 'kind')})"
        for each in about.features
    )
    window = "all frames" if about.window is None else "{}:{}".format(*about.window)
    rows = [
        ["", ""],
        ["classifier", about.classifier],
        ["features", features],
        ["crop", "whole frame" if about.crop is None else ",".join(map(str, about.crop))],
        ["window", window + (" from the onset" if about.onset else "")],
        ["baseline", about.evaluation.tuning.baseline],
        ["versions", ", ".join(f"{name} {version}" for name, version in about.versions.items())],
        ["licence of the data", about.licence or "not given"],
    ]
    return rows
