"""The attention methods that can be chosen, and what their settings take."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import napari_vitface
from napari_vitface.errors import VitFaceError
from napari_vitface.settings.attention import METHODS, choose, describe

OWN = ("rollout", "raw", "gradient-rollout", "relevance", "occlusion", "superpixels")


def test_a_method_s_name_stands_in_one_module() -> None:
    source = Path(napari_vitface.__file__).parent
    # The occlusion of a point in files of labels is another one.
    others = {*source.glob("formats/*.py")}
    spelt = {
        path.relative_to(source).as_posix()
        for path in set(source.rglob("*.py")) - others
        for text in strings_of(ast.parse(path.read_text(encoding="utf-8")))
        if text in OWN or re.search(r"\b(rollout|relevance|superpixels)\b", text)
    }
    # The help of a setting that they share names one.
    assert spelt == {"settings/attention.py", "settings/attention_method.py"}
    assert tuple(METHODS) == OWN


def strings_of(tree: ast.Module) -> set[str]:
    """The strings of a module that are no docstrings, nor names of modules."""
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said
    }


def test_settings_that_other_methods_alone_have_are_left_to_them() -> None:
    assert choose("rollout", {"square": 3.0}) == METHODS["rollout"]
    chosen = choose("occlusion", {"square": 3.0, "head_fusion": "mean"})
    assert chosen == replace(METHODS["occlusion"], square=3.0)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="'squares'"):
        choose("occlusion", {"squares": 3.0})


@pytest.mark.parametrize(
    ("name", "value"),
    [("square", "wide"), ("square", float("nan")), ("square", True), ("hide_self", "yes"),
     ("head", -1), ("discard", True)],
)  # fmt: skip
def test_a_value_of_another_kind_is_one_sentence(name: str, value: Any) -> None:
    with pytest.raises(VitFaceError, match=re.escape(str(value))) as refusal:
        choose("rollout", {name: value})
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize("name", OWN)
def test_a_method_describes_itself_for_a_file_and_in_a_sentence(name: str) -> None:
    described = METHODS[name].described()
    assert described["method"] == name
    text = describe({**described, "layers": [0, 2]}, depth=3)
    assert text[0].isupper()
    assert ("layers 1 to 2 of 3" in text) == ("layers" in described)
    hidden = replace(METHODS[name], hide_self=True).described()
    assert describe({**hidden, "layers": [0, 2]}, depth=3) == f"{text}, own patches hidden"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("TOY = Toy", "it is no AttentionMethod"),
        ("Toy.name = 'raw'; TOY = Toy()", "another one named raw"),
        ("del Toy.compute; TOY = Toy()", "does not declare compute"),
        ("TOY = Wide()", "named square means something else"),
    ],
)
def test_a_package_that_is_wrong_does_not_take_the_others_away(
    install: Callable[..., None], source: str, why: str
) -> None:
    declared = (
        "from dataclasses import dataclass\n"
        "from typing import Annotated\n"
        "from napari_vitface.settings.attention import AttentionMethod\n"
        "from napari_vitface.settings.option import Option\n"
        "class Toy(AttentionMethod):\n"
        "    name, title, help, caption, compute = 'toy', 'Toy', 'plays', 'Toy', 'nowhere:toy'\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Wide(Toy):\n"
        "    square: Annotated[float, Option(help='a width')] = 1.0\n"
    )
    install(METHODS, declared + source)
    with pytest.warns(UserWarning, match=why):
        assert tuple(METHODS) == OWN
