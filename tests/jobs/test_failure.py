from __future__ import annotations

import errno

import pytest

from napari_vitface.errors import VideoError
from napari_vitface.jobs.failure import describe_failure


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (VideoError("a.mp4 holds no video."), "a.mp4 holds no video."),
        (MemoryError(), "There is not enough memory for predict;"),
        (
            OSError(errno.ENOSPC, "No space left on device", "x.csv"),
            "The disk is full (x.csv); make room and try again.",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "x.csv"),
            "The system refused something that predict needs (x.csv): Permission denied.",
        ),
        (KeyError("eye"), "Unexpected error in predict: KeyError: 'eye'."),
        (ValueError("one\ntwo"), "Unexpected error in predict: ValueError: one."),
        (RuntimeError(), "Unexpected error in predict: RuntimeError."),
    ],
)
def test_every_error_becomes_one_sentence(error, sentence):
    failed = describe_failure("predict", error)
    assert failed.message.startswith(sentence)
    assert "\n" not in failed.message
    assert failed.unexpected is sentence.startswith("Unexpected")
    assert type(error).__name__ in failed.detail
