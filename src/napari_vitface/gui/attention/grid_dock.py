"""The dock with small pictures of many maps: choose what is in it, click one to see it large."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSlider,
    QWidget,
)

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import VitFaceError
from napari_vitface.gui.attention.map_captions import heading, how_computed
from napari_vitface.gui.attention.map_grid import KINDS, AttentionGrid, MapTile, Tile
from napari_vitface.gui.attention.tiles import Ground, draw_tile, ground
from napari_vitface.gui.background_writing import save_as, write_now
from napari_vitface.gui.docked import DockedWidget
from napari_vitface.gui.error_report import can_be_reported
from napari_vitface.gui.layers import GLOBAL, attention_rows
from napari_vitface.gui.model_info import bundled_names
from napari_vitface.gui.open_video import OpenVideo, on_video
from napari_vitface.gui.plugin_docks import FACE_CLOSED
from napari_vitface.gui.section import Note, WrappedLabel, set_role, stack
from napari_vitface.gui.style import style_sheet
from napari_vitface.gui.tile_view import Picture, TileView
from napari_vitface.jobs.outputs import output_path

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_vitface.gui.workbench import Workbench
    from napari_vitface.pose.keypoints import KeypointSet

NAME = "ViT Face attention grid"
_ANOTHER_FILE = "Model file…"
_WIDTHS = (90, 420)


class AttentionGridDock(DockedWidget):
    """Draws an `AttentionGrid`; opened below the canvas by the Attention section."""

    def __init__(self, session: Workbench, grid: AttentionGrid, viewer: Viewer) -> None:
        super().__init__()
        self.setObjectName("vitface-attention-grid")
        self.session = self._session = session
        self._grid = grid
        self._closed = False
        # A child, so that it goes when the window does.
        self._redraw_timer = QTimer(self)
        self._redraw_timer.setSingleShot(True)
        self._redraw_timer.setInterval(0)
        self._redraw_timer.timeout.connect(lambda: self.redraw())
        self._tiles: list[Tile] = []
        self.kind = QComboBox()
        for key, title in KINDS.items():
            self.kind.addItem(title, key)
        self.kind.setToolTip("What is beside each other")
        self.second_label = QLabel("with")
        self.second = QComboBox()
        self.second.setToolTip("The model to compare with the chosen one")
        self.second.setMinimumContentsLength(14)
        self.same = QCheckBox("same colours")
        self.same.setToolTip(
            "One scale of colours for all pictures, so that they can be compared; otherwise each "
            "has its own"
        )
        self.same.setChecked(True)
        self.size_slider = QSlider(Qt.Orientation.Horizontal)
        self.size_slider.setRange(*_WIDTHS)
        self.size_slider.setValue(150)
        self.size_slider.setFixedWidth(90)
        self.size_slider.setToolTip("Size of the pictures")
        self.save_button = QPushButton("Save picture…")
        self.save_button.clicked.connect(lambda: self.ask_to_save())
        self.hint = WrappedLabel("", "hint")
        self.about = WrappedLabel("", "hint")
        self.problem = Note()
        self.view = TileView()
        self.view.clicked.connect(self._on_clicked)
        scroll = QScrollArea()
        scroll.setWidget(self.view)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        bar = QHBoxLayout()
        bar.setSpacing(6)
        size_label = QLabel("size")
        set_role(size_label, "hint")
        left: tuple[QWidget, ...] = (self.kind, self.second_label, self.second, self.same)
        right: tuple[QWidget, ...] = (size_label, self.size_slider, self.save_button)
        for widget in left:
            bar.addWidget(widget)
        bar.addStretch(1)
        for widget in right:
            bar.addWidget(widget)
        layout = stack(self, bar, self.hint, self.problem, spacing=4, margins=(6, 4, 6, 4))
        layout.addWidget(scroll, 1)
        layout.addWidget(self.about)
        self.setStyleSheet(style_sheet(viewer))

        self.kind.activated.connect(lambda _: self.show_kind(self.kind.currentData()))
        self.second.activated.connect(lambda _: self._on_second())
        self.same.toggled.connect(lambda _: self._redraw_soon())
        self.size_slider.valueChanged.connect(lambda _: self._redraw_soon())
        grid.changed.connect(self._redraw_soon)
        session.ended.connect(self._on_ended)
        session.model_changed.connect(self._list_models)
        # The window may take the dock along without closing it first.
        self.destroyed.connect(lambda *_: self.close_links())
        session.kept.follow(self, "same", "size_slider")
        self._list_models()
        self.show_kind(grid.kind)

    # ----------------------------------------------------------------- what is chosen

    def show_kind(self, kind: str) -> None:
        """Show all keypoints, all layers or two models."""
        if kind != self._grid.kind:
            # The first layers are so sharp that beside them, on one scale, the last are dark.
            self.same.setChecked(kind != "layers")
        self.kind.setCurrentIndex(self.kind.findData(kind))
        self._grid.kind = kind
        for widget in (self.second_label, self.second):
            widget.setVisible(kind == "models")
        self._redraw_soon()

    def _list_models(self) -> None:
        session, second = self._session, self._grid.second_model
        models = dict.fromkeys([*bundled_names(), *session.known_models, second])
        self.second.clear()
        self.second.addItem("Choose a model…", None)
        for model in models:
            if model is not None and model != session.model:
                self.second.addItem(Path(model).name, model)
        self.second.addItem(_ANOTHER_FILE, _ANOTHER_FILE)
        self.second.setCurrentIndex(max(0, self.second.findData(second)))

    def _on_second(self) -> None:
        model = self.second.currentData()
        if model == _ANOTHER_FILE:
            model, _ = QFileDialog.getOpenFileName(
                self, "Choose the second model", "", "Models (*.safetensors)"
            )
            model = model or self._grid.second_model
        self._grid.second_model = model
        self._list_models()

    def _on_clicked(self, index: int) -> None:
        if index < len(self._tiles):
            self._grid.choose(self._tiles[index])

    # ----------------------------------------------------------------- opening and closing

    def sizeHint(self) -> QSize:
        return QSize(900, 330)

    def minimumSizeHint(self) -> QSize:
        return QSize(300, 150)

    def showEvent(self, event: Any) -> None:
        """Compute from now on."""
        super().showEvent(event)
        self._grid.open = True
        self._redraw_soon()

    def hideEvent(self, event: Any) -> None:
        """Compute nothing that nobody sees."""
        super().hideEvent(event)
        self._grid.open = False

    def close_links(self) -> None:
        """Stop listening."""
        self._closed = True
        self._grid.open = False
        self._grid.changed.disconnect(self._redraw_soon, missing_ok=True)
        self._session.ended.disconnect(self._on_ended, missing_ok=True)
        self._session.model_changed.disconnect(self._list_models, missing_ok=True)

    def _on_ended(self) -> None:
        self._tiles = []
        self.view.set_pictures([], self._tile_size(None))
        self.hint.setText(FACE_CLOSED)

    # ----------------------------------------------------------------- drawing

    def _redraw_soon(self) -> None:
        """Draw once, after all that is going on now."""
        if not self._closed:
            self._redraw_timer.start()

    def redraw(self) -> None:
        """Draw what the grid has now."""
        if not self.isVisible() or self._session.closed:
            return
        self._tiles = self._grid.tiles()
        self.hint.setText(self._grid.hint)
        failed = (tile.message for tile in self._tiles if tile.status == "failed")
        # The picture says it too, but an unexpected one is to be reported.
        self.problem.say(next(filter(can_be_reported, failed), ""), "error")
        grounds: dict[Any, Ground] = {}
        pictures = [self._picture(tile, self.size_slider.value(), grounds) for tile in self._tiles]
        size = self._tile_size(next(iter(grounds.values()), None))
        self.view.set_pictures(pictures, size)
        self.save_button.setEnabled(any(picture.image is not None for picture in pictures))
        self.about.setText(self._about())

    def _tile_size(self, below: Ground | None) -> QSize:
        width = self.size_slider.value()
        if below is None:
            return QSize(width, max(60, self.view.place(0).height() * width // 150))
        return QSize(width, below.image.shape[0])

    def _picture(self, tile: Tile, width: int, grounds: dict[Any, Ground]) -> Picture:
        opened = self._session.current
        if opened is None or not isinstance(tile, MapTile):
            text = {"computing": "computing …", "failed": tile.message}.get(tile.status, "")
            return Picture(None, tile.title, text, tile.message, tile.chosen)
        place = (tile.picture.scale, tile.picture.translate, tile.picture.data.shape)
        if place not in grounds:
            image = opened.video[tile.computed.frame]
            grounds[place] = ground(image, tile.picture, width, white=opened.video.white)
        limit = self._grid.limit(self._tiles, tile, self.same.isChecked())
        image = draw_tile(
            grounds[place],
            tile.picture,
            limit,
            self._session.overlays.attention_colours,
            self._session.overlays.attention_opacity,
            self._points(tile),
        )
        tip = (
            f"{heading(tile.target)}: {how_computed(tile.computed.settings, tile.target)}.\n"
            f"Model {tile.computed.settings.get('model', '?')}. "
            f"Full colour: {limit:.3g} {tile.picture.unit}."
        )
        return Picture(image, tile.title, "", tip, tile.chosen)

    def _points(self, tile: MapTile) -> tuple[NDArray[np.float64], KeypointSet] | None:
        """The points that a tile's map is of, where its own network found them."""
        keypoints = self._session.attention.store.keypoints.get(tile.key.model)
        computed = tile.computed
        if keypoints is None or tile.target == GLOBAL:
            return None
        names = {computed.names[row] for row in attention_rows(computed, tile.target)}
        xy = np.array(computed.xy, np.float64)
        if len(xy) != len(keypoints):
            return None
        xy[[name not in names for name in keypoints.names]] = np.nan
        return xy, keypoints

    def _about(self) -> str:
        """What all pictures have in common."""
        first = next((tile for tile in self._tiles if isinstance(tile, MapTile)), None)
        if first is None:
            return ""
        settings = first.computed.settings
        kind, same = self._grid.kind, self.same.isChecked()
        text = ""
        if kind != "layers":
            text = f"{how_computed(settings, first.target, self._session.attention.depth)}. "
        if kind != "keypoints":
            text = f"{heading(first.target)}. {text}"
        if same:
            limit = self._grid.limit(self._tiles, first, True)
            text += f"Full colour: {limit:.3g} {first.picture.unit}, in all pictures."
        else:
            text += "Each picture has its own scale of colours."
        return f"Frame {first.computed.frame}. {text}"

    # ----------------------------------------------------------------- a file of it

    @on_video
    def ask_to_save(self, opened: OpenVideo) -> None:
        """Ask where to write the pictures."""
        ending = f"_frame{self._session.frame}_attention_{self._grid.kind}.png"
        start = output_path(opened.path, ending)
        save_as(self, "Save picture", start, "PNG (*.png)", ".png", self.save)

    def save(self, path: Path) -> None:
        """Write the pictures with their lines as PNG."""

        def work() -> None:
            with atomic_write(path) as temporary:
                if not self.grab_all().save(str(temporary), "PNG"):
                    raise VitFaceError(f"{path} could not be written; is the disk full?")

        write_now(self._session, work, path)

    def grab_all(self) -> Any:
        """The pictures and the line about them, all rows of them, as a QPixmap."""
        from qtpy.QtGui import QPainter, QPixmap

        parts = [self.view.grab(), *([self.about.grab()] if self.about.text() else [])]
        ratio = parts[0].devicePixelRatio()
        whole = QPixmap(
            max(part.width() for part in parts), sum(part.height() for part in parts) + 4
        )
        whole.setDevicePixelRatio(ratio)
        whole.fill(self.palette().window().color())
        painter = QPainter(whole)
        top = 0.0
        for part in parts:
            painter.drawPixmap(0, int(top), part)
            top += part.height() / ratio + 2
        painter.end()
        return whole
