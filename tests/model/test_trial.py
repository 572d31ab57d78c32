"""Trying precisions: what it costs, what is chosen, and what is remembered of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from napari_vitface.model import choice as choice_module
from napari_vitface.model.choice import Points, choose, torch_candidate, trial_canvas
from napari_vitface.model.device import candidate_devices, candidate_precisions
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.model.processor import has_bf16_units
from napari_vitface.model.speed_trial import (
    PASSES,
    Candidate,
    Trial,
    choose_trial,
    try_candidates,
)
from napari_vitface.steps import result_of

CPU = torch.device("cpu")
CUDA = torch.device("cuda")
LAYERS = 50


class Layer(nn.Module):
    """Takes its time on a clock of its own."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__()
        self.work = work

    def forward(self, x: Tensor) -> Tensor:
        self.work()
        return x


class Computer:
    """A clock, and networks that need a given time a pass on it."""

    def __init__(self, first_pass: float = 1.0) -> None:
        self.now = 0.0
        self.first_pass = first_pass
        self.passes: list[str] = []

    def candidate(self, precision: str, seconds: float, device: torch.device = CPU) -> Candidate:
        times = [self.first_pass]

        def work() -> None:
            self.now += seconds * times[-1] / LAYERS

        network = nn.Sequential(*(Layer(work) for _ in range(LAYERS)))

        def run() -> str:
            self.passes.append(precision)
            network(torch.zeros(1))
            times.append(1.0)
            return precision

        return Candidate(device, precision, lambda: run)

    def try_all(
        self, candidates: list[Candidate], moved: Callable[..., float] = lambda *_: 0.0
    ) -> list[Trial]:
        return result_of(try_candidates(candidates, moved, clock=lambda: self.now))


def both(computer: Computer, bf16: float) -> list[Candidate]:
    return [computer.candidate("fp32", 1.0), computer.candidate("bf16", bf16)]


def try_both(network: KeypointNetwork) -> list[Trial]:
    preprocessing = Preprocessing((64, 96))
    canvas = trial_canvas(2, preprocessing)
    candidates = [
        torch_candidate(network, preprocessing, canvas, name) for name in ("fp32", "bf16")
    ]
    # On a clock that stands still none is given up.
    return result_of(try_candidates(candidates, Points.moved_from, images=2, clock=lambda: 0.0))


@pytest.mark.parametrize("first_pass", [1.0, 1.2])
@pytest.mark.parametrize("bf16", [45.0, 2.1, 1.9, 1.2, 1.0, 0.9, 0.84, 0.8, 0.6, 0.4, 0.33])
def test_trying_costs_at_most_five_passes_of_the_best(bf16: float, first_pass: float) -> None:
    computer = Computer(first_pass)
    chosen, _ = choose_trial(computer.try_all(both(computer, bf16)))
    assert computer.now <= PASSES * min(1.0, bf16) + max(1.0, bf16) / LAYERS
    assert chosen.precision == ("bf16" if bf16 <= 0.84 else "fp32")
    assert len(computer.passes) <= 4


def test_a_hopeless_precision_is_given_up_in_the_middle_of_its_first_pass() -> None:
    computer = Computer()
    trials = computer.try_all(both(computer, 45.0))
    assert computer.passes == ["fp32", "bf16"]
    assert computer.now < 4.0
    assert trials[1].given_up
    chosen, why = choose_trial(trials)
    assert chosen.precision == "fp32"
    assert why.startswith("fp32 on cpu: measured 1000.0 ms an image, bf16 on cpu given up after 2")


def test_one_that_can_only_lose_is_given_up_in_its_second_pass() -> None:
    computer = Computer()
    trials = computer.try_all(both(computer, 1.8))
    assert trials[1].given_up
    assert computer.now < 1 + 1.8 + 1 + 1.1


def test_what_has_clearly_won_is_not_run_again() -> None:
    computer = Computer()
    computer.try_all(both(computer, 0.5))
    assert computer.passes == ["fp32", "bf16"]


def test_a_third_candidate_is_tried_while_there_is_time_for_it() -> None:
    computer = Computer()
    three = [*both(computer, 0.8), computer.candidate("int8", 0.4)]
    assert choose_trial(computer.try_all(three))[0].precision == "int8"
    computer = Computer()
    three = [*both(computer, 0.25), computer.candidate("int8", 0.2)]
    assert [trial.precision for trial in computer.try_all(three)] == ["fp32", "bf16"]


