"""Drawn mice whose faces show states, so that it is known what there is to be found.

Each trial is a short clip of one mouse. At its onset the face takes on an expression, which then
fades: eyes squint, ears turn aside, the nose bulges, whiskers come forward. Mice differ in
everything that the sample movies differ in. A column of the table has nothing to do with any face.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_vitface.sample.anatomy import BUMPS, Shape
from napari_vitface.sample.ear import Ear
from napari_vitface.sample.face_motion import FaceMotion
from napari_vitface.sample.identity import fit_inside, random_identity, random_pose
from napari_vitface.sample.renderer import FaceParameters, render
from napari_vitface.video.video_writer import VideoWriter

#: Frames, frame of the onset and frames a second of a trial.
FRAMES, ONSET, RATE = 40, 20, 20.0
#: Frames in which an expression comes, and in which it fades to 1/e.
_RISE, _FADE = 2.0, 40.0
_VARIETY = 0.4


@dataclass(frozen=True)
class Expression:
    """How far a face is from rest, each from 0 to 1.

    Attributes
    ----------
    squint, ears, nose, whiskers : float
        Eyes closed, ears turned aside, nose and its bridge bulging, whiskers brought forward.
    """

    squint: float = 0.0
    ears: float = 0.0
    nose: float = 0.0
    whiskers: float = 0.0

    def times(self, strength: float) -> Expression:
        """A weaker one."""
        return Expression(
            strength * self.squint,
            strength * self.ears,
            strength * self.nose,
            strength * self.whiskers,
        )


#: States by name.
STATES: Mapping[str, Expression] = {
    "calm": Expression(),
    "pain": Expression(squint=0.65, ears=1.0, nose=1.0, whiskers=0.2),
    "alert": Expression(ears=0.25, whiskers=1.0),
}


class StateTrial(Sequence[NDArray[np.uint8]]):
    """Frames of one trial, drawn when they are asked for.

    Parameters
    ----------
    mouse : int
        Which mouse; its looks depend on nothing else.
    trial : int
        How it moves meanwhile.
    expression : Expression
        What the face takes on at the onset.
    size : (H, W)

    Attributes
    ----------
    strength : (T,) float64
        How much of the expression each frame shows.
    """

    def __init__(
        self, mouse: int, trial: int, expression: Expression, size: tuple[int, int] = (120, 160)
    ) -> None:
        self.size, self.expression = size, expression
        self._motion = FaceMotion(1000 * mouse + trial)
        identity = random_identity(np.random.default_rng([mouse, 0]), _VARIETY)
        poses = [random_pose(np.random.default_rng([mouse, 2]))]
        rng = np.random.default_rng([mouse, 4])
        ear = Ear(light=float(rng.uniform(150, 220)), length=float(rng.uniform(90, 120)))
        self._identity = replace(fit_inside(identity, size, poses), ear=ear)
        self._seed = (mouse, trial, 5)
        since = np.arange(FRAMES) - ONSET
        rise = np.clip((since + 1) / _RISE, 0, 1)
        self.strength = np.where(since < 0, 0.0, rise * np.exp(-np.maximum(since, 0) / _FADE))

    def __len__(self) -> int:
        return FRAMES

    def parameters(self, frame: int) -> FaceParameters:
        """Everything that determines a frame but its noise."""
        shown = self.expression.times(float(self.strength[frame]))
        pose = self._motion.at(frame / RATE)
        pose = replace(
            pose,
            blink=max(pose.blink, shown.squint),
            whisk=pose.whisk + (0.97 - pose.whisk) * shown.whiskers,
            pad=(pose.pad[0] - 10 * shown.whiskers, pose.pad[1]),
        )
        assert self._identity.ear is not None
        return replace(
            self._identity,
            pose=pose,
            shape=_bulging(self._identity.shape, shown.nose),
            ear=replace(self._identity.ear, aside=shown.ears),
        )

    def __getitem__(self, frame: int) -> NDArray[np.uint8]:  # type: ignore[override]
        if not 0 <= frame < FRAMES:
            raise IndexError(f"frame {frame} of a trial of {FRAMES} frames")
        rng = np.random.default_rng([*self._seed, frame])
        return render(self.parameters(frame), self.size, rng)[0]


def _bulging(shape: Shape, bulge: float) -> Shape:
    """A shape whose nose and its bridge stand out."""
    moves = {"nose": (-10.0, -12.0), "bridge": (-6.0, -22.0)}
    bumps = tuple(
        (x + bulge * moves.get(name, (0, 0))[0], y + bulge * moves.get(name, (0, 0))[1])
        for name, (x, y) in zip(BUMPS, shape.bumps, strict=True)
    )
    return replace(shape, bumps=bumps)


def write_states_sample(
    folder: Path,
    *,
    states: Sequence[str] = ("calm", "pain"),
    mice: int = 4,
    trials: int = 4,
    size: tuple[int, int] = (120, 160),
) -> Path:
    """Write clips of drawn trials and ``trials.csv`` beside them.

    Parameters
    ----------
    folder : Path
    states : sequence of str
        Of `STATES`, which take turns.
    mice, trials : int
        Mice, and trials of each.
    size : (H, W)

    Returns
    -------
    Path
        The table: ``clip``, ``animal``, ``state``, ``strength`` (a number for grading: how much of
        the state's expression is shown), and ``coin``, which has nothing to do with the face.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "trials.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["clip", "animal", "state", "strength", "coin"])
        for mouse in range(mice):
            coin = np.random.default_rng([mouse, 6]).permutation(np.arange(trials) % 2)
            for trial in range(trials):
                state = states[trial % len(states)]
                strength = 1.0 if state != "calm" else 0.0
                clip = f"mouse{mouse}_{trial}_{state}.mp4"
                shown = StateTrial(mouse, trial, STATES[state].times(strength), size)
                with VideoWriter(folder / clip, size, RATE) as video:
                    for frame in shown:
                        video.write(frame)
                side = ("heads", "tails")[coin[trial]]
                writer.writerow([clip, f"mouse {mouse}", state, f"{strength:g}", side])
    return table
