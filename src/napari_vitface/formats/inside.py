"""Keeping what is written inside the project: links and odd names may lead elsewhere."""

from __future__ import annotations

from pathlib import Path

from napari_vitface.errors import LabelError


def check_inside(root: Path, *paths: Path) -> None:
    """Raise `LabelError` if one of some paths leads out of a project's folder."""
    for path in paths:
        try:
            target = path.resolve()
            inside = target.is_relative_to(root.resolve())
        except (OSError, RuntimeError, ValueError) as error:
            raise LabelError(f"{path} leads nowhere ({error}), so nothing is written.") from error
        if not inside:
            raise LabelError(
                f"{path} leads out of the project, to {target}, so nothing is written there: put "
                "the folder itself where the link is, or open that folder."
            )
