from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.io
from hypothesis import given
from hypothesis import strategies as st

from napari_vitface.engine.wire import encode_message, read_message
from napari_vitface.errors import LabelError
from napari_vitface.formats.labelled_images import Labels
from napari_vitface.jobs.auditing import judges
from napari_vitface.jobs.auditing.audit import audit, audit_video
from napari_vitface.jobs.auditing.findings import find_mistakes
from napari_vitface.jobs.auditing.judged_labels import (
    AuditedLabels,
    labels_of_files,
    labels_of_video,
)
from napari_vitface.jobs.auditing.judges import choose_beginning
from napari_vitface.jobs.events import (
    Event,
    Finished,
    LabelDoubted,
    Notice,
    Preparing,
    Progress,
    Started,
)
from napari_vitface.pose.keypoints import MOUSE_FACE, KeypointSet
from napari_vitface.sample import MouseFaceSample
from napari_vitface.steps import result_of

KEYPOINTS = KeypointSet(("eye", "nose tip", "mouth"))
CPU: dict[str, Any] = {"device": "cpu", "precision": "fp32"}


def some_labels(videos: dict[str, int], keypoints: KeypointSet = KEYPOINTS) -> Labels:
    """Labels of so many frames of each video; there are no images of them."""
    names = np.array([name for name, count in videos.items() for _ in range(count)])
    frames = np.concatenate([np.arange(count) * 10 for count in videos.values()])
    xy = np.random.default_rng(0).uniform(5, 60, (len(names), len(keypoints), 2))
    images = tuple(
        Path(f"{name}/img{frame:04d}.png") for name, frame in zip(names, frames, strict=True)
    )
    return Labels(keypoints, xy, images, names, frames, "me")


def audited(labels: Labels, size: tuple[int, int] = (96, 128)) -> AuditedLabels:
    return AuditedLabels(labels, labels.frames, lambda row: np.zeros(size, np.uint8))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """As few steps as there can be."""
    for name, value in (
        ("_FACES", 6), ("_DRAWN_STEPS", 3), ("_STEPS_KNOWN", 2), ("_STEPS_DRAWN", 2),
        ("_STEPS_FRESH", 2),
    ):  # fmt: skip
        monkeypatch.setattr(judges, name, value)


@pytest.fixture
def small_model(tmp_path: Path) -> Callable[..., Path]:
    """A checkpoint of a very small untrained ViT that says what it was trained on."""

    def make(training: dict[str, Any], name: str = "small") -> Path:
        from napari_vitface.model.building import create_backbone
        from napari_vitface.model.checkpoint import save_checkpoint
        from napari_vitface.model.network import KeypointNetwork
        from napari_vitface.model.preprocessing import Preprocessing

        backbone = create_backbone(
            "vit_tiny_patch16_224", (64, 80), 1, depth=2, embed_dim=48, num_heads=3
        )
        path = tmp_path / f"{name}.safetensors"
        network = KeypointNetwork(backbone, KEYPOINTS)
        save_checkpoint(path, network, Preprocessing((64, 80)), training=training)
        return path

    return make


# --- blocks of time -------------------------------------------------------------------------------


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 30), min_size=1),
    st.integers(2, 6),
)
def test_every_row_is_in_one_block_and_blocks_are_stretches_of_time(
    videos: dict[str, int], folds: int
) -> None:
    labels = some_labels({**videos, "z": 12})
    blocks = audited(labels).blocks(folds)
    assert sorted(np.concatenate(blocks).tolist()) == list(range(len(labels)))
    for block in blocks:
        assert len(block) < len(labels)
        for video in set(labels.videos[block].tolist()):
            rows = np.flatnonzero(labels.videos == video)
            there = np.isin(rows[np.argsort(labels.frames[rows])], block)
            assert np.abs(np.diff(np.concatenate([[0], there, [0]]))).sum() == 2


def test_too_few_labels_cannot_be_compared() -> None:
    with pytest.raises(LabelError, match=r"Only 11 frames are labelled; .* at least 12 frames"):
        audited(some_labels({"a": 11}))
    with pytest.raises(LabelError, match="cannot be cut into 1 blocks"):
        audited(some_labels({"a": 20})).blocks(1)


