from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vitface.errors import LabelError
from napari_vitface.pose.edits import (
    EditHistory,
    LabelEdit,
    PredictionEdit,
    edit_from_json,
    make_edit,
)
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.labels import ABSENT, NOT_VISIBLE, FrameLabels, Point, labelled, occluded

KEYPOINTS = KeypointSet(("nose tip", "ear"))
points = st.sampled_from([ABSENT, NOT_VISIBLE, labelled(1, 2), labelled(3.5, 0.1), occluded(7, 8)])
choices = st.dictionaries(st.tuples(st.integers(0, 4), st.integers(0, 1)), points, max_size=4)
State = tuple[dict[tuple[int, int], Point], list[dict[str, Any]]]


def state_of(history: EditHistory) -> State:
    labels = history.labels
    said = {(frame, k): labels.point(frame, k) for frame in labels.frames() for k in range(2)}
    return {p: v for p, v in said.items() if v != ABSENT}, list(history.operations)


def test_an_edit_is_undone_and_redone() -> None:
    history = EditHistory(FrameLabels(KEYPOINTS))
    assert not history.can_undo
    assert history.undo() is None
    assert history.redo() is None
    edit = make_edit(history.labels, "move nose tip", {(3, 0): labelled(1, 2)})
    assert edit is not None
    history.do(edit)
    assert history.labels.point(3, 0) == labelled(1, 2)
    assert (history.undo_text, history.redo_text) == ("move nose tip", "")
    assert history.undo() == edit
    assert len(history.labels) == 0
    assert (history.undo_text, history.redo_text) == ("", "move nose tip")
    assert history.redo() == edit
    assert history.labels.point(3, 0) == labelled(1, 2)


def test_an_edit_is_made_of_what_really_changes() -> None:
    labels = FrameLabels(KEYPOINTS)
    labels.set(3, 0, labelled(1, 2))
    edit = make_edit(labels, "accept", {(3, 0): labelled(1, 2), (4, 1): NOT_VISIBLE})
    assert edit is not None
    assert edit.frames == (4,)
    assert make_edit(labels, "accept", {(3, 0): labelled(1, 2)}) is None


@given(
    st.lists(
        st.one_of(
            choices, st.sampled_from(["undo", "redo"]), st.integers(0, 9).map(lambda n: {"n": n})
        ),
        max_size=40,
    )
)
def test_any_steps_are_as_on_a_list_of_states_and_come_back_from_their_lines(
    steps: list[Any],
) -> None:
    lines: list[str] = []
    history = EditHistory(FrameLabels(KEYPOINTS), lambda line: lines.append(json.dumps(line)))
    states: list[State] = [state_of(history)]
    now = 0
    for step in steps:
        if step == "undo":
            assert (history.undo() is not None) == (now > 0)
            now = max(now - 1, 0)
        elif step == "redo":
            assert (history.redo() is not None) == (now < len(states) - 1)
            now = min(now + 1, len(states) - 1)
        else:
            if "n" in step:
                history.do(PredictionEdit("smooth", step))
            elif (edit := make_edit(history.labels, "place", step)) is None:
                continue
            else:
                history.do(edit)
            now += 1
            states[now:] = [state_of(history)]
        assert state_of(history) == states[now]

    again = EditHistory(FrameLabels(KEYPOINTS))
    replay = {"do": again.replay_do, "undo": again.replay_undo, "redo": again.replay_redo}
    for line in lines:
        ((kind, edit_data),) = json.loads(line).items()
        replay[kind](edit_from_json(edit_data))
    assert state_of(again) == states[now]
    assert again.done == history.done
    assert again.undone == history.undone


def test_nothing_changes_if_an_edit_cannot_be_recorded() -> None:
    history = EditHistory(FrameLabels(KEYPOINTS))
    first = make_edit(history.labels, "place", {(1, 0): labelled(1, 1)})
    second = make_edit(history.labels, "place", {(2, 0): labelled(1, 1)})
    assert first is not None
    assert second is not None
    history.do(first)
    history.do(second)
    history.undo()
    told: list[Any] = []
    history.changed.append(told.append)

    def refuse(line: dict[str, Any]) -> None:
        raise LabelError("The disk is full.")

    history.record = refuse
    before = state_of(history)
    for step in (lambda: history.do(second), history.undo, history.redo):
        with pytest.raises(LabelError, match="disk is full"):
            step()
        assert state_of(history) == before
        assert history.done == [first]
        assert history.undone == [second]
    assert told == []


def test_who_listens_is_told_of_each_step() -> None:
    history = EditHistory(FrameLabels(KEYPOINTS))
    told: list[Any] = []
    history.changed.append(told.append)
    edit = make_edit(history.labels, "place", {(1, 0): labelled(1, 1)})
    assert edit is not None
    history.do(edit)
    history.undo()
    history.redo()
    assert told == [edit, edit, edit]


def test_an_edit_of_labels_that_have_changed_is_refused() -> None:
    history = EditHistory(FrameLabels(KEYPOINTS))
    edit = make_edit(history.labels, "place nose tip", {(1, 0): labelled(1, 1)})
    other = make_edit(history.labels, "place nose tip", {(1, 0): labelled(2, 2)})
    assert edit is not None
    assert other is not None
    history.do(edit)
    with pytest.raises(LabelError, match="label of nose tip in frame 1 has changed"):
        history.do(other)
    assert history.labels.point(1, 0) == labelled(1, 1)


def test_an_edit_that_is_none_is_refused() -> None:
    history = EditHistory(FrameLabels(KEYPOINTS))
    with pytest.raises(ValueError, match="at least one point"):
        history.do(LabelEdit("nothing", ()))
    with pytest.raises(ValueError, match="not plain JSON"):
        history.do(PredictionEdit("smooth", {"frames": (1, 2)}))
    for data in ({}, {"what": "x", "changes": [[1, 2]]}, {"what": 3, "operation": {}}, []):
        with pytest.raises(ValueError, match="is no"):
            edit_from_json(data)
