"""What the CPU does, done by a CUDA device: points, maps, training, and memory that runs out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_vitface.attention.maps import attention_maps
from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.describe import describe
from napari_vitface.jobs.events import Event, Finished, Notice, PosesPredicted, Started
from napari_vitface.jobs.predict import predict
from napari_vitface.jobs.training.train import train
from napari_vitface.model.checkpoint import load_model, load_network
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.pose.keypoints import MOUSE_FACE
from napari_vitface.sample import random_face
from napari_vitface.settings.attention import METHODS
from napari_vitface.steps import result_of
from napari_vitface.training.batches import FeatureBatches, Features, ImageBatches, Reading
from napari_vitface.training.fit import Fit, FitSettings, predict_inputs
from napari_vitface.training.frame_inputs import TrainingFrames
from napari_vitface.training.precision import choose_training
from napari_vitface.video import VideoWriter, scale_image

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

BUNDLED = Path(__file__).parents[1] / "src/napari_vitface/bundled/mouse-face.safetensors"
CUDA = torch.device("cuda")
SIZE = (64, 96)


@pytest.fixture
def little_memory() -> Iterator[Callable[[int], None]]:
    """`little_memory(n)`: torch may hold `n` MiB more of the device's memory, and no more."""

    def limit(mebibytes: int) -> None:
        torch.cuda.empty_cache()
        total = torch.cuda.get_device_properties(0).total_memory
        allowed = torch.cuda.memory_reserved() + mebibytes * 2**20
        torch.cuda.set_per_process_memory_fraction(allowed / total)

    yield limit
    torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.fixture(scope="module")
def faces() -> list[tuple[np.ndarray, np.ndarray]]:
    return [random_face(np.random.default_rng(seed), (144, 192)) for seed in range(24)]


@pytest.fixture
def begin(faces: list[tuple[np.ndarray, np.ndarray]]) -> Callable[..., Fit]:
    """Start a training of a small network on a device."""

    def begin(device: str = "cuda", head: str = "unet", **settings: Any) -> Fit:
        from napari_vitface.model.building import create_backbone

        torch.manual_seed(0)
        backbone = create_backbone(
            "vit_tiny_patch16_224", SIZE, 1, depth=2, embed_dim=48, num_heads=3
        )
        network = KeypointNetwork(backbone, MOUSE_FACE, head).to(device)
        preprocessing = Preprocessing(SIZE, mean=backbone.mean, std=backbone.std)
        frames = TrainingFrames.from_images(faces, preprocessing)
        chosen = FitSettings(**{"learning_rate": 1e-3, "warm_up": 5, **settings})
        batches = ImageBatches(
            [(frames, 1.0)], preprocessing, chosen.augmentation, (), 0, torch.device(device)
        )
        return Fit(network, network, batches, None, chosen)

    return begin


def weights_of(training: Fit) -> torch.Tensor:
    return torch.cat([p.detach().flatten().cpu() for p in training.module.parameters()])


# --- predicting -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("precision", "near"), [("fp32", 0.05), ("bf16", 0.6), ("fp16", 0.2)])
def test_the_bundled_model_finds_what_it_finds_on_the_cpu(
    faces: list[tuple[np.ndarray, np.ndarray]], precision: str, near: float
) -> None:
    images = [image for image, _ in faces]
    expected = load_model("mouse-face", device="cpu", precision="fp32").predict_images(images)
    model = load_model("mouse-face", device="cuda", precision=precision)
    assert model.device.type == "cuda"
    found = model.predict_images(images)
    moved = np.linalg.norm(found[0] - expected[0], axis=-1)
    assert np.quantile(moved, 0.9) < near
    np.testing.assert_allclose(found[1], expected[1], atol=0.1)


