"""What a project's ``config.yaml`` says, in DeepLabCut's keys and no others."""

from __future__ import annotations

import datetime
import os
import re
from pathlib import Path

from napari_vitface.errors import LabelError
from napari_vitface.formats.config import Config, read_config
from napari_vitface.formats.header_table import is_file
from napari_vitface.formats.settings import Settings, is_deeplabcut
from napari_vitface.pose.keypoints import KeypointSet

#: What DeepLabCut writes in place of the body parts in projects of several animals.
_SEVERAL = "MULTI!"

# Names of files have at most 255 bytes, and this is a part of one.
_LONGEST_SCORER = 200

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_NEW = """\
# Project
Task:
scorer:
date:
multianimalproject: false
identity:

# Where the project is (changes when it is moved)
project_path:

# The network library that DeepLabCut uses
engine: pytorch

# Videos, with the part of the picture that is used (x1, x2, y1, y2), and keypoints
video_sets: {}
bodyparts: []

# Choosing frames to label: part of the video (0 to 1), and how many
start: 0
stop: 1
numframes2pick: 20

# Drawing
skeleton: []
skeleton_color: black
pcutoff: 0.6
dotsize: 12
alphavalue: 0.7
colormap: rainbow

# Training, evaluation and analysis
TrainingFraction:
- 0.95
iteration: 0
default_net_type: resnet_50
default_augmenter: default
snapshotindex: -1
detector_snapshotindex: -1
batch_size: 8
detector_batch_size: 1

# Cropping for analysis
cropping: false
x1: 0
x2: 640
y1: 277
y2: 624

# Refining labels
corner2move2:
- 50
- 50
move2corner: true
"""


def new_config(folder: Path, scorer: str, keypoints: KeypointSet) -> None:
    """Write the ``config.yaml`` of a new project."""
    # Made from text, so that it has comments as DeepLabCut's own has.
    from ruamel.yaml import YAML

    data: Config = YAML().load(_NEW)
    today = datetime.date.today()
    data["Task"] = folder.name
    data["scorer"] = scorer
    data["date"] = f"{_MONTHS[today.month - 1]}{today.day}"
    data["project_path"] = str(folder)
    settings = Settings(folder, data)
    set_keypoints(settings, keypoints)
    settings.write()


def body_parts(data: Config) -> list[str]:
    """The keypoints' names in order; those of no animal last."""
    # A bare null, which YAML takes for nothing, is somebody's name for a part here.
    return ["null" if name is None else str(name) for key in _lists(data) for name in data[key]]


def without_animal(data: Config) -> frozenset[str]:
    """Keypoints that belong to no animal, in projects of several animals."""
    if not data.get("multianimalproject"):
        return frozenset()
    return frozenset(map(str, data.get("uniquebodyparts") or ()))


def animal(data: Config) -> str | None:
    """The individual that our labels are of, in projects of several animals."""
    if not data.get("multianimalproject"):
        return None
    individuals = data.get("individuals") or ()
    return str(individuals[0]) if individuals else "individual1"


def _lists(data: Config) -> list[str]:
    """The keys of the lists that hold keypoints."""
    if data.get("multianimalproject") or data.get("bodyparts") == _SEVERAL:
        keys = ["multianimalbodyparts", "uniquebodyparts"]
    else:
        keys = ["bodyparts"]
    return [key for key in keys if isinstance(data.get(key), list)]


def can_append(data: Config) -> bool:
    """Whether keypoints can be added without giving others a new place in the order."""
    return sum(1 for key in _lists(data) if data[key]) <= 1


