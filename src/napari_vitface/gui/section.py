"""The dock's building blocks: a numbered section that folds, a line of explanation, a note."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import (
    QClipboard,
    QContextMenuEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QResizeEvent,
)
from qtpy.QtWidgets import (
    QApplication,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QMenu,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_vitface.errors import escaped
from napari_vitface.gui.error_report import can_be_reported, copy_report
from napari_vitface.gui.style import parted, unparted
from napari_vitface.plugins import Registry

if TYPE_CHECKING:
    from napari_vitface.gui.session import Session


def set_role(widget: QWidget, role: str) -> QWidget:
    """Give a widget one of the looks of `style.style_sheet`."""
    widget.setProperty("role", role)
    return widget


def set_look(button: QWidget, role: str) -> None:
    """Make a button the one to press next ("primary"), or one of many ("")."""
    set_property(button, "role", role)


def set_property(widget: QWidget, name: str, value: str) -> None:
    """Set a property that the style sheet looks at, and repaint if it changed."""
    if widget.property(name) != value:
        widget.setProperty(name, value)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def tipped_button(text: str, tip: str) -> QPushButton:
    """A button with a tip, as wide as there is room."""
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return button


def row_of(*widgets: QWidget) -> QWidget:
    """Widgets of equal width beside each other."""
    row, line = QWidget(), beside(*widgets)
    line.setContentsMargins(0, 0, 0, 0)
    row.setLayout(line)
    return row


def beside(*widgets: QWidget, wide: tuple[QWidget, ...] = (), spacing: int = 5) -> QHBoxLayout:
    """Widgets beside each other; those in `wide` take the room, all alike if there are none."""
    line = QHBoxLayout()
    line.setSpacing(spacing)
    for widget in widgets:
        line.addWidget(widget, int(widget in wide or not wide))
    return line


def stack(
    widget: QWidget,
    *parts: QWidget | QLayout,
    spacing: int = 5,
    margins: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> QVBoxLayout:
    """Put parts below each other in a widget; gives their layout."""
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(*margins)
    layout.setSpacing(spacing)
    _fill(layout, parts)
    return layout


def _fill(layout: QVBoxLayout, parts: Iterable[QWidget | QLayout]) -> None:
    for part in parts:
        if isinstance(part, QLayout):
            layout.addLayout(part)
        else:
            layout.addWidget(part)


def labelled_rows(*rows: tuple[str, Any]) -> tuple[QGridLayout, list[QLabel]]:
    """Labelled fields below each other, and the labels."""
    grid = QGridLayout()
    grid.setHorizontalSpacing(8)
    grid.setVerticalSpacing(5)
    grid.setColumnStretch(1, 1)
    labels = [QLabel(text) for text, _ in rows]
    for row, (_, field) in enumerate(rows):
        grid.addWidget(labels[row], row, 0)
        if isinstance(field, QWidget):
            field.setSizePolicy(QSizePolicy.Policy.Ignored, field.sizePolicy().verticalPolicy())
            grid.addWidget(field, row, 1)
        else:
            grid.addLayout(field, row, 1)
    return grid, labels


class WrappedLabel(QLabel):
    """Text over as many lines as it needs, never cut off; hidden while it is empty."""

    def __init__(self, text: str = "", role: str = "hint") -> None:
        super().__init__()
        set_role(self, role)
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self._said = ""
        self.setText(text)

    def text(self) -> str:
        """What was said, with plain spaces."""
        return self._said

    def setText(self, text: str) -> None:
        text = "\n".join(escaped(line) for line in text.split("\n"))
        if text != self._said:
            self._said = text
            super().setText(unparted(text))
        if text and self.parent() is None:
            # On its own it would be a window; it is shown with the parent that it gets.
            self.setAttribute(Qt.WidgetAttribute.WA_WState_ExplicitShowHide, False)
        else:
            self.setVisible(bool(text))


class Note(QFrame):
    """A coloured box with one sentence: an error, a warning or a piece of information.

    One that tells of an unexpected error has a button that copies a report of it.
    """

    def __init__(self) -> None:
        super().__init__()
        set_role(self, "note")
        self._words = _SelectableLabel()
        self.report_button = QPushButton("Report…")
        self.report_button.setToolTip(
            "Copies a text for the developers to the clipboard: versions and where it went wrong. "
            "Nothing is sent."
        )
        self.report_button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.report_button.clicked.connect(lambda: self._report())
        self.reported = _SelectableLabel()
        layout = stack(self, self._words, margins=(9, 5, 6, 5))
        # Where the words begin in napari's labels.
        line = QHBoxLayout()
        line.setContentsMargins(5, 0, 0, 0)
        line.addWidget(self.report_button)
        line.addStretch(1)
        layout.addLayout(line)
        layout.addWidget(self.reported)
        self.say("")

    def text(self) -> str:
        """What was said last."""
        return self._words.text()

    def say(self, text: str, level: str = "warning") -> None:
        """Show a sentence; the empty one hides the box."""
        set_property(self, "level", level)
        if text != self._words.text():
            self.reported.setText("")
        self._words.setText(text)
        self.report_button.setVisible(can_be_reported(text))
        self.setVisible(bool(text))

    def _report(self) -> None:
        self.reported.setText(copy_report(self.text()))


class _SelectableLabel(WrappedLabel):
    """Text that is copied as it was said, for a path with other spaces names no file."""

    def __init__(self) -> None:
        super().__init__("", "value")
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)

    def copy(self, mode: QClipboard.Mode = QClipboard.Mode.Clipboard) -> None:
        """Put what is selected on the clipboard."""
        if self.hasSelectedText():
            QApplication.clipboard().setText(parted(self.selectedText()), mode)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        else:
            super().keyPressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        super().mouseReleaseEvent(event)
        # On Linux what is selected can be pasted with the middle button.
        if QApplication.clipboard().supportsSelection():
            self.copy(QClipboard.Mode.Selection)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        menu = QMenu(self)
        menu.addAction("Copy", lambda: self.copy()).setEnabled(self.hasSelectedText())
        menu.exec(event.globalPos())


#: Pixels beside the words of a fold's line.
_FOLD_MARGIN = 2


class Fold(QWidget):
    """A line that opens and closes what is below it."""

    def __init__(self, title: str, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = title
        self._summary = ""
        self.content = content
        self.button = QPushButton()
        self.button.setCheckable(True)
        self.button.setCursor(Qt.CursorShape.PointingHandCursor)
        set_role(self.button, "fold")
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.button.setSizePolicy(policy)
        stack(self, self.button, content, spacing=4)
        content.setVisible(False)
        self.button.toggled.connect(self._toggle)
        self._toggle(False)

    def set_summary(self, summary: str) -> None:
        """What the folded part holds, in a few words."""
        self._summary = summary
        self._toggle(self.button.isChecked())

    def _toggle(self, is_open: bool) -> None:
        self._fit()
        self.content.setVisible(is_open)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Write the line with as many parts of the summary as there is room for."""
        is_open = self.button.isChecked()
        line = f"{'▾' if is_open else '▸'}  {self._title}"
        parts = self._summary.split(", ") if self._summary and not is_open else []
        texts = [f"{line}: {', '.join(parts[:n])}" for n in range(len(parts), 0, -1)] + [line]
        room = self.button.contentsRect().width() - 2 * _FOLD_MARGIN
        width = self.button.fontMetrics().horizontalAdvance
        text = next((text for text in texts if width(text) <= room), line)
        if not self.isVisible():
            text = texts[0]
        self.button.setText(text)
        self.button.setToolTip("" if text == texts[0] else f"{self._title}: {self._summary}")


