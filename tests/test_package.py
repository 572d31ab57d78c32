"""What is installed, what it promises in writing, and that both agree."""

from __future__ import annotations

import argparse
import ast
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata, resources
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import napari_vitface

PACKAGE = Path(napari_vitface.__file__).parent
REPOSITORY = Path(__file__).parents[1]


def page(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def test_one_version_everywhere() -> None:
    version = napari_vitface.__version__
    assert metadata.version("napari-vitface") == version
    assert yaml.safe_load(page("CITATION.cff"))["version"] == version


@pytest.mark.parametrize("name", napari_vitface.__all__)
def test_public_names_resolve(name: str) -> None:
    assert callable(getattr(napari_vitface, name))


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = napari_vitface.no_such_thing


def test_files_that_are_not_code_are_installed() -> None:
    files = resources.files(napari_vitface)
    assert files.joinpath("napari.yaml").is_file()
    assert files.joinpath("py.typed").is_file()
    assert any(path.name.endswith(".safetensors") for path in files.joinpath("bundled").iterdir())


def test_no_file_of_the_package_is_over_15_megabytes() -> None:
    large = [path for path in PACKAGE.rglob("*") if path.stat().st_size > 15e6]
    assert not large


def test_what_is_imported_is_declared_and_nothing_else() -> None:
    imported = {
        name.partition(".")[0]
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and not node.level
            else []
        )
    }
    imported -= set(sys.stdlib_module_names) | {"napari_vitface"}
    # An optional package that is not named like its module, which need not be installed.
    by_module = {"umap": ["umap-learn"], **metadata.packages_distributions()}
    # Not what is installed: an editable installation keeps the names that it was made with.
    project = tomllib.loads(page("pyproject.toml"))["project"]
    declared = names_of(project["dependencies"])
    optional = names_of(chain(*project["optional-dependencies"].values())) - declared

    def one_of(packages: list[str]) -> str:
        """Of the packages with parts of a module the one that is declared, if one is."""
        names = [canonicalize_name(name) for name in packages]
        return next((name for name in names if name in declared), names[0])

    # An optional one need not be there.
    needed = {one_of(by_module.get(name, [name])) for name in imported} - optional
    # pandas imports PyTables, and timm torchvision.
    assert needed | {"tables", "torchvision"} == declared


def names_of(requirements: Iterable[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def test_no_pickle_is_read() -> None:
    reading = re.compile(r"\b(pickle\.loads?|torch\.load|allow_pickle=True|read_pickle)\b")
    found = [path for path in PACKAGE.rglob("*.py") if reading.search(path.read_text("utf-8"))]
    assert not found


def test_npe2_validates_the_manifest_and_its_imports() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "npe2", "validate", "napari-vitface", "--imports"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "valid" in run.stdout


def commands() -> dict[str, argparse.ArgumentParser]:
    """Subcommand -> its parser."""
    from napari_vitface.cli.parser import build_parser

    for action in build_parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError("the command line has no subcommands")


def options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from (text for text in action.option_strings if text not in ("-h", "--help"))
        # Of what stands behind a group.
        if isinstance(action, argparse._SubParsersAction):
            yield from chain.from_iterable(map(options, action.choices.values()))


def test_the_command_line_page_has_every_command_and_option() -> None:
    common, *rest = re.split(r"^## (\S+)$", page("docs/command-line.md"), flags=re.M)
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    assert set(sections) == set(commands())
    missing = [
        f"{name} {option}"
        for name, parser in commands().items()
        for option in options(parser)
        if option not in sections[name] + common
    ]
    assert not missing


def documented_commands(text: str) -> list[tuple[str, str]]:
    """Each ``napari-vitface COMMAND`` in backticks or in a block, and what follows it there."""
    found = re.findall(r"`napari-vitface ([a-z]+)([^`]*)`", text)
    for block in re.findall(r"^```console\n(.*?)^```", text, flags=re.M | re.S):
        found += re.findall(r"^napari-vitface ([a-z]+)(.*(?:\n    .*)*)", block, flags=re.M)
    return found


@pytest.mark.parametrize(
    "name", ["README.md", *(str(p.relative_to(REPOSITORY)) for p in REPOSITORY.glob("docs/*.md"))]
)
def test_commands_in_the_documentation_exist(name: str) -> None:
    known = commands()
    for command, rest in documented_commands(page(name)):
        assert command in known, f"{name} names napari-vitface {command}"
        for option in re.findall(r"(?<!\S)\[?(--[a-z-]+)", rest):
            assert option in set(options(known[command])), f"{name}: {command} {option}"


def test_commands_are_found_in_the_documentation() -> None:
    found = {command for command, _ in documented_commands(page("docs/command-line.md"))}
    assert found == set(commands())


def test_the_two_commands_of_the_readme_are_environments() -> None:
    start = runpy.run_path(str(REPOSITORY / "start.py"))["ENVIRONMENTS"]
    assert set(re.findall(r"python3 start\.py (\w+)", page("README.md"))) == set(start)
    environments = set(re.findall(r"^\[testenv:(\w+)\]", page("tox.ini"), flags=re.M))
    assert set(",".join(start.values()).split(",")) <= environments


def test_start_refuses_what_it_does_not_know() -> None:
    start = REPOSITORY / "start.py"
    run = subprocess.run(
        [sys.executable, str(start), "tset"], capture_output=True, text=True, check=False
    )
    assert run.returncode != 0
    assert "demo" in run.stderr
    assert "Traceback" not in run.stderr


def test_the_map_of_the_code_names_every_folder_and_root_module() -> None:
    drawn = page("docs/map.md")
    parts = {path.name + "/" for path in PACKAGE.iterdir() if path.is_dir()} - {"__pycache__/"}
    parts |= {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py"}
    assert not [part for part in sorted(parts) if f"─ {part}" not in drawn]
    tree = drawn.partition("```text")[2].partition("```")[0]
    listed = set(re.findall(r"^[├└]── (\S+)", tree, flags=re.M))
    assert listed == parts


def test_each_path_that_the_map_of_the_code_names_is_there() -> None:
    named = set(re.findall(r"`([\w./-]+(?:\.py|\.md|\.yaml|/))`", page("docs/map.md")))
    assert len(named) > 40
    roots = (REPOSITORY, PACKAGE)
    assert not [path for path in sorted(named) if not any((r / path).exists() for r in roots)]


def test_the_installing_page_lists_the_packages_that_are_installed() -> None:
    from napari_vitface import system_libraries

    text = page("docs/installing.md")
    packages = set(system_libraries.LIBRARIES.values())
    packages |= set(system_libraries.VIRTUAL_DISPLAY_LIBRARIES.values()) | {"xvfb"}
    assert not [package for package in sorted(packages) if package not in text]
