"""The labels of a project's events, in ``vitface/project.yaml``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from napari_vitface.events.event_labels import EventLabel, labels_from_json, labels_to_json
from napari_vitface.formats.settings import read_settings

_KEY = "events"


def read_event_labels(folder: Path) -> tuple[EventLabel, ...]:
    """The labels that a project's folder names; `LabelError` if its settings cannot be read."""
    events = read_settings(folder).own.get(_KEY)
    return labels_from_json(events.get("labels")) if isinstance(events, dict) else ()


def write_event_labels(folder: Path, labels: Iterable[EventLabel]) -> None:
    """Have a project name these labels; `LabelError` if that cannot be written."""
    settings = read_settings(folder)
    settings.own[_KEY] = {"labels": labels_to_json(labels)}
    settings.write_own()
