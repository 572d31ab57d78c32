"""What napari's own menus call: the work of the dock's buttons, with the dock opened for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

# At run time too: napari fills the parameters of menu actions by their annotated types.
from napari.viewer import Viewer

from napari_vitface.gui.plugin_docks import EVENTS, FACE, FRAMES, TRAJECTORIES, open_plugin_dock
from napari_vitface.gui.session_dock import open_session_dock
from napari_vitface.gui.video_list.dock import open_video_list

if TYPE_CHECKING:
    from napari_vitface.gui.dock import ViTFaceDock
    from napari_vitface.gui.events.dock import EventsDock
    from napari_vitface.gui.states.dock import FramesDock
    from napari_vitface.gui.trajectories.dock import TrajectoriesDock


def open_dock(viewer: Viewer) -> ViTFaceDock:
    """The ViT Face dock of a viewer, opened and brought to the front."""
    dock: ViTFaceDock = open_plugin_dock(viewer, FACE)
    return dock


def open_video_with_dialog(viewer: Viewer) -> None:
    """File > IO Utilities: choose a video and open it."""
    open_dock(viewer).video_section.choose_file()


def show_video_list(viewer: Viewer) -> None:
    """File > IO Utilities: open the list of videos that are predicted one after the other."""
    open_video_list(open_dock(viewer).session)


def show_prediction(viewer: Viewer) -> None:
    """Layers > Track: open the dock at its Predict section."""
    open_dock(viewer).open_section("predict")


def show_attention(viewer: Viewer) -> None:
    """Layers > Visualize: open the dock at its Attention section and switch attention on."""
    dock = open_dock(viewer)
    dock.open_section("attention")
    if not dock.session.made.waiting:
        dock.session.attention.enabled = True


def start_correcting(viewer: Viewer) -> None:
    """Layers > Annotate: open the dock at its Correct section, with the tool in hand."""
    dock = open_dock(viewer)
    dock.open_section("correct")
    labelling = dock.session.labelling
    if labelling.keypoints is not None and labelling.canvas.tool == "look":
        labelling.canvas.switch_tool()


def show_fine_tune(viewer: Viewer) -> None:
    """Layers > Annotate: open the dock at its Fine-tune section."""
    open_dock(viewer).open_section("fine-tune")


def open_trajectories(viewer: Viewer) -> TrajectoriesDock:
    """Layers > Visualize: open the Trajectories dock of a viewer below the canvas."""
    dock: TrajectoriesDock = open_session_dock(viewer, TRAJECTORIES)
    return dock


def open_events(viewer: Viewer) -> EventsDock:
    """Layers > Annotate: open the timeline of events of a viewer below the canvas."""
    dock: EventsDock = open_session_dock(viewer, EVENTS)
    return dock


def open_frames(viewer: Viewer) -> FramesDock:
    """Layers > Visualize: open the dock that compares the frames of a video below the canvas."""
    dock: FramesDock = open_session_dock(viewer, FRAMES)
    return dock
