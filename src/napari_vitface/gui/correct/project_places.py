"""Which project a video belongs to: beside it, above it, or among those used before.

Nothing is opened here but the small files that say so. The list of projects used before is kept
with the user's settings; it is a convenience, and losing it loses nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from napari_vitface.atomic import atomic_write
from napari_vitface.jobs.outputs import output_path
from napari_vitface.user_folders import state_folder

_KEPT = 200


def proposed_folder(video: Path) -> Path:
    """Where a new project for a video is proposed: beside the video, under its name."""
    return output_path(video, "-labels")


def candidates(video: Path) -> Iterator[Path]:
    """Project folders that a video may belong to, the likeliest first, each once."""
    video = video.resolve()
    beside = proposed_folder(video)
    # <project>/videos/<video> and <project>/labeled-data/<video>/ as DeepLabCut lays them out.
    above = list(video.parents)[:2]
    used = used_before(video)
    # A folder of images may be a labelled one itself.
    own = [video] if video.is_dir() else []
    seen = set()
    for folder in [*used, beside, *above, *own]:
        if folder not in seen and _holds_labels(folder):
            seen.add(folder)
            yield folder


def _holds_labels(folder: Path) -> bool:
    tables = folder.glob("CollectedData*")
    return (folder / "config.yaml").is_file() or next(tables, None) is not None


def used_before(video: Path) -> list[Path]:
    """Projects in which a video was labelled before, the last one first."""
    key = str(video.resolve())
    return [Path(folder) for path, folder in reversed(_read()) if path == key]


def remember(video: Path, project: Path) -> None:
    """Note that a video is labelled in a project."""
    entry = [str(video.resolve()), str(project.resolve())]
    entries = [other for other in _read() if other != entry] + [entry]
    path = _file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(entries[-_KEPT:], indent=0), encoding="utf-8")
    except OSError:
        # Without the list the project is still found beside and above the video.
        return


def _read() -> list[list[str]]:
    try:
        entries = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    good = isinstance(entries, list)
    return [e for e in entries if isinstance(e, list) and len(e) == 2] if good else []


def _file() -> Path:
    return state_folder() / "projects.json"
