"""Write a model as an ONNX file, which other programs can run live."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_vitface import __version__
from napari_vitface.atomic import atomic_write
from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Event, Finished, Notice, Progress, Settings, Started
from napari_vitface.jobs.outputs import made_folder, refuse_existing
from napari_vitface.jobs.results.models import NOT_CALIBRATED, CalibrationSummary, ExportResult

if TYPE_CHECKING:
    from napari_vitface.model.metadata import Calibration, Metadata
    from napari_vitface.model.network import KeypointNetwork
    from napari_vitface.model.preprocessing import Preprocessing

#: Key of the description among the file's ``metadata_props``, and the version of its layout.
KEY = "napari_vitface"
FORMAT = 1
#: Input pixels and confidence by which the file may differ from the checkpoint.
POINTS_AGREE, CONFIDENCE_AGREES = 0.05, 0.01


def export(
    model: str | os.PathLike[str] = "mouse-face",
    *,
    output: str | os.PathLike[str],
    overwrite: bool = False,
) -> Iterator[Event]:
    """Write a model as ONNX: from uint8 inputs to points, with a description of how to use it.

    The graph takes ``frames`` (B, C, H, W) uint8 and gives ``xy`` (B, K, 2) float32 in input
    pixels and ``confidence`` (B, K) float32, calibrated as here; normalisation and decoding are
    part of it, cropping, resizing and padding are not. The file's ``metadata_props`` hold under
    ``napari_vitface`` a JSON object that describes both, and what the checkpoint says about
    keypoints, training, licence and citations.

    Parameters
    ----------
    model : str or path
        Name of a bundled model or a ``.safetensors`` file.
    output : path
        The ``.onnx`` file; written in one step or not at all.
    overwrite : bool
        Replace a file that exists.

    Yields
    ------
    Started, Progress, Notice
    Finished
        With an `ExportResult`.

    Raises
    ------
    VitFaceError
        One sentence: the model or the place cannot be used, packages are missing, or what was
        written gives other points.
    """
    from napari_vitface.model.checkpoint import find_model, load_network
    from napari_vitface.model.onnx_graph import onnx_model

    target = Path(output)
    if target.suffix.lower() != ".onnx":
        raise VitFaceError(f"{target} does not end in .onnx; give a name that does.")
    refuse_existing(target, overwrite)
    file = find_model(model)
    yield Started("export", 3, settings=Settings(model=file.stem, unit="steps"))
    network, preprocessing, metadata = load_network(file)
    yield Progress(1, 3, message="Writing the graph")
    graph = onnx_model(network, preprocessing, metadata.get("calibration"))
    description = describe(network, preprocessing, metadata, file)
    for key, value in {
        KEY: json.dumps(description),
        "licence": metadata["training"].get("licence", ""),
    }.items():
        graph.metadata_props.add(key=key, value=value)
    graph.producer_name, graph.producer_version = "napari-vitface", __version__
    graph.doc_string = _summary(metadata)
    content = graph.SerializeToString()
    yield Progress(2, 3, message="Comparing its points")
    moved = _compared(content, network, preprocessing, metadata.get("calibration"), target)
    if moved is None:
        yield Notice("ONNX Runtime is not installed, so the file was not tried.")
    made_folder(target.parent)
    with atomic_write(target) as temporary:
        temporary.write_bytes(content)
    yield Progress(3, 3, 0.0)
    megabytes = round(len(content) / 1e6, 2)
    yield Finished("export", ExportResult(file.stem, str(target), megabytes, moved))


def describe(
    network: KeypointNetwork,
    preprocessing: Preprocessing,
    metadata: Metadata,
    checkpoint: Path,
) -> dict[str, object]:
    """What a program must know to use the file, as plain data for JSON."""
    height, width = preprocessing.input_size
    colour = "grey (the luma of BT.601)" if preprocessing.channels == 1 else "RGB"
    count = len(network.keypoints)
    with checkpoint.open("rb") as stream:
        weights = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "format": FORMAT,
        "program": f"napari-vitface {__version__}",
        "checkpoint": {"name": checkpoint.name, "sha256": weights},
        "input": {
            "name": "frames",
            "type": "uint8",
            "shape": ["batch", preprocessing.channels, height, width],
            "colour": colour,
        },
        "outputs": {
            "xy": {
                "type": "float32",
                "shape": ["batch", count, 2],
                "unit": "input pixels, x before y; (0, 0) is the centre of the top-left pixel",
            },
            "confidence": {
                "type": "float32",
                "shape": ["batch", count],
                "meaning": _meaning(metadata),
            },
        },
        "preprocessing": {
            **preprocessing.to_dict(),
            "before_the_file": [
                "cut out crop [x, y, w, h] of the frame (null: the whole frame)",
                f"resize it by one factor, min({height} / h, {width} / w), with a filter that "
                "averages when it shrinks",
                f"put it in the middle of {width} x {height} pixels of pad_value: "
                f"({height} - rows) // 2 rows above it, ({width} - columns) // 2 columns left",
            ],
            "in_the_file": ["(value / 255 - mean) / std", "decoding", "calibration of confidence"],
            "back_to_the_frame": "(xy - [left, top] + 0.5) / factor - 0.5 + [crop x, crop y]",
        },
        "keypoints": network.keypoints.to_dict(),
        "calibration": metadata.get("calibration"),
        "training": metadata["training"],
    }


def _meaning(metadata: Metadata) -> str:
    summary = CalibrationSummary.of(metadata)
    if summary is None:
        return NOT_CALIBRATED
    near = "the chance to be near the true place" if summary.radius is None else summary.meaning
    return f"{near}; calibrated on held-out frames"


def _summary(metadata: Metadata) -> str:
    training, keypoints = metadata["training"], metadata["network"]["keypoints"]
    parts = [
        f"Keypoints: {', '.join(keypoints['names'])}.",
        f"Licence: {training.get('licence', 'not stated')}.",
        *(f"Cite: {citation}" for citation in training.get("citations", [])),
        f"How to use it stands as JSON in metadata_props under {KEY}.",
    ]
    return "\n".join(parts)


def _compared(
    content: bytes,
    network: KeypointNetwork,
    preprocessing: Preprocessing,
    calibration: Calibration | None,
    target: Path,
) -> float | None:
    """How far the file's points are from the network's, in input pixels; None: not tried."""
    import torch

    from napari_vitface.model.calibration import calibrate
    from napari_vitface.model.choice import trial_canvas

    try:
        import onnxruntime
    except ImportError:
        return None
    canvas = trial_canvas(2, preprocessing)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found, sure = session.run(["xy", "confidence"], {"frames": canvas.numpy()})
    with torch.inference_mode():
        xy, raw = network.decode(network(preprocessing.normalise(canvas)))
    moved = float(np.linalg.norm(found - xy.numpy(), axis=-1).max())
    other = float(np.abs(sure - calibrate(raw.numpy(), calibration)).max())
    if not (moved <= POINTS_AGREE and other <= CONFIDENCE_AGREES):
        raise VitFaceError(
            f"{target} was not written: ONNX Runtime {onnxruntime.__version__} finds points "
            f"{moved:.2f} input pixels and confidences {other:.2f} away from PyTorch's; update "
            "PyTorch, onnxscript and onnxruntime."
        )
    return moved
