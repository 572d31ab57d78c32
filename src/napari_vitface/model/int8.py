"""A network in 8 bits, computed by ONNX Runtime on the processor.

Weights and activations of the convolutions and linear layers become integers, of ranges that are
measured on frames (static quantisation, Jacob et al. 2018). What would lose most stays fp32: the
convolutions that read the image, the last layer, and attention itself. Weights take 7 bits,
because processors without VNNI add pairs of products in 16 bits, which 8-bit weights overflow.
The network is kept in the user's cache folder, under the digest of the checkpoint that it is of.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_vitface.atomic import atomic_write
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.onnx_graph import FRAMES, OUTPUT, missing_packages, onnx_model
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.steps import Steps
from napari_vitface.user_folders import cache_folder
from napari_vitface.words import counted

#: Input pixels that half of the points may move by, against fp32 on frames that were not used to
#: quantise; where more, the network is not used.
LIMIT = 0.5
#: Frames that go through the network at a time while ranges are measured.
_BATCH = 4
_KEY = "napari_vitface_int8"


@dataclass(frozen=True)
class Quantised:
    """What is known of a network in 8 bits.

    Attributes
    ----------
    moved : float
        Input pixels that half of the points moved by at most, on frames not used to quantise.
    frames : int
        Frames used to quantise and to judge, one half each.
    source : str
        Where they are from, for people.
    """

    moved: float
    frames: int
    source: str

    def __str__(self) -> str:
        return (
            f"half of the points of {counted(self.frames // 2, 'frame')} of {self.source} move by "
            f"under {self.moved:.2f} input pixels against fp32"
        )

    @property
    def agrees(self) -> bool:
        """Whether it may be used."""
        return self.moved <= LIMIT


class Int8Network:
    """A network in 8 bits that computes what `KeypointNetwork.forward` does, of uint8 inputs."""

    def __init__(self, content: bytes) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise missing_packages("int8", "onnx, onnxruntime and onnxscript") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # As PyTorch's threads, see `napari_vitface.model`.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
        about = self._session.get_modelmeta().custom_metadata_map.get(_KEY, "null")
        self.about: Quantised | None = None if about == "null" else Quantised(**json.loads(about))

    def __call__(self, canvas: Tensor) -> Tensor:
        """Logits or fractions of inputs (B, C, H, W) uint8."""
        (output,) = self._session.run([OUTPUT], {FRAMES: canvas.numpy()})
        return torch.from_numpy(output)


def int8_file(content: str) -> Path:
    """Where the network in 8 bits of a checkpoint with this digest is kept."""
    return cache_folder() / "int8" / f"{content[:32]}.onnx"


def find_int8(content: str) -> Int8Network | None:
    """The network in 8 bits of a checkpoint, if it was made on this computer and can be used."""
    file = int8_file(content)
    try:
        return _loaded(file, file.stat().st_mtime_ns)
    except Exception:  # ONNX Runtime has classes of its own; what cannot be read is not there.
        return None


@lru_cache(maxsize=2)
def _loaded(file: Path, changed: int) -> Int8Network:
    """A session takes as long to make as many frames to compute, and loading asks several times."""
    return Int8Network(file.read_bytes())


def quantise(
    network: KeypointNetwork,
    preprocessing: Preprocessing,
    canvas: NDArray[np.uint8],
    content: str,
    source: str,
) -> Steps[Quantised]:
    """Make the network in 8 bits of a checkpoint, and keep it.

    Parameters
    ----------
    network : KeypointNetwork
        In fp32, on the CPU.
    preprocessing : Preprocessing
    canvas : (N, C, H, W) uint8
        Inputs of two frames at least; every other one is used to quantise, the rest to judge.
    content : str
        Digest of the checkpoint.
    source : str
        Where the frames are from, for people.

    Raises
    ------
    VitFaceError
        The packages that it takes are not installed.
    """
    yield "Preparing int8: writing the graph"
    graph = onnx_model(network, preprocessing, decoded=False)
    yield f"Preparing int8: looking at {counted(len(canvas[::2]), 'frame')} of {source}"
    quantised = _quantised(graph, canvas[::2])
    yield f"Preparing int8: comparing points on {counted(len(canvas[1::2]), 'other frame')}"
    moved = points_moved(
        Int8Network(quantised.SerializeToString()), network, preprocessing, canvas[1::2]
    )
    about = Quantised(moved, len(canvas), source)
    quantised.metadata_props.add(key=_KEY, value=json.dumps(asdict(about)))
    file = int8_file(content)
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(file) as temporary:
        temporary.write_bytes(quantised.SerializeToString())
    return about


@torch.inference_mode()
def points_moved(
    int8: Int8Network,
    network: KeypointNetwork,
    preprocessing: Preprocessing,
    canvas: NDArray[np.uint8],
) -> float:
    """Input pixels that half of the points of some inputs are at most away from those of fp32."""
    moved = []
    for start in range(0, len(canvas), _BATCH):
        images = torch.from_numpy(canvas[start : start + _BATCH])
        xy, _ = network.decode(network(preprocessing.normalise(images)))
        moved.append((network.decode(int8(images))[0] - xy).norm(dim=-1))
    return float(torch.cat(moved).median())


def _quantised(graph: Any, canvas: NDArray[np.uint8]) -> Any:
    """An `onnx.ModelProto` in 8 bits, of ranges measured on inputs (N, C, H, W)."""
    try:
        import onnx
        from onnxruntime import quantization
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise missing_packages("int8", "onnx, onnxruntime and onnxscript") from error

    class Frames(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches: Iterator[dict[str, NDArray[np.uint8]]] = iter(
                {FRAMES: canvas[start : start + _BATCH]} for start in range(0, len(canvas), _BATCH)
            )

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            return next(self._batches, None)

    with tempfile.TemporaryDirectory(prefix="vitface-int8-") as folder:
        given, plain, quantised = (Path(folder) / f"{name}.onnx" for name in ("a", "b", "c"))
        onnx.save(graph, given)
        # Norms are folded into convolutions, among other things.
        quant_pre_process(given, plain, skip_symbolic_shape=True)
        quantization.quantize_static(
            plain,
            quantised,
            Frames(),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "MatMul", "Gemm"],
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            nodes_to_exclude=_in_fp32(onnx.load(plain)),
        )
        return onnx.load(quantised)


def _in_fp32(graph: Any) -> list[str]:
    """Names of the layers that stay as they are: those of the image, the last one, attention."""
    weights = {tensor.name: tuple(tensor.dims) for tensor in graph.graph.initializer}
    excluded, last = [], ""
    for node in graph.graph.node:
        if node.op_type not in ("Conv", "MatMul", "Gemm"):
            continue
        shape = next((weights[name] for name in node.input if name in weights), None)
        if shape is None or (node.op_type == "Conv" and shape[1] <= 3):
            excluded.append(node.name)
        else:
            last = node.name
    return [*excluded, last]
