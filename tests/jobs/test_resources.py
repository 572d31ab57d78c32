from __future__ import annotations

import os
from contextlib import ExitStack

import pytest

from napari_vitface.errors import VideoError
from napari_vitface.jobs.resources import Resources, shared_or_own
from napari_vitface.settings.computing import Computing
from napari_vitface.steps import result_of


def test_a_model_is_loaded_once_and_anew_when_its_file_changed(tiny_model, tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(tiny_model.read_bytes())
    resources = Resources()

    def model(file, precision):
        with ExitStack() as stack:
            return result_of(resources.loading(stack, file, Computing(precision=precision)))

    first = model(path, "fp32")
    assert model(str(path), "fp32") is first
    assert model(path, "bf16") is not first
    os.utime(path, ns=(1, 1))
    assert model(path, "fp32") is not first


def test_a_video_stays_open_between_jobs_and_is_closed_at_the_end(video):
    resources = Resources()
    with resources.video(video) as first:
        first[3]
    with resources.video(video) as second:
        assert second is first
        second[4]
    resources.close()
    with pytest.raises(VideoError, match="closed"):
        first[50]


def test_the_least_recently_used_video_is_given_up_but_never_one_in_use(tmp_path, write_video):
    paths = [write_video(tmp_path / f"{i}.mp4", frames=12) for i in range(3)]
    resources = Resources(videos=1)
    with resources.video(paths[0]) as kept:
        for path in paths[1:]:
            with resources.video(path) as other:
                assert other is not kept
        kept[7]  # still open
    with resources.video(paths[2]), pytest.raises(VideoError, match="closed"):
        kept[8]
    resources.close()


def test_a_job_alone_closes_what_it_opened(video):
    with shared_or_own(None) as own, own.video(video) as opened:
        opened[0]
    with pytest.raises(VideoError, match="closed"):
        opened[9]
    shared = Resources()
    with shared_or_own(shared) as same:
        assert same is shared
