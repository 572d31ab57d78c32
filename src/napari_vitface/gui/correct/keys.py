"""Every key of the window in one table: what it does, in which words, and how it is bound.

One hand stays on the mouse, so nearly all keys lie under the other one, the left. None is a key of
napari's own, on the viewer or on a layer that shows a video or its points; those that matter for
correcting are in the table too, so that the list that the user sees is whole.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_vitface.gui.connections import Connections
from napari_vitface.gui.correct.canvas import LabelCanvas
from napari_vitface.gui.correct.editing import LabelEditing
from napari_vitface.gui.correct.frame_navigation import FrameNavigation
from napari_vitface.gui.correct.saving import LabelSaving
from napari_vitface.gui.correct.selection import KeypointSelection
from napari_vitface.gui.events.annotating import Annotating
from napari_vitface.gui.weak_attribute import WeakAttribute
from napari_vitface.plugins import Registry

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.utils.key_bindings import KeymapProvider


@dataclass(frozen=True)
class CommandTargets:
    """What commands act on."""

    editing: LabelEditing
    selection: KeypointSelection
    saving: LabelSaving
    canvas: LabelCanvas
    walk: FrameNavigation
    annotating: Annotating


@dataclass(frozen=True)
class Key:
    """One line of the table.

    Attributes
    ----------
    keys : tuple of str
        As napari writes them: ``"Shift-F"``.
    words : str
        What it does.
    command : str
        Name of what it carries out; empty for a key of napari's own.
    carry_out : callable
        Does it.
    repeats : bool
        Whether holding the key down does it again and again.
    """

    keys: tuple[str, ...]
    words: str
    command: str = ""
    carry_out: Callable[[CommandTargets], object] = lambda on: None
    repeats: bool = False

    @property
    def name(self) -> str:
        return self.command

    @property
    def bindings(self) -> tuple[str, ...]:
        """The keys as napari's keymaps write them: ``Shift+F``."""
        return tuple(key.replace("-", "+") for key in self.keys)

    @property
    def text(self) -> str:
        """The keys as people read them: ``Shift+F``."""
        return " or ".join(key.replace("-", "+") for key in self.keys)


def _edit(command: Callable[[LabelEditing], object], words: str, *keys: str, **more: bool) -> Key:
    return Key(keys, words, command.__name__, lambda on: command(on.editing), **more)


def _select(command: Callable[[KeypointSelection], object], words: str, *keys: str) -> Key:
    return Key(keys, words, command.__name__, lambda on: command(on.selection))


def _go(command: Callable[[FrameNavigation], object], words: str, *keys: str, **more: bool) -> Key:
    return Key(keys, words, command.__name__, lambda on: command(on.walk), **more)


def _event(command: Callable[[Annotating], object], words: str, *keys: str) -> Key:
    return Key(keys, words, command.__name__, lambda on: command(on.annotating))


_NUDGE = "nudge the selected points by a pixel"

#: The group of keys that are for events only after a click in their timeline.
TIMELINE = "After a click in the timeline of events"

