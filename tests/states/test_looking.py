"""Similarity, maps, mean faces and prototypes of frames whose groups are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.states.aligned import align
from napari_vitface.states.comparing import comparable, compared, frame_labels
from napari_vitface.states.embedding import embed
from napari_vitface.states.features.extractor import Material
from napari_vitface.states.features.file import FeatureFile, FeatureWriter
from napari_vitface.states.mean_face import MOST, MeanFace, mean_face
from napari_vitface.states.prototypes import prototypes
from napari_vitface.states.similarity import clustered, similarity


@pytest.fixture
def groups() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(30, 20) features of three groups in turn, and the group of each."""
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(3, 20))
    of = np.arange(30) % 3
    return (centres[of] + 0.1 * rng.normal(size=(30, 20))).astype(np.float32), of


def test_similarity_is_the_correlation_of_features(
    groups: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> None:
    values, _ = groups
    np.testing.assert_allclose(similarity(values), np.corrcoef(values), atol=1e-5)
    np.testing.assert_allclose(
        similarity(values, values[:4]), np.corrcoef(values)[:, :4], atol=1e-5
    )


def test_frames_without_features_are_like_nothing(
    groups: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> None:
    values, _ = groups
    values[4], values[7] = np.nan, 3.3
    matrix = similarity(values)
    assert np.isnan(matrix[[4, 7]]).all()
    assert np.isnan(matrix[:, [4, 7]]).all()
    assert np.isfinite(np.delete(np.delete(matrix, [4, 7], 0), [4, 7], 1)).all()
    assert set(clustered(matrix)[-2:].tolist()) == {4, 7}
    assert np.isnan(embed(np.where(values == np.float32(3.3), np.nan, values)).points[4]).all()
    with pytest.raises(VitFaceError, match="single number"):
        similarity(values[:, :1])


def test_clustered_frames_are_all_there_and_like_stands_with_like(
    groups: tuple[NDArray[np.float32], NDArray[np.int64]],
) -> None:
    values, of = groups
    order = clustered(similarity(values))
    assert sorted(order.tolist()) == list(range(30))
    assert np.flatnonzero(np.diff(of[order])).tolist() == [9, 19]


@pytest.mark.parametrize("count", [12, 200])
def test_a_map_by_pca_is_that_of_scikit_learn(count: int) -> None:
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(0)
    values = (rng.normal(size=(count, 40)) @ rng.normal(size=(40, 40))).astype(np.float32)
    reference = PCA(2)
    expected = reference.fit_transform(values.astype(np.float64))
    found = embed(values)
    np.testing.assert_allclose(np.abs(found.points), np.abs(expected), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.explained, reference.explained_variance_ratio_, rtol=1e-4)


def test_a_map_needs_three_frames_and_umap_its_package() -> None:
    values = np.ones((2, 5), np.float32)
    with pytest.raises(VitFaceError, match="at least 3 frames"):
        embed(values)


@pytest.mark.slow
def test_umap_keeps_what_is_alike_together() -> None:
    pytest.importorskip("umap", reason="umap-learn is not installed")
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1], 40)
    values = (rng.normal(size=(80, 30)) + 8 * group[:, None]).astype(np.float32)
    values[3] = np.nan
    points = embed(values, "umap").points
    assert np.isnan(points[3]).all()
    seen = np.isfinite(points).all(axis=1)
    assert seen.sum() == 79
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    apart[np.diag_indices(80)] = np.inf
    nearest = np.nanargmin(apart[seen][:, seen], axis=1)
    assert (group[seen][nearest] == group[seen]).all()
    np.testing.assert_array_equal(embed(values, "umap").points, points)


