"""Other projects' own readers of labels, for ``call_readers.py``.

Each is given a folder and the scorer, and gives ``xy`` (images, keypoints, 2) with NaN where there
is no point, ``images`` (names of files) and ``names``. ``move`` reads with napari-deeplabcut, moves
every point by (10, 20) and writes with napari-deeplabcut. Knows nothing of napari-vitface.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

Result = dict[str, Any]


def read_pandas(folder: str, scorer: str, suffix: str = ".h5") -> Result:
    """As DeepLabCut reads labels for training."""
    import pandas as pd

    path = Path(folder, f"CollectedData_{scorer}{suffix}")
    if suffix == ".h5":
        table = pd.read_hdf(path)
    else:
        table = pd.read_csv(path, header=[0, 1, 2], index_col=[0, 1, 2])
    names = list(dict.fromkeys(table.columns.get_level_values("bodyparts")))
    assert list(table.columns.names) == ["scorer", "bodyparts", "coords"]
    return {
        "xy": np.stack([table[scorer][name][["x", "y"]].to_numpy() for name in names], axis=1),
        "images": [row[-1] for row in table.index],
        "names": names,
    }


def read_pandas_csv(folder: str, scorer: str) -> Result:
    return read_pandas(folder, scorer, ".csv")


def read_visibility(folder: str, scorer: str) -> Result:
    """As Lightning Pose reads its tables."""
    import pandas as pd

    table = pd.read_csv(Path(folder, f"visibility_{scorer}.csv"), header=[0, 1, 2], index_col=0)
    names = list(dict.fromkeys(table.columns.get_level_values("bodyparts")))
    parts = [table[scorer][name] for name in names]
    return {
        "xy": np.stack([part[["x", "y"]].to_numpy() for part in parts], axis=1),
        "visible": np.stack([part["visible"].to_numpy() for part in parts], axis=1),
        "images": list(table.index),
        "names": names,
    }


def read_movement(folder: str, scorer: str) -> Result:
    from movement.io import load_poses

    poses = load_poses.from_dlc_file(str(Path(folder, f"CollectedData_{scorer}.h5")), fps=None)
    position = poses.position.transpose("time", "keypoints", "space", "individuals")
    return {"xy": position.values[..., 0], "names": list(poses.keypoints.values)}


def read_sleap_io(folder: str, scorer: str) -> Result:
    import sleap_io

    labels = sleap_io.load_file(str(Path(folder, f"CollectedData_{scorer}.csv")))
    return {
        "xy": np.stack([frame.instances[0].numpy() for frame in labels]),
        "images": [Path(frame.video.filename[frame.frame_idx]).name for frame in labels],
        "names": labels.skeleton.node_names,
    }


def layers(folder: str) -> tuple[Any, dict[str, Any]]:
    """The points that dropping the folder into napari shows."""
    from napari_deeplabcut._reader import get_folder_parser

    found = get_folder_parser(folder)(folder)
    ((data, attributes, _),) = [layer for layer in found if layer[2] == "points"]
    return data, attributes


def read_napari_deeplabcut(folder: str, scorer: str) -> Result:
    data, attributes = layers(folder)
    labels = attributes["properties"]["label"]
    names = list(dict.fromkeys(labels))
    paths = attributes["metadata"]["paths"]
    xy = np.full((len(paths), len(names), 2), np.nan)
    for (frame, y, x), name in zip(data, labels, strict=True):
        xy[int(frame), names.index(name)] = x, y
    return {"xy": xy, "images": [path.split("/")[-1] for path in paths], "names": names}


def move_with_napari_deeplabcut(folder: str, scorer: str) -> Result:
    from napari_deeplabcut._writer import write_hdf_napari_dlc

    data, attributes = layers(folder)
    write_hdf_napari_dlc("", np.add(data, [0, 20, 10]), attributes)
    return {}


READERS = {
    "pandas h5": read_pandas,
    "pandas csv": read_pandas_csv,
    "visibility": read_visibility,
    "movement": read_movement,
    "sleap-io": read_sleap_io,
    "napari-deeplabcut": read_napari_deeplabcut,
    "move": move_with_napari_deeplabcut,
}
