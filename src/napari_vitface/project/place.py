"""Finding a project from any part of it, and in it the videos and the files of their labels.

Four shapes of folders are known: a DeepLabCut project with its ``config.yaml``; ``labeled-data``
without one; one table at the top for all videos, as Lightning Pose has it; and a single folder of
images with a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_vitface.errors import LabelError
from napari_vitface.formats.dlc_table import point_columns
from napari_vitface.formats.header_table import read_header_table
from napari_vitface.project import config
from napari_vitface.project.label_files import KINDS, Kind, LabelFiles
from napari_vitface.video.images import natural
from napari_vitface.video.suffixes import IMAGE_SUFFIXES

LABELED_DATA = "labeled-data"

_TABLE = re.compile(r"CollectedData(?:_(?P<scorer>.+))?\.(?P<kind>csv|h5)")
# What DeepLabCut calls its folders of images with points drawn on them.
_DRAWN = "_labeled"


@dataclass(frozen=True)
class VideoEntry:
    """One video of a project.

    Attributes
    ----------
    name : str
        The file's name without its suffix, by which DeepLabCut names the folder of its labels.
    path : Path or None
        The video; None if the project does not name it or it is not there.
    folder : Path
        Where its labels and labelled images are: ``labeled-data/<name>``. May not be there yet.
    """

    name: str
    path: Path | None
    folder: Path


@dataclass(frozen=True)
class Place:
    """Where a project is.

    Attributes
    ----------
    root : Path
    configured : bool
        Whether it has DeepLabCut's ``config.yaml``.
    video : str or None
        The video whose folder or table was named.
    scorer : str or None
        The scorer whose table was named.
    shared : dict of Kind to Path
        Tables at the top that hold the labels of all videos.
    single : Path or None
        The one folder of labels, where there is no ``labeled-data``.
    """

    root: Path
    configured: bool = False
    video: str | None = None
    scorer: str | None = None
    shared: dict[Kind, Path] = field(default_factory=dict)
    single: Path | None = None

    def folders(self) -> list[Path]:
        """Folders of labels that are there, in natural order."""
        if self.single is not None:
            return [self.single]
        top = self.root / LABELED_DATA
        found = [
            folder
            for folder in (top.iterdir() if top.is_dir() else ())
            if folder.is_dir() and not folder.name.startswith(".")
        ]
        found = [folder for folder in found if not folder.name.endswith(_DRAWN) or _tables(folder)]
        return sorted(found, key=lambda folder: natural(folder.name))

    def tables(self) -> list[Path]:
        """Every table of labels in the project, of all scorers, with the visibility files."""
        found = list(self.shared.values())
        for folder in self.folders():
            found += _tables(folder)
            found += sorted(folder.glob("visibility_*.csv"))
        return found

    def scorers(self) -> list[str]:
        """Everybody who has a table in the project."""
        found = [_scorer(path) for folder in self.folders() for path in _tables(folder)]
        for path in self.shared.values():
            found.append(_scorer(path) or read_header_table(path).columns[0][0])
        return sorted({scorer for scorer in found if scorer})

    def names(self) -> list[str]:
        """The keypoints that the tables name, in the order in which they come."""
        names: dict[str, None] = {}
        for path in self.tables():
            if self.scorer and _scorer(path) not in (self.scorer, None):
                continue
            try:
                names.update(dict.fromkeys(point_columns(read_header_table(path))))
            except LabelError:
                continue
        return list(names)

    def videos(self, paths: Iterable[str]) -> list[VideoEntry]:
        """The videos that the settings name, and those that have a folder of labels."""
        entries: dict[str, VideoEntry] = {}
        for written in paths:
            # Projects move between systems: the path may be one of Windows.
            last = re.split(r"[\\/]", written)[-1]
            here = [Path(written), self.root / "videos" / last]
            path = next((path for path in here if path.exists()), None)
            name = video_name(path or Path(last))
            if name not in entries or entries[name].path is None:
                entries[name] = VideoEntry(name, path, self.root / LABELED_DATA / name)
        for folder in self.folders():
            entries.setdefault(folder.name, VideoEntry(folder.name, None, folder))
        return list(entries.values())

    def files(self, entry: VideoEntry, scorer: str, settings: dict[str, Any]) -> LabelFiles:
        """The files of one scorer's labels of a video."""
        visibility = entry.folder / f"visibility_{scorer}.csv"
        if self.shared:
            return LabelFiles(scorer, entry.folder, dict(self.shared), visibility, shared=True)
        tables: dict[Kind, Path] = {
            kind: entry.folder / f"CollectedData_{scorer}.{kind}" for kind in KINDS
        }
        return LabelFiles(
            scorer,
            entry.folder,
            tables,
            visibility,
            animal=config.animal(settings),
            without_animal=config.without_animal(settings),
        )


