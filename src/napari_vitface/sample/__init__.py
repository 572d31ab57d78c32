"""A procedural mouse face: drawn frames with the exact positions of the twelve keypoints.

It is napari's sample data, the test fixture and extra training data. Needs numpy, scipy and
scikit-image.
"""

from __future__ import annotations

from napari_vitface.sample.movie import MouseFaceSample, random_face, write_sample_video
from napari_vitface.sample.renderer import FaceParameters, render

__all__ = ["FaceParameters", "MouseFaceSample", "random_face", "render", "write_sample_video"]
