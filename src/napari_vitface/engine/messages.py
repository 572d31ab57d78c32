"""What the window and the engine process say to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from napari_vitface.jobs.events import Event
from napari_vitface.record import Record

# --- to the engine --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Submit(Record):
    """A job is asked for; see `napari_vitface.engine.client.Engine.submit`."""

    number: int
    job: str
    arguments: Mapping[str, object]
    urgent: bool
    replaces: str | None


@dataclass(frozen=True)
class Cancel(Record):
    """A request is not wanted any more; without a number, none is."""

    number: int | None = None


@dataclass(frozen=True)
class WarmUp(Record):
    """What a job needs may be imported, while nothing else is to be done."""

    job: str


@dataclass(frozen=True)
class Close(Record):
    """The window is gone."""


# --- to the window --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ready(Record):
    """The process takes requests."""


@dataclass(frozen=True)
class Told(Record):
    """An event of the request with a number."""

    number: int
    event: Event


@dataclass(frozen=True)
class Stage(Record):
    """A request "began", or is "closing" (it was cancelled and puts its files in order)."""

    number: int
    stage: str
