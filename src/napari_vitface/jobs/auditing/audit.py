"""Which labels are probably wrong: each is compared with models that were not trained on it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_vitface.jobs.auditing.findings import Finding, find_mistakes
from napari_vitface.jobs.auditing.judged_labels import (
    AuditedLabels,
    labels_of_files,
    labels_of_video,
)
from napari_vitface.jobs.events import (
    Doubt,
    Event,
    Finished,
    LabelDoubted,
    Notice,
    Progress,
    Started,
)
from napari_vitface.jobs.pace import Counter
from napari_vitface.jobs.preparing import preparing
from napari_vitface.jobs.resources import Resources, shared_or_own
from napari_vitface.jobs.results.labelling import AuditResult, AuditSettings
from napari_vitface.settings.computing import Numerics, WhiteLevel
from napari_vitface.settings.option import parted, takes

if TYPE_CHECKING:
    from napari_vitface.formats.labelled_images import Labels
    from napari_vitface.pose.keypoints import KeypointSet

#: Blocks of time; the labels of each are judged by a model trained on the others.
FOLDS = 4
#: Work is told in training steps of a head; about so much of one, on a CPU, is reading or drawing
#: an image, its features, and more is a step of a network on drawn faces.
_READING, _DRAWING, _FEATURES, _DRAWN_STEP = 0.4, 1.2, 0.2, 7


@takes(Numerics, WhiteLevel)
def audit(
    labels: Labels | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    model: str | os.PathLike[str] = "mouse-face",
    *,
    folds: int = FOLDS,
    seed: int = 0,
    **settings: Any,
) -> Iterator[Event]:
    """Rank labels that are probably wrong.

    The labels of each recording are cut into blocks of time. For each block a network's head is
    trained on all others, and its predictions are compared with the labels of the block: a label
    that is much farther away than is usual for its keypoint is odd, and labels that lie on each
    other's keypoints are recognised as swapped, shifted or mixed up.

    No network has ever seen the labels that it judges, not before either: training starts from the
    model in use only if its checkpoint says that it was not trained on these recordings, else from
    the bundled model on the same condition, else from drawn faces alone.

    Parameters
    ----------
    labels : Labels, path or sequence of paths
        What `napari_vitface.read_labels` takes.
    model : str or path
        The model in use: a bundled model's name or a ``.safetensors`` file.
    folds : int
        Number of blocks.
    seed : int
    {settings}

    Yields
    ------
    Started
        `total` counts training steps.
    Progress, Notice
    LabelDoubted
        One for each finding, the likeliest first.
    Finished
        With an `AuditResult`.

    Raises
    ------
    VitFaceError
        One sentence: the labels, their images, the model or the device cannot be used.
    """
    numerics, reading = parted(Numerics, settings)
    audited = labels_of_files(labels, WhiteLevel(**reading).white)
    yield from _Audit(audited, model, folds, numerics, seed).run()


@takes(Numerics, WhiteLevel)
def audit_video(
    video: str | os.PathLike[str],
    keypoints: KeypointSet,
    frames: ArrayLike,
    xy: ArrayLike,
    model: str | os.PathLike[str] = "mouse-face",
    *,
    folds: int = FOLDS,
    seed: int = 0,
    resources: Resources | None = None,
    **settings: Any,
) -> Iterator[Event]:
    """`audit` of labels of one video that are not on disk yet.

    Parameters
    ----------
    video : path
    keypoints : KeypointSet
        Of the labels.
    frames : (N,) array of int
        Labelled frames of the video.
    xy : (N, K, 2) array
        NaN where there is no label.
    model, folds, seed
        See `audit`.
    resources : Resources, optional
        Where to borrow the video from.
    {settings}
    """
    numerics, reading = parted(Numerics, settings)
    with ExitStack() as stack:
        shared = stack.enter_context(shared_or_own(resources))
        source = stack.enter_context(shared.video(video, **reading))
        audited = labels_of_video(source, keypoints, np.asarray(frames), np.asarray(xy))
        yield from _Audit(audited, model, folds, numerics, seed).run()


class _Audit:
    """One cross-validation."""

    def __init__(
        self,
        audited: AuditedLabels,
        model: str | os.PathLike[str],
        folds: int,
        numerics: Numerics,
        seed: int,
    ) -> None:
        self._audited = audited
        self._model = model
        self._folds = audited.blocks(folds)
        self._numerics = numerics
        self._seed = seed
        self._done = 0.0

    def run(self) -> Iterator[Event]:
        """Everything."""
        from napari_vitface.model.checkpoint import importing_torch

        yield from preparing(importing_torch())
        from napari_vitface.jobs.auditing.judges import Fold, choose_beginning, count_variants
        from napari_vitface.training.frame_inputs import TrainingFrames

        audited, folds = self._audited, self._folds
        keypoints = audited.labels.keypoints
        beginning = yield from preparing(
            choose_beginning(
                self._model, audited, self._numerics.device, self._numerics.precision, self._seed
            )
        )
        steps = beginning.head_steps(keypoints.names)
        inputs = len(audited) * count_variants(len(audited))
        total = (
            len(audited) * _READING
            + beginning.faces * _DRAWING
            + beginning.drawn_steps * _DRAWN_STEP
            + inputs * _FEATURES
            + steps * len(folds)
        )
        yield Started(
            "audit",
            round(total),
            settings=AuditSettings(
                unit="steps",
                start=beginning.name,
                folds=len(folds),
                device=str(beginning.device),
                precision=beginning.precision,
                keypoints=keypoints,
            ),
        )
        self._counter = Counter(total)
        for sentence in (*audited.labels.problems, beginning.why):
            yield Notice(sentence)

        parts = []
        for row in range(len(audited)):
            parts.append(audited.frame(row, beginning.preprocessing))
            yield self._progress(_READING, "Reading labelled frames")
        frames = TrainingFrames.joined(parts)
        drawings = []
        for drawing in beginning.drawings():
            drawings.append(drawing)
            yield self._progress(_DRAWING, "Drawing faces")
        if drawings:
            for _ in beginning.learn_from_drawings(drawings, audited):
                yield self._progress(_DRAWN_STEP, "Training on drawn faces")
        features, before = beginning.features(frames), 0
        for done in features.compute(beginning.network, precision=beginning.precision):
            yield self._progress(_FEATURES * (done - before), "Computing features")
            before = done
        predicted = np.full(audited.labels.xy.shape, np.nan)
        confidence = np.zeros(predicted.shape[:2])
        for number, held in enumerate(folds, 1):
            fold = Fold(beginning, features, held, len(audited), steps, self._seed + number)
            for _ in fold.train():
                yield self._progress(1, f"Training without block {number} of {len(folds)}")
            predicted[held], confidence[held] = fold.predict()
        # Of what the models were given: a face cut out of a large frame has its own measure.
        seen = [
            audited.crop(row, (height, width)) or (0, 0, width, height)
            for row, (height, width) in enumerate(frames.frame_size.tolist())
        ]
        diagonal = float(np.median([math.hypot(w, h) for _, _, w, h in seen]))
        yield from self._report(predicted, confidence, diagonal, beginning.name)

    def _report(
        self,
        predicted: NDArray[np.float64],
        confidence: NDArray[np.float64],
        diagonal: float,
        start: str,
    ) -> Iterator[Event]:
        labels = self._audited.labels
        names = labels.keypoints.names
        findings, usual = find_mistakes(names, labels.xy, predicted, confidence, diagonal)
        doubts = tuple(map(self._doubt, findings))
        for doubt, finding in zip(doubts, findings, strict=True):
            row = finding.row
            yield LabelDoubted(**vars(doubt), xy=labels.xy[row], predicted=predicted[row])
        errors = np.linalg.norm(labels.xy - predicted, axis=-1)
        yield Finished(
            "audit",
            AuditResult(
                start=start,
                folds=len(self._folds),
                frames=len(labels),
                labels=int(np.isfinite(errors).sum()),
                median_error=float(np.nanmedian(errors)),
                usual={
                    name: None if np.isnan(value) else round(float(value), 2)
                    for name, value in zip(names, usual.distance, strict=True)
                },
                findings=doubts,
            ),
        )

    def _doubt(self, finding: Finding) -> Doubt:
        labels = self._audited.labels
        names = labels.keypoints.names
        image = str(labels.images[finding.row])
        return Doubt(
            video=str(labels.videos[finding.row]),
            frame=int(self._audited.shown[finding.row]),
            image="" if image == "." else image,
            kind=finding.kind,
            keypoints=tuple(names[k] for k in finding.keypoints),
            score=round(finding.score, 3),
            why=finding.why,
            moves=tuple(
                (names[k], None if source is None else names[source]) for k, source in finding.moves
            ),
        )

    def _progress(self, work: float, message: str) -> Progress:
        self._done += work
        self._counter.message = message
        return self._counter.at(self._done)
