"""Widgets of forms from declared settings, made by magicgui."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from magicgui.types import Undefined
from magicgui.widgets import ComboBox, FloatSpinBox, LineEdit, create_widget
from magicgui.widgets.bases import ValueWidget

from napari_vitface.settings.computing import PRECISIONS
from napari_vitface.settings.option import Setting, Value

#: The largest number of a box whose setting has no bound.
_LARGEST = 2**31 - 1


def widget_of(setting: Setting, on_change: Callable[[Value], object]) -> ValueWidget[Any]:
    """The widget of a setting; `on_change` is called with what the user makes of it.

    What `value_of` gives is its value where it may be left out: a number above 0, or a text.
    """
    option, kind, unset = setting.option, setting.kind, setting.default is None
    options: dict[str, object] = {"tooltip": sentence(option.help)}
    annotation: Any = kind
    if setting.choices:
        annotation = Literal[setting.choices]
    elif kind in (int, float):
        step = option.step or (1 if kind is int else 0.1)
        low = option.ge if option.gt is None else option.gt + step
        high = option.le if option.lt is None else option.lt - step
        options |= {"min": -_LARGEST if low is None else low}
        options |= {"max": _LARGEST if high is None else high, "step": step}
    kind_of_widget: Any = None
    if unset and kind in (int, float):
        # The box for whole numbers cannot show a word for one of them.
        kind_of_widget = FloatSpinBox
        options["min"] = 0
    elif unset:
        kind_of_widget = LineEdit
    widget: Any = create_widget(
        value=Undefined if unset else setting.default,
        annotation=annotation if kind_of_widget is None else None,
        name=setting.name,
        label=option.label,
        widget_type=kind_of_widget,
        options=options,
    )
    if kind_of_widget is FloatSpinBox:
        widget.native.setSpecialValueText(option.unset)
        if kind is int:
            widget.native.setDecimals(0)
    elif kind_of_widget is LineEdit:
        widget.native.setPlaceholderText(option.unset)
    assert isinstance(widget, ValueWidget)
    widget.changed.connect(on_change)
    return widget


def value_of(setting: Setting, widget: ValueWidget[Any]) -> Any:
    """What a widget of `widget_of` shows; a text as it was written."""
    if setting.default is None and setting.kind in (int, float):
        return setting.kind(widget.value) if widget.value else None
    return widget.value


def show_value(widget: ValueWidget[Any], value: Value) -> None:
    """Show a value without telling that it changed."""
    with widget.changed.blocked():
        widget.value = value


def sentence(help: str) -> str:
    """A help text as a tooltip: it begins with a capital letter."""
    return help[:1].upper() + help[1:]


def device_box() -> ComboBox:
    """On what to compute; `offer_devices` adds those that there are."""
    return ComboBox(choices=[("automatic", "auto"), ("CPU", "cpu")])


def precision_box(names: Sequence[str] = PRECISIONS) -> ComboBox:
    """In which numbers to compute."""
    titles = {"auto": "automatic (measured)", "int8": "int8 (CPU)"}
    return ComboBox(choices=[(titles.get(name, name), name) for name in names])


def offer_devices(box: ComboBox, devices: Sequence[tuple[str, str]]) -> None:
    """Offer (text, name) devices beside the automatic choice."""
    offer(box, [("automatic", "auto"), *devices])


def offer(box: ComboBox, choices: Sequence[tuple[str, str]]) -> None:
    """Change what a box offers, as (text, value); its choice stays if it is still there."""
    chosen = box.value
    box.choices = list(choices)
    if chosen in [value for _, value in choices]:
        box.value = chosen
