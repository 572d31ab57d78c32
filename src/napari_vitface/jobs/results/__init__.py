"""What jobs end with: a `Result` for each, by the names of its fields what ``--json`` prints.

All of them are loaded with this package, so that the window, which loads no job, knows those that
the engine sends.
"""

from napari_vitface.jobs.results.models import ExportResult, QuantiseResult
from napari_vitface.jobs.results.sample import SampleResult
from napari_vitface.jobs.results.states import (
    FailedVideo,
    FeaturesResult,
    FeatureTable,
    FeatureVideosResult,
    LookResult,
    MeanFaceResult,
)

__all__ = [
    "ExportResult",
    "FailedVideo",
    "FeatureTable",
    "FeatureVideosResult",
    "FeaturesResult",
    "LookResult",
    "MeanFaceResult",
    "QuantiseResult",
    "SampleResult",
]