def test_a_fast_candidate_that_moves_points_does_not_shorten_the_trial_of_the_others() -> None:
    computer = Computer()
    three = [*both(computer, 0.1), computer.candidate("fp16", 0.5)]
    trials = computer.try_all(three, lambda given, _: 9.0 if given == "bf16" else 0.1)
    assert choose_trial(trials)[0].precision == "fp16"


def test_what_an_accelerator_does_once_does_not_count() -> None:
    computer = Computer(first_pass=100.0)
    two = [computer.candidate("fp32", 1.0, CUDA), computer.candidate("bf16", 0.4, CUDA)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "synchronize", lambda device: None)
        fp32, bf16 = computer.try_all(two)
    assert (fp32.seconds, bf16.seconds) == (pytest.approx(1.0), pytest.approx(0.4))


def test_a_candidate_that_cannot_compute_is_left_out() -> None:
    computer = Computer()

    def fail() -> Callable[[], str]:
        raise RuntimeError("no kernel")

    fp32 = computer.candidate("fp32", 1.0)
    trials = computer.try_all([fp32, Candidate(CPU, "bf16", fail)])
    assert [trial.precision for trial in trials] == ["fp32"]
    with pytest.raises(RuntimeError, match="no kernel"):
        computer.try_all([Candidate(CPU, "fp32", fail), fp32])


@pytest.mark.parametrize(
    ("found", "kernels", "onednn", "answer"),
    [
        ({"architecture": "x86_64", "avx512_bf16": True}, "AVX512", True, True),
        ({"architecture": "x86_64", "amx_bf16": True}, "AVX512", True, True),
        ({"architecture": "x86_64", "avx512_f": True}, "AVX512", True, False),
        ({"architecture": "x86_64", "avx2": True, "avx_ne_convert": True}, "AVX2", True, False),
        ({"architecture": "x86_64", "avx512_bf16": True}, "AVX2", True, False),
        ({"architecture": "arm64", "bf16": True}, "DEFAULT", True, True),
        ({"architecture": "arm64", "bf16": True}, "DEFAULT", False, False),
        ({"architecture": "arm64", "neon": True}, "SVE256", True, False),
        ({}, "AVX512", True, False),
    ],
)
def test_bf16_is_tried_only_where_the_processor_has_units_for_it(
    found: dict[str, object],
    kernels: str,
    onednn: bool,
    answer: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: kernels)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: onednn)
    assert has_bf16_units() is answer
    assert candidate_precisions("auto", CPU) == (["fp32", "bf16"] if answer else ["fp32"])


