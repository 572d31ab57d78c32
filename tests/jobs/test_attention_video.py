"""Attention drawn over the frames of a video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Event, Finished, Progress, Started
from napari_vitface.jobs.explaining.explain import explain
from napari_vitface.jobs.explaining.video import attention_video
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
    assert isinstance(events[0], Started)
    assert events[0].total == 4
    done = [event.done for event in events if isinstance(event, Progress)]
    assert done == sorted(done)
    assert done[-1] == 4
    result = events[-1]
    assert isinstance(result, Finished)
    assert result.result["limit"] == 3.0
    assert result.result["settings"]["method"] == "rollout"
    with open_video(output) as drawn, open_video(video) as original:
        assert len(drawn) == 4
        height = original.shape[1]
        assert drawn.shape[1] > height
        for row, frame in enumerate(range(4, 20, 4)):
            (answer, _) = explain(
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

    bare = strip(tmp_path / "bare.mp4")
    told = strip(tmp_path / "told.mp4", caption="all that was computed " * 6)
    assert told.shape[0] > bare.shape[0]
    assert (bare > 150).any()


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
