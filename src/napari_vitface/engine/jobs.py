"""The jobs that the engine carries out, by name."""

from __future__ import annotations

from typing import NamedTuple

from napari_vitface.plugins import Registry


class Job(NamedTuple):
    """A job.

    Attributes
    ----------
    name : str
    place : str
        ``"module:function"`` of a generator of `napari_vitface.jobs.events`. Where it has a
        parameter ``resources``, it is given the process's `Resources`.
    needs_torch : bool
        Else it is not kept waiting for PyTorch while that is being imported.
    """

    name: str
    place: str
    needs_torch: bool = True


#: Other packages add theirs as entry points of this group, each a `Job`.
JOBS: Registry[Job] = Registry(
    Job,
    (
        Job(
            "align_traces",
            "napari_vitface.jobs.states.align:align_traces",
            needs_torch=False,
        ),
        Job("attention_data", "napari_vitface.jobs.explaining.attention_table:attention_data"),
        Job("attention_video", "napari_vitface.jobs.explaining.map_video:attention_video"),
        Job("audit", "napari_vitface.jobs.auditing.audit:audit"),
        Job("audit_video", "napari_vitface.jobs.auditing.audit:audit_video"),
        Job(
            "compare_frames", "napari_vitface.jobs.states.compare:compare_frames", needs_torch=False
        ),
        Job(
            "component_picture",
            "napari_vitface.jobs.component_picture:component_picture",
            needs_torch=False,
        ),
        Job("describe", "napari_vitface.jobs.describe:describe"),
        Job("evaluate", "napari_vitface.jobs.evaluate:evaluate"),
        Job("evaluate_states", "napari_vitface.jobs.states.evaluate:evaluate_states"),
        Job("explain", "napari_vitface.jobs.explaining.explain:explain"),
        Job("explain_frames", "napari_vitface.jobs.explaining.frame_maps:explain_frames"),
        Job("explain_states", "napari_vitface.jobs.states.explain:explain_states"),
        Job("faithfulness", "napari_vitface.jobs.explaining.faithfulness:faithfulness"),
        Job("features", "napari_vitface.jobs.states.features:features"),
        Job("find_face", "napari_vitface.jobs.find_face:find_face"),
        Job("hog_picture", "napari_vitface.jobs.states.faces:hog_picture", needs_torch=False),
        Job("likeness", "napari_vitface.jobs.states.likeness:likeness", needs_torch=False),
        Job("mean_face", "napari_vitface.jobs.states.faces:mean_face", needs_torch=False),
        Job("models", "napari_vitface.jobs.models:models", needs_torch=False),
        Job("plan_training", "napari_vitface.jobs.training.plan:plan_training"),
        Job("predict", "napari_vitface.jobs.predict:predict"),
        Job("predict_states", "napari_vitface.jobs.states.predict:predict_states"),
        Job("report_states", "napari_vitface.jobs.states.report:report_states", needs_torch=False),
        Job("responses", "napari_vitface.jobs.states.responses:responses"),
        Job("smooth", "napari_vitface.jobs.smooth:smooth", needs_torch=False),
        Job("suggest", "napari_vitface.jobs.suggesting.suggest:suggest"),
        Job("traces", "napari_vitface.jobs.traces:traces", needs_torch=False),
        Job("train", "napari_vitface.jobs.training.train:train"),
        Job("train_states", "napari_vitface.jobs.states.train:train_states"),
    ),
    group="napari_vitface.jobs",
)
