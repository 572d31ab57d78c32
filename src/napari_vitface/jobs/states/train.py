"""Train a classifier of states on a table of trials, and judge it on animals left out."""

from __future__ import annotations

import itertools
import os
import platform
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import (
    Event,
    Finished,
    Notice,
    Preparing,
    Settings,
    Started,
)
from napari_vitface.jobs.outputs import refuse_existing
from napari_vitface.jobs.pace import Counter
from napari_vitface.jobs.resources import Resources, shared_or_own
from napari_vitface.jobs.results.classifying import TrainStatesResult
from napari_vitface.jobs.states import on_class_token
from napari_vitface.jobs.states.collecting import Collected, collect
from napari_vitface.jobs.states.frame_features import Look
from napari_vitface.jobs.states.labelled_trials import Labelled
from napari_vitface.settings.computing import Computing
from napari_vitface.settings.features import FeatureKind, Position, choose
from napari_vitface.settings.option import parted, takes
from napari_vitface.settings.states import StatesSettings, find_classifier
from napari_vitface.steps import Steps, told_as
from napari_vitface.words import counted

if TYPE_CHECKING:
    from napari_vitface.states.evaluation import Evaluation
    from napari_vitface.states.importance import Importance
    from napari_vitface.states.judging import Judged, Learner
    from napari_vitface.states.model_file import StatesModel
    from napari_vitface.states.samples import Samples

T = TypeVar("T")


@takes(Computing, StatesSettings)
def train_states(
    trials: str | os.PathLike[str],
    *,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    licence: str = "",
    resources: Resources | None = None,
    **settings: Any,
) -> Iterator[Event]:
    """Train a classifier of states and write it with all that it is worth.

    Parameters
    ----------
    trials : path
        A table with one trial a row, or events of several videos; see
        `napari_vitface.events.event_trials`.
    output : path, optional
        The ``.vitstate`` file; default ``<table>_<label>.vitstate`` beside the table.
    overwrite : bool
        Replace a file that exists.
    licence : str
        Of the data, kept in the file.
    resources : Resources, optional
        Where to borrow videos from.
    {settings}

    Yields
    ------
    Started, Progress, Notice
    Finished
        With a `TrainStatesResult`.

    Raises
    ------
    VitFaceError
        One sentence: the table cannot be read, a label has fewer than two groups, group and label
        are one, or features are missing.
    """
    from napari_vitface.events.event_trials import read_trials_or_events
    from napari_vitface.states.evaluation import evaluating
    from napari_vitface.states.importance import Groups, importance
    from napari_vitface.states.judging import Learner
    from napari_vitface.states.model_file import save_states_model
    from napari_vitface.states.trial_splits import check_groups

    computing, others = parted(Computing, settings)
    chosen = StatesSettings(**others)
    began = time.monotonic()
    table = read_trials_or_events(trials)
    file = _output(table.path, output, chosen.label, overwrite=overwrite)
    classifier = find_classifier(chosen.classifier, graded=chosen.graded)
    kinds = choose(chosen.features, chosen.feature_settings)
    if classifier.features is not None:
        kinds = (classifier.features,)
    labelled = Labelled.of(table, chosen.label, chosen.classes, graded=chosen.graded)
    with shared_or_own(resources) as shared:
        yield Started("train_states", len(labelled.trials), settings=Settings(unit="trials"))
        yield from labelled.left_out_notice(chosen.label)
        checked = _without_features(labelled)
        unit = checked.group(chosen.group)
        for sentence in check_groups(checked, unit):
            yield Notice(sentence)
        if unit != chosen.group and unit == "trial":
            yield Notice(
                "The table names no two animals or sessions, so trials are left out: what carries "
                "over to other animals is not known."
            )
        look = Look(
            kinds,
            chosen.crop,
            chosen.follow,
            chosen.model,
            computing,
        )
        if classifier.features is not None:
            yield from on_class_token.check(classifier, chosen, look, shared)
        collected = yield from collect(
            labelled,
            look,
            chosen.window,
            shared,
            blocks=chosen.blocks if classifier.network else 0,
            frames_per_trial=chosen.frames_per_trial,
        )
        samples, start = collected.samples, None
        if collected.entering is not None:
            samples = replace(
                samples,
                values=np.hstack([samples.values.astype(np.float16), collected.entering]),
                before=None,
            )
            start = yield from on_class_token.start_of(look, chosen.blocks, shared)
            start.check(samples.values[:2])
        beside = {name: each for name, each in collected.beside.items() if _varies(each)}
        constant = collected.beside.keys() - beside.keys()
        if chosen.follow is None:
            # A crop that stays where it is, is meant to.
            constant -= {Position.title.lower()}
        if constant:
            names = ", ".join(sorted(constant)).capitalize()
            yield Notice(f"{names}: the same in all frames, so not judged beside the classifier.")
        learner = Learner(
            classifier,
            samples.baselines(chosen.baseline),
            chosen.frames_per_trial,
            chosen.seed,
            start,
        )
        shuffles = chosen.permutations
        if shuffles > classifier.shuffles:
            shuffles = classifier.shuffles
            yield Notice(
                f"Labels are shuffled {counted(shuffles, 'time')} and not {chosen.permutations}, "
                "for each trains the network anew for each group left out: the least p is "
                f"{1 / (shuffles + 1):.2g}."
            )
        evaluation, judged = yield from _counted(
            evaluating(
                learner,
                samples,
                unit,
                trivial=beside,
                permutations=shuffles,
            ),
            _fits(learner, samples, unit, beside, shuffles),
        )
        why = yield from told_as(
            importance(judged, samples, Groups.of(collected.layouts, collected.columns)),
            Preparing,
        )
        yield Preparing("Fitting to all trials")
        model = _made(
            chosen, collected, samples, labelled, learner, evaluation, judged, why, licence
        )
        save_states_model(file, model)
    yield Finished(
        "train_states",
        TrainStatesResult(
            model=str(file),
            states=labelled.states,
            trials=len(labelled.trials),
            frames=model.about.frames,
            columns=model.about.columns,
            evaluation=evaluation,
            seconds=round(time.monotonic() - began, 3),
        ),
    )


