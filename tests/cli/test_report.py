"""What reaches the terminal: sentences and names, and nothing that a file wants to write there."""

from __future__ import annotations

import argparse
import json

import pytest

from napari_vitface.cli.attention import data_table
from napari_vitface.cli.predict import handle as predict
from napari_vitface.cli.report import Reporter
from napari_vitface.errors import VideoError
from napari_vitface.jobs.events import Finished, Notice, Preparing, Progress, Settings, Started
from napari_vitface.jobs.results.attention import KeypointAttention
from napari_vitface.jobs.results.prediction import PredictResult

#: Clears the screen, begins another line, turns the direction of writing.
NASTY = "a\x1b[2Jb\nc\u202ed"
SHOWN = r"a\x1b[2Jb\nc\u202ed"


def test_names_of_files_are_shown_escaped(capsys):
    reporter = Reporter()
    reporter.result(f"{NASTY}.h5", "and another")
    events = [Started("predict", 1), Notice(NASTY), Progress(1, 1, message=NASTY), Finished("x")]
    reporter.run((event for event in events), title=f"{NASTY}.mp4")
    reporter.failed("predict", VideoError(f"{NASTY} holds no video."), debug=True)
    out, errors = capsys.readouterr()
    assert out == f"{SHOWN}.h5\nand another\n"
    assert f"{SHOWN}.mp4:" in errors
    assert f"napari-vitface: {SHOWN} holds no video." in errors
    assert not set("\x1b\u202e") & set(errors)


def test_a_keypoint_with_control_characters_keeps_the_columns(capsys):
    keypoints = [
        KeypointAttention(
            name=name, tracked=3, looks_near=3, looks_elsewhere=3, looks_even=3, near=0.5,
            near_even=0.5, entropy=0.5, prefix=None, flagged=False, elsewhere_frames="",
        )
        for name in (NASTY, "nose")
    ]  # fmt: skip
    Reporter().result(*data_table(keypoints))
    _, first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(SHOWN + "  ")
    assert len(first) == len(second)


def test_a_stage_that_counts_something_else_has_another_unit_and_a_phrase_is_said_once(capsys):
    judging = [Progress(done, 465, message="Judging") for done in (0, 464, 465)]
    told = [Preparing(f"Told by, {k} of 2") for k in (1, 1, 1, 2, 2)]
    events = [
        Started("train_states", 200, settings=Settings(unit="trials")),
        *(Progress(done, 200, message="Computing") for done in (0, 200)),
        *judging, *told, Finished("train_states"),
    ]  # fmt: skip
    Reporter().run((event for event in events), title="trials.csv")
    lines = capsys.readouterr().err.replace("\r", "\n").splitlines()
    assert any(line.startswith("Computing") and "trials/s" in line for line in lines)
    judged = [line for line in lines if line.startswith("Judging")]
    assert "465/465" in judged[-1]
    assert not any("trials" in line for line in judged)
    assert [line for line in lines if "Told" in line] == ["Told by, 1 of 2 …", "Told by, 2 of 2 …"]


@pytest.mark.parametrize("debug", [False, True])
def test_an_unexpected_error_says_where_to_report_it(capsys, debug):
    with pytest.raises(KeyError) as fault:
        {}["eye"]
    Reporter(json_lines=True).failed("predict", fault.value, debug=debug)
    out, errors = capsys.readouterr()
    assert "napari-vitface: Unexpected error in predict: KeyError: 'eye'.\n" in errors
    assert "Please report it" in errors
    assert ("Traceback" in errors) is debug
    event = json.loads(out)
    assert (event["error"], event["unexpected"], event["detail"]) == ("KeyError", True, "")
    Reporter().failed("predict", VideoError("No video."))
    assert "report it" not in capsys.readouterr().err


def test_a_fault_with_one_video_does_not_stop_the_others(monkeypatch, tmp_path, capsys):
    def job(path, *_, **__):
        if path.name == "a.mp4":
            raise RuntimeError("odd")
        yield Finished(
            "predict",
            PredictResult(
                video=str(path), model="tiny", h5=f"{path}.h5", csv="", overlay=None, frames=1,
                broken=(), low_confidence=None, crop=(0, 0, 8, 8), white=None, face=None,
                seconds=1.0, frames_per_second=1.0, device="cpu", precision="fp32", batch_size=1,
            ),
        )  # fmt: skip

    monkeypatch.setattr("napari_vitface.jobs.predict.predict", job)
    names = ("output_dir", "device", "precision", "batch_size", "crop", "frames", "overlay",
             "overwrite", "white", "model", "debug", "cluster")  # fmt: skip
    arguments = argparse.Namespace(
        videos=[tmp_path / "a.mp4", tmp_path / "b.mp4"], **dict.fromkeys(names)
    )
    assert predict(arguments, Reporter()) == 1
    out, errors = capsys.readouterr()
    assert "b.mp4.h5" in out
    assert "RuntimeError: odd." in errors


@pytest.mark.parametrize("job", ["predict", "train"])
def test_a_cancelled_job_is_said_to_be_kept_only_where_it_is(tmp_path, capsys, job):
    kept_in = tmp_path / "out" / "mouse.part"
    kept_in.parent.mkdir()
    kept_in.touch()
    reporter = Reporter()
    reporter.cancelled(job)
    assert capsys.readouterr().err == "napari-vitface: cancelled.\n"
    events = [Started(job, 1, settings=Settings(kept_in=str(kept_in))), Finished(job)]
    reporter.run(event for event in events)
    reporter.cancelled(job)
    assert "kept" in (said := capsys.readouterr().err)
    assert "goes on from there" in said
    kept_in.unlink()
    reporter.cancelled(job)
    assert "Nothing is kept: mouse.part is not in" in capsys.readouterr().err
    kept_in.parent.rename(tmp_path / "renamed")
    reporter.cancelled(job)
    said = capsys.readouterr().err
    assert said.endswith(f"the folder {kept_in.parent} was moved, renamed or deleted.\n")
    assert "goes on" not in said
