"""Features of a video in files: complete, resumed to the byte, and checked when they are read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from napari_vitface.errors import VitFaceError
from napari_vitface.formats.poses import write_poses
from napari_vitface.jobs import pace
from napari_vitface.jobs.events import Event, Finished, Notice, Progress, Started
from napari_vitface.jobs.results.states import FeaturesResult
from napari_vitface.jobs.states.features import features
from napari_vitface.model.checkpoint import load_model, save_checkpoint
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable
from napari_vitface.settings.features import choose
from napari_vitface.states.features.compute import features_of
from napari_vitface.states.features.crop import FixedCrop
from napari_vitface.states.features.extractor import Material
from napari_vitface.states.features.file import THINNED, FeatureFile, FeatureWriter
from napari_vitface.video import open_video

FRAMES = 150
CROP = (2, 1, 20, 17)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    folder = tmp_path / "mouse"
    folder.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (FRAMES, 20, 24), dtype=np.uint8)
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"img{i:03d}.png")
    return folder


def result_of(job: Iterator[Event]) -> FeaturesResult:
    *_, last = job
    assert isinstance(last, Finished)
    assert isinstance(last.result, FeaturesResult)
    return last.result


def test_a_file_for_each_kind_holds_what_was_computed(video: Path, tmp_path: Path) -> None:
    result = result_of(features(video, "hog,motion", crop=CROP, settings={"cell": 5}))
    assert [each.path for each in result.files] == [
        str(tmp_path / f"mouse_features_{kind}.h5") for kind in ("hog", "motion")
    ]
    assert [each.columns for each in result.files] == [4 * 3 * 8, 1]
    assert (result.frames, result.broken) == (FRAMES, ())
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "mouse", "mouse_features_hog.h5", "mouse_features_motion.h5",
    ]  # fmt: skip
    with open_video(video) as opened:
        material = Material(opened, FixedCrop.of(opened, CROP))
        _, expected, (hog, _) = features_of(choose("hog,motion", {"cell": 5}), material)
    with FeatureFile(result.files[0].path) as file:
        assert file.kind == choose("hog", {"cell": 5})[0]
        assert file.columns == hog.columns
        assert file.frames == range(FRAMES)
        np.testing.assert_allclose(file.rows(0, FRAMES), expected[:, :-1], atol=5e-4)
        np.testing.assert_array_equal(file.thinned()[1], file.rows(0, FRAMES))
        some = file.at([140, 3, 3, 149, -1, FRAMES])
        np.testing.assert_array_equal(some[:4], file.rows(0, FRAMES)[[140, 3, 3, 149]])
        assert np.isnan(some[4:]).all()
    with FeatureFile(result.files[1].path) as file:
        np.testing.assert_array_equal(file.rows(0, FRAMES), expected[:, -1:])


def test_some_frames_alone(video: Path) -> None:
    result = result_of(features(video, "brightness", frames="10:100:7"))
    with FeatureFile(result.files[0].path) as file, open_video(video) as opened:
        assert file.frames == range(10, 100, 7)
        expected = [opened[frame].mean() for frame in (24, 94)]
        np.testing.assert_allclose(file.at([24, 94])[:, 0], expected, rtol=1e-6)
        assert np.isnan(file.at([25])).all()


KILLED = """
import os, signal, sys
from napari_vitface.jobs import pace
from napari_vitface.jobs.events import Progress
from napari_vitface.jobs.states import features as module
pace._EVERY = 0
seen = 0
for event in module.features(sys.argv[1], "hog,motion", crop=(2, 1, 20, 17)):
    seen += isinstance(event, Progress)
    if seen == 2:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_run_that_was_killed_goes_on_to_the_same_bytes(video: Path, tmp_path: Path) -> None:
    whole = result_of(features(video, "hog,motion", crop=CROP, output_dir=tmp_path / "undisturbed"))
    subprocess.run([sys.executable, "-c", KILLED, str(video)], check=False)
    part = tmp_path / "mouse_features_hog.part"
    assert part.exists()
    # The kill may have cut a record in two.
    with part.open("ab") as file:
        file.write(b"\x00" * 11)
    events = list(features(video, "hog,motion", crop=CROP))
    started = next(event for event in events if isinstance(event, Started))
    assert started.settings.fresh_from == 128
    for each in whole.files:
        path = Path(each.path)
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
    assert not list(tmp_path.glob("*.part"))


