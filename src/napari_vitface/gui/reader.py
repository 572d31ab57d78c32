"""napari's File > Open and drag-and-drop: videos, images and stacks lazily, points in the dock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari_vitface.gui.error_sentences import sentence_of
from napari_vitface.gui.file_kinds import kind_of
from napari_vitface.gui.notifications import notify, take_errors
from napari_vitface.gui.open_videos import LayerData, open_for_window, opening, video_layer

Reader = Callable[[str | Sequence[str]], list[LayerData] | list[tuple[None]]]


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """The reader of a path, or None for several paths at once (napari then opens one by one)."""
    if isinstance(path, str | Path):
        return read
    return read if len(path) == 1 else None


def read(path: str | Sequence[str]) -> list[LayerData] | list[tuple[None]]:
    """One lazy Image layer of a video; nothing, and a sentence on screen, if it cannot be read.

    A project and predictions are opened in the dock, which shows them on the video.
    """
    import napari

    from napari_vitface.gui.wait_dialog import run_waiting

    take_errors()
    (one,) = (path,) if isinstance(path, str | Path) else path
    viewer = napari.current_viewer()
    try:
        if viewer is not None and kind_of(Path(one)) != "video":
            from napari_vitface.gui.actions import open_dock

            open_dock(viewer).open(Path(one))
            return [(None,)]
        return [video_layer(run_waiting(lambda: open_for_window(one), opening(one)))]
    except Exception as error:
        # Raised, it would reach the user as a traceback.
        notify(sentence_of("opening the video", error), "error")
        return [(None,)]