def test_the_device_is_taken_without_being_asked_for_and_says_what_was_measured() -> None:
    model = load_model("mouse-face")
    assert model.device.type == "cuda"
    assert "ms an image" in model.why
    assert model.batch_size > 8
    names = list(describe())[-1]
    assert isinstance(names, Finished)
    assert "cuda:0" in names.result.devices
    with pytest.raises(VitFaceError, match="there is only cuda:0"):
        load_model("mouse-face", device="cuda:99")


def test_a_video_gets_the_points_that_it_gets_on_the_cpu(tmp_path: Path) -> None:
    from napari_vitface.sample import MouseFaceSample

    movie = MouseFaceSample(1, frames=40, size=(144, 192))
    with VideoWriter(tmp_path / "mouse.mp4", (144, 192), 30.0) as writer:
        for index in range(40):
            writer.write(movie[index])
    tables = {}
    for device in ("cpu", "cuda"):
        events = list(
            predict(
                tmp_path / "mouse.mp4",
                output_dir=tmp_path / device,
                device=device,
                precision="fp32",
            )
        )
        started = events[0]
        assert isinstance(started, Started)
        assert started.settings.device.startswith(device)
        tables[device] = np.concatenate(
            [event.xy for event in events if isinstance(event, PosesPredicted)]
        )
    moved = np.linalg.norm(tables["cuda"] - tables["cpu"], axis=-1)
    assert tables["cuda"].shape == (40, 12, 2)
    assert np.quantile(moved, 0.95) < 0.05


def test_a_batch_that_does_not_fit_is_halved_until_it_does(
    faces: list[tuple[np.ndarray, np.ndarray]], little_memory: Callable[[int], None]
) -> None:
    model = load_model("mouse-face", device="cuda", precision="fp32", batch_size=4096)
    images = np.zeros((4096, 1, *model.preprocessing.input_size), np.uint8)
    height, width = model.preprocessing.input_size
    for row, (image, _) in enumerate(faces):
        images[row, 0] = scale_image(image, (height, width))
    little_memory(1000)
    xy, _ = model.predict(images)
    assert 1 <= model.batch_size < 4096
    assert "cuda ran out of memory with 4096 frames at a time; going on with" in model.notices[0]
    alone = load_model("mouse-face", device="cpu", precision="fp32").predict(images[: len(faces)])
    moved = np.linalg.norm(xy[: len(faces)] - alone[0], axis=-1)
    assert np.quantile(moved, 0.9) < 0.05


def test_a_model_that_does_not_fit_is_one_sentence(little_memory: Callable[[int], None]) -> None:
    little_memory(2)
    with pytest.raises(VitFaceError, match=r"does not fit into the memory of device cuda"):
        load_model("mouse-face", device="cuda")


# --- attention ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [name for name in METHODS if name != "superpixels"])
def test_attention_maps_are_those_of_the_cpu(
    faces: list[tuple[np.ndarray, np.ndarray]], method: str
) -> None:
    found = {}
    for device in ("cpu", "cuda"):
        model = load_model("mouse-face", device=device, precision="fp32")
        canvas = model.preprocessing.view((144, 192)).pad(
            scale_image(faces[0][0], model.preprocessing.view((144, 192)).scale)[None]
        )
        maps = attention_maps(
            model, canvas, method=method, keypoints=["nose tip", "mouth"], square=3
        )
        found[device] = np.asarray(maps.maps)
    scale = np.abs(found["cpu"]).max()
    assert scale > 0
    np.testing.assert_allclose(found["cuda"], found["cpu"], atol=0.02 * scale)


# --- training -------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", ["unet", "heatmap", "regression"])
def test_steps_are_those_of_the_cpu(begin: Callable[..., Fit], head: str) -> None:
    trainings = [begin(device, head, steps=4, batch_size=6) for device in ("cpu", "cuda")]
    losses = np.array([[each.advance() for _ in range(4)] for each in trainings])
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.02)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_every_precision_learns(begin: Callable[..., Fit], precision: str) -> None:
    training = begin(steps=60, batch_size=12, precision=precision)
    losses = [training.advance() for _ in range(60)]
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:3])
    assert all(torch.isfinite(p).all() for p in training.module.parameters())


