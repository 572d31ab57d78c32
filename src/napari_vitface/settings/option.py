"""Settings declared as annotated fields of a dataclass, and what follows from a declaration.

A field ``discard: Annotated[float, Option("share that is left out", ge=0, lt=1)] = 0.0`` is a
setting. The options of the command line, the widgets of forms and the checks of values all read it.
"""

from __future__ import annotations

import inspect
import textwrap
import types
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from functools import cache, wraps
from numbers import Integral, Real
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from napari_vitface.errors import UnknownSettingError, VitFaceError

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

#: What a setting can be; all of it can be hashed and sent through a pipe.
Value = bool | int | float | str | tuple[int | None, ...] | None


@dataclass(frozen=True, kw_only=True)
class Option:
    """What people are told of a setting, and the values that it takes.

    Parameters
    ----------
    help : str
        For ``--help`` and tooltips; begins with a small letter.
    label : str
        Before the field in forms; without one, no form makes a widget of it by itself.
    metavar : str
        What stands for the value in ``--help``.
    parse : callable, optional
        The value of a text that is typed or written in a form, where its type does not say it;
        raises `VitFaceError`. A named function: a lambda in an annotation sees no globals.
    ge, gt, le, lt : float, optional
        Bounds: at least, above, at most, below.
    step : float, optional
        Of the widget.
    unset : str
        What a form shows where the default is None and nothing else is chosen.
    said : str, optional
        How captions tell a value that is not the default: ``{value}`` and, of a share,
        ``{percent}`` are filled in. An empty one: they tell it otherwise.
    refusal : str, optional
        The sentence about a value that it cannot take; ``{value}`` and ``{choices}`` are filled in.
    offered : bool
        On the command line and in forms; else for callers from Python alone.
    """

    help: str
    label: str = ""
    metavar: str = ""
    parse: Callable[[str], Value] | None = None
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    step: float | None = None
    unset: str = "automatic"
    said: str | None = None
    refusal: str = ""
    offered: bool = True


@dataclass(frozen=True)
class Setting:
    """One declared setting.

    Attributes
    ----------
    name : str
    kind : type
        bool, int, float, str; object where the option says nothing of its type.
    choices : tuple of str
        The values that it takes, if these are few.
    default : Value
    option : Option
    """

    name: str
    kind: type
    choices: tuple[str, ...]
    default: Value
    option: Option

    def check(self, value: Value) -> None:
        """Raise `VitFaceError` where it cannot take a value."""
        if value == self.default or self._fits(value):
            return
        option = self.option
        sentence = option.refusal or "The {name} must be {wanted}, not {value!r}."
        bounds = {
            "at least": option.ge,
            "above": option.gt,
            "at most": option.le,
            "below": option.lt,
        }
        told = [f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None]
        raise VitFaceError(
            sentence.format(
                name=self.name.replace("_", " "),
                value=value,
                choices=", ".join(self.choices),
                wanted=" and ".join(told) or self._wanted(),
            )
        )

    def read(self, text: str) -> Value:
        """The value that was typed.

        Raises
        ------
        VitFaceError
            It cannot take it.
        """
        if self.option.parse is not None:
            return self.option.parse(text)
        value: Value = text
        if self.kind in (int, float):
            try:
                value = self.kind(text)
                if not (self.option.refusal or self._fits(value)):
                    raise ValueError
            except ValueError:
                raise VitFaceError(f"{text!r} is no {self._wanted()[2:]}.") from None
        self.check(value)
        return value

    def _fits(self, value: Value) -> bool:
        if self.kind is object:
            return True
        if self.choices:
            return value in self.choices
        if isinstance(value, bool) != (self.kind is bool):
            return False
        # Numbers of numpy are such, too.
        kinds: dict[type, type] = {int: Integral, float: Real}
        if not isinstance(value, kinds.get(self.kind, self.kind)):
            return False
        option = self.option
        return not isinstance(value, Real) or (
            (option.ge is None or value >= option.ge)
            and (option.gt is None or value > option.gt)
            and (option.le is None or value <= option.le)
            and (option.lt is None or value < option.lt)
        )

    def said(self, value: Value) -> str:
        """A value in words."""
        if self.option.said is not None:
            percent = 100 * value if isinstance(value, int | float) else 0
            return self.option.said.format(value=value, percent=percent)
        name = self.option.label.lower() or self.name
        return name if value is True else f"{name} {value}"

    def _wanted(self) -> str:
        option = self.option
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        words = {int: "a whole number", float: "a number", bool: "true or false"}
        bounds = ("from", option.ge), ("above", option.gt), ("to", option.le), ("below", option.lt)
        told = [f"{word} {bound:g}" for word, bound in bounds if bound is not None]
        return " ".join([words.get(self.kind, "a text"), *told])


