"""napari's File > Save: the keypoints of a video, in the format that the file's name ends in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vitface.errors import LabelError
from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.notifications import notify
from napari_vitface.gui.predict.shown_points import labels_left_out, shown_points

if TYPE_CHECKING:
    from napari.components import ViewerModel


def write(path: str, data: Any, options: dict[str, Any]) -> list[str]:
    """Write the keypoints of the video in an Image layer; a sentence on screen if that fails.

    Gives the files that were written, as napari wants it.
    """
    import napari

    try:
        lost = write_keypoints(Path(path), data, napari.current_viewer())
    except Exception as error:
        # Raised, it would reach the user as a traceback.
        notify(sentence_of(f"writing {Path(path).name}", error), "error")
        return []
    notify(" ".join([f"Written to {Path(path).name}.", *lost]), "info")
    return [path]


def write_keypoints(path: Path, data: Any, viewer: ViewerModel | None) -> list[str]:
    """Write the points that are shown of a video.

    The format is the first one with the ending of `path`; the others are under *Export…*.

    Returns
    -------
    list of str
        What does not come along, in sentences.

    Raises
    ------
    LabelError
        There are no points, or they cannot be written.
    """
    from napari_vitface.formats.conversion import check_needs, write_predictions
    from napari_vitface.formats.format import parted_by_ending, writers
    from napari_vitface.gui.workbench import open_session_of

    session = None if viewer is None else open_session_of(viewer)
    videos = () if session is None else session.videos
    opened = next((each for each in videos if each.video is data), None)
    if opened is None or (found := shown_points(opened)) is None:
        raise LabelError(
            f"There are no keypoints to write to {path.name}: predict them in the ViT Face dock "
            "first, on the layer of a video."
        )
    formats, _ = parted_by_ending(writers("predictions"), path)
    if not formats:
        raise LabelError(f"No keypoints are written to files that end as {path.name} does.")
    check_needs(found, formats[0], opened.path)
    return [*write_predictions(path, found, formats[0]), *labels_left_out(opened)]
