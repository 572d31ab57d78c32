"""Other projects' own readers of prediction files, for ``call_readers.py``.

Each is given a file, and gives ``xy`` (frames, keypoints, 2) with NaN where there is no point,
``confidence`` (frames, keypoints), ``frames`` and ``names``. Knows nothing of napari-vitface.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Result = dict[str, Any]


def read_pandas(path: str) -> Result:
    """As DeepLabCut reads its predictions."""
    import pandas as pd

    table = pd.read_hdf(path) if path.endswith(".h5") else read_csv(path)
    scorer = table.columns.get_level_values("scorer")[0]
    names = list(table.columns.get_level_values("bodyparts").unique())
    parts = [table[scorer][name] for name in names]
    return {
        "xy": np.stack([part[["x", "y"]].to_numpy() for part in parts], axis=1),
        "confidence": np.stack([part["likelihood"].to_numpy() for part in parts], axis=1),
        "frames": table.index.to_numpy(),
        "names": names,
    }


def read_csv(path: str) -> Any:
    import pandas as pd

    return pd.read_csv(path, index_col=0, header=[0, 1, 2])


def read_movement(path: str) -> Result:
    from movement.io import load_poses

    poses = load_poses.from_dlc_file(path, fps=None)
    position = poses.position.transpose("time", "keypoints", "space", "individuals")
    confidence = poses.confidence.transpose("time", "keypoints", "individuals")
    return {
        "xy": position.values[..., 0],
        "confidence": confidence.values[..., 0],
        # Counted from the first row: movement does not look at the row labels.
        "frames": poses.time.values,
        "names": list(poses.keypoints.values),
    }


def read_sleap_io(path: str) -> Result:
    import sleap_io

    labels = sleap_io.load_file(path)
    names = labels.skeleton.node_names
    frames = [frame.frame_idx for frame in labels]
    instances = [frame.instances[0] for frame in labels]
    return {
        "xy": np.stack([instance.numpy() for instance in instances]),
        "confidence": np.stack([instance.points["score"] for instance in instances]),
        "frames": frames,
        "names": names,
        "edges": labels.skeleton.edge_inds,
    }


def read_napari_deeplabcut(path: str) -> Result:
    from napari_deeplabcut._reader import get_hdf_reader

    ((data, attributes, kind),) = get_hdf_reader(path)(path)
    assert kind == "points"
    properties = attributes["properties"]
    names = list(dict.fromkeys(properties["label"]))
    frames = np.unique(data[:, 0]).astype(int)
    xy = np.full((len(frames), len(names), 2), np.nan)
    confidence = np.full((len(frames), len(names)), np.nan)
    for (frame, y, x), name, sure in zip(
        data, properties["label"], properties["likelihood"], strict=True
    ):
        place = np.searchsorted(frames, frame), names.index(name)
        xy[place] = x, y
        confidence[place] = sure
    return {"xy": xy, "confidence": confidence, "frames": frames, "names": names}


READERS = {
    "pandas": read_pandas,
    "movement": read_movement,
    "sleap-io": read_sleap_io,
    "napari-deeplabcut": read_napari_deeplabcut,
}
