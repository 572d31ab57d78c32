"""The ellipse of the pupil and a spatial component as layers on the video."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Layer, Vectors
from numpy.typing import NDArray

from napari_vitface.gui.layers_on_video import LayersOnVideo
from napari_vitface.gui.on_video import frame_size, keep_in_place, placed_on, quietly
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.gui.states.face_layers import DIFFERENCE
from napari_vitface.jobs.events import Event, Finished
from napari_vitface.jobs.results.traces import ComponentPictureResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_vitface.gui.session import Session
    from napari_vitface.gui.traces.measuring import TraceMeasuring

PUPIL, COMPONENT = "pupil", "component"
#: Of an ellipse that was seen, and of one that was interpolated across a blink.
_SEEN, _GUESSED = "#ff4fd8", "#ffb74a"
_SIDES = 48


class TraceLayers(LayersOnVideo):
    """The ellipse and the component that are drawn."""

    def __init__(self, session: Session, measuring: TraceMeasuring) -> None:
        super().__init__(session)
        self._measuring = measuring
        self._component: tuple[str, int] | None = None
        self.pupil_wanted = True
        measuring.shown.connect(self._on_shown)
        session.frame_changed.connect(self._draw_pupil)

    def show_pupil(self, wanted: bool) -> None:
        """Draw the ellipse of the pupil on each frame, or not."""
        self.pupil_wanted = wanted
        self._draw_pupil()

    def show_component(self, region: str, number: int) -> None:
        """Draw a spatial component of a region; an empty name takes it away."""
        measured = self._measuring.measured
        self._component = (region, number) if region else None
        if not region or measured.components is None:
            self._remove(COMPONENT)
            return
        wanted = self._component

        def on_event(event: Event) -> None:
            match event:
                case Finished(result=ComponentPictureResult() as found):
                    if self._component == wanted and self._measuring.measured is measured:
                        self._draw_component(found)

        arguments = {"path": measured.components, "region": region, "number": number}
        self._session.submit(
            "component_picture", arguments, on_event, urgent=True, replaces=COMPONENT
        )

    def _on_shown(self) -> None:
        self._component = None
        self._remove(COMPONENT)
        self._draw_pupil()

    def _draw_pupil(self, *_: Any) -> None:
        if self._session.made.measured.pupil and self.pupil_wanted:
            self._draw_ellipse()
        else:
            self._remove(PUPIL)

    @on_video
    def _draw_ellipse(self, opened: OpenVideo) -> None:
        if opened.layer not in self._session.viewer.layers:
            # It is being removed.
            return
        frame = self._session.frame
        now = {name: float(values[frame]) for name, values in opened.measured.pupil.items()}
        outline = outline_of(now)
        colour = _GUESSED if now.get("blink") == 1 else _SEEN
        layer = self.layer(PUPIL)
        if isinstance(layer, Vectors):
            keep_in_place(self._session.viewer, layer, opened.layer)
            with quietly(layer):
                layer.data = outline
                if len(outline):
                    layer.edge_color = colour
            return
        width = max(0.5, 0.004 * max(frame_size(opened.layer)))
        self._add(
            PUPIL,
            Vectors(
                outline,
                ndim=2,
                name=PUPIL,
                edge_width=width,
                edge_color=colour,
                vector_style="line",
                **placed_on(opened.layer),
            ),
        )

    @on_video
    def _draw_component(self, opened: OpenVideo, found: ComponentPictureResult) -> None:
        if opened.layer not in self._session.viewer.layers:
            return
        limit = max(float(np.percentile(np.abs(found.picture), 99.5)), 1e-9)
        middle = (found.bin - 1) / 2
        place = placed_on(
            opened.layer,
            scale=(found.bin, found.bin),
            translate=(found.corner[1] + middle, found.corner[0] + middle),
        )
        self._remove(COMPONENT)
        self._add(
            COMPONENT,
            Image(
                found.picture,
                name=COMPONENT,
                colormap=DIFFERENCE,
                contrast_limits=(-limit, limit),
                blending="translucent_no_depth",
                interpolation2d="linear",
                **place,
            ),
        )

    @on_video
    def _add(self, opened: OpenVideo, name: str, layer: Layer) -> None:
        viewer = self._session.viewer
        before = viewer.layers.selection.active
        self._layers[name] = layer
        viewer.layers.insert(viewer.layers.index(opened.layer) + 1, layer)
        # What keys and buttons are about stays what it was.
        viewer.layers.selection.active = before if before is not None else opened.layer


def outline_of(pupil: Mapping[str, float]) -> NDArray[np.float32]:
    """(N, 2, 2) sides of the ellipse of one frame, each a start and a step (y, x); none if unknown.

    Parameters
    ----------
    pupil : mapping of str to float
        "x", "y", "longer axis", "shorter axis" and "angle" as the table has them.
    """
    names = ("x", "y", "longer axis", "shorter axis", "angle")
    x, y, longer, shorter, angle = (pupil.get(name, np.nan) for name in names)
    if not np.isfinite([x, y, longer, shorter, angle]).all():
        return np.zeros((0, 2, 2), np.float32)
    turn = np.linspace(0, 2 * np.pi, _SIDES + 1)
    along, across = longer / 2 * np.cos(turn), shorter / 2 * np.sin(turn)
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    # y grows down, and the angle rises up.
    corners = np.stack([y - along * sin - across * cos, x + along * cos - across * sin], axis=1)
    return np.stack([corners[:-1], np.diff(corners, axis=0)], axis=1).astype(np.float32)
