"""SLEAP's projects, ``.slp`` and ``.pkg.slp``, read and written by sleap-io.

Files before version 1.1 count from the corner of the top left pixel; sleap-io takes half a pixel
away from these, so that whole numbers are the centres of pixels in all of them.
"""

from __future__ import annotations

import json
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import require_room
from napari_vitface.errors import LabelError, damage_told, reason
from napari_vitface.formats.extra import needed
from napari_vitface.formats.format import Content, Format
from napari_vitface.formats.predictions import Choice, Heading, Predictions, confidence_of
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.pose.table import PoseTable

if TYPE_CHECKING:
    from napari_vitface.formats.labelled_images import Labels

_UNTRACKED = "untracked"
#: Bytes at most, seen with sleap-io 0.9: of a project, of a keypoint or a video, beside names, of a
#: frame and of a point.
_BYTES_A_PROJECT, _BYTES_A_PART, _BYTES_A_FRAME, _BYTES_A_POINT = 1 << 16, 512, 256, 40
#: SLEAP has no project without the name of a video.
_NO_VIDEO = "unknown"


def _can_open(path: Path) -> bool:
    return path.suffix.lower() == ".slp"


def _load(path: Path) -> Any:
    sleap_io = needed("sleap_io", "sleap")
    with damage_told(path, "a project of SLEAP"):
        return sleap_io.load_slp(str(path), open_videos=False)


def _contents(path: Path) -> list[Content]:
    project = _load(path)
    predicted = any(frame.has_predicted_instances for frame in project.labeled_frames)
    placed = any(frame.has_user_instances for frame in project.labeled_frames)
    labels: list[Content] = ["labels"] if placed else []
    return ["predictions", *labels] if predicted or not placed else labels


def _keypoints(project: Any, path: Path) -> KeypointSet:
    if len(project.skeletons) != 1:
        raise LabelError(f"{path} has {len(project.skeletons)} skeletons, and one is read.")
    skeleton = project.skeletons[0]
    edges = tuple((edge.source.name, edge.destination.name) for edge in skeleton.edges)
    swaps = tuple(tuple(node.name for node in pair.nodes) for pair in skeleton.symmetries)
    return KeypointSet(tuple(skeleton.node_names), edges, tuple((a, b) for a, b in swaps))


def _name(video: Any) -> str:
    """The video's file; of images in the project the one they are from, of files their folder."""
    file = (video.source_video or video).filename
    name = str(Path(file[0]).parent if isinstance(file, list) else file)
    return "" if name == _NO_VIDEO else name


def _read_poses(path: Path, choice: Choice) -> Predictions:
    project = _load(path)
    keypoints = _keypoints(project, path)
    frames = [one for one in project.labeled_frames if one.predicted_instances]
    names = list(dict.fromkeys(_name(one.video) for one in frames or project.labeled_frames))
    video = choice.of_tables(names, path) if names else ""
    chosen = [one for one in project.labeled_frames if _name(one.video) == video]
    found = {one.frame_idx: one.predicted_instances for one in chosen if not one.user_instances}
    found |= {one.frame_idx: one.predicted_instances for one in frames if one in chosen}
    animals = {
        _animal(each): None for one in frames if one in chosen for each in found[one.frame_idx]
    }
    animal = choice.of_animals(list(animals), path) if animals else ""
    numbers = np.array(sorted(found), np.int64)
    xy = np.full((len(numbers), len(keypoints), 2), np.nan)
    confidence = np.zeros(xy.shape[:2])
    for row, number in enumerate(numbers.tolist()):
        here = [each for each in found[number] if _animal(each) == animal]
        if len(here) > 1:
            raise LabelError(
                f"{path} has {len(here)} animals without a track in frame {number}; track them in "
                "SLEAP first."
            )
        for each in here:
            xy[row], confidence[row] = each.numpy(), each.points["score"]
    confidence, problems = confidence_of(confidence, xy)
    poses = PoseTable(keypoints, xy, confidence, frames=numbers)
    return Predictions(poses, video=video, problems=problems)


def _animal(instance: Any) -> str:
    return str(instance.track.name) if instance.track else _UNTRACKED


