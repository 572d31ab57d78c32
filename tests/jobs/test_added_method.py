"""An attention method of another package: offered, computed, described, and in files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_vitface.cli import main
from napari_vitface.jobs.explaining.map_picture import describe_settings
from napari_vitface.settings.attention import METHODS
from napari_vitface.video import open_video

TOY = """
from dataclasses import dataclass
from typing import Annotated
from napari_vitface.settings.attention_method import AttentionMethod
from napari_vitface.settings.option import Option

@dataclass(frozen=True, kw_only=True)
class Brightness(AttentionMethod):
    name = "brightness"
    title = "Brightness (no check at all)"
    help = "how bright each patch is, whatever the network does"
    caption = "Brightness to the power of {power:g}"
    compute = __name__ + ":brightness"

    power: Annotated[float, Option(help="of the brightness", label="Power", gt=0, step=0.5)] = 1.0
    spread: Annotated[int, Option(help="patches, for nothing", label="Spread", ge=0)] = 0

    @property
    def unit(self):
        return "of white"

def brightness(model, images, asked):
    from napari_vitface.attention.choices import Found
    rows, columns = model.network.backbone.grid
    mean = images.float().mean(dim=1) / 255
    patches = mean.unflatten(2, (columns, -1)).unflatten(1, (rows, -1)).mean(dim=(2, 4))
    maps = patches.flatten(1)[:, None].repeat(1, len(asked.names), 1) ** asked.how.power
    return Found(model.network(model.to_images(images)), [maps])

TOY = Brightness()
"""


@pytest.fixture
def added(install: Callable[..., None]) -> None:
    install(METHODS, TOY)


def test_it_is_in_the_help_of_the_command_line(
    added: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["attention", "--help"])
    assert end.value.code == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "superpixels|brightness" in told
    assert "brightness: how bright each patch is" in told
    assert "--power POWER of the brightness (default: 1.0)" in told


def test_it_is_computed_and_says_so(
    added: None,
    video: Path,
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "maps.npz"
    command = ["attention", video, "--frame", 3, "--model", tiny_model, "--method", "brightness"]
    options = ["--power", 2, "--spread", 4, "--keypoint", "eye", "--output", file, "--json"]
    assert main([str(each) for each in (*command, *options)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    with np.load(file, allow_pickle=False) as stored:
        (found,) = stored["maps"]
        settings = json.loads(str(stored["settings"]))
    assert settings == lines[-1]["result"]["settings"]
    assert {**settings, "power": 2.0, "spread": 4, "unit": "of white"} == settings
    assert describe_settings(settings) == "Brightness to the power of 2, spread 4; model tiny"
    # Rows 1 and 2 lie in the frame; the outer ones hold some padding.
    with open_video(video) as opened:
        frame = np.asarray(opened[3], np.float64) / 255
    middle = frame[22:74].mean()
    assert found[1:3].mean() == pytest.approx(middle**2, abs=0.03)


def test_a_value_that_it_cannot_take_is_a_wrong_argument(
    added: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["attention", "a.mp4", "--frame", "3", "--power", "0", "--output", "a.npz"])
    assert end.value.code == 2
    assert "'0' is no number above 0" in capsys.readouterr().err
