"""The table of formats in the documentation is what the registry says."""

from __future__ import annotations

from pathlib import Path

from napari_vitface.formats.format import FORMATS, Format
from napari_vitface.formats.predictions import PARTS

PAGE = Path(__file__).parents[2] / "docs" / "files.md"


def row(one: Format) -> str:
    endings = " ".join(f"`{ending}`" if ending else "folders" for ending in one.suffixes)
    kept = [part for part in PARTS if part in one.holds]
    cells = [f"`{one.name}`", endings, ", ".join(one.reads), ", ".join(one.writes), ", ".join(kept)]
    return f"| {' | '.join(cells)} |"


def table() -> str:
    head = ["| format | endings | opens | writes | keeps |", "|---|---|---|---|---|"]
    return "\n".join([*head, *map(row, FORMATS.values())])


def test_the_page_has_the_table_of_the_registry() -> None:
    assert table() in PAGE.read_text(), f"put this into docs/files.md:\n{table()}"
