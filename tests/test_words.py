"""Numbers with their nouns, which nobody writes otherwise, and words of the window."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import napari_vitface
from napari_vitface.cli.parser import build_parser
from napari_vitface.gui import numbers
from napari_vitface.words import OPTIONS, counted, in_window

#: What is counted in sentences for users.
NOUNS = ("frame", "video", "point", "image", "trial", "keypoint", "edit", "recording")

#: Of texts that name an option outside brackets: help, whole commands, and what is said of options
#: that the window never gives.
NOT_SHOWN = (
    "timm's name of a ViT, with --init scratch",
    "make a table with napari-vitface traces --kinds motion",
    "napari-vitface convert --x NAME",
    "leave --x x out",
)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 frames"),
        (1, "1 frame"),
        (2, "2 frames"),
        (12345, "12345 frames"),
        (1.0, "1 frame"),
        (1.234, "1.23 frames"),
        (1234.56, "1235 frames"),
    ],
)
def test_a_noun_goes_with_its_number(number: float, said: str) -> None:
    assert counted(number, "frame") == said


def test_thousands_stand_apart_in_the_window_alone() -> None:
    assert counted(1234567, "frame").isascii()
    gap = "\N{NO-BREAK SPACE}"
    assert numbers.counted(1234567, "frame") == f"1{gap}234{gap}567 frames"
    assert numbers.counted(1234.56, "frame") == f"1{gap}235 frames"
    assert numbers.counted(1, "map is", "maps are") == "1 map is"
    assert numbers.digits(999) == "999"


def test_a_plural_that_has_no_s() -> None:
    assert counted(1, "trial is", "trials are") == "1 trial is"
    assert counted(3, "trial is", "trials are") == "3 trials are"


def test_no_text_counts_by_itself_what_may_be_one() -> None:
    found = []
    package = Path(napari_vitface.__file__).parent
    for path in package.rglob("*.py"):
        for text in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(text, ast.JoinedStr):
                place = path.relative_to(package)
                found += [f"{place}: {words}" for words in _counts(text)]
    assert found == []


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Find it (Find face; --crop auto), or not.", "Find it (Find face), or not."),
        ("Choose to overwrite (--overwrite), or go.", "Choose to overwrite, or go."),
        ("Take larger ones (--region, --bin).", "Take larger ones."),
        ("nwb needs it (give it with --frame-rate).", "nwb needs it."),
        (
            "It is not there (it cannot compute (--device cpu)).",
            "It is not there (it cannot compute).",
        ),
        ("mouse (left --raw) is no video.", "mouse (left --raw) is no video."),
        ("mouse (--crop).mp4 is no video.", "mouse (--crop).mp4 is no video."),
        ("eye(back) is (0, 0); a - b (c; d).", "eye(back) is (0, 0); a - b (c; d)."),
    ],
)
def test_the_window_names_no_options_of_the_command_line(said: str, shown: str) -> None:
    assert in_window(said) == shown


def test_the_options_that_sentences_name_are_there() -> None:
    assert {f"--{option}" for option in OPTIONS} <= set(_options(build_parser()))


def test_no_sentence_brings_an_option_into_the_window() -> None:
    found = []
    package = Path(napari_vitface.__file__).parent
    for path in package.rglob("*.py"):
        if "cli" in path.relative_to(package).parts:
            continue
        for text in _texts(ast.parse(path.read_text(encoding="utf-8"))):
            # What begins with an option is an argument of a command.
            if "--" in text[2:] and re.search("--[a-z]", in_window(f"so {text}")):
                found.append((str(path.relative_to(package)), text))
    unexpected = [each for each in found if not any(known in each[1] for known in NOT_SHOWN)]
    assert unexpected == []
    assert len(found) == len(NOT_SHOWN), "take what is gone out of the list"


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """All options of a parser and of its commands."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _options(command)


def _texts(module: ast.Module) -> Iterator[str]:
    """The texts in a module but for docstrings, with an x for each value that is filled in."""
    left_out: set[ast.AST] = set()
    for node in ast.walk(module):
        if node in left_out:
            continue
        if isinstance(node, ast.Expr):
            left_out.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            left_out.update(each for each in node.values if isinstance(each, ast.Constant))
            yield "".join(
                str(each.value) if isinstance(each, ast.Constant) else "x" for each in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _counts(text: ast.JoinedStr) -> Iterator[str]:
    """Where a text writes a number and behind it a noun of several."""
    for number, words in zip(text.values, text.values[1:], strict=False):
        if isinstance(number, ast.FormattedValue) and isinstance(words, ast.Constant):
            # Constants are written with their noun as they are, and rates in their own digits.
            constant = isinstance(number.value, ast.Name) and number.value.id.isupper()
            itself = constant or number.format_spec is not None
            if not itself and re.match(rf" ({'|'.join(NOUNS)})s\b", words.value):
                yield ast.unparse(text)
