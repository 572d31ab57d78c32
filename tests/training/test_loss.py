"""What is labelled is learnt, what is occluded is taught as unsure, and the rest counts not."""

from __future__ import annotations

import pytest
import torch

from napari_vitface.model.heatmap_decoding import decode_heatmaps
from napari_vitface.training.loss import coordinate_loss, heatmap_loss

NAN = float("nan")


def test_a_map_that_is_the_target_has_no_loss_and_others_have() -> None:
    from napari_vitface.model.heatmap_decoding import encode_heatmaps

    xy = torch.tensor([[[20.0, 13.0]]])
    target = encode_heatmaps(xy, (12, 16), 4.0, 2.0).clamp_min(1e-30).log()
    assert float(heatmap_loss(target, xy, (4.0, 4.0), 2.0)) == pytest.approx(0, abs=1e-4)
    assert float(heatmap_loss(target.flip(3), xy, (4.0, 4.0), 2.0)) > 1


def test_unlabelled_points_give_no_gradient() -> None:
    xy = torch.tensor([[[20.0, 13.0], [NAN, NAN]]])
    logits = torch.randn(1, 2, 12, 16, requires_grad=True)
    heatmap_loss(logits, xy, (4.0, 4.0), 2.0).backward()
    assert logits.grad is not None
    assert bool(logits.grad[0, 0].any())
    assert not bool(logits.grad[0, 1].any())
    output = torch.rand(1, 2, 2, requires_grad=True)
    coordinate_loss(output, xy, (48, 64)).backward()
    assert output.grad is not None
    assert torch.isfinite(output.grad).all()
    assert bool(output.grad[0, 0].any())
    assert not bool(output.grad[0, 1].any())


def test_an_occluded_point_teaches_to_be_unsure_wherever_a_person_guessed_it() -> None:
    for guess in ([20.0, 13.0], [NAN, NAN]):
        logits = torch.zeros(1, 1, 12, 16)
        logits[0, 0, 3, 5] = 12
        logits.requires_grad_(True)
        occluded = torch.tensor([[True]])
        before = float(decode_heatmaps(logits)[1])
        optimiser = torch.optim.SGD([logits], lr=20)
        for _ in range(300):
            optimiser.zero_grad()
            xy = torch.tensor([[guess]])
            loss = heatmap_loss(logits, xy, (4.0, 4.0), 2.0, occluded)
            loss.backward()
            optimiser.step()
        assert before > 0.9
        assert float(decode_heatmaps(logits.detach())[1]) < 0.55
        assert float(loss) < 0.1


def test_sums_of_parts_are_the_whole() -> None:
    xy = torch.rand(6, 2, 2) * 40
    xy[2, 1] = NAN
    logits = torch.randn(6, 2, 12, 16)
    whole = heatmap_loss(logits, xy, (4.0, 4.0), 2.0)
    parts = [
        heatmap_loss(logits[rows], xy[rows], (4.0, 4.0), 2.0, reduction="sum")
        for rows in (slice(0, 4), slice(4, 6))
    ]
    assert float(sum(parts)) / 11 == pytest.approx(float(whole), rel=1e-5)
