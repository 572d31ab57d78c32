"""Frames without labels, as `benchmarks.unlabelled` uses them: features of views, and poses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.neighbours import PRECISION
from napari_vitface.model.network import KeypointNetwork
from napari_vitface.model.preprocessing import Preprocessing
from napari_vitface.training.augmentation import Augmentation
from napari_vitface.training.batches import Batch, Features, seed_of, vary
from napari_vitface.training.frame_inputs import TrainingFrames
from napari_vitface.training.precision import autocast

Floats = NDArray[np.floating]
Rows = NDArray[np.intp]

#: Views of a frame without labels: as it is, and varied as for training.
VIEWS = 4


def computed(
    frames: TrainingFrames, preprocessing: Preprocessing, network: KeypointNetwork
) -> Features:
    """Features of the network's backbone."""
    features = Features(frames, preprocessing)
    for _ in features.compute(network, precision=PRECISION):
        pass
    return features


class Views:
    """Features of frames in several views, and where the points of each view are in the frame."""

    def __init__(
        self, frames: TrainingFrames, preprocessing: Preprocessing, network: KeypointNetwork
    ) -> None:
        self.frames = frames
        self.features = [computed(frames, preprocessing, network)]
        #: From the frame to each view, (N, 2, 3).
        self.changes: list[Floats] = [np.broadcast_to(np.eye(2, 3), (len(frames), 2, 3))]
        for k in range(1, VIEWS):
            inputs, changes = _varied(frames, k)
            self.features.append(computed(replace(frames, inputs=inputs), preprocessing, network))
            self.changes.append(changes)

    def drawn(self, rng: np.random.Generator, rows: Rows, xy: Floats) -> Batch:
        """A view of each of some frames, with points that were found in the frame."""
        views = rng.integers(0, VIEWS, len(rows))
        pairs = list(zip(views, rows, strict=True))
        parts = [self.features[view].inputs(np.array([row])) for view, row in pairs]
        changes = np.stack([self.changes[view][row] for view, row in pairs])
        return Batch(
            tuple(torch.cat(tensors) for tensors in zip(*parts, strict=True)),
            torch.from_numpy(_moved(changes, xy).astype(np.float32)),
            torch.zeros(xy.shape[:2], dtype=torch.bool),
        )

    def found(self, network: KeypointNetwork, head: torch.nn.Module) -> tuple[Floats, Floats]:
        """Points (V, N, K, 2), each in its frame, and confidences (V, N, K) in every view."""
        points, confidences = [], []
        for features, changes in zip(self.features, self.changes, strict=True):
            xy, confidence = predicted(network, head, features)
            points.append(_moved(_inverse(changes), xy))
            confidences.append(confidence)
        return np.stack(points), np.stack(confidences)


def _varied(frames: TrainingFrames, view: int) -> tuple[NDArray[np.uint8], Floats]:
    """Inputs varied, and by what change: points that were moved along tell."""
    height, width = frames.inputs.shape[2:]
    across, down = np.meshgrid(np.linspace(0.3, 0.7, 4) * width, np.linspace(0.3, 0.7, 3) * height)
    grid = np.stack([across, down], axis=-1).reshape(-1, 2).astype(np.float32)
    probes = np.tile(grid, (len(frames), 1, 1))
    inputs, moved, _ = vary(
        frames.inputs, probes, np.zeros(probes.shape[:2], bool), Augmentation(),
        seed_of(7, view), (), torch.device("cpu"),
    )  # fmt: skip
    places = np.c_[grid, np.ones(len(grid))]
    changes = []
    for points in moved.numpy():
        seen = np.isfinite(points).all(axis=1)
        changes.append(np.linalg.lstsq(places[seen], points[seen], rcond=None)[0].T)
    return inputs.numpy(), np.stack(changes)


def _moved(changes: Floats, xy: Floats) -> Floats:
    return np.einsum("nij,nkj->nki", changes[:, :, :2], xy) + changes[:, None, :, 2]


def _inverse(changes: Floats) -> Floats:
    linear = np.linalg.inv(changes[:, :, :2])
    return np.concatenate([linear, -linear @ changes[:, :, 2:]], axis=2)


@torch.inference_mode()
def predicted(
    network: KeypointNetwork, head: torch.nn.Module, features: Features
) -> tuple[Floats, Floats]:
    """Points in input pixels and raw confidences."""
    head.eval()
    points, confidences = [], []
    for begin in range(0, len(features.frames), 16):
        # Stored in fp16, which autocast on a torch.device("cpu") cannot join.
        inputs = features.inputs(slice(begin, begin + 16))
        with autocast(torch.device("cpu"), PRECISION):
            output = head(*inputs)
        xy, confidence = network.decode(output.float())
        points.append(xy.numpy())
        confidences.append(confidence.numpy())
    return np.concatenate(points), np.concatenate(confidences)


class Plausible:
    """Whether poses lie near the low-dimensional space of the labelled ones.

    A point does if it is no farther from its projection than one and a half times what 95 % of the
    labelled ones are when their frame is left out. (K,) limits, in input pixels.
    """

    def __init__(self, xy: Floats) -> None:
        poses = np.where(np.isfinite(xy), xy, np.nanmean(xy, axis=0)).reshape(len(xy), -1)
        apart = np.stack(
            [
                self._distances(*self._space(np.delete(poses, row, axis=0)), poses[row : row + 1])
                for row in range(len(poses))
            ]
        )[:, 0]
        apart[~np.isfinite(xy).all(axis=2)] = np.nan
        self._limits = 1.5 * np.nanquantile(apart, 0.95, axis=0)
        self._middle, self._directions = self._space(poses)

    @staticmethod
    def _space(poses: Floats) -> tuple[Floats, Floats]:
        middle = poses.mean(axis=0)
        _, spread, directions = np.linalg.svd(poses - middle, full_matrices=False)
        enough = int(np.searchsorted(np.cumsum(spread**2) / np.sum(spread**2), 0.99)) + 1
        return middle, directions[: min(enough, len(poses) // 3)]

    @staticmethod
    def _distances(middle: Floats, directions: Floats, poses: Floats) -> Floats:
        rest = poses - middle
        rest = rest - rest @ directions.T @ directions
        return np.linalg.norm(rest.reshape(len(poses), -1, 2), axis=2)

    def __call__(self, xy: Floats) -> NDArray[np.bool_]:
        poses = xy.reshape(len(xy), -1)
        return self._distances(self._middle, self._directions, poses) <= self._limits
