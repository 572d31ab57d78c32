"""From one format to another: which formats are meant, and what the second one cannot hold."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import LabelError, reason
from napari_vitface.formats.format import (
    FORMATS,
    Content,
    Format,
    can_open,
    parted_by_ending,
    writers,
)
from napari_vitface.formats.header_table import is_file
from napari_vitface.formats.labelled_images import Labels
from napari_vitface.formats.poses import PoseWriter
from napari_vitface.formats.predictions import PARTS, Heading, Predictions
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable
from napari_vitface.words import listed

#: Frames written together.
_FRAMES_AT_ONCE = 4096


def source_format(
    path: Path, name: str | None = None, content: Content | None = None
) -> tuple[Format, Content]:
    """Which format a file has, and which of predictions and labels it holds.

    Parameters
    ----------
    path : Path
    name : str, optional
        Of the format, where several can open the file.
    content : "predictions" or "labels", optional
        What is wanted of a file that holds both.

    Raises
    ------
    LabelError
        If there is no such file, nothing opens it, or more than one thing is in it; the sentence
        names the option that chooses.
    """
    if not os.path.lexists(path):
        raise LabelError(f"There is no file or folder {path}.")
    readers = [one for one in FORMATS.values() if one.reads]
    if name is not None:
        opening = [_named(name, readers, "reads")]
    else:
        likely, others = parted_by_ending(readers, path)
        opening = [one for one in [*likely, *others] if can_open(one, path)]
        # Who reads such files says best what is wrong with this one.
        opening = opening or likely[:1]
    if not opening:
        titles = listed([one.title for one in readers], "or")
        raise LabelError(f"{path} is of no format that is known: give {titles}.")
    found = [
        (one, held)
        for one in opening
        for held in (one.contents(path) if one.contents else one.reads)
        if held in one.reads and content in (None, held)
    ]
    if not found:
        raise LabelError(f"{path} holds no {content or 'predictions and no labels'}.")
    if len({one.name for one, _ in found}) > 1:
        names = listed(list(dict.fromkeys(one.name for one, _ in found)), "or")
        raise LabelError(f"{path} can be read as {names}: say which (--from).")
    if len(found) > 1:
        raise LabelError(f"{path} holds predictions and labels: say which (--content).")
    return found[0]


def target_format(path: Path, content: Content, name: str | None) -> Format:
    """Which format a file that is not there yet is to have.

    Raises
    ------
    LabelError
        If none of that name or ending writes such content, or several do.
    """
    known = writers(content)
    if name is not None:
        one = _named(name, known, f"writes {content} as")
        if not path.name.lower().endswith(one.endings):
            raise LabelError(
                f"{name} is written to files that end in {listed(one.endings, 'or')}, not to "
                f"{path.name}."
            )
        return one
    likely, _ = parted_by_ending(known, path)
    likely = [one for one in likely if path.name.lower().endswith(one.endings)]
    if len(likely) == 1:
        return likely[0]
    if likely:
        names = listed([one.name for one in likely], "or")
        raise LabelError(f"{path.name} can be written as {names}: say which (--to).")
    endings = listed(list(dict.fromkeys(one.endings[0] for one in known)), "or")
    raise LabelError(
        f"{content.capitalize()} are written to files that end in {endings}, not to {path.name}."
    )


def _named(name: str, formats: Sequence[Format], what: str) -> Format:
    for one in formats:
        if one.name == name:
            return one
    known = listed([one.name for one in formats], "or")
    raise LabelError(f"napari-vitface {what} no format {name!r}; there is {known}.")


def write_predictions(path: Path, found: Predictions, target: Format) -> list[str]:
    """Write predictions in a format, in place of what was there.

    Returns
    -------
    list of str
        What does not come along, in sentences.

    Raises
    ------
    LabelError
        If the file cannot be written.
    """
    poses, heading = found.poses, heading_for(found, target)
    with PoseWriter(path, heading=heading, to=target) as file:
        for start in range(0, len(poses), _FRAMES_AT_ONCE):
            rows = slice(start, start + _FRAMES_AT_ONCE)
            confidence = np.nan_to_num(poses.confidence[rows], nan=0.0)
            variance = None
            if heading.variance and found.variance is not None:
                variance = found.variance[rows]
            file.append(poses.frames[rows], poses.xy[rows], confidence, variance)
    return list(lost_predictions(found, target))


def write_labels(path: Path, labels: Labels, target: Format) -> list[str]:
    """Write labels in a format that writes them, in place of what was there.

    Returns
    -------
    list of str
        What does not come along, in sentences.

    Raises
    ------
    LabelError
        If the file cannot be written.
    """
    assert target.write_labels is not None
    lost = [*labels.problems, *lost_labels(labels, target, path)]
    try:
        with atomic_write(path) as temporary:
            target.write_labels(temporary, labels)
    except OSError as error:
        raise LabelError(f"{path} could not be written ({reason(error)}).") from error
    return lost


def heading_for(found: Predictions, target: Format) -> Heading:
    """What a file of a format says once of predictions."""
    heading, holds = found.heading(), target.holds
    keypoints = found.poses.keypoints
    if "skeleton" not in holds:
        keypoints = KeypointSet(keypoints.names)
    return replace(
        heading,
        keypoints=keypoints,
        frame_rate=heading.frame_rate if "frame rate" in holds else None,
        video=heading.video if "video" in holds else "",
        scorer=heading.scorer if "scorer" in holds else "",
        variance=heading.variance and "variance" in holds,
    )


def check_needs(found: Predictions, target: Format, source: Path, *, rate_option: str = "") -> None:
    """Raise `LabelError` if a format cannot be written without what predictions do not say.

    `rate_option` is that of the command line which gives a frame rate, if there is one.
    """
    for part in sorted(target.needs.difference(found.parts())):
        how = f" (give it with {rate_option})" if rate_option and part == "frame rate" else ""
        raise LabelError(f"{target.name} needs {PARTS[part]}, which {source} does not say{how}.")


def lost_predictions(found: Predictions, target: Format) -> Iterator[str]:
    """What does not come along, in sentences."""
    yield from _not_held((part for part in found.parts() if part not in target.holds), target)
    yield from found.unread()


def lost_labels(labels: Labels, target: Format, path: Path) -> Iterator[str]:
    """What does not come along to a file, in sentences."""
    guessed = labels.occluded & np.isfinite(labels.guesses).all(axis=-1)
    nowhere = int((labels.occluded & ~guessed).sum())
    if nowhere and "hidden places" in target.holds and "occlusion" not in target.holds:
        yield (
            f"{target.name} can hold occluded points where somebody said where they may be: "
            f"{nowhere} {'is' if nowhere == 1 else 'are'} left behind."
        )
    with_place = target.holds & {"occlusion", "hidden places"}
    there = {
        "occlusion": bool(labels.occluded.any()) and not with_place,
        "hidden places": bool(guessed.any()) and "occlusion" in target.holds,
        "skeleton": bool(labels.keypoints.skeleton),
        "scorer": bool(labels.scorer),
    }
    lost = (part for part, is_there in there.items() if is_there and part not in target.holds)
    yield from _not_held(lost, target)
    images = target.images_at(path, labels) if target.images_at else labels.images
    missing = [image for image in images if not is_file(image)]
    if missing:
        yield (
            f"{len(missing)} of {len(labels)} labelled images are no files, {missing[0]} the "
            "first: put them there before the labels are opened."
        )


def _not_held(parts: Iterable[str], target: Format) -> Iterator[str]:
    names = [PARTS[part] for part in parts]
    if names:
        left = ": these are" if names[1:] else ", so that is"
        yield f"{target.name} cannot hold {listed(names)}{left} left behind."


def from_corners(poses: PoseTable) -> PoseTable:
    """Points whose (0, 0) is the corner of the top left pixel, counted from its centre."""
    xy = poses.xy - np.float32(0.5)
    return PoseTable(poses.keypoints, xy, poses.confidence, poses.state, poses.frames)
