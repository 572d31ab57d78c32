"""Motion and its components beside Facemap's, of the same ten minutes of a real mouse.

    VITFACE_FACEMAP_PYTHON=/path/to/python python -m benchmarks facemap

The variable names the Python of an environment with Facemap in it. The recording of the mirror
mouse is written to and fro as 18000 grey frames, which Facemap's reader and ours decode to the
same pixels; both measure motion energy and 500 components of motion and of the movie, at bins of 4.
It takes half an hour on two CPU cores, and runs only if it is named.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import Row
from benchmarks._real_recording import DATA
from napari_vitface.formats.trace_table import read_traces
from napari_vitface.traces.components_file import read_components
from napari_vitface.video import open_video
from napari_vitface.video.scale import Scale
from napari_vitface.video.video_writer import VideoWriter

FRAMES, BIN = 18000, 4
_KINDS = ("motion", "motion-svd", "movie-svd")
_THEIRS = """
import sys
import numpy as np
from facemap import process
saved = process.run([[sys.argv[1]]], sbin=int(sys.argv[2]), motSVD=True, movSVD=True,
                    savepath=sys.argv[3])
found = np.load(saved, allow_pickle=True).item()
kept = {"energy": found["motion"][0]}
for of, key in (("motion", "mot"), ("movie", "mov")):
    kept[of + "_masks"] = found[key + "Mask"][0]
    kept[of + "_rows"] = found[key + "SVD"][0]
    kept[of + "_values"] = found[key + "Sv"]
np.savez(sys.argv[3] + "/facemap.npz", **kept)
"""


def run() -> list[Row]:
    python, video = os.environ.get("VITFACE_FACEMAP_PYTHON"), DATA / "videos" / "mirror_mouse.mp4"
    if not python or not video.exists():
        why = "left out: VITFACE_FACEMAP_PYTHON or the recording is not there"
        return [("motion beside Facemap", "ten minutes", None, why)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "ten.mp4"
        _write(video, path)
        theirs = _seconds([python, "-c", _THEIRS, str(path), str(BIN), name])
        command = [sys.executable, "-m", "napari_vitface", "traces", str(path)]
        command += ["--kinds", ",".join(_KINDS), "--bin", str(BIN), "--table", "parquet"]
        ours = _seconds(command)
        note = f"{ours:.0f} against {theirs:.0f} s of CPU"
        rows: list[Row] = [("CPU seconds / Facemap's", "motion and movie", ours / theirs, note)]
        return rows + _differences(folder)


def _write(source: Path, path: Path) -> None:
    """Frames to and fro, in full-range H.264 of greys alone."""
    with open_video(source) as opened:
        size = opened.shape[1:3]
        images = [
            image
            for _, image in opened.frames(
                range(len(opened)), scale=Scale(None, (size[0], size[1]), grey=True)
            )
            if image is not None
        ]
    back_and_forth = [*images, *images[-2:0:-1]]
    with VideoWriter(path, (size[0], size[1]), 30, pixel_format="yuvj420p") as writer:
        for number in range(FRAMES):
            writer.write(back_and_forth[number % len(back_and_forth)])


def _seconds(command: list[str]) -> float:
    """CPU seconds of a command and what it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=sys.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _differences(folder: Path) -> list[Row]:
    table = read_traces(folder / "ten_traces.parquet")
    theirs = np.load(folder / "facemap.npz")
    rows: list[Row] = []
    for ours in read_components(folder / "ten_traces_components.h5"):
        masks = ours.masks.reshape(len(ours.masks), -1).T
        here = [n for n, name in enumerate(table.names) if name.startswith(f"{ours.of} frame ")]
        count = min(masks.shape[1], theirs[f"{ours.of}_masks"].shape[1])
        signs = np.sign((masks[:, :count] * theirs[f"{ours.of}_masks"][:, :count]).sum(axis=0))
        # Facemap has no first frame.
        parts = [
            (masks[:, :count] * signs, theirs[f"{ours.of}_masks"][:, :count]),
            (table.values[1:, here[:count]] * signs, theirs[f"{ours.of}_rows"][1:, :count]),
        ]
        away = np.max([_away(*each) for each in parts], axis=0)
        equal = int(np.argmax(away > 1e-3)) if (away > 1e-3).any() else count
        name = f"components of {ours.of} equal to 1e-3, of {count}"
        rows.append((name, "ten minutes", float(equal), f"the tenth differs by {away[9]:.1e}"))
        if ours.of == "motion":
            energy = table.values[500:, 0] * ours.mean.size
            off = float(np.abs(energy / theirs["energy"][500:] - 1).max())
            rows.append(("motion energy, relative difference", "ten minutes", off, ""))
    return rows


def _away(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Norm of the difference of columns, by that of theirs."""
    found: NDArray[np.float64] = np.linalg.norm(ours - theirs, axis=0) / np.linalg.norm(
        theirs, axis=0
    )
    return found
