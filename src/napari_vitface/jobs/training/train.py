"""Train a model on labelled frames, and say on frames kept apart whether it got better."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vitface.errors import VitFaceError
from napari_vitface.formats.inside import check_inside
from napari_vitface.jobs.events import Event, Notice
from napari_vitface.jobs.training.labelled_data import Labelled, labelled
from napari_vitface.jobs.training.run import RunFiles, home_of, plain_name
from napari_vitface.settings.option import takes
from napari_vitface.settings.training import TrainingSettings

if TYPE_CHECKING:
    from napari_vitface.formats.labelled_images import Labels


@takes(TrainingSettings)
def train(
    labels: Labels | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    name: str | None = None,
    output_dir: str | os.PathLike[str] | None = None,
    device: str = "auto",
    resume: bool | None = None,
    finish: bool = False,
    overwrite: bool = False,
    track: Sequence[str] = (),
    **settings: Any,
) -> Iterator[Event]:
    """Train a model, and judge it on labelled frames that it was not trained on.

    Closing the generator stops the training and keeps its state on disk; the same call goes on from
    there, and so it does after a crash.

    Parameters
    ----------
    labels : Labels, path or sequence of paths
        What `napari_vitface.read_labels` takes.
    name : str, optional
        Of the new model. Default: that of the project's folder, with a number if it is taken.
    output_dir : path, optional
        Where the model and ``runs/<name>/`` go; default ``vitface/models/`` and ``vitface/runs/``
        of the project.
    device : str
        See `napari_vitface.jobs.predict.predict`.
    resume : bool, optional
        Go on with the run of this name as it was begun, labels included. Default: go on if there
        is an unfinished run with the same labels and options.
    finish : bool
        End the unfinished run of this name with what it has reached.
    overwrite : bool
        Begin anew, whatever is there under this name.
    track : sequence of {"tensorboard", "wandb"}
        Also write the curves for these, in the run's folder; nothing is sent anywhere.
    {settings}

    Yields
    ------
    Started
        `total` steps, with `TrainSettings`.
    Progress
        Its message is the stage: reading the frames, training, ...
    LossMeasured, EpochFinished, HeldOutShown, Notice
    Finished
        With a `TrainResult`, which is also ``metrics.json``.

    Raises
    ------
    VitFaceError
        One sentence: the labels or the start cannot be used, or the run cannot go on.
    """
    options = TrainingSettings(**settings)
    files_of = _Names(labels, output_dir)
    going_on = bool(resume) or finish
    data = None if going_on else _read(labels)
    if name is not None:
        files = files_of.named(name)
    elif data is not None:
        files = files_of.free(options, data, resume=resume is not False and not overwrite)
    else:
        raise VitFaceError("Name the run that is to go on.")
    files.make()
    with contextlib.ExitStack() as stack:
        stack.enter_context(files.locked())
        files.remove_leftovers()
        if data is not None and not overwrite and _goes_on(files, options, data, resume):
            data = None
        yield from _run(files, options, data, device, track, finish=finish)


def _run(
    files: RunFiles,
    options: TrainingSettings,
    data: Labelled | None,
    device: str,
    track: Sequence[str],
    *,
    finish: bool,
) -> Iterator[Event]:
    """Train on what was read; without it the run goes on with what it was begun with."""
    from napari_vitface.jobs.training.setup import Setup
    from napari_vitface.jobs.training.trackers import open_trackers
    from napari_vitface.jobs.training.training_loop import Training

    # Before anything slow: what is asked for may not be installed.
    with open_trackers(track, files.folder) as trackers:
        if data is None:
            if not files.unfinished:
                raise VitFaceError(
                    f"There is no unfinished training {files.name} in {files.folder.parent} to go "
                    "on with; begin one, or look at the name."
                )
            setup = Setup.stored(files, device)
        else:
            for problem in data.labels.problems:
                yield Notice(problem)
            files.clear()
            setup = Setup(files, options, device)
            yield from setup.prepare(data)
        yield from Training(setup, trackers).run(finish=finish)


def _read(
    labels: Labels | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
) -> Labelled:
    from napari_vitface.formats.labelled_images import Labels
    from napari_vitface.project.label_reading import read_labels

    return labelled(labels if isinstance(labels, Labels) else read_labels(labels))


class _Names:
    """Where runs on some labels go."""

    def __init__(
        self,
        labels: Labels | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        output_dir: str | os.PathLike[str] | None,
    ) -> None:
        self._flat = output_dir is not None
        first = _first_path(labels)
        self._home = Path(output_dir) if output_dir is not None else home_of(first)
        project = home_of(first).parent
        if output_dir is None:
            check_inside(project, self._home / "models", self._home / "runs")
        self._base = plain_name(project.name)

    def named(self, name: str) -> RunFiles:
        """The files of the run `name`."""
        return RunFiles.of(name, self._home, flat=self._flat)

    def free(self, options: TrainingSettings, data: Labelled, *, resume: bool) -> RunFiles:
        """The first name under which there is nothing, or the same run, unfinished."""
        number = 1
        while True:
            files = self.named(self._base if number == 1 else f"{self._base}-{number}")
            if files.unfinished:
                if resume and not _difference(files, options, data):
                    return files
            elif not files.model.exists() and not files.settings.exists():
                return files
            number += 1


def _first_path(
    labels: Labels | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
) -> Path:
    from napari_vitface.formats.labelled_images import Labels

    if isinstance(labels, Labels):
        return labels.images[0] if len(labels) else Path()
    if isinstance(labels, str | os.PathLike):
        return Path(labels)
    return Path(labels[0]) if len(labels) else Path()


def _goes_on(
    files: RunFiles, options: TrainingSettings, data: Labelled, resume: bool | None
) -> bool:
    """Whether an unfinished run is there that is the same as this one.

    Raises
    ------
    VitFaceError
        Something of that name is there that is not to be overwritten.
    """
    if files.unfinished:
        differing = _difference(files, options, data)
        if resume is None and not differing:
            return True
        why = f"with other {' and '.join(differing)}" if differing else "in the same way"
        raise VitFaceError(
            f"A training {files.name} was begun {why} and is not finished; continue it as it was, "
            "overwrite it, or choose another name."
        )
    if files.model.exists():
        raise VitFaceError(
            f"There is a model {files.name} in {files.model.parent} already; choose another name, "
            "or overwrite it."
        )
    return False


def _difference(files: RunFiles, options: TrainingSettings, data: Labelled) -> list[str]:
    """In what an unfinished run differs from what is asked for now."""
    stored = files.read_settings()
    differing = options.difference(stored.get("options") or {})
    if stored.get("digest") != data.digest():
        differing.append("labels")
    return differing
