"""The pupil: its ellipse, the two ways to find it, where it is looked for, and blinks."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from napari_vitface.errors import OutputExistsError, VitFaceError
from napari_vitface.formats.poses import write_poses
from napari_vitface.formats.trace_table import read_traces
from napari_vitface.jobs.events import Finished, Notice
from napari_vitface.jobs.traces import traces
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable
from napari_vitface.sample.close_up import random_eye
from napari_vitface.traces.ellipse import axes, distance, ellipse_of, placed
from napari_vitface.traces.pupil import blinks, segmented, thresholded
from napari_vitface.video.video_writer import VideoWriter

#: Seeds of drawn eyes that are open and of more contrast than the worst.
CLEAR = (11, 22, 37)


def filled(
    centre: tuple[float, float], semi: tuple[float, float], turn: float
) -> NDArray[np.bool_]:
    """An ellipse whose first axis rises by `turn` degrees to the right."""
    y, x = np.mgrid[:90, :120]
    turned = np.radians(turn)
    dx, dy = x - centre[0], centre[1] - y
    along = dx * np.cos(turned) + dy * np.sin(turned)
    across = dy * np.cos(turned) - dx * np.sin(turned)
    inside: NDArray[np.bool_] = (along / semi[0]) ** 2 + (across / semi[1]) ** 2 < 1
    return inside


@pytest.mark.parametrize("turn", [0, 30, -60])
def test_an_ellipse_is_found_as_it_was_drawn(turn: float) -> None:
    share = filled((60.3, 41.6), (25, 12), turn).astype(np.float32)
    # A reflection, and fur far away.
    share[40:43, 58:62] = 0
    share[0:3, 0:20] = 1
    row = ellipse_of(share)
    longer, shorter, angle = axes(row[None])
    np.testing.assert_allclose(row[:2], (60.3, 41.6), atol=0.1)
    np.testing.assert_allclose((longer[0], shorter[0]), (50, 24), atol=0.5)
    assert angle[0] == pytest.approx(turn, abs=1)
    assert 0.9 < row[5] < 1


def test_an_ellipse_of_a_stretched_picture_is_that_of_the_picture() -> None:
    whole = filled((60.3, 41.6), (28, 14), 20)
    half = whole.reshape(45, 2, 60, 2).mean((1, 3))
    row = placed(ellipse_of(half)[None], (2, 2), (100, 50))[0]
    np.testing.assert_allclose(row[:2], (160.3, 91.6), atol=0.2)
    np.testing.assert_allclose(axes(row[None]), axes(ellipse_of(whole)[None]), atol=1.5)


def test_where_there_is_no_pupil_none_is_told() -> None:
    row = ellipse_of(np.zeros((9, 9), np.float32))
    assert np.isnan(row[:5]).all()
    assert row[5] == 0


@pytest.mark.parametrize("way", ["segmentation", "threshold"])
def test_pupils_of_drawn_eyes_are_found(way: str) -> None:
    find = segmented() if way == "segmentation" else thresholded(None)
    overlaps = []
    for seed in CLEAR:
        image, pupil = random_eye(np.random.default_rng(1_000_000 + seed), (110, 150))
        found = distance(find(image[None])[0], pupil.shape) < 1
        overlaps.append((found & pupil).sum() / (found | pupil).sum())
    assert min(overlaps) > (0.85 if way == "segmentation" else 0.6)


def test_frames_beside_a_blink_belong_to_it() -> None:
    confidence = np.array([0.9, 0.9, 0.9, 0.2, 0.9, 0.1, 0.9, 0.9, np.nan, 0.9], np.float32)
    np.testing.assert_array_equal(blinks(confidence, 0.5).nonzero()[0], [2, 3, 4, 5, 6])


@pytest.fixture(scope="module")
def blinking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames at 10 a second whose pupil grows, in the sixth and seventh the eye is shut."""
    path = tmp_path_factory.mktemp("eye") / "eye.mp4"
    with VideoWriter(path, (100, 140), 10) as writer:
        for number in range(12):
            image = np.full((100, 140), 150, np.uint8)
            eye, pupil = filled((60, 45), (42, 30), 0), filled((60, 45), (10 + number,) * 2, 0)
            if number not in (5, 6):
                image[5:95, 10:130][eye], image[5:95, 10:130][pupil] = 90, 20
            writer.write(image)
    return path


def measured(video: Path, **settings: object) -> dict[str, NDArray[np.float32]]:
    *_, last = traces(
        video,
        "pupil",
        settings={"pupil": "threshold", "darker": 50, **settings},
        regions={"eye": (10, 5, 120, 90)},
        overwrite=True,
    )
    assert isinstance(last, Finished)
    table = read_traces(last.result.table)
    return dict(zip(table.names, table.values.T, strict=True))


def test_blinks_are_missing_and_interpolated_on_request(blinking: Path) -> None:
    truth = np.pi * np.arange(10.0, 22) ** 2
    told = measured(blinking)
    closed = np.isin(range(12), (4, 5, 6, 7))
    np.testing.assert_array_equal(told["pupil blink"], closed)
    np.testing.assert_array_equal(np.isnan(told["pupil area"]), closed)
    np.testing.assert_allclose(told["pupil area"][~closed], truth[~closed], rtol=0.08)
    np.testing.assert_allclose(told["pupil x"][~closed], 70, atol=0.5)
    np.testing.assert_allclose(told["pupil y"][~closed], 50, atol=0.5)
    across = measured(blinking, across_blinks=1.0)
    np.testing.assert_allclose(across["pupil area"], truth, rtol=0.1)
    np.testing.assert_array_equal(across["pupil blink"], closed)
    # A longer blink than was asked for stays missing.
    assert np.isnan(measured(blinking, across_blinks=0.3)["pupil area"][4:8]).all()


