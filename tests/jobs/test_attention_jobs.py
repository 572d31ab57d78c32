"""Attention over ranges of frames: maps, their mean, numbers, faithfulness, and their files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vitface.engine.wire import encode_message, read_message
from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import (
    AttentionComputed,
    AttentionMeasured,
    Event,
    FaithfulnessMeasured,
    Finished,
    Notice,
    Preparing,
    Progress,
    Started,
)
from napari_vitface.jobs.explaining.attention_table import COLUMNS, attention_data
from napari_vitface.jobs.explaining.explain import explain
from napari_vitface.jobs.explaining.faithfulness import faithfulness
from napari_vitface.jobs.explaining.frame_maps import explain_frames
from napari_vitface.jobs.resources import Resources
from napari_vitface.record import plain_data
from napari_vitface.video import open_video


@pytest.fixture
def common(tiny_model: Path, resources: Resources) -> dict[str, Any]:
    return {"model": tiny_model, "precision": "fp32", "resources": resources}


def of_kind(events: list[Event], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


# One frame --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sure_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with peaks, which have gradients."""
    import torch

    from napari_vitface.model.checkpoint import load_network, save_checkpoint

    network, preprocessing, _ = load_network(tiny_model)
    with torch.no_grad():
        network.head.logits.weight.mul_(1000)
    path = tmp_path_factory.mktemp("models") / "sure.safetensors"
    save_checkpoint(path, network, preprocessing, training={"licence": "none"})
    return path


@pytest.mark.parametrize("method", ["gradient-rollout", "relevance"])
def test_gradients_are_told_in_steps_and_come_out_as_maps(video, common, sure_model, method):
    common["model"] = sure_model
    events = list(explain(video, 3, method=method, keypoint=["eye", "global"], **common))
    told = [type(event) for event in events if not isinstance(event, Preparing)]
    assert told == [Progress, Progress, AttentionComputed, Finished]
    computed = events[-2]
    assert computed.names == ("eye", "global")
    total = computed.maps.sum(axis=(1, 2)) + computed.prefix_share
    np.testing.assert_allclose(total, 1, atol=1e-5)
    assert (computed.total > 1).all() == (method == "relevance")
    assert computed.settings["depth"] == 2


def test_a_slow_method_shows_how_far_it_is_and_can_be_left(video, common):
    job = explain(video, 3, method="occlusion", square=1, **common)
    started = next(event for event in job if isinstance(event, Started))
    assert started.total == 20
    progress = next(job)
    assert 0 < progress.done < 20
    job.close()
    events = list(explain(video, 3, method="occlusion", square=1, **common))
    assert of_kind(events, Progress)[-1].done == 20
    computed = of_kind(events, AttentionComputed)[0]
    assert computed.maps.shape == (4, 4, 5)
    assert computed.settings["unit"] == "pixels moved"
    # Distances are video pixels: 128 of them across, and the input is 80 wide.
    view_scale = 128 / 80
    assert computed.maps.max() < np.hypot(128, 96) + 16 * view_scale


def test_a_story_has_one_event_a_layer_and_a_point_its_own_map(video, common):
    *maps, finished = explain(
        video, 3, story=True, keypoint=(), points=[(64.5, 40), (10, 90)], **common
    )
    assert [each.settings["layers"] for each in maps] == [[0, 1], [0, 2]]
    assert maps[0].names == ("(64.5, 40)", "(10, 90)")
    # After one layer at least half is where it began.
    scale, translate = np.array(maps[0].scale), np.array(maps[0].translate)
    for m, (x, y) in enumerate([(64.5, 40), (10, 90)]):
        place = np.unravel_index(maps[0].maps[m].argmax(), (4, 5))
        assert (np.abs(place * scale + translate - (y, x)) <= scale / 2 + 1e-6).all()
    assert finished.result.names == maps[0].names


def test_a_story_is_written_as_data_picture_and_video(video, common, tmp_path):
    for kind in ("npz", "png", "mp4"):
        file = tmp_path / f"story.{kind}"
        events = list(explain(video, 3, story=True, keypoint="eye", output=file, **common))
        assert events[-1].result.output == str(file)
    with np.load(tmp_path / "story.npz", allow_pickle=False) as stored:
        assert stored["maps"].shape == (2, 1, 4, 5)
        assert stored["layers"].tolist() == [[0, 1], [0, 2]]
        assert stored["total"].tolist() == [[1], [1]]
    with open_video(tmp_path / "story.mp4") as written:
        assert len(written) == 2
        assert written.frame_rate == 2