def set_keypoints(settings: Settings, keypoints: KeypointSet) -> None:
    """Put names (renamed or appended), skeleton, swap pairs and colours into settings.

    Lists are changed in place where they can be, which keeps the comments in them. Skeleton edges
    that name something else than keypoints stay.
    """
    data = settings.main
    before = body_parts(data)
    position = 0
    if not _lists(data):
        data["bodyparts"] = []
    keys = _lists(data)
    for key in keys:
        for i in range(len(data[key])):
            if str(data[key][i]) != keypoints.names[position]:
                data[key][i] = keypoints.names[position]
            position += 1
    if position < len(keypoints):
        filled = [key for key in keys if data[key]] or keys[:1]
        data[filled[-1]].extend(keypoints.names[position:])
    present = settings.keypoints(keypoints.names)
    if present.skeleton != keypoints.skeleton:
        old = data.get("skeleton") if isinstance(data.get("skeleton"), list) else []
        ours = {*before, *keypoints.names}
        kept = [
            edge
            for edge in old or ()
            if not (isinstance(edge, list) and len(edge) == 2 and ours.issuperset(map(str, edge)))
        ]
        data["skeleton"] = [*(list(edge) for edge in keypoints.skeleton), *kept]
    if present.swaps != keypoints.swaps or present.colours != keypoints.colours:
        settings.own["swaps"] = [list(pair) for pair in keypoints.swaps]
        settings.own["colours"] = list(keypoints.colours)


def scorer_of(data: Config) -> str:
    """Whose labels the project's are; empty if it does not say so.

    Raises
    ------
    LabelError
        If the name cannot be part of a file's name, as it has to be.
    """
    return checked_scorer(str(data.get("scorer") or ""), "config.yaml")


def checked_scorer(scorer: str, where: str) -> str:
    """A scorer's name that a file gives; `LabelError` if files cannot be named after it."""
    if re.search(r"[\\/\x00-\x1f]", scorer) or len(os.fsencode(scorer)) > _LONGEST_SCORER:
        shown = f"{scorer[:40]}…" if len(scorer) > 40 else scorer
        raise LabelError(
            f"The scorer {shown!r} in {where} cannot be part of the names of files, as it has to "
            "be: use letters and digits."
        )
    return scorer


def videos_of(data: Config) -> list[str]:
    """The paths in ``video_sets``, as they are written there."""
    videos = data.get("video_sets")
    return [str(path) for path in videos] if isinstance(videos, dict) else []


def names_of(written: str) -> tuple[str, str]:
    """What a path in ``video_sets`` may be called: the names of a folder, and of a video's file."""
    # Projects move between systems: the path may be one of Windows.
    last = re.split(r"[\\/]", written)[-1]
    return last, Path(last).stem


def add_video(data: Config, path: Path, name: str, crop: str) -> None:
    """Name a video in ``video_sets``, in place of one of its name that has gone."""
    videos = data.get("video_sets")
    if not isinstance(videos, dict):
        data["video_sets"] = videos = {}
    settings = {"crop": crop}
    for written in [str(written) for written in videos]:
        # Of Path, `exists` raises where a name is too long.
        there = os.path.exists(written)  # noqa: PTH110
        if names_of(written)[1] == name and not there:
            settings = videos.pop(written)
    videos[str(path)] = settings


def lightning_pose_table(folder: Path) -> Path | None:
    """The one table of labels that a ``config.yaml`` of Lightning Pose names, there or not yet."""
    name = _lightning_pose(folder).get("csv_file")
    if not isinstance(name, str) or not re.fullmatch(r"[^\\/\x00-\x1f]+\.csv", name):
        return None
    return folder / name


def lightning_pose_names(folder: Path) -> list[str]:
    """The keypoints that a ``config.yaml`` of Lightning Pose names."""
    names = _lightning_pose(folder).get("keypoint_names")
    return [str(name) for name in names] if isinstance(names, list) else []


def _lightning_pose(folder: Path) -> Config:
    """What Lightning Pose's settings say about labels; empty if the folder has none."""
    file = folder / "config.yaml"
    data = read_config(file) if is_file(file) else {}
    labels = data.get("data")
    return labels if isinstance(labels, dict) and not is_deeplabcut(data) else {}
