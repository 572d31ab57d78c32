"""The heads that can be chosen, and one of another package."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

import napari_vitface
from napari_vitface.errors import CheckpointError
from napari_vitface.settings.heads import HEADS, find_head


def test_a_head_s_name_stands_in_one_module() -> None:
    source = Path(napari_vitface.__file__).parent
    spelt = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in HEADS
    }
    assert spelt == {"settings/heads.py"}


def test_an_unknown_head_is_named() -> None:
    with pytest.raises(
        CheckpointError, match=r"no head named 'mlp'; there are: unet, heatmap, reg"
    ):
        find_head("mlp")


def test_a_head_of_another_package_is_found(install: Callable[..., None]) -> None:
    install(
        HEADS,
        "from napari_vitface.settings.heads import HeadKind\n"
        "TOY = HeadKind('mlp', 'is a toy', 'nowhere:Head')\n",
    )
    assert list(HEADS) == ["unet", "heatmap", "regression", "mlp"]
    assert find_head("mlp").description == "is a toy"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import a_package_that_is_not_there", "No module named"),
        ("TOY = 'mlp'", "it is no HeadKind"),
        (
            "from napari_vitface.settings.heads import HeadKind\n"
            "TOY = HeadKind('unet', '', 'elsewhere:Head')",
            "there is another one named unet",
        ),
    ],
)
def test_a_package_that_is_wrong_does_not_take_the_others_away(
    install: Callable[..., None], source: str, why: str
) -> None:
    install(HEADS, source)
    with pytest.warns(UserWarning, match=why):
        assert list(HEADS) == ["unet", "heatmap", "regression"]
    assert find_head("unet").place.startswith("napari_vitface.")
