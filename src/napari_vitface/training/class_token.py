"""Classifiers of states on the ViT's class token: a linear probe, and the last blocks trained.

Both are trained until they tell groups of their own, kept apart within what they learn from, no
better; then on all of these for as many steps. The last blocks begin behind a trained probe: from a
random head their first steps would spoil what the ViT knows (Kumar et al. 2022, arXiv:2202.10054).
What enters them is computed once, and each step sees a quarter of the patches, others each time
(Liu et al. 2023, arXiv:2208.07220), which is quicker and keeps it from learning frames by heart.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_vitface.errors import VitFaceError
from napari_vitface.model.backbone import Backbone
from napari_vitface.states.fitted import Fitted, Linear, Logistic
from napari_vitface.states.importance import held_figure
from napari_vitface.training.precision import autocast

#: Steps, at most, steps between two looks at the groups kept apart, and looks without a better one
#: after which it is over.
_PROBE_STEPS, _PROBE_EVERY, _PATIENCE = 200, 10, 4
_TUNE_STEPS, _TUNE_EVERY, _TUNE_PATIENCE = 40, 5, 3
_PROBE_RATE, _HEAD_RATE, _BLOCKS_RATE, _DECAY, _LAYER_DECAY = 2e-3, 1e-3, 1e-4, 0.05, 0.75
_WARM_UP, _BATCH, _SEEN_PATCHES, _CLIP = 5, 32, 0.25, 1.0
#: Frames kept apart that are looked at each time.
_LOOKED_AT = 64


@dataclass(frozen=True)
class Start:
    """The last blocks of a ViT as a training finds them.

    Attributes
    ----------
    backbone : Backbone
        In fp32.
    blocks : int
        How many are trained.
    device : torch.device
    precision : {"fp32", "bf16"}
    """

    backbone: Backbone
    blocks: int
    device: torch.device
    precision: str

    def tail(self) -> Tail:
        """A copy of the blocks to train."""
        return Tail(self.backbone, self.blocks).to(self.device)

    def check(self, values: NDArray[np.float32]) -> None:
        """Raise `VitFaceError` unless the blocks alone give the class tokens (N, C) of `values`.

        Those of some ViTs are given more than tokens: the places of patches, as DINOv3's are.
        """
        found = TunedTail(self.tail(), _NO_HEAD, self).tokens(values)
        wanted = values[:, : self.backbone.embed_dim].astype(np.float32)
        if np.abs(found - wanted).mean() > 0.1 * np.abs(wanted).mean():
            raise VitFaceError(
                f"The last blocks of the ViT {self.backbone.timm_name} cannot be trained by "
                "themselves, for they are given more than tokens; choose the classifier probe."
            )


class Tail(nn.Module):
    """The last blocks of a ViT and its norm: from what enters them to the class token."""

    def __init__(self, backbone: Backbone, blocks: int) -> None:
        super().__init__()
        self.first = len(backbone.blocks) - blocks
        self.prefix = backbone.num_prefix_tokens
        self.token = cast(int, backbone.class_token)
        self.blocks = nn.ModuleList(copy.deepcopy(backbone.blocks[self.first :]))
        self.norm = cast(nn.Module, copy.deepcopy(backbone.model.norm))
        self.requires_grad_(True)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, C) of tokens (B, N, C)."""
        for block in self.blocks:
            tokens = block(tokens)
        return cast(Tensor, self.norm(tokens)[:, self.token])

    def groups(self) -> list[dict[str, Any]]:
        """Parameters with their rates: earlier blocks are changed less."""
        depth = len(self.blocks)
        rates = [_BLOCKS_RATE * _LAYER_DECAY ** (depth - 1 - k) for k in range(depth)]
        found = [
            {"params": [*block.parameters()], "lr": each}
            for block, each in zip(self.blocks, rates, strict=True)
        ]
        return [*found, {"params": [*self.norm.parameters()], "lr": _BLOCKS_RATE}]

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """By their names in the timm model."""
        named = {f"norm.{name}": each for name, each in self.norm.state_dict().items()}
        for number, block in enumerate(self.blocks):
            place = f"blocks.{self.first + number}"
            named |= {f"{place}.{name}": each for name, each in block.state_dict().items()}
        return {name: each.float().cpu().numpy() for name, each in named.items()}


