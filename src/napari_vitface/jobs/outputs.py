"""The files that a prediction leaves beside its video, and when they may be written."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_vitface.atomic import leftovers
from napari_vitface.errors import ChoiceError, VitFaceError
from napari_vitface.words import counted

#: Between the names of the video and of the model.
_BY = "_vitface_"
_OVERLAY = "_overlay"
#: After the model in the name of a table of its predictions with filters done.
FILTERED = "_filtered"
#: See `named_after`.
NAME = "{}"


@dataclass(frozen=True)
class Outputs:
    """Names of the files of one run.

    Attributes
    ----------
    h5, csv : Path
        The table of poses, twice.
    overlay : Path or None
        The labelled video, if one is wanted.
    part : Path
        What is predicted so far, while the run is not done.
    """

    h5: Path
    csv: Path
    overlay: Path | None
    part: Path

    @classmethod
    def beside(
        cls,
        video: Path,
        model: str,
        *,
        folder: str | os.PathLike[str] | None = None,
        overlay: bool = False,
    ) -> Outputs:
        """``<video>_vitface_<model>.*`` in `folder`, by default the folder that the video is in.

        Raises
        ------
        VitFaceError
            If the folder is not there and cannot be made.
        """
        folder = made_folder(results_folder(video, folder))
        h5, csv = table_paths(video, model, folder=folder)
        drawn = (
            output_path(video, f"{_OVERLAY}.mp4", model=model, folder=folder) if overlay else None
        )
        return cls(h5, csv, drawn, output_path(video, ".part", model=model, folder=folder))

    @property
    def spans(self) -> Path:
        """The folder of what a run on a cluster has predicted so far."""
        return self.part.with_suffix(".spans")

    @property
    def wanted(self) -> list[Path]:
        """The files that the run ends with."""
        return [self.h5, self.csv, *([self.overlay] if self.overlay else [])]

    def told(self) -> dict[str, Any]:
        """The files as the result of the run names them."""
        return {"h5": str(self.h5), "csv": str(self.csv), "overlay": told_path(self.overlay)}

    def existing(self) -> list[Path]:
        """Those of the wanted files that are there already."""
        return [path for path in self.wanted if path.exists()]

    def refuse_if_existing(self) -> None:
        """Raise `VitFaceError` if a file would be overwritten."""
        there = self.existing()
        if there:
            names = " and ".join(path.name for path in there)
            exist = "exists" if len(there) == 1 else "exist"
            raise VitFaceError(
                f"{names} already {exist} in {there[0].parent}; choose to overwrite "
                "(--overwrite), or another output folder."
            )

    def remove_leftovers(self) -> None:
        """Delete temporary files of a run of the same name that was killed.

        Only to be called by who holds the lock of the part file: nobody else writes these then.
        """
        for path in self.wanted:
            for other in leftovers(path):
                other.unlink(missing_ok=True)


def told_path(path: Path | None) -> str | None:
    """A file as results name it; None where none is written."""
    return None if path is None else str(path)


def made_folder(folder: Path) -> Path:
    """An output folder, made if it is not there; `ChoiceError` if that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ChoiceError(
            f"The output folder {folder} cannot be made ({error.strerror}); choose another one."
        ) from error
    return folder


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise `VitFaceError` if something has that name already and is not to be replaced."""
    if os.path.lexists(path) and not overwrite:
        raise VitFaceError(
            f"{path} exists; choose another name, or say that it may be overwritten."
        )


def unwritable(folder: Path, error: OSError) -> VitFaceError:
    """What to raise if a folder of results does not take them."""
    return VitFaceError(
        f"Nothing can be written to the folder {folder} ({error.strerror}); choose another "
        "output folder."
    )


def why_not_kept(kept_in: Path) -> str:
    """A sentence if what a run was to leave is not there now that it has ended; empty if it is.

    Parameters
    ----------
    kept_in : Path
        What the run said that it keeps its state in, ``settings["kept_in"]`` of `Started`.
    """
    if kept_in.exists():
        return ""
    folder = kept_in.parent
    if folder.is_dir():
        return f"Nothing is kept: {kept_in.name} is not in {folder} any more."
    return f"Nothing is kept: the folder {folder} was moved, renamed or deleted."


def output_path(
    video: Path,
    ending: str,
    *,
    model: str | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> Path:
    """Where a file that is made of a video goes: ``<video>[_vitface_<model>]<ending>``.

    Parameters
    ----------
    ending : str
        What the file is, with its suffix: ``_overlay.mp4``.
    model : str, optional
        Name or path of the model that it comes from.
    folder : path, optional
        By default the folder that the video is in.
    """
    by = "" if model is None else f"{_BY}{model_stem(model)}"
    return results_folder(video, folder) / f"{output_stem(video)}{by}{ending}"


def named_after(output: str | os.PathLike[str], video: Path) -> Path:
    """A file that is one of several, in whose path `NAME` stands for the name of its video."""
    return Path(os.fspath(output).replace(NAME, output_stem(video)))


def names_each(path: str | os.PathLike[str]) -> bool:
    """Whether `NAME` stands in a path, so that it is of one video and another's is another."""
    return NAME in os.fspath(path)


