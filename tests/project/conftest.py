from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from napari_vitface.pose.edits import make_edit
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import ABSENT, Point
from napari_vitface.project.document import LabelDocument
from napari_vitface.project.project import Project

KEYPOINTS = KeypointSet(("nose tip", "left, ear", "lip"), skeleton=(("nose tip", "lip"),))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project of ours with one video, "mouse 1", whose file is not there."""
    project = Project.create(tmp_path / "project", KEYPOINTS, "Ann B")
    (project.folder / "labeled-data" / "mouse 1").mkdir()
    project.reload()
    return project


def frame(index: int) -> np.ndarray:
    """A frame that tells its number."""
    return np.full((6, 8), index % 256, np.uint8)


def place(document: LabelDocument, *points: tuple[int, int, Point]) -> None:
    """One edit that gives (frame, keypoint) a point."""
    edit = make_edit(document.labels, "place", {(f, k): point for f, k, point in points})
    assert edit is not None
    document.do(edit)


def said(document: LabelDocument) -> dict[tuple[int, int], Point]:
    """Everything that labels say."""
    labels = document.labels
    points = {
        (f, k): labels.point(f, k)
        for f in labels.frames().tolist()
        for k in range(len(labels.keypoints))
    }
    return {where: point for where, point in points.items() if point != ABSENT}


def crash(document: LabelDocument) -> None:
    """What is left after the process died: the files, and no lock."""
    document.journal.close()


def deeplabcut_table(
    points: dict[str, list[tuple[float, float]]],
    names: list[str],
    *,
    scorer: str = "Ann B",
    video: str = "mouse 1",
    levels: int = 3,
    animal: str | None = None,
) -> pd.DataFrame:
    """Labels as DeepLabCut makes them: image -> x, y of each keypoint."""
    rows = [("labeled-data", video, image) for image in points]
    parts = [[scorer], list(names), ["x", "y"]]
    level_names = ["scorer", "bodyparts", "coords"]
    if animal is not None:
        parts.insert(1, [animal])
        level_names.insert(1, "individuals")
    index = pd.MultiIndex.from_tuples(rows) if levels == 3 else ["/".join(row) for row in rows]
    columns = pd.MultiIndex.from_product(parts, names=level_names)
    values = np.array([np.ravel(row) for row in points.values()], float)
    return pd.DataFrame(values.reshape(len(rows), len(columns)), index=index, columns=columns)


Write = Callable[..., Path]


def write_table(table: pd.DataFrame, folder: Path, kinds: tuple[str, ...] = ("h5", "csv")) -> None:
    """Write a table as DeepLabCut does, in both forms."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"CollectedData_{table.columns[0][0]}"
    if "h5" in kinds:
        table.to_hdf(f"{stem}.h5", key="df_with_missing", mode="w")
    if "csv" in kinds:
        table.to_csv(f"{stem}.csv")
