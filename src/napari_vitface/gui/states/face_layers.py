"""The mean face, the contrast face and the strokes of HOG as layers on the video."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from napari.utils import Colormap
from numpy.typing import NDArray

from napari_vitface.gui.layers_on_video import LayersOnVideo
from napari_vitface.gui.on_video import placed_on
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.jobs.events import Event, Finished
from napari_vitface.jobs.results.states import HogPictureResult

if TYPE_CHECKING:
    from napari_vitface.gui.session import Session
    from napari_vitface.gui.states.frame_comparison import FrameComparison

MEAN, CONTRAST, HOG = "mean face", "contrast face", "HOG"
#: Darker and brighter than elsewhere; the video shows where there is no difference.
DIFFERENCE = Colormap(
    [(0.1, 0.4, 1, 1), (0.1, 0.4, 1, 0), (1, 0.3, 0, 0), (1, 0.3, 0, 1)],
    controls=[0, 0.5, 0.5, 1],
    name="darker and brighter",
)
_STROKES = Colormap([(1, 0.85, 0.2, 0), (1, 0.85, 0.2, 1)], name="strokes")


class FaceLayers(LayersOnVideo):
    """The faces and strokes that are drawn.

    Parameters
    ----------
    session : Session
    comparison : FrameComparison
    """

    def __init__(self, session: Session, comparison: FrameComparison) -> None:
        super().__init__(session)
        self._comparison = comparison
        self._hog = False
        comparison.face_changed.connect(self._show_face)
        session.frame_changed.connect(self._ask_for_hog)
        session.crop_changed.connect(self._ask_for_hog)
        session.video_changed.connect(self._ask_for_hog)

    @property
    def hog(self) -> bool:
        """Whether the strokes of HOG are drawn over each frame."""
        return self._hog

    @hog.setter
    def hog(self, on: bool) -> None:
        self._hog = on
        if on:
            self._ask_for_hog()
        else:
            self._remove(HOG)

    def _show_face(self) -> None:
        face = self._comparison.face
        if face is None:
            self._remove(MEAN)
            self._remove(CONTRAST)
            return
        self._show(MEAN, face.mean, face.corner, colormap="gray", contrast_limits=(0, 255))
        if face.contrast is None:
            self._remove(CONTRAST)
            return
        # The colours reach what stands out and not a single pixel.
        limit = max(float(np.percentile(np.abs(face.contrast), 99.5)), 1.0)
        self._show(
            CONTRAST,
            face.contrast,
            face.corner,
            colormap=DIFFERENCE,
            contrast_limits=(-limit, limit),
        )

    @on_video
    def _ask_for_hog(self, opened: OpenVideo, *_: Any) -> None:
        if not self._hog:
            return
        frame = self._session.frame
        arguments = {"video": str(opened.path), "frame": frame, "crop": opened.crop}

        def on_event(event: Event) -> None:
            match event:
                case Finished(result=HogPictureResult() as drawn):
                    if self._hog and frame == self._session.frame:
                        looks = {"colormap": _STROKES, "contrast_limits": (0, 1)}
                        self._show(HOG, drawn.picture, drawn.corner, **looks)

        self._session.submit("hog_picture", arguments, on_event, urgent=True, replaces="HOG")

    @on_video
    def _show(
        self,
        opened: OpenVideo,
        name: str,
        picture: NDArray[np.float32],
        corner: tuple[int, int],
        **looks: Any,
    ) -> None:
        viewer = self._session.viewer
        place = placed_on(opened.layer, translate=(corner[1], corner[0]))
        layer = self.layer(name)
        if not isinstance(layer, Image):
            layer = Image(picture, name=name, blending="translucent_no_depth", **looks, **place)
            self._layers[name] = layer
            viewer.add_layer(layer)
            # The video stays the layer that keys and buttons are about.
            viewer.layers.selection.active = opened.layer
            return
        layer.data = picture
        layer.contrast_limits_range = looks["contrast_limits"]
        layer.contrast_limits = looks["contrast_limits"]
        layer.scale, layer.translate = place["scale"], place["translate"]
