"""`suggest` and `audit` on a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_vitface.cli.audit import audit_table
from napari_vitface.cli.suggest import suggestions_table
from napari_vitface.jobs.events import Doubt
from napari_vitface.jobs.results.labelling import AuditResult, SuggestResult


def test_suggest_prints_frames_with_reasons(
    vitface: Callable[..., Any], video: Path, tiny_model: Path
) -> None:
    run = vitface("suggest", video, "--model", tiny_model, "--count", 4)
    assert run.returncode == 0, run.stderr
    head, *rows = run.stdout.splitlines()
    assert head.split() == ["frame", "score", "why"]
    assert len(rows) == 4
    assert all(row.split()[0].isdigit() and len(row.split()) > 3 for row in rows)
    again = vitface("suggest", video, "--model", tiny_model, "--count", 4, "--json")
    *events, last = map(json.loads, again.stdout.splitlines())
    assert [event["frame"] for event in events if event["event"] == "FrameSuggested"] == [
        int(row.split()[0]) for row in rows
    ]
    assert [str(frame["frame"]) for frame in last["result"]["frames"]] == [
        row.split()[0] for row in rows
    ]


def test_what_is_wrong_is_one_sentence(
    vitface: Callable[..., Any], video: Path, tmp_path: Path
) -> None:
    run = vitface("audit", tmp_path)
    assert run.returncode == 1
    assert "holds no labels" in run.stderr
    assert vitface("suggest", video, "--count", 0).returncode == 2
    run = vitface("suggest", video, "--predictions", tmp_path / "none.h5")
    assert run.returncode == 1
    assert "Traceback" not in run.stderr


def test_an_audit_is_a_table_with_the_fix_in_words() -> None:
    finding = Doubt(
        video="mouse", frame=68, image="labeled-data/mouse/img0068.png", kind="shifted",
        keypoints=("whisker 3", "mouth"), score=7.0,
        why="whisker 3 and mouth are shifted by one: each lies on the next keypoint",
        moves=(("whisker 3", None), ("mouth", "whisker 3")),
    )  # fmt: skip
    far = replace(finding, image="", score=1.2, why="lip is far", moves=())
    result = AuditResult(
        findings=(finding, far), labels=240, frames=20, median_error=6.25, folds=4,
        start="drawn faces", usual={},
    )  # fmt: skip
    table = audit_table(result)
    assert table[1].startswith("mouse/img0068.png    7.0  whisker 3 and mouth are shifted by one")
    assert table[1].endswith("[fix: whisker 3 loses its label, mouth takes the label of whisker 3]")
    assert table[2].split()[:3] == ["frame", "68", "1.2"]
    assert table[-2] == (
        "240 labels in 20 images: 1 probably wrong (score from 2), 1 worth a look."
    )
    clean = audit_table(replace(result, findings=()))
    assert clean[0] == "240 labels in 20 images: no label looks wrong."
    assert "6.2 pixels away in the median" in clean[1]


def test_nothing_to_suggest_is_said() -> None:
    nothing = SuggestResult(
        video="mouse.mp4", model="tiny", predictions=None, every=1, device="cpu",
        precision="fp32", labelled=(), frames=(),
    )  # fmt: skip
    assert suggestions_table(nothing) == ["No frame is worth labelling."]