def find_place(path: Path, scorer: str | None = None) -> Place:
    """The project that a path belongs to; `LabelError` if it belongs to none.

    Of label folders on their own, `scorer` says whose labels are meant if there are several.
    """
    if path.is_file():
        if path.name == "config.yaml":
            return find_place(path.parent)
        return _place_of_table(path)
    if not path.is_dir():
        raise LabelError(f"There is no file or folder {path}.")
    if config.read_project_config(path / "config.yaml") is not None:
        return Place(path, configured=True)
    if path.name == LABELED_DATA:
        return find_place(path.parent)
    if path.parent.name == LABELED_DATA:
        root = path.parent.parent
        if config.read_project_config(root / "config.yaml") is not None:
            return Place(root, configured=True, video=path.name)
        return Place(root, video=path.name, scorer=scorer or _only_scorer(path))
    if (path / LABELED_DATA).is_dir():
        shared = {_kind(table): table for table in _tables(path)}
        if len({table.stem for table in shared.values()}) > 1:
            raise LabelError(f"{path} holds several tables of labels: open the one to use.")
        return Place(path, shared=shared)
    if _tables(path) or any(file.suffix.lower() in IMAGE_SUFFIXES for file in path.iterdir()):
        return Place(path, video=path.name, scorer=scorer or _only_scorer(path), single=path)
    raise LabelError(
        f"{path} is no project: it holds neither a config.yaml of DeepLabCut nor labeled-data nor "
        "a CollectedData table."
    )


def _place_of_table(path: Path) -> Place:
    if path.suffix.lower() not in (".csv", ".h5"):
        raise LabelError(
            f"{path} is no project: open a project folder, its config.yaml or a CollectedData "
            "table."
        )
    if (path.parent / LABELED_DATA).is_dir():
        # Lightning Pose's table may have any name.
        pair = [path.with_suffix(f".{kind}") for kind in KINDS]
        shared = {_kind(table): table for table in pair if table.is_file()}
        named = _scorer(path) or read_header_table(path).columns[0][0]
        return Place(path.parent, scorer=named, shared=shared)
    scorer = _scorer(path)
    if not scorer:
        raise LabelError(f"{path} is not named CollectedData_<scorer>, so it is not opened.")
    found = find_place(path.parent, scorer)
    return Place(found.root, found.configured, path.parent.name, scorer, found.shared, found.single)


def video_name(path: Path) -> str:
    """What a video is called in a project: its file's name without suffix, or a folder's name."""
    return path.name if path.is_dir() else path.stem


def _tables(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if _TABLE.fullmatch(file.name))


def _scorer(path: Path) -> str | None:
    found = _TABLE.fullmatch(path.name)
    return found["scorer"] if found else path.stem.removeprefix("visibility_") or None


def _kind(path: Path) -> Kind:
    return "csv" if path.suffix.lower() == ".csv" else "h5"


def _only_scorer(folder: Path) -> str | None:
    scorers = sorted({scorer for path in _tables(folder) if (scorer := _scorer(path))})
    if len(scorers) > 1:
        raise LabelError(
            f"{folder} holds labels of several scorers ({', '.join(scorers)}): open the table to "
            "use."
        )
    return scorers[0] if scorers else None


def other_scorers(files: LabelFiles) -> list[str]:
    """Who else has labels in a video's folder."""
    if files.shared or not files.images.is_dir():
        return []
    found = {_scorer(path) for path in _tables(files.images)}
    return sorted(scorer for scorer in found if scorer and scorer != files.scorer)
