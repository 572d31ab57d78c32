"""The commands behind ``napari-vitface states``."""

from __future__ import annotations

from napari_vitface.cli.arguments import Command, Group

COMMANDS: tuple[Command, ...] = ()
GROUP = Group(
    "states", "What the faces in videos say of the state that the animal is in.", COMMANDS
)
