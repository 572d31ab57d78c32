"""Say what state each frame of videos shows, by a classifier that was trained on others."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import CheckpointError, VideoError, VitFaceError
from napari_vitface.events.trials import Onset, frame_of_onset
from napari_vitface.jobs.events import Event, Failed, Finished, Notice, Settings, Started
from napari_vitface.jobs.outputs import made_folder, output_path
from napari_vitface.jobs.pace import Counter
from napari_vitface.jobs.resources import Resources, shared_or_own
from napari_vitface.jobs.results.classifying import PredictStatesResult, TrialStates
from napari_vitface.jobs.results.videos import FailedVideo
from napari_vitface.jobs.states.frame_features import Look, Window, compute_frames
from napari_vitface.jobs.video_events import VideoFailed, VideoFinished
from napari_vitface.settings.computing import Computing
from napari_vitface.settings.features import FeatureKind, described_as
from napari_vitface.settings.option import takes

if TYPE_CHECKING:
    from napari_vitface.states.features.extractor import Material
    from napari_vitface.states.model_file import StatesModel
    from napari_vitface.states.predicting import States
    from napari_vitface.video import Video


@takes(Computing)
def predict_states(
    model: str | os.PathLike[str],
    videos: Sequence[str | os.PathLike[str]],
    *,
    window: tuple[int, int] | None = None,
    onsets: Mapping[str, Sequence[Onset]] | None = None,
    output_dir: str | os.PathLike[str] | None = None,
    tables: bool = True,
    keep_going: bool = False,
    resources: Resources | None = None,
    **settings: Any,
) -> Iterator[Event]:
    """Tell the state in each frame of videos, and of the frames of the window together.

    Parameters
    ----------
    model : path
        A ``.vitstate`` file.
    videos : sequence of paths
    window : (start, stop), optional
        Frames that are told of together; default those that the classifier was trained on, counted
        from the start of the video.
    onsets : mapping of str to sequence of (float, {"frames", "seconds"}), optional
        Of some of these videos, by their paths, when their trials begin
        (`napari_vitface.events.trials.Trials.onsets`): there the window is counted from each of
        these, and the trials are told of one by one.
    output_dir : path, optional
        Where the tables ``<video>_vitface_<model>_states.csv`` go; default beside each video, or
        nowhere where nothing can be written. One that is there is replaced: it takes seconds to
        make again.
    tables : bool
        Whether they are written.
    keep_going : bool
        A video that cannot be used is named in the result, and stops none of the others.
    resources : Resources, optional
        Where to borrow videos from.
    {settings}

    Yields
    ------
    Started, Progress, Notice, VideoFinished, VideoFailed
    Finished
        With a `PredictStatesResult`.

    Raises
    ------
    VitFaceError
        One sentence: the classifier or a video cannot be used.
    """
    from napari_vitface.states.model_file import load_states_model

    trained = load_states_model(model)
    about = trained.about
    look_at = look_of(trained, Path(model), Computing(**settings))
    paths = [Path(each) for each in videos]
    files = [
        output_path(path, "_states.csv", model=Path(model).stem, folder=output_dir)
        for path in paths
    ]
    chosen = about.window if window is None else window
    with shared_or_own(resources) as shared:
        yield Started("predict_states", len(paths), settings=Settings(unit="videos"))
        found: list[TrialStates] = []
        failed: list[FailedVideo] = []
        counter = Counter(len(paths))
        for number, (given, path, file) in enumerate(zip(videos, paths, files, strict=True)):
            yield counter.at(number)
            try:
                with ExitStack() as stack:
                    material = yield from look_at.material(stack, shared, path)
                    video = material.video
                    for problem in video.problems:
                        yield Notice(problem)
                    places = _places(video, chosen, (onsets or {}).get(str(path.absolute()), ()))
                    told, states = _of_video(trained, look_at.kinds, material, places, tables)
                    count = len(video)
            except VitFaceError as error:
                if not keep_going:
                    raise
                failed.append(FailedVideo(os.fspath(given), str(error)))
                yield VideoFailed(os.fspath(given), Failed("predict_states", str(error)))
                continue
            written = False
            if tables:
                try:
                    _write(file, about.states, count, states)
                    written = True
                except OSError as error:
                    if output_dir is not None:
                        raise
                    yield Notice(
                        f"The table {file.name} cannot be written ({error.strerror}); choose "
                        "an output folder to have it."
                    )
            table = str(file) if written else None
            these = tuple(replace(each, video=os.fspath(given), table=table) for each in told)
            found += these
            unlike = sum(each.unlike * each.frames for each in these) / sum(
                each.frames for each in these
            )
            if unlike > 0.5:
                yield Notice(
                    f"{100 * unlike:.0f} % of the frames of {path.name} are unlike anything "
                    f"that {Path(model).name} was trained on; do not rely on what it says of them."
                )
            yield VideoFinished(
                os.fspath(given),
                PredictStatesResult(model=os.fspath(model), states=about.states, trials=these),
            )
        yield counter.at(len(paths))
        yield Finished(
            "predict_states",
            PredictStatesResult(
                model=os.fspath(model),
                states=about.states,
                trials=tuple(found),
                failed=tuple(failed),
            ),
        )


def look_of(trained: StatesModel, file: Path, computing: Computing) -> Look:
    """What a classifier looks at in videos.

    Raises
    ------
    CheckpointError
        The model that its features need is another one than then, or is not there.
    """
    from napari_vitface.model.checkpoint import file_digest, find_model

    about = trained.about
    if about.network is not None and file_digest(find_model(about.model)) != about.network:
        raise CheckpointError(
            f"{file.name} was trained on features of another model than {about.model} is now; put "
            "that one back, or train again."
        )
    kinds = tuple(described_as(each) for each in about.features)
    return Look(kinds, about.crop, about.follow, about.model, computing, trained.network, file.name)


def _places(
    video: Video, window: tuple[int, int] | None, onsets: Sequence[Onset]
) -> dict[int | None, Window]:
    """The window of each trial of a video, in order of time, by the frame of its onset."""
    if not onsets:
        return {None: Window.of(video, window)}
    frames = {frame_of_onset(*onset, video.frame_rate) for onset in onsets}
    return {frame: Window.of(video, window, frame) for frame in sorted(frames)}


def _of_video(
    model: StatesModel,
    kinds: Sequence[FeatureKind],
    material: Material,
    places: Mapping[int | None, Window],
    everything: bool,
) -> tuple[list[TrialStates], list[States]]:
    """What it says of each window of a video, and of their frames, or of all frames.

    A frame is compared with what was before the window that began last, or else the first one.
    """
    from napari_vitface.states.features.compute import make_extractors
    from napari_vitface.states.predicting import predict_frames

    about, video = model.about, material.video
    windows = list(places.values())
    inside = {frame for each in windows for frame in each.frames}
    wanted = np.array(sorted(inside.union(range(len(video)) if everything else ())))
    before = {frame for each in windows for frame in each.before}
    extractors = make_extractors(kinds, material)
    computed = compute_frames(extractors, material, sorted(before.union(wanted.tolist())))
    began = np.searchsorted([each.frames.start for each in windows], wanted, side="right") - 1
    told, states = [], []
    for number, (onset, place) in enumerate(places.items()):
        own = np.union1d(place.frames, wanted[np.maximum(began, 0) == number])
        seen = computed.seen(own, place.before)
        said = predict_frames(
            model, seen.values, seen.before, seen.layouts, seen.frames, video.path.name
        )
        rows = (seen.frames >= place.frames.start) & (seen.frames < place.frames.stop)
        if not rows.any():
            raise VideoError(f"No frame of the window of {video.path.name} can be decoded.")
        together = said.of_trial(model, rows).tolist()
        told.append(
            TrialStates(
                video=str(video.path),
                probabilities=(
                    dict(zip(about.states, together, strict=True)) if about.states else None
                ),
                value=None if about.states else together[0],
                unlike=float(said.unlike[rows].mean()),
                frames=int(rows.sum()),
                table=None,
                onset=onset,
            )
        )
        states.append(said)
    return told, states


def _write(file: Path, names: Sequence[str], count: int, states: Sequence[States]) -> None:
    """A row for each frame, of which the last one counts that says something of it.

    Cells of frames that cannot be decoded are empty.
    """
    rows: dict[int, list[str | int]] = {}
    for said in states:
        for row, frame in enumerate(said.frames.tolist()):
            told = [f"{value:.6g}" for value in said.values[row].tolist()]
            rows[frame] = [*told, f"{said.distance[row]:.4g}", int(said.unlike[row])]
    columns = [*(names or ["value"]), "distance", "unlike"]
    made_folder(file.parent)
    with atomic_write(file) as temporary, temporary.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["frame", *columns])
        for frame in range(count):
            writer.writerow([frame, *rows.get(frame, [""] * len(columns))])