def test_features_are_made_comparable() -> None:
    values = np.array([[1, 10, 5], [np.nan, 30, 5], [3, 20, 5], [np.nan] * 3], np.float32)
    plain = comparable(values, mixed=False)
    np.testing.assert_array_equal(plain[:3], [[1, 10, 5], [2, 30, 5], [3, 20, 5]])
    assert np.isnan(plain[3]).all()
    mixed = comparable(values, mixed=True)[:3]
    np.testing.assert_allclose(mixed.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(mixed.std(axis=0), [1, 1, 0], atol=1e-6)


def test_the_label_named_first_holds() -> None:
    frames = np.array([0, 4, 5, 9, 10, 30])
    found = frame_labels(frames, {"squint": [(4, 10)], "groom": [(0, 5), (30, 31)]})
    assert found.tolist() == ["groom", "squint", "squint", "squint", "", "groom"]
    assert frame_labels(frames, {}).tolist() == [""] * 6


def test_short_events_of_a_long_recording_are_among_what_is_compared(tmp_path: Path) -> None:
    count = 30_000
    about = {"feature": {"kind": "hog"}, "frames": [100, 100 + 2 * count, 2]}
    writer = FeatureWriter(tmp_path / "a.h5", ("a", "b"), "float32", about)
    rows = np.arange(count, dtype=np.float32)
    writer.append(np.stack([rows, -rows], axis=1))
    writer.close()
    events = {"shock": [(20_000, 20_040)], "sugar": [(50_000, 54_000)]}
    with FeatureFile(tmp_path / "a.h5") as file:
        some = compared([(file, events)], most=400)
        alone = compared([(file, {})], most=400)
    assert len(alone.frames) == 400
    assert (np.diff(some.frames) > 0).all()
    assert (some.labels == "shock").sum() == 20
    assert 200 <= (some.labels == "sugar").sum() <= 230
    np.testing.assert_array_equal(some.values[:, 0], (some.frames - 100) / 2)


def test_mean_and_contrast_faces(
    folder_of: Callable[..., Path], material_of: Callable[..., Material], noise: NDArray[np.uint8]
) -> None:
    material = material_of(folder_of([*noise[:4], None, *noise[5:]]), (5, 3, 20, 16))
    face = MeanFace(material.crop.size)
    steps = list(mean_face(material, [1, 2, 4, 8], [0, 2, 3], face))
    assert steps[-1] == (6, 6)
    part = noise[:, 3:19, 5:25].astype(np.float64)
    np.testing.assert_allclose(face.mean, part[[1, 2, 8]].mean(axis=0), atol=1e-3)
    assert (face.inside, face.outside) == (3, 2)
    expected = part[[1, 2, 8]].mean(axis=0) - part[[0, 3]].mean(axis=0)
    np.testing.assert_allclose(face.contrast, expected, atol=1e-3)
    alone = MeanFace(material.crop.size)
    list(mean_face(material, [0], [], alone))
    assert alone.contrast is None
    with pytest.raises(VitFaceError, match="None of the frames"):
        list(mean_face(material, [4], [0], MeanFace(material.crop.size)))


def test_a_mean_face_of_many_frames_is_of_some_of_them() -> None:
    from napari_vitface.states.mean_face import thinned

    frames = thinned(range(10, 5010))
    assert (len(frames), frames[0], frames[-1]) == (MOST, 10, 5009)
    assert thinned([7, 3, 7]) == [3, 7]


def test_a_prototype_is_the_mean_of_the_most_typical_frames() -> None:
    rng = np.random.default_rng(2)
    neutral, squint = rng.normal(size=(2, 30))
    strength = np.concatenate([np.zeros(40), np.linspace(0.2, 1, 20)])
    values = neutral + strength[:, None] * (squint - neutral) + 0.02 * rng.normal(size=(60, 30))
    values = values.astype(np.float32)
    labels = np.array([""] * 40 + ["squint"] * 20)
    found = prototypes(values, labels, share=0.25)
    assert found.labels == ("squint",)
    # The plainest of them.
    assert found.rows[0].tolist() == [55, 56, 57, 58, 59]
    np.testing.assert_allclose(found.values[0], values[55:].mean(axis=0), rtol=1e-5)
    like = found.similarity(values)[:, 0]
    assert np.corrcoef(like, strength)[0, 1] > 0.95


def test_a_prototype_of_the_frames_that_are_least_neutral() -> None:
    rng = np.random.default_rng(2)
    neutral, squint, other = rng.normal(size=(3, 30))
    # Of two animals: it comes on slowly, and one frame is like the mean of the others no more.
    strength = np.tile(np.concatenate([np.zeros(20), np.linspace(0, 1, 30)]), 2)
    values = neutral + strength[:, None] * (squint - neutral) + 0.01 * rng.normal(size=(100, 30))
    values[25] = other - neutral
    labels = np.tile(np.array([""] * 20 + ["squint"] * 30), 2)
    groups = np.repeat(["a", "b"], 50)
    values = values.astype(np.float32)
    found = prototypes(values, labels, groups=groups, rule="least-neutral")
    # Ten of each, by their correlation with the mean of the animal's frames without a label alone.
    assert found.rows[0].tolist() == [25, *range(41, 50), *range(90, 100)]
    means = [values[found.rows[0][part]].mean(axis=0) for part in (slice(10), slice(10, None))]
    np.testing.assert_allclose(found.values[0], np.mean(means, axis=0), rtol=1e-5)
    typical = prototypes(values, labels, groups=groups, share=1 / 3)
    assert 25 not in typical.rows[0]
    with pytest.raises(VitFaceError, match="frames without a label, and there are none"):
        prototypes(values[20:50], labels[20:50], rule="least-neutral")
    with pytest.raises(VitFaceError, match="the rule typical or least-neutral, not 'Typical'"):
        prototypes(values, labels, rule="Typical")  # type: ignore[arg-type]


def test_animals_that_are_held_out_do_not_change_a_prototype() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=(40, 12)).astype(np.float32)
    labels = np.array(["", "pain"] * 20)
    training = np.arange(40) < 30
    before = prototypes(values, labels, training=training)
    values[30:] = 100 * rng.normal(size=(10, 12))
    after = prototypes(values, labels, training=training)
    np.testing.assert_array_equal(after.values, before.values)
    assert after.rows[0].max() < 30
    with pytest.raises(VitFaceError, match="No frame of the training animals"):
        prototypes(values, labels, training=labels == "")