@dataclass(frozen=True, eq=False)
class TunedTail:
    """Trained last blocks with a classifier of their class token, a `Fitted`.

    Takes the frozen class token and what enters the blocks side by side, (N, C + tokens C).
    """

    kind: ClassVar[str] = "tuned"

    tail: Tail
    head: Fitted
    start: Start

    def tokens(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        self.tail.eval()
        found = []
        with torch.inference_mode():
            for begin in range(0, len(values), _BATCH):
                entering = _entering(values[begin : begin + _BATCH], self.start)
                with autocast(self.start.device, self.start.precision):
                    found.append(self.tail(entering).float().cpu().numpy())
        return np.concatenate(found) if found else np.zeros((0, self.tail_width), np.float32)

    @property
    def tail_width(self) -> int:
        """Channels of a token."""
        return self.start.backbone.embed_dim

    def predict(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        return self.head.predict(self.tokens(values))

    def check(self, features: int, outputs: int) -> None:
        self.head.check(self.tail_width, outputs)


_NO_HEAD = Linear(np.zeros(1), np.ones(1), np.zeros((1, 1)), np.zeros(1))


def probe(
    values: NDArray[np.float32],
    labels: NDArray[Any],
    seed: int,
    *,
    stopping: NDArray[np.bool_],
) -> Linear:
    """A linear probe of class tokens (N, C); `stopping` (N,) says which frames are kept apart."""
    targets = _Targets(labels)
    learned = values[~stopping]
    # With nothing to judge by, it takes a third of the steps.
    steps = _PROBE_STEPS // 3
    if stopping.any():
        head = _Head(learned, targets)
        inputs, held = _tensor(learned), _tensor(values[stopping])
        steps = _descend(
            head,
            lambda step: head.loss(head(inputs), ~stopping),
            lambda: head.miss(head(held), stopping),
            [{"params": [*head.parameters()], "lr": _PROBE_RATE}],
            (_PROBE_STEPS, _PROBE_EVERY, _PATIENCE),
        )
    return _probed(values, targets, np.ones(len(values), bool), steps).fitted()


def _probed(
    values: NDArray[np.float32], targets: _Targets, rows: NDArray[np.bool_], steps: int
) -> _Head:
    head = _Head(values[rows], targets)
    inputs = _tensor(values[rows])
    _descend(
        head,
        lambda step: head.loss(head(inputs), rows),
        None,
        [{"params": [*head.parameters()], "lr": _PROBE_RATE}],
        (steps, 0, 0),
    )
    return head


def finetune(
    values: NDArray[np.float32],
    labels: NDArray[Any],
    seed: int,
    *,
    stopping: NDArray[np.bool_],
    start: Start,
) -> TunedTail:
    """Train the last blocks; `values` as `TunedTail` takes them, `stopping` as of `probe`."""
    targets, width = _Targets(labels), start.backbone.embed_dim
    frozen, steps = values[:, :width].astype(np.float32), _TUNE_STEPS // 2
    if stopping.any():
        steps = _tuned(values, frozen, targets, ~stopping, stopping, start, _TUNE_STEPS, seed)[1]
    tail, _, head = _tuned(
        values, frozen, targets, np.ones(len(values), bool), None, start, steps, seed
    )
    return TunedTail(tail, head.fitted(), start)


def _tuned(
    values: NDArray[np.float32],
    frozen: NDArray[np.float32],
    targets: _Targets,
    rows: NDArray[np.bool_],
    stopping: NDArray[np.bool_] | None,
    start: Start,
    steps: int,
    seed: int,
) -> tuple[Tail, int, _Head]:
    """Trained blocks and head, and the number of steps that was best."""
    head = _probed(frozen, targets, rows, _PROBE_STEPS // 6).to(start.device)
    tail = start.tail()
    order = np.random.default_rng(seed)
    learned = np.flatnonzero(rows)
    torch.manual_seed(seed)

    def loss(step: int) -> Tensor:
        tail.train()
        some = order.choice(learned, min(_BATCH, len(learned)), replace=False)
        entering = _entering(values[np.sort(some)], start)
        count = entering.shape[1] - tail.prefix
        seen = order.permutation(count)[: max(1, round(count * _SEEN_PATCHES))] + tail.prefix
        kept = np.concatenate([np.arange(tail.prefix), np.sort(seen)])
        with autocast(start.device, start.precision):
            tokens = tail(entering[:, torch.from_numpy(kept).to(start.device)])
        return head.loss(head(tokens.float()), np.sort(some))

    judge = None
    if stopping is not None:
        apart = np.flatnonzero(stopping)
        count = min(_LOOKED_AT, len(apart))
        apart = apart[np.linspace(0, len(apart) - 1, count).round().astype(int)]
        tuned = TunedTail(tail, head.fitted(), start)

        def judge() -> float:
            return head.miss(head(_tensor(tuned.tokens(values[apart])).to(start.device)), apart)

    groups = [*tail.groups(), {"params": [*head.parameters()], "lr": _HEAD_RATE}]
    plan = (steps, _TUNE_EVERY, _TUNE_PATIENCE)
    best = _descend(nn.ModuleList([tail, head]), loss, judge, groups, plan)
    return tail, best, head


class _Targets:
    """Labels as a head learns them: states, or numbers brought to mean 0 and deviation 1."""

    def __init__(self, labels: NDArray[Any]) -> None:
        self.graded = labels.dtype.kind != "i"
        self.mean, self.scale = 0.0, 1.0
        self.values: NDArray[Any]
        if self.graded:
            self.mean, self.scale = float(labels.mean()), float(labels.std()) or 1.0
            self.values = (labels - self.mean) / self.scale
            self.outputs = 1
        else:
            states, self.values = np.unique(labels, return_inverse=True)
            self.outputs = len(states)


class _Head(nn.Module):
    """Sums of scaled class tokens."""

    mean: Tensor
    scale: Tensor

    def __init__(self, values: NDArray[np.float32], targets: _Targets) -> None:
        super().__init__()
        self.targets = targets
        scale = values.std(axis=0)
        self.register_buffer("mean", _tensor(values.mean(axis=0)))
        self.register_buffer("scale", _tensor(np.where(scale > 0, scale, 1)))
        self.sums = nn.Linear(values.shape[1], targets.outputs)
        nn.init.zeros_(self.sums.weight)
        nn.init.zeros_(self.sums.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        return cast(Tensor, self.sums((tokens - self.mean) / self.scale))

    def loss(self, sums: Tensor, rows: NDArray[Any]) -> Tensor:
        """Of some frames; states weigh the same in it."""
        wanted = self.targets.values[rows]
        if self.targets.graded:
            return nn.functional.mse_loss(sums[:, 0], _tensor(wanted).to(sums.device))
        counts = np.bincount(wanted, minlength=self.targets.outputs)
        weights = np.divide(1, counts, out=np.zeros(len(counts)), where=counts > 0)
        return nn.functional.cross_entropy(
            sums,
            torch.from_numpy(wanted.astype(np.int64)).to(sums.device),
            _tensor(weights).to(sums.device),
        )

    def miss(self, sums: Tensor, rows: NDArray[Any]) -> float:
        """What some frames lack of a ROC area of 1, or of r 1.

        Not their loss: what moves all frames of an animal alike is put right by the calibration.
        """
        said = sums.double().cpu().numpy()
        return 1 - held_figure(said, self.targets.values[rows], self.targets.graded)

    def fitted(self) -> Linear:
        """As arrays."""
        mean, scale, weights, offset = (
            each.detach().double().cpu().numpy()
            for each in (self.mean, self.scale, self.sums.weight.T, self.sums.bias)
        )
        if not self.targets.graded:
            return Logistic(mean, scale, weights, offset)
        factor = self.targets.scale
        return Linear(mean, scale, weights * factor, offset * factor + self.targets.mean)


def _descend(
    module: nn.Module,
    loss: Callable[[int], Tensor],
    judge: Callable[[], float] | None,
    groups: list[dict[str, Any]],
    plan: tuple[int, int, int],
) -> int:
    """Take steps, with what judges until it finds no better; the number that was best."""
    steps, every, patience = plan
    optimiser = torch.optim.AdamW(groups, weight_decay=_DECAY)
    rates = [group["lr"] for group in optimiser.param_groups]
    best, least, waited = 0, float("inf"), 0
    for step in range(1, steps + 1):
        if judge is not None and (step - 1) % every == 0:
            with torch.no_grad():
                found = judge()
            if found < least:
                best, least, waited = step - 1, found, 0
            else:
                waited += 1
            if waited > patience:
                break
        for group, each in zip(optimiser.param_groups, rates, strict=True):
            # It rises and stays: where it stops is known at the end alone.
            group["lr"] = each * min(1.0, step / _WARM_UP)
        optimiser.zero_grad(set_to_none=True)
        loss(step).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(module.parameters(), _CLIP)
        optimiser.step()
    return best if judge is not None else steps


def _entering(values: NDArray[np.float32], start: Start) -> Tensor:
    """(B, N, C) tokens that enter the blocks, of what `TunedTail` takes."""
    width = start.backbone.embed_dim
    tokens = np.ascontiguousarray(values[:, width:], np.float32).reshape(len(values), -1, width)
    return torch.from_numpy(tokens).to(start.device)


def _tensor(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