def _output(
    table: Path, output: str | os.PathLike[str] | None, label: str, *, overwrite: bool
) -> Path:
    from napari_vitface.states.model_file import ENDING

    file = table.with_name(f"{table.stem}_{label}{ENDING}") if output is None else Path(output)
    if file.suffix != ENDING:
        raise VitFaceError(f"A classifier of states ends in {ENDING}; {file.name} does not.")
    refuse_existing(file, overwrite)
    return file


def _without_features(labelled: Labelled) -> Samples:
    """Labels and groups alone: what is wrong with these is said before anything is computed."""
    from napari_vitface.states.samples import Samples

    count = len(labelled.trials)
    return Samples(
        np.zeros((count, 0), np.float32), np.arange(count), labelled.labels, labelled.states,
        labelled.units,
    )  # fmt: skip


def _varies(samples: Samples) -> bool:
    return bool(np.ptp(samples.values, axis=0).max() > 0)


def _counted(steps: Steps[T], total: int) -> Generator[Event, None, T]:
    """Steps as progress of a number of them that is known before."""
    counter = Counter(total, "Leaving out and judging")
    done = itertools.count()
    result = yield from told_as(steps, lambda phrase: counter.at(min(next(done), total)))
    yield counter.at(total)
    return result


def _fits(
    learner: Learner,
    samples: Samples,
    unit: str,
    beside: Mapping[str, Samples],
    permutations: int,
) -> int:
    """Classifiers that judging fits, a shuffle of labels counted as one."""
    from napari_vitface.settings.states import UNITS
    from napari_vitface.states.trial_splits import RANDOM_FRAMES

    most, inner = learner.folds
    beside_it = learner.by_smaller(learner.baselines[0]).folds[1]

    def of(folds: int, ways: int, within: int = inner) -> int:
        return ways * folds * (1 + min(within, max(2, folds - 1)))

    def folds_of(unit: str) -> int:
        if unit == RANDOM_FRAMES:
            return min(5, most)
        return min(most, len(set(samples.units[unit])))  # type: ignore[index]

    smaller = [each for each in UNITS[UNITS.index(unit) + 1 :] if each in samples.units]  # type: ignore[arg-type]
    total = of(folds_of(unit), len(learner.baselines)) + permutations
    total += sum(of(folds_of(each), 1, beside_it) for each in [*smaller, RANDOM_FRAMES])
    ways = [len(each.baselines("auto")) for each in beside.values()]
    return total + sum(of(folds_of(unit), each) for each in ways)


