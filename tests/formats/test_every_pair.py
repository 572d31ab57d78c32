"""What two formats can both hold goes from one to the other as it is; all else is named."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from napari_vitface.errors import LabelError
from napari_vitface.formats.conversion import heading_for, source_format
from napari_vitface.formats.format import FORMATS, Format, read_with
from napari_vitface.formats.labelled_images import Labels
from napari_vitface.formats.poses import PoseWriter
from napari_vitface.formats.predictions import PARTS, Predictions
from napari_vitface.jobs.convert import convert
from napari_vitface.jobs.events import Finished
from napari_vitface.jobs.results.convert import ConvertResult
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable
from napari_vitface.project.label_reading import read_labels

#: What some formats need, where it is an extra.
EXTRAS = {"parquet": "pyarrow", "sleap": "sleap_io", "sleap-package": "sleap_io", "nwb": "ndx_pose"}
#: Files of these take a tenth of a second each.
SLOW = {"sleap", "nwb"}
NAMED = {
    one.name: one
    for one in FORMATS.values()
    if "predictions" in one.reads
    and "predictions" in one.writes
    and find_spec(EXTRAS.get(one.name, "numpy"))
}
#: Not the names of drawn faces, whose skeleton is known without a file, and none that HDF5 cannot
#: have for a group.
NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="/.:"),
    min_size=1,
    max_size=6,
)  # fmt: skip
PIXELS = st.floats(-1e5, 1e5, width=32)


@st.composite
def predictions(draw: st.DrawFn) -> Predictions:
    """A few frames of a video, in which some points and some frames are missing."""
    names = tuple(draw(st.lists(NAMES, min_size=1, max_size=4, unique_by=str.casefold)))
    frames = sorted(draw(st.sets(st.integers(0, 40), min_size=1, max_size=5)))
    shape = (len(frames), len(names))
    xy = draw(arrays(np.float32, (*shape, 2), elements=PIXELS))
    xy[draw(arrays(bool, shape))] = np.nan
    xy[0, 0] = draw(st.tuples(PIXELS, PIXELS))
    present = np.isfinite(xy).all(axis=-1)
    confidence = draw(arrays(np.float32, shape, elements=st.floats(0, 1, width=32)))
    variance = draw(arrays(np.float32, (*shape, 2), elements=st.floats(0, 1e4, width=32)))
    variance[~present] = np.nan
    pairs = st.tuples(st.sampled_from(names), st.sampled_from(names)).filter(lambda p: p[0] != p[1])
    skeleton = draw(st.lists(pairs, max_size=3, unique=True)) if len(names) > 1 else ()
    return Predictions(
        PoseTable(
            KeypointSet(names, tuple(skeleton)),
            xy,
            np.where(present, confidence, 0),
            frames=frames,
        ),
        draw(NAMES),
        draw(NAMES),
        draw(st.sampled_from([25.0, 29.97, 500.0])),
        draw(st.sampled_from([variance, None])),
    )


def kept_by(said: Predictions, *formats: Format) -> dict[str, Any]:
    """What is left of predictions that went through some formats."""
    holds = frozenset.intersection(*(one.holds for one in formats))
    poses = said.poses
    if "gaps" not in holds:
        poses = poses.dense(int(poses.frames[-1]) + 1)
    present = np.isfinite(poses.xy).all(axis=-1)
    keypoints = poses.keypoints
    return {
        "names": keypoints.names,
        "frames": poses.frames.tolist(),
        "xy": poses.xy,
        "confidence": poses.confidence if "confidence" in holds else present.astype(np.float32),
        "skeleton": keypoints.skeleton if "skeleton" in holds else (),
        "video": said.video if "video" in holds else "",
        "frame rate": said.frame_rate if "frame rate" in holds else None,
        "variance": said.variance if "variance" in holds else None,
    }


def assert_says(found: Predictions, expected: dict[str, Any]) -> None:
    poses = found.poses
    assert poses.keypoints.names == expected["names"]
    assert poses.frames.tolist() == expected["frames"]
    np.testing.assert_array_equal(poses.xy, expected["xy"])
    np.testing.assert_array_equal(poses.confidence, expected["confidence"])
    assert poses.keypoints.skeleton == expected["skeleton"]
    assert found.video == expected["video"]
    assert found.frame_rate == expected["frame rate"]
    if expected["variance"] is None:
        assert found.variance is None
    else:
        np.testing.assert_array_equal(found.variance, expected["variance"])


def write(said: Predictions, path: Path, one: Format) -> None:
    heading = heading_for(said, one)
    with PoseWriter(path, heading=heading, to=one) as file:
        variance = said.variance if heading.variance else None
        file.append(said.poses.frames, said.poses.xy, said.poses.confidence, variance)


@pytest.mark.parametrize(("source", "target"), list(product(NAMED, NAMED)))
def test_what_both_can_hold_comes_along_and_the_rest_is_named(source: str, target: str) -> None:
    one, other = NAMED[source], NAMED[target]

    @settings(
        max_examples=2 if SLOW & {source, target} else 3,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(said=predictions())
    def holds(said: Predictions) -> None:
        assume(not one.needs.difference(said.parts()))
        with tempfile.TemporaryDirectory() as folder:
            first = Path(folder, f"first{one.suffixes[0]}")
            second = Path(folder, f"second{other.suffixes[0]}")
            write(said, first, one)
            assert source_format(first) == (one, "predictions")
            before = read_with(one, "predictions", first)
            assert_says(before, kept_by(said, one))
            rate = None if "frame rate" in one.holds else 50.0
            if "variance" in other.needs and before.variance is None:
                with pytest.raises(LabelError, match="needs the variance of points, which"):
                    list(convert(first, second, write_as=target))
                assert not second.exists()
                return
            *_, end = convert(first, second, write_as=target, frame_rate=rate)
            assert isinstance(end, Finished)
            result = end.result
            assert isinstance(result, ConvertResult)
            assert result.points == np.isfinite(said.poses.xy).all(axis=-1).sum()
            there = {*replace(before, frame_rate=rate or before.frame_rate).parts()}
            lost = {part for part in PARTS if any(PARTS[part] in said for said in result.lost)}
            assert lost == there - other.holds
            expected = kept_by(said, one, other)
            if rate and "frame rate" in other.holds:
                expected["frame rate"] = rate
            assert source_format(second) == (other, "predictions")
            assert_says(read_with(other, "predictions", second), expected)

    holds()


# --- labels ---------------------------------------------------------------------------------------

#: Where a file of labels has to be for its images to be found.
LABEL_FILES = {"lightning-pose": "CollectedData.csv", "deeplabcut-labels": "CollectedData_me.csv"}
LABELS = {
    one.name: one
    for one in FORMATS.values()
    if "labels" in one.writes and find_spec(EXTRAS.get(one.name, "numpy"))
}


@st.composite
def labels_of(draw: st.DrawFn) -> Labels:
    """Labels of a few images, in each of which a point is placed."""
    names = tuple(draw(st.lists(NAMES, min_size=1, max_size=3, unique_by=str.casefold)))
    frames = sorted(draw(st.sets(st.integers(0, 9999), min_size=1, max_size=3)))
    shape = (len(frames), len(names))
    xy = draw(arrays(np.float64, (*shape, 2), elements=st.floats(-1e5, 1e5)))
    missing, hidden = draw(arrays(bool, shape)), draw(arrays(bool, shape))
    missing[:, 0] = False
    xy[missing] = np.nan
    skeleton = ((names[0], names[1]),) if len(names) > 1 else ()
    images = [Path("labeled-data", "cam", f"img{frame:04d}.png") for frame in frames]
    return Labels(
        KeypointSet(names, skeleton),
        xy,
        tuple(images),
        np.full(len(frames), "cam"),
        np.array(frames),
        "me",
        (),
        hidden & missing,
        np.where((hidden & missing)[..., None] & draw(st.booleans()), [7.5, 1 / 3], np.nan),
    )


def hidden_after(said: Labels, *formats: Format) -> tuple[Any, Any]:
    """Which points are occluded, and where they may be, after some formats."""
    occluded, guesses = said.occluded, said.guesses
    for one in formats:
        if "hidden places" not in one.holds:
            guesses = np.full_like(guesses, np.nan)
        if "occlusion" not in one.holds:
            occluded = occluded & np.isfinite(guesses).all(axis=-1)
    return occluded, guesses


# A package is read as any project of SLEAP.
@pytest.mark.parametrize(
    ("source", "target"),
    list(product([name for name in LABELS if name != "sleap-package"], LABELS)),
)
def test_labels_come_along_to_the_last_bit(source: str, target: str) -> None:
    one, other = LABELS[source], LABELS[target]

    @settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(drawn=labels_of())
    def holds(drawn: Labels) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            said = replace(drawn, images=tuple(folder / image for image in drawn.images))
            for image in said.images:
                image.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (4, 3), 7).save(image)
            first, second = (
                folder / step / LABEL_FILES.get(one.name, f"labels{ending_of(one)}")
                for step, one in (("1", one), ("2", other))
            )
            for path in (first, second):
                path.parent.mkdir()
                (path.parent / "labeled-data").symlink_to(folder / "labeled-data")
            assert one.write_labels is not None
            one.write_labels(first, said)
            before = read_labels(first)
            assert_labels(before, said, one)
            *_, end = convert(first, second, write_as=target, content="labels")
            assert isinstance(end, Finished)
            assert end.result.points == said.count
            kept = "occlusion" in other.holds or "hidden places" in other.holds
            there = {"occlusion": before.occluded.any() and not kept}
            there["skeleton"] = before.keypoints.skeleton
            # Where they are is told by itself only if that they are occluded comes along.
            guessed = np.isfinite(before.guesses).any() and "occlusion" in other.holds
            there["hidden places"] = guessed
            there["scorer"] = before.scorer
            lost = {part for part in PARTS if any(PARTS[part] in told for told in end.result.lost)}
            assert lost == {part for part, is_there in there.items() if is_there} - other.holds
            assert_labels(read_labels(second), said, one, other)

    holds()


def ending_of(one: Format) -> str:
    return next(ending for ending in one.suffixes if ending not in ("", ".yaml"))


def assert_labels(found: Labels, said: Labels, *formats: Format) -> None:
    holds = frozenset.intersection(*(one.holds for one in formats))
    assert found.keypoints.names == said.keypoints.names
    np.testing.assert_array_equal(found.xy, said.xy)
    assert [image.resolve() for image in found.images] == list(said.images)
    assert found.frames.tolist() == said.frames.tolist()
    assert found.videos.tolist() == said.videos.tolist()
    occluded, guesses = hidden_after(said, *formats)
    np.testing.assert_array_equal(found.occluded, occluded)
    np.testing.assert_array_equal(found.guesses, guesses)
    if "skeleton" in holds:
        assert found.keypoints.skeleton == said.keypoints.skeleton
    if "scorer" in holds:
        assert found.scorer == said.scorer