def test_networks_look_at_the_part_where_labels_are() -> None:
    from napari_vitface.model.preprocessing import Preprocessing

    labels = some_labels({"a": 20})
    preprocessing = Preprocessing((96, 128))
    large = audited(labels, (600, 800)).frame(0, preprocessing)
    # The labels lie within 60 pixels of the corner of 800.
    assert large.pixel_size.max() < 2
    np.testing.assert_allclose(large.to_video(large.xy), labels.xy[:1], atol=1e-4)
    # Of a small frame they take most, so all of it is looked at.
    whole = audited(labels, (72, 96)).frame(0, preprocessing)
    np.testing.assert_allclose(whole.pixel_size, 0.75)


def test_a_label_outside_of_its_image_teaches_nothing() -> None:
    from napari_vitface.model.preprocessing import Preprocessing

    labels = some_labels({"a": 20})
    labels.xy[3, 1] = (500, 20)
    frame = audited(labels).frame(3, Preprocessing((96, 128)))
    assert np.isnan(frame.xy[0, 1]).all()
    assert np.isfinite(frame.xy[0, [0, 2]]).all()


# --- what may judge -------------------------------------------------------------------------------


def test_a_model_that_was_trained_on_the_labels_may_not_judge_them(
    small_model: Callable[..., Path],
) -> None:
    # The bundled model has seen this recording, and so have models that were made from it.
    labels = audited(some_labels({"cam1_G7c1_1": 20}, MOUSE_FACE))
    beginning = result_of(choose_beginning("mouse-face", labels, "cpu", "fp32", 0))
    assert beginning.drawn
    assert beginning.name == "drawn faces"
    assert "mouse-face was trained on labels of cam1_G7c1_1" in beginning.why
    mine = small_model({"trained_frames": [{"video": "cam1_G7c1_1", "frames": [50]}]})
    assert result_of(choose_beginning(mine, labels, "cpu", "fp32", 0)).drawn
    silent = small_model({"summary": "?"}, "silent")
    beginning = result_of(choose_beginning(silent, labels, "cpu", "fp32", 0))
    assert beginning.drawn
    assert "silent does not say which labels it was trained on" in beginning.why


def test_a_model_that_has_not_seen_the_labels_is_started_from(
    small_model: Callable[..., Path],
) -> None:
    labels = audited(some_labels({"another mouse": 20}))
    mine = small_model({"trained_frames": [{"video": "cam1_G7c1_1", "frames": [50]}]})
    beginning = result_of(choose_beginning(mine, labels, "cpu", "fp32", 0))
    assert not beginning.drawn
    assert beginning.name == "small"
    assert beginning.network.keypoints.names == KEYPOINTS.names
    few = beginning.head_steps(KEYPOINTS.names)
    # Its head does not know these, although it was made for them.
    paws = KeypointSet(("left paw", "right paw"))
    labels = audited(some_labels({"another mouse": 20}, paws))
    beginning = result_of(choose_beginning(mine, labels, "cpu", "fp32", 0))
    assert beginning.head_steps(paws.names) > 2 * few
    assert beginning.head_steps((*KEYPOINTS.names, "left paw")) > 2 * few
    labels = audited(some_labels({"another mouse": 20}))
    # A model that was trained on these labels gives way to the bundled one, which was not.
    seen = small_model({"trained_frames": [{"video": "another mouse", "frames": [10]}]}, "seen")
    assert result_of(choose_beginning(seen, labels, "cpu", "fp32", 0)).name == "mouse-face"


# --- the job --------------------------------------------------------------------------------------


def spots(count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Images with a bright spot at each of three points."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :128]
    for _ in range(count):
        points = np.array([(30, 30), (90, 40), (60, 75)]) + rng.normal(0, 4, (3, 2))
        image = sum(
            (120 + 60 * k) * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (6 + 20 * k))
            for k, (px, py) in enumerate(points)
        )
        yield np.clip(image, 0, 255).astype(np.uint8), points


