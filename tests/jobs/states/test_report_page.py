"""The page of a classifier's figures, whatever its states are called."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest

from napari_vitface.jobs.states.report_page import _curves
from napari_vitface.states.scores import score


@pytest.mark.parametrize(("count", "named"), [(3, 3), (30, 0)])
def test_states_of_any_name_and_number_have_curves(count: int, named: int) -> None:
    labels = np.tile(np.arange(count), 4)
    said = np.random.default_rng(0).dirichlet(np.ones(count), len(labels))
    trials, groups = np.arange(len(labels)), np.repeat(list("abcd"), count)
    scores = score(said, labels, trials, groups, unit="animal")
    figure = _curves(scores, scores, [f"$\\dose_{k}$ <b> 5$" for k in range(count)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(io.BytesIO(), format="png")
    legend = figure.axes[0].get_legend()
    assert (0 if legend is None else len(legend.get_texts())) == named
