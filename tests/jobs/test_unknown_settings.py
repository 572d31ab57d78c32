"""A name that a job does not take ends in one sentence, whatever the job."""

from __future__ import annotations

import inspect
from pkgutil import resolve_name

import pytest

from napari_vitface.engine.jobs import JOBS
from napari_vitface.errors import UnknownSettingError


def test_a_name_that_no_setting_has() -> None:
    tried = 0
    for each in JOBS.values():
        job = resolve_name(each.place)
        own = inspect.signature(inspect.unwrap(job)).parameters.values()
        if not any(one.kind is one.VAR_KEYWORD for one in own):
            continue
        needed = {one.name: "nothing" for one in own if one.kind is one.POSITIONAL_OR_KEYWORD}
        with pytest.raises(UnknownSettingError, match=r"^[^\n]*'colour'[^\n]*\.$"):
            list(job(**needed, colour=1))
        tried += 1
    assert tried > 8
