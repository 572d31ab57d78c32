"""States told from real faces, by animal and by random frames, beside what says nothing of a face.

The trials of four mice in ``der`` of the shared data: none against the strongest shock, and its
strength as a number. The ratio is the balanced accuracy of trials, or r; chance is 0.5, or 0.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from benchmarks import Row
from napari_vitface.events.trials import read_trials
from napari_vitface.jobs.resources import Resources
from napari_vitface.jobs.states.collecting import Collected, Labelled, Look, collect
from napari_vitface.settings.computing import Computing
from napari_vitface.settings.features import choose
from napari_vitface.settings.states import CLASSIFIERS
from napari_vitface.states.judging import Learner, judge
from napari_vitface.states.samples import Samples
from napari_vitface.states.scores import NumberScores, Scores
from napari_vitface.states.trial_splits import RANDOM_FRAMES
from napari_vitface.steps import result_of

_CROP, _WINDOW = (8, 6, 92, 76), (50, 100)
_FRAMES_PER_TRIAL = 20


def run() -> list[Row]:
    """Rows by animal and by random frames for each kind of features."""
    folder = Path(os.environ.get("VITFACE_DATA", Path(__file__).parents[2] / "shared/data")) / "der"
    if not folder.is_dir():
        return [("states", "der", None, f"there is no {folder}")]
    labelled = Labelled.of(read_trials(folder / "trials.csv"), "microampere", None, graded=True)
    resources = Resources()
    hog = _collected(labelled, "hog", resources)
    tokens = _collected(labelled, "tokens", resources)
    features = {
        "HOG": hog.samples,
        "tokens": tokens.samples,
        "motion energy": hog.beside["motion energy"],
        "brightness": hog.beside["brightness"],
    }
    rows: list[Row] = []
    for name, samples in features.items():
        rows += _rows(f"0 against 500 µA, {name} and forest", _extreme(samples))
        rows += _rows(f"strength, {name} and forest", samples)
    return rows


def _extreme(samples: Samples) -> Samples:
    """The trials of no and of the strongest stimulus, as two states."""
    trials = np.isin(samples.labels, (0, 500))
    rows = trials[samples.trial]
    return Samples(
        samples.values[rows],
        (np.cumsum(trials) - 1)[samples.trial[rows]],
        (samples.labels[trials] > 0).astype(np.int64),
        ("0", "500"),
        {unit: names[trials] for unit, names in samples.units.items()},
        None if samples.before is None else samples.before[trials],
    )


def _collected(labelled: Labelled, kind: str, resources: Resources) -> Collected:
    look = Look(choose(kind, {}), _CROP, None, "mouse-face", Computing())
    return result_of(collect(labelled, look, _WINDOW, resources))


def _rows(name: str, samples: Samples) -> list[Row]:
    learner = Learner(CLASSIFIERS["forest"], samples.baselines("auto"), _FRAMES_PER_TRIAL)
    rows: list[Row] = []
    for unit in ("animal", RANDOM_FRAMES):
        judged = result_of(judge(learner, samples, unit))
        frames, trials = judged.scores(samples, unit)
        case = unit if unit == RANDOM_FRAMES else f"each {unit} left out"
        taken = sorted({tuning.baseline for _, tuning in judged.tunings})
        rows.append((name, case, trials.figure, f"{_note(frames, trials)}, baseline {taken}"))
        print(*rows[-1], flush=True)
    return rows


def _note(frames: Scores, trials: Scores) -> str:
    low, high = trials.interval or (float("nan"),) * 2
    about = f"{trials.judged} trials, interval {low:.2f} to {high:.2f}"
    if isinstance(trials, NumberScores) and isinstance(frames, NumberScores):
        return (
            f"RMSE {trials.rmse:.0f} against {trials.chance:.0f} µA of the mean, {about}, r of "
            f"frames {frames.r:.2f}"
        )
    assert not isinstance(trials, NumberScores)
    assert not isinstance(frames, NumberScores)
    return (
        f"ROC area {trials.auc:.2f}, {about}; frames {frames.balanced_accuracy:.2f}, ROC area "
        f"{frames.auc:.2f}; confusion {[list(row) for row in trials.confusion]}"
    )


if __name__ == "__main__":
    run()
