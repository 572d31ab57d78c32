"""The training loop learns what can be learnt, and nothing where there is nothing to learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_vitface.errors import VitFaceError
from napari_vitface.model.building import create_backbone
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.steps import result_of
from napari_vitface.training.augmentation import Augmentation
from napari_vitface.training.batches import (
    Drawing,
    FeatureBatches,
    Features,
    ImageBatches,
    JudgedImages,
    Reading,
)
from napari_vitface.training.fit import Fit, FitProgress, FitSettings, fit, predict_inputs
from napari_vitface.training.frame_inputs import TrainingFrames
from napari_vitface.training.precision import choose_training

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
    widths = {"widths": (16, 32, 64)} if head == "unet" else {}
    return KeypointNetwork(backbone, SPOTS, head, **widths), preprocessing


def train(head: str, *, shuffled: bool = False, steps: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Held-out errors after training, and those of the mean pose, in video pixels."""
    network, preprocessing = small_network(head)
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
    return again, held_out.errors(constant.astype(np.float32))


@pytest.mark.parametrize(("head", "steps"), [("unet", 60), ("heatmap", 200)])
def test_a_model_with_maps_finds_the_spots_in_new_frames(head: str, steps: int) -> None:
    errors, constant = train(head, steps=steps)
    assert np.median(constant) > 30
    assert np.median(errors) < 4


@pytest.mark.parametrize(("head", "steps"), [("unet", 60), ("heatmap", 120)])
def test_shuffled_labels_teach_nothing(head: str, steps: int) -> None:
    errors, _ = train(head, shuffled=True, steps=steps)
    # Three times what true labels lead to at the most. Not the error of a constant: where a map
    # says nothing, its highest place is still at one of the spots more often than on plain grey.
    # One of two spots is the right one by chance, so the median would be anywhere.
    assert errors.mean() > 12


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


@pytest.mark.parametrize("head", ["unet", "heatmap"])
def test_the_same_seed_gives_the_same_weights_on_the_cpu(head: str) -> None:
    weights = []
    for _ in range(2):
        network, preprocessing = small_network(head)
        frames = TrainingFrames.from_images(spots(8, seed=3), preprocessing)
        settings = FitSettings(steps=4, batch_size=4, judge_every=4, seed=11)
        list(fit(network, preprocessing, [(frames, 1.0)], None, settings))
        weights.append(torch.cat([p.flatten() for p in network.state_dict().values()]))
    assert torch.equal(*weights)


def test_trying_precisions_leaves_the_network_as_it_is() -> None:
    network, preprocessing = small_network("unet")
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    device, precision, why = result_of(choose_training(network, preprocessing, "cpu", "auto"))
    assert (device.type, precision in ("fp32", "bf16")) == ("cpu", True)
    assert f"Training in {precision} on cpu" in why
    after = network.state_dict()
    assert all(torch.equal(after[key], tensor) for key, tensor in before.items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_errors_are_in_video_pixels() -> None:
    _, preprocessing = small_network("heatmap")
    frames = TrainingFrames.from_images(spots(2, seed=4), preprocessing)
    one_input_pixel_off = frames.xy + np.array([1.0, 0.0], dtype=np.float32)
    np.testing.assert_allclose(frames.errors(one_input_pixel_off), 2.0, rtol=1e-4)


# --- one step at a time ---------------------------------------------------------------------------


def begin(settings: FitSettings, frames: TrainingFrames | None = None) -> Fit:
    network, preprocessing = small_network("heatmap")
    frames = frames or TrainingFrames.from_images(spots(8, seed=3), preprocessing)
    device = torch.device("cpu")
    batches = ImageBatches(
        [(frames, 1.0)], preprocessing, settings.augmentation, (), settings.seed, device
    )
    judged = JudgedImages(frames, preprocessing, device)
    return Fit(network, network, batches, judged, settings)


def weights_of(training: Fit) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in training.network.parameters()])


def test_the_backbone_waits_and_then_learns_more_slowly_towards_the_first_block() -> None:
    settings = FitSettings(
        steps=8, batch_size=4, frozen_steps=3, warm_up=2, layer_decay=0.5, learning_rate=1e-3
    )
    training = begin(settings)
    model = training.network.backbone.model
    first = model.blocks[0].mlp.fc1.weight.detach().clone()
    last = model.blocks[1].mlp.fc1.weight.detach().clone()
    head = training.network.head.expand.weight.detach().clone()
    for _ in range(3):
        training.advance()
    assert torch.equal(model.blocks[0].mlp.fc1.weight, first)
    assert not torch.equal(training.network.head.expand.weight, head)
    for _ in range(5):
        training.advance()
    moved = [
        float((block.mlp.fc1.weight - before).abs().mean())
        for block, before in zip(model.blocks, (first, last), strict=True)
    ]
    assert 0 < moved[0] < 0.75 * moved[1]
    scales = {group["lr_scale"] for group in training.optimiser.param_groups}
    assert {0.5, 0.25} <= scales


class ShortOfMemory(torch.nn.Module):
    """A network that fails, as a device does, when more than `fits` images come at a time."""

    def __init__(self, network: KeypointNetwork, fits: int) -> None:
        super().__init__()
        self.fits = fits
        self.forward_of = network.forward

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > self.fits:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")
        return self.forward_of(images)


