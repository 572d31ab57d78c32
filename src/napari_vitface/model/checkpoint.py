"""Checkpoints: one safetensors file with the weights and, as JSON, all that is needed to use them.

The safetensors metadata entry ``napari_vitface`` holds a JSON object with the keys ``format``,
``network`` (backbone with timm name and arguments, head, keypoints), ``preprocessing``,
``calibration`` and ``training``. A bundled model that has weights in common with another leaves
them out of its file; then ``shares`` says which. No pickle is ever read.
"""

from __future__ import annotations

import difflib
import errno
import hashlib
import importlib
import json
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import BackboneError, CheckpointError
from napari_vitface.model.error_text import first_line
from napari_vitface.model.header import FORMAT, KEY, UNSHARED_FORMAT, read_metadata
from napari_vitface.steps import Steps, result_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from napari_vitface.model.metadata import Calibration, Metadata, Shares, TrainingSummary
    from napari_vitface.model.network import KeypointNetwork
    from napari_vitface.model.predictor import KeypointModel
    from napari_vitface.model.preprocessing import Preprocessing

DEFAULT_MODEL = "mouse-face"


def save_checkpoint(
    path: str | os.PathLike[str],
    network: KeypointNetwork,
    preprocessing: Preprocessing,
    *,
    training: TrainingSummary,
    calibration: Calibration | None = None,
    shares: str = "",
) -> None:
    """Write a network with all that is needed to use it, in one step or not at all.

    Weights are stored in float16; a tensor with values that float16 cannot hold, as it is.

    Parameters
    ----------
    path
        The ``.safetensors`` file; replaced if it is there.
    network : KeypointNetwork
    preprocessing : Preprocessing
    training : mapping
        Plain data for JSON: what it was trained on, licence and citations, held-out metrics and
        the mean pose's on the same frames.
    calibration : mapping, optional
        See `napari_vitface.model.calibration.calibrate`.
    shares : str, optional
        Name of a bundled model: weights that are the same in its file are left out of this one,
        for models that come with the package beside it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    from napari_vitface.model.calibration import check_calibration

    if preprocessing.input_size != network.input_size:
        raise ValueError(
            f"preprocessing makes inputs of {preprocessing.input_size}, the network takes "
            f"{network.input_size}"
        )
    if preprocessing.channels != network.backbone.channels:
        raise ValueError("preprocessing and network differ in their channels")
    check_calibration(calibration, len(network.keypoints))
    tensors = {
        name: _stored(tensor.detach().cpu()) for name, tensor in network.state_dict().items()
    }
    shared = _in_common(shares, tensors) if shares else None
    metadata = {
        "format": FORMAT if shared else UNSHARED_FORMAT,
        "network": network.to_dict(),
        "preprocessing": preprocessing.to_dict(),
        "calibration": None if calibration is None else dict(calibration),
        "training": dict(training),
    }
    if shared:
        metadata["shares"] = shared
        tensors = {k: tensor for k, tensor in tensors.items() if k not in shared["weights"]}
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as temporary:
        # safetensors makes a file of its own that nobody else may read; a model is for the lab.
        mode = temporary.stat().st_mode
        try:
            save_file(tensors, temporary, metadata={KEY: json.dumps(metadata, allow_nan=False)})
        except SafetensorError as error:
            raise as_os_error(error, target) from error
        temporary.chmod(mode)


def as_os_error(error: Exception, path: Path) -> OSError:
    """What the system said (a full disk, mostly) when safetensors could not write a file."""
    found = re.search(r"(?:os error|code:) (\d+)", str(error))
    number = int(found[1]) if found else errno.EIO
    return OSError(number, os.strerror(number), str(path))


def _stored(tensor: torch.Tensor) -> torch.Tensor:
    """A contiguous copy in half precision, or unchanged where that would overflow."""
    import torch

    if tensor.is_floating_point():
        lower = tensor.half()
        if bool(torch.isfinite(lower).all()):
            return lower.clone().contiguous()
    return tensor.clone().contiguous()


def _in_common(model: str, tensors: dict[str, torch.Tensor]) -> Shares:
    """What of some weights, as they are stored, a bundled model's file has too."""
    from safetensors.torch import load_file

    theirs = load_file(bundled_models()[model])
    same = {k: tensor for k, tensor in tensors.items() if k in theirs and theirs[k].equal(tensor)}
    return {"model": model, "digest": _digest(same), "weights": sorted(same)}


def bundled_models() -> dict[str, Path]:
    """The models that come with the package, by name."""
    folder = Path(__file__).parent.parent / "bundled"
    return dict(sorted((file.stem, file) for file in folder.glob("*.safetensors")))


def find_model(name_or_path: str | os.PathLike[str]) -> Path:
    """The file of a bundled model's name or of a path.

    Raises
    ------
    CheckpointError
        There is neither.
    """
    name = os.fspath(name_or_path)
    bundled = bundled_models()
    if name in bundled:
        return bundled[name]
    file = Path(name).expanduser()
    if file.is_dir():
        raise CheckpointError(f"{file} is a folder; choose a .safetensors model file in it.")
    if file.exists() or file.suffix or len(file.parts) > 1:
        return file
    close = difflib.get_close_matches(name, bundled, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(bundled) or 'none'}."
    raise CheckpointError(f"There is no model named {name!r} and no such file; {hint}")


