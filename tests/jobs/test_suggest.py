from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vitface.engine.wire import encode_message, read_message
from napari_vitface.errors import VitFaceError
from napari_vitface.formats.poses import write_poses
from napari_vitface.formats.trace_table import title, writing_traces
from napari_vitface.jobs.events import (
    Event,
    Finished,
    FrameSuggested,
    Notice,
    Preparing,
    Progress,
    Started,
)
from napari_vitface.jobs.suggesting import suggest as module
from napari_vitface.jobs.suggesting.suggest import suggest
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

KEYPOINTS = KeypointSet(("eye", "nose tip", "mouth"))


def run(*arguments: Any, **options: Any) -> tuple[list[Event], dict[str, Any]]:
    events = list(suggest(*arguments, **options))
    events = [event for event in events if not isinstance(event, Preparing)]
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    return events, events[-1].result


def frames_of(result: dict[str, Any]) -> list[int]:
    return [entry.frame for entry in result.frames]


def still_poses(count: int = 60, confidence: float = 0.9) -> PoseTable:
    """Predictions that hardly move."""
    rng = np.random.default_rng(0)
    xy = 40 + rng.normal(0, 0.05, (count, 3, 2))
    return PoseTable(KEYPOINTS, xy, np.full((count, 3), confidence))


def save_labels(folder: Path, frames: list[int]) -> Path:
    """DeepLabCut labels of a video called mouse, with their images."""
    from skimage.io import imsave

    here = folder / "labeled-data" / "mouse"
    here.mkdir(parents=True)
    names = [f"img{frame:04d}.png" for frame in frames]
    for name in names:
        imsave(here / name, np.zeros((96, 128), np.uint8), check_contrast=False)
    head = ["scorer", "bodyparts", "coords"]
    lines = [
        ",".join([head[0]] + ["me"] * 6),
        ",".join([head[1]] + [name for name in KEYPOINTS.names for _ in range(2)]),
        ",".join([head[2]] + ["x", "y"] * 3),
        *(f"labeled-data/mouse/{name}," + ",".join(["10"] * 6) for name in names),
    ]
    (here / "CollectedData_me.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_suggested_frames_are_told_one_by_one_and_in_the_result(
    video: Path, tiny_model: Path
) -> None:
    events, result = run(video, tiny_model, count=5)
    told = [event for event in events if isinstance(event, FrameSuggested)]
    assert [event.frame for event in told] == frames_of(result)
    assert len(told) == 5
    assert all(event.why for event in told)
    scores = [event.score for event in told]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    stages = {event.message: event for event in events if isinstance(event, Progress)}
    assert all(last.done == last.total for last in stages.values())


def test_the_same_call_suggests_the_same_frames(video: Path, tiny_model: Path) -> None:
    once, again = (run(video, tiny_model, count=6, precision="fp32")[1] for _ in range(2))
    assert once == again


def test_frames_in_which_much_moves_are_worth_more_by_a_table_of_traces(
    video: Path, tiny_model: Path, tmp_path: Path
) -> None:
    write_poses(still_poses(), tmp_path / "p.csv", scorer="me")
    energy = np.random.default_rng(0).normal(2, 0.1, (60, 1)).astype(np.float32)
    energy[33] = 30

    def table(frames: int, name: str = "motion energy frame") -> Path:
        path = tmp_path / "mouse_traces.csv"
        with writing_traces(path, [title(name, "grey levels")], timed=False) as sink:
            sink.write(np.arange(frames), None, np.resize(energy, (frames, 1)))
        return path

    options = {"count": 3, "predictions": tmp_path / "p.csv"}
    _, result = run(video, tiny_model, motion=table(60), **options)
    reasons = {entry.frame: entry.why for entry in result.frames}
    assert "much moves (30.0 grey levels)" in reasons[33]
    assert not any("much moves" in why for frame, why in reasons.items() if frame != 33)
    with pytest.raises(VitFaceError, match="goes on to frame 60, but"):
        run(video, tiny_model, motion=table(61), **options)
    with pytest.raises(VitFaceError, match="has no motion energy"):
        run(video, tiny_model, motion=table(60, "eye opening"), **options)


def test_labelled_frames_are_never_suggested(video: Path, tiny_model: Path, tmp_path: Path) -> None:
    project = save_labels(tmp_path / "project", [3, 50])
    given = [*range(5, 20), 21]
    _, result = run(video, tiny_model, count=60, labels=project, labelled=given)
    assert list(result.labelled) == sorted([3, 50, *given])
    assert not set(frames_of(result)) & {3, 50, *given}
    # All the others are, as far as so many are asked for.
    assert len(result.frames) == 60 - 18
    with pytest.raises(VitFaceError, match="no frame to suggest: 60 of its 60 frames are labelled"):
        run(video, tiny_model, labelled=range(60))


