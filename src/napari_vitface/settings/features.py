"""The features of a frame: each kind is one class, and an instance of it is what was chosen of it.

A kind is declared here, or by another package (see `FEATURES`). The options of the command line,
forms, the settings kept in files and the dispatch come from the declaration. What computes it is
named, and imported only where features are computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal

from napari_vitface.errors import VitFaceError
from napari_vitface.plugins import Registry
from napari_vitface.settings.kind import Kind, choose_among, problem_beside, with_settings
from napari_vitface.settings.option import Option, Value

#: What a kind of feature can need: the crop of each frame, a table of keypoints, a loaded model.
Need = Literal["picture", "poses", "model"]


@dataclass(frozen=True, kw_only=True)
class FeatureKind(Kind):
    """A kind of feature; `compute` makes its `napari_vitface.states.features.extractor.Extractor`.

    Attributes
    ----------
    needs : set of {"picture", "poses", "model"}
    stored : {"float16", "float32"}
        How numbers stand in files. Half of the bytes where three digits are enough.
    mixed : bool
        Its numbers have different units, so each is brought to the same spread before frames are
        compared.
    trivial : bool
        It says nothing of an expression: what another kind has to be better than.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"picture"})
    stored: ClassVar[Literal["float16", "float32"]] = "float32"
    mixed: ClassVar[bool] = False
    trivial: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class Hog(FeatureKind):
    """Histograms of oriented gradients (Dalal and Triggs, 2005) as used for mouse faces.

    Dolensek et al. (2020, doi:10.1126/science.aaz9468) take 8 orientations and cells of 32 pixels,
    one cell a block, of faces some 400 pixels wide: about 12 cells across. Cells of 8 pixels on a
    face of 92 x 76 are as many, so it is their number that is kept and not their pixels. So many
    cells do not need every pixel of a large crop, and HOG of all would take longer than decoding.
    """

    name = "hog"
    title = "HOG (oriented gradients)"
    help = "histograms of oriented gradients of the crop (Dolensek and others, 2020)"
    compute = "napari_vitface.states.features.hog:extractor"
    stored = "float16"

    orientations: Annotated[
        int,
        Option(
            help="bins of a half turn in each histogram of oriented gradients",
            label="Orientations",
            metavar="N",
            ge=1,
            le=36,
        ),
    ] = 8
    cell: Annotated[
        int | None,
        Option(
            help="side of a cell of HOG in the crop, after it was brought to its longest side "
            "(default: such that about 12 lie along that, and no less than 4)",
            label="Cell",
            metavar="PIXELS",
            ge=2,
        ),
    ] = None
    longest: Annotated[
        int,
        Option(
            help="longer side, in pixels, to which a larger crop is brought before HOG; 0: none",
            label="Longest side",
            metavar="PIXELS",
            ge=0,
        ),
    ] = 192
    block: Annotated[
        int,
        Option(
            help="cells along a side of what HOG brings to one contrast",
            label="Block",
            metavar="CELLS",
            ge=1,
            le=8,
        ),
    ] = 1


@dataclass(frozen=True, kw_only=True)
class Tokens(FeatureKind):
    """Tokens of the backbone of a keypoint model, the bundled one or the user's own, as it is."""

    name = "tokens"
    title = "Tokens of the ViT"
    help = "what a model's ViT makes of the crop: class token or mean of the patches, at any layer"
    compute = "napari_vitface.states.features.tokens:extractor"
    needs = frozenset({"picture", "model"})
    stored = "float16"

    layer: Annotated[
        int | None,
        Option(
            help="block of the ViT whose tokens are taken, from 0, negative from the end "
            "(default: the last)",
            label="Layer",
            metavar="N",
        ),
    ] = None
    token: Annotated[
        Literal["class", "mean", "both"],
        Option(
            help="the class token, the mean of the patches' tokens, or one after the other",
            label="Token",
        ),
    ] = "mean"


@dataclass(frozen=True, kw_only=True)
class Geometry(FeatureKind):
    """Shape of the face from keypoints, whatever these are."""

    name = "geometry"
    title = "Geometry of keypoints"
    help = (
        "distances, angles and areas between keypoints in units of the face, not of its tilt, "
        "and their speeds"
    )
    compute = "napari_vitface.states.features.geometry:extractor"
    needs = frozenset({"poses"})
    mixed = True

    speeds: Annotated[
        bool,
        Option(help="also how fast each keypoint moves on the face", label="Speeds"),
    ] = True
    sure: Annotated[
        float,
        Option(
            help="confidence below which a keypoint counts as missing from the geometry",
            label="Least confidence",
            metavar="P",
            ge=0,
            le=1,
            step=0.05,
        ),
    ] = 0.0


class Motion(FeatureKind):
    name = "motion"
    title = "Motion energy"
    help = "mean change of the crop's pixels since the frame before, in grey levels"
    compute = "napari_vitface.states.features.motion:extractor"
    trivial = True


class Brightness(FeatureKind):
    name = "brightness"
    title = "Brightness"
    help = "mean grey level of the crop"
    compute = "napari_vitface.states.features.trivial:brightness"
    trivial = True


class Position(FeatureKind):
    name = "position"
    title = "Position of the face"
    help = "where the crop lies in the frame, how it is turned and how large it is"
    compute = "napari_vitface.states.features.trivial:position"
    needs = frozenset()
    trivial = True


class Time(FeatureKind):
    name = "time"
    title = "Time"
    help = "seconds since the first frame of the video"
    compute = "napari_vitface.states.features.trivial:time"
    needs = frozenset()
    trivial = True


#: All kinds by name, as they are unless settings are chosen. Other packages add theirs as entry
#: points of this group, each a `FeatureKind`.
FEATURES: Registry[FeatureKind] = Registry(
    FeatureKind,
    (Hog(), Tokens(), Geometry(), Motion(), Brightness(), Position(), Time()),
    group="napari_vitface.features",
    problem=problem_beside,
)
#: The kind unless another one is chosen.
DEFAULT = Hog.name


def choose(names: str | Iterable[str], settings: Mapping[str, Value]) -> tuple[FeatureKind, ...]:
    """Kinds of features with settings; see `choose_among`."""
    return choose_among(FEATURES, "feature", names, settings)


def described_as(described: Mapping[str, Any]) -> FeatureKind:
    """The inverse of `Kind.described`, through JSON.

    Raises
    ------
    VitFaceError
        It names a kind that is not installed here, or values that it cannot take.
    """
    settings = dict(described)
    name = settings.pop("kind", None)
    if not isinstance(name, str) or name not in FEATURES:
        raise VitFaceError(
            f"These features are of the kind {name!r}, which is not known here; install the "
            "package that adds it."
        )
    if strange := settings.keys() - {each.name for each in fields(FEATURES[name])}:
        raise VitFaceError(
            f"The feature {name} has no setting {min(strange)!r} here: it was made with another "
            "version."
        )
    return with_settings(FEATURES[name], settings)