def test_without_units_nothing_runs_before_the_first_point(
    make_network: Callable[..., KeypointNetwork], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_vitface.model.device.has_bf16_units", lambda: False)
    network = make_network()
    network.register_forward_pre_hook(lambda *_: pytest.fail("it ran"))
    assert result_of(choose(network, Preprocessing((64, 96)))).precision == "fp32"


@pytest.fixture
def with_units(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A processor with bf16 units, and an empty cache."""
    monkeypatch.setattr("napari_vitface.model.device.has_bf16_units", lambda: True)
    # Nor does anything else run on it, and on a clock that stands still none is given up.
    monkeypatch.setattr("napari_vitface.model.speed_trial._UNDISTURBED", 0.0)
    monkeypatch.setattr(choice_module, "try_candidates", partial(try_candidates, clock=lambda: 0.0))
    monkeypatch.setenv("VITFACE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def phrases(network: KeypointNetwork, content: str, size: tuple[int, int] = (64, 96)) -> list[str]:
    return list(choose(network, Preprocessing(size), "cpu", content=content))


MEASURED = ["Measuring precision: fp32 on cpu", "Measuring precision: bf16 on cpu"]


def test_the_outcome_is_remembered_for_model_and_computer(
    make_network: Callable[..., KeypointNetwork], with_units: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_network()
    assert phrases(network, "a") == MEASURED
    chosen = result_of(choose(network, Preprocessing((64, 96)), "cpu", content="a"))
    assert chosen.why.startswith((f"{chosen.precision} on cpu: measured",))
    assert phrases(network, "a") == []
    assert phrases(network, "another model") == MEASURED
    monkeypatch.setattr(torch, "__version__", "99.0")
    assert phrases(network, "a") == MEASURED
    monkeypatch.setattr(choice_module, "describe_processor", lambda: {"computer": "another"})
    assert phrases(network, "a") == MEASURED


def test_an_outcome_for_which_a_candidate_was_given_up_is_measured_once_more(
    make_network: Callable[..., KeypointNetwork], with_units: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_network()
    seconds = {"fp32": 1.0, "bf16": 9.0}

    def try_slow_bf16(candidates: list[Candidate], *_: object, **__: object) -> Any:
        yield from candidates
        return [Trial(CPU, p, s, given_up=s == 9.0) for p, s in seconds.items()]

    monkeypatch.setattr(choice_module, "try_candidates", try_slow_bf16)
    assert phrases(network, "a") == phrases(network, "a") == MEASURED
    assert phrases(network, "a") == []
    # A moment's trouble is not kept: the second measurement comes to something else.
    assert phrases(network, "b") == MEASURED
    seconds["bf16"] = 0.5
    assert phrases(network, "b") == MEASURED
    assert result_of(choose(network, Preprocessing((64, 96)), "cpu", content="b")).precision == (
        "bf16"
    )
    assert phrases(network, "b") == []


def test_without_a_digest_of_the_model_nothing_is_remembered(
    make_network: Callable[..., KeypointNetwork], with_units: Path
) -> None:
    network = make_network()
    assert phrases(network, "") == phrases(network, "") == MEASURED
    assert not with_units.exists()


def test_what_was_measured_on_a_busy_computer_is_not_kept(
    make_network: Callable[..., KeypointNetwork], with_units: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_network()
    monkeypatch.setattr("napari_vitface.model.speed_trial._UNDISTURBED", 1000.0)
    monkeypatch.setattr(choice_module, "try_candidates", try_candidates)
    chosen = result_of(choose(network, Preprocessing((64, 96)), "cpu", content="a"))
    assert chosen.why.endswith("so it is measured again next time.")
    assert phrases(network, "a") == MEASURED


@pytest.mark.parametrize("damage", ["", "{", "[]", "other conditions", "other device", "no reason"])
def test_a_damaged_or_foreign_memory_is_measured_anew(
    make_network: Callable[..., KeypointNetwork], with_units: Path, damage: str
) -> None:
    network = make_network()
    phrases(network, "a")
    (file,) = (with_units / "choices").iterdir()
    content = json.loads(file.read_text())
    if damage == "other conditions":
        content["conditions"]["computer"] = "another"
        damage = json.dumps(content)
    elif damage == "other device":
        content["choice"]["device"] = "cuda:7"
        damage = json.dumps(content)
    elif damage == "no reason":
        del content["choice"]["why"]
        damage = json.dumps(content)
    file.write_text(damage)
    assert phrases(network, "a") == MEASURED
    assert phrases(network, "a") == []


def test_a_cache_that_cannot_be_written_costs_a_measurement_and_no_more(
    make_network: Callable[..., KeypointNetwork], with_units: Path
) -> None:
    with_units.write_text("a file where the folder should be")
    network = make_network()
    assert phrases(network, "a") == phrases(network, "a") == MEASURED


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
    fp32, bf16 = try_both(network)
    assert (fp32.precision, bf16.precision) == ("fp32", "bf16")
    assert fp32.moved == 0
    assert 0 < bf16.moved < 5
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
    _, bf16 = try_both(network)
    assert bf16.moved > 0.5
    chosen, _ = choose_trial([Trial(CPU, "fp32", 0.1), Trial(CPU, "bf16", 0.001, bf16.moved)])
    assert chosen.precision == "fp32"


def test_what_was_asked_for_is_not_measured(make_network: Callable[..., KeypointNetwork]) -> None:
    network = make_network()
    network.register_forward_pre_hook(lambda *_: pytest.fail("it ran"))
    chosen = result_of(choose(network, Preprocessing((64, 96)), "cpu", "bf16"))
    assert chosen.precision == "bf16"
    assert chosen.why == "bf16 on cpu, as asked for."


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
    chosen = result_of(choose(make_network(), Preprocessing((64, 96))))
    assert chosen.device == "cpu"
    assert "cuda cannot be used (" in chosen.why


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
