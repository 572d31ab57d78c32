"""The events of one open video, with the labels that they can have."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from napari_vitface.events.event_labels import EventLabel, with_used
from napari_vitface.project.event_document import EventDocument
from napari_vitface.project.event_labels import write_event_labels


@dataclass(eq=False)
class VideoEvents:
    """The events of an open video.

    Attributes
    ----------
    document : EventDocument
    project : Path or None
        The folder of the project that they are kept in; None: beside the video.
    declared : tuple of EventLabel
        Labels that were made, whether there are events of them or not.
    """

    document: EventDocument
    project: Path | None
    declared: tuple[EventLabel, ...] = field(default=())

    @property
    def labels(self) -> tuple[EventLabel, ...]:
        """The labels that are shown, one lane each."""
        return with_used(self.declared, self.document.events.labels)

    def declare(self, labels: tuple[EventLabel, ...]) -> None:
        """Have other labels; `LabelError` if a project cannot keep them."""
        if self.project is not None:
            write_event_labels(self.project, labels)
        self.declared = labels
