"""Finding the face: small faces in large pictures, and footage without one.

    python -m benchmarks face_in_picture

The real frames that the bundled model was not trained on, and drawn faces, are made smaller and put
at several places into a picture of texture and noise. Error is in units of the face's size: where
the face is a quarter as large, an error of one pixel counts four. Each figure is the mean error
over that on the frames as they are, once looking at the whole picture and once where the face was
found (`--crop auto`), for the worst of the places. Beside it stands the mean pose.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.filters import gaussian
from skimage.io import imread

from benchmarks import Row
from benchmarks._real_recording import DATA, FOLDER, held_out_labels
from napari_vitface import load_model
from napari_vitface.jobs.find_face import FRAMES
from napari_vitface.model.face_search import Face, find_face
from napari_vitface.model.predictor import KeypointModel
from napari_vitface.pose.confidence import is_unsure
from napari_vitface.pose.metrics import pixel_errors
from napari_vitface.sample import random_face
from napari_vitface.video import open_video, scale_image
from napari_vitface.video.scale import Scale

Image = NDArray[np.uint8]

_NAME = "error by face size, found / as it is"
_SCALES = {"real": (0.25, 0.35, 0.5, 0.7, 1.0), "drawn": (0.25, 0.5)}
#: Where the smaller picture lies in the larger one, in parts of the room there is along x and y.
_PLACES = ((0.0, 0.6), (0.9, 0.2))
#: The larger picture's sides over those of the frames.
_LARGER = 1.5


@dataclass(frozen=True)
class Faces:
    """Frames and the keypoints in them."""

    name: str
    images: Sequence[Image]
    xy: NDArray[np.float64]


def real_faces() -> Iterator[Faces]:
    """The frames that training held out, without those labelled by mistake."""
    if FOLDER.exists():
        labels = held_out_labels("mouse-face")
        # As many as are looked at to find a face; neighbours in time are nearly the same.
        labels = labels.take(np.linspace(0, len(labels) - 1, FRAMES).round().astype(int))
        yield Faces("real", [imread(path) for path in labels.images], labels.xy)


def drawn_faces() -> Faces:
    """New faces of the renderer, one a frame."""
    drawn = [random_face(np.random.default_rng(7_000_000 + i), (480, 640)) for i in range(FRAMES)]
    return Faces("drawn", [image for image, _ in drawn], np.stack([xy for _, xy in drawn]))


def pasted(faces: Faces, scale: float, place: tuple[float, float]) -> Faces:
    """The faces, smaller, in larger pictures of texture and noise."""
    rng = np.random.default_rng(0)
    height, width = faces.images[0].shape
    size = round(height * _LARGER), round(width * _LARGER)
    texture = gaussian(rng.normal(size=size), 12) + 0.5 * gaussian(rng.normal(size=size), 4)
    texture = 200 * (texture - texture.min()) / np.ptp(texture)
    h, w = round(height * scale), round(width * scale)
    x, y = (round((a - b) * c) for a, b, c in zip(size[::-1], (w, h), place, strict=True))
    pictures = []
    for image in faces.images:
        picture = np.clip(texture + rng.normal(0, 6, size), 0, 255).astype(np.uint8)
        picture[y : y + h, x : x + w] = scale_image(image, Scale(None, (h, w), grey=True))
        pictures.append(picture)
    xy = (faces.xy + 0.5) * [w / width, h / height] - 0.5 + [x, y]
    return Faces(faces.name, pictures, xy)


def searched(model: KeypointModel, images: Sequence[Any]) -> Face:
    """What `find_face` says of frames spread over a video."""

    def run() -> Iterator[Any]:
        found.append((yield from find_face(chosen, model)))

    count = min(FRAMES, len(images))
    chosen = [images[int((i + 0.5) * len(images) / count)] for i in range(count)]
    found: list[Face] = []
    list(run())
    return found[0]


def look(
    model: KeypointModel, images: Sequence[Any], crop: Any
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Points in pixels of the images, and confidence."""
    view = model.preprocessing.with_crop(crop).view((images[0].shape[0], images[0].shape[1]))
    canvas = view.pad(np.stack([scale_image(image, view.scale) for image in images]))
    xy, confidence = model.predict(canvas)
    return view.to_frame(xy), confidence


