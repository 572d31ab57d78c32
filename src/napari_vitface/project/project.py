"""A project: a DeepLabCut project folder, or a part of one, with its videos and keypoints."""

from __future__ import annotations

import getpass
import os
import re
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from napari_vitface.atomic import remove_leftovers
from napari_vitface.errors import LabelError
from napari_vitface.formats.config import write_config
from napari_vitface.formats.inside import check_inside
from napari_vitface.formats.settings import take_over
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.project import keypoint_change, project_config
from napari_vitface.project.document import LabelDocument
from napari_vitface.project.event_document import EventDocument, open_events
from napari_vitface.project.frame_images import FrameReader
from napari_vitface.project.frame_names import FrameNames, ListedFrames, NumberedFrames
from napari_vitface.project.journal import Journal
from napari_vitface.project.journal_names import find_journal
from napari_vitface.project.label_files import LabelFiles
from napari_vitface.project.project_search import (
    Place,
    VideoEntry,
    find_place,
    other_scorers,
    video_name,
)
from napari_vitface.video.images import image_files
from napari_vitface.video.sources import IMAGE_SUFFIXES
from napari_vitface.words import counted

__all__ = ["Project", "VideoEntry"]


class Project:
    """A project folder that is open.

    Made by `create` or `open`.

    Attributes
    ----------
    folder : Path
    scorer : str
        In whose name labels are saved.
    keypoints : KeypointSet
    videos : list of VideoEntry
    problems : tuple of str
        Sentences about what is odd.
    """

    def __init__(self, place: Place) -> None:
        self.folder = place.root
        self._place = place
        self._documents: weakref.WeakSet[LabelDocument] = weakref.WeakSet()
        self.problems: tuple[str, ...] = ()
        self.reload()

    @classmethod
    def create(
        cls,
        folder: str | os.PathLike[str],
        keypoints: KeypointSet,
        scorer: str,
    ) -> Project:
        """Make a new project, which DeepLabCut and napari-deeplabcut open too.

        Parameters
        ----------
        folder : path
            Made, with its parents; may be there if it holds no project.
        keypoints : KeypointSet
        scorer : str
            Who labels: part of the names of the label files.

        Raises
        ------
        LabelError
            If there is a project already, the scorer's name cannot be part of a file name, or the
            folder cannot be written to.
        """
        root = Path(folder).expanduser().absolute()
        scorer = scorer.strip()
        if not re.fullmatch(r'[^\\/:*?"<>|\x00-\x1f]+', scorer) or scorer in (".", ".."):
            raise LabelError(
                f"{scorer!r} cannot be the scorer, because it is part of the names of files: use "
                "letters and digits."
            )
        if (root / "config.yaml").exists():
            raise LabelError(f"{root} holds a project already: open it, or choose another folder.")
        try:
            for name in ("labeled-data", "videos", "training-datasets", "dlc-models"):
                (root / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabelError(f"{root} cannot be made ({error.strerror or error}).") from error
        project_config.new_config(root, scorer, keypoints)
        return cls.open(root)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Project:
        """Open a DeepLabCut project or a part of one; its labels are not changed by that.

        What an older version kept in ``config.yaml`` or elsewhere moves to our own file.

        Parameters
        ----------
        path : path
            A project folder, its ``config.yaml``, ``labeled-data`` or ``labeled-data/<video>`` in
            it or on their own, a ``CollectedData`` file, or a folder of Lightning Pose.

        Raises
        ------
        LabelError
            If it is none of these.
        """
        return cls(find_place(Path(path).expanduser().absolute()))

    def __repr__(self) -> str:
        return f"Project({str(self.folder)!r}, {counted(len(self.videos), 'video')})"

    # --- folders ----------------------------------------------------------------------------------

    @property
    def own_folder(self) -> Path:
        """Where napari-vitface keeps what other programs have no place for."""
        return self.folder / "vitface"

    @property
    def config_path(self) -> Path | None:
        """``config.yaml``; None for label folders on their own."""
        return self.folder / "config.yaml" if self._place.configured else None

    # --- videos -----------------------------------------------------------------------------------

    @property
    def labels_path(self) -> Path:
        """What to read all labels from, see `napari_vitface.read_labels`."""
        if self.config_path is None and (self.folder / "labeled-data").is_dir():
            # Lightning Pose keeps one table for all videos at the top.
            tables = sorted(self.folder.glob("CollectedData*.csv"))
            if tables:
                return tables[0]
        return self.folder

    def reload(self) -> None:
        """Read the settings again, for another program may have changed them."""
        self._finish_changes()
        with suppress(LabelError):
            # Where nothing can be written it is read from where it is.
            take_over(self.folder)
        said = self._place.describe()
        self._settings = settings = said.settings
        self.problems = tuple(dict.fromkeys((*self.problems, *settings.problems)))
        self.scorer = said.scorer or _user()
        self.keypoints = said.keypoints
        self.videos = self._place.videos(project_config.videos_of(settings.config))

    def video(self, video: str | os.PathLike[str]) -> VideoEntry | None:
        """The entry of a video, by its name, its path, or the folder of its labels."""
        wanted = Path(video).resolve()
        for entry in self.videos:
            if str(video) == entry.name:
                return entry
        for entry in self.videos:
            known = [path.resolve() for path in (entry.path, entry.folder) if path is not None]
            if wanted in known:
                return entry
        for entry in self.videos:
            # The same video in another place, as after moving a project.
            gone = entry.path is None or not os.path.exists(entry.path)  # noqa: PTH110
            if gone and len(Path(video).parts) > 1 and video_name(wanted) == entry.name:
                return replace(entry, path=Path(video).absolute())
        return None

    def add_video(self, path: str | os.PathLike[str]) -> VideoEntry:
        """Name a video (or folder of images) in the project; it stays where it is.

        Raises
        ------
        LabelError
            If another video of the project has the same name, or the project has no
            ``config.yaml`` to name it in.
        VideoError
            If it cannot be read.
        """
        from napari_vitface.video import open_video

        path = Path(path).expanduser().absolute()
        self.reload()
        entry = self.video(path)
        data = self._settings.config
        if entry is not None and str(path) in project_config.videos_of(data):
            return entry
        if entry is not None and path.is_dir() and entry.folder.absolute() == path:
            return entry
        if any(other.name == video_name(path) and other.path not in (None, path)
               for other in self.videos):  # fmt: skip
            raise LabelError(
                f"The project has another video named {video_name(path)}; rename one of them, "
                "because DeepLabCut keeps labels by the name of the video."
            )
        if self.config_path is None:
            raise LabelError(
                f"{self.folder} has no config.yaml to name videos in: create a project for them."
            )
        with open_video(path) as video:
            height, width = video.shape[1:3]
        project_config.add_video(data, path, video_name(path), f"0, {width}, 0, {height}")
        check_inside(self.folder, self.config_path)
        write_config(self.config_path, data)
        self.reload()
        added = self.video(path)
        assert added is not None
        return added

    def document(
        self,
        video: str | os.PathLike[str],
        frame_reader: FrameReader | None = None,
        scorer: str | None = None,
    ) -> LabelDocument:
        """Open the labels of one video for editing.

        Parameters
        ----------
        video : str or path
            Name or path of one of the project's videos, or the folder of its labelled images: then
            frames are counted in that folder.
        frame_reader : callable, optional
            Frame number -> (H, W) or (H, W, 3) array; used by `save` for the images of frames that
            have none yet.
        scorer : str, optional
            Whose labels; default the project's scorer.

        Raises
        ------
        LabelError
            If the project does not have the video, or its labels are open elsewhere.
        """
        self.reload()
        entry = self.video(video)
        if entry is None:
            raise LabelError(f"{video} is not in the project {self.folder}: add it first.")
        shown = Path(video).absolute() if str(video) != entry.name else entry.path
        scorer = project_config.checked_scorer(scorer or self.scorer, str(self.folder))
        folder = self.own_folder / "journal"
        check_inside(self.folder, folder)
        path = find_journal(folder, entry.name, scorer if scorer != self.scorer else None)
        check_inside(self.folder, path, path.with_suffix(".lock"))
        journal = Journal(path, f"the labels of {entry.name}")
        try:
            # Edits that are not saved yet belong to whom they were made for.
            owner = scorer
            if journal.content.entries:
                owner = journal.content.header.get("scorer", scorer)
            files = self._place.files(entry, owner, self._settings.config)
            names, source = _frame_names(shown, files)
            # What saves left that were killed; this one's own are in these folders too.
            remove_leftovers(self.folder, self.own_folder, folder, path.parent, files.images)
            document = LabelDocument(
                entry.name,
                files,
                names,
                self.keypoints,
                journal,
                frame_reader,
                source,
                self._finish_changes,
            )
        except BaseException:
            journal.close()
            raise
        document.tell(_about_scorers(files, scorer))
        named = project_config.videos_of(self._settings.config)
        if named and all(entry.name not in project_config.names_of(path) for path in named):
            document.tell(
                [
                    f"config.yaml names no video {entry.name} under video_sets, and DeepLabCut "
                    "leaves the labels of such videos out of its training sets: name it there too, "
                    "if DeepLabCut is to train on them."
                ]
            )
        self._documents.add(document)
        return document

    def events_path(self, entry: VideoEntry) -> Path:
        """Where the events of a video are, once there are any."""
        return self.own_folder / "events" / f"{entry.name}.tsv"

    def events(self, video: str | os.PathLike[str]) -> EventDocument:
        """Open the events of one video for editing.

        They are in ``vitface/events/<video>.tsv``.

        Parameters
        ----------
        video : str or path
            Name or path of one of the project's videos.

        Raises
        ------
        LabelError
            If the project does not have the video, or its events cannot be read or are open
            elsewhere.
        """
        entry = self.video(video)
        if entry is None:
            raise LabelError(f"{video} is not in the project {self.folder}: add it first.")
        path = self.events_path(entry)
        journal = self.own_folder / "journal" / "events" / f"{entry.name}.jsonl"
        check_inside(self.folder, path, journal, journal.with_suffix(".lock"))
        remove_leftovers(path.parent, journal.parent)
        return open_events(entry.name, path, journal)

    # --- keypoints --------------------------------------------------------------------------------

    def change_keypoints(self, new: KeypointSet, renames: Mapping[str, str] | None = None) -> None:
        """Rename or append keypoints, or change skeleton, swap pairs and colours.

        Every label in every video is kept, those of all scorers and those not yet saved. If the
        process dies on the way, opening the project finishes it.

        Parameters
        ----------
        new : KeypointSet
            The present keypoints in their order, some perhaps with a new name, and after them any
            that are added.
        renames : mapping of str to str, optional
            Old name -> new name.

        Raises
        ------
        LabelError
            If `new` is anything else, labels are open in another process, or a file cannot be
            written.
        """
        self.reload()
        target = keypoint_change.Target(self._settings, self._place.tables())
        keypoint_change.change(
            target, self.keypoints, new, dict(renames or {}), self._open_documents()
        )
        self.reload()

    def _finish_changes(self) -> None:
        self.problems += keypoint_change.finish(self.folder, self._open_documents())

    def _open_documents(self) -> list[LabelDocument]:
        return [document for document in self._documents if document.is_open]


def _frame_names(shown: Path | None, files: LabelFiles) -> tuple[FrameNames, Path | None]:
    """How frames are named, and the folder of images that is the video, if it is another one."""
    if shown is not None and shown.is_dir():
        source = None if shown.resolve() == files.images.resolve() else shown
        return ListedFrames([image.name for image in image_files(shown)]), source
    if shown is not None and shown.suffix.lower() in IMAGE_SUFFIXES:
        return ListedFrames([shown.name]), shown.parent
    return NumberedFrames(files.image_names()), None


def _about_scorers(files: LabelFiles, wanted: str) -> list[str]:
    if files.scorer != wanted:
        return [
            f"There are unsaved labels of {files.scorer}, so these are shown and not those of "
            f"{wanted}: save them, then open the video again."
        ]
    others = other_scorers(files)
    if others and not any(path.exists() for path in files.tables.values()):
        return [
            f"{files.images} holds labels of {', '.join(others)} and none of {wanted}; they are "
            "left as they are and not shown."
        ]
    return []


def _user() -> str:
    try:
        return re.sub(r"[^\w-]", "", getpass.getuser()) or "user"
    except (OSError, KeyError, ImportError):
        return "user"
