"""The files of one training: where they are, whose they are, and how it goes on after a stop.

``models/<name>.safetensors`` is written at the end. ``runs/<name>/`` holds ``settings.json``,
``curves.csv``, and after the end ``metrics.json``, ``report.html`` and ``worst.png``. While the
training is not over, ``data.safetensors`` beside them holds the frames that it began with, and
``state.safetensors`` where it stands: a run goes on with the labels that it began with, whatever
was corrected since.
"""

from __future__ import annotations

import csv
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

from napari_vitface.atomic import atomic_write, leftovers
from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.outputs import unwritable
from napari_vitface.lock import FileLock, Taken
from napari_vitface.model.metadata import NetworkDescription, PreprocessingDescription

if TYPE_CHECKING:
    from napari_vitface.training.fit import Fit

#: Seconds between two writings of the state; more where a writing takes long.
_SAVE_EVERY = 20.0
#: At most this share of the time goes into writing the state.
_SAVE_SHARE = 0.04


class StoredRun(TypedDict, total=False):
    """What ``settings.json`` of a run says, beside the fields of `About` (`.about`)."""

    name: str
    init: str
    #: Of the labels that it was begun with.
    digest: str
    #: `TrainingSettings` and `FitSettings` as plain data.
    options: Mapping[str, object]
    settings: Mapping[str, object]
    network: NetworkDescription
    preprocessing: PreprocessingDescription