def small_faces(model: KeypointModel, faces: Faces) -> Iterator[Row]:
    """A row for each size of the face."""
    as_it_is = float(np.nanmean(pixel_errors(look(model, faces.images, None)[0], faces.xy)))
    training = model.training
    pose, size = np.array(training["mean_pose"]), np.array(training["mean_pose_frame_size"])
    for scale in _SCALES[faces.name]:
        whole: list[float] = []
        found: list[float] = []
        seen, constant, missed = [], [], 0
        for place in _PLACES:
            case = pasted(faces, scale, place)
            face = searched(model, case.images)
            missed += not face.found
            unit = scale * as_it_is
            here = np.array(case.images[0].shape)
            stretched = (pose + 0.5) * (here / size)[::-1] - 0.5
            constant.append(float(np.nanmean(pixel_errors(stretched, case.xy))) / unit)
            for crop, ratios in ((None, whole), (face.crop, found)):
                xy, _ = look(model, case.images, crop)
                ratios.append(float(np.nanmean(pixel_errors(xy, case.xy))) / unit)
            seen.append(face.seen)
        note = (
            f"whole picture {max(whole):.1f}, mean pose {max(constant):.0f} (worst of "
            f"{len(_PLACES)} places); {missed} not found; {min(seen)} to {max(seen)} images seen; "
            f"as it is: {as_it_is:.1f} px in frames {faces.images[0].shape[1]} wide"
        )
        yield _NAME, f"{faces.name}, {scale:g} times as large", max(found), note


def footage_without() -> Iterator[tuple[str, list[list[Any]]]]:
    """What it is -> frames of each video: nothing in it is a face as the model knows it."""
    rng = np.random.default_rng(0)
    size = (480, 640)
    noise = [rng.integers(0, 255, size, dtype=np.uint8) for _ in range(FRAMES)]
    yield "noise", [noise]
    yield "a blank wall", [[np.full(size, 120, np.uint8)]]
    if (DATA / "videos").exists():
        yield "a mouse on a treadmill, with a mirror", [_some(DATA / "videos" / "mirror_mouse.mp4")]
    if (DATA / "der").exists():
        clips = sorted((DATA / "der").glob("*_300uA_0.mp4"))
        yield "heads of 55 pixels (DER)", [_some(clip) for clip in clips]
    if (DATA / "pupil").exists():
        folders = sorted((DATA / "pupil" / "raw_frames").iterdir())
        yield "close-ups of an eye", [_some(folder) for folder in folders]


def _some(path: Path) -> list[Any]:
    with open_video(path) as video:
        count = min(FRAMES, len(video))
        return [video[int((i + 0.5) * len(video) / count)] for i in range(count)]


def without_face(model: KeypointModel) -> Iterator[Row]:
    """A row for each kind of footage without a face: the share in which one is found."""
    for name, videos in footage_without():
        faces = [searched(model, images) for images in videos]
        unsure = [is_unsure(look(model, images, None)[1]) for images in videos]
        note = (
            f"confidence {max(face.confidence for face in faces):.2f} in the likeliest place of "
            f"{len(videos)} videos, {max(face.seen for face in faces)} images seen at most; "
            f"unsure in {np.concatenate(unsure).mean():.0%} of {sum(map(len, unsure))} frames"
        )
        yield "face found where there is none", name, float(np.mean([f.found for f in faces])), note


def run() -> list[Row]:
    """A row for each size of face and each kind of footage without one."""
    return list(_rows())


def _rows() -> Iterator[Row]:
    model = load_model("mouse-face", device="cpu", precision="fp32", batch_size=8)
    for faces in (*real_faces(), drawn_faces()):
        _, sure = look(model, faces.images, None)
        face = searched(model, faces.images)
        kept = "the whole frame is kept" if face.crop is None else f"{face.crop} is taken"
        said = f"{kept}; {face.seen} images seen; unsure in {is_unsure(sure).mean():.0%} of frames"
        yield _NAME, f"{faces.name}, as it is", 1.0 if face.crop is None else None, said
        yield from small_faces(model, faces)
    yield from without_face(model)


if __name__ == "__main__":
    for name, case, ratio, note in _rows():
        print(f"{name}, {case}: {ratio} ({note})", flush=True)
