"""Device, precision and batch size: chosen by measuring, told to the user."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import torch

from napari_vitface.errors import VitFaceError
from napari_vitface.model.device import (
    candidate_devices,
    candidate_precisions,
    choose_batch_size,
    is_out_of_memory,
    shortest_times,
)
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.model.trial import (
    Points,
    Trial,
    choose_by_trial,
    choose_trial,
    trial_canvas,
    try_precisions,
)

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


def test_the_fastest_precision_that_agrees_is_chosen_and_told() -> None:
    chosen, why = choose_trial(
        [Trial(CUDA, "fp32", 0.010), Trial(CUDA, "bf16", 0.004, 0.1), Trial(CUDA, "fp16", 0.002, 9)]
    )
    assert (chosen.precision, chosen.device) == ("bf16", CUDA)
    assert why == (
        "bf16 on cuda: measured 4.0 ms an image, fp32 on cuda 10.0 ms, fp16 on cuda 2.0 ms (which "
        "moves one point in four by over 9.0 input pixels); three points in four move by under "
        "0.10 input pixels against fp32."
    )


def test_a_small_gain_is_not_worth_a_lower_precision() -> None:
    assert choose_trial([Trial(CPU, "fp32", 0.010), Trial(CPU, "bf16", 0.0095)])[0].precision == (
        "fp32"
    )
    assert choose_trial([Trial(CPU, "fp32", 0.010), Trial(CPU, "bf16", 0.030)])[0].precision == (
        "fp32"
    )


def test_a_cpu_that_beats_the_accelerator_is_chosen() -> None:
    chosen, why = choose_trial(
        [Trial(CUDA, "fp32", 0.5), Trial(CUDA, "bf16", 0.6), Trial(CPU, "fp32", 0.1)]
    )
    assert chosen.device == CPU
    assert "fp32 on cuda 500.0 ms" in why


def test_precisions_are_timed_and_compared_on_the_network_itself(
    make_network: Callable[..., KeypointNetwork],
) -> None:
    network = make_network()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    fp32, bf16 = try_precisions(network, Preprocessing((64, 96)), CPU, ["fp32", "bf16"])
    assert (fp32.precision, bf16.precision) == ("fp32", "bf16")
    assert fp32.moved == 0
    assert 0 < bf16.moved < 5
    assert 0 < fp32.seconds < 5
    assert {value.dtype for value in network.state_dict().values()} == {torch.float32}
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_precision_that_spoils_the_points_is_found_out(
    make_network: Callable[..., KeypointNetwork],
) -> None:
    network = make_network()
    with torch.no_grad():
        # Sharp peaks far from zero: bf16 keeps three digits, the peaks differ in the fifth.
        network.head.logits.weight.mul_(3000)
        network.head.logits.bias.fill_(30000.0)
    fp32, bf16 = try_precisions(network, Preprocessing((64, 96)), CPU, ["fp32", "bf16"])
    assert bf16.moved > 0.5
    chosen, _ = choose_trial([fp32, Trial(CPU, "bf16", fp32.seconds / 100, bf16.moved)])
    assert chosen.precision == "fp32"


def test_what_was_asked_for_is_not_measured(make_network: Callable[..., KeypointNetwork]) -> None:
    network = make_network()
    network.register_forward_pre_hook(lambda *_: pytest.fail("it ran"))
    chosen, why = choose_by_trial(network, Preprocessing((64, 96)), "cpu", "bf16")
    assert chosen.precision == "bf16"
    assert why == "bf16 on cpu, as asked for."


def test_an_accelerator_that_fails_is_passed_over_and_named(
    make_network: Callable[..., KeypointNetwork], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A device that PyTorch knows but this build cannot compute on, as an outdated GPU is.
    broken = torch.device("cuda")
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    assert candidate_devices("auto")[0] == broken
    chosen, why = choose_by_trial(make_network(), Preprocessing((64, 96)), "auto", "auto")
    assert chosen.device == CPU
    assert "cuda cannot be used (" in why


def test_a_sure_point_that_moves_counts_and_chance_in_a_flat_map_does_not() -> None:
    mean = torch.zeros(1, 2, 2)
    decoded = torch.zeros(1, 2, 2)
    reference = Points(decoded, torch.tensor([[0.9, 0.01]]), mean)
    flat = Points(torch.tensor([[[0.0, 0.0], [50.0, 50.0]]]), reference.confidence, mean)
    sure = Points(torch.tensor([[[3.0, 4.0], [0.0, 0.0]]]), reference.confidence, mean)
    shifted = Points(decoded, reference.confidence, mean + 1)
    assert flat.moved_from(reference) == 0
    assert sure.moved_from(reference) == 5
    assert shifted.moved_from(reference) == pytest.approx(2**0.5)


def test_trial_images_are_the_same_each_time_and_of_the_models_size() -> None:
    canvas = trial_canvas(3, Preprocessing((64, 96), 3, (0.5,) * 3, (0.5,) * 3))
    assert canvas.shape == (3, 3, 64, 96)
    assert canvas.dtype == torch.uint8
    assert torch.equal(canvas, trial_canvas(3, Preprocessing((64, 96), 3, (0.5,) * 3, (0.5,) * 3)))
    assert canvas.float().std() > 20


def test_timing_takes_turns_and_keeps_to_its_budget() -> None:
    order: list[str] = []

    def slow() -> None:
        order.append("slow")
        time.sleep(0.02)

    def quick() -> None:
        order.append("quick")

    began = time.perf_counter()
    times = shortest_times([slow, quick], CPU, budget=0.1)
    assert time.perf_counter() - began < 5
    assert times[0] > 0.019 > times[1]
    assert order[:4] == ["slow", "quick", "slow", "quick"]
    order.clear()
    shortest_times([slow, quick], CPU, budget=0.001)
    assert len(order) == 2, "what is slow already is not run again"


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
