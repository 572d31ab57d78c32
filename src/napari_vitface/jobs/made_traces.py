"""What a run of traces was asked for: by it, it knows what it may go on from, and what is done.

A file beside the traces keeps it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_vitface.atomic import atomic_write
from napari_vitface.jobs.frame_range import limits_of
from napari_vitface.jobs.outputs import told_path
from napari_vitface.jobs.results.traces import TracesResult
from napari_vitface.jobs.trace_files import TraceFiles
from napari_vitface.jobs.video_events import MadeBy
from napari_vitface.jobs.video_stamp import VideoStamp
from napari_vitface.record import plain_data
from napari_vitface.settings.traces import TraceKind

if TYPE_CHECKING:
    from napari_vitface.traces.measure import Measure, TraceMaterial


def about_of(
    material: TraceMaterial,
    stamp: VideoStamp,
    kinds: Sequence[TraceKind],
    measures: Sequence[Measure],
) -> dict[str, object]:
    """What must be the same for a run to go on, as plain data."""
    return {
        "video": [material.video.path.name, stamp.size, stamp.changed],
        "frames": limits_of(material.frames),
        "white": material.video.white,
        "regions": {name: list(each) for name, each in material.regions.items()},
        "traces": [_described(kind) for kind in kinds],
        # The eye may have been found by keypoints.
        "parts": [list(each) for measure in measures for each in measure.rectangles],
    }


def asked_of(
    about: Mapping[str, object],
    files: TraceFiles,
    roles: Mapping[str, Sequence[str]],
    read: Sequence[str | os.PathLike[str]],
) -> dict[str, Any]:
    """What was asked for, as the file says it.

    Parameters
    ----------
    about : mapping
        What must be the same for a run to go on.
    roles : mapping of str to sequence of str
        Keypoints by their role.
    read : sequence of path
        Files that are read beside the video.
    """
    stamps = [_stamp(Path(path)) for path in read]
    names = [path.name for path in (files.table, files.nwb) if path is not None]
    asked = {**about, "roles": {**roles}, "read": stamps, "files": names}
    return json.loads(json.dumps(asked))  # type: ignore[no-any-return]


def by_another_method(files: TraceFiles, asked: Mapping[str, Any]) -> bool:
    """Whether a run of another version was asked for the same, and measured it otherwise."""
    try:
        earlier = json.loads(files.made.read_text(encoding="utf-8"))["asked"]
        return bool(earlier != asked and _but_method(earlier) == _but_method(asked))
    except (OSError, KeyError, TypeError, ValueError, RecursionError):
        return False


def traces_there(
    files: TraceFiles, asked: Mapping[str, Any], video: Path
) -> tuple[TracesResult, list[str]] | None:
    """What a run that was asked for the same has left of a video, if it is all there.

    With it the sentences that were told of it.
    """
    try:
        made = json.loads(files.made.read_text(encoding="utf-8"))
        told = made["result"]
        runs = tuple((int(first), int(last)) for first, last in told["broken"])
        if made["asked"] != asked:
            return None
        found = TracesResult(
            video=str(video),
            table=str(files.table),
            traces=tuple(map(str, told["traces"])),
            components=str(files.components) if told["components"] else None,
            nwb=told_path(files.nwb),
            frames=int(told["frames"]),
            broken=runs,
            seconds=0.0,
            frames_per_second=None,
            made=False,
        )
        notices = [str(sentence) for sentence in told.get("notices", ())]
    except (OSError, KeyError, TypeError, ValueError, RecursionError):
        return None
    wanted = (found.table, found.components, found.nwb)
    return (found, notices) if all(Path(path).is_file() for path in wanted if path) else None


def note_made(
    files: TraceFiles,
    asked: Mapping[str, Any],
    result: TracesResult,
    notices: Sequence[str],
    made_by: MadeBy | None,
) -> None:
    """Write how the traces were made, once they are all there; OSError if that cannot be.

    `notices` are what was told of them, and `made_by` is the worker of a cluster, if one made them.
    """
    kept = {
        "traces": result.traces,
        "components": result.components is not None,
        "frames": result.frames,
        "broken": result.broken,
        "notices": notices,
    }
    made = {"asked": asked, "result": kept}
    if made_by is not None:
        made["made_by"] = plain_data(made_by)
    with atomic_write(files.made) as temporary:
        temporary.write_text(json.dumps(made, indent=1), encoding="utf-8")


def _described(kind: TraceKind) -> dict[str, object]:
    """A kind with its settings; the first method is not named, as in files from before."""
    return {**kind.described(), **({"method": kind.method} if kind.method > 1 else {})}


def _but_method(asked: Mapping[str, Any]) -> dict[str, Any]:
    kinds = [{key: each[key] for key in each if key != "method"} for each in asked["traces"]]
    return {**asked, "traces": kinds}


def _stamp(path: Path) -> list[object]:
    stamp = VideoStamp.of(path)
    return [path.name, stamp.size, stamp.changed]
