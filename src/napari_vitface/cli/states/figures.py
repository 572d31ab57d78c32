"""Figures of classifiers of states, as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_vitface.cli.tables import aligned

if TYPE_CHECKING:
    from napari_vitface.jobs.results.classifying import EvaluateStatesResult
    from napari_vitface.states.evaluation import Evaluation
    from napari_vitface.states.scores import Scores


def evaluation_lines(evaluation: Evaluation) -> list[str]:
    """What it is worth by what is left out, what trivial features give, and sentences."""
    lines = aligned(evaluation_rows(evaluation))
    lines.insert(1, "-" * len(lines[0]))
    return [*lines, "", *evaluation.sentences]


def evaluation_rows(evaluation: Evaluation) -> list[list[str]]:
    """The figures as a table, whose first row is its head."""
    rows = [_heads(evaluation.trials)]
    for split in evaluation.splits:
        name = f"{split.unit} left out" if split.unit != evaluation.splits[0].unit else split.unit
        rows.append([name, *scores_cells(split.frames), *scores_cells(split.trials)])
    for trivial in evaluation.trivial:
        rows.append(
            [f"{trivial.name} alone", *scores_cells(trivial.frames), *scores_cells(trivial.trials)]
        )
    return rows


def _heads(scores: Scores) -> list[str]:
    return ["", *(f"{of} {name}" for of in ("frames:", "trials:") for name in _names(scores))]


def _names(scores: Scores) -> tuple[str, str]:
    from napari_vitface.states.scores import StateScores

    return ("accuracy", "ROC area") if isinstance(scores, StateScores) else ("r", "RMSE")


def scores_cells(scores: Scores) -> list[str]:
    """The two figures of frames or of trials."""
    from napari_vitface.states.scores import StateScores

    if isinstance(scores, StateScores):
        return [f"{scores.balanced_accuracy:.2f}", f"{scores.auc:.2f}"]
    return [f"{scores.r:.2f}", f"{scores.rmse:.3g}"]


def judged_lines(result: EvaluateStatesResult) -> list[str]:
    """How well a classifier does on other trials, beside chance."""
    rows = [["", "judged", *_names(result.trials), "interval", "chance"]]
    for name, scores in (("frames", result.frames), ("trials", result.trials)):
        within = "-" if scores.interval is None else "{:.2f} to {:.2f}".format(*scores.interval)
        rows.append(
            [name, str(scores.judged), *scores_cells(scores), within, f"{scores.chance:.3g}"]
        )
    return [*aligned(rows), f"{100 * result.unlike:.0f} % of the frames are unlike anything seen"]