def _read_labels(path: Path, choice: Choice) -> Labels:
    from napari_vitface.formats.labelled_images import Labels, frame_number

    project = _load(path)
    keypoints = _keypoints(project, path)
    frames = [one for one in project.labeled_frames if one.user_instances]
    animals = list(dict.fromkeys(_animal(each) for one in frames for each in one.user_instances))
    animal = choice.of_animals(animals, path) if animals else ""
    found = []
    for one in frames:
        here = [each for each in one.user_instances if _animal(each) == animal]
        if len(here) > 1:
            raise LabelError(
                f"{path} has the labels of {len(here)} animals without a track in frame "
                f"{one.frame_idx}; track them in SLEAP first."
            )
        found += [(one, each) for each in here]
    frames = [one for one, _ in found]
    shape = len(frames), len(keypoints)
    xy = np.array([each.points["xy"] for _, each in found], np.float64).reshape(*shape, 2)
    seen = np.array([each.points["visible"] for _, each in found], bool).reshape(shape)
    hidden = np.isfinite(xy).all(axis=-1) & ~seen
    images = [_image(one, path.parent) for one in frames]
    numbers = [
        frame_number(image.name) if isinstance(_source(one.video).filename, list) else one.frame_idx
        for one, image in zip(frames, images, strict=True)
    ]
    embedded = {
        image: partial(_picture, path, one.video.backend_metadata["dataset"], one.frame_idx)
        for one, image in zip(frames, images, strict=True)
        if (one.video.backend_metadata or {}).get("dataset")
    }
    return Labels(
        keypoints,
        np.where(hidden[..., None], np.nan, xy),
        tuple(images),
        np.array([image.parent.name for image in images], dtype=str),
        np.array(numbers, np.int64),
        "",
        (),
        hidden,
        np.where(hidden[..., None], xy, np.nan),
        embedded,
    )


def _source(video: Any) -> Any:
    """Of frames in the project the video or the images that they are from."""
    return video.source_video or video


def _image(frame: Any, folder: Path) -> Path:
    """The image of a frame; of a video, where DeepLabCut would have it."""
    file = _source(frame.video).filename
    if not isinstance(file, list):
        video = Path(_name(frame.video)).stem.strip(".") or "video"
        return folder / "labeled-data" / video / f"img{frame.frame_idx:04d}.png"
    image = Path(file[frame.frame_idx])
    if frame.video.source_video is None or image.exists():
        return image
    return folder / "labeled-data" / (image.parent.name or "video") / f"{image.stem}.png"


def _picture(path: Path, dataset: str, frame: int) -> bytes:
    """A frame that is in the project, as PNG; `LabelError` if it is not."""
    import h5py
    from PIL import Image

    from napari_vitface.formats.plain_hdf import text

    try:
        with h5py.File(path, "r") as file:
            pictures = file[dataset]
            row = frame
            if "frame_numbers" in pictures.parent:
                row = int(np.flatnonzero(pictures.parent["frame_numbers"][:] == frame)[0])
            picture = np.asarray(pictures[row])
            # Without a word of it, OpenCV wrote colours the other way round.
            order = text(pictures.attrs.get("channel_order", "BGR"))
        image: Image.Image
        if picture.ndim == 1:
            image = Image.open(BytesIO(picture.astype(np.uint8).tobytes()))
            if image.mode == "RGB" and order == "BGR":
                image = Image.merge("RGB", image.split()[::-1])
        else:
            image = Image.fromarray(np.squeeze(picture))
        out = BytesIO()
        image.save(out, "PNG")
        return out.getvalue()
    except Exception as error:
        # Whatever h5py and Pillow make of damage.
        raise LabelError(f"{path} has no image of frame {frame} ({reason(error)}).") from error


class _Sink:
    """A project, which sleap-io writes as a whole."""

    def __init__(self, path: Path, heading: Heading) -> None:
        self._sleap_io = needed("sleap_io", "sleap")
        self._path = path
        self._heading = heading
        self._skeleton = _skeleton(heading.keypoints)
        self._video = self._sleap_io.Video(filename=heading.video or _NO_VIDEO, open_backend=False)
        self._frames: list[Any] = []

    def write(self, frames: NDArray[np.int64], values: NDArray[np.float32]) -> None:
        points = values.reshape(len(frames), len(self._heading.keypoints), 3).astype(np.float64)
        for frame, here in zip(frames.tolist(), points, strict=True):
            there = np.isfinite(here[:, 0])
            instance = self._sleap_io.PredictedInstance.from_numpy(
                here[:, :2],
                self._skeleton,
                point_scores=here[:, 2],
                score=float(here[there, 2].mean()) if there.any() else 0.0,
            )
            self._frames.append(
                self._sleap_io.LabeledFrame(
                    video=self._video,
                    frame_idx=frame,
                    instances=[instance] if there.any() else [],
                )
            )

    def close(self) -> None:
        require_room(self._path, _size(len(self._frames), self._heading.keypoints))
        _save(self._frames, [self._video], self._skeleton, self._path)

    def abort(self) -> None:
        self._frames = []


