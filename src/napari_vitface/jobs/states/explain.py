"""Show on a frame what a classifier of states goes by."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Event, Finished, Preparing, Started
from napari_vitface.jobs.html_page import as_written, blank, png
from napari_vitface.jobs.outputs import made_folder, output_path
from napari_vitface.jobs.resources import Resources, shared_or_own
from napari_vitface.jobs.results.classifying import ExplainStatesResult
from napari_vitface.jobs.states.frame_features import Window, compute_frames
from napari_vitface.jobs.states.predict import look_of
from napari_vitface.settings.attention import (
    DEFAULT_OF_STATES,
    alternatives,
    methods_of_states,
)
from napari_vitface.settings.computing import Computing
from napari_vitface.settings.option import takes


@takes(Computing)
def explain_states(
    model: str | os.PathLike[str],
    video: str | os.PathLike[str],
    frame: int,
    *,
    state: str | None = None,
    method: str = DEFAULT_OF_STATES,
    output: str | os.PathLike[str] | None = None,
    resources: Resources | None = None,
    **settings: Any,
) -> Iterator[Event]:
    """Map what speaks for a state in a frame, and measure whether the map is true.

    Parameters
    ----------
    model : path
        A ``.vitstate`` file.
    video : path
    frame : int
    state : str, optional
        Default: the most probable one.
    method : str
        One of `napari_vitface.settings.attention.methods_of_states`.
    output : path, optional
        The picture; default ``<video>_vitface_<model>_states_<frame>.png`` beside the video.
    resources : Resources, optional
        Where to borrow video and model from.
    {settings}

    Yields
    ------
    Preparing, Started
    Finished
        With an `ExplainStatesResult`.

    Raises
    ------
    VitFaceError
        One sentence: the frame or the method is not there, or that does not fit the classifier.
    """
    from napari_vitface.states import explaining
    from napari_vitface.states.features.compute import make_extractors, pictures_of
    from napari_vitface.states.model_file import load_states_model
    from napari_vitface.states.predicting import predict_frames

    computing = Computing(**settings)
    if computing.precision == Computing.precision:
        # Half of the digits are too few for gradients, and one frame is quick in all of them.
        computing = replace(computing, precision="fp32")
    methods = methods_of_states()
    if method not in methods:
        raise VitFaceError(
            f"States are not explained by {method!r}; choose {alternatives(methods)}."
        )
    trained = load_states_model(model)
    about = trained.about
    with ExitStack() as stack:
        shared = stack.enter_context(shared_or_own(resources))
        look_at = look_of(trained, Path(model), computing)
        material = yield from look_at.material(stack, shared, Path(video))
        name = material.video.path.name
        if not 0 <= frame < len(material.video):
            raise VitFaceError(f"{name} has frames 0 to {len(material.video) - 1}, not {frame}.")
        yield Started("explain_states", 1)
        place = Window.of(material.video, about.window)
        extractors = make_extractors(look_at.kinds, material)
        wanted = sorted({*place.before, frame})
        seen = compute_frames(extractors, material, wanted).seen([frame], place.before)
        if not len(seen.frames):
            raise VitFaceError(f"Frame {frame} of {name} cannot be decoded; choose another one.")
        told = predict_frames(trained, seen.values, seen.before, seen.layouts, seen.frames, name)
        number = _number(about.states, state, told.values[0])
        if any(each.scale is None for each in extractors):
            raise VitFaceError("A classifier of features that look at no picture has no map.")
        one = explaining.Frame(
            trained,
            extractors,
            pictures_of(extractors, material, frame),
            None if seen.before is None else np.concatenate(seen.before),
        )
        yield Preparing(f"Looking for what speaks for it ({method})")
        grid = explaining.grid_of(material.crop.size)
        heat = methods[method].load_of_states()(one, number, grid)
        faithful = explaining.faithfulness(one, number, heat)
        file = Path(output) if output is not None else output_path(
            Path(video), f"_states_{frame}.png", model=Path(model).stem
        )  # fmt: skip
        face = one.pictures[0].images[0]
        label = about.states[number] if about.states else about.label
        _draw(file, face, heat, f"{method}: what speaks for {label} in frame {frame}")
        yield Finished(
            "explain_states",
            ExplainStatesResult(
                file=str(file),
                state=label,
                value=float(told.values[0, number]),
                method=method,
                left=faithful.found,
                left_random=faithful.random,
                heat=heat.astype(np.float32),
            ),
        )


def _number(states: tuple[str, ...], state: str | None, said: NDArray[np.float64]) -> int:
    if state is None or not states:
        return int(said.argmax())
    if state not in states:
        raise VitFaceError(f"The classifier tells {', '.join(states)}, not {state!r}.")
    return states.index(state)


def _draw(file: Path, face: NDArray[np.uint8], heat: NDArray[np.float64], title: str) -> None:
    figure = blank(6, 4.6)
    axes = figure.add_subplot()
    axes.imshow(face, cmap="gray", vmin=0, vmax=255)
    top = max(float(np.abs(heat).max()), 1e-9)
    height, width = face.shape[:2]
    shown = axes.imshow(
        heat, cmap="RdBu_r", vmin=-top, vmax=top, alpha=0.45, interpolation="bilinear",
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
    )  # fmt: skip
    axes.set_axis_off()
    axes.set_title(as_written(title), fontsize=9)
    figure.colorbar(shown, ax=axes, shrink=0.8)
    made_folder(file.parent)
    with atomic_write(file) as temporary:
        temporary.write_bytes(png(figure))
