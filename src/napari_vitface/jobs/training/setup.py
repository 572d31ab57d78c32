"""Everything that a training needs before its first step, from labels or from a stored run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_vitface.errors import LabelError, VideoError
from napari_vitface.jobs.events import Event, Notice, Preparing, Progress
from napari_vitface.jobs.preparing import preparing
from napari_vitface.jobs.results.training import FrameCounts
from napari_vitface.jobs.training.about import About, Before, handed_on, joined
from napari_vitface.jobs.training.labelled_data import (
    Labelled,
    Reading,
    frames_by_video,
    rescaled,
    scaled_mean_pose,
    seen_in_training,
    trained_frames,
)
from napari_vitface.jobs.training.run import RunFiles
from napari_vitface.record import from_plain, plain_data
from napari_vitface.settings.training import TrainingSettings, is_model
from napari_vitface.words import counted

if TYPE_CHECKING:
    import torch

    from napari_vitface.model.network import KeypointNetwork
    from napari_vitface.model.preprocessing import Preprocessing
    from napari_vitface.training.fit import FitSettings
    from napari_vitface.training.frame_inputs import TrainingFrames
    from napari_vitface.training.splits import Split
    from napari_vitface.training.start import Start

#: Labelled points of a keypoint below which the user is warned.
_FEW = 5


class Setup:
    """What is trained, on what, and how; kept on disk until the training is over.

    Attributes
    ----------
    network : KeypointNetwork
        On the device, with the weights that training starts from.
    preprocessing : Preprocessing
    frames : TrainingFrames
        All labelled frames.
    videos : list of str
    numbers : list of int
        Recording and frame number of each.
    images : list of str
        Paths.
    split : Split
    before : Before or None
    settings : FitSettings
    about : About
    """

    network: KeypointNetwork
    preprocessing: Preprocessing
    frames: TrainingFrames
    videos: list[str]
    numbers: list[int]
    images: list[str]
    split: Split
    before: Before | None
    settings: FitSettings
    about: About
    device: torch.device

    def __init__(self, files: RunFiles, options: TrainingSettings, device: str) -> None:
        self.files = files
        self.options = options
        self._wanted_device = device
        self.resumed = False

    # --- from labels ------------------------------------------------------------------------------

    def prepare(self, data: Labelled) -> Iterator[Event]:
        """Read the frames, build the network, and write both to the run's folder."""
        from napari_vitface.model.checkpoint import importing_torch

        yield from preparing(importing_torch())
        from napari_vitface.training.fit_settings import FitSettings
        from napari_vitface.training.precision import choose_training
        from napari_vitface.training.splits import parse_val, split_frames
        from napari_vitface.training.start import start_from

        options = self.options
        # What is wrong with the choices is said before anything slow.
        parse_val(options.val)
        FitSettings.chosen(options, len(data.labels), "fp32")
        split_frames(data.labels.videos, data.labels.frames, options.val, seed=options.seed)
        digest = data.digest()
        yield Preparing("Loading the model")
        start = start_from(
            options.init, data.labels.keypoints, _shape_of(data, options),
            backbone=options.backbone, blocks=options.blocks, head=options.head,
            image_size=options.image_size, crop=options.crop, channels=options.channels,
            seed=options.seed, timm_args=dict(options.timm_args),
        )  # fmt: skip
        if start.notice:
            yield Notice(start.notice)
        reading = Reading(data, start.preprocessing, options.white)
        yield from reading.run()
        labels = reading.data.labels
        training = start.training
        self.split = split_frames(
            labels.videos, labels.frames, options.val, seed=options.seed,
            seen=seen_in_training(labels, training),
        )  # fmt: skip
        self.videos, self.numbers = labels.videos.tolist(), labels.frames.tolist()
        self.images = [str(path) for path in labels.images]
        self.preprocessing = start.preprocessing
        yield from self._choose_keypoints(start, reading.frames)
        self.device, precision, why = yield from preparing(
            choose_training(
                self.network, self.preprocessing, self._wanted_device, options.precision
            )
        )
        self.settings = FitSettings.chosen(options, len(self.split.training), precision)
        training_rows = self.split.training
        pose, size = scaled_mean_pose(
            self.truth(training_rows), self.frames.frame_size[training_rows]
        )
        self.about = About(
            init=start.init,
            why=why,
            kept=tuple(name for name in self.names if name in start.kept),
            fresh=tuple(name for name in self.names if name not in start.kept),
            left_out=tuple(name for name in labels.keypoints.names if name not in self.names),
            mean_pose=[[None if np.isnan(v) else float(v) for v in xy] for xy in pose],
            mean_pose_frame_size=size,
            trained_frames=joined(
                trained_frames(training), frames_by_video(labels, self.split.training)
            ),
            held_out=frames_by_video(labels, self.split.judging),
            tuned_on=frames_by_video(labels, self.split.tuning),
            start=handed_on(training),
            white=reading.whites,
        )
        yield from self._about_keypoints(start)
        yield from self._judge_start(start)
        self._store(digest)

    def _choose_keypoints(self, start: Start, frames: TrainingFrames) -> Iterator[Event]:
        """Leave out keypoints that can neither be learnt nor are known already."""
        from dataclasses import replace

        from napari_vitface.pose.keypoints import KeypointSet
        from napari_vitface.training.start import adapt

        rows = self.split.training
        counts = np.isfinite(frames.xy[rows]).all(axis=-1).sum(axis=0)
        names = start.network.keypoints.names
        used = [k for k, name in enumerate(names) if counts[k] or name in start.kept]
        left = [names[k] for k in range(len(names)) if k not in used]
        if not any(counts):
            raise LabelError(
                "No point is labelled in the frames that are to be trained on; label more frames, "
                "or keep fewer apart."
            )
        if left:
            yield Notice(
                f"Not learnt, because labelled in none of the {counted(len(rows), 'frame')} "
                f"trained on: {', '.join(left)}."
            )
        alone = [names[k] for k in used if not counts[k]]
        if alone:
            yield Notice(
                f"Labelled in none of the {counted(len(rows), 'frame')} trained on, and kept as "
                f"{start.init} knows {'it' if len(alone) == 1 else 'them'}: {', '.join(alone)}."
            )
        few = [f"{names[k]} ({counts[k]})" for k in used if 0 < counts[k] < _FEW]
        if few:
            yield Notice(f"Labelled in few of the frames trained on: {', '.join(few)}.")
        self.network, self.frames = start.network, frames
        if left:
            old = start.network.keypoints
            kept = {names[k] for k in used}
            chosen = KeypointSet(
                tuple(names[k] for k in used),
                tuple(edge for edge in old.skeleton if kept.issuperset(edge)),
                tuple(pair for pair in old.swaps if kept.issuperset(pair)),
                tuple(old.colours[k] for k in used),
            )
            self.network = adapt(start.network, chosen)
            self.frames = replace(frames, xy=frames.xy[:, used], occluded=frames.occluded[:, used])

    def _about_keypoints(self, start: Start) -> Iterator[Event]:
        if not is_model(self.options.init):
            return
        if self.about.fresh:
            kept = ", ".join(self.about.kept) or "none"
            yield Notice(
                f"New to {start.init}, and learnt from nothing but the image features that serve "
                f"all keypoints: {', '.join(self.about.fresh)}. "
                f"Its knowledge of these comes along: {kept}."
            )
        if self.split.seen:
            yield Notice(
                f"{start.init} was trained on frames that are to judge now, so the error before "
                "the training looks better than it is; label frames that it has not seen."
            )

    def _judge_start(self, start: Start) -> Iterator[Event]:
        """Predictions of the model that training starts from, with its own preprocessing."""
        self.before = None
        if not start.kept:
            return
        from napari_vitface.model.checkpoint import find_model, load_network
        from napari_vitface.project.white import labelled_images
        from napari_vitface.training.fit import predictions
        from napari_vitface.training.frame_inputs import TrainingFrames

        network, own, _ = load_network(find_model(self.options.init))
        own = own.with_crop(self.preprocessing.crop)
        rows = self.split.judging
        frames = self.frames.subset(rows)
        stage = f"judging {start.init}"
        if own != self.preprocessing:
            parts: list[TrainingFrames] = []
            read = labelled_images(self.options.white)
            for row in rows:
                yield Progress(len(parts), len(rows), None, stage)
                image = read(Path(self.images[row]))
                nowhere = np.full((len(self.names), 2), np.nan)
                parts.append(TrainingFrames.from_image(image, nowhere, preprocessing=own))
            frames = TrainingFrames.joined(parts)
        network.to(self.device)
        found: list[NDArray[np.float32]] = []
        for xy, _ in predictions(network, own, frames):
            found.append(xy)
            yield Progress(sum(map(len, found)), len(frames), None, stage)
        names = list(network.keypoints.names)
        self.before = Before(start.init, names, frames.to_video(np.concatenate(found)))

    # --- on disk ----------------------------------------------------------------------------------

    def _store(self, digest: str) -> None:
        import torch

        from napari_vitface.training.state import frames_to_tensors, save_state

        tensors = frames_to_tensors(self.frames, "frames")
        tensors |= {f"start.{k}": v for k, v in self.network.state_dict().items()}
        if self.before is not None:
            tensors["before.xy"] = torch.from_numpy(self.before.xy)
        before = None if self.before is None else [self.before.name, self.before.names]
        data = {
            "videos": self.videos,
            "frames": self.numbers,
            "images": self.images,
            "split": {
                "training": self.split.training.tolist(),
                "tuning": self.split.tuning.tolist(),
                "judging": self.split.judging.tolist(),
                "seen": self.split.seen,
            },
            "before": before,
            "about": plain_data(self.about),
            "network": self.network.to_dict(),
            "preprocessing": self.preprocessing.to_dict(),
            "settings": self.settings.to_dict(),
        }
        save_state(self.files.data, tensors, data)
        self.files.write_json(
            self.files.settings,
            {
                "name": self.files.name,
                "digest": digest,
                "options": self.options.to_dict(),
                "settings": self.settings.to_dict(),
                "network": self.network.to_dict(),
                "preprocessing": self.preprocessing.to_dict(),
                **plain_data(self.about),
            },
        )

    @classmethod
    def stored(cls, files: RunFiles, device: str) -> Setup:
        """The setup of an unfinished run.

        Raises
        ------
        VitFaceError
            It is damaged, or the device cannot be used.
        """
        from napari_vitface.model.device import candidate_devices
        from napari_vitface.model.network import KeypointNetwork
        from napari_vitface.model.preprocessing import Preprocessing
        from napari_vitface.training.fit import FitSettings
        from napari_vitface.training.splits import Split
        from napari_vitface.training.state import (
            frames_from_tensors,
            load_state,
            reading_state,
        )

        tensors, data = load_state(files.data)
        with reading_state(files.data):
            options = from_plain(TrainingSettings, files.read_settings()["options"])
            self = cls(files, options, device)
            self.resumed = True
            self.frames = frames_from_tensors(tensors, "frames")
            self.videos, self.numbers, self.images = data["videos"], data["frames"], data["images"]
            split = data["split"]
            rows = {key: np.array(split[key], np.intp) for key in ("training", "tuning", "judging")}
            self.split = Split(**rows, seen=split["seen"])
            self.before = None
            if data["before"] is not None:
                name, names = data["before"]
                self.before = Before(name, names, tensors["before.xy"].numpy())
            self.about = from_plain(About, data["about"])
            self.settings = from_plain(FitSettings, data["settings"])
            self.preprocessing = Preprocessing.from_dict(data["preprocessing"])
            weights = {k[6:]: v for k, v in tensors.items() if k.startswith("start.")}
            odd = KeypointNetwork.misfits(data["network"], {k: v.shape for k, v in weights.items()})
            if odd:
                raise ValueError(f"the weights {', '.join(odd[:3])} do not fit")
            self.network = KeypointNetwork.from_dict(data["network"])
            self.network.load_state_dict(weights)
        self.device = candidate_devices(device)[0]
        self.network.to(self.device)
        return self

    # --- in video pixels --------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """The keypoints that are learnt."""
        return self.network.keypoints.names

    def counts(self) -> FrameCounts:
        """How many frames are used for what."""
        split = self.split
        return FrameCounts(len(split.training), len(split.tuning), len(split.judging))

    def truth(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Labels (n, K, 2) in video pixels; NaN where there is none."""
        frames = self.frames.subset(rows)
        return frames.to_video(frames.xy)

    def mean_pose(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """The mean pose of the training labels, in the pixels of each of the frames (n, K, 2)."""
        pose = np.array(self.about.mean_pose, dtype=np.float64)
        size = np.array(self.about.mean_pose_frame_size)
        return rescaled(pose, size, self.frames.frame_size[rows])

    def sources(self) -> list[tuple[TrainingFrames, float]]:
        """The frames to train on by recording, all recordings with the same share."""
        rows = self.split.training
        videos = np.array(self.videos)[rows]
        return [
            (self.frames.subset(rows[videos == video]), 1.0)
            for video in sorted(set(videos.tolist()))
        ]


def _shape_of(data: Labelled, options: TrainingSettings) -> tuple[int, int]:
    """Height and width of what the model looks at: of the crop, or of the first readable image."""
    from napari_vitface.video.images import image_size

    if options.crop is not None:
        return options.crop[3], options.crop[2]
    problem: VideoError | None = None
    for path in data.labels.images:
        try:
            return image_size(path)
        except VideoError as error:
            problem = problem or error
    count = len(data.labels)
    raise LabelError(
        f"None of the {counted(count, 'labelled image')} can be read; the first: {problem}"
    )
