"""Device, precision and batch size: chosen by measuring, told to the user."""

from __future__ import annotations

import pytest
import torch

from napari_vitface.errors import VitFaceError
from napari_vitface.model.choice import trial_canvas
from napari_vitface.model.device import (
    candidate_devices,
    candidate_precisions,
    choose_batch_size,
    is_out_of_memory,
)
from napari_vitface.model.preprocessing import Preprocessing

CPU = torch.device("cpu")
CUDA = torch.device("cuda")


def test_auto_ends_with_the_cpu_and_a_name_is_taken_at_its_word() -> None:
    assert candidate_devices("auto")[-1] == CPU
    assert candidate_devices("cpu") == [CPU]


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cpu:0", "mps:1", ""])
def test_a_device_that_means_nothing_is_refused(name: str) -> None:
    with pytest.raises(VitFaceError, match="choose auto, cpu, cuda, cuda:N or mps"):
        candidate_devices(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_cuda_that_is_not_there_is_told_in_one_sentence(name: str) -> None:
    with pytest.raises(VitFaceError, match="finds no usable NVIDIA GPU here; choose auto or cpu"):
        candidate_devices(name)


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has an Apple GPU")
def test_mps_that_is_not_there_is_told_in_one_sentence() -> None:
    with pytest.raises(VitFaceError, match="no Mac with an Apple GPU"):
        candidate_devices("mps")


def test_fp32_is_tried_first_everywhere() -> None:
    for device in (CPU, CUDA, torch.device("mps")):
        assert candidate_precisions("auto", device)[0] == "fp32"
    assert candidate_precisions("bf16", CPU) == ["bf16"]


def test_trial_images_are_the_same_each_time_and_of_the_models_size() -> None:
    canvas = trial_canvas(3, Preprocessing((64, 96), 3, (0.5,) * 3, (0.5,) * 3))
    assert canvas.shape == (3, 3, 64, 96)
    assert canvas.dtype == torch.uint8
    assert torch.equal(canvas, trial_canvas(3, Preprocessing((64, 96), 3, (0.5,) * 3, (0.5,) * 3)))
    assert canvas.float().std() > 20


def test_batches_fit_into_half_of_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (8 << 30, 16 << 30))
    assert choose_batch_size(CUDA, 100 << 20) == 32
    assert choose_batch_size(CUDA, 1 << 20) == 128
    assert choose_batch_size(CUDA, 64 << 30) == 1
    assert choose_batch_size(CPU) == 8


def test_the_errors_of_every_device_that_mean_no_memory() -> None:
    assert is_out_of_memory(torch.cuda.OutOfMemoryError("CUDA out of memory."))
    assert is_out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"))
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))
    for text in ("CUDA error: out of memory", "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"):
        assert is_out_of_memory(RuntimeError(text))
    assert not is_out_of_memory(RuntimeError("shapes cannot be multiplied"))
    assert not is_out_of_memory(MemoryError())