def test_responses_are_aligned_to_their_onsets() -> None:
    rng = np.random.default_rng(0)
    trials = (0.05 * rng.normal(size=(8, 60))).astype(np.float32)
    # It begins 5 samples after the onset, 1 high.
    trials[:, 25:45] += 1
    found = align(trials, 20, 20.0, np.repeat(["a", "b"], 4))
    assert found.trials.shape == (8, 60)
    np.testing.assert_allclose(found.times[[0, 20, 59]], [-1, 0, 1.95])
    np.testing.assert_allclose(found.mean, np.mean(found.trials, axis=0), atol=1e-6)
    assert ((found.low <= found.mean + 1e-6) & (found.mean <= found.high + 1e-6)).all()
    assert [each.latency for each in found.responses] == pytest.approx([0.25] * 8, abs=0.2)
    assert np.median([each.latency for each in found.responses]) == pytest.approx(0.25)
    assert [each.size for each in found.responses] == pytest.approx([0.5] * 8, abs=0.06)
    assert all(0.9 < each.peak < 1.3 for each in found.responses)


def test_a_fall_has_a_sign_and_one_trial_has_no_interval() -> None:
    one = np.array(["a"])
    trial = np.full((1, 20), np.nan, np.float32)
    trial[0, 3:18] = np.repeat([0, -1], [5, 10])
    found = align(trial, 8, 0.0, one)
    assert np.isnan(found.low).all()
    (response,) = found.responses
    assert (response.size, response.peak, response.latency) == (-1, -1, 0)
    flat = align(np.zeros((1, 10), np.float32), 5, 0.0, one).responses[0]
    assert np.isnan(flat.latency)
    with pytest.raises(VitFaceError, match="no trials"):
        align(trial[:0], 1, 0.0, one[:0])
    with pytest.raises(VitFaceError, match="at least one sample"):
        align(trial, 0, 0.0, one)


def test_the_interval_is_over_animals_where_there_are_several() -> None:
    # Two animals that differ, their trials alike: the interval spans the animals.
    trials = np.repeat(np.arange(2, dtype=np.float32), 10)[:, None] * np.ones(10, np.float32)
    by_animal = align(trials, 5, 0.0, np.repeat(["a", "b"], 10))
    by_trial = align(trials, 5, 0.0, np.repeat(["a"], 20))
    assert (by_animal.low[0], by_animal.high[0]) == (0, 1)
    assert by_trial.low[0] > 0.2
    assert by_trial.high[0] < 0.8