def test_files_that_cannot_hold_it_are_refused_before_any_work(video, common, tmp_path):
    with pytest.raises(VitFaceError, match=r"a\.mp4 cannot hold this"):
        next(explain(video, 3, output=tmp_path / "a.mp4", **common))
    with pytest.raises(VitFaceError, match="no such folder"):
        next(explain(video, 3, output=tmp_path / "none" / "a.npz", **common))
    for kind in ("png", "mp4"):
        with pytest.raises(VitFaceError, match=r"ends in \.npz"):
            next(explain_frames(video, output=tmp_path / f"a.{kind}", **common))
    with pytest.raises(VitFaceError, match=r"\.csv"):
        next(attention_data(video, output=tmp_path / "a.npz", **common))


# Frames -----------------------------------------------------------------------------------------


def test_each_frame_of_a_range_has_the_maps_that_it_has_alone(video, common, tmp_path):
    file = tmp_path / "maps.npz"
    events = list(explain_frames(video, frames="5:45:10", output=file, **common))
    maps = of_kind(events, AttentionComputed)
    assert [each.frame for each in maps] == [5, 15, 25, 35]
    alone = next(explain(video, 25, **common))
    np.testing.assert_allclose(maps[2].maps, alone.maps, atol=1e-5)
    assert of_kind(events, Started)[0].total == 4
    assert of_kind(events, Progress)[-1].done == 4
    with np.load(file, allow_pickle=False) as stored:
        assert stored["frames"].tolist() == [5, 15, 25, 35]
        np.testing.assert_array_equal(stored["maps"][2], maps[2].maps)
        assert stored["xy"].shape == (4, 3, 2)
        assert json.loads(str(stored["settings"]))["method"] == "rollout"


