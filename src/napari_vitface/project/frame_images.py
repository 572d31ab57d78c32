"""Saving the labelled frames as images beside their labels, as DeepLabCut trains on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import VitFaceError
from napari_vitface.words import counted

FrameReader = Callable[[int], NDArray[Any]]


def missing_images(folder: Path, names: dict[int, str]) -> dict[int, str]:
    """Of frames and the names of their images, those whose image is not in the folder yet."""
    there = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
    return {frame: name for frame, name in names.items() if name not in there}


def write_images(
    folder: Path, names: dict[int, str], read: FrameReader | None, source: Path | None
) -> tuple[list[Path], list[str]]:
    """Write frames as images; existing files are never touched.

    Parameters
    ----------
    folder : Path
    names : dict of frame to file name
    read : callable, optional
        Frame number -> (H, W) or (H, W, 3) array of uint8 or uint16.
    source : Path, optional
        A folder with files of the same names, which are copied as they are.

    Returns
    -------
    written : list of Path
    problems : list of str
        Sentences about frames that could not be read. Their labels are worth saving all the same.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    written: list[Path] = []
    failed: list[tuple[int, str]] = []
    for frame, name in names.items():
        path = folder / name
        if path.exists():
            continue
        if source is not None and (source / name).is_file():
            with atomic_write(path) as temporary:
                temporary.write_bytes((source / name).read_bytes())
            written.append(path)
            continue
        try:
            if read is None:
                raise VitFaceError("the video is not open")
            image = _picture(read(frame))
        except (VitFaceError, IndexError) as error:
            failed.append((frame, str(error)))
            continue
        with atomic_write(path) as temporary:
            image.save(temporary, format="PNG")
        written.append(path)
    if not failed:
        return written, []
    frames = ", ".join(str(frame) for frame, _ in failed[:5]) + ("…" if len(failed) > 5 else "")
    return written, [
        f"The labels of {counted(len(failed), 'frame')} ({frames}) were saved without "
        f"their images: {failed[0][1].rstrip('.')}."
    ]


def _picture(frame: NDArray[Any]) -> Any:
    from PIL import Image

    frame = np.ascontiguousarray(frame)
    if frame.ndim == 3 and frame.dtype != np.uint8:
        # PNG holds 16 bits of colour, but the libraries that train on these images do not read it.
        frame = (frame // 257).astype(np.uint8)
    return Image.fromarray(frame)
