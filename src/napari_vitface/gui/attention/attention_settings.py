"""What can be asked about the network's attention, and how the engine is asked for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vitface.gui.layers import ALL_KEYPOINTS, GLOBAL
from napari_vitface.gui.numbers import counted
from napari_vitface.settings.attention import DEFAULT, METHODS
from napari_vitface.settings.attention_method import AttentionMethod
from napari_vitface.settings.option import Value, declared

if TYPE_CHECKING:
    from napari_vitface.gui.crop_rectangle import Crop
    from napari_vitface.gui.open_video import OpenVideo
    from napari_vitface.gui.session import Session

#: ``"all"``, ``"global"``, or names of keypoints, whose maps are averaged.
Target = str | tuple[str, ...]


@dataclass(frozen=True)
class AttentionSettings:
    """What to compute and which of the computed maps to show.

    Attributes
    ----------
    target : str or tuple of str
        ``"global"``, ``"all"`` (mean of all keypoints' maps), a keypoint's name, or several names
        (mean of their maps).
    method : str
        Of `napari_vitface.settings.attention.METHODS`.
    layers : (start, stop) or None
        Blocks ``start`` to ``stop - 1``, counted from 0; None for those that the method looks at
        unless it is told which. A method of one layer looks at the last of them.
    chosen : tuple of (name, value)
        Other settings, of this method or of others.
    """

    target: Target = ALL_KEYPOINTS
    method: str = DEFAULT
    layers: tuple[int, int] | None = None
    chosen: tuple[tuple[str, Value], ...] = ()

    def changed(self, **changes: Any) -> AttentionSettings:
        """With some of these, or of the settings of methods, changed."""
        own = {
            each: changes.pop(each) for each in ("target", "method", "layers") if each in changes
        }
        return replace(self, **own, chosen=tuple(sorted((dict(self.chosen) | changes).items())))

    def for_another_model(self) -> AttentionSettings:
        """Of the layers that it looks at by default, and of all heads: it may have fewer."""
        return self.changed(layers=None, head=None)

    @property
    def how(self) -> AttentionMethod:
        """The method with those of the settings that it has."""
        method = METHODS[self.method]
        known = declared(type(method))
        values: Any = {name: value for name, value in self.chosen if name in known}
        return replace(method, **values).at(self.layers)

    @property
    def names(self) -> tuple[str, ...] | None:
        """The keypoints that are looked at; None for all."""
        if self.target == ALL_KEYPOINTS:
            return None
        return (self.target,) if isinstance(self.target, str) else self.target


@dataclass(frozen=True)
class MapKey:
    """One answer of the engine: the maps of a frame that are computed together.

    Attributes
    ----------
    how : AttentionMethod
        With its settings.
    names : tuple of str or None
        What maps are of; None for all keypoints and ``"global"``.
    story : bool
        The maps after each layer, first to last.
    """

    path: Path
    frame: int
    model: str
    crop: Crop | None
    white: int | None
    device: str
    precision: str
    how: AttentionMethod
    names: tuple[str, ...] | None = None
    story: bool = False

    @property
    def layers(self) -> tuple[int, int] | None:
        """Those that are looked at; None where none are named."""
        return getattr(self.how, "layers", None)

    def up_to(self, stop: int) -> MapKey:
        """Of a story, the maps after layer `stop` (counted from 1)."""
        return replace(self, how=self.how.at((0, stop)), story=False)

    def chapter(self, stop: int, depth: int) -> MapKey:
        """The same, known by no layers if these of `depth` are what the method looks at anyway."""
        usual, key = self.how.usual_layers(depth), self.up_to(stop)
        same = key.how == key.how.at((usual.start, usual.stop))
        return replace(key, how=key.how.at(None)) if same else key

    def without_frame(self) -> MapKey:
        """The same for any frame and whichever maps: what colour limits and averages belong to."""
        return replace(self, frame=-1, names=None)

    @property
    def keypoint(self) -> str | list[str]:
        """Whose maps are computed, as jobs take it."""
        return "all" if self.names is None else list(self.names)

    def arguments(self) -> dict[str, object]:
        """Arguments of the ``explain`` job."""
        return {
            **self.common(),
            "frame": self.frame,
            "keypoint": self.keypoint,
            **({"story": True} if self.story else {}),
        }

    def common(self) -> dict[str, object]:
        """Arguments that jobs on attention share: source, model, method and settings."""
        return {
            "source": self.path,
            "model": self.model,
            "method": self.how.name,
            **self.how.values(),
            "crop": self.crop,
            "white": self.white,
            "device": self.device,
            "precision": self.precision,
        }


def map_key(
    session: Session,
    opened: OpenVideo,
    settings: AttentionSettings,
    *,
    everything: bool = False,
    story: bool = False,
) -> MapKey:
    """What to ask the engine for the frame on screen.

    Parameters
    ----------
    everything : bool
        The maps of all keypoints are wanted, whatever the target.
    story : bool
        The maps after each layer are wanted.
    """
    how = settings.how.at(None) if story else settings.how
    return MapKey(
        opened.path,
        session.frame,
        session.model,
        opened.crop,
        opened.white,
        session.device,
        session.precision,
        how,
        settings.names if how.cost == "keypoint" and not everything else None,
        story,
    )


def of(target: Target) -> str:
    """What a map explains, in words."""
    if target == ALL_KEYPOINTS:
        return "all keypoints"
    if target == GLOBAL:
        return "the whole image (global)"
    if isinstance(target, str):
        return target
    if len(target) <= 3:
        return " and ".join(filter(None, [", ".join(target[:-1]), target[-1]]))
    return f"{counted(len(target), 'keypoint')}"