def _skeleton(keypoints: KeypointSet) -> Any:
    return needed("sleap_io", "sleap").Skeleton(
        nodes=list(keypoints.names),
        edges=keypoints.edges(),
        symmetries=[set(pair) for pair in keypoints.swaps],
    )


def _size(frames: int, keypoints: KeypointSet) -> int:
    """Bytes that a project takes at most, without images and their names."""
    parts = len(keypoints) + len(keypoints.skeleton) + len(keypoints.swaps)
    a_frame = _BYTES_A_FRAME + len(keypoints) * _BYTES_A_POINT
    return _BYTES_A_PROJECT + parts * _BYTES_A_PART + frames * a_frame


def _size_of_pictures(images: list[Path]) -> int:
    """Bytes that the images of a video take at most: each as many as the largest, to which SLEAP
    pads them. PNG and JPEG are copied, others become PNG."""
    from PIL import Image

    endings = {image.suffix.lower() for image in images}
    if endings == {".png"} or endings <= {".jpg", ".jpeg"}:
        return len(images) * max(image.stat().st_size for image in images)
    largest = 0
    for path in images:
        with Image.open(path) as image:
            # A PNG that nothing can be taken from is a little larger than its pixels.
            pixels = image.width * image.height * 4
        largest = max(largest, path.stat().st_size, pixels + pixels // 100 + _BYTES_A_PART)
    return len(images) * largest


def _save(
    frames: list[Any], videos: list[Any], skeleton: Any, path: Path, *, embed: bool = False
) -> None:
    sleap_io = needed("sleap_io", "sleap")
    project = sleap_io.Labels(labeled_frames=frames, videos=videos, skeletons=[skeleton])
    # The images are those of labels.
    sleap_io.save_slp(project, str(path), embed="user" if embed else False, verbose=False)


def _write_package(path: Path, labels: Labels) -> None:
    missing = next((image for image in labels.images if not image.is_file()), None)
    if missing is not None:
        raise LabelError(f"A .pkg.slp holds the labelled images, and {missing} is not there.")
    _write_labels(path, labels, embed=True)


def _write_labels(path: Path, labels: Labels, *, embed: bool = False) -> None:
    sleap_io = needed("sleap_io", "sleap")
    skeleton = _skeleton(labels.keypoints)
    # The images of a video as the frames of one, in their order.
    videos: dict[str, Any] = {}
    frames = []
    size = _size(len(labels), labels.keypoints)
    for name in dict.fromkeys(labels.videos.tolist()):
        rows = np.flatnonzero(labels.videos == name).tolist()
        images = [str(labels.images[row]) for row in rows]
        # Names are there twice, and as JSON.
        size += _BYTES_A_PART + 4 * len(json.dumps(images))
        size += _size_of_pictures([labels.images[row] for row in rows]) if embed else 0
        about = {"type": "ImageVideo", "filename": images[0], "filenames": images}
        videos[name] = sleap_io.Video(images, backend_metadata=about, open_backend=embed)
        for place, row in enumerate(rows):
            seen = np.isfinite(labels.xy[row]).all(axis=-1)
            points = np.where(seen[:, None], labels.xy[row], labels.guesses[row])
            instance = sleap_io.Instance.from_numpy(points, skeleton)
            instance.points["visible"] = seen
            frames.append(
                sleap_io.LabeledFrame(video=videos[name], frame_idx=place, instances=[instance])
            )
    require_room(path, size)
    _save(frames, list(videos.values()), skeleton, path, embed=embed)


SLEAP_PROJECT = Format(
    "sleap",
    "a project of SLEAP (.slp)",
    (".slp",),
    _can_open,
    read_poses=_read_poses,
    read_labels=_read_labels,
    pose_sink=_Sink,
    write_labels=_write_labels,
    holds=frozenset({"confidence", "hidden places", "skeleton", "gaps", "video"}),
    contents=_contents,
)

#: Labels with their images, which another computer can train on. It is opened as `SLEAP_PROJECT`.
SLEAP_PACKAGE = Format(
    "sleap-package",
    "labels of SLEAP with their images (.pkg.slp)",
    (".pkg.slp",),
    lambda path: False,
    write_labels=_write_package,
    holds=SLEAP_PROJECT.holds,
)
