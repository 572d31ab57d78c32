"""How the face moves in time: wandering, sniffing, whisking, blinking and bouts of licking."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_vitface.sample.anatomy import FacePose


class FaceMotion:
    """The pose at any time, a smooth function of time that a seed determines.

    Parameters
    ----------
    seed : int
        The pose at a time depends on the seed alone, not on how long the movie is.
    """

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 1])
        self._rng_seed = seed
        self._wander = {
            name: _Wander(rng, amplitude, *band)
            for name, amplitude, band in (
                ("gaze x", 4.0, (0.1, 1.2)),
                ("gaze y", 3.0, (0.1, 1.2)),
                ("eye x", 2.0, (0.1, 1.5)),
                ("eye y", 2.0, (0.1, 1.5)),
                ("nose x", 9.0, (0.2, 2.0)),
                ("nose y", 8.0, (0.2, 2.0)),
                ("pad x", 8.0, (0.2, 1.5)),
                ("pad y", 3.0, (0.2, 1.5)),
                ("jaw x", 2.5, (0.2, 1.5)),
                ("jaw y", 2.5, (0.2, 1.5)),
                ("whisk set", 0.28, (0.1, 0.8)),
                ("whisk amplitude", 1.0, (0.1, 0.7)),
                ("sniff amplitude", 1.0, (0.1, 0.8)),
                ("whisk phase", 1.5, (0.1, 0.6)),
                ("drift x", 2.5, (0.02, 0.2)),
                ("drift y", 2.0, (0.02, 0.2)),
                ("roll", 0.004, (0.02, 0.2)),
            )
        }
        self._whisk_rate = float(rng.uniform(4.5, 6.5))
        self._sniff_rate = float(rng.uniform(3.5, 6.0))
        self._lick_rate = float(rng.uniform(5.5, 7.0))

    def at(self, time: float) -> FacePose:
        """The pose at a time in seconds."""
        w = {name: wander(time) for name, wander in self._wander.items()}
        sniff = (0.5 + 0.5 * np.tanh(w["sniff amplitude"])) * np.sin(
            2 * np.pi * self._sniff_rate * time
        )
        whisking = 0.5 + 0.5 * np.tanh(1.5 * w["whisk amplitude"])
        whisk = (
            0.45
            + w["whisk set"]
            + 0.30 * whisking * np.sin(2 * np.pi * self._whisk_rate * time + w["whisk phase"])
        )
        blink = sum(_pulse(time, start, 0.16) for start in self._events(time, "blink"))
        lick = 0.0
        for start in self._events(time, "lick"):
            bout = _pulse(time, start, 0.7)
            lick += bout * (0.5 - 0.5 * np.cos(2 * np.pi * self._lick_rate * (time - start)))
        return FacePose(
            blink=float(min(1.0, blink)),
            gaze=(w["gaze x"], w["gaze y"]),
            eye=(w["eye x"], w["eye y"]),
            nose=(float(w["nose x"] + 2.0 * sniff), float(w["nose y"] + 4.0 * sniff)),
            pad=(float(w["pad x"] - 12 * (whisk - 0.5)), w["pad y"]),
            jaw=(float(w["jaw x"] + 2 * lick), float(w["jaw y"] + 13 * lick)),
            whisk=float(_soft_clip(whisk)),
            tongue=float(max(0.0, lick - 0.12)),
            drift=(w["drift x"], w["drift y"]),
            roll=w["roll"],
        )

    def _events(self, time: float, kind: str) -> list[float]:
        """Times at which a blink or a bout of licking near `time` starts, one in each period.

        The periods are short enough for two seconds of movie to show both.
        """
        period, offset = {"blink": (1.6, 2), "lick": (2.0, 3)}[kind]
        number = int(np.floor(time / period))
        starts = []
        for k in (number - 1, number):
            if k >= 0:
                late = np.random.default_rng([self._rng_seed, offset, k]).uniform(0.1, 0.6)
                starts.append((k + float(late)) * period)
        return starts


class _Wander:
    """A smooth random function of time: a few sines with random rates and phases."""

    def __init__(
        self, rng: np.random.Generator, amplitude: float, slowest: float, fastest: float
    ) -> None:
        self.rates: NDArray[np.float64] = np.exp(rng.uniform(np.log(slowest), np.log(fastest), 5))
        self.phases: NDArray[np.float64] = rng.uniform(0, 2 * np.pi, 5)
        weights = self.rates**-0.5
        self.weights = amplitude * weights / np.sqrt((weights**2).sum() / 2)

    def __call__(self, time: float) -> float:
        return float(self.weights @ np.sin(2 * np.pi * self.rates * time + self.phases))


def _pulse(time: float, start: float, length: float) -> float:
    """0 before and after, rising to 1 and falling again over `length` seconds, smooth."""
    t = (time - start) / length
    return float(np.sin(np.pi * t) ** 2) if 0 < t < 1 else 0.0


def _soft_clip(value: float) -> float:
    """Into 0..1 without a corner."""
    return float(0.5 + 0.5 * np.tanh(2 * (value - 0.5)))