def declared(owner: type) -> Mapping[str, Setting]:
    """The settings of a dataclass by name, in the order of its fields, yes-or-no ones last."""
    return _declared(owner)


@cache
def _declared(owner: type) -> Mapping[str, Setting]:
    hints = get_type_hints(owner, include_extras=True)
    found = []
    for each in fields(owner):
        if get_origin(hints[each.name]) is not Annotated:
            continue
        annotation, *notes = get_args(hints[each.name])
        kind, choices = _kind_of(annotation)
        found += [
            Setting(each.name, kind, choices, cast(Value, each.default), note)
            for note in notes
            if isinstance(note, Option)
        ]
    return {each.name: each for each in sorted(found, key=lambda each: each.kind is bool)}


def _kind_of(annotation: object) -> tuple[type, tuple[str, ...]]:
    if get_origin(annotation) is Literal:
        return str, get_args(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        annotation = kinds[0] if len(kinds) == 1 else object
    return (annotation, ()) if isinstance(annotation, type) else (object, ())


def parted(owner: type[T], settings: Mapping[str, Any]) -> tuple[T, dict[str, Any]]:
    """Settings that are fields of `owner`, a dataclass, as one; and the others."""
    own = {each.name for each in fields(cast(Any, owner))}
    mine = {name: value for name, value in settings.items() if name in own}
    return owner(**mine), {name: value for name, value in settings.items() if name not in own}


def takes(*owners: type, more: Callable[[], Collection[str]] | None = None) -> Callable[[F], F]:
    """A function whose ``**settings`` are the fields of dataclasses; or `more` than these.

    They are in its signature, so that an interpreter completes them, and in its docstring in place
    of ``{settings}``. A call with a name that is not, and is none of `more`, raises
    `UnknownSettingError`.
    """

    def say(function: F) -> F:
        signature = inspect.signature(function)
        parameters = [
            one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD
        ]
        told: list[str] = []
        for owner in owners:
            hints = get_type_hints(owner)
            for one in inspect.signature(owner).parameters.values():
                parameters.append(one.replace(kind=one.KEYWORD_ONLY, annotation=hints[one.name]))
            for name, each in declared(owner).items():
                told.append(f"{name} : {inspect.formatannotation(hints[name])}")
                told += textwrap.wrap(
                    each.option.help, 84, initial_indent="    ", subsequent_indent="    "
                )
        known = {one.name: one for one in parameters}
        if more is not None:
            parameters += [p for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD]

        @wraps(function)
        def checked(*arguments: Any, **named: Any) -> Any:
            if strange := sorted(named.keys() - known):
                others = () if more is None else more()
                if strange := [name for name in strange if name not in others]:
                    raise UnknownSettingError(
                        f"{function.__name__} takes no {strange[0]!r}; it takes: "
                        f"{', '.join([*known, *others])}."
                    )
            return function(*arguments, **named)

        checked.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        checked.__doc__ = (function.__doc__ or "").replace("{settings}", "\n    ".join(told))
        return cast(F, checked)

    return say