def test_the_eye_is_found_by_its_keypoints_or_asked_for(blinking: Path, tmp_path: Path) -> None:
    with pytest.raises(VitFaceError, match="--region eye=X,Y,W,H"):
        list(traces(blinking, "pupil", output_dir=tmp_path))
    table = tmp_path / "points.csv"
    lines = ["frame,keypoint,x,y,confidence"]
    places = {
        "eye top": (70, 22),
        "eye front": (30, 50),
        "eye bottom": (70, 78),
        "eye back": (110, 50),
    }
    for frame in range(12):
        lines += [f"{frame},{name},{x},{y},1" for name, (x, y) in places.items()]
    table.write_text("\n".join(lines) + "\n", encoding="utf-8")
    *_, last = traces(
        blinking, "pupil", settings={"pupil": "threshold"}, predictions=table, output_dir=tmp_path
    )
    assert isinstance(last, Finished)
    found = read_traces(last.result.table)
    assert found.units[:2] == ("px²", "px")
    np.testing.assert_allclose(np.nanmedian(found.values[:, 1]), 70, atol=1)


def test_what_fills_the_region_is_no_pupil(tmp_path: Path) -> None:
    folder = tmp_path / "eye"
    folder.mkdir()
    image, pupil = random_eye(np.random.default_rng(1_000_000 + CLEAR[0]), (110, 150))
    for number in range(4):
        shown = image if number < 3 else np.full_like(image, 30)
        Image.fromarray(shown).save(folder / f"{number}.png")
    *_, last = traces(folder, "pupil", regions={"eye": (0, 0, 150, 110)})
    assert isinstance(last, Finished)
    values = read_traces(last.result.table).values
    np.testing.assert_allclose(values[:2, 0], pupil.sum(), rtol=0.15)
    assert values[:, -1].tolist() == [0, 0, 1, 1]


def test_a_black_eye_has_no_pupil_and_that_is_said(tmp_path: Path) -> None:
    y, x = np.mgrid[:96, :128]
    black = np.where(np.hypot((x - 64) / 40, (y - 48) / 30) < 1, 4, 60).astype(np.uint8)
    iris = np.where(np.hypot(x - 64, y - 48) < 15, 4, np.where(black < 60, 30, 60)).astype(np.uint8)
    keypoints = KeypointSet(("eye top", "eye bottom", "eye front", "eye back"))
    around = np.tile([[64.0, 18], [64, 78], [104, 48], [24, 48]], (6, 1, 1))
    for name, image in (("black", black), ("iris", iris)):
        video, table = tmp_path / f"{name}.mp4", tmp_path / f"{name}.csv"
        with VideoWriter(video, image.shape, 25) as writer:
            for _ in range(6):
                writer.write(image)
        write_poses(PoseTable(keypoints, around), table, scorer="me")
        settings = {"pupil": "threshold", "darker": 15.0}
        *events, end = traces(video, "pupil", predictions=table, settings=settings)
        assert isinstance(end, Finished)
        told = [event.message for event in events if isinstance(event, Notice)]
        found = read_traces(end.result.table)
        values = dict(zip(found.names, found.values.T, strict=True))
        if name == "iris":
            np.testing.assert_allclose(values["pupil area"], np.pi * 15**2, rtol=0.1)
            assert not told
            continue
        assert "cannot be told from it and is missing" in told[0]
        assert np.isnan(values["pupil area"]).all()
        assert np.isnan(values["pupil blink"]).all()
        assert (values["pupil confidence"] == 0).all()
        # How far the eye reaches is not known in a region that was drawn.
        drawn = {"eye": (10, 5, 108, 86)}
        *events, end = traces(video, "pupil", regions=drawn, settings=settings, overwrite=True)
        told = [event.message for event in events if isinstance(event, Notice)]
        assert "there is no iris to be seen" in told[0]
        found = read_traces(end.result.table)
        area = found.values[:, found.names.index("pupil area")]
        np.testing.assert_allclose(area, np.pi * 40 * 30, rtol=0.1)
        # It is said of what is there, too; what was made by another method is made anew.
        again, end = traces(video, "pupil", regions=drawn, settings=settings)
        assert isinstance(again, Notice)
        assert again.message == told[0]
        assert isinstance(end, Finished)
        assert not end.result.made
        made = tmp_path / "black_traces.json"
        text = made.read_text(encoding="utf-8")
        made.write_text(re.sub(r',\s*"method": 2', "", text), encoding="utf-8")
        *events, end = traces(video, "pupil", regions=drawn, settings=settings)
        told = [event.message for event in events if isinstance(event, Notice)]
        assert "was measured by another version in another way" in told[0]
        assert made.read_text(encoding="utf-8") == text
        with pytest.raises(OutputExistsError):
            list(traces(video, "pupil", regions=drawn))
