"""Finding a project from any part of it, and in it the videos and the files of their labels.

Four shapes of folders are known: a DeepLabCut project with its ``config.yaml``; ``labeled-data``
without one; one table at the top for all videos, as Lightning Pose has it, and DeepLabCut 1 above
the folders of images; and a single folder of images with a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from napari_vitface.errors import LabelError
from napari_vitface.formats.config import Config, read_config
from napari_vitface.formats.dlc_table import point_columns
from napari_vitface.formats.header_table import HeaderTable, is_file
from napari_vitface.formats.predictions import Choice
from napari_vitface.formats.settings import Settings, is_deeplabcut, read_settings
from napari_vitface.formats.table_files import read_header_table
from napari_vitface.pose.keypoints import KeypointSet, match_names
from napari_vitface.project import project_config
from napari_vitface.project.label_files import LabelFiles
from napari_vitface.project.label_snapshot import KINDS, Kind, row_parts
from napari_vitface.video.images import natural
from napari_vitface.video.sources import IMAGE_SUFFIXES

LABELED_DATA = "labeled-data"
#: What can be opened, in sentences.
OPENED = "a project folder, its config.yaml or a CollectedData table"

_TABLE = re.compile(r"CollectedData(?:_(?P<scorer>.+))?\.(?P<kind>csv|h5)")
_VISIBILITY = re.compile(r"visibility_(?P<scorer>.+)\.csv")
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
    named : dict of Kind to Path
        The tables of the video, where they are not named after their scorer.
    wanted : Choice or None
        Which animal is read, where a table has several.
    """

    root: Path
    configured: bool = False
    video: str | None = None
    scorer: str | None = None
    shared: dict[Kind, Path] = field(default_factory=dict)
    single: Path | None = None
    named: dict[Kind, Path] = field(default_factory=dict)
    wanted: Choice | None = None

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
        if top.is_dir() and (_tables(top) or _has_images(top)):
            found.append(top)
        return sorted(found, key=lambda folder: natural(folder.name))

    def tables(self) -> list[Path]:
        """Every table of labels in the project, of all scorers, with the visibility files."""
        found = [path for path in (*self.shared.values(), *self.named.values()) if is_file(path)]
        for folder in self.folders():
            found += _tables(folder)
            found += sorted(folder.glob("visibility_*.csv"))
        return found

    def scorers(self) -> list[str]:
        """Everybody who has a table in the project."""
        found = [_scorer(path) for folder in self.folders() for path in _tables(folder)]
        for path in self.shared.values():
            if is_file(path):
                found.append(_scorer(path) or _first_scorer(read_header_table(path)))
        return sorted({scorer for scorer in found if scorer})

    def names(self) -> list[str]:
        """The keypoints that the tables name, in the order in which they come.

        Raises
        ------
        LabelError
            If there are tables and none can be read.
        """
        names: list[str] = []
        failed: LabelError | None = None
        for path in self.tables():
            if self.scorer and _scorer(path) not in (self.scorer, None):
                continue
            try:
                found = [
                    name.strip() for name in point_columns(read_header_table(path), self.wanted)
                ]
            except LabelError as error:
                failed = failed or error
                continue
            meant = match_names(found, names)
            names += dict.fromkeys(name for name in found if name not in meant)
        if failed is not None and not names:
            raise failed
        return names

    def describe(self) -> Description:
        """The settings, the scorer and the keypoints.

        Raises
        ------
        LabelError
            If there are no keypoints, or it is not clear whose labels are meant.
        """
        settings = read_settings(self.root)
        scorer = self.scorer or project_config.scorer_of(settings.main)
        names = (
            project_config.body_parts(settings.main)
            or self.names()
            or project_config.lightning_pose_names(self.root)
        )
        if not names:
            raise LabelError(
                f"{self.root} names no keypoints: there is no table of labels and no config.yaml "
                "with bodyparts. Create a project with keypoints of your choice."
            )
        try:
            keypoints = settings.keypoints(names)
        except ValueError as error:
            raise LabelError(f"The body parts of {self.root} cannot be used: {error}.") from error
        return Description(settings, scorer or self._only_scorer(), keypoints)

    def _only_scorer(self) -> str:
        """Of label folders on their own: who made the tables; empty if there are none."""
        scorers = self.scorers()
        if len(scorers) > 1:
            raise LabelError(
                f"{self.root} holds labels of several scorers ({', '.join(scorers)}): open the "
                "table to use."
            )
        return scorers[0] if scorers else ""

    def videos(self, paths: Iterable[str]) -> list[VideoEntry]:
        """The videos that the settings name, and those that have a folder of labels."""
        entries: dict[str, VideoEntry] = {}
        for written in paths:
            last, _ = project_config.names_of(written)
            here = [Path(written), self.root / "videos" / last]
            path = next((path for path in here if is_file(path) or _is_folder(path)), None)
            name = video_name(path or Path(last))
            if name in ("", ".", ".."):
                continue
            if name not in entries or entries[name].path is None:
                entries[name] = VideoEntry(name, path, self.root / LABELED_DATA / name)
        for folder in self.folders():
            entries.setdefault(folder.name, VideoEntry(folder.name, None, folder))
        for path in self.shared.values():
            for below in _folders_named(path):
                folder = self.root.joinpath(*below)
                entries.setdefault(folder.name, VideoEntry(folder.name, None, folder))
        return list(entries.values())

    def files(self, entry: VideoEntry, scorer: str, settings: Config) -> LabelFiles:
        """The files of one scorer's labels of a video."""
        project_config.checked_scorer(scorer, str(self.root))
        visibility = entry.folder / f"visibility_{scorer}.csv"
        if self.shared:
            return LabelFiles(
                scorer, entry.folder, dict(self.shared), visibility, self.root, shared=True
            )
        tables: dict[Kind, Path] = dict(self.named) or {
            kind: entry.folder / f"CollectedData_{scorer}.{kind}" for kind in KINDS
        }
        return LabelFiles(
            scorer,
            entry.folder,
            tables,
            visibility,
            self.root,
            animal=project_config.animal(settings),
            without_animal=project_config.without_animal(settings),
            wanted=self.wanted,
        )