@pytest.mark.parametrize("method", ["rollout", "relevance"])
def test_a_mean_is_the_mean(video, common, tmp_path, method):
    choices = {"frames": "0:9:3", "method": method, "keypoint": "mouth", **common}
    each = of_kind(list(explain_frames(video, **choices)), AttentionComputed)
    for kind in ("npz", "png"):
        file = tmp_path / f"mean.{kind}"
        events = list(explain_frames(video, average=True, output=file, **choices))
        assert file.stat().st_size > 500
    (mean,) = of_kind(events, AttentionComputed)
    np.testing.assert_allclose(mean.maps, np.mean([e.maps for e in each], axis=0), atol=1e-6)
    np.testing.assert_allclose(mean.total, np.mean([e.total for e in each], axis=0), rtol=1e-5)
    np.testing.assert_allclose(mean.xy, np.median([e.xy for e in each], axis=0), atol=1e-4)
    assert mean.frame == 3
    assert mean.settings["frames"] == [0, 9, 3]
    assert mean.settings["averaged"] == 3
    with np.load(tmp_path / "mean.npz") as stored:
        assert stored["maps"].shape == (1, 4, 5)


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A folder of six images, the third of which is cut short."""
    from PIL import Image

    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(6):
        noise = np.random.default_rng(i).integers(0, 200, (96, 128)).astype(np.uint8)
        Image.fromarray(noise).save(folder / f"{i}.png")
    file = folder / "2.png"
    file.write_bytes(file.read_bytes()[:200])
    return folder


def test_frames_that_cannot_be_decoded_are_left_out_and_named(damaged, common):
    events = list(explain_frames(damaged, average=True, **common))
    assert events[-1].result.unreadable == (2,)
    assert events[-1].result.frames == 5
    assert "left out: 2." in of_kind(events, Notice)[0].message
    data = list(attention_data(damaged, **common))
    frames = np.concatenate([each.frames for each in of_kind(data, AttentionMeasured)])
    assert frames.tolist() == [0, 1, 3, 4, 5]
    with pytest.raises(VitFaceError, match="None of the chosen frames"):
        list(explain_frames(damaged, frames="2:3", **common))


# Numbers ----------------------------------------------------------------------------------------


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_table_holds_a_row_for_each_frame_and_keypoint(video, common, tmp_path):
    file = tmp_path / "attention.csv"
    events = list(attention_data(video, frames="0:30:10", method="raw", output=file, **common))
    rows = rows_of(file)
    assert tuple(rows[0]) == COLUMNS
    assert [(row["frame"], row["keypoint"]) for row in rows[:4]] == [
        ("0", "eye"), ("0", "nose tip"), ("0", "mouth"), ("10", "eye"),
    ]  # fmt: skip
    assert len(rows) == 9
    computed = list(explain(video, 10, method="raw", keypoint="eye", **common))[-2]
    assert isinstance(computed, AttentionComputed)
    share = computed.maps[0].astype(float) / computed.maps[0].sum()
    entropy = -(share * np.log(share)).sum() / np.log(20)
    assert float(rows[3]["entropy"]) == pytest.approx(entropy, abs=1e-3)
    assert float(rows[3]["prefix"]) == pytest.approx(float(computed.prefix_share[0]), abs=1e-4)
    assert float(rows[3]["x"]) == pytest.approx(float(computed.xy[0, 0]), abs=0.01)
    result = events[-1].result
    # 1.5 patches of 16 input pixels, each 1.6 video pixels.
    assert result.radius == pytest.approx(1.5 * 25.6)
    assert [each.name for each in result.keypoints] == ["eye", "nose tip", "mouth"]
    assert result.frames == 3
    json.dumps(plain_data(result), allow_nan=False)


def test_cancelling_keeps_the_rows_that_are_done_and_an_error_what_was_there(
    video, common, tmp_path
):
    file = tmp_path / "attention.csv"
    file.write_text("older\n")
    job = attention_data(video, method="relevance", keypoint="eye", output=file, **common)
    measured = 0
    for event in job:
        measured += isinstance(event, AttentionMeasured)
        if measured == 4:
            job.close()
            break
    assert [row["frame"] for row in rows_of(file)] == ["0", "1", "2", "3"]
    file.write_text("older\n")
    with pytest.raises(VitFaceError):
        list(attention_data(video, layers="7:9", output=file, **common))
    job = attention_data(video, output=file, **common)
    next(job)
    job.close()
    assert file.read_text() == "older\n"
    assert list(tmp_path.glob(".attention*")) == []


def test_measures_are_of_keypoints(video, common):
    with pytest.raises(VitFaceError, match="belongs to none"):
        next(attention_data(video, keypoint="global", **common))
    with pytest.raises(VitFaceError, match="above 0, not -1"):
        next(attention_data(video, radius=-1, **common))
    events = list(attention_data(video, frames="0:2", keypoint=["mouth"], **common))
    assert of_kind(events, AttentionMeasured)[0].names == ("mouth",)


@pytest.fixture(scope="module")
def model_of_the_light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViT whose tokens attend to bright patches, and whose head sees its point in one place.

    As if it had learnt where the point is from a lamp: it is sure of a place in the patch of row 1
    and column 1, and looks at whatever is bright.
    """
    import torch

    from napari_vitface.model.building import create_backbone
    from napari_vitface.model.checkpoint import save_checkpoint
    from napari_vitface.model.network import KeypointNetwork
    from napari_vitface.model.preprocessing import Preprocessing
    from napari_vitface.pose.keypoints import KeypointSet

    backbone = create_backbone(
        "vit_tiny_patch16_224", (64, 96), 1, depth=1, embed_dim=48, num_heads=3
    )
    vit: Any = backbone.model
    block = vit.blocks[0]
    network = KeypointNetwork(backbone, KeypointSet(("dot",)), "heatmap")
    with torch.no_grad():
        for parameter in vit.parameters():
            parameter.zero_()
        vit.patch_embed.proj.weight[0] = 1 / 256
        block.norm1.weight.fill_(1.0)
        # Large constants in every token: normalisation then divides all of them alike.
        vit.pos_embed[..., 2], vit.pos_embed[..., 3] = 50.0, -50.0
        for head in range(3):
            block.attn.qkv.bias[head * 16] = 1.0
            block.attn.qkv.weight[48 + head * 16, 0] = 400.0
        # Position 7 (row 1, column 1) carries a mark that the head turns into a peak.
        vit.pos_embed[0, 1 + 7, 1] = 5.0
        vit.norm.weight.fill_(1.0)
        head_: Any = network.head
        for parameter in head_.parameters():
            parameter.zero_()
        head_.norm.weight.fill_(1.0)
        head_.expand.weight[:16, 1] = 1.0
        head_.logits.weight[0, 0, 1, 1] = 60.0
    path = tmp_path_factory.mktemp("models") / "lamp.safetensors"
    save_checkpoint(
        path,
        network,
        Preprocessing((64, 96), mean=(0.0,), std=(1.0,)),
        training={"licence": "none"},
    )
    return path


