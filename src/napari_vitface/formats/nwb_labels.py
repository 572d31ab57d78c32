"""Labels in NWB, as the training data of ndx-pose.

A frame holds the points of an animal, which of them are visible, who placed them, and which frame
of a series of images, or of a video, it is; others keep the image itself in the file.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_vitface.errors import LabelError
from napari_vitface.formats.extra import needed
from napari_vitface.formats.predictions import Choice
from napari_vitface.pose.keypoints import KeypointSet

if TYPE_CHECKING:
    from napari_vitface.formats.labelled_images import Labels


def labels_in(trainings: list[Any], path: Path, choice: Choice) -> Labels:
    """The labels in an open file's `PoseTraining`s, of the frames that have points of an animal."""
    from napari_vitface.formats.labelled_images import Labels, frame_number
    from napari_vitface.video.images import natural

    # HDF5 gives frame_10 before frame_2.
    frames = [
        one
        for each in trainings
        for _, one in sorted(
            each.training_frames.training_frames.items(), key=lambda item: natural(item[0])
        )
    ]
    held = [[*one.skeleton_instances.skeleton_instances.values()] for one in frames]
    several = any(len(here) > 1 for here in held)
    named = list(dict.fromkeys(str(each.name) for here in held for each in here))
    animal = choice.of_animals(named, path) if several or choice.animal else None
    pairs = [
        (one, each)
        for one, here in zip(frames, held, strict=True)
        for each in here
        if animal in (None, each.name)
    ]
    if not pairs:
        raise LabelError(f"{path} holds no labels.")
    nodes = {tuple(map(str, each.skeleton.nodes[:])) for _, each in pairs}
    if len(nodes) > 1:
        raise LabelError(f"{path} has {len(nodes)} skeletons, and one is read.")
    (names,) = nodes
    edges = pairs[0][1].skeleton.edges
    lines = [] if edges is None else np.reshape(edges[:], (-1, 2)).tolist()
    points = np.stack([np.asarray(each.node_locations[:], np.float64) for _, each in pairs])
    if points.shape[1:] != (len(names), 2):
        raise LabelError(f"{path} holds points in three dimensions; an image has x and y.")
    seen = np.ones(points.shape[:2], bool)
    for row, (_, each) in enumerate(pairs):
        if each.node_visibility is not None:
            seen[row] = each.node_visibility[:]
    hidden = np.isfinite(points).all(axis=-1) & ~seen
    found = [_image(one, path.parent) for one, _ in pairs]
    images = tuple(image for image, _ in found)
    return Labels(
        KeypointSet(names, tuple((names[a], names[b]) for a, b in lines)),
        np.where(hidden[..., None], np.nan, points),
        images,
        np.array([image.parent.name for image in images], dtype=str),
        np.array([frame_number(image.name) for image in images], np.int64),
        ", ".join(dict.fromkeys(str(one.annotator) for one, _ in pairs if one.annotator)),
        (),
        hidden,
        np.where(hidden[..., None], points, np.nan),
        {image: png for image, png in found if png is not None},
    )


def _image(frame: Any, folder: Path) -> tuple[Path, Callable[[], bytes] | None]:
    """The image of a frame; of a video, or in the file, where DeepLabCut would have it."""
    from napari_vitface.video.sources import IMAGE_SUFFIXES

    series, number = frame.source_video, int(frame.source_video_frame_index or 0)
    files = [] if series is None or series.external_file is None else [*series.external_file[:]]
    if frame.source_frame is None and 0 <= number < len(files):
        file = Path(str(files[number]))
        if file.suffix.lower() in IMAGE_SUFFIXES:
            return folder / file, None
    video = Path(str(files[0])).stem if files else str(series.name) if series is not None else ""
    image = folder / "labeled-data" / (video.strip(".") or "video") / f"img{number:04d}.png"
    inside = frame.source_frame
    return image, None if inside is None else partial(_png, np.asarray(inside.data[:]))


def _png(picture: np.ndarray[Any, Any]) -> bytes:
    from PIL import Image

    out = BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def training_of(labels: Labels, folder: Path) -> tuple[Any, Any]:
    """A `Skeletons` and a `PoseTraining` of labels, for a file in a folder."""
    from napari_vitface.formats.labelled_images import named_from

    ndx_pose, image = needed("ndx_pose", "nwb"), needed("pynwb.image", "nwb")
    skeleton = skeleton_of(labels.keypoints)
    series: list[Any] = []
    frames: list[Any] = []
    for name in dict.fromkeys(labels.videos.tolist()):
        rows = np.flatnonzero(labels.videos == name).tolist()
        pictures = [named_from(folder, labels.images[row]) for row in rows]
        source = image.ImageSeries(
            name=name.replace("/", "_").replace(":", "_") or "video",
            description="The labelled images of a video.",
            unit="n.a.",
            format="external",
            external_file=pictures,
            starting_frame=list(range(len(pictures))),
            # NWB asks for times, and images of labels have none: these count them.
            timestamps=np.arange(len(pictures), dtype=np.float64),
        )
        series.append(source)
        for place, row in enumerate(rows):
            seen = np.isfinite(labels.xy[row]).all(axis=-1)
            points = np.where(seen[:, None], labels.xy[row], labels.guesses[row])
            animal = ndx_pose.SkeletonInstance(
                name="animal", node_locations=points, node_visibility=seen, skeleton=skeleton
            )
            frames.append(
                ndx_pose.TrainingFrame(
                    name=f"frame_{len(frames)}",
                    annotator=labels.scorer or None,
                    skeleton_instances=ndx_pose.SkeletonInstances(skeleton_instances=[animal]),
                    source_video=source,
                    source_video_frame_index=np.uint32(place),
                )
            )
    training = ndx_pose.PoseTraining(
        name="PoseTraining",
        training_frames=ndx_pose.TrainingFrames(training_frames=frames),
        source_videos=ndx_pose.SourceVideos(image_series=series),
    )
    return ndx_pose.Skeletons(skeletons=[skeleton]), training


def skeleton_of(keypoints: KeypointSet) -> Any:
    """Keypoints as ndx-pose has them."""
    return needed("ndx_pose", "nwb").Skeleton(
        name="skeleton",
        nodes=list(keypoints.names),
        edges=np.array(keypoints.edges(), np.uint8).reshape(-1, 2),
    )
