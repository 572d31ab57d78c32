"""Which frames judge: blocks of time or recordings, and never frames that were trained on."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vitface.errors import LabelError
from napari_vitface.training.splits import FEWEST_TO_TUNE, Split, split_frames


def labels(counts: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Recordings and frame numbers, in random order."""
    videos = np.repeat([f"v{k}" for k in range(len(counts))], counts)
    frames = np.concatenate([10 * np.arange(count) for count in counts])
    order = np.random.default_rng(seed).permutation(len(videos))
    return videos[order], frames[order].astype(np.int64)


counts_of = st.lists(st.integers(1, 40), min_size=1, max_size=4).filter(lambda c: sum(c) >= 6)
kinds = st.sampled_from(["time", "time:0.4", "random:0.25", "video:v0"])


def divided(counts: list[int], val: str, seen: np.ndarray | None = None) -> Split | None:
    videos, frames = labels(counts)
    try:
        return split_frames(videos, frames, val, seed=3, seen=seen)
    except LabelError:
        return None


@given(counts_of, kinds)
def test_every_frame_has_one_use(counts: list[int], val: str) -> None:
    split = divided(counts, val)
    if split is None:
        assert val == "video:v0"
        assert len(counts) == 1
        return
    rows = np.concatenate([split.training, split.tuning, split.judging])
    assert sorted(rows) == list(range(sum(counts)))
    assert len(split.training) > 0
    assert len(split.judging) > 0
    held = len(split.tuning) + len(split.judging)
    assert (len(split.tuning) > 0) == (held >= FEWEST_TO_TUNE)


@given(counts_of)
def test_time_keeps_the_last_frames_of_each_recording(counts: list[int]) -> None:
    videos, frames = labels(counts)
    split = split_frames(videos, frames, "time")
    for name in set(videos.tolist()):
        trained, tuned, judged = (
            frames[rows][videos[rows] == name]
            for rows in (split.training, split.tuning, split.judging)
        )
        ordered = [part for part in (trained, tuned, judged) if len(part)]
        for earlier, later in itertools.pairwise(ordered):
            assert earlier.max() < later.min()


@given(counts_of, st.integers(0, 1000))
def test_frames_seen_by_the_start_do_not_judge(counts: list[int], seed: int) -> None:
    seen = np.random.default_rng(seed).random(sum(counts)) < 0.5
    split = divided(counts, "time", seen)
    assert split is not None
    assert split.seen == bool(seen.all())
    assert split.seen or not seen[split.held_out].any()


def test_a_recording_judges_alone() -> None:
    videos, frames = labels([10, 5, 30])
    split = split_frames(videos, frames, "video:v1")
    assert set(videos[split.held_out].tolist()) == {"v1"}
    assert "v1" not in videos[split.training]


def test_random_depends_on_the_seed_alone() -> None:
    videos, frames = labels([40])
    one, same, other = (split_frames(videos, frames, "random:0.25", seed=s) for s in (1, 1, 2))
    assert one.judging.tolist() == same.judging.tolist()
    assert one.judging.tolist() != other.judging.tolist()


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(LabelError, match="Only 3 frames are labelled; label at least 4"):
        split_frames(*labels([3]))
    with pytest.raises(LabelError, match="none are left to train on"):
        split_frames(*labels([9]), "video:v0")
