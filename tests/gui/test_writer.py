"""napari's File > Save for the keypoints of a video, without a window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel
from npe2 import PluginManifest

from napari_vitface.errors import LabelError
from napari_vitface.formats.format import read_as, writers
from napari_vitface.gui.writer import write_keypoints
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

if TYPE_CHECKING:
    from conftest import Pump

    from napari_vitface.gui.workbench import Workbench

MANIFEST = Path(__file__).parents[2] / "src" / "napari_vitface" / "napari.yaml"


def test_napari_s_dialog_offers_the_endings_of_all_formats() -> None:
    (writer,) = PluginManifest.from_file(MANIFEST).contributions.writers
    assert writer.layer_types == ["image"]
    endings = {ending for one in writers("predictions") for ending in one.suffixes}
    assert set(writer.filename_extensions) == endings


def test_what_is_shown_of_a_video_is_written(
    session: Workbench, pump: Pump, viewer_model: ViewerModel, video_path: Path, tmp_path: Path
) -> None:
    (layer,) = viewer_model.open(video_path, plugin="napari-vitface")
    with pytest.raises(LabelError, match=r"no keypoints to write to p\.csv"):
        write_keypoints(tmp_path / "p.csv", layer.data, viewer_model)
    poses = PoseTable(KeypointSet(("nose",)), np.full((40, 1, 2), 5.5))
    poses.xy[30:] = np.nan
    assert session.current is not None
    session.set_poses(session.current, poses, "me", np.full((40, 1, 2), 0.25, np.float32))
    lost = write_keypoints(tmp_path / "p.csv", layer.data, viewer_model)
    found = read_as("predictions", tmp_path / "p.csv")
    assert found.poses.frames.tolist() == list(range(30))
    assert (found.poses.xy == 5.5).all()
    assert any("variance" in sentence for sentence in lost)
    assert not any("Labels" in sentence for sentence in lost)
    session.labelling.documents.create(tmp_path / "project", poses.keypoints, "Ann")
    pump.until(lambda: session.labelling.document is not None)
    assert session.labelling.move({0: (3, 4)})
    lost = write_keypoints(tmp_path / "p.csv", layer.data, viewer_model)
    assert lost[-1] == "Labels of 1 frame are not in it: export them by the Project menu."
    with pytest.raises(LabelError, match=r"end as p\.tif"):
        write_keypoints(tmp_path / "p.tif", layer.data, viewer_model)