@pytest.fixture
def project(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A labelled recording of 16 images, two labels of one of them swapped."""
    from skimage.io import imsave

    folder = tmp_path / "project" / "labeled-data" / "spots"
    folder.mkdir(parents=True)
    images, points = zip(*spots(16), strict=True)
    xy = np.stack(points)
    xy[5, [0, 1]] = xy[5, [1, 0]]
    lines = [
        "scorer" + ",me" * 6,
        "bodyparts," + ",".join(name for name in KEYPOINTS.names for _ in range(2)),
        "coords" + ",x,y" * 3,
    ]
    for number, (image, row) in enumerate(zip(images, xy, strict=True)):
        imsave(folder / f"img{number * 10:04d}.png", image, check_contrast=False)
        values = ",".join(map(str, row.ravel()))
        lines.append(f"labeled-data/spots/img{number * 10:04d}.png,{values}")
    (folder / "CollectedData_me.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "project", xy


def checked(events: list[Event]) -> dict[str, Any]:
    events = [event for event in events if not isinstance(event, Preparing)]
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    progress = [event for event in events if isinstance(event, Progress)]
    assert progress[-1].done == progress[-1].total == events[0].total
    assert [event.done for event in progress] == sorted(event.done for event in progress)
    result = events[-1].result
    told = [event for event in events if isinstance(event, LabelDoubted)]
    assert [event.why for event in told] == [finding.why for finding in result.findings]
    return result


@pytest.mark.usefixtures("quick")
def test_an_audit_reads_a_project_and_gives_the_same_on_every_run(
    project: tuple[Path, np.ndarray], small_model: Callable[..., Path]
) -> None:
    folder, _ = project
    model = small_model({"trained_frames": [{"video": "other", "frames": []}]})
    options = {"folds": 2, "device": "cpu", "precision": "fp32"}
    events = list(audit(folder, model, **options))
    result = checked(events)
    assert (result.frames, result.labels, result.folds) == (16, 48, 2)
    assert result.start == "small"
    assert set(result.usual) == set(KEYPOINTS.names)
    assert any("small" in event.message for event in events if isinstance(event, Notice))
    assert list(audit(folder, model, **options))[-1].result == result


@pytest.mark.usefixtures("quick")
def test_labels_in_memory_are_audited_by_the_frames_of_the_video(
    project: tuple[Path, np.ndarray], small_model: Callable[..., Path]
) -> None:
    folder, xy = project
    model = small_model({"trained_frames": [{"video": "other", "frames": []}]})
    options = {"folds": 2, "device": "cpu", "precision": "fp32"}
    on_disk = list(audit(folder, model, **options))[-1].result
    images = folder / "labeled-data" / "spots"
    # One row says nothing, as where the user took a label back.
    frames, rows = np.arange(16), np.where(np.arange(16)[:, None, None] == 15, np.nan, xy)
    result = checked(list(audit_video(images, KEYPOINTS, frames, rows, model, **options)))
    assert result.frames == 15
    result = checked(list(audit_video(images, KEYPOINTS, frames, xy, model, **options)))
    # Of a folder, frames are positions; the images are the same.
    assert [f.why for f in result.findings] == [f.why for f in on_disk.findings]
    assert all(f.frame == int(Path(f.image).stem[3:]) // 10 for f in result.findings)


@pytest.mark.usefixtures("quick")
def test_how_far_is_far_does_not_depend_on_what_is_about_the_face(
    project: tuple[Path, np.ndarray],
    small_model: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_vitface.jobs.auditing import audit as module

    diagonals: list[float] = []

    def noted(*arguments: Any) -> Any:
        diagonals.append(arguments[-1])
        return find_mistakes(*arguments)

    monkeypatch.setattr(module, "find_mistakes", noted)
    model = small_model({"trained_frames": [{"video": "other", "frames": []}]})
    folder, xy = project
    pictures = [skimage.io.imread(path) for path in sorted(folder.rglob("*.png"))]
    for margin in (0, 400):
        around = folder.parent / f"around-{margin}"
        around.mkdir()
        for number, picture in enumerate(pictures):
            wide = np.pad(picture, margin)
            skimage.io.imsave(around / f"{number:02}.png", wide, check_contrast=False)
        list(audit_video(around, KEYPOINTS, np.arange(16), xy + margin, model, folds=2, **CPU))
    # Frames are more than seven times as wide, what is looked at is about the same.
    assert diagonals[1] == pytest.approx(diagonals[0], rel=0.2)


@pytest.mark.usefixtures("quick")
def test_without_a_model_that_may_judge_faces_are_drawn(
    project: tuple[Path, np.ndarray], small_model: Callable[..., Path]
) -> None:
    from napari_vitface.project.label_reading import read_labels

    labels = read_labels(project[0])
    labels = replace(labels, videos=np.full(16, "cam1_G7c1_1"))
    events = list(audit(labels, folds=2, device="cpu", precision="fp32"))
    assert checked(events).start == "drawn faces"
    stages = [event.message for event in events if isinstance(event, Progress)]
    assert list(dict.fromkeys(stages)) == [
        "Reading labelled frames",
        "Drawing faces",
        "Training on drawn faces",
        "Computing features",
        "Training without block 1 of 2",
        "Training without block 2 of 2",
    ]


@pytest.mark.usefixtures("quick")
def test_an_audit_can_be_cancelled_between_any_two_steps(
    project: tuple[Path, np.ndarray], small_model: Callable[..., Path]
) -> None:
    model = small_model({"trained_frames": [{"video": "other", "frames": []}]})
    events = audit(project[0], model, folds=2, device="cpu", precision="fp32")
    for event in events:
        if isinstance(event, Progress) and event.message.startswith("Training without block 2"):
            break
    events.close()  # type: ignore[attr-defined]
    with pytest.raises(StopIteration):
        next(events)


def test_a_finding_travels_from_the_engine() -> None:
    event = LabelDoubted(
        "mouse", 4, "", "shifted", ("mouth", "lip"), 3.5, "mouth and lip are shifted by one",
        (("mouth", None), ("lip", "mouth")), np.full((2, 2), np.nan), np.ones((2, 2)),
    )  # fmt: skip
    back = read_message(io.BytesIO(encode_message({"event": event})))["event"]
    assert back.moves == event.moves
    np.testing.assert_array_equal(back.xy, event.xy)


def mistaken(movie: MouseFaceSample, frames: np.ndarray) -> tuple[np.ndarray, dict[int, str]]:
    """Labels of frames of a drawn mouse with mistakes, and what is wrong in which frame."""
    at = MOUSE_FACE.index
    xy = movie.poses.xy[frames].astype(np.float64)
    xy += np.random.default_rng(0).normal(0, 1, xy.shape)
    wrong = {4: "swapped", 11: "shifted", 17: "far"}
    xy[4, [at("mouth"), at("nose top")]] = xy[4, [at("nose top"), at("mouth")]]
    xy[11, at("whisker 3") : at("lip")] = xy[11, at("mouth") :]
    xy[11, at("lip")] = np.nan
    xy[17, at("nose tip")] += (45, -30)
    return xy, {int(frames[row]): kind for row, kind in wrong.items()}


@pytest.mark.slow
def test_mistakes_made_on_purpose_are_found_and_clean_frames_are_not_accused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_vitface.video import VideoWriter

    # This animal does not blink: what only one block shows, no network of the other blocks knows,
    # and an audit names it with good reason.
    movie = MouseFaceSample(6, 96, (240, 320))
    # Without loss: what x264 makes of the same frames differs from process to process.
    path = tmp_path / "mouse.mkv"
    with VideoWriter(path, (240, 320), 50.0, codec="ffv1", pixel_format="gray") as writer:
        for frame in movie:
            writer.write(frame)
    frames = np.arange(0, 96, 4)
    xy, wrong = mistaken(movie, frames)
    events = list(
        audit_video(path, MOUSE_FACE, frames, xy, folds=2, device="cpu", precision="fp32")
    )
    result = checked(events)
    assert result.start == "mouse-face"
    worst: dict[int, str] = {}
    for finding in result.findings:
        worst.setdefault(finding.frame, finding.kind)
    assert dict(list(worst.items())[:3]) == wrong
    # What is named in other frames is no more than a hint.
    clean = [finding for finding in result.findings if finding.frame not in wrong]
    assert all(finding.score < 2 for finding in clean)
    assert len(result.findings) <= 6


def test_the_labels_of_a_video_keep_their_numbers(tmp_path: Path, video: Path) -> None:
    from napari_vitface.video import open_video

    with open_video(video) as source:
        xy = np.full((14, 3, 2), 20.0)
        found = labels_of_video(source, KEYPOINTS, np.arange(3, 45, 3), xy)
        assert found.shown.tolist() == list(range(3, 45, 3))
        assert found.labels.frames.tolist() == found.shown.tolist()
        assert set(found.labels.videos) == {"mouse"}
        np.testing.assert_array_equal(found.read(2), source[9])


def test_the_real_recording_is_cut_into_blocks(real_data: Path) -> None:
    found = labels_of_files(real_data / "mouse_face")
    assert len(found) == 119
    assert [len(block) for block in found.blocks(4)] == [30, 30, 30, 29]
    assert found.read(0).shape == (646, 864)