def test_kinds_that_were_cancelled_at_different_places_go_on_together(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = result_of(features(video, "hog,brightness", output_dir=tmp_path / "undisturbed"))
    monkeypatch.setattr(pace, "_EVERY", 0)
    job = features(video, "hog")
    assert next(event for event in job if isinstance(event, Progress)).done == 64
    job.close()  # type: ignore[attr-defined]
    assert (tmp_path / "mouse_features_hog.part").exists()
    result_of(features(video, "brightness,hog"))
    for each in whole.files:
        path = Path(each.path)
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_what_is_there_is_kept_and_what_is_there_otherwise_refused(video: Path) -> None:
    (first,) = result_of(features(video, "hog", settings={"cell": 5})).files
    before = Path(first.path).stat()
    (again,) = result_of(features(video, "hog", settings={"cell": 5})).files
    assert (again.made, Path(again.path).stat()) == (False, before)
    with pytest.raises(VitFaceError, match=r"made otherwise \(feature\); compute it again"):
        list(features(video, "hog", settings={"cell": 6}))
    with pytest.raises(VitFaceError, match=r"made otherwise \(crop\); compute it again"):
        list(features(video, "hog", settings={"cell": 5}, crop=CROP))
    (other,) = result_of(features(video, "hog", crop=CROP, overwrite=True)).files
    assert other.made


def test_features_of_a_model_carry_its_name_and_are_of_that_file(
    video: Path, tiny_model: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"device": "cpu", "precision": "fp32", "frames": "0:10"}
    (first,) = result_of(features(video, "tokens", model=tiny_model, **options)).files
    assert Path(first.path).name == "mouse_vitface_tiny_features_tokens.h5"
    other = tmp_path / "tiny.safetensors"
    network = load_model(tiny_model, device="cpu").network
    with torch.no_grad():
        next(network.parameters()).add_(0.01)
    save_checkpoint(other, network, Preprocessing((64, 80)), training={"data": "", "licence": ""})
    with pytest.raises(VitFaceError, match=r"made otherwise \(model\)"):
        list(features(video, "tokens", model=other, **options))


def test_features_by_keypoints_need_predictions_and_know_which(video: Path, tmp_path: Path) -> None:
    with pytest.raises(VitFaceError, match="no predictions by the model mouse-face beside mouse"):
        list(features(video, "geometry"))
    xy = np.random.default_rng(1).uniform(0, 20, (FRAMES, 3, 2))
    table = PoseTable(KeypointSet(("a", "b", "c")), xy)
    write_poses(table, tmp_path / "mouse_vitface_mouse-face.h5", scorer="x")
    result = result_of(features(video, "geometry,position", follow="pose"))
    assert [each.columns for each in result.files] == [3 + 3, 4]
    with FeatureFile(result.files[1].path) as file:
        assert file.rows(0, FRAMES)[:, 2].std() > 0
    xy[5] += 1
    moved = tmp_path / "moved.csv"
    write_poses(PoseTable(KeypointSet(("a", "b", "c")), xy), moved, scorer="x")
    with pytest.raises(VitFaceError, match=r"made otherwise \(crop, keypoints\)"):
        list(features(video, "geometry", predictions=moved))


def test_another_video_in_the_place_of_the_first_is_seen(video: Path) -> None:
    result_of(features(video, "brightness"))
    (video / "img149.png").unlink()
    with pytest.raises(VitFaceError, match=r"made otherwise \(video"):
        list(features(video, "brightness"))


def test_frames_that_cannot_be_decoded_are_named(video: Path) -> None:
    for frame in (7, 8):
        path = video / f"img{frame:03d}.png"
        path.write_bytes(path.read_bytes()[:200])
    *events, last = features(video, "brightness,motion")
    assert isinstance(last.result, FeaturesResult)  # type: ignore[attr-defined]
    assert last.result.broken == ((7, 9),)  # type: ignore[attr-defined]
    notices = [event.message for event in events if isinstance(event, Notice)]
    assert any("3 frames of mouse have no features" in text for text in notices)
    with FeatureFile(last.result.files[0].path) as file:  # type: ignore[attr-defined]
        assert np.flatnonzero(np.isnan(file.rows(0, FRAMES)[:, 0])).tolist() == [7, 8]
    again = features(video, "brightness", frames="6:8", overwrite=True)
    notices = [event.message for event in again if isinstance(event, Notice)]
    assert any("1 frame of mouse has no features, for it or" in text for text in notices)


def written(path: Path, count: int, **changed: Any) -> Path:
    about = {"feature": {"kind": "brightness"}, "frames": [0, count, 1], **changed}
    writer = FeatureWriter(path, ("brightness",), "float32", about)
    for start in range(0, count, 777):
        stop = min(start + 777, count)
        writer.append(np.arange(start, stop, dtype=np.float32)[:, None])
    writer.close()
    return path


def test_a_long_recording_has_a_thinned_copy(tmp_path: Path) -> None:
    count = 5 * THINNED + 3
    with FeatureFile(written(tmp_path / "long.h5", count)) as file:
        frames, values = file.thinned()
        assert len(frames) == THINNED
        assert (frames[0], frames[-1]) == (0, count - 1)
        assert set(np.diff(frames).tolist()) == {5, 6}
        np.testing.assert_array_equal(values[:, 0], frames)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.attrs.pop("about"),
        lambda file: file.attrs.modify("about", "[" * 100_000),
        lambda file: file.attrs.modify("format", "something else"),
        lambda file: file["values"].resize(7, axis=0),
        lambda file: file.move("values", "other"),
        lambda file: file.__delitem__("columns"),
        lambda file: (
            file.__delitem__("values"),
            file.__setitem__("values", h5py.ExternalLink("/etc/other.h5", "values")),
        ),
        lambda file: file.attrs.modify(
            "about", json.dumps({"feature": {"kind": "brightness"}, "frames": [0, 10, 0]})
        ),
    ],
)
def test_a_file_that_is_none_of_ours_or_damaged_is_refused(tmp_path: Path, spoil: Any) -> None:
    path = written(tmp_path / "a.h5", 10)
    with h5py.File(path, "r+") as file:
        spoil(file)
    with pytest.raises(VitFaceError, match=r"a\.h5 is no file of features"):
        FeatureFile(path)


def test_a_newer_file_a_missing_one_and_one_that_is_not_hdf5_are_told_apart(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "a.h5", 10)
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 99
    with pytest.raises(VitFaceError, match="newer version"):
        FeatureFile(path)
    with pytest.raises(VitFaceError, match="does not exist"):
        FeatureFile(tmp_path / "b.h5")
    path.write_bytes(b"no")
    with pytest.raises(VitFaceError, match="is no file of features"):
        FeatureFile(path)
    written(path, 10, feature={"kind": "psychic"})
    with pytest.raises(VitFaceError, match="'psychic', which is not known here"):
        FeatureFile(path)
