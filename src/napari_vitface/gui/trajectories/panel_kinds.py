"""The panels of the Trajectories dock, in words: other parts of the window name them without it."""

from __future__ import annotations

from dataclasses import dataclass

from napari_vitface.kinematics import Trace
from napari_vitface.kinematics.traces import Kind


@dataclass(frozen=True)
class PanelKind:
    """What a panel shows.

    Attributes
    ----------
    key : str
        Its name in code.
    title : str
        What stands on it.
    kinds : tuple of str
        Kinds of `Trace` that it takes; none for a panel of measured traces, whose kind is its key.
    help : str
        One sentence.
    unit : str
        Of a panel of measured traces.
    of_video : bool
        Whether its measured traces are of the video and not of keypoints.
    of_table : bool
        Whether these come from a table of traces, which may have many panels.
    """

    key: str
    title: str
    kinds: tuple[Kind, ...]
    help: str
    unit: str = ""
    of_video: bool = False
    of_table: bool = False

    def takes(self, trace: Trace) -> bool:
        """Whether a trace belongs here."""
        return trace.kind in self.kinds or trace.kind == self.key


#: The panel of what a classifier of states says.
STATE = "state"
#: The panel of how like prototypes frames are.
LIKENESS = "likeness"
#: The panel of components of motion and of the movie.
COMPONENTS = "components"
#: The panels of the other traces of a table, by their units.
PANEL_OF_UNIT = {
    "grey levels": "energy",
    "px²": "area",
    "px": "place",
    "°": "degrees",
    "px/s": "moving",
    "": "share",
}

PANELS = (
    PanelKind("x", "x", ("x",), "Position across, in pixels from the left"),
    PanelKind("y", "y", ("y",), "Position down, in pixels from the top; up is up in the video"),
    PanelKind("speed", "speed", ("speed",), "Speed from one frame to the next"),
    PanelKind("confidence", "confidence", ("confidence",), "Confidence of the predictions, 0 to 1"),
    PanelKind("distance", "distance", ("distance",), "Distances that you added"),
    PanelKind("angle", "angle", ("angle", "direction"), "Angles that you added"),
    PanelKind(
        "near",
        "looks near",
        (),
        "Attention on the surroundings of the keypoint, as measured in the Attention section",
        "of attention",
    ),
    PanelKind(
        "spread",
        "look spread",
        (),
        "Entropy of the attention map: 0 is one patch, 1 an even spread",
        "0 to 1",
    ),
    PanelKind(
        "tokens",
        "on tokens",
        (),
        "Attention on class and register tokens, which have no place in the picture",
        "of attention",
    ),
    PanelKind(
        STATE,
        "state",
        (),
        "What a classifier says of each frame (States, Predict)",
        "probability",
        of_video=True,
    ),
    PanelKind(
        LIKENESS,
        "likeness",
        (),
        "How like the typical face of each label a frame is (States, Responses; frames, Likeness)",
        "correlation",
        of_video=True,
    ),
    *(
        PanelKind(key, title, (), f"{help} (Traces)", unit, of_video=True, of_table=True)
        for key, title, help, unit in (
            ("energy", "energy", "Motion energy of each region", "grey levels"),
            (COMPONENTS, "components", "First components of motion and movie", "grey levels"),
            ("area", "pupil", "Area of the pupil", "px²"),
            ("place", "places", "Where pupil, whisker pad, nose and mouth are", "px"),
            ("degrees", "angles", "Angles of pupil and whiskers, and whisking", "°"),
            ("moving", "moving", "How fast nose and mouth move", "px/s"),
            ("share", "shares", "Opening of the eye, confidence of the pupil, blinks, bouts", ""),
        )
    ),
)


#: Panels of positions, which are far apart from keypoint to keypoint.
CENTRED = ("x", "y")
