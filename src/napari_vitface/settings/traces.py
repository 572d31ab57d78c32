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

#: What a kind of trace can need: the frames themselves, a table of keypoints, the region of the eye
#: (of that name, or else about its keypoints).
Need = Literal["picture", "poses", "eye"]


@dataclass(frozen=True, kw_only=True)
class TraceKind(Kind):
    """A kind of trace; `compute` makes its `napari_vitface.traces.measure.Measure`.

    Attributes
    ----------
    needs : set of {"picture", "poses", "eye"}
    method : int
        Greater once the same settings give other traces: those made before are made anew.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"picture"})
    method: ClassVar[int] = 1


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


@dataclass(frozen=True, kw_only=True)
class KeypointKind(TraceKind):
    """What is measured of keypoints, found by their role (`napari_vitface.pose.roles`)."""

    needs = frozenset({"poses"})

    sure: Annotated[
        float,
        Option(
            help="confidence below which a keypoint counts as missing from traces",
            label="Least confidence",
            metavar="P",
            ge=0,
            le=1,
            step=0.05,
        ),
    ] = 0.0


@dataclass(frozen=True, kw_only=True)
class Eye(KeypointKind):
    name = "eye"
    title = "Opening of the eye"
    help = "height of the eye by its length, and blinks"
    compute = "napari_vitface.traces.keypoint_traces:eye"

    closed: Annotated[
        float,
        Option(
            help="share of its usual opening below which the eye blinks",
            label="Closed below",
            metavar="SHARE",
            gt=0,
            lt=1,
            step=0.05,
        ),
    ] = 0.5


@dataclass(frozen=True, kw_only=True)
class Pupil(KeypointKind):
    """The ellipse of the pupil in the region named `EYE`, or else about the eye's keypoints."""

    name = "pupil"
    title = "Pupil"
    help = "area, centre, axes and angle of the pupil's ellipse, its confidence, and blinks"
    compute = "napari_vitface.traces.pupil:pupil"
    #: 2: an eye that is black throughout has no pupil.
    method = 2
    needs = frozenset({"picture", "eye"})

    pupil: Annotated[
        Literal["segmentation", "threshold"],
        Option(
            help="how the pupil is found: by a small network, or as what is darker than a level",
            label="Pupil by",
        ),
    ] = "segmentation"
    darker: Annotated[
        float | None,
        Option(
            help="grey level (0 to 255) below which threshold takes pixels for pupil (default: "
            "found in frames of the video)",
            label="Darker than",
            metavar="LEVEL",
            gt=0,
            le=255,
        ),
    ] = None
    pupil_sure: Annotated[
        float,
        Option(
            help="confidence of the pupil below which the eye blinks",
            label="Blinks below",
            metavar="P",
            ge=0,
            le=1,
            step=0.05,
        ),
    ] = 0.6
    across_blinks: Annotated[
        float,
        Option(
            help="longest blink across which the pupil is interpolated",
            label="Interpolate up to",
            metavar="SECONDS",
            ge=0,
            step=0.1,
        ),
    ] = 0.0


@dataclass(frozen=True, kw_only=True)
class Whiskers(KeypointKind):
    name = "whiskers"
    title = "Whiskers"
    help = "midpoint and angle of the whisker pad, envelope and phase of whisking"
    compute = "napari_vitface.traces.keypoint_traces:whiskers"

    band_low: Annotated[
        float, Option(help="lowest frequency of whisking", label="From", metavar="HZ", gt=0)
    ] = 4.0
    band_high: Annotated[
        float, Option(help="highest frequency of whisking", label="To", metavar="HZ", gt=0)
    ] = 30.0


class Nose(KeypointKind):
    name = "nose"
    title = "Movement of the nose"
    help = "where the nose is and how fast it moves"
    compute = "napari_vitface.traces.keypoint_traces:nose"


class Mouth(KeypointKind):
    name = "mouth"
    title = "Movement of the mouth"
    help = "where the mouth is and how fast it moves"
    compute = "napari_vitface.traces.keypoint_traces:mouth"


@dataclass(frozen=True, kw_only=True)
class Bouts(KeypointKind):
    name = "bouts"
    title = "Bouts of movement"
    help = (
        "bouts of fast movement of the mouth, as in licking, and of paws or else the whole face, "
        "as in grooming"
    )
    compute = "napari_vitface.traces.keypoint_traces:bouts"

    above: Annotated[
        float,
        Option(
            help="how far above its median a speed is movement, in median absolute deviations",
            label="Faster by",
            metavar="TIMES",
            gt=0,
        ),
    ] = 4.0
    shortest: Annotated[
        float,
        Option(help="shortest bout of movement", label="At least", metavar="SECONDS", ge=0),
    ] = 0.3
    pause: Annotated[
        float,
        Option(
            help="longest pause within a bout of movement",
            label="Pauses up to",
            metavar="SECONDS",
            ge=0,
        ),
    ] = 0.2


#: All kinds by name, as they are unless settings are chosen. Other packages add theirs as entry
#: points of this group, each a `TraceKind`.
TRACES: Registry[TraceKind] = Registry(
    TraceKind,
    (
        Motion(),
        MotionSvd(),
        MovieSvd(),
        Eye(),
        Pupil(),
        Whiskers(),
        Nose(),
        Mouth(),
        Bouts(),
    ),
    group="napari_vitface.traces",
    problem=problem_beside,
)
#: Name of the region in which the pupil is looked for.
EYE = "eye"
#: How to say where it is, in the window and on the command line.
DRAW_EYE = f"(Draw region, with the name {EYE}; --region {EYE}=X,Y,W,H)"
#: The kind unless another one is chosen.
DEFAULT = Motion.name


def choose(names: str | Iterable[str], settings: Mapping[str, Value]) -> tuple[TraceKind, ...]:
    """Kinds of traces with settings; see `choose_among`."""
    return choose_among(TRACES, "trace", names, settings)
