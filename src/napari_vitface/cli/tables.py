"""Text tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from napari_vitface.errors import escaped


def aligned(rows: Sequence[Sequence[str]], left: Sequence[int] = ()) -> list[str]:
    """Rows as lines; the first column and those of `left` begin at one place, others end at one."""
    # Here already, so that the columns stay below each other.
    rows = [[escaped(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 or i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
