"""Find the part of a video with the face, as large as a model knows it."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from napari_vitface.errors import VideoError, VitFaceError
from napari_vitface.jobs.events import Event, Finished, Notice, Progress, Started
from napari_vitface.jobs.pace import Counter
from napari_vitface.jobs.resources import Resources, shared_or_own
from napari_vitface.jobs.results.prediction import FindFaceResult, FindFaceSettings
from napari_vitface.settings.computing import Crop, Reading
from napari_vitface.settings.option import takes
from napari_vitface.steps import told_as

if TYPE_CHECKING:
    from napari_vitface.model.face_search import Face
    from napari_vitface.model.predictor import KeypointModel
    from napari_vitface.model.preprocessing import View
    from napari_vitface.video import Video

#: Frames that are looked at, spread over the video: enough that no single posture decides.
FRAMES = 8
_LOOKING = "Looking for the face"


@takes(Reading)
def find_face(
    video: str | os.PathLike[str],
    model: str | os.PathLike[str] = "mouse-face",
    *,
    resources: Resources | None = None,
    **settings: Any,
) -> Iterator[Event]:
    """Propose the crop in which a model sees a face as large as it knows it.

    Nothing is written. The crop depends on the video and the model alone.

    Parameters
    ----------
    video, model, resources
        See `napari_vitface.jobs.predict.predict`.
    {settings}

    Yields
    ------
    Started
        `total` is the most images that the model may have to see.
    Progress
    Finished
        With a `FindFaceResult`.

    Raises
    ------
    VitFaceError
        The video or the model cannot be used, or the model does not say how sure it is.
    """
    reading = Reading(**settings)
    with ExitStack() as stack:
        shared = stack.enter_context(shared_or_own(resources))
        source = stack.enter_context(shared.video(video, white=reading.white))
        network = yield from shared.loading(stack, model, reading.computing)
        looking = search(source, network)
        started = False
        while True:
            try:
                event = next(looking)
            except StopIteration as end:
                face: Face = end.value
                break
            if not started and isinstance(event, Progress):
                started = True
                told = FindFaceSettings(video=str(source.path), model=network.name, unit="views")
                yield Started("find_face", event.total, event.message, told)
            yield event
        yield Finished("find_face", face_found(face, source, network))


def search(video: Video, network: KeypointModel) -> Generator[Event, None, Face]:
    """Look for the face; yields `Progress`."""
    from napari_vitface.model.face_search import Face
    from napari_vitface.model.face_search import find_face as find

    if network.network.heatmap_size is None:
        raise VitFaceError(
            f"The model {network.name} has a regression head, which does not say how sure it is, "
            "so no face can be found by it; give the crop."
        )
    frames = []
    for i in range(min(FRAMES, len(video))):
        try:
            frames.append(video[int((i + 0.5) * len(video) / min(FRAMES, len(video)))])
        except VideoError:
            continue
    if not frames:
        return Face(None, False, 0.0, 0.0, 0)
    looking = find(frames, network, white=video.white)
    face = yield from told_as(looking, Counter(0, _LOOKING).of)
    # There is less to see where the face is found early.
    yield Progress(face.seen, face.seen, 0.0, _LOOKING)
    return face


def view_of(
    video: Video, network: KeypointModel, crop: Crop | None
) -> Generator[Event, None, View]:
    """What a model looks at in a video: the crop that is given, found, stored with it, or all.

    If the face is to be found, a `Notice` says where it is.
    """
    size = video.shape[1], video.shape[2]
    if crop is None:
        return network.preprocessing.view(size)
    if crop == "auto":
        face = yield from search(video, network)
        yield Notice(face_found(face, video, network).sentence)
        return found_view(face, video, network)
    return network.preprocessing.with_crop(crop).view(size)


def found_view(face: Face, video: Video, network: KeypointModel) -> View:
    """What a model looks at after a search: the face, or what it usually looks at."""
    from napari_vitface.model.face_search import usual_view

    size = video.shape[1], video.shape[2]
    if face.crop is None:
        return usual_view(network.preprocessing, size)
    return network.preprocessing.with_crop(face.crop).view(size)


def face_found(face: Face, video: Video, network: KeypointModel) -> FindFaceResult:
    """What a search found, with a sentence about it."""
    return FindFaceResult(
        video=str(video.path),
        model=network.name,
        found=face.found,
        crop=face.crop,
        confidence=round(face.confidence, 3),
        usual_confidence=round(face.usual, 3),
        seen=face.seen,
        sentence=_sentence(face, video, network),
    )


def _sentence(face: Face, video: Video, network: KeypointModel) -> str:
    name, model = video.path.name, network.name
    usually = "the crop stored with the model" if network.preprocessing.crop else "the whole frame"
    if not face.seen:
        return f"None of the frames of {name} that were to be searched for a face could be decoded."
    if not face.found:
        return (
            f"The model {model} finds no face in {name}: in the likeliest place its confidence is "
            f"{face.confidence:.2f}. Draw the crop by hand if there is one, or choose or "
            "fine-tune a model that knows this view."
        )
    if face.crop is None:
        return (
            f"The face in {name} is as large as the model {model} knows it: it looks at {usually} "
            f"(confidence {face.confidence:.2f})."
        )
    x, y, w, h = face.crop
    return (
        f"Found the face in {name}: the model looks at {w} × {h} pixels from x {x}, y {y} "
        f"(confidence {face.confidence:.2f} there, {face.usual:.2f} in {usually})."
    )
