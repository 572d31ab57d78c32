"""Kinds of what is computed of a video, each one class whose instance is what was chosen of it.

Features of frames, traces and attention methods are such. The options of the command line, forms,
the settings kept in files and the dispatch come from the declaration. What computes a kind is
named, and imported only where it is computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pkgutil import resolve_name
from typing import Any, ClassVar, TypeVar

from napari_vitface.errors import ChoiceError, UnknownSettingError
from napari_vitface.settings.option import Setting, Value, declared


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of something that is computed; the fields are its settings.

    Attributes
    ----------
    name : str
        In jobs, on the command line and in files.
    title : str
        In lists.
    help : str
        What it is, in a sentence that begins with a small letter and has no full stop.
    compute : str
        ``module:function`` of what makes what computes it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    help: ClassVar[str]
    compute: ClassVar[str]

    def __post_init__(self) -> None:
        for name, setting in declared(type(self)).items():
            setting.check(getattr(self, name))

    def described(self) -> Mapping[str, object]:
        """Name and settings as plain data for files."""
        return {"kind": self.name, **{each.name: getattr(self, each.name) for each in fields(self)}}

    @classmethod
    def load(cls) -> Any:
        """Import what makes what computes it."""
        return resolve_name(cls.compute)


K = TypeVar("K", bound=Kind)


def settings_of(kinds: Iterable[Kind]) -> dict[str, Setting]:
    """The settings of several kinds by name."""
    return {name: each for kind in kinds for name, each in declared(type(kind)).items()}


def problem_beside(
    kind: Kind, others: Mapping[str, Kind], needed: Iterable[str] = ("title", "help", "compute")
) -> str:
    """Why a kind of another package cannot stand beside others; empty if it can."""
    missing = [each for each in needed if not hasattr(kind, each)]
    if missing:
        return f"it does not declare {', '.join(missing)}"
    known, own = settings_of(others.values()), declared(type(kind))
    other = [name for name, each in own.items() if known.get(name, each) != each]
    return f"a setting named {', '.join(other)} means something else elsewhere" if other else ""


def choose_among(
    kinds: Mapping[str, K], called: str, names: str | Iterable[str], settings: Mapping[str, Value]
) -> tuple[K, ...]:
    """Kinds with settings; each takes those that it has.

    Parameters
    ----------
    kinds : mapping
        A registry.
    called : str
        What one is, for sentences: "feature".
    names : str or iterable of str
        ``"hog,motion"``, or the names.
    settings : mapping
        Of any of the kinds.

    Raises
    ------
    ChoiceError
        There is no such kind, one is named twice, or a setting cannot take a value.
    UnknownSettingError
        No kind has a setting of that name.
    """
    wanted = [each.strip() for each in names.split(",")] if isinstance(names, str) else [*names]
    for name in wanted:
        if name not in kinds:
            raise ChoiceError(
                f"There is no {called} {name!r}; choose among {', '.join(kinds)}, several with "
                "commas between them."
            )
        if wanted.count(name) > 1:
            raise ChoiceError(f"The {called} {name} is named twice; name each once.")
    if strange := settings.keys() - settings_of(kinds.values()).keys():
        raise UnknownSettingError(f"No {called} has a setting {min(strange)!r}.")
    return tuple(with_settings(kinds[name], settings) for name in wanted)


def with_settings(kind: K, settings: Mapping[str, Any]) -> K:
    """The same kind with those of the settings that it has."""
    own = {each.name for each in fields(kind)}
    return replace(kind, **{name: value for name, value in settings.items() if name in own})