def test_what_was_stored_goes_on_where_it_was(begin: Callable[..., Fit]) -> None:
    whole, first, second = (begin(steps=8, batch_size=4, precision="fp16") for _ in range(3))
    for _ in range(8):
        whole.advance()
    for _ in range(4):
        first.advance()
    tensors, numbers = first.state()
    numbers = json.loads(json.dumps(numbers))
    second.restore({name: tensor.cpu() for name, tensor in tensors.items()}, numbers)
    for _ in range(4):
        second.advance()
    # Sums on a GPU are not always in the same order.
    torch.testing.assert_close(weights_of(second), weights_of(whole), atol=2e-3, rtol=0)


def test_a_training_batch_that_does_not_fit_is_halved(
    begin: Callable[..., Fit], little_memory: Callable[[int], None]
) -> None:
    training = begin(steps=2, batch_size=512)
    little_memory(400)
    training.advance()
    assert training.batch_size < 512
    assert training.batch_size * training.accumulate >= 512
    assert "cuda:0 ran out of memory with 512 frames at a time" in training.notices[0]


def test_the_head_learns_from_features_on_the_device(
    begin: Callable[..., Fit], faces: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    network, preprocessing, _ = load_network(BUNDLED)
    network.to(CUDA).requires_grad_(True)
    frames = TrainingFrames.from_images(faces, preprocessing)
    features = Features(frames, preprocessing, network.head)
    assert list(features.compute(network, precision="bf16"))[-1] == len(faces)
    settings = FitSettings(steps=10, batch_size=8, precision="bf16", learning_rate=2e-3)
    batches = FeatureBatches([features], [1.0], 0)
    training = Fit(network, Reading(network.head), batches, None, settings)
    losses = [training.advance() for _ in range(10)]
    assert np.isfinite(losses).all()
    training.finish()
    xy, _ = predict_inputs(network, preprocessing, frames)
    assert np.nanmedian(frames.errors(xy)) < 4


def test_the_faster_precision_is_measured() -> None:
    network, preprocessing, _ = load_network(BUNDLED)
    device, precision, why = result_of(choose_training(network, preprocessing, "auto", "auto"))
    assert device.type == "cuda"
    assert precision in ("fp32", "bf16")
    assert "measured" in why
    assert next(network.parameters()).is_cuda


def test_a_training_job_ends_with_a_model_that_any_machine_loads(
    tmp_path: Path, faces: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    from PIL import Image

    folder = tmp_path / "project" / "labeled-data" / "cam1"
    folder.mkdir(parents=True)
    columns = [(name, axis) for name in MOUSE_FACE.names for axis in "xy"]
    lines = [
        "scorer," + ",".join("me" for _ in columns),
        "bodyparts," + ",".join(name for name, _ in columns),
        "coords," + ",".join(axis for _, axis in columns),
    ]
    for row, (image, xy) in enumerate(faces):
        Image.fromarray(image).save(folder / f"img{row:03d}.png")
        cells = ["" if np.isnan(value) else f"{value:.2f}" for value in np.ravel(xy)]
        lines.append(f"labeled-data/cam1/img{row:03d}.png," + ",".join(cells))
    (folder / "CollectedData_me.csv").write_text("\n".join(lines) + "\n")
    for options in ({"quick": True}, {"steps": 20, "precision": "fp16"}, {"steps": 20}):
        events: list[Event] = list(
            train(tmp_path / "project", name="new", overwrite=True, device="auto", **options)
        )
        last = events[-1]
        assert isinstance(last, Finished)
        assert [e.message for e in events if isinstance(e, Notice) and "cannot" in e.message] == []
        assert last.result.after.points > 0
        model = load_model(last.result.model, device="cpu", precision="fp32")
        xy, _ = model.predict_images([image for image, _ in faces[:4]])
        assert np.isfinite(xy).all()
