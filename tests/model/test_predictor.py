"""A loaded model that predicts, in batches, and goes on when memory is short."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from napari_vitface.errors import VitFaceError
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.predictor import KeypointModel
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.video import scale_image


@pytest.fixture
def make_model(make_network: Callable[..., KeypointNetwork]) -> Callable[..., KeypointModel]:
    def make(head: str = "heatmap", metadata: Any = None, **settings: Any) -> KeypointModel:
        chosen = {"device": "cpu", "precision": "fp32"} | settings
        return KeypointModel(make_network(head), Preprocessing((64, 96)), metadata, **chosen)

    return make


def canvases(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, 1, 64, 96), dtype=np.uint8)


@contextmanager
def memory_for(network: nn.Module, images: int) -> Iterator[list[int]]:
    """A device that runs out of memory when more than `images` images come at a time."""
    sizes = []

    def check(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        sizes.append(len(inputs[0]))
        if len(inputs[0]) > images:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    handle = network.register_forward_pre_hook(check)
    try:
        yield sizes
    finally:
        handle.remove()


@pytest.mark.parametrize("head", ["heatmap", "regression"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_batches_predict_what_single_images_do(
    make_model: Callable[..., KeypointModel], head: str, precision: str
) -> None:
    model = make_model(head, batch_size=3, precision=precision)
    images = canvases(7)
    xy, confidence = model.predict(images)
    assert xy.shape == (7, 3, 2)
    assert xy.dtype == confidence.dtype == np.float32
    assert np.isfinite(xy).all()
    if precision == "fp32":
        for index, image in enumerate(images):
            alone = model.predict(image[None])
            np.testing.assert_allclose(alone[0][0], xy[index], atol=1e-3)
            np.testing.assert_allclose(alone[1][0], confidence[index], atol=1e-5)


def test_no_images_are_no_points(make_model: Callable[..., KeypointModel]) -> None:
    model = make_model()
    xy, confidence = model.predict(np.empty((0, 1, 64, 96), np.uint8))
    assert (xy.shape, confidence.shape) == ((0, 3, 2), (0, 3))
    xy, confidence = model.predict_images([])
    assert (xy.shape, confidence.shape) == ((0, 3, 2), (0, 3))


def test_predicting_leaves_the_images_as_they_were(
    make_model: Callable[..., KeypointModel],
) -> None:
    images = canvases(2)
    before = images.copy()
    make_model().predict(images)
    np.testing.assert_array_equal(images, before)


def test_points_of_frames_are_in_video_pixels(make_model: Callable[..., KeypointModel]) -> None:
    model = make_model()
    wide, tall = (np.zeros(size, np.uint8) for size in ((300, 900), (900, 300)))
    xy, _ = model.predict_images([wide, tall, np.dstack([wide] * 3)])
    for points, size in zip(xy, ((300, 900), (900, 300), (300, 900)), strict=True):
        view = model.preprocessing.view(size)
        canvas = view.pad(scale_image(np.zeros(size, np.uint8), view.scale)[None])
        np.testing.assert_allclose(points, view.to_frame(model.predict(canvas)[0][0]), atol=1e-2)


def test_confidence_passes_through_the_calibration(
    make_model: Callable[..., KeypointModel],
) -> None:
    images = canvases(4)
    model = make_model(metadata={"calibration": {"x": [0.0, 1.0], "y": [0.25, 0.75]}})
    calibration, model.calibration = model.calibration, None
    raw = model.predict(images)[1]
    model.calibration = calibration
    np.testing.assert_allclose(model.predict(images)[1], 0.25 + 0.5 * raw, atol=1e-6)


@pytest.mark.parametrize("fits", [1, 2, 3, 5])
def test_out_of_memory_halves_the_batch_and_goes_on(
    make_model: Callable[..., KeypointModel], fits: int
) -> None:
    model = make_model(batch_size=8)
    images = canvases(21)
    expected = model.predict(images)
    told: list[str] = []
    model.on_notice = told.append
    with memory_for(model.network, fits) as sizes:
        found = model.predict(images)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-3)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-5)
    halved = {1: 1, 2: 2, 3: 2, 5: 4}[fits]
    assert model.batch_size == halved
    assert max(sizes[-3:]) <= halved
    assert told == model.notices
    assert told[0] == "cpu ran out of memory with 8 frames at a time; going on with 4."
    assert len(told) == {1: 3, 2: 2, 3: 2, 5: 1}[fits]
    # It stays halved: the next batch is not tried in vain.
    with memory_for(model.network, fits):
        model.predict(images)
    assert len(told) == len(model.notices) == {1: 3, 2: 2, 3: 2, 5: 1}[fits]


def test_a_model_that_does_not_fit_at_all_is_told_in_one_sentence(
    make_model: Callable[..., KeypointModel],
) -> None:
    model = make_model(batch_size=4)
    with (
        memory_for(model.network, 0),
        pytest.raises(VitFaceError, match=r"too little memory.*even with one frame"),
    ):
        model.predict(canvases(4))


def test_other_errors_are_not_taken_for_a_lack_of_memory(
    make_model: Callable[..., KeypointModel],
) -> None:
    model = make_model(batch_size=4)
    with pytest.raises(RuntimeError, match="channels"):
        model.predict(np.zeros((4, 2, 64, 96), np.uint8))
    assert model.batch_size == 4
    assert model.notices == []


def test_settings_that_make_no_sense_are_refused(make_model: Callable[..., KeypointModel]) -> None:
    with pytest.raises(VitFaceError, match="no precision 'fp64'"):
        make_model(precision="fp64")
    with pytest.raises(VitFaceError, match="batch size"):
        make_model(batch_size=0)
    with pytest.raises(VitFaceError, match="no device 'gpu'"):
        make_model(device="gpu")


def test_a_network_finds_what_it_was_trained_to_find(
    make_network: Callable[..., KeypointNetwork],
) -> None:
    """All parts at once: targets, head, decoding, and the way back to video pixels."""
    from napari_vitface.model.heatmap_decoding import encode_heatmaps
    from napari_vitface.pose.keypoints import KeypointSet

    torch.manual_seed(0)
    network = make_network(keypoints=KeypointSet(("dot",)))
    preprocessing = Preprocessing((64, 96))
    optimiser = torch.optim.AdamW(network.parameters(), lr=5e-3)
    generator = torch.Generator().manual_seed(0)
    yy, xx = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")

    def dots(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        xy = torch.rand(count, 1, 2, generator=generator) * torch.tensor([87.0, 55.0]) + 4
        distance = (xx - xy[..., 0, None]) ** 2 + (yy - xy[..., 1, None]) ** 2
        return (255 * torch.exp(-distance / 8)).byte()[:, None], xy

    network.train()
    for _ in range(200):
        canvas, xy = dots(8)
        logits = network(preprocessing.normalise(canvas.reshape(-1, 1, 64, 96)))
        target = encode_heatmaps(xy, (16, 24), network.stride, sigma=1.0)
        loss = -(target.flatten(2) * logits.flatten(2).log_softmax(dim=2)).sum(dim=2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model = KeypointModel(network, preprocessing, device="cpu", precision="fp32")

    frame_yy, frame_xx = np.mgrid[:480, :960]
    errors = []
    for x, y in [(200.0, 100.0), (480.0, 240.0), (801.5, 300.25), (600.0, 400.0)]:
        frame = np.exp(-((frame_xx - x) ** 2 + (frame_yy - y) ** 2) / (8 * 100))
        points, confidence = model.predict_images([(255 * frame).astype(np.uint8)])
        errors.append(float(np.linalg.norm(points[0, 0] - [x, y])))
        assert confidence[0, 0] > 0.5
    # Ten video pixels are one input pixel, forty are one pixel of the map.
    assert np.mean(errors) < 10
