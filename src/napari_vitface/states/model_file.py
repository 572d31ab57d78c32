"""``.vitstate``: a trained classifier of states in one file.

Arrays in the format safetensors, with a description as JSON. It is not a pickle (nor skops, whose
files hold objects of scikit-learn): it opens with any version of scikit-learn or without, and
opening it runs nothing. ONNX would run it elsewhere, but cannot hold what it is worth.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import CheckpointError
from napari_vitface.model.checkpoint import as_os_error
from napari_vitface.model.header import plain_json
from napari_vitface.record import Record, plain_data
from napari_vitface.states.evaluation import Evaluation
from napari_vitface.states.features.extractor import Layout
from napari_vitface.states.fitted import FITTED, Fitted, arrays_of
from napari_vitface.states.importance import Faithfulness
from napari_vitface.states.novelty import Novelty
from napari_vitface.states.samples import BOTH

ENDING = ".vitstate"
#: The second one has trained blocks of a ViT, which readers of the first would leave out.
FORMAT = 2
_KEY = "napari_vitface_states"
_FITTED, _NOVELTY, _PICTURES, _NETWORK = "fitted.", "novelty.", "picture.", "network."


@dataclass(frozen=True)
class About(Record):
    """What a classifier of states is, and what it is worth.

    Attributes
    ----------
    format : int
    label : str
        The column that it was trained on.
    states : tuple of str
        What its probabilities are of; empty if it gives a number.
    classifier, fitted : str
        What it was called when it was chosen, and what its arrays are.
    features, layouts : tuple of dict
        Kinds with their settings, and how each computed (`Extractor.about`).
    columns : int
        Numbers a frame.
    crop : (x, y, w, h) or None
    follow : {"position", "pose"} or None
    model : str
        Whose keypoints or tokens its features need, if they do.
    network : str or None
        Digest of its file, if they need it.
    size : (h, w)
        Of the crop.
    window : (start, stop) or None
        Frames of a trial that it is about.
    onset : bool
        Whether the window is counted from the onset of a trial.
    groups : dict of str to tuple of str
        The animals, sessions and trials that it has seen.
    trials : dict of str to int
        How many of each state, or how many.
    frames : int
        That it learned from.
    frame_rate : float
        Of the videos, 0 where unknown.
    settings : dict
        Of the training.
    evaluation : Evaluation
    faithfulness : Faithfulness or None
        Of what it is told by; None where that could not be found.
    foremost : tuple of (str, float)
        The features that are worth most to it.
    versions : dict of str to str
        Of what trained it.
    licence : str
        Of the data, as the user knows it.
    blocks : int
        Last blocks of the ViT that were trained; their weights are in the file.
    """

    format: int
    label: str
    states: tuple[str, ...]
    classifier: str
    fitted: str
    features: tuple[dict[str, Any], ...]
    layouts: tuple[Layout, ...]
    columns: int
    crop: tuple[int, int, int, int] | None
    follow: Literal["position", "pose"] | None
    model: str
    network: str | None
    size: tuple[int, int]
    window: tuple[int, int] | None
    onset: bool
    groups: dict[str, tuple[str, ...]]
    trials: dict[str, int]
    frames: int
    frame_rate: float
    settings: dict[str, Any]
    evaluation: Evaluation
    faithfulness: Faithfulness | None
    foremost: tuple[tuple[str, float], ...]
    versions: dict[str, str]
    licence: str
    blocks: int = 0


@dataclass(frozen=True)
class StatesModel:
    """A trained classifier of states.

    Attributes
    ----------
    about : About
    fitted : Fitted
    novelty : Novelty
    pictures : mapping of str to array
        For the report: ``face`` (h, w) uint8, the mean of the training frames' crops, and
        ``importance`` (rows, columns) float32, what the cells of HOG are worth.
    network : mapping of str to array
        Weights of the ViT that were trained, by their names in the timm model.
    """

    about: About
    fitted: Fitted
    novelty: Novelty
    pictures: Mapping[str, NDArray[Any]]
    network: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


def save_states_model(path: str | os.PathLike[str], model: StatesModel) -> None:
    """Write a classifier in one step or not at all."""
    import json

    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    arrays = {
        **{_FITTED + name: array for name, array in arrays_of(model.fitted).items()},
        **{_NOVELTY + each.name: getattr(model.novelty, each.name) for each in fields(Novelty)},
        **{_PICTURES + name: array for name, array in model.pictures.items()},
        **{_NETWORK + name: array for name, array in model.network.items()},
    }
    text = json.dumps(plain_data(model.about), allow_nan=False)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as temporary:
        mode = temporary.stat().st_mode
        try:
            save_file(
                {name: np.ascontiguousarray(array) for name, array in arrays.items()},
                temporary,
                metadata={_KEY: text},
            )
        except SafetensorError as error:
            raise as_os_error(error, target) from error
        temporary.chmod(mode)


def load_states_model(path: str | os.PathLike[str]) -> StatesModel:
    """Read a classifier.

    Raises
    ------
    CheckpointError
        One sentence: the file is missing, no classifier of states, of a newer format or damaged.
    """
    file = Path(path)
    about, arrays = _read(file)
    outputs = max(1, len(about.states))
    calibrations = about.evaluation.tuning.frames, about.evaluation.tuning.trials
    try:
        if any(
            len(each.offsets) != outputs or not (each.slope >= 0 and 0 <= each.doubt <= 1)
            for each in calibrations
        ):
            raise ValueError("its calibration does not fit its states")
        kind = FITTED.get(about.fitted)
        if kind is None:
            raise ValueError(f"it holds a classifier of the kind {about.fitted!r}")
        fitted = _built(kind, arrays, _FITTED)
        wide = 2 if about.evaluation.tuning.baseline == BOTH else 1
        cast(Fitted, fitted).check(about.columns * wide, outputs)
        novelty = _built(Novelty, arrays, _NOVELTY)
        novelty.check(about.columns)
        network = {
            name.removeprefix(_NETWORK): array.astype(np.float32, casting="same_kind")
            for name, array in arrays.items()
            if name.startswith(_NETWORK)
        }
        if bool(network) != bool(about.blocks) or not all(
            np.isfinite(each).all() for each in network.values()
        ):
            raise ValueError("its trained blocks are missing or no numbers")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise CheckpointError(
            f"{file} does not hold a whole classifier of states ({error}); train it again, or copy "
            "the file again."
        ) from None
    pictures = {
        name.removeprefix(_PICTURES): array
        for name, array in arrays.items()
        if name.startswith(_PICTURES) and array.ndim == 2
    }
    return StatesModel(about, cast(Fitted, fitted), novelty, pictures, network)


def _read(file: Path) -> tuple[About, dict[str, NDArray[Any]]]:
    from safetensors import SafetensorError, safe_open

    if not file.exists():
        raise CheckpointError(
            f"There is no file {file}: check the name of the classifier of states."
        )
    if file.is_dir():
        raise CheckpointError(f"{file} is a folder; choose a {ENDING} file in it.")
    try:
        with safe_open(file, framework="np") as opened:
            text = (opened.metadata() or {}).get(_KEY)
            if text is not None:
                about = _about(file, text)
                return about, {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, TypeError, ValueError, MemoryError) as error:
        raise CheckpointError(
            f"{file} cannot be read as a classifier of states ({error}); choose a {ENDING} file "
            "that napari-vitface states train has written, or copy it again."
        ) from None
    raise CheckpointError(
        f"{file} is a safetensors file, but no classifier of states; choose a {ENDING} file that "
        "napari-vitface states train has written."
    )


def _about(file: Path, text: str) -> About:
    from pydantic import TypeAdapter, ValidationError

    try:
        plain = plain_json(text)
        version = plain["format"]
        if isinstance(version, int) and version > FORMAT:
            raise CheckpointError(
                f"{file} has format {version}, and this napari-vitface reads up to {FORMAT}; "
                "update napari-vitface."
            )
        return TypeAdapter(About).validate_python(plain)
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except (ValueError, KeyError, TypeError):
        reason = "it is no description"
    raise CheckpointError(
        f"The description in {file} is damaged ({reason}); copy the file again, or train again."
    )


def _built(kind: type[Any], arrays: Mapping[str, NDArray[Any]], prefix: str) -> Any:
    """A dataclass of arrays, of the types of numbers that it declares."""
    from typing import get_args, get_type_hints

    hints = get_type_hints(kind)
    found = {}
    for each in fields(kind):
        # NDArray[np.int32] is ndarray[shape, dtype[np.int32]].
        dtype = get_args(get_args(hints[each.name])[1])[0]
        if prefix + each.name not in arrays:
            raise ValueError(f"{each.name} is missing")
        found[each.name] = arrays[prefix + each.name].astype(dtype, casting="same_kind")
    return kind(**found)
