"""Whether the map on screen explains anything: what happens when what it points at is blanked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_vitface.gui.attention.attention_settings import MapKey, Target, of
from napari_vitface.gui.given import given
from napari_vitface.gui.job_run import JobRun, Runner
from napari_vitface.gui.layers import ALL_KEYPOINTS, GLOBAL
from napari_vitface.gui.numbers import counted
from napari_vitface.jobs.events import Event, FaithfulnessMeasured

if TYPE_CHECKING:
    from napari_vitface.gui.attention.follower import AttentionFollower
    from napari_vitface.gui.session import Session

_Subject = tuple[MapKey, Target, range]
_JOB = "faithfulness"
#: The share of patches that is put into words.
_SHARE = 0.1


@dataclass(kw_only=True)
class CheckRun(JobRun):
    """One check of the map on screen."""

    key: MapKey
    target: Target
    frames: range


class MapCheck(Runner[CheckRun]):
    """Measures the faithfulness of maps, and keeps what it found."""

    def __init__(self, session: Session, follower: AttentionFollower) -> None:
        super().__init__(session)
        self._follower = follower
        self._found: dict[_Subject | None, FaithfulnessMeasured] = {}

    @property
    def possible(self) -> bool:
        """Whether there is a map to check."""
        return self._follower.status == "shown" and not self.active

    @property
    def found(self) -> FaithfulnessMeasured | None:
        """What is known of the map on screen."""
        return self._found.get(self._subject)

    @property
    @given("found")
    def verdict(self, found: FaithfulnessMeasured) -> tuple[str, str]:
        """The same for the user, and its level: "info" or "warning"."""
        level = "info" if all(found.explains) else "warning"
        return faithfulness_words(found, self._follower.settings.target), level

    @property
    @given("run")
    def problem(self, run: CheckRun) -> str:
        """Why the map on screen could not be checked; empty if it could, or was not."""
        return run.message if self._subject == (run.key, run.target, run.frames) else ""

    @given("_subject")
    def start(self, subject: _Subject) -> None:
        """Check the map on screen: of a mean over frames, some of its frames."""
        if self.active:
            return
        key, target, frames = subject
        arguments = {**key.common(), "frames": frames, "keypoint": self._names(target)}
        run = CheckRun(key=key, target=target, frames=frames)
        self.begin(run, _JOB, arguments, lambda event: self._on_event(run, event), urgent=True)

    @property
    @given("_follower.key")
    def _subject(self, key: MapKey) -> _Subject | None:
        """What is on screen: how it is computed, whose it is, and of which frames."""
        follower = self._follower
        if follower.status != "shown":
            return None
        frames = range(key.frame, key.frame + 1)
        mean = follower.mean
        if mean is not None:
            frames = range(*(int(number) for number in mean.settings["frames"]))
        # Which maps are computed along with it does not matter.
        return replace(key, names=None, frame=frames.start), follower.settings.target, frames

    def _names(self, target: Target) -> list[str]:
        """The keypoints that are looked at."""
        if target == ALL_KEYPOINTS:
            shown = self._follower.shown
            return [name for name in (shown.names if shown else ()) if name != GLOBAL]
        return [target] if isinstance(target, str) else list(target)

    def _on_event(self, run: CheckRun, event: Event) -> bool:
        if isinstance(event, FaithfulnessMeasured):
            self._found[(run.key, run.target, run.frames)] = event
        return False


def faithfulness_words(found: FaithfulnessMeasured, target: Target) -> str:
    """What the deletion curves say, first the verdict, then the numbers.

    Parameters
    ----------
    target : str or tuple of str
        Whose maps were blanked; the numbers are the mean over these.
    """
    column = int(np.argmin(np.abs(np.asarray(found.shares) - _SHARE)))
    share = f"{100 * found.shares[column]:.0f} %"
    attended = float(found.attended[:, column].mean())
    draws = found.random[:, :, column].mean(axis=0)
    nearest = float(found.nearest[:, column].mean())
    whom, it = _whom(target)
    score = _mean(found.score)
    if all(found.explains):
        verdict = "This map points at what matters"
    elif any(found.explains):
        count = int(np.sum(found.explains))
        verdict = f"{count} of the {len(found.names)} maps point at what matters"
    else:
        verdict = "No better than random patches: this map explains nothing here"
    verdict += "." if score is None else f" (score {score:.2f}; 0 is chance, 1 the most)."
    if any(found.explains) and nearest > attended:
        verdict += " What is around the keypoint matters more than it says."
    several = f" Mean of {counted(len(found.frames), 'frame')}." if len(found.frames) > 1 else ""
    return (
        f"{verdict}\nBlanking the {share} most attended patches moves {whom} by "
        f"{_pixels(attended)}, random patches by {_pixels(float(draws.mean()))} "
        f"({_range(draws)}), those nearest to {it} by {_pixels(nearest)}.{several}"
    )


def _whom(target: Target) -> tuple[str, str]:
    if target in (ALL_KEYPOINTS, GLOBAL):
        return "the keypoints", "them"
    return of(target), "it" if isinstance(target, str) else "them"


def _mean(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None


def _range(draws: np.ndarray) -> str:
    return f"{_number(float(draws.min()))} to {_number(float(draws.max()))}"


def _pixels(value: float) -> str:
    return f"{_number(value)} px"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"
