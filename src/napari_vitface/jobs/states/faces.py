"""Pictures of faces: the mean over some frames, and what HOG sees of one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Event, Finished, Progress, Started
from napari_vitface.jobs.resources import Resources, shared_or_own
from napari_vitface.jobs.results.states import HogPictureResult, MeanFaceResult
from napari_vitface.jobs.states.material import Follow, material_of
from napari_vitface.settings.computing import White


def mean_face(
    video: str | os.PathLike[str],
    inside: Sequence[int],
    outside: Sequence[int] = (),
    *,
    crop: tuple[int, int, int, int] | None = None,
    follow: Follow | None = None,
    predictions: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] = "mouse-face",
    white: White = None,
    resources: Resources | None = None,
) -> Iterator[Event]:
    """Average the face over frames of a video, and compare it with that of others.

    Parameters
    ----------
    video : path
    inside, outside : sequence of int
        Frames; some that are evenly spread among them where they are many.
    crop, follow, predictions, model, white, resources
        As in `napari_vitface.jobs.states.features.features`.

    Yields
    ------
    Started, Progress
    Finished
        With a `MeanFaceResult`.

    Raises
    ------
    VitFaceError
        The video or the crop cannot be used, or no frame can be decoded.
    """
    from napari_vitface.states.mean_face import MeanFace
    from napari_vitface.states.mean_face import mean_face as average

    with ExitStack() as stack:
        shared = stack.enter_context(shared_or_own(resources))
        source = stack.enter_context(shared.video(video, white=white))
        material = yield from material_of(
            stack,
            shared,
            source,
            (),
            crop=crop,
            follow=follow,
            predictions=predictions,
            model=model,
        )
        strange = [frame for frame in (*inside, *outside) if not 0 <= frame < len(source)]
        if strange or not len(inside):
            which = f"and no frame {strange[0]}" if strange else "and none is chosen"
            raise VitFaceError(
                f"{source.path.name} has the frames 0 to {len(source) - 1}, {which}."
            )
        face = MeanFace(material.crop.size)
        for done, total in average(material, inside, outside, face):
            if done == 1:
                yield Started("mean_face", total)
            yield Progress(done, total)
        x, y, _, _ = material.crop.described()["rectangle"]
        yield Finished(
            "mean_face",
            MeanFaceResult(
                mean=face.mean,
                contrast=face.contrast,
                inside=face.inside,
                outside=face.outside,
                corner=(int(x), int(y)),
            ),
        )


def hog_picture(
    video: str | os.PathLike[str],
    frame: int,
    *,
    crop: tuple[int, int, int, int] | None = None,
    settings: Mapping[str, Any] | None = None,
    white: White = None,
    resources: Resources | None = None,
) -> Iterator[Event]:
    """Draw what HOG sees of a frame, to be laid over it.

    Parameters
    ----------
    video, crop, settings, white, resources
        As in `napari_vitface.jobs.states.features.features`.
    frame : int

    Yields
    ------
    Finished
        With a `HogPictureResult`.

    Raises
    ------
    VitFaceError
        The video or the crop cannot be used, or the frame cannot be decoded.
    """
    from napari_vitface.settings.features import Hog, choose
    from napari_vitface.states.features.crop import FixedCrop
    from napari_vitface.states.features.hog import hog_picture as draw
    from napari_vitface.video.scale import Scale, scale_image

    (kind,) = choose(Hog.name, settings or {})
    assert isinstance(kind, Hog)
    with ExitStack() as stack:
        shared = stack.enter_context(shared_or_own(resources))
        source = stack.enter_context(shared.video(video, white=white))
        window = FixedCrop.of(source, crop)
        scale = Scale(window.rectangle, window.size, grey=True)
        picture = draw(scale_image(source[frame], scale, white=source.white), kind)
        x, y, _, _ = window.rectangle
        yield Finished("hog_picture", HogPictureResult(frame=frame, picture=picture, corner=(x, y)))