#: The table, by what the keys are for.
KEYS: dict[str, tuple[Key, ...]] = {
    "Frames": (
        _go(FrameNavigation.next_frame, "next frame", "F", repeats=True),
        _go(FrameNavigation.previous_frame, "previous frame", "D", repeats=True),
        _go(FrameNavigation.next_labelled, "next labelled frame", "Shift-F"),
        _go(FrameNavigation.previous_labelled, "previous labelled frame", "Shift-D"),
        _go(FrameNavigation.next_suggested, "next suggested frame", "R"),
        _go(FrameNavigation.previous_suggested, "previous suggested frame", "E"),
        _go(FrameNavigation.next_low_confidence, "next frame of low confidence", "Shift-R"),
        _go(FrameNavigation.previous_low_confidence, "previous frame of low confidence", "Shift-E"),
    ),
    "Keypoints": (
        Key(
            ("T",),
            "change between moving points and placing them by clicks",
            "switch_tool",
            lambda on: on.canvas.switch_tool(),
        ),
        _select(KeypointSelection.next_keypoint, "select the next keypoint", "W"),
        _select(KeypointSelection.previous_keypoint, "select the previous keypoint", "Q"),
        _edit(LabelEditing.accept_all, "accept all predictions of the frame", "G"),
        _edit(
            LabelEditing.accept_selected, "accept the predictions of the selected points", "Shift-G"
        ),
        _edit(LabelEditing.occlude, "occluded: hidden, but about here (again: visible)", "B"),
        _edit(
            LabelEditing.delete,
            "not visible: nobody can say where",
            *("Shift-B", "Delete", "Backspace"),
        ),
        _edit(
            LabelEditing.copy_previous,
            "copy what is missing from the labelled frame before",
            "Shift-C",
        ),
        _edit(LabelEditing.swap, "swap the two selected points, or left and right", "Shift-X"),
        _edit(LabelEditing.forget, "take back what was said of the selected points", "Shift-T"),
        _edit(LabelEditing.nudge_left, _NUDGE, "Ctrl-Shift-Left", repeats=True),
        _edit(LabelEditing.nudge_right, _NUDGE, "Ctrl-Shift-Right", repeats=True),
        _edit(LabelEditing.nudge_up, _NUDGE, "Ctrl-Shift-Up", repeats=True),
        _edit(LabelEditing.nudge_down, _NUDGE, "Ctrl-Shift-Down", repeats=True),
    ),
    "Edits": (
        _edit(LabelEditing.undo, "undo, on whichever frame it was", "Ctrl-Z", repeats=True),
        _edit(LabelEditing.redo, "redo", "Ctrl-Shift-Z", repeats=True),
        Key(("Shift-S",), "save the labels", "save", lambda on: on.saving.save()),
    ),
    "Events": (
        _event(Annotating.mark, "begin an event at this frame; again: end it", "N"),
        _event(Annotating.mark_point, "an event without duration at this frame", "Shift-N"),
        _event(Annotating.next_event, "next event of the label", "K"),
        _event(Annotating.previous_event, "previous event of the label", "J"),
        _event(Annotating.choose_next, "choose the next label", "H"),
    ),
    TIMELINE: (
        _event(Annotating.delete, "delete the selected event", "Delete", "Backspace"),
        _event(Annotating.undo, "undo the last edit of events", "Ctrl-Z"),
        _event(Annotating.redo, "redo", "Ctrl-Shift-Z"),
        _event(Annotating.save, "save the events", "Shift-S"),
    ),
    "Keys of napari, with the keypoints layer selected": (
        Key(("3", "S"), "move points: drag one, or a box around several"),
        Key(("2", "P"), "place points by clicks"),
        Key(("4", "Z"), "move the picture"),
        Key(("1", "Delete"), "the selected points are not visible"),
        Key(("A",), "select all points of the frame"),
        Key(("Left", "Right"), "previous and next frame"),
        Key(("Space",), "held: move the picture for a moment"),
    ),
}


def _problem(one: Key, others: Mapping[str, Key]) -> str:
    for key in (*_of(KEYS).values(), *others.values()):
        if shared := set(one.bindings) & set(key.bindings):
            return f"{', '.join(sorted(shared))} is for: {key.words}"
    return "" if one.command and one.command not in _of(KEYS) else "its command is not its own"


#: Keys that other packages add, as entry points of this group, each a `Key`.
ADDED: Registry[Key] = Registry(Key, (), group="napari_vitface.keys", problem=_problem)


def whole_table() -> dict[str, tuple[Key, ...]]:
    """`KEYS`, and below them those of other packages."""
    return {**KEYS, "Of other packages": tuple(ADDED.values())} if ADDED else KEYS


def commands() -> dict[str, Key]:
    """Our keys in all of the window, and those of other packages, by their command."""
    return _of(whole_table())


def timeline_commands() -> dict[str, Key]:
    """The keys of the timeline by the command that they call."""
    return {key.command: key for key in KEYS[TIMELINE]}


def _of(table: Mapping[str, tuple[Key, ...]]) -> dict[str, Key]:
    return {
        key.command: key
        for name, group in table.items()
        for key in group
        if key.command and name != TIMELINE
    }


