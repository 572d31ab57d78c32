"""A network as an ONNX graph, which other programs and runtimes compute."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_vitface.errors import VitFaceError
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing

#: Names of the graph's input and outputs.
FRAMES, XY, CONFIDENCE, OUTPUT = "frames", "xy", "confidence", "output"


def missing_packages(what: str, packages: str = "onnx and onnxscript") -> VitFaceError:
    """The error for somebody who has not installed what ONNX needs."""
    return VitFaceError(
        f"{what} needs the packages {packages}, which are not installed; install them with: "
        'pip install "napari-vitface[onnx]"'
    )


def onnx_model(
    network: KeypointNetwork,
    preprocessing: Preprocessing,
    calibration: Mapping[str, Any] | None = None,
    *,
    decoded: bool = True,
) -> Any:
    """The network from uint8 inputs to points, as an `onnx.ModelProto` of any batch size.

    Parameters
    ----------
    network : KeypointNetwork
        In fp32, on the CPU.
    preprocessing : Preprocessing
        Its normalisation becomes part of the graph.
    calibration : mapping, optional
        Of the confidence, see `napari_vitface.model.calibration.calibrate`; part of the graph.
    decoded : bool
        Give ``xy`` (B, K, 2) in input pixels and ``confidence`` (B, K); else ``output``, that of
        the network's `forward`.

    Raises
    ------
    VitFaceError
        The packages that PyTorch exports with are not installed, or it cannot export the network.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise missing_packages("Writing ONNX") from error
    module = (
        _Live(network, preprocessing, calibration) if decoded else _Output(network, preprocessing)
    ).eval()
    # Of more than one image: a batch of one would be taken for a constant.
    example = torch.zeros(2, preprocessing.channels, *preprocessing.input_size, dtype=torch.uint8)
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        # Its warnings are for the authors of exporters, and so is what older versions print.
        silent = redirect_stdout(io.StringIO())
        with warnings.catch_warnings(action="ignore"), torch.no_grad(), silent:
            # Constants of the decoding are made once and kept: not while it is traced.
            module(example)
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                input_names=[FRAMES],
                output_names=[XY, CONFIDENCE] if decoded else [OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise VitFaceError(
            f"PyTorch {torch.__version__} cannot write this network as ONNX "
            f"({type(error.__cause__ or error).__name__}); update PyTorch."
        ) from error
    finally:
        log.setLevel(level)
    assert program is not None
    return program.model_proto


class _Output(nn.Module):
    """From a uint8 canvas to what the network gives."""

    def __init__(self, network: KeypointNetwork, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network = network
        self.preprocessing = preprocessing

    def forward(self, frames: Tensor) -> Tensor:
        return self.network(self.preprocessing.normalise(frames))


class _Live(_Output):
    """From a uint8 canvas to points and calibrated confidence."""

    def __init__(
        self,
        network: KeypointNetwork,
        preprocessing: Preprocessing,
        calibration: Mapping[str, Any] | None,
    ) -> None:
        super().__init__(network, preprocessing)
        self.calibration = (
            _Interpolation(calibration, len(network.keypoints)) if calibration else nn.Identity()
        )

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        xy, confidence = self.network.decode(super().forward(frames))
        return xy, self.calibration(confidence.clamp(0, 1))


class _Interpolation(nn.Module):
    """The calibration's tables as sums of ramps, which ONNX can express."""

    start: Tensor
    width: Tensor
    rise: Tensor
    first: Tensor

    def __init__(self, calibration: Mapping[str, Any], keypoints: int) -> None:
        super().__init__()
        tables = calibration.get("keypoints", [calibration] * keypoints)
        steps = max(len(table["x"]) for table in tables)
        x = np.stack([_extended(table["x"], steps) for table in tables])
        y = np.stack([_extended(table["y"], steps) for table in tables])
        for name, values in {
            "start": x[:, :-1],
            # A table that has ended goes on with ramps that do not rise.
            "width": np.where(np.diff(x) > 0, np.diff(x), 1.0),
            "rise": np.diff(y),
            "first": y[:, 0],
        }.items():
            self.register_buffer(name, torch.from_numpy(values.astype(np.float32)))

    def forward(self, confidence: Tensor) -> Tensor:
        """Confidences (B, K)."""
        along = ((confidence[..., None] - self.start) / self.width).clamp(0, 1)
        return self.first + (along * self.rise).sum(dim=-1)


def _extended(values: Any, steps: int) -> NDArray[np.float64]:
    """A table's column with its last value repeated."""
    column = np.asarray(values, dtype=np.float64)
    return np.concatenate([column, np.full(steps - len(column), column[-1])])
