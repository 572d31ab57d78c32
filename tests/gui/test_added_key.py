"""A key of another package: pressed, listed, and refused where it is taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from napari.utils.key_bindings import KeymapHandler

from napari_vitface.gui.correct.keys import ADDED, commands, lines
from napari_vitface.gui.open_videos import open_for_window
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import NOT_VISIBLE, labelled

if TYPE_CHECKING:
    from conftest import Pump
    from napari.components import ViewerModel

    from napari_vitface.gui.workbench import Workbench

TOY = """
from napari_vitface.gui.correct.keys import Key

def hide_all(on):
    on.selection.select(range(len(on.editing.keypoints)))
    on.editing.delete()

TOY = Key(("Ctrl-Shift-H",), "nothing of the face is visible", "hide_all", hide_all)
"""


def test_it_edits_the_frame_on_screen_and_is_undone(
    install: Callable[..., None],
    request: pytest.FixtureRequest,
    pump: Pump,
    video_path: Path,
    tmp_path: Path,
) -> None:
    install(ADDED, TOY)
    session: Workbench = request.getfixturevalue("session")
    viewer: ViewerModel = session.viewer
    session.add_video(open_for_window(video_path))
    pump.until(lambda: not session.labelling.documents.opening)
    session.labelling.documents.create(tmp_path / "project", KeypointSet(("nose", "ear")), "me")
    pump.until(lambda: session.labelling.document is not None)
    session.labelling.move({0: (10, 20)})
    handler = KeymapHandler()
    handler.keymap_providers = [viewer]
    handler.press_key("Ctrl+Shift+H")
    labels = session.labelling.labels
    assert [labels.point(0, k) for k in (0, 1)] == [NOT_VISIBLE, NOT_VISIBLE]
    handler.press_key("Ctrl+Z")
    assert labels.point(0, 0) == labelled(10, 20)
    assert lines()["Of other packages"] == [("Ctrl+Shift+H", "nothing of the face is visible")]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("Ctrl-Shift-H", "Shift-F"), r"Shift\+F is for: next labelled frame"),
        (('"hide_all"', '"undo"'), "its command is not its own"),
        (('"hide_all"', '""'), "its command is not its own"),
    ],
)
def test_no_other_package_takes_a_key_or_a_command(
    install: Callable[..., None], change: tuple[str, str], why: str
) -> None:
    before = commands()
    install(ADDED, TOY.replace(*change))
    with pytest.warns(UserWarning, match=why):
        assert commands() == before
