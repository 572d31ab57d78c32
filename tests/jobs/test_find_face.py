from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vitface.errors import VitFaceError
from napari_vitface.formats.poses import read_poses
from napari_vitface.jobs.events import (
    Event,
    Finished,
    Notice,
    PosesPredicted,
    Preparing,
    Progress,
    Started,
)
from napari_vitface.jobs.explaining.explain import explain
from napari_vitface.jobs.find_face import find_face
from napari_vitface.jobs.predict import predict
from napari_vitface.jobs.resources import Resources
from napari_vitface.sample import MouseFaceSample
from napari_vitface.video import VideoWriter


@pytest.fixture(scope="module")
def small_face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn face of 160 x 120 pixels, at (40, 20) in a larger picture."""
    path = tmp_path_factory.mktemp("small") / "small.mp4"
    movie = MouseFaceSample(3, frames=3, size=(120, 160))
    rng = np.random.default_rng(0)
    with VideoWriter(path, (360, 480), 30.0) as writer:
        for i in range(3):
            frame = rng.integers(60, 120, (360, 480), dtype=np.uint8)
            frame[20:140, 40:200] = movie[i]
            writer.write(frame)
    return path


def searched(events: list[Event]) -> bool:
    return any(isinstance(e, Progress) and "Looking for the face" in e.message for e in events)


def run(video: Path, model: Any, resources: Resources, **options: Any) -> list[Event]:
    options = {"device": "cpu", "precision": "fp32", "resources": resources, **options}
    return list(predict(video, model, **options))


def test_the_face_that_is_found_is_what_predict_and_attention_look_at(
    small_face: Path, resources: Resources
) -> None:
    events = find_face(small_face, device="cpu", precision="fp32", resources=resources)
    first, *middle, last = [event for event in events if not isinstance(event, Preparing)]
    assert isinstance(first, Started)
    assert all(isinstance(event, Progress) and event.done <= first.total for event in middle)
    assert isinstance(last, Finished)
    found = last.result
    assert found.found
    assert found.confidence > found.usual_confidence
    assert str(found.crop[2]) in found.sentence

    events = run(small_face, "mouse-face", resources, crop="auto")
    started = next(event for event in events if isinstance(event, Started))
    assert started.settings.crop == started.settings.face.crop == found.crop
    assert events[-1].result.crop == found.crop
    assert events[-1].result.face == found
    assert events[-1].result.low_confidence == 0.0
    assert [event for event in events if isinstance(event, Notice)] == []

    *said, done = explain(
        small_face, frame=1, crop="auto", device="cpu", precision="fp32", resources=resources
    )
    assert found.sentence in [event.message for event in said if isinstance(event, Notice)]
    assert done.result.settings["crop"] == list(found.crop)


def test_without_a_face_the_whole_frame_is_predicted_and_both_are_said(
    video: Path, tiny_model: Path, resources: Resources
) -> None:
    events = run(video, tiny_model, resources, crop="auto")
    result = events[-1].result
    assert not result.face.found
    assert result.crop == (0, 0, 128, 96)
    assert result.low_confidence == 1.0
    notices = [event.message for event in events if isinstance(event, Notice)]
    assert notices[0] == result.face.sentence
    assert "finds no face in mouse.mp4" in notices[0]
    assert "In 60 of 60 frames the model tiny is sure of fewer than half" in notices[1]
    # What was done already is not proposed.
    assert "--crop auto" not in notices[1]
    whole = read_poses(result.h5).xy
    again = run(video, tiny_model, resources, overwrite=True)
    np.testing.assert_array_equal(read_poses(again[-1].result.h5).xy, whole)
    assert "--crop auto" in next(e.message for e in again if isinstance(e, Notice))
    assert not searched(again)


def test_a_run_goes_on_with_the_crop_that_it_began_with(
    video: Path, tiny_model: Path, resources: Resources
) -> None:
    options: dict[str, Any] = {"device": "cpu", "precision": "fp32", "resources": resources}
    job = predict(video, tiny_model, crop="auto", **options)
    begun = [next(job)]
    while not isinstance(begun[-1], PosesPredicted):
        begun.append(next(job))
    job.close()
    assert searched(begun)
    rest = run(video, tiny_model, resources, crop="auto")
    assert not searched(rest)
    started = next(event for event in rest if isinstance(event, Started))
    assert started.settings.fresh_from > 0
    assert started.settings.face is not None
    # A crop that is asked for is another run.
    job = predict(video, tiny_model, crop="auto", overwrite=True, **options)
    while not isinstance(next(job), PosesPredicted):
        pass
    job.close()
    other = run(video, tiny_model, resources, crop=(0, 0, 64, 48), overwrite=True)
    assert any("another crop" in e.message for e in other if isinstance(e, Notice))
    assert other[-1].result.crop == (0, 0, 64, 48)


def test_a_model_that_does_not_say_how_sure_it_is_cannot_find_a_face(
    video: Path, tmp_path: Path
) -> None:
    from napari_vitface.model.building import create_backbone
    from napari_vitface.model.checkpoint import save_checkpoint
    from napari_vitface.model.network import KeypointNetwork
    from napari_vitface.model.preprocessing import Preprocessing
    from napari_vitface.pose.keypoints import KeypointSet

    backbone = create_backbone(
        "vit_tiny_patch16_224", (64, 80), 1, depth=1, embed_dim=48, num_heads=3
    )
    path = tmp_path / "seed.safetensors"
    network = KeypointNetwork(backbone, KeypointSet(("eye", "nose")), "regression")
    save_checkpoint(path, network, Preprocessing((64, 80)), training={"licence": "none"})
    with pytest.raises(VitFaceError, match=r"seed .* give the crop"):
        list(find_face(video, path, device="cpu", precision="fp32"))
