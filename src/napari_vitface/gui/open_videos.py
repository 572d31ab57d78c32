"""The videos that are open in a viewer, of which the current one is in the layer list.

napari's slider is as long as the longest layer that is listed, and its image is the topmost one.
So the layers of the other videos are taken out of the list and kept here, with all that the user
set on them, until their video is looked at again: the slider is exactly as long as the video on
screen, and nothing of another one lies on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from psygnal import Signal

from napari_vitface.gui.connections import Connections
from napari_vitface.gui.given import given
from napari_vitface.gui.on_video import keep_visual
from napari_vitface.gui.open_video import OpenVideo
from napari_vitface.gui.weak_attribute import WeakAttribute
from napari_vitface.jobs.outputs import output_stem
from napari_vitface.video import Video, open_video

if TYPE_CHECKING:
    from napari.components import ViewerModel

#: What napari makes a layer of.
LayerData = tuple[Any, dict[str, object], str]


class Videos:
    """Open videos of one viewer; one of them is the current one.

    Parameters
    ----------
    viewer : napari viewer or its model
        Held weakly.
    """

    #: The current video is about to be another one.
    leaving = Signal()
    #: The current video is another one, or was opened anew.
    switched = Signal()
    #: (`OpenVideo`): its layer was removed by the user.
    closed = Signal(object)

    _viewer = WeakAttribute["ViewerModel"]()

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._connections = Connections()
        self._open: list[OpenVideo] = []
        # The one looked at last comes last.
        self._recent: list[OpenVideo] = []
        #: Whether layers are being exchanged, and the slider is nowhere in particular.
        self.switching = False
        self.current: OpenVideo | None = None

    def __iter__(self) -> Iterator[OpenVideo]:
        """In the order in which they were opened."""
        return iter(self._open)

    def __len__(self) -> int:
        return len(self._open)

    def listen(self) -> None:
        """Take in the videos that are there, and those to come."""
        layers = self._viewer.layers
        # Last: whoever else listens is to know of a layer before another one is moved.
        self._connections.connect(layers.events.inserted, self._on_inserted, position="last")
        self._connections.connect(layers.events.removed, self._on_removed, position="last")
        for layer in list(layers):
            self._adopt(layer)

    def close(self) -> None:
        """Stop listening, and put all layers back into the list: they are the user's."""
        self._connections.undo()
        videos, self._open, self._recent, self.current = self._open, [], [], None
        layers = self._viewer.layers
        for opened in videos:
            if opened.layer not in layers:
                opened.layer.visible = False
                layers.insert(0, opened.layer)

    # ----------------------------------------------------------------- the slider

    @property
    def frame(self) -> int:
        """Index of the frame on screen, the nearest one beyond the video; 0 without a video."""
        if self.current is None:
            return 0
        return int(np.clip(self._position(self.current), 0, len(self.current.video) - 1))

    @property
    def beyond(self) -> bool:
        """Whether the slider is where longer layers go on and the current video has no frame."""
        return self.current is not None and self._position(self.current) != self.frame

    @given("current")
    def go_to(self, opened: OpenVideo, frame: int) -> None:
        """Move the slider to a frame of the current video."""
        viewer, layer = self._viewer, opened.layer
        world = layer.data_to_world((frame, *([0] * (layer.ndim - 1))))
        viewer.dims.set_point(viewer.dims.ndim - layer.ndim, world[0])

    def _position(self, opened: OpenVideo) -> int:
        return round(float(opened.layer.world_to_data(self._viewer.dims.point)[0]))

    # ----------------------------------------------------------------- switching

    def find(self, path: Path) -> OpenVideo | None:
        """The open video of a path."""
        wanted = path.resolve()
        return next((opened for opened in self._open if opened.path.resolve() == wanted), None)

    def show(self, opened: OpenVideo | None) -> None:
        """Make an open video the current one, at the frame at which it was left."""
        if opened is self.current:
            return
        self.leaving.emit()
        before = self.current
        if before in self._open:
            before.frame = self.frame
        self.current = opened
        if opened is not None:
            self._recent.remove(opened)
            self._recent.append(opened)
            self._swap(before.layer if before is not None else None, opened.layer, opened.frame)
        self.switched.emit()

    def _swap(self, before: Image | None, layer: Image, frame: int) -> None:
        """Put a video's layer where another one's was in the list, and the slider at a frame."""
        layers = self._viewer.layers
        with self._ours():
            chosen, active = set(layers.selection), layers.selection.active
            if layer not in layers:
                layers.insert(layers.index(before) if before in layers else 0, layer)
            elif before in layers:
                layers.move(layers.index(layer), layers.index(before))
            if before in layers and before is not layer:
                keep_visual(self._viewer, before)
                layers.remove(before)
            # Selected is what was: the video, or what one works on.
            there = {layer if each is before else each for each in chosen} & set(layers)
            layers.selection = there or {layer}
            active = layer if active is before else active
            layers.selection.active = active if active in there else layers.selection.active
            self.go_to(frame)

    def _adopt(self, layer: Any) -> None:
        if not (isinstance(layer, Image) and isinstance(layer.data, Video) and len(layer.data)):
            return
        known = self.find(Path(layer.data.path))
        if known is None:
            opened = OpenVideo(layer.data, layer, label=layer.name)
            self._open.append(opened)
            self._recent.append(opened)
            self._label_all()
            self.show(opened)
        elif known.layer is not layer:
            self._open_anew(known, layer)

    def _open_anew(self, known: OpenVideo, layer: Image) -> None:
        """Show a video that was opened again, perhaps because its file changed."""
        before, known.layer = known.layer, layer
        name = before.name
        if len(layer.data) != len(known.video):
            # The table is of other frames, and so is all that was read with it.
            known.poses = known.variance = known.source = known.saved = None
        known.video, known.frame = layer.data, min(known.frame, len(layer.data) - 1)
        if known is not self.current:
            self.show(known)
        else:
            self.leaving.emit()
            self._swap(before, layer, self.frame)
            self.switched.emit()
        # napari took the name for another layer's.
        layer.name = name

    def _label_all(self) -> None:
        """Tell videos of one name apart; a layer that the user named keeps its name."""
        labels = distinct_names([opened.path for opened in self._open])
        for opened, label in zip(self._open, labels, strict=True):
            if opened.layer.name in (opened.label, opened.video.name):
                opened.layer.name = label
            opened.label = label

    @contextmanager
    def _ours(self) -> Iterator[None]:
        """What happens to the layer list is not the user's doing."""
        self.switching = True
        try:
            yield
        finally:
            self.switching = False

    def _on_inserted(self, event: Any) -> None:
        if not self.switching:
            self._adopt(event.value)

    def _on_removed(self, event: Any) -> None:
        opened = next((each for each in self._open if each.layer is event.value), None)
        if opened is None or self.switching:
            return
        self._open.remove(opened)
        self._recent.remove(opened)
        self._label_all()
        if opened is self.current:
            # As tabs do it: the one that was looked at before comes back.
            self.show(self._recent[-1] if self._recent else None)
        self.closed.emit(opened)


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """The shortest name for each path that none of the others has: stem, name, name with folder."""
    absolute = [path.absolute() for path in paths]
    names: list[str] = []
    for path in absolute:
        stem = output_stem(path)
        alike = [other for other in absolute if output_stem(other) == stem]
        namesakes = [other for other in alike if other.name == path.name and other != path]
        if alike.count(path) == len(alike):
            names.append(stem)
        elif not namesakes:
            names.append(path.name)
        else:
            parts = path.parent.parts
            depth = next(
                (
                    depth
                    for depth in range(1, len(parts))
                    if all(other.parent.parts[-depth:] != parts[-depth:] for other in namesakes)
                ),
                len(parts),
            )
            names.append(f"{path.name} ({'/'.join(parts[-depth:])})")
    return names


def video_layer(video: Video) -> LayerData:
    """A video as napari's layer data: lazy, with contrast limits so that napari need not look."""
    colour = video.ndim == 4
    options: dict[str, object] = {
        "name": video.name,
        "rgb": colour,
        "axis_labels": ("frame", "y", "x"),
        "metadata": {"path": str(video.path), "frame_rate": video.frame_rate},
    }
    if not colour:
        options["contrast_limits"] = (0.0, float(video.white))
        options["colormap"] = "gray"
    return video, options, "image"


def open_for_window(path: str | Path) -> Video:
    """`open_video` for showing: a frame that cannot be decoded is black rather than an error."""
    return open_video(path, on_broken="blank")


def opening(path: str | Path) -> str:
    """What to say while a video is being opened."""
    return f"Opening {Path(path).name} …"
