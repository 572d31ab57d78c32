"""A feature of another package: chosen with its settings, and computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_vitface.settings.features import FEATURES, choose
from napari_vitface.states.features.compute import features_of
from napari_vitface.states.features.extractor import Material

TOY = """
from dataclasses import dataclass
from typing import Annotated
from napari_vitface.settings.features import FeatureKind
from napari_vitface.settings.option import Option
from napari_vitface.video.scale import Scale

@dataclass(frozen=True, kw_only=True)
class Corner(FeatureKind):
    name = "corner"
    title = "Corner"
    help = "the pixel in the corner"
    compute = __name__ + ":extractor"
    power: Annotated[int, Option(help="of the pixel", ge=1)] = 1

def extractor(kind, material):
    return Pixel(kind.power, material.crop.size)

class Pixel:
    columns, before, about = ("corner",), False, {}
    def __init__(self, power, size):
        self.power, self.scale = power, Scale(None, size, grey=True)
    def __call__(self, pictures):
        return pictures.images[:, 0, :1].astype("float32") ** self.power

TOY = Corner()
"""


def test_it_is_chosen_and_computed(
    install: Callable[..., None],
    folder_of: Callable[..., Path],
    material_of: Callable[..., Material],
    noise: NDArray[np.uint8],
) -> None:
    install(FEATURES, TOY)
    (kind,) = choose("corner", {"power": 2})
    _, values, _ = features_of([kind], material_of(folder_of(noise), (3, 5, 10, 8)))
    np.testing.assert_array_equal(values[:, 0], noise[:, 5, 3].astype(np.float32) ** 2)


def test_one_that_declares_a_setting_otherwise_is_left_out(install: Callable[..., None]) -> None:
    install(FEATURES, TOY.replace("power:", "cell:").replace("kind.power", "kind.cell"))
    with pytest.warns(UserWarning, match="a setting named cell means something else"):
        assert "corner" not in FEATURES
