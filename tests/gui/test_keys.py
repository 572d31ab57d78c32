from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Points, Shapes, Tracks, Vectors
from napari.utils.key_bindings import KeymapHandler

from napari_vitface.gui.correct.canvas import LabelCanvas
from napari_vitface.gui.correct.editing import LabelEditing
from napari_vitface.gui.correct.frame_navigation import FrameNavigation
from napari_vitface.gui.correct.keys import (
    KEYS,
    KeyBinder,
    commands,
    lines,
    timeline_commands,
    words_with_key,
)
from napari_vitface.gui.correct.saving import LabelSaving
from napari_vitface.gui.correct.selection import KeypointSelection
from napari_vitface.gui.events.annotating import Annotating

LAYERS = [
    Points(np.zeros((3, 2))),
    Image(np.zeros((4, 4))),
    Vectors(np.zeros((2, 2, 2))),
    Labels(np.zeros((4, 4), int)),
    Shapes(),
    Tracks(np.array([[0, 0, 1, 1], [0, 1, 2, 2]])),
]


def active(viewer: ViewerModel, layer: Layer | None) -> dict[str, Any]:
    """What each key does while a layer is selected, as napari finds it out."""
    handler = KeymapHandler()
    handler.keymap_providers = [viewer] if layer is None else [layer, viewer]
    return {
        str(binding): getattr(function, "__func__", function)
        for binding, function in handler.active_keymap.items()
    }


@pytest.fixture
def pressed() -> list[str]:
    return []


@pytest.fixture
def binder(pressed: list[str]) -> KeyBinder:
    return KeyBinder(pressed.append)


def test_the_commands_of_the_table_are_there() -> None:
    for command in commands():
        kinds = (LabelEditing, LabelCanvas, KeypointSelection, LabelSaving, FrameNavigation)
        owners = [kind for kind in kinds if callable(getattr(kind, command, None))]
        assert len(owners) == 1 or (not owners and hasattr(Annotating, command)), command


def test_keys_of_the_timeline_are_told_apart_from_those_of_the_window() -> None:
    keys = [binding for key in timeline_commands().values() for binding in key.bindings]
    assert max(Counter(keys).values()) == 1
    assert set(timeline_commands()) == {"delete", "undo", "redo", "save"}
    # Which are keys of the labels everywhere else.
    assert set(timeline_commands()) <= set(commands())


def test_no_key_stands_for_two_things() -> None:
    keys = [binding for key in commands().values() for binding in key.bindings]
    assert max(Counter(keys).values()) == 1


@pytest.mark.parametrize("layer", [None, *LAYERS], ids=lambda layer: type(layer).__name__)
def test_napari_s_own_keys_do_what_they_did(
    viewer_model: ViewerModel, binder: KeyBinder, layer: Layer | None
) -> None:
    # Registers the actions of viewer and layers, and their keys, as a window does.
    import napari.layers.points._points_key_bindings
    import napari.settings
    import napari.utils.action_manager

    shortcuts = napari.settings.get_settings().shortcuts.shortcuts
    for action, keys in shortcuts.items():
        for key in keys:
            if action in napari.utils.action_manager.action_manager._actions:
                napari.utils.action_manager.action_manager.bind_shortcut(action, key)
    before = active(viewer_model, layer)
    assert "Left" in before
    assert not isinstance(layer, Points) or {"A", "S", "P", "Delete", "1"} <= set(before)
    binder.bind(viewer_model)
    if isinstance(layer, Points):
        binder.bind(layer)
    after = active(viewer_model, layer)
    assert {key: after[key] for key in before} == before
    binder.unbind()
    assert active(viewer_model, layer) == before


@pytest.mark.parametrize("layer", [None, *LAYERS[:3]], ids=lambda layer: type(layer).__name__)
def test_every_command_has_a_key_whichever_of_our_layers_is_selected(
    viewer_model: ViewerModel, binder: KeyBinder, pressed: list[str], layer: Layer | None
) -> None:
    binder.bind(viewer_model)
    handler = KeymapHandler()
    handler.keymap_providers = [viewer_model] if layer is None else [layer, viewer_model]
    for key in commands().values():
        handler.press_key(key.bindings[0])
    assert pressed == list(commands())


def test_our_keys_are_no_shortcuts_of_napari_s_menus() -> None:
    from napari._app_model import get_app_model

    taken = {str(entry.keybinding) for entry in get_app_model().keybindings}
    ours = {binding for key in commands().values() for binding in key.bindings}
    assert not ours & taken


def test_a_key_that_something_else_has_bound_stays_with_that(
    viewer_model: ViewerModel, binder: KeyBinder, pressed: list[str]
) -> None:
    other = []
    viewer_model.bind_key("F", lambda _: other.append("F"))
    binder.bind(viewer_model)
    handler = KeymapHandler()
    handler.keymap_providers = [viewer_model]
    handler.press_key("F")
    assert other == ["F"]
    assert pressed == []
    binder.unbind()
    handler.press_key("F")
    assert other == ["F", "F"]


def test_what_people_read_names_every_key_once() -> None:
    shown = lines()
    assert list(shown) == list(KEYS)
    texts = [text for rows in shown.values() for text, _ in rows]
    assert "Ctrl+Shift+arrows" in texts
    for key in commands().values():
        assert key.text in texts or key.command.startswith("nudge")
    assert words_with_key("undo", "Undo") == "Undo  (Ctrl+Z)"


def test_the_documentation_has_the_whole_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "correcting.md").read_text(encoding="utf-8")
    rows = [f"| {keys} | {words} |" for group in lines().values() for keys, words in group]
    assert not [row for row in rows if row not in page]
