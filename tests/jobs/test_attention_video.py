"""Attention drawn over the frames of a video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import (
    AttentionComputed,
    Event,
    Finished,
    Notice,
    Preparing,
    Progress,
    Started,
)
from napari_vitface.jobs.explaining.explain import explain
from napari_vitface.jobs.explaining.map_video import attention_video, write_layers
from napari_vitface.video import open_video

#: White, as video keeps brightness better than colour.
WHITE = np.array([(1, 1, 1, 0), (1, 1, 1, 1)], np.float32)


def run(video: Path, output: Path, model: Path, **options: Any) -> list[Event]:
    settings = {"colours": WHITE, "points": False, "device": "cpu", "precision": "fp32"}
    return list(attention_video(video, output, model, **{**settings, **options}))


def test_each_frame_has_its_own_map_in_the_same_colours(
    video: Path, tmp_path: Path, tiny_model: Path
) -> None:
    output = tmp_path / "attention.mp4"
    caption = "Attention rollout, layers 1 to 2.\nFull colour: 3 times an even spread."
    events = run(
        video,
        output,
        tiny_model,
        frames=range(4, 20, 4),
        keypoint="eye",
        limit=3.0,
        opacity=1.0,
        caption=caption,
    )
    events = [event for event in events if not isinstance(event, Preparing)]
    assert isinstance(events[0], Started)
    assert events[0].total == 4
    done = [event.done for event in events if isinstance(event, Progress)]
    assert done == sorted(done)
    assert done[-1] == 4
    result = events[-1]
    assert isinstance(result, Finished)
    assert result.result.limit == 3.0
    assert result.result.settings["method"] == "rollout"
    with open_video(output) as drawn, open_video(video) as original:
        assert len(drawn) == 4
        height = original.shape[1]
        assert drawn.shape[1] > height
        for row, frame in enumerate(range(4, 20, 4)):
            *_, answer, _ = explain(
                video, frame, tiny_model, keypoint="eye", device="cpu", precision="fp32"
            )
            share = answer.maps[0] * answer.maps[0].size / 3.0
            picture = drawn[row][:height].astype(float)
            frame_grey = original[frame].astype(float)
            # In the middle of a patch the colour is that of its value, over the frame.
            for i in range(share.shape[0]):
                for j in range(share.shape[1]):
                    y, x = (
                        round(k * s + t)
                        for k, s, t in zip((i, j), answer.scale, answer.translate, strict=True)
                    )
                    alpha = min(1.0, share[i, j])
                    here = picture[y - 1 : y + 2, x - 1 : x + 2].mean()
                    grey = frame_grey[y - 1 : y + 2, x - 1 : x + 2].mean()
                    wanted = grey * (1 - alpha) + 255 * alpha
                    assert abs(here - wanted) < 12


def test_the_strip_below_says_what_it_is(video: Path, tmp_path: Path, tiny_model: Path) -> None:
    def strip(output: Path, **options: Any) -> np.ndarray:
        run(video, output, tiny_model, frames=range(2), **options)
        with open_video(output) as drawn, open_video(video) as original:
            return drawn[0][original.shape[1] :]

    bare = strip(tmp_path / "bare.mp4", caption="")
    told = strip(tmp_path / "told.mp4", caption="all that was computed " * 6)
    assert told.shape[0] > bare.shape[0]
    assert (bare > 150).any()


def test_by_default_the_strip_says_what_was_computed_in_which_colours(
    video: Path, tmp_path: Path, tiny_model: Path
) -> None:
    output = tmp_path / "all.mp4"
    events = list(attention_video(video, output, tiny_model, frames="::10", precision="fp32"))
    result = events[-1].result
    # The mean is over keypoints; the map that belongs to none has no part in it.
    assert result.names == ("eye", "nose tip", "mouth")
    *_, alone, _ = explain(video, 0, tiny_model, precision="fp32", method=result.settings["method"])
    mean = alone.maps[:3].mean(axis=0)
    assert result.limit == pytest.approx(float(mean.max()) * mean.size, rel=1e-3)
    with open_video(output) as drawn, open_video(video) as original:
        assert len(drawn) == 6
        assert drawn.frame_rate == pytest.approx(original.frame_rate / 10)
        assert (drawn[0][original.shape[1] :] > 150).any()


def test_a_method_that_blanks_parts_is_drawn_in_its_own_unit(
    video: Path, tmp_path: Path, tiny_model: Path
) -> None:
    options = {"method": "occlusion", "square": 1.0, "keypoint": "eye"}
    events = run(video, tmp_path / "a.mp4", tiny_model, frames=range(2), **options)
    computed = [
        event
        for event in explain(video, 0, tiny_model, device="cpu", precision="fp32", **options)
        if hasattr(event, "maps")
    ]
    assert events[-1].result.limit == pytest.approx(float(computed[0].maps.max()), rel=1e-4)
    assert events[-1].result.settings["unit"] == "pixels moved"


def test_the_layers_of_a_frame_are_drawn_one_after_the_other(
    video: Path, tmp_path: Path, tiny_model: Path
) -> None:
    *events, finished = explain(
        video, 3, tiny_model, story=True, method="rollout", keypoint="eye", precision="fp32"
    )
    maps = [event for event in events if isinstance(event, AttentionComputed)]
    output = tmp_path / "layers.mp4"
    known = finished.result.keypoints
    with open_video(video) as original:
        done = [event.done for event in write_layers(output, maps, known, original)]
        height = original.shape[1]
    assert done == [0, 1, 2]
    with open_video(output) as drawn:
        assert drawn.frame_rate == 2
        for picture, computed in zip(drawn, maps, strict=True):
            # Each has full colour where it is strongest: bright, whatever the layer's share.
            place = np.unravel_index(computed.maps[0].argmax(), computed.maps[0].shape)
            y, x = np.rint(np.array(place) * computed.scale + computed.translate).astype(int)
            assert picture[:height][y - 1 : y + 2, x - 1 : x + 2].astype(float).mean() > 100


def test_frames_that_cannot_be_decoded_are_black(tmp_path: Path, tiny_model: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(5):
        noise = np.random.default_rng(i).integers(100, 200, (96, 128)).astype(np.uint8)
        Image.fromarray(noise).save(folder / f"{i}.png")
    for broken in (1, 3):
        file = folder / f"{broken}.png"
        file.write_bytes(file.read_bytes()[:200])
    events = run(folder, tmp_path / "a.mp4", tiny_model, frames=range(1, 5))
    assert events[-1].result.unreadable == (1, 3)
    (notice,) = (event for event in events if isinstance(event, Notice))
    assert notice.message == "Frames that could not be decoded are black: 1 and 3."
    with open_video(tmp_path / "a.mp4") as drawn:
        assert len(drawn) == 4
        levels = [float(drawn[i][:96].mean()) for i in range(4)]
    assert [level < 20 for level in levels] == [True, False, True, False]
    with pytest.raises(VitFaceError, match="None of the chosen frames"):
        run(folder, tmp_path / "b.mp4", tiny_model, frames=range(3, 4))
    assert not (tmp_path / "b.mp4").exists()


def test_cancelling_leaves_no_file(video: Path, tmp_path: Path, tiny_model: Path) -> None:
    output = tmp_path / "attention.mp4"
    job = attention_video(
        video, output, tiny_model, colours=WHITE, device="cpu", precision="fp32", batch_size=4
    )
    for event in job:
        if isinstance(event, Progress) and event.done >= 8:
            break
    job.close()
    assert list(tmp_path.glob("*attention*")) == []


def test_what_cannot_be_done_is_one_sentence(video: Path, tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(VitFaceError, match="no keypoint"):
        run(video, tmp_path / "a.mp4", tiny_model, keypoint="tail", frames=range(2))
    with pytest.raises(VitFaceError):
        run(video, tmp_path / "nowhere" / "a.mp4", tiny_model, frames=range(2))
    assert list(tmp_path.glob("a*")) == []
