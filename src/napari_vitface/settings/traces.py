"""The traces of a video: each kind is one class, and an instance of it is what was chosen of it.

A kind is declared here, or by another package (see `TRACES`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from napari_vitface.plugins import Registry
from napari_vitface.settings.kind import Kind, choose_among, problem_beside
from napari_vitface.settings.option import Option, Value

#: What a kind of trace can need: the frames themselves, a table of keypoints.
Need = Literal["picture", "poses"]


@dataclass(frozen=True, kw_only=True)
class TraceKind(Kind):
    """A kind of trace; `compute` makes its `napari_vitface.traces.measure.Measure`.

    Attributes
    ----------
    needs : set of {"picture", "poses"}
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"picture"})


@dataclass(frozen=True, kw_only=True)
class BinnedKind(TraceKind):
    """What is measured of pixels after these were averaged in squares."""

    bin: Annotated[
        int,
        Option(
            help="side of the squares of pixels that are averaged before motion is measured",
            label="Bin",
            metavar="PIXELS",
            ge=1,
            le=16,
        ),
    ] = 4


class Motion(BinnedKind):
    """Motion energy, as Facemap measures it but for its being a mean."""

    name = "motion"
    title = "Motion energy"
    help = "mean change of each region's pixels since the frame before, in grey levels"
    compute = "napari_vitface.traces.motion:energy"


@dataclass(frozen=True, kw_only=True)
class SvdKind(BinnedKind):
    """Singular vectors of the pixels of each region over time."""

    components: Annotated[
        int,
        Option(
            help="components of motion and of the movie that are kept of each region, at most",
            label="Components",
            metavar="N",
            ge=1,
            le=1000,
        ),
    ] = 500


class MotionSvd(SvdKind):
    name = "motion-svd"
    title = "Components of motion"
    help = "singular vectors of the absolute change of each region's pixels, as in Facemap"
    compute = "napari_vitface.traces.components:motion"


class MovieSvd(SvdKind):
    name = "movie-svd"
    title = "Components of the movie"
    help = "singular vectors of each region's pixels, as in Facemap"
    compute = "napari_vitface.traces.components:movie"


#: All kinds by name, as they are unless settings are chosen. Other packages add theirs as entry
#: points of this group, each a `TraceKind`.
TRACES: Registry[TraceKind] = Registry(
    TraceKind,
    (Motion(), MotionSvd(), MovieSvd()),
    group="napari_vitface.traces",
    problem=problem_beside,
)
#: The kind unless another one is chosen.
DEFAULT = Motion.name


def choose(names: str | Iterable[str], settings: Mapping[str, Value]) -> tuple[TraceKind, ...]:
    """Kinds of traces with settings; see `choose_among`."""
    return choose_among(TRACES, "trace", names, settings)
