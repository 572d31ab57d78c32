"""The keys, as the window shows them: made of the one table in `keys.py`."""

from __future__ import annotations

from html import escape

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy

from napari_vitface.gui.correct.keys import lines
from napari_vitface.gui.section import set_role


class KeyTable(QLabel):
    """Keys and what they do, by what they are for."""

    def __init__(self) -> None:
        super().__init__(key_table())
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setWordWrap(True)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        set_role(self, "value")


def key_table() -> str:
    """The table as HTML."""
    rows = []
    for group, keys in lines().items():
        rows.append(f"<tr><td colspan=2 style='padding-top: 6px'><b>{escape(group)}</b></td></tr>")
        for names, words in keys:
            # One key a line, as this column is narrow.
            names = escape(names).replace(" or ", "<br>").replace("+arrows", "+<br>arrows")
            rows.append(f"<tr><td width=110>{names}</td><td>{escape(words)}</td></tr>")
    return f"<table>{''.join(rows)}</table>"