def lines() -> dict[str, list[tuple[str, str]]]:
    """The table as it is written for people: by group, keys and what they do.

    Keys that do the same in four directions share a line.
    """
    table: dict[str, list[tuple[str, str]]] = {}
    for group, keys in whole_table().items():
        rows = table.setdefault(group, [])
        for key in keys:
            text = key.text
            if key.words == _NUDGE:
                text = f"{text.rpartition('+')[0]}+arrows"
            if (text, key.words) not in rows:
                rows.append((text, key.words))
    return table


def words_with_key(command: str, words: str) -> str:
    """A tool tip that ends with the key of a command."""
    return f"{words}  ({commands()[command].text})"


def words_with_timeline_key(command: str, words: str) -> str:
    """A tool tip that ends with the key of a command of the timeline."""
    return f"{words}  ({timeline_commands()[command].text} after a click in a lane)"


class KeyBinder:
    """Binds the table to a viewer and to the keypoints layer, and lets go of them again.

    On the viewer, so that a key works whichever layer is selected and when the focus is in a dock;
    on the layer too, so that it works there whatever else is bound to the viewer. A key that
    something else has bound stays with that.

    Parameters
    ----------
    run : callable
        Carries out a command of the table, given by its name.
    """

    _viewer = WeakAttribute["ViewerModel"]()

    def __init__(self, run: Callable[[str], None]) -> None:
        self._run = run
        self._functions = {key.command: self._function(key) for key in commands().values()}
        self._providers: weakref.WeakSet[KeymapProvider] = weakref.WeakSet()
        self._connections = Connections()

    def bind(self, provider: KeymapProvider) -> None:
        """Bind all keys on a viewer or a layer."""
        taken = {str(binding) for binding in _keymap(provider)}
        for command, key in commands().items():
            for binding in key.bindings:
                if binding not in taken:
                    provider.bind_key(binding, self._functions[command])
        self._providers.add(provider)

    def unbind(self) -> None:
        """Take our keys off all viewers and layers."""
        for owner in list(self._providers):
            ours = set(self._functions.values())
            for binding in [b for b, function in owner.keymap.items() if function in ours]:
                owner.bind_key(binding, None)
        self._providers.clear()
        self._connections.undo()

    def repeat(self, viewer: ViewerModel) -> None:
        """Let keys that repeat do so while they are held down, if the viewer has a canvas.

        napari passes on the repeats of its own keys alone.
        """
        window = getattr(viewer, "window", None)
        canvas = getattr(getattr(window, "_qt_viewer", None), "canvas", None)
        scene = getattr(canvas, "_scene_canvas", None)
        if scene is not None:
            self._viewer = viewer
            self._connections.connect(scene.events.key_press, self._on_press)

    def _function(self, key: Key) -> Callable[[Any], None]:
        run = self._run

        def press(_: Any) -> None:
            run(key.command)

        press.__name__ = f"vitface_{key.command}"
        press.__doc__ = key.words
        return press

    def _on_press(self, event: Any) -> None:
        viewer = self._viewer
        native = getattr(event, "native", None)
        if event.key is None or native is None or not native.isAutoRepeat():
            return
        pressed = _binding_of(event)
        for command, key in commands().items():
            if key.repeats and pressed in key.bindings:
                # What the key does now: another layer's own use of it goes before ours.
                for provider in (viewer.layers.selection.active, viewer):
                    keymap = {str(b): f for b, f in _keymap(provider).items()}
                    if pressed in keymap:
                        if keymap[pressed] is self._functions[command]:
                            self._run(command)
                            event.handled = True
                        return


def _keymap(provider: KeymapProvider | None) -> dict[Any, Any]:
    """The keys of a viewer or layer: its own and those of its classes."""
    if provider is None:
        return {}
    keymap: dict[Any, Any] = {}
    for cls in reversed(type(provider).__mro__):
        keymap.update(getattr(cls, "class_keymap", {}))
    keymap.update(provider.keymap)
    return keymap


def _binding_of(event: Any) -> str:
    """A key event of the canvas as the table's bindings are written."""
    held = [name for name in ("Control", "Shift", "Alt", "Meta") if name in event.modifiers]
    name = event.key.name
    parts = ["Ctrl" if mod == "Control" else mod for mod in held if mod != name]
    return "+".join([*parts, name.upper() if len(name) == 1 else name])
