"""A section of another package, in the dock of a real window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from napari_vitface.gui.section import ADDED

if TYPE_CHECKING:
    from napari_vitface.gui.dock import ViTFaceDock

TOY = """
from napari_vitface.gui.section import Section, SectionKind

class Length(Section):
    def __init__(self, session, number):
        super().__init__(number, "Length")
        self.session = session
        session.video_changed.connect(self.show_length)
        self.show_length()

    def show_length(self):
        opened = self.session.current
        length = "Open a video first." if opened is None else f"{len(opened.video)} frames"
        self.hint.setText(length)
        self.set_waiting(opened is None)

TOY = SectionKind("length", Length)
"""


@pytest.mark.window
def test_it_stands_below_ours_and_hears_the_session(
    install: Callable[..., None], request: pytest.FixtureRequest, video_path: Path
) -> None:
    install(ADDED, TOY)
    dock: ViTFaceDock = request.getfixturevalue("dock")
    section: Any = dock.sections["length"]
    assert list(dock.sections)[-1] == "length"
    others = [other for other in dock.sections.values() if other is not section]
    assert section.isVisible()
    assert section.y() > max(other.y() for other in others)
    assert section.hint.text() == "Open a video first."
    dock.video_section.open(video_path)
    assert section.hint.text() == "40 frames"
    dock.open_section("length")
    assert section.header.isChecked()


@pytest.mark.window
def test_one_that_cannot_be_made_leaves_the_dock_as_it_is(
    install: Callable[..., None], request: pytest.FixtureRequest
) -> None:
    install(ADDED, TOY.replace('"Length")', '"Length", no_such_thing)'))
    with pytest.warns(UserWarning, match="the section length could not be added"):
        dock: ViTFaceDock = request.getfixturevalue("dock")
    assert "length" not in dock.sections
    assert dock.video_section.isVisible()
