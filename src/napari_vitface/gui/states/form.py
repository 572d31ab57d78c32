"""What is chosen of a classifier of states; widgets of what is declared are made of that."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QLineEdit,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QFlowLayout

from napari_vitface.events.trials import Trials
from napari_vitface.gui.kinds_button import KindsButton
from napari_vitface.gui.section import Fold, WrappedLabel, labelled_rows, stack
from napari_vitface.gui.setting_rows import SettingRows
from napari_vitface.gui.settings_widgets import sentence
from napari_vitface.settings.features import DEFAULT, FEATURES, FeatureKind
from napari_vitface.settings.option import Setting, Value, declared
from napari_vitface.settings.states import CLASSIFIERS, StatesSettings

_SETTINGS = declared(StatesSettings)
#: How the crop goes with the face.
_FOLLOW = {
    "": "stays where it is",
    "position": "moves with the face",
    "pose": "moves, turns and scales with it",
}
#: Those that most leave as they are.
_MORE = ("baseline", "frames_per_trial", "permutations", "seed")
#: Values of a label that are offered one by one, at most.
_MOST_CLASSES = 16


class StatesForm(QWidget):
    """Label, classes, group, window, features and classifier.

    Signals
    -------
    changed
        Something else is set.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, set[str]] = {}
        self.label = _combo("The column of the table that says the state")
        self.classes_box = QWidget()
        self._flow = flow = QFlowLayout(self.classes_box)
        flow.setContentsMargins(0, 0, 0, 0)
        flow.setHorizontalSpacing(10)
        flow.setVerticalSpacing(2)
        self.classes: dict[str, QCheckBox] = {}
        self.graded = QCheckBox("Graded: a number")
        self.graded.setToolTip(sentence(_SETTINGS["graded"].option.help))
        self.group = _combo(sentence(_SETTINGS["group"].option.help))
        for choice in _SETTINGS["group"].choices:
            self.group.addItem("automatic" if choice == "auto" else choice, choice)
        self.span = QLineEdit()
        self.span.setPlaceholderText("all, or START:STOP")
        self.span.setToolTip(sentence(_SETTINGS["window"].option.help))
        self.features = KindsButton(list(FEATURES.values()), DEFAULT)
        self.follow = _combo(
            "Whether the crop goes with the face, by its predicted keypoints, or stays where it is"
        )
        for follow, title in _FOLLOW.items():
            self.follow.addItem(title, follow or None)
        self.classifier = _combo("What learns the states from the features")
        self.about = WrappedLabel()
        grid, labels = labelled_rows(
            ("Label", self.label),
            ("Classes", self.classes_box),
            ("", self.graded),
            ("Left out", self.group),
            ("Window", self.span),
            ("Features", self.features),
            ("Crop", self.follow),
            ("Classifier", self.classifier),
        )
        self._classes_label = labels[1]
        self.feature_rows: dict[str, SettingRows] = {}
        self.more_rows = SettingRows({name: _SETTINGS[name] for name in _MORE})
        more = QWidget()
        inside = QVBoxLayout(more)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(5)
        for kind in FEATURES.values():
            rows = SettingRows(_offered(kind))
            self.feature_rows[kind.name] = rows
            inside.addWidget(rows)
        inside.addWidget(self.more_rows)
        self.more = Fold("More", more)
        stack(self, grid, self.more, spacing=6)
        self.label.currentIndexChanged.connect(lambda *_: self._on_label())
        self.graded.toggled.connect(lambda *_: self._on_graded())
        self.features.changed.connect(self._on_features)
        self.classifier.currentIndexChanged.connect(lambda *_: self._on_classifier())
        for box in (self.group, self.classifier, self.follow):
            box.currentIndexChanged.connect(lambda *_: self.changed.emit())
        self.span.textChanged.connect(lambda *_: self.changed.emit())
        self._on_graded()
        self._on_features()
        self._on_label()

    def set_trials(self, trials: Trials) -> None:
        """Offer the columns of a table; the label that was chosen stays chosen if it is there."""
        before = self.label.currentText()
        self._values = {
            name: {trial.values.get(name, "") for trial in trials.trials} - {""}
            for name in trials.columns
        }
        self.label.blockSignals(True)
        self.label.clear()
        self.label.addItems(list(trials.columns))
        known = [name for name in (before, "label", "state") if name in trials.columns]
        self.label.setCurrentText(known[0] if known else _likely(trials))
        self.label.blockSignals(False)
        self._on_label()

    def values(self) -> dict[str, Any]:
        """What is set, as the job of training takes it.

        Raises
        ------
        VitFaceError
            If a text is none of what can be set.
        """
        graded = self.graded.isChecked()
        chosen = tuple(name for name, box in self.classes.items() if box.isChecked())
        window = self.span.text().strip()
        return {
            "label": self.label.currentText(),
            "graded": graded,
            "classes": None if graded or len(chosen) == len(self.classes) else chosen,
            "group": self.group.currentData(),
            "window": _SETTINGS["window"].read(window) if window else None,
            "features": ",".join(self.features.names),
            "follow": self.follow.currentData(),
            "feature_settings": self.feature_settings(),
            "classifier": self.classifier.currentData(),
            **self.more_rows.values(),
        }

    def feature_settings(self) -> dict[str, Value]:
        """What is set of the chosen features."""
        values: dict[str, Value] = {}
        for name in self.features.names:
            values.update(self.feature_rows[name].values())
        return values

    @property
    def needs_poses(self) -> bool:
        """Whether keypoints are to be predicted before."""
        kinds = [FEATURES[name] for name in self.features.names]
        return self.follows or any("poses" in kind.needs for kind in kinds)

    @property
    def follows(self) -> bool:
        """Whether the crop goes with the face."""
        return self.follow.currentData() is not None

    def problem(self) -> str:
        """Why nothing can be trained with what is set; empty if it can."""
        if not self.label.currentText():
            return "The table has no column that could be the label."
        chosen = [name for name, box in self.classes.items() if box.isChecked()]
        if not self.graded.isChecked() and self.classes and len(chosen) < 2:
            return "Choose two classes or more."
        return ""

    def _on_label(self) -> None:
        values = self._label_values()
        for box in self.classes.values():
            box.setParent(None)
        self.classes = {}
        for value in values if len(values) <= _MOST_CLASSES else []:
            box = self.classes[value] = QCheckBox(value)
            box.setChecked(True)
            box.toggled.connect(lambda *_: self.changed.emit())
            self._flow.addWidget(box)
        numbers = bool(values) and all(_is_number(value) for value in values)
        self.graded.setEnabled(numbers)
        if not numbers:
            self.graded.setChecked(False)
        self._show_classes()
        self.changed.emit()

    def _label_values(self) -> list[str]:
        found = self._values.get(self.label.currentText(), set())
        return sorted(found, key=lambda text: (not _is_number(text), _order(text), text))

    def _on_graded(self) -> None:
        before, graded = self.classifier.currentData(), self.graded.isChecked()
        self.classifier.blockSignals(True)
        self.classifier.clear()
        for each in CLASSIFIERS.values():
            if each.graded if graded else each.states:
                self.classifier.addItem(f"{each.name} ({each.description})", each.name)
        self.classifier.setCurrentIndex(max(0, self.classifier.findData(before)))
        self.classifier.blockSignals(False)
        self._show_classes()
        self._on_classifier()
        self.changed.emit()

    def _on_classifier(self) -> None:
        """Features are chosen for those that learn from features."""
        kind = CLASSIFIERS.get(self.classifier.currentData())
        self.features.setEnabled(kind is None or kind.features is None)

    def _show_classes(self) -> None:
        shown = bool(self.classes) and not self.graded.isChecked()
        self.classes_box.setVisible(shown)
        self._classes_label.setVisible(shown)

    def _on_features(self) -> None:
        for name, rows in self.feature_rows.items():
            rows.setVisible(name in self.features.names and bool(rows.widgets))
        self.changed.emit()


def _offered(kind: FeatureKind) -> dict[str, Setting]:
    return {n: each for n, each in declared(type(kind)).items() if each.option.offered}


def _likely(trials: Trials) -> str:
    """The column that most looks like a label: few values, each of several animals."""
    roles = {"animal", "mouse", "subject", "session", "trial", "repetition"}

    def badness(name: str) -> tuple[bool, int]:
        values = {trial.values[name] for trial in trials.trials}
        return name.lower() in roles or len(values) < 2, len(values)

    return min(trials.columns, key=badness, default="")


def _combo(tip: str, entries: Iterable[str] = ()) -> QComboBox:
    box = QComboBox()
    box.addItems(list(entries))
    box.setToolTip(tip)
    box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return box


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _order(text: str) -> float:
    return float(text) if _is_number(text) else 0.0
