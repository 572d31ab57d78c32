"""Trials beside prototypes of other animals: a drawn blink, and real trials."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_vitface.cli import main
from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Finished
from napari_vitface.jobs.results.responses import ResponsesResult, ResponseSummary
from napari_vitface.jobs.states.responses import responses
from napari_vitface.settings.features import choose
from napari_vitface.states.features.compute import features_of
from napari_vitface.states.features.crop import FixedCrop
from napari_vitface.states.features.extractor import Material
from napari_vitface.video import open_video


def result_of(*arguments: object, **options: object) -> ResponsesResult:
    *_, last = responses(*arguments, **options)  # type: ignore[arg-type]
    assert isinstance(last, Finished)
    assert isinstance(last.result, ResponsesResult)
    return last.result


def summary(result: ResponsesResult, state: str, prototype: str) -> ResponseSummary:
    return next(
        each for each in result.summaries if (each.state, each.prototype) == (state, prototype)
    )


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two animals, two states, three trials each: bars come in from frame 14, upright or level."""
    rng = np.random.default_rng(0)
    rows = ["video,animal,state"]
    for animal in ("A", "B"):
        face = rng.integers(60, 120, (32, 32))
        for state in ("left", "down"):
            for trial in range(3):
                folder = tmp_path / f"{animal}_{state}_{trial}"
                folder.mkdir()
                for frame in range(24):
                    image = face + rng.normal(0, 4, face.shape)
                    if frame >= 14:
                        image[:, ::8] += 0 if state == "down" else 90
                        image[::8] += 90 if state == "down" else 0
                    grey = np.clip(image, 0, 255).astype(np.uint8)
                    Image.fromarray(grey).save(folder / f"img{frame:02d}.png")
                rows.append(f"{folder.name},{animal},{state}")
    path = tmp_path / "trials.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_trials_become_like_the_prototype_of_their_state_in_another_animal(table: Path) -> None:
    result = result_of(table, "state", window=(12, 24))
    assert (result.unit, result.groups, result.states) == ("animal", 2, ("down", "left"))
    for state, other in (("left", "down"), ("down", "left")):
        own, wrong = summary(result, state, state), summary(result, state, other)
        assert own.trials == 6
        assert own.size > 0.12
        assert own.size > wrong.size + 0.12
        assert own.low <= own.size <= own.high
        # The bars come two frames after the window begins; images have no times.
        assert own.latency == 2
        assert own.responding == 1


def test_prototypes_of_what_is_least_neutral_are_of_features_as_they_are(table: Path) -> None:
    result = result_of(table, "state", window=(12, 24), rule="least-neutral")
    assert result.rule == "least-neutral"
    for written in (result.table, result.curves):
        with Path(written).open() as file:
            assert {row["rule"] for row in csv.DictReader(file)} == {"least-neutral"}
    for state in ("left", "down"):
        assert summary(result, state, state).responding == 1
    hog = {}
    for folder in table.parent.glob("[AB]_*"):
        with open_video(folder) as video:
            _, hog[folder.name], _ = features_of(
                choose("hog", {}), Material(video, FixedCrop.of(video))
            )
    of_b = [values for name, values in hog.items() if name.startswith("B")]
    neutral = np.concatenate([values[:12] for values in of_b]).mean(axis=0)
    left = np.concatenate([hog[f"B_left_{trial}"][12:] for trial in range(3)])
    like = np.array([np.corrcoef(values, neutral)[0, 1] for values in left])
    prototype = left[np.argsort(like)[:10]].mean(axis=0)
    with Path(result.similarity).open() as file:
        found = [row["left"] for row in csv.DictReader(file) if row["video"] == "A_left_0"]
    expected = [np.corrcoef(values, prototype)[0, 1] for values in hog["A_left_0"]]
    np.testing.assert_allclose(np.array(found, float), expected, atol=1e-4)


def test_the_files_hold_every_trial_and_the_mean_curves(table: Path) -> None:
    result = result_of(table, "state", window=(12, 24), classes=("left", "down"))
    with Path(result.table).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert Path(result.table).name == "trials_state_responses.csv"
    assert len(rows) == 12 * 2
    mine = [row for row in rows if row["state"] == row["prototype"] == "left"]
    assert {row["animal"] for row in mine} == {"A", "B"}
    sizes = np.mean([float(row["size"]) for row in mine])
    assert sizes == pytest.approx(summary(result, "left", "left").size, abs=1e-3)
    with Path(result.curves).open(newline="") as file:
        curve = [row for row in csv.DictReader(file) if row["state"] == row["prototype"] == "left"]
    assert [float(row["time"]) for row in curve] == list(range(-12, 12))
    before = np.mean([float(row["mean"]) for row in curve[:14]])
    after = np.mean([float(row["mean"]) for row in curve[14:]])
    assert after > before + 0.15
    with Image.open(result.picture) as picture:
        assert picture.width > picture.height
    with pytest.raises(VitFaceError, match=r"trials_state_responses\.csv is in"):
        result_of(table, "state", window=(12, 24))


def test_there_is_no_such_rule_or_share(table: Path) -> None:
    # Before anything is computed.
    with pytest.raises(VitFaceError, match="the rule typical or least-neutral, not 'Typical'"):
        next(responses(table, "state", window=(12, 24), rule="Typical"))  # type: ignore[arg-type]
    with pytest.raises(VitFaceError, match=r"above 0 and up to 1, not 0\.0"):
        next(responses(table, "state", window=(12, 24), share=0.0))


def test_the_command_says_the_rule(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["states", "responses", str(table), "--label", "state", "--window", "12:24"]
    assert main([*command, "--rule", "least-neutral"]) == 0
    assert "of the others of 2 animals alone, by the rule least-neutral." in capsys.readouterr().out


def test_what_cannot_be_aligned_is_refused(table: Path) -> None:
    with pytest.raises(VitFaceError, match="give one"):
        result_of(table, "state")
    with pytest.raises(VitFaceError, match="Nothing is before the window"):
        result_of(table, "state", window=(0, 12))
    with pytest.raises(VitFaceError, match="does not lie within"):
        result_of(table, "state", window=(12, 40))


def test_shocks_are_told_by_the_prototype_of_other_mice(real_data: Path, tmp_path: Path) -> None:
    rows = ["clip,animal,microampere"]
    for animal in ("ECO_3_000_M", "ECO_4_RR0_F", "ECO_4_RRR_F"):
        for level in ("000", "500"):
            for repetition in range(3):
                clip = real_data / "der" / f"{animal}_{level}uA_{repetition}.mp4"
                rows.append(f"{clip},{animal},{int(level)}")
    table = tmp_path / "trials.csv"
    table.write_text("\n".join(rows) + "\n")
    result = result_of(table, "microampere", window=(40, 80), crop=(8, 6, 92, 76))
    shocked, quiet = summary(result, "500", "500"), summary(result, "0", "500")
    assert shocked.size > quiet.size + 0.02
    assert shocked.latency < 0.5
