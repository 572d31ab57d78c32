"""Widgets of forms from declared settings, made by magicgui."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from magicgui.widgets import create_widget
from magicgui.widgets.bases import ValueWidget

from napari_vitface.settings.option import Setting, Value


def widget_of(setting: Setting, on_change: Callable[[Value], object]) -> ValueWidget[Any]:
    """The widget of a setting; `on_change` is called with what the user makes of it."""
    option, kind = setting.option, setting.kind
    options: dict[str, object] = {"tooltip": sentence(option.help)}
    annotation: Any = kind
    if setting.choices:
        annotation = Literal[setting.choices]
    elif kind in (int, float):
        step = option.step or (1 if kind is int else 0.1)
        low = option.ge if option.gt is None else option.gt + step
        high = option.le if option.lt is None else option.lt - step
        options |= {"min": -1e6 if low is None else low, "max": 1e6 if high is None else high}
        options["step"] = step
    widget = create_widget(
        value=setting.default,
        annotation=annotation,
        name=setting.name,
        label=option.label,
        options=options,
    )
    assert isinstance(widget, ValueWidget)
    widget.changed.connect(on_change)
    return widget


def show_value(widget: ValueWidget[Any], value: Value) -> None:
    """Show a value without telling that it changed."""
    with widget.changed.blocked():
        widget.value = value


def sentence(help: str) -> str:
    """A help text as a tooltip: it begins with a capital letter."""
    return help[:1].upper() + help[1:]
