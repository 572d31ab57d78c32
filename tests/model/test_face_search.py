from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_vitface.model.checkpoint import load_model
from napari_vitface.model.face_search import Face, find_face
from napari_vitface.model.predictor import KeypointModel
from napari_vitface.sample import MouseFaceSample
from napari_vitface.video import scale_image
from napari_vitface.video.scale import Scale

Images = Sequence[NDArray[np.uint8]]


@pytest.fixture(scope="module")
def model() -> KeypointModel:
    return load_model("mouse-face", device="cpu", precision="fp32", batch_size=4)


@pytest.fixture(scope="module")
def drawn() -> tuple[Images, NDArray[np.float64]]:
    """Three frames of a drawn face and its keypoints."""
    movie = MouseFaceSample(3, frames=200, size=(240, 320))
    rows = [20, 90, 160]
    return [movie[row] for row in rows], movie.poses.xy[rows].astype(float)


def search(frames: Images, model: KeypointModel) -> Face:
    def steps() -> Iterator[tuple[int, int]]:
        found.append((yield from find_face(frames, model)))

    found: list[Face] = []
    told = list(steps())
    assert all(seen <= most for seen, most in told)
    assert told[-1][0] == found[0].seen
    return found[0]


def pasted(
    images: Images, scale: float, place: tuple[int, int], size: tuple[int, int]
) -> list[NDArray[np.uint8]]:
    """Images made smaller and put at (x, y) into pictures of noise of another size."""
    rng = np.random.default_rng(0)
    height, width = (round(side * scale) for side in images[0].shape)
    found = []
    for image in images:
        picture = rng.integers(60, 120, size, dtype=np.uint8)
        small = scale_image(image, Scale(None, (height, width), grey=True))
        picture[place[1] : place[1] + height, place[0] : place[0] + width] = small
        found.append(picture)
    return found


def error(
    model: KeypointModel, frames: Images, face: Face, truth: NDArray[np.float64]
) -> tuple[float, float]:
    """Median error without and with the crop, in pixels of the frames."""
    errors = []
    for crop in (None, face.crop):
        view = model.preprocessing.with_crop(crop).view((frames[0].shape[0], frames[0].shape[1]))
        canvas = view.pad(np.stack([scale_image(frame, view.scale) for frame in frames]))
        xy = view.to_frame(model.predict(canvas)[0])
        errors.append(float(np.nanmedian(np.linalg.norm(xy - truth, axis=-1))))
    return errors[0], errors[1]


def test_a_small_drawn_face_is_found_and_its_points_with_it(model, drawn):
    images, truth = drawn
    frames = pasted(images, 0.5, (150, 40), (360, 480))
    face = search(frames, model)
    assert face.found
    assert face.confidence > face.usual
    x, y, w, h = face.crop
    # The picture that was pasted is 160 x 120 pixels from (150, 40).
    assert 130 < w < 220
    assert abs(x + w / 2 - 230) < 30
    assert abs(y + h / 2 - 100) < 30
    # Integer coordinates are pixel centres.
    whole, cropped = error(model, frames, face, (truth + 0.5) * 0.5 - 0.5 + [150, 40])
    assert cropped < 0.02 * 160
    assert cropped < 0.8 * whole


def test_a_face_that_is_sure_in_the_whole_picture_too_is_looked_at_as_large_as_in_training(
    model, drawn
):
    images, truth = drawn
    frames = pasted(images, 1, (140, 20), (360, 480))
    face = search(frames, model)
    assert face.found
    assert face.usual > 0.8
    x, y, w, h = face.crop
    # The picture that was pasted is 320 x 240 pixels from (140, 20).
    assert 270 < w < 380
    assert abs(x + w / 2 - 300) < 30
    assert abs(y + h / 2 - 140) < 30
    _, cropped = error(model, frames, face, truth + np.array([140, 20]))
    assert cropped < 0.01 * 320


def test_a_face_as_large_as_in_training_is_left_alone(model, drawn):
    images, _ = drawn
    face = search(images, model)
    assert face.found
    assert face.crop is None
    assert face.confidence == face.usual > 0.8


def test_no_face_is_found_where_there_is_none(model):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (120, 160), dtype=np.uint8) for _ in range(2)]
    face = search(noise, model)
    assert not face.found
    assert face.crop is None
    wall = search([np.full((90, 120), 130, np.uint8)], model)
    assert not wall.found
    assert max(face.confidence, wall.confidence) < 0.4


def test_one_of_two_faces_is_taken_and_not_what_lies_between(model, drawn):
    images, _ = drawn
    frames = pasted(images[:2], 0.6, (10, 100), (360, 480))
    mirrored = [image[:, ::-1] for image in images[:2]]
    for frame, other in zip(frames, pasted(mirrored, 0.6, (280, 100), (360, 480)), strict=True):
        frame[:, 250:] = other[:, 250:]
    face = search(frames, model)
    assert face.found
    x, _, w, _ = face.crop
    # One is in the columns 10 to 202, the other one in 280 to 472.
    assert x + w < 280 or x > 202


@pytest.mark.parametrize(("scale", "place"), [(0.25, (600, 100)), (0.35, (0, 400))])
def test_a_small_real_face_is_found_with_the_same_points(
    model: KeypointModel, real_data: Path, scale: float, place: tuple[int, int]
) -> None:
    from napari_vitface.model.checkpoint import find_model
    from napari_vitface.model.header import read_metadata
    from napari_vitface.project.label_reading import read_labels
    from napari_vitface.video import open_video

    labels = read_labels(real_data / "mouse_face")
    held_out = read_metadata(find_model("mouse-face"))["training"]["held_out"]["frames"]
    labels = labels.take(np.flatnonzero(np.isin(labels.frames, held_out))[[2, 12, 22]])
    images = [open_video(path)[0] for path in labels.images]
    height, width = images[0].shape
    size = np.array([round(width * scale), round(height * scale)])
    frames = pasted(images, scale, place, (720, 1280))
    face = search(frames, model)
    assert face.found
    truth = (labels.xy + 0.5) * size / [width, height] - 0.5 + place
    whole, cropped = error(model, frames, face, truth)
    as_it_is, _ = error(model, images, Face(None, True, 1.0, 1.0, 0), labels.xy)
    # In units of the face's size.
    assert cropped / scale < 1.25 * as_it_is
    assert whole / scale > 5 * as_it_is
