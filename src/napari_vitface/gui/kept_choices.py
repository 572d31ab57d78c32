"""What the user chose in the docks of a window, which outlives them."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from napari.components import ViewerModel

T = TypeVar("T")


class KeptChoices:
    """The choices of one viewer, by names: sessions and docks come and go meanwhile.

    They end with the viewer. What belongs to a video is kept in `OpenVideo`, what belongs to a
    project in its files.
    """

    def __init__(self) -> None:
        self._chosen: dict[str, Any] = {}

    def of(self, name: str, default: T) -> T:
        """What was chosen, else the default, which is kept from now on: it may be changed."""
        chosen: T = self._chosen.setdefault(name, default)
        return chosen

    def note(self, name: str, chosen: object) -> None:
        """Keep another choice."""
        self._chosen[name] = chosen

    def follow(self, panel: object, *names: str) -> None:
        """Set widgets to what the last panel of this kind had, and keep what they are set to.

        Parameters
        ----------
        panel : object
            Its slots are called where a widget changes, so that they are connected before.
        names : str
            Its attributes that are buttons, boxes with a list, numbers or sliders.
        """
        for name in names:
            widget: Any = getattr(panel, name)
            key = f"{type(panel).__name__}.{name}"
            value = widget.metaObject().userProperty()
            if key in self._chosen:
                value.write(widget, self._chosen[key])
            changes = ("toggled", "currentTextChanged", "valueChanged")
            changed = next(getattr(widget, each) for each in changes if hasattr(widget, each))
            changed.connect(lambda chosen, key=key: self.note(key, chosen))


_kept: weakref.WeakKeyDictionary[Any, KeptChoices] = weakref.WeakKeyDictionary()


def choices_of(viewer: ViewerModel) -> KeptChoices:
    """What was chosen in a viewer."""
    return _kept.setdefault(viewer, KeptChoices())