def _made(
    chosen: StatesSettings,
    collected: Collected,
    samples: Samples,
    labelled: Labelled,
    learner: Learner,
    evaluation: Evaluation,
    judged: Judged,
    why: Importance,
    licence: str,
) -> StatesModel:
    from napari_vitface import __version__
    from napari_vitface.states.fitted import opened
    from napari_vitface.states.model_file import FORMAT, About, StatesModel
    from napari_vitface.states.novelty import Novelty

    rows = np.arange(len(samples))
    network: Mapping[str, NDArray[np.float32]] = {}
    whole = learner.fit(samples, evaluation.tuning.baseline, rows, evaluation.unit)
    fitted, others, seen = whole, None, samples
    if learner.kind.network:
        # What is stored is the network and a classifier of its class token, as of any tokens.
        network = whole.tail.weights()  # type: ignore[attr-defined]
        fitted, tokens = opened(whole, samples.values)
        others = (opened(each, samples.values)[1] for each in judged.classifiers)
        seen = replace(samples, values=tokens)
    about = About(
        format=FORMAT if network else 1,
        label=chosen.label,
        states=labelled.states,
        classifier=chosen.classifier,
        fitted=fitted.kind,
        features=tuple(dict(kind.described()) for kind in collected.kinds),
        layouts=collected.layouts,
        columns=seen.values.shape[1],
        crop=chosen.crop,
        follow=chosen.follow,
        model=chosen.model,
        network=_digest(collected.kinds, chosen.model),
        size=collected.size,
        window=chosen.window,
        onset=any(trial.onset is not None for trial in labelled.trials),
        groups={unit: tuple(sorted(set(names.tolist()))) for unit, names in samples.units.items()},
        trials=_counts(labelled),
        frames=len(samples.thinned(chosen.frames_per_trial)),
        frame_rate=collected.frame_rate,
        settings=chosen.to_dict(),
        evaluation=evaluation,
        faithfulness=why.faithfulness if np.isfinite(why.faithfulness.found) else None,
        foremost=_foremost(why),
        versions=_versions(__version__),
        licence=licence,
        blocks=chosen.blocks if network else 0,
    )
    pictures: dict[str, NDArray[Any]] = {}
    if collected.face is not None:
        pictures["face"] = np.clip(collected.face, 0, 255).astype(np.uint8)
    if why.shape is not None:
        pictures["importance"] = why.worth.reshape(why.shape).astype(np.float32)
    novelty = Novelty.of(seen, judged.splits, chosen.seed, others)
    return StatesModel(about, fitted, novelty, pictures, network)


def _foremost(why: Importance) -> tuple[tuple[str, float], ...]:
    """The ten groups of features that are worth most."""
    best = np.argsort(-why.worth)[:10].tolist()
    return tuple((why.names[k], float(why.worth[k])) for k in best)


def _digest(kinds: Sequence[FeatureKind], model: str) -> str | None:
    """What tells the model that features need from others; None if none needs one."""
    from napari_vitface.model.checkpoint import file_digest, find_model

    needed = any("model" in kind.needs for kind in kinds)
    return file_digest(find_model(model)) if needed else None


def _counts(labelled: Labelled) -> dict[str, int]:
    if not labelled.states:
        return {"all": len(labelled.trials)}
    return {
        state: int((labelled.labels == number).sum())
        for number, state in enumerate(labelled.states)
    }


def _versions(own: str) -> dict[str, str]:
    from importlib.metadata import version

    others = {name: version(name) for name in ("numpy", "scikit-learn")}
    return {"napari-vitface": own, "python": platform.python_version(), **others}