@pytest.mark.parametrize("fits", [3, 1])
def test_out_of_memory_halves_the_batch_and_gives_the_same_weights(fits: int) -> None:
    settings = FitSettings(steps=3, batch_size=8, judge_every=3)
    whole = begin(settings)
    halved = begin(settings)
    short = ShortOfMemory(halved.network, fits)
    halved.network.forward = short.forward  # type: ignore[method-assign]
    for training in (whole, halved):
        for _ in range(3):
            training.advance()
    assert halved.batch_size == {3: 2, 1: 1}[fits]
    assert halved.accumulate == {3: 4, 1: 8}[fits]
    assert "cpu ran out of memory with 8 frames at a time; going on with 4" in halved.notices[0]
    assert torch.allclose(weights_of(whole), weights_of(halved), atol=2e-4)


def test_too_little_memory_for_one_frame_is_one_sentence() -> None:
    training = begin(FitSettings(steps=3, batch_size=4))
    short = ShortOfMemory(training.network, 0)
    training.network.forward = short.forward  # type: ignore[method-assign]
    with pytest.raises(VitFaceError, match="too little memory to train this model even with one"):
        training.advance()


def test_a_loss_that_is_no_number_stops_before_it_spoils_the_weights() -> None:
    training = begin(FitSettings(steps=3, batch_size=4))
    with torch.no_grad():
        training.network.head.logits.bias[0] = float("inf")
    before = weights_of(training)
    with pytest.raises(VitFaceError, match="no longer a number at step 1"):
        training.advance()
    assert torch.equal(weights_of(training), before)


def test_recordings_are_drawn_evenly_however_many_frames_they_have() -> None:
    _, preprocessing = small_network("heatmap")
    few = TrainingFrames.from_images(spots(2, seed=1), preprocessing)
    many = TrainingFrames.from_images(spots(40, seed=2), preprocessing)
    which, rows = Drawing([(few, 1.0), (many, 1.0)], seed=0).at(1, 4000)
    assert abs((which == 0).mean() - 0.5) < 0.05
    assert set(rows[which == 0]) == {0, 1}
    assert len(set(rows[which == 1])) == 40


def test_cached_features_are_those_of_the_backbone() -> None:
    network, preprocessing = small_network("heatmap")
    frames = TrainingFrames.from_images(spots(5, seed=3), preprocessing)
    features = Features(frames, preprocessing)
    assert list(features.compute(network, batch_size=2)) == [2, 4, 5]
    prefix, patches, again = features.inputs(np.array([4, 0]))
    images = preprocessing.normalise(torch.from_numpy(frames.inputs[[4, 0]]))
    expected = network.backbone(images)
    assert torch.equal(again, images)
    assert torch.allclose(prefix, expected[0], atol=5e-3)
    assert torch.allclose(patches, expected[1], atol=5e-3)


@pytest.mark.parametrize("head", ["unet", "heatmap"])
def test_the_head_learns_from_cached_features_in_bf16_too(head: str) -> None:
    network, preprocessing = small_network(head)
    frames = TrainingFrames.from_images(spots(12, seed=3), preprocessing)
    learnt, judged = Features(frames, preprocessing), Features(frames, preprocessing)
    for features in (learnt, judged):
        # Batch by batch, so that there is something to join.
        list(features.compute(network, precision="bf16", batch_size=5))
    batches = FeatureBatches([learnt], [1.0], seed=0)
    # Few frames a step: a processor without units for bf16 takes fifty times as long.
    settings = FitSettings(
        steps=30, batch_size=4, learning_rate=5e-3, warm_up=3, ema_decay=0.9, precision="bf16"
    )
    training = Fit(network, network.head, batches, judged, settings)
    before = list(training.judge())[-1]
    while not training.over:
        training.advance()
    after = list(training.judge())[-1]
    assert before is not None
    assert after is not None
    assert after.mean_error < 0.8 * before.mean_error


def judged_by(training: Fit) -> FitProgress:
    (progress,) = [progress for progress in training.judge() if progress is not None]
    return progress


@pytest.mark.parametrize("keep", [True, False], ids=["maps kept", "maps of each step"])
def test_a_head_learns_while_its_layers_that_look_at_the_image_stay(keep: bool) -> None:
    network, preprocessing = small_network("unet")
    head = network.head
    frames = TrainingFrames.from_images(spots(12, seed=3), preprocessing)
    features = Features(frames, preprocessing, head, keep_maps=keep)
    list(features.compute(network, batch_size=5))
    assert len(features.inputs(slice(0, 3))) == 4
    settings = FitSettings(steps=30, learning_rate=5e-3, warm_up=3, ema_decay=0.9)
    training = Fit(
        network, Reading(head), FeatureBatches([features], [1.0], seed=0), features, settings
    )
    before = {name: tensor.clone() for name, tensor in head.state_dict().items()}
    first = judged_by(training)
    while not training.over:
        training.advance()
    last = judged_by(training)
    assert last.mean_error < 0.8 * first.mean_error
    training.finish()
    stayed = {
        name for name, tensor in head.state_dict().items() if torch.equal(tensor, before[name])
    }
    assert {name.partition(".")[0] for name in stayed} == {"stride2", "stride4", "stride8"}
    assert stayed == {name for name in before if name.startswith(head.image_layers)}
    # What was judged is what the network gives of the images.
    xy, _ = predict_inputs(network, preprocessing, frames)
    assert training.latest is not None
    assert np.abs(xy - training.latest[0]).max() < 0.1