def test_frames_of_a_folder_are_known_by_their_files(tiny_model: Path, tmp_path: Path) -> None:
    project = save_labels(tmp_path, [7, 100, 2000])
    folder = project / "labeled-data" / "mouse"
    (folder / "img0500.png").write_bytes((folder / "img0007.png").read_bytes())
    _, result = run(folder, tiny_model, labels=project)
    # Sorted by name, 500 is the third of four files.
    assert result.labelled == (0, 1, 3)
    assert frames_of(result) == [2]


def test_predictions_beside_the_video_are_used_and_a_jump_in_them_found(
    video: Path, tiny_model: Path
) -> None:
    table = still_poses()
    table.xy[31:, 1] += (20, 0)
    table.confidence[31, 1] = 0.85
    write_poses(table, video.with_name(f"mouse_vitface_{tiny_model.stem}.h5"), scorer="me")
    events, result = run(video, tiny_model, count=4)
    assert result.predictions.endswith(".h5")
    stages = {event.message for event in events if isinstance(event, Progress)}
    assert stages == {"Looking closely at doubtful frames"}
    why = {entry.frame: entry.why for entry in result.frames}
    assert "nose tip jumps by 20 px" in why[31]


def test_low_confidence_is_found_and_broken_frames_are_left_out(
    video: Path, tiny_model: Path, tmp_path: Path
) -> None:
    table = still_poses()
    table.confidence[12, 2] = 0.1
    table.xy[40:45] = np.nan
    path = tmp_path / "elsewhere.csv"
    write_poses(table, path, scorer="me")
    _, result = run(video, tiny_model, count=60, predictions=path)
    assert result.frames[0].frame == 12
    assert "low confidence: mouth at 0.10" in result.frames[0].why
    assert not set(frames_of(result)) & set(range(40, 45))


def test_of_a_long_video_without_predictions_some_frames_are_looked_at(
    video: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PREDICTED", 25)
    events, result = run(video, tiny_model, count=4)
    assert events[0].settings.every == 3
    assert any("one frame in 3 is looked at" in e.message for e in events if isinstance(e, Notice))
    assert all(frame % 3 == 0 for frame in frames_of(result))
    assert not any("jumps" in entry.why for entry in result.frames)


def test_suggested_frames_are_not_near_copies_of_each_other(
    write_video: Callable[..., Path], tiny_model: Path, tmp_path: Path
) -> None:
    path = write_video(tmp_path / "long.mp4", frames=240)
    _, result = run(path, tiny_model, count=3)
    assert np.diff(sorted(frames_of(result))).min() >= 240 // 60


def test_what_cannot_be_used_is_refused_in_a_sentence(
    video: Path, tiny_model: Path, tmp_path: Path
) -> None:
    other = PoseTable(KeypointSet(("ear",)), np.zeros((60, 1, 2)))
    write_poses(other, tmp_path / "other.csv", scorer="me")
    with pytest.raises(VitFaceError, match="other keypoints than the model"):
        run(video, tiny_model, predictions=tmp_path / "other.csv")
    write_poses(still_poses(61), tmp_path / "longer.csv", scorer="me")
    with pytest.raises(VitFaceError, match="goes on to frame 60"):
        run(video, tiny_model, predictions=tmp_path / "longer.csv")
    with pytest.raises(VitFaceError, match="At least one frame"):
        run(video, tiny_model, count=0)


def test_a_suggestion_travels_from_the_engine() -> None:
    event = FrameSuggested(4, 0.25, "looks unlike labelled frames")
    assert read_message(io.BytesIO(encode_message({"event": event})))["event"] == event


@pytest.mark.slow
def test_a_burst_of_noise_is_the_first_suggestion(tmp_path: Path) -> None:
    from napari_vitface.sample import MouseFaceSample
    from napari_vitface.video import VideoWriter

    rng = np.random.default_rng(0)
    movie = MouseFaceSample(3, 30, (240, 320), 50.0)
    path = tmp_path / "burst.mp4"
    with VideoWriter(path, (240, 320), 50.0) as writer:
        for number, frame in enumerate(movie):
            noise = rng.integers(0, 255, frame.shape, dtype=np.uint8)
            writer.write(noise if number in (17, 18) else frame)
    _, result = run(path, count=3, labelled=[0], device="cpu", precision="fp32")
    first, *others = result.frames
    assert first.frame in (17, 18)
    assert "low confidence" in first.why
    assert "looks unlike labelled frames" in first.why
    assert others[0].score < first.score - 0.2