class _Header(QPushButton):
    """A button that is as large as the layout on it."""

    def sizeHint(self) -> QSize:
        layout = self.layout()
        return layout.sizeHint() if layout is not None else super().sizeHint()

    def minimumSizeHint(self) -> QSize:
        return QSize(60, self.sizeHint().height())


class Section(QFrame):
    """A numbered part of the dock: header with status, one line on what to do, content.

    Parameters
    ----------
    number : int
        Its place in the order of work.
    title : str
    """

    def __init__(self, number: int, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.header = _Header()
        self.header.setCheckable(True)
        self.header.setChecked(True)
        self.header.setCursor(Qt.CursorShape.PointingHandCursor)
        self.header.setAccessibleName(title)
        set_role(self.header, "header")
        self._badge = QLabel(str(number))
        self._badge.setAlignment(Qt.AlignmentFlag.AlignCenter)
        set_role(self._badge, "badge")
        self._title = QLabel(title)
        set_role(self._title, "title")
        self._status = QElidingLabel("")
        set_role(self._status, "hint")
        self._status.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._arrow = QLabel("▾")
        set_role(self._arrow, "hint")
        line = QHBoxLayout(self.header)
        line.setContentsMargins(7, 5, 8, 5)
        line.setSpacing(8)
        line.addWidget(self._badge)
        line.addWidget(self._title)
        line.addWidget(self._status, 1)
        line.addWidget(self._arrow)
        for part in (self._badge, self._title, self._status, self._arrow):
            part.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

        self._body = QWidget()
        self.content = QVBoxLayout(self._body)
        self.content.setContentsMargins(8, 4, 8, 8)
        self.content.setSpacing(7)
        self.hint = WrappedLabel()
        self.content.addWidget(self.hint)

        stack(self, self.header, self._body, spacing=3)
        self.header.toggled.connect(self._toggle)

    def add(self, *parts: QWidget | QLayout) -> None:
        """Put parts below what is there."""
        _fill(self.content, parts)

    @property
    def status(self) -> str:
        """A few words at the right of the header, to be seen when folded too."""
        return str(self._status.text())

    @status.setter
    def status(self, text: str) -> None:
        if text != self._status.text():
            self._status.setText(text)
            self._status.setToolTip(text)

    def set_waiting(self, waits: bool) -> None:
        """Whether the section cannot be used yet: its number loses its colour."""
        set_property(self._badge, "waits", "true" if waits else "false")

    def set_open(self, is_open: bool) -> None:
        """Unfold or fold the section."""
        self.header.setChecked(is_open)

    def _toggle(self, is_open: bool) -> None:
        self._body.setVisible(is_open)
        self._arrow.setText("▾" if is_open else "▸")


class SectionKind(NamedTuple):
    """A section of another package.

    Attributes
    ----------
    name : str
        What `ViTFaceDock.sections` calls it.
    make : callable
        (session, number) -> the section, made once for a dock. The session is a
        `napari_vitface.gui.workbench.Workbench`.
    """

    name: str
    make: Callable[[Session, int], Section]


#: Other packages add theirs as entry points of this group, each a `SectionKind`; they stand below
#: ours.
ADDED: Registry[SectionKind] = Registry(SectionKind, (), group="napari_vitface.sections")