@dataclass(frozen=True)
class RunFiles:
    """Names of the files of one training."""

    model: Path
    folder: Path

    @classmethod
    def of(cls, name: str, home: Path, *, flat: bool) -> RunFiles:
        """The files of a run.

        Parameters
        ----------
        name : str
        home : Path
            ``<project>/vitface``, or the folder that was asked for.
        flat : bool
            The model stands in `home` itself rather than in ``models`` below it.

        Raises
        ------
        VitFaceError
            If the name cannot be that of a file.
        """
        if not re.fullmatch(r"[\w][\w .+-]*", name) or name.endswith((" ", ".")):
            raise VitFaceError(
                f"{name!r} cannot be the name of a model; use letters, digits, spaces and - _ . +."
            )
        folder = home if flat else home / "models"
        return cls(folder / f"{name}.safetensors", home / "runs" / name)

    @property
    def name(self) -> str:
        return self.model.stem

    @property
    def settings(self) -> Path:
        return self.folder / "settings.json"

    @property
    def data(self) -> Path:
        return self.folder / "data.safetensors"

    @property
    def state(self) -> Path:
        return self.folder / "state.safetensors"

    @property
    def curves(self) -> Path:
        return self.folder / "curves.csv"

    @property
    def metrics(self) -> Path:
        return self.folder / "metrics.json"

    @property
    def unfinished(self) -> bool:
        """Whether there is a run of this name that can go on."""
        return self.settings.is_file() and self.data.is_file()

    def read_settings(self) -> StoredRun:
        """What the run that is there was begun with."""
        try:
            data = json.loads(self.settings.read_text(encoding="utf-8"))
            if not isinstance(data, dict):
                raise ValueError("it holds no settings")
        except (OSError, ValueError, RecursionError) as error:
            raise VitFaceError(
                f"{self.settings} cannot be read ({error}); begin anew with another name, or "
                "overwrite the run."
            ) from error
        return cast(StoredRun, data)

    def write_json(self, path: Path, data: object) -> None:
        """Write plain data in one step."""
        with atomic_write(path) as temporary:
            temporary.write_text(
                json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8"
            )

    def make(self) -> None:
        """Make the folders.

        Raises
        ------
        VitFaceError
            If they cannot be made.
        """
        try:
            self.model.parent.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise VitFaceError(
                f"The folder {error.filename or self.folder} cannot be made ({error.strerror}); "
                "choose another output folder."
            ) from error

    def clear(self) -> None:
        """Delete what an earlier run of this name left, but for its model."""
        for name in ("settings.json", "data.safetensors", "state.safetensors", "curves.csv",
                     "metrics.json", "report.html", "worst.png"):  # fmt: skip
            (self.folder / name).unlink(missing_ok=True)
        self.remove_leftovers()

    def end(self) -> None:
        """Delete what is needed only while a run is not over."""
        self.state.unlink(missing_ok=True)
        self.data.unlink(missing_ok=True)

    def remove_leftovers(self) -> None:
        """Delete temporary files of a run that was killed; only to be called under the lock."""
        for path in (self.model, self.state, self.data, self.settings, self.curves, self.metrics):
            for other in leftovers(path) if path.parent.is_dir() else []:
                other.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from running under the same name.

        Raises
        ------
        VitFaceError
            If another process does.
        """
        try:
            lock = FileLock(self.folder / "run.lock")
        except Taken:
            raise VitFaceError(
                f"The training {self.name} is running in another process; wait for it, stop it, or "
                "choose another name."
            ) from None
        except OSError as error:
            raise unwritable(self.folder, error) from error
        with lock:
            yield


def home_of(labels: Path) -> Path:
    """``vitface`` of the project that labels belong to; beside them if they are in no project."""
    folder = labels.absolute() if labels.is_dir() else labels.absolute().parent
    for candidate in (folder, *folder.parents[:3]):
        if (candidate / "config.yaml").is_file() or (candidate / "labeled-data").is_dir():
            return candidate / "vitface"
        if candidate.name == "labeled-data":
            return candidate.parent / "vitface"
    return folder / "vitface"


def plain_name(text: str) -> str:
    """`text` as the name of a model."""
    return re.sub(r"[^\w.+-]+", "-", text).strip("-. ") or "model"


@dataclass
class Curves:
    """The course of a training, as ``curves.csv``: one row each some steps.

    Columns: step, loss (mean of the steps since the row before), learning rate, median and mean
    error on the held-out frames in video pixels (where they were judged), and seconds of training.
    """

    rows: list[list[float | None]] = field(default_factory=list)

    COLUMNS = ("step", "loss", "learning_rate", "median_error", "mean_error", "seconds")

    def add(
        self,
        step: int,
        loss: float | None,
        learning_rate: float,
        seconds: float,
        median: float | None = None,
        mean: float | None = None,
    ) -> None:
        """Add a row, or complete the last one if it is of the same step."""
        if self.rows and self.rows[-1][0] == step:
            last = self.rows.pop()
            loss = last[1] if loss is None else loss
        self.rows.append([step, loss, learning_rate, median, mean, round(seconds, 3)])

    def write(self, path: Path) -> None:
        """Write all rows in one step."""
        with (
            atomic_write(path) as temporary,
            temporary.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(self.COLUMNS)
            writer.writerows(["" if v is None else v for v in row] for row in self.rows)


class Checkpointer:
    """Writes the state of a training every now and then.

    A full disk does not end the training: what is on the disk stays, and `problem` says it.

    Attributes
    ----------
    problem : str or None
        One sentence if the last writing failed.
    """

    def __init__(self, files: RunFiles, training: Fit, curves: Curves) -> None:
        self._files = files
        self._training = training
        self._curves = curves
        self._last = time.monotonic()
        self._interval = _SAVE_EVERY
        self._saved_step: int | None = None
        self.seconds = 0.0
        self.problem: str | None = None

    def note_restored(self) -> None:
        """What is on disk is the present state."""
        self._saved_step = self._training.step

    def keep_if_due(self) -> bool:
        """Write if the last writing is long enough ago; whether it was tried."""
        if time.monotonic() - self._last < self._interval:
            return False
        try:
            self.keep()
            self.problem = None
        except OSError as error:
            self.problem = self._problem(error)
        self._last = time.monotonic()
        return True

    def _problem(self, error: OSError) -> str:
        if not self._files.folder.is_dir():
            return (
                f"The folder {self._files.folder} was moved, renamed or deleted; the training goes "
                "on to its end, but if it is stopped now nothing is kept."
            )
        return (
            f"The state of the training cannot be written ({error.strerror or error}); it goes on, "
            f"but if it is stopped now it can be continued from step {self._saved_step or 0} only. "
            "Make room on the disk."
        )

    def keep(self) -> None:
        """Write the state and the curves; `OSError` if that is not possible."""
        from napari_vitface.training.state import save_state

        if self._saved_step == self._training.step:
            return
        began = time.monotonic()
        tensors, numbers = self._training.state()
        data = {"fit": numbers, "curves": self._curves.rows, "seconds": self.seconds}
        save_state(self._files.state, tensors, data)
        self._saved_step = self._training.step
        self._curves.write(self._files.curves)
        self._interval = max(_SAVE_EVERY, (time.monotonic() - began) / _SAVE_SHARE)