def load_network(
    path: str | os.PathLike[str],
) -> tuple[KeypointNetwork, Preprocessing, Metadata]:
    """The network (fp32, on the CPU, in eval mode), preprocessing and metadata of a checkpoint.

    Raises
    ------
    CheckpointError
        As `read_metadata`; and where the weights do not fit the architecture.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from napari_vitface.model.network import KeypointNetwork
    from napari_vitface.model.preprocessing import Preprocessing

    metadata = read_metadata(path)
    try:
        preprocessing = Preprocessing.from_dict(metadata["preprocessing"])
        lent = _lent(metadata)
        _check_fit(path, lent, metadata, preprocessing)
        network = KeypointNetwork.from_dict(metadata["network"])
        tensors = lent | load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"The weights in {path} cannot be read ({error}); copy or download it again."
        ) from error
    except BackboneError as error:
        raise CheckpointError(f"{path} cannot be used: {error}") from error
    except _NO_MODEL as error:
        raise CheckpointError(
            f"The metadata of {path} does not describe a model ({type(error).__name__}: "
            f"{first_line(error)}); train or export the model again."
        ) from error
    network.load_state_dict(tensors)
    network.requires_grad_(False)
    return network.float().eval(), preprocessing, metadata


#: What building a network raises that its description does not allow.
_NO_MODEL = (
    ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RuntimeError,
    TypeError, ValueError,
)  # fmt: skip


def _lent(metadata: Metadata) -> dict[str, torch.Tensor]:
    """Weights that a checkpoint leaves out; none as a rule."""
    from safetensors import SafetensorError, safe_open

    shares = metadata.get("shares")
    if not shares:
        return {}
    lender = bundled_models().get(shares["model"])
    # One that is damaged is as good as none.
    with suppress(SafetensorError, OSError):
        if lender is not None:
            with safe_open(lender, framework="pt") as file:
                names = sorted(set(file.keys()).intersection(shares["weights"]))
                lent = {name: file.get_tensor(name) for name in names}
            if _digest(lent) == shares["digest"]:
                return lent
    raise BackboneError(
        "it leaves out weights of a bundled model that this installation does not have; install "
        "the version of napari-vitface that it came with, or this one again."
    )


def _digest(tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 of tensors in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tuple(tensors[name].shape)}".encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()


def _check_fit(
    path: str | os.PathLike[str],
    lent: dict[str, torch.Tensor],
    metadata: Metadata,
    preprocessing: Preprocessing,
) -> None:
    """Raise `CheckpointError` unless the weights in a file are those of the model it describes."""
    from safetensors import safe_open

    from napari_vitface.model.calibration import check_calibration
    from napari_vitface.model.network import KeypointNetwork

    description = metadata["network"]
    stored: dict[str, Sequence[int]] = {name: tensor.shape for name, tensor in lent.items()}
    with safe_open(path, framework="pt") as file:
        stored |= {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    odd = KeypointNetwork.misfits(description, stored)
    if odd:
        raise CheckpointError(
            f"The weights in {path} do not fit the model that its metadata describes "
            f"({len(odd)} differ, first {odd[0]}); train or export the model again."
        )
    backbone = description["backbone"]
    if (list(preprocessing.input_size), preprocessing.channels) != (
        backbone["input_size"],
        backbone["channels"],
    ):
        raise ValueError("its preprocessing makes other inputs than its network takes")
    check_calibration(metadata.get("calibration"), len(description["keypoints"]["names"]))


def load_model(
    name_or_path: str | os.PathLike[str] = DEFAULT_MODEL,
    *,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | str = "auto",
) -> KeypointModel:
    """A model that predicts, by the name of a bundled one or from a checkpoint file.

    Parameters
    ----------
    name_or_path
        See `bundled_models`; or a ``.safetensors`` file.
    device : {"auto", "cpu", "cuda", "cuda:N", "mps"}
    precision : {"auto", "fp32", "bf16", "fp16", "int8"}
        ``auto`` measures on this device and takes the fastest that gives the same points.
    batch_size : int or "auto"

    Raises
    ------
    VitFaceError
        One sentence: the model or the device cannot be used, and why.
    """
    return result_of(
        loading(name_or_path, device=device, precision=precision, batch_size=batch_size)
    )


def loading(
    name_or_path: str | os.PathLike[str] = DEFAULT_MODEL,
    *,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | str = "auto",
) -> Steps[KeypointModel]:
    """As `load_model`, telling in words what is being done."""
    file = find_model(name_or_path)
    yield from importing_torch()
    from napari_vitface.model.predictor import made_ready

    yield f"Loading the model {file.stem}"
    network, preprocessing, metadata = load_network(file)
    model = yield from made_ready(
        network,
        preprocessing,
        metadata,
        name=file.stem,
        device=device,
        precision=precision,
        batch_size=batch_size,
        content=file_digest(file),
    )
    return model


def importing_torch() -> Steps[None]:
    """Import what models run on, which takes seconds, unless this process has it already."""
    if "napari_vitface.model.network" not in sys.modules:
        yield "Importing PyTorch"
        importlib.import_module("napari_vitface.model.network")


def file_digest(path: str | os.PathLike[str]) -> str:
    """What tells a model's file from others, however it is called: SHA-256, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