@dataclass(frozen=True)
class Description:
    """What a project says about itself: settings, whose labels they are, and keypoints."""

    settings: Settings
    scorer: str
    keypoints: KeypointSet


def looks_like_place(path: Path) -> bool:
    """Whether a folder looks like a project or one of labels, without reading a file."""
    return (
        is_file(path / "config.yaml")
        or LABELED_DATA in (path.name, path.parent.name)
        or (path / LABELED_DATA).is_dir()
        or bool(_tables(path))
    )


def find_place(path: Path, scorer: str | None = None) -> Place:
    """The project that a path belongs to; `LabelError` if it belongs to none.

    Of label folders on their own, `scorer` says whose labels are meant if there are several.
    """
    if is_file(path):
        if path.name == "config.yaml":
            return find_place(path.parent)
        return _place_of_table(path)
    if not _is_folder(path):
        raise LabelError(f"There is no file or folder {path}.")
    if _is_configured(path):
        return Place(path, configured=True, shared=_shared(path))
    if path.name == LABELED_DATA:
        return find_place(path.parent)
    if path.parent.name == LABELED_DATA:
        root = path.parent.parent
        configured = _is_configured(root)
        shared = {} if _tables(path) else _shared(root)
        named = scorer or (None if configured or shared else _only_scorer(path))
        return Place(root, configured, path.name, named, shared)
    if (path / LABELED_DATA).is_dir() or any(map(_stands_above, _tables(path))):
        return Place(path, shared=_shared(path))
    if _tables(path) or _has_images(path):
        return Place(path, video=path.name, scorer=scorer or _only_scorer(path), single=path)
    raise LabelError(
        f"{path} holds no labels and is no project: it holds neither a config.yaml of DeepLabCut "
        "nor labeled-data nor a CollectedData table."
    )


def _place_of_table(path: Path) -> Place:
    if path.suffix.lower()[1:] not in KINDS:
        raise LabelError(f"{path} is no project: open {OPENED}.")
    root = path.parent
    # Lightning Pose's table may have any name.
    pair = [path.with_suffix(f".{kind}") for kind in KINDS]
    pair = [table for table in pair if is_file(table)]
    tables = {_kind(table): table for table in pair}
    scorer = _scorer(path) or _first_scorer(read_header_table(path))
    if (root / LABELED_DATA).is_dir() or _stands_above(path):
        return Place(root, _is_configured(root), scorer=scorer, shared=tables)
    found = find_place(root, scorer) if _tables(root) or _has_images(root) else Place(root)
    single = found.single if found.root != root else root
    named = {} if _scorer(path) else tables
    return Place(found.root, found.configured, root.name, scorer, {}, single, named)


def _shared(root: Path) -> dict[Kind, Path]:
    """The tables at the top of a project that hold the labels of all videos, as Lightning Pose's.

    Tables in the folders of the videos count before them.
    """
    if any(_tables(folder) for folder in Place(root).folders()):
        return {}
    written = project_config.lightning_pose_table(root)
    if written is not None:
        return {"csv": written}
    shared = {_kind(table): table for table in _tables(root)}
    if len({table.stem for table in _tables(root)}) > 1:
        raise LabelError(f"{root} holds several tables of labels: open the one to use.")
    return shared


def _stands_above(table: Path) -> bool:
    """Whether the folders of images that a table names lie beside it."""
    return any(table.parent.joinpath(*folder).is_dir() for folder in _folders_named(table)[:1])


def _folders_named(table: Path) -> list[tuple[str, ...]]:
    """The folders of the images that the rows of a table name, in the order in which they come."""
    if not is_file(table):
        return []
    try:
        labels = read_header_table(table).index.tolist()
    except LabelError:
        return []
    folders = dict.fromkeys(tuple(row_parts(label)[:-1]) for label in labels)
    return [folder for folder in folders if folder and ".." not in folder]


def _is_configured(root: Path) -> bool:
    file = root / "config.yaml"
    return is_file(file) and is_deeplabcut(read_config(file))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _has_images(folder: Path) -> bool:
    return any(file.suffix.lower() in IMAGE_SUFFIXES for file in folder.iterdir())


def _first_scorer(table: HeaderTable) -> str:
    return table.columns[0][0].strip() if table.columns else ""


def video_name(path: Path) -> str:
    """What a video is called in a project: its file's name without suffix, or a folder's name."""
    return path.name if _is_folder(path) else path.stem


def _tables(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if _TABLE.fullmatch(file.name))


def _scorer(path: Path) -> str | None:
    found = _TABLE.fullmatch(path.name) or _VISIBILITY.fullmatch(path.name)
    return found["scorer"] if found else None


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
