"""Check the labels: a button that audits them, and the findings with their fixes."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QPushButton, QSizePolicy, QWidget

from napari_vitface.gui.numbers import counted, digits
from napari_vitface.gui.run_progress import RunProgress, say_end
from napari_vitface.gui.section import Note, WrappedLabel, set_look, stack
from napari_vitface.gui.which_frames.audits import CHANGED, FIXED, OPEN
from napari_vitface.gui.which_frames.frame_rows import FrameRow, FrameRows
from napari_vitface.gui.workbench import Workbench
from napari_vitface.jobs.auditing.findings import PROBABLY
from napari_vitface.jobs.auditing.judged_labels import FEWEST_FRAMES
from napari_vitface.jobs.events import LabelDoubted

_WHAT_IT_DOES = (
    "Trains small models on parts of the labels and compares every label with one that never saw "
    "it. That takes minutes; you can go on labelling."
)


class AuditPanel(QWidget):
    """For the Correct section."""

    def __init__(self, session: Workbench) -> None:
        super().__init__()
        self._session = session
        self.audits = audits = session.audits
        self._shown: list[LabelDoubted] = []
        self._buttons: list[list[QPushButton]] = []
        self.hint = WrappedLabel()
        self.button = QPushButton("Check labels")
        self.button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.button.clicked.connect(lambda: audits.start())
        self.progress = RunProgress(
            audits, "", "Stop; nothing is kept of a check that is not finished"
        )
        self.notes = Note()
        self.summary = WrappedLabel("", "value")
        self.rows = FrameRows()
        told = self.progress, self.notes, self.summary, self.rows
        stack(self, self.hint, self.button, *told, spacing=6)
        labelling = session.labelling
        audits.changed.connect(self.refresh)
        audits.found.connect(self.refresh)
        session.video_changed.connect(self.refresh)
        session.frame_changed.connect(self._mark_rows)
        session.prediction.changed.connect(self._refresh_progress)
        labelling.document_changed.connect(self.refresh)
        labelling.changed.connect(self._on_label)
        self.refresh()

    def refresh(self, *_: Any) -> None:
        """Bring everything up to date with the session."""
        audits, opened = self.audits, self._session.current
        self._refresh_button()
        self.button.setVisible(not audits.active)
        self._refresh_progress()
        last = audits.last_of(opened)
        say_end(self.notes, last)
        findings = audits.findings
        set_look(self.button, "" if findings or last.status == "done" else "primary")
        # Events are compared by what they are, not by their arrays.
        if [id(finding) for finding in findings] != [id(finding) for finding in self._shown]:
            self._shown = findings
            self._buttons = []
            self.rows.set_rows([self._row(finding) for finding in findings])
        self._mark_rows()

    def _refresh_button(self) -> None:
        frames = len(self._session.labelling.labels)
        enough = frames >= FEWEST_FRAMES
        self.button.setEnabled(enough)
        self.button.setText(
            f"Check {counted(frames, 'labelled frame')}" if enough else "Check labels"
        )
        more = (
            ""
            if enough
            else (
                f"Waits for {FEWEST_FRAMES} labelled frames, to compare them with each other; "
                f"there {'is' if frames == 1 else 'are'} {frames}."
            )
        )
        self.hint.setText(self._session.made.waiting or more or _WHAT_IT_DOES)

    def _refresh_progress(self) -> None:
        waiting = "Waits for the prediction to end" if self._session.prediction.active else ""
        self.progress.show_run(
            self.audits.last, waiting=waiting, stopping="Stopping after the step in progress …"
        )

    def _row(self, finding: LabelDoubted) -> FrameRow:
        why = finding.why[:1].upper() + finding.why[1:] + "."
        row = FrameRow(f"Frame {digits(finding.frame)}", why)
        row.clicked.connect(lambda: self._go_to(finding))
        buttons = []
        if finding.moves:
            buttons += [row.add_button("Fix", _fix_words(finding), lambda: self._fix(finding))]
        buttons += [row.add_button(
            "Is right", "The labels are as they should be; take this off the list",
            lambda: self.audits.keep(finding),
        )]  # fmt: skip
        self._buttons.append(buttons)
        return row

    def _go_to(self, finding: LabelDoubted) -> None:
        names = self._session.made.labels.keypoints.names
        self._session.go_to(finding.frame)
        known = [names.index(name) for name in finding.keypoints if name in names]
        self._session.labelling.selection.select(known)

    def _fix(self, finding: LabelDoubted) -> None:
        self._go_to(finding)
        self.audits.fix(finding)

    def _on_label(self, frame: int) -> None:
        self._refresh_button()
        if any(finding.frame == frame for finding in self._shown):
            self._mark_rows()

    def _mark_rows(self, *_: Any) -> None:
        session, audits = self._session, self.audits
        states = [audits.state(finding) for finding in self._shown]
        for finding, state, row, buttons in zip(
            self._shown, states, self.rows.rows, self._buttons, strict=True
        ):
            words = "probably wrong" if finding.score >= PROBABLY else "worth a look"
            row.note.setText({OPEN: words, FIXED: "✓ fixed", CHANGED: "✓ changed since"}[state])
            for button in buttons:
                button.setVisible(state == OPEN)
            row.set_current(finding.frame == session.frame)
        done = audits.last_of(session.current).status == "done"
        self.summary.setText(_summary(self._shown, states) if self._shown or done else "")


def _summary(findings: list[LabelDoubted], states: list[str]) -> str:
    """How many findings there are of each kind, and how many are settled."""
    left = [f.score >= PROBABLY for f, state in zip(findings, states, strict=True) if state == OPEN]
    if not findings:
        return "No label looks wrong."
    settled = len(findings) - len(left)
    text = f"{sum(left)} probably wrong, {len(left) - sum(left)} worth a look"
    return f"{text}, {settled} settled." if settled else f"{text}."


def _fix_words(finding: LabelDoubted) -> str:
    lines = [
        f"{name} takes the label of {source}" if source else f"{name} loses its label"
        for name, source in finding.moves
    ]
    return "\n".join([*lines, "One step of undo takes it back."])
