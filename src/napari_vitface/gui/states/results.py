"""What a classifier is worth, and what it says of a video, in words and tables of HTML."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget

from napari_vitface.cli.states.figures import scores_cells
from napari_vitface.gui.numbers import counted
from napari_vitface.gui.section import Note, WrappedLabel, set_role, stack

if TYPE_CHECKING:
    from napari_vitface.gui.states.classifying import Told
    from napari_vitface.jobs.results.classifying import (
        Evaluation,
        Scores,
        TrainStatesResult,
        TrialStates,
    )


class Judgement(QWidget):
    """The figures of a classifier beside chance, what other splits would have given, and words."""

    def __init__(self) -> None:
        super().__init__()
        self.about = WrappedLabel("", "value")
        self.table = QLabel()
        self.table.setTextFormat(Qt.TextFormat.RichText)
        self.table.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.table.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        set_role(self.table, "value")
        self.words = Note()
        stack(self, self.about, self.table, self.words)
        self.show_result(None)

    def show_result(self, trained: TrainStatesResult | None) -> None:
        """Show how a classifier was judged; None hides it."""
        self.setVisible(trained is not None)
        if trained is None:
            return
        self.about.setText(
            f"{Path(trained.model).name}: {counted(trained.trials, 'trial')}, "
            f"{counted(trained.columns, 'number')} a frame. "
            f"{'Balanced accuracy' if trained.states else 'Correlation r'} on what was left out:"
        )
        self.table.setText(table_of(figures_of(trained.evaluation)))
        self.words.say("\n".join(trained.evaluation.sentences), "info")


def table_of(rows: list[list[str]]) -> str:
    """Rows as a table of HTML, the first of which is its head."""
    head, *body = rows
    lines = ["<tr>" + "".join(f"<td align=right>{escape(cell)}</td>" for cell in head) + "</tr>"]
    for row in body:
        first, *cells = (escape(cell) for cell in row)
        values = "".join(f"<td align=right><b>{cell}</b></td>" for cell in cells)
        lines.append(f"<tr><td>{first}</td>{values}</tr>")
    return f"<table cellspacing=0 cellpadding=3>{''.join(lines)}</table>"


def figures_of(evaluation: Evaluation) -> list[list[str]]:
    """The one figure of each split and of each trivial feature, and what chance gives."""
    # What counts first, and random frames, which make all look best, last.
    splits = sorted(
        evaluation.splits, key=lambda each: (each.unit != evaluation.unit, "random" in each.unit)
    )
    rows = [["", "frames", "trials"]]
    for split in splits:
        rows.append([f"by {split.unit}", figure_of(split.frames), figure_of(split.trials)])
    for trivial in evaluation.trivial:
        rows.append(
            [f"{trivial.name.lower()} alone", figure_of(trivial.frames), figure_of(trivial.trials)]
        )
    own = splits[0]
    rows.append(["chance", *(f"{each.chance:.2f}" for each in (own.frames, own.trials))])
    return rows


def figure_of(scores: Scores) -> str:
    """Balanced accuracy of states, r of a number."""
    return scores_cells(scores)[0]


#: Trials of a video that are said in words.
_MOST = 4


def told_words(told: Told) -> str:
    """What a classifier says of a video, in a sentence for each of its trials."""
    words = [_trial_words(trial) for trial in told.trials[:_MOST]]
    if len(told.trials) > _MOST:
        words.append(f"… and {counted(len(told.trials) - _MOST, 'trial')} more.")
    unlike = max(trial.unlike for trial in told.trials)
    if unlike > 0.05:
        most = "" if len(told.trials) == 1 else "up to "
        words.append(f"{most}{100 * unlike:.0f} % of them are unlike anything it was trained on.")
    return f"{told.model.name} says {' '.join(words)}"


def _trial_words(trial: TrialStates) -> str:
    if trial.probabilities is None:
        said = f"{trial.value:.3g}" if trial.value is not None else "nothing"
    else:
        order = sorted(trial.probabilities.items(), key=lambda item: -item[1])
        said = ", ".join(f"{name}: {100 * share:.0f} %" for name, share in order)
    at = "" if trial.onset is None else f"at frame {trial.onset} "
    return f"{at}{said} ({counted(trial.frames, 'frame')} of the window)."
