"""Traces that are known already, around onsets."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import Finished
from napari_vitface.jobs.results.responses import AlignTracesResult
from napari_vitface.jobs.states.align import align_traces


def test_traces_are_averaged_by_state_with_size_and_latency() -> None:
    rise = np.zeros((3, 20), np.float32)
    rise[:2, 14:] = 1.0
    *_, last = align_traces({"p": rise}, ["pain", "pain", "none"], before=10, rate=2.0)
    assert isinstance(last, Finished)
    result = last.result
    assert isinstance(result, AlignTracesResult)
    pain, none = result.curves
    assert (pain.state, pain.trials, none.state, none.trials) == ("pain", 2, "none", 1)
    assert pain.times[[0, 10]].tolist() == [-5.0, 0.0]
    assert pain.mean.tolist() == [0.0] * 14 + [1.0] * 6
    assert np.isnan(none.low).all()
    sizes = {each.state: (each.size, each.latency) for each in result.summaries}
    assert sizes["pain"] == (pytest.approx(0.6), 2.0)
    assert sizes["none"][0] == 0.0
    assert np.isnan(sizes["none"][1])
    assert [each.trial for each in result.responses] == [0, 1, 2]
    with pytest.raises(VitFaceError, match="one sample before the onset"):
        list(align_traces({"p": rise}, ["a", "b", "c"], before=0))
