"""Tokens are what the model's own ViT gives of the crop, through its own preprocessing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_vitface.errors import VitFaceError
from napari_vitface.model.checkpoint import load_model
from napari_vitface.model.predictor import KeypointModel
from napari_vitface.settings.features import choose
from napari_vitface.states.features.compute import features_of, make_extractors
from napari_vitface.states.features.crop import FixedCrop
from napari_vitface.states.features.extractor import Material
from napari_vitface.video import open_video
from napari_vitface.video.scale import scale_image

CROP = (4, 6, 40, 30)
Folder = Callable[..., Path]


@pytest.fixture
def model(tiny_model: Path) -> KeypointModel:
    return load_model(tiny_model, device="cpu", precision="fp32", batch_size=4)


@pytest.fixture
def material(folder_of: Folder, noise: NDArray[np.uint8], model: KeypointModel) -> Material:
    video = open_video(folder_of(noise))
    return Material(video, FixedCrop.of(video, CROP), model=model)


def inputs(model: KeypointModel, images: NDArray[np.uint8]) -> torch.Tensor:
    view = model.preprocessing.with_crop(CROP).view((40, 52))
    canvas = view.pad(np.stack([scale_image(image, view.scale) for image in images]))
    return model.to_images(torch.from_numpy(canvas))


@torch.inference_mode()
def test_tokens_of_the_last_layer(
    material: Material, model: KeypointModel, noise: NDArray[np.uint8]
) -> None:
    prefix, patches = model.network.backbone(inputs(model, noise))
    mean = patches.mean(dim=(2, 3)).numpy()
    for token, expected in (
        ("class", prefix[:, 0].numpy()),
        ("mean", mean),
        ("both", np.hstack([prefix[:, 0].numpy(), mean])),
    ):
        _, values, (extractor,) = features_of(choose("tokens", {"token": token}), material)
        np.testing.assert_allclose(values, expected, atol=1e-4)
        assert len(extractor.columns) == values.shape[1]


@torch.inference_mode()
def test_tokens_of_another_layer(
    material: Material, model: KeypointModel, noise: NDArray[np.uint8]
) -> None:
    vit = model.network.backbone.model
    tokens = vit.forward_intermediates(  # timm's own
        inputs(model, noise), indices=[0], norm=True, output_fmt="NLC", intermediates_only=True
    )[0]
    _, values, (extractor,) = features_of(choose("tokens", {"layer": -2}), material)
    np.testing.assert_allclose(values, tokens.mean(dim=1).numpy(), atol=1e-4)
    assert extractor.about["layer"] == 0
    # The model is as it was.
    _, last, _ = features_of(choose("tokens", {}), material)
    assert np.abs(last - values).max() > 0.1


def test_a_crop_alone_and_among_kinds_that_want_other_sizes(material: Material) -> None:
    _, alone, _ = features_of(choose("tokens", {}), material)
    _, among, _ = features_of(choose("motion,tokens", {}), material)
    np.testing.assert_allclose(among[:, 1:], alone, atol=1e-5)


def test_what_the_model_does_not_have_is_refused(material: Material) -> None:
    with pytest.raises(VitFaceError, match="layers 0 to 1, and no layer 2"):
        make_extractors(choose("tokens", {"layer": 2}), material)
    with pytest.raises(VitFaceError, match="name one"):
        make_extractors(choose("tokens", {}), Material(material.video, material.crop))
