"""An error that nobody thought of ends in a sentence, and its traceback in the log."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from napari_vitface.errors import LabelError
from napari_vitface.gui import reader
from napari_vitface.gui.fine_tune.fine_tuning import _save_other
from napari_vitface.gui.unexpected import sentence_of


def test_our_fault_is_logged_and_the_user_s_is_not(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert sentence_of("opening", LabelError("No labels here.")) == "No labels here."
        assert not caplog.records
        with pytest.raises(KeyError) as fault:
            {}["x"]
        said = sentence_of("opening", fault.value)
    assert said == "Unexpected error in opening: KeyError: 'x'."
    assert "test_our_fault_is_logged" in caplog.text


def test_a_dropped_file_on_which_a_library_stumbles_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said: list[str] = []
    monkeypatch.setattr("napari.utils.notifications.show_error", said.append)

    def stumble(path: Any) -> None:
        raise KeyError("chroma")

    monkeypatch.setattr(reader, "open_for_window", stumble)
    assert reader.read(tmp_path / "mouse.mp4") == [(None,)]
    assert said == ["Unexpected error in opening the video: KeyError: 'chroma'."]


def test_labels_that_cannot_be_saved_before_a_training_are_told() -> None:
    class Document:
        name = "other"

        def save(self) -> None:
            raise KeyError("x")

    said = _save_other(Document())  # type: ignore[arg-type]
    assert said.endswith("KeyError: 'x'. (Open other to settle it.)")
