"""Writes files with the programs themselves, in an environment that has them, and reads ours.

    python write_elsewhere.py FOLDER

Writes what movement and sleap-io make of the points of `POINTS` into the folder, and reads into
``found.npz`` what they find in the files named ``ours.*`` there. Knows nothing of napari-vitface.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

FRAMES = 6
NAMES = ["nose tip", "né", "ear"]
EDGES = [(0, 1), (1, 2)]
RATE = 50.0


def points(animal: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(frames, keypoints, 2) and (frames, keypoints) that float32 holds, one of them missing."""
    values = np.arange(FRAMES * len(NAMES) * 3).reshape(FRAMES, len(NAMES), 3) / 8 + 100 * animal
    xy, confidence = values[..., :2].copy(), values[..., 2] / 1024
    xy[2, 1] = np.nan
    return xy.astype(np.float32), np.where(np.isnan(xy[..., 0]), 0, confidence).astype(np.float32)


def write_movement(folder: Path) -> None:
    from movement.io import load_poses, save_poses

    def dataset(animals: list[str], rate: float | None):
        every = [points(i) for i in range(len(animals))]
        return load_poses.from_numpy(
            np.stack([xy.transpose(0, 2, 1) for xy, _ in every], axis=-1),
            np.stack([confidence for _, confidence in every], axis=-1),
            individual_names=animals,
            keypoint_names=NAMES,
            fps=rate,
            source_software="test",
        )

    one, two = dataset(["a"], RATE), dataset(["a", "b"], None)
    one.to_netcdf(folder / "movement.nc")
    two.to_netcdf(folder / "movement-two.nc")
    save_poses.to_sleap_analysis_file(two, folder / "movement-two.h5")
    save_poses.to_dlc_file(two, folder / "movement-dlc.csv", split_individuals=False)
    save_poses.to_lp_file(one, folder / "movement-lp.csv")
    from pynwb import NWBHDF5IO

    file = save_poses.to_nwb_file(one)
    with NWBHDF5IO(folder / "movement.nwb", "w") as io:
        io.write(file)


def write_sleap_io(folder: Path) -> None:
    import sleap_io as sio
    from PIL import Image

    skeleton = sio.Skeleton(nodes=NAMES, edges=EDGES)
    images = []
    for i in range(FRAMES):
        images.append(str(folder / f"img{i}.png"))
        Image.fromarray(np.full((20, 30), i, np.uint8)).save(images[-1])
    video = sio.Video.from_filename(images)
    frames, tracks = [], [sio.Track("a"), sio.Track("b")]
    for i in range(FRAMES):
        instances = [
            sio.PredictedInstance.from_numpy(
                xy[i].astype(float), skeleton, point_scores=confidence[i], score=0.5, track=track
            )
            for track, (xy, confidence) in zip(tracks, map(points, range(2)), strict=True)
        ]
        if i == 3:
            instances.append(sio.Instance.from_numpy(points()[0][i] + 0.5, skeleton))
        frames.append(sio.LabeledFrame(video=video, frame_idx=i, instances=instances))
    labels = sio.Labels(frames, videos=[video], skeletons=[skeleton], tracks=tracks)
    sio.save_slp(labels, str(folder / "sleap.slp"), embed=False, verbose=False)
    sio.save_slp(labels, str(folder / "sleap.pkg.slp"), embed="user", verbose=False)
    sio.save_analysis_h5(labels, str(folder / "sleap-standard.h5"), preset="standard")


def read_ours(folder: Path) -> dict[str, np.ndarray]:
    import sleap_io as sio
    import xarray as xr
    from movement.io import load_poses

    found = {}
    with xr.open_dataset(folder / "ours.nc") as data:
        data = data.load()
    found["nc_xy"] = data.position.values[..., 0]
    found["nc_confidence"] = data.confidence.values[..., 0]
    found["nc_time"] = data.time.values
    found["nc_names"] = data.keypoints.values.astype(str)
    found["nc_fps"] = data.attrs["fps"]
    data = load_poses.from_nwb_file(folder / "ours.nwb")
    found["nwb_xy"] = data.position.values[..., 0]
    found["nwb_names"] = data.keypoints.values.astype(str)
    found["nwb_fps"] = data.attrs["fps"]
    for name in ("slp", "h5"):
        labels = sio.load_file(str(folder / f"ours.{name}"))
        found[f"{name}_xy"] = np.stack([frame.instances[0].numpy() for frame in labels])
        found[f"{name}_edges"] = labels.skeleton.edge_inds
        found[f"{name}_video"] = str(labels.videos[0].filename)
    return found


if __name__ == "__main__":
    place = Path(sys.argv[1])
    write_movement(place)
    write_sleap_io(place)
    np.savez(place / "found.npz", **read_ours(place))