@pytest.mark.parametrize("method", ["raw", "rollout"])
@pytest.mark.parametrize(
    ("lamp", "looks"), [((16, 16), "looks_near"), ((48, 80), "looks_elsewhere")]
)
def test_a_keypoint_that_is_tracked_by_a_lamp_is_flagged(
    model_of_the_light, resources, tmp_path, lamp, looks, method
):
    from PIL import Image

    folder = tmp_path / "frames"
    folder.mkdir()
    for i in range(4):
        frame = np.full((64, 96), 5, np.uint8)
        frame[lamp[0] : lamp[0] + 16, lamp[1] : lamp[1] + 16] = 250
        Image.fromarray(frame).save(folder / f"{i}.png")
    events = list(
        attention_data(
            folder, model_of_the_light, method=method, precision="fp32", resources=resources
        )
    )
    (dot,) = events[-1].result.keypoints
    assert dot.tracked == getattr(dot, looks) == 4
    assert dot.flagged == (looks == "looks_elsewhere")
    sentences = [notice.message for notice in of_kind(events, Notice)]
    assert any("looks elsewhere: dot" in sentence for sentence in sentences) == dot.flagged
    assert dot.elsewhere_frames == ("0-3" if dot.flagged else "")


# Faithfulness -----------------------------------------------------------------------------------


def test_faithfulness_is_the_mean_over_a_few_frames(video, common):
    events = list(faithfulness(video, most=3, keypoint=["eye", "global"], **common))
    measured = of_kind(events, FaithfulnessMeasured)
    assert [each.frames for each in measured] == [(0,), (0, 20), (0, 20, 40)]
    last = measured[-1]
    assert last.attended.shape == last.nearest.shape == (2, len(last.shares))
    assert last.random.shape[0] == 2
    alone = of_kind(list(faithfulness(video, frames="20:21", keypoint=["eye", "global"], **common)),
                    FaithfulnessMeasured)[0]  # fmt: skip
    second = 2 * measured[1].attended - measured[0].attended
    np.testing.assert_allclose(second, alone.attended, atol=1e-3)
    result = events[-1].result
    assert [each.name for each in result.maps] == ["eye", "global"]
    assert result.maps[0].score == pytest.approx(float(last.score[0]), abs=1e-3)
    assert of_kind(events, Progress)[-1].done == 3
    with pytest.raises(VitFaceError, match="at least one frame"):
        next(faithfulness(video, most=0, **common))


def test_scores_are_kept_with_the_maps(video, common, tmp_path):
    file = tmp_path / "map.npz"
    list(explain(video, 0, keypoint="eye", faithfulness={"eye": 0.25}, output=file, **common))
    with np.load(file) as stored:
        assert json.loads(str(stored["settings"]))["faithfulness"] == {"eye": 0.25}


@pytest.mark.parametrize("job", ["explain_frames", "attention_data", "faithfulness"])
def test_the_engine_knows_the_jobs_by_name(video, common, job):
    from napari_vitface.engine.worker import start_job

    resources = common.pop("resources")
    arguments = {"source": video, "frames": "0:1", "keypoint": "eye", **common}
    *_, finished = start_job(job, arguments, resources=resources)
    assert isinstance(finished, Finished)
    assert finished.job == job


def test_what_was_measured_travels_to_the_window(video, common):
    for job in (
        attention_data(video, frames="0:2", **common),
        faithfulness(video, frames="0:1", keypoint="eye", **common),
    ):
        for event in job:
            again = read_message(io.BytesIO(encode_message(event)))
            assert type(again) is type(event)
            for name, value in vars(event).items():
                np.testing.assert_equal(getattr(again, name), value)
