"""What can be chosen of a classifier of states, and the kinds of classifier there are."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal, NamedTuple

from napari_vitface.errors import VitFaceError
from napari_vitface.plugins import Registry
from napari_vitface.settings.features import FeatureKind, Tokens
from napari_vitface.settings.option import Option, Value, declared

#: What may be kept together in a split: no frames of one are on both sides.
Unit = Literal["animal", "session", "trial"]
#: Which frames a prototype is made of.
PrototypeRule = Literal["typical", "least-neutral"]
UNITS: tuple[Unit, ...] = ("animal", "session", "trial")


class ClassifierKind(NamedTuple):
    """A classifier as people choose it.

    Attributes
    ----------
    name : str
        In ``--classifier`` and in files.
    description : str
        What it is, said after its name.
    fit : str
        ``"module:function"`` of what fits it, see `napari_vitface.states.classifiers`.
    states, graded : bool
        Whether it tells states apart, and whether it gives a number.
    features : FeatureKind or None
        What it learns from, whatever features are chosen; None if it learns from these.
    stops : bool
        Whether groups of their own within what it learns from say when its training is to stop.
    network : bool
        Whether it trains the last blocks of a ViT, from what enters them. It is judged with fewer
        splits then.
    shuffles : int
        Shuffles of labels, at most; by default as many are made as are asked for.
    beside : str
        Name of the classifier that trivial features are told by; empty for itself.
    fit_shuffled : str
        ``"module:function"`` of what fits it in place of `fit` a hundred times over, to shuffled
        labels; empty for the same.
    """

    name: str
    description: str
    fit: str
    states: bool = True
    graded: bool = False
    features: FeatureKind | None = None
    stops: bool = False
    network: bool = False
    shuffles: int = sys.maxsize
    beside: str = ""
    fit_shuffled: str = ""

    def for_shuffles(self) -> ClassifierKind:
        """As it is fitted to shuffled labels, and to the true ones to compare with these."""
        return self._replace(fit=self.fit_shuffled or self.fit)


_PLACE = "napari_vitface.states.classifiers:"
_TRAINING = "napari_vitface.training.class_token:"
_CLASS_TOKEN = Tokens(token="class")
FOREST = ClassifierKind(
    "forest", "a random forest", f"{_PLACE}forest", graded=True,
    fit_shuffled=f"{_PLACE}small_forest",
)  # fmt: skip
LOGISTIC = ClassifierKind("logistic", "logistic regression", f"{_PLACE}logistic")
RIDGE = ClassifierKind("ridge", "ridge regression", f"{_PLACE}ridge", states=False, graded=True)
ORDINAL = ClassifierKind(
    "ordinal", "a logistic regression for each step", f"{_PLACE}ordinal", states=False, graded=True
)
PROBE = ClassifierKind(
    "probe", "a linear probe of the ViT's class token", f"{_TRAINING}probe", graded=True,
    features=_CLASS_TOKEN, stops=True, beside=FOREST.name,
)  # fmt: skip
# 19 shuffles are the fewest by which p can be 0.05.
FINETUNE = ClassifierKind(
    "finetune", "the last blocks of the ViT and a head of its class token, trained",
    f"{_TRAINING}finetune", graded=True, features=_CLASS_TOKEN, stops=True, network=True,
    shuffles=19, beside=FOREST.name,
)  # fmt: skip
_OWN = (FOREST, LOGISTIC, RIDGE, ORDINAL, PROBE, FINETUNE)
#: Other packages add theirs as entry points of this group, each a `ClassifierKind`.
CLASSIFIERS: Registry[ClassifierKind] = Registry(
    ClassifierKind, _OWN, group="napari_vitface.classifiers"
)


def _help() -> str:
    told = (
        f"{each.name} {each.description}{'' if each.states else ' (with --graded)'}"
        f"{'' if each.graded else ' (not with --graded)'}"
        for each in _OWN
    )
    return f"{'; '.join(told)}; the last two look at the ViT themselves, whatever the features"


def find_classifier(name: str, *, graded: bool) -> ClassifierKind:
    """The classifier of a name.

    Raises
    ------
    VitFaceError
        There is none, or it does not do what is asked of it.
    """
    fitting = [
        each.name for each in CLASSIFIERS.values() if (each.graded if graded else each.states)
    ]
    if name not in CLASSIFIERS:
        raise VitFaceError(f"There is no classifier {name!r}; there are: {', '.join(CLASSIFIERS)}.")
    if name not in fitting:
        what = "give a number; those that do" if graded else "tell states apart; those that do"
        raise VitFaceError(f"The classifier {name} does not {what}: {', '.join(fitting)}.")
    return CLASSIFIERS[name]


def _read_window(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(-?\d+):(-?\d+)", text.strip())
    if found is None or int(found[1]) >= int(found[2]):
        raise VitFaceError(
            f"{text!r} is no window; give START:STOP in frames, the first and the one after the "
            "last, for example 50:100."
        )
    return int(found[1]), int(found[2])


def _read_classes(text: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.split(","))
    if len(set(found)) < 2 or len(set(found)) < len(found) or not all(found):
        raise VitFaceError(f"{text!r} are no classes; give two or more values with commas between.")
    return found


@dataclass(frozen=True, kw_only=True)
class StatesSettings:
    """Everything that a training of states depends on but its trials.

    `crop` is (x, y, w, h) in video pixels; `follow`, `model` and `feature_settings` are those of
    `napari_vitface.jobs.states.features.features`, for the kinds in `features`.
    """

    label: Annotated[
        str, Option(help="column of the table that says the state", metavar="COLUMN")
    ] = "label"
    classes: Annotated[
        tuple[str, ...] | None,
        Option(
            help="values of the label to tell apart; those with others are left out (default: all)",
            metavar="A,B,...",
            parse=_read_classes,
        ),
    ] = None
    graded: Annotated[
        bool, Option(help="the label is a number, which is estimated: RMSE and r")
    ] = False
    group: Annotated[
        Literal["auto", "animal", "session", "trial"],
        Option(
            help="what is kept on one side of a split when the classifier is judged; auto: animals "
            "if there are several, else sessions, else trials; frames never"
        ),
    ] = "auto"
    window: Annotated[
        tuple[int, int] | None,
        Option(
            help="frames of each trial that show the state, counted from its onset if the table "
            "has one, else from the start of the video (default: all)",
            metavar="START:STOP",
            parse=_read_window,
        ),
    ] = None
    baseline: Annotated[
        Literal["auto", "none", "before", "both"],
        Option(
            help="before: features are taken relative to their median over the frames before the "
            "window; both: as they are and relative; auto: none or both, whichever tells groups "
            "apart better that are held out within the training",
        ),
    ] = "auto"
    crop: tuple[int, int, int, int] | None = None
    follow: Literal["position", "pose"] | None = None
    model: str = "mouse-face"
    features: str = "hog"
    feature_settings: Mapping[str, Value] = field(default_factory=dict)
    classifier: Annotated[
        str,
        Option(
            help=_help(),
            # Not as choices: to show them in --help, packages that add some would be searched for.
            metavar="|".join(each.name for each in _OWN),
        ),
    ] = FOREST.name
    blocks: Annotated[
        int,
        Option(
            help=f"last blocks of the ViT that {FINETUNE.name} trains, with the head behind them",
            label="Blocks",
            metavar="N",
            ge=1,
        ),
    ] = 1
    frames_per_trial: Annotated[
        int,
        Option(
            help="frames of each trial that are learned from, spread over its window; all are "
            "judged",
            metavar="N",
            ge=1,
        ),
    ] = 20
    permutations: Annotated[
        int,
        Option(
            help="times that the labels of whole trials are shuffled to see what chance gives; 0: "
            "no test",
            metavar="N",
            ge=0,
        ),
    ] = 100
    seed: Annotated[int, Option(help="of all that is random", metavar="N", ge=0)] = 0

    def __post_init__(self) -> None:
        for name in ("classes", "window", "crop"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else tuple(value))
        object.__setattr__(self, "feature_settings", dict(self.feature_settings))
        for name, setting in declared(type(self)).items():
            setting.check(getattr(self, name))
        if self.graded and self.classes is not None:
            raise VitFaceError(
                "A graded label takes all its values as numbers; leave either the classes or "
                "graded out."
            )
        kind = find_classifier(self.classifier, graded=self.graded)
        if kind.network and self.baseline not in ("auto", "none"):
            raise VitFaceError(
                f"The classifier {kind.name} sees each frame by itself and takes no baseline; "
                "leave that out."
            )

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for JSON."""
        return asdict(self)
