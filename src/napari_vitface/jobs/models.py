"""The models that can be used, with what is known about each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Event, Finished, Notice
from napari_vitface.jobs.results.models import CalibrationSummary, ModelFile, ModelsResult


def models(folder: str | os.PathLike[str] | None = None) -> Iterator[Event]:
    """List the bundled models and those of a project.

    Parameters
    ----------
    folder : path, optional
        A project folder (with ``vitface/models``) or a folder of ``.safetensors`` files.

    Yields
    ------
    Notice
        For each file that is no usable checkpoint.
    Finished
        With a `ModelsResult`.

    Raises
    ------
    VitFaceError
        If there is no such folder.
    """
    from napari_vitface.model.checkpoint import bundled_models

    files = [(path, True) for path in bundled_models().values()]
    if folder is not None:
        files += [(path, False) for path in _in_folder(Path(folder))]
    found = []
    for path, bundled in files:
        try:
            found.append(_describe(path, bundled))
        except VitFaceError as error:
            yield Notice(str(error))
    yield Finished("models", ModelsResult(tuple(found)))


def _in_folder(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise VitFaceError(f"There is no folder {folder}; name a project folder.")
    project = folder / "vitface" / "models"
    return sorted((project if project.is_dir() else folder).glob("*.safetensors"))


def _describe(path: Path, bundled: bool) -> ModelFile:
    from napari_vitface.model.header import read_metadata

    metadata = read_metadata(path)
    network = metadata["network"]
    height, width = metadata["preprocessing"]["input_size"]
    return ModelFile(
        name=path.stem,
        path=str(path),
        bundled=bundled,
        megabytes=round(path.stat().st_size / 1e6, 2),
        backbone=network["backbone"],
        head=network["head"],
        keypoints=tuple(network["keypoints"]["names"]),
        input_size=(height, width),
        training=metadata["training"],
        calibration=CalibrationSummary.of(metadata),
    )
