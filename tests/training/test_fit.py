"""The training loop learns what can be learnt, and nothing where there is nothing to learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_vitface.model.backbone import create_backbone
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.training.augmentation import Augmentation
from napari_vitface.training.fit import FitSettings, fit, predict_inputs
from napari_vitface.training.frames import TrainingFrames

SIZE = (64, 64)
SPOTS = KeypointSet(("bright", "dark"))


def spots(count: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Frames twice as large as the input with one bright and one dark disc on grey."""
    rng = np.random.default_rng(seed)
    frames = []
    y, x = np.mgrid[:128, :128]
    for _ in range(count):
        xy = rng.uniform(16, 111, size=(2, 2)).astype(np.float32)
        image = np.full((128, 128), 110.0)
        for (cx, cy), value in zip(xy, (250, 0), strict=True):
            image[(x - cx) ** 2 + (y - cy) ** 2 < 9**2] = value
        frames.append((image.astype(np.uint8), xy))
    return frames


def small_network(head: str) -> tuple[KeypointNetwork, Preprocessing]:
    torch.manual_seed(0)
    backbone = create_backbone(
        "vit_tiny_patch16_224", SIZE, channels=1, depth=2, embed_dim=96, num_heads=3
    )
    preprocessing = Preprocessing(SIZE, channels=1, mean=backbone.mean, std=backbone.std)
    return KeypointNetwork(backbone, SPOTS, head), preprocessing


def train(*, shuffled: bool = False, steps: int = 200) -> tuple[float, float]:
    """Median held-out error after training, and that of the mean pose, in video pixels."""
    network, preprocessing = small_network("heatmap")
    frames = TrainingFrames.from_images(spots(150, seed=1), preprocessing)
    if shuffled:
        order = np.random.default_rng(0).permutation(len(frames))
        frames = replace(frames, xy=frames.xy[order])
    held_out = TrainingFrames.from_images(spots(40, seed=2), preprocessing)
    settings = FitSettings(
        steps=steps,
        learning_rate=2e-3,
        warm_up=20,
        ema_decay=0.98,
        judge_every=steps,
        augmentation=Augmentation(rotation=5, erase=0, gamma=0.1, contrast=0.1),
    )
    reports = list(fit(network, preprocessing, [(frames, 1.0)], held_out, settings))
    assert [report.step for report in reports] == [steps]
    median = reports[-1].median_error
    assert median is not None
    # The network itself holds the averaged weights that were judged.
    again = held_out.errors(predict_inputs(network, preprocessing, held_out)[0])
    assert float(np.nanmedian(again)) == pytest.approx(median, abs=1e-3)
    constant = np.broadcast_to(frames.xy.mean(axis=0), held_out.xy.shape)
    return median, float(np.median(held_out.errors(constant.astype(np.float32))))


def test_a_heatmap_model_finds_the_spots_in_new_frames() -> None:
    error, constant = train()
    assert constant > 30
    assert error < 4


def test_shuffled_labels_teach_no_more_than_a_constant() -> None:
    error, constant = train(shuffled=True, steps=120)
    assert error > 0.7 * constant


def test_a_regression_model_can_learn_a_few_frames_by_heart() -> None:
    network, preprocessing = small_network("regression")
    frames = TrainingFrames.from_images(spots(6, seed=5), preprocessing)
    settings = FitSettings(
        steps=150,
        batch_size=6,
        learning_rate=1e-3,
        warm_up=10,
        ema_decay=0.9,
        judge_every=150,
        augmentation=Augmentation.none(),
    )
    (report,) = fit(network, preprocessing, [(frames, 1.0)], frames, settings)
    constant = np.broadcast_to(frames.xy.mean(axis=0), frames.xy.shape)
    assert report.median_error is not None
    assert report.median_error < 0.3 * float(np.median(frames.errors(constant)))


def test_unlabelled_points_are_neither_trained_on_nor_judged() -> None:
    network, preprocessing = small_network("heatmap")
    pairs = [(image, np.array([xy[0], [np.nan, np.nan]])) for image, xy in spots(8, seed=3)]
    frames = TrainingFrames.from_images(pairs, preprocessing)
    settings = FitSettings(steps=3, batch_size=4, judge_every=3)
    (report,) = fit(network, preprocessing, [(frames, 1.0)], frames, settings)
    assert np.isfinite(report.loss)
    errors = frames.errors(predict_inputs(network, preprocessing, frames)[0])
    assert np.isnan(errors[:, 1]).all()
    assert np.isfinite(errors[:, 0]).all()


def test_the_same_seed_gives_the_same_weights_on_the_cpu() -> None:
    weights = []
    for _ in range(2):
        network, preprocessing = small_network("heatmap")
        frames = TrainingFrames.from_images(spots(8, seed=3), preprocessing)
        settings = FitSettings(steps=4, batch_size=4, judge_every=4, seed=11)
        list(fit(network, preprocessing, [(frames, 1.0)], None, settings))
        weights.append(torch.cat([p.flatten() for p in network.parameters()]))
    assert torch.equal(*weights)


def test_errors_are_in_video_pixels() -> None:
    _, preprocessing = small_network("heatmap")
    frames = TrainingFrames.from_images(spots(2, seed=4), preprocessing)
    one_input_pixel_off = frames.xy + np.array([1.0, 0.0], dtype=np.float32)
    np.testing.assert_allclose(frames.errors(one_input_pixel_off), 2.0, rtol=1e-4)