def refuse_one_for_all(
    path: str | os.PathLike[str] | None, videos: Sequence[object], what: str = "file"
) -> None:
    """Raise `ChoiceError` if a path that is given is of several videos and does not name each."""
    if path is not None and len(videos) > 1 and not names_each(path):
        raise ChoiceError(
            f"{path} is one {what} for {counted(len(videos), 'video')}: write {NAME} where the "
            "name of each shall stand."
        )


def table_paths(
    video: Path, model: str, ending: str = "", *, folder: Path | None = None
) -> tuple[Path, Path]:
    """Where poses of a video go, in both forms (see `output_path`): .h5 and .csv."""
    h5, csv = (
        output_path(video, ending + suffix, model=model, folder=folder)
        for suffix in (".h5", ".csv")
    )
    return h5, csv


def model_stem(model: str) -> str:
    """A model's name as files carry it, of a bundled model's name or a checkpoint's path."""
    return Path(model).stem if model.endswith(".safetensors") else model


def output_place(video: Path, folder: Path | None) -> tuple[str, str]:
    """What two videos must not share if both are to keep their results: folder and stem.

    Parameters
    ----------
    folder : Path, optional
        Where the results go; by default where the video is.
    """
    # The folder as it is on the disk, whichever link leads to it; the stem as it is called here.
    place = results_folder(video, folder).resolve()
    return os.path.normcase(place), os.path.normcase(output_stem(video))


def refuse_same_outputs(videos: Sequence[Path], folder: Path | None) -> None:
    """Raise `VitFaceError` if the results of two videos would have the same names."""
    places = Counter(output_place(video, folder) for video in videos)
    place, count = places.most_common(1)[0]
    if count > 1:
        name = next(output_stem(video) for video in videos if output_place(video, folder) == place)
        raise VitFaceError(
            f"{count} of the videos are called {name}, so their results would be too; take them "
            "one by one, into different output folders."
        )


def is_overlay(video: Path) -> bool:
    """Whether a file is named like a labelled video that a prediction wrote."""
    return _BY in video.stem and video.stem.endswith(_OVERLAY)


def output_stem(video: Path) -> str:
    """What the names of a video's outputs begin with: the name under which it was opened.

    One that is reached through a link has the link's name, so that links of one place to
    recordings of the same name do not share their results.
    """
    # A folder of images is named as it stands: its name may hold dots, and be "." on the way here.
    return _absolute(video).name if video.is_dir() else video.stem


def results_folder(video: Path, chosen: str | os.PathLike[str] | None = None) -> Path:
    """Where results of a video go: the folder that was chosen, else the one that it lies in."""
    if chosen is not None:
        return Path(chosen)
    return _absolute(video).parent if video.is_dir() else video.parent


def find_predictions(video: Path, model: str) -> Path | None:
    """The table that ``predict`` wrote beside a video with a model, None if there is none."""
    tables = table_paths(video, model)
    return next((path for path in tables if path.is_file()), None)


def _absolute(path: Path) -> Path:
    """A path from the root on, with its links as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve follows links
