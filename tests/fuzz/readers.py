"""What is read from a user's disk: how to make a small file of each kind, damage it, and read it.

A reader is everything that follows from opening such a file: what a user would do with it next.
"""

from __future__ import annotations

import io
import json
import random
import shutil
import struct
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import bombs
from .mutations import Mutation, changed, changed_json, damaged, one_of, reworded

Read = Callable[[Path], object]


@dataclass(frozen=True)
class Reader:
    """One kind of file.

    Attributes
    ----------
    name : str
    file : str
        Name of the damaged file in the folder that `make` fills.
    make : callable
        Writes the sound file, and what it needs beside it, into a folder.
    read : callable
        Reads what is in the folder; a user sees what it raises.
    mutate : Mutation
    refuses : tuple of exception types
        What says that a file is no good, besides `VitFaceError`: only where no user sees it.
    torch : bool
        Whether reading needs PyTorch.
    """

    name: str
    file: str
    make: Callable[[Path], None]
    read: Read
    mutate: Mutation = damaged
    refuses: tuple[type[BaseException], ...] = ()
    torch: bool = False


# --- pictures and videos --------------------------------------------------------------------------


def _frames(count: int = 12) -> np.ndarray:
    y, x = np.mgrid[:48, :64]
    return np.stack([(x * 3 + y * 2 + 9 * t) % 256 for t in range(count)]).astype(np.uint8)


def _video(name: str, codec: str, **options: Any) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        import av

        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height = 64, 48
            stream.pix_fmt = options.get("pix_fmt", "yuv420p")
            stream.gop_size = 5
            for image in _frames():
                frame = av.VideoFrame.from_ndarray(image, "gray").reformat(format=stream.pix_fmt)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())

    return make


def _look(path: Path) -> None:
    """Open, jump to some frames, and go through the first ones."""
    from napari_vitface.video.video import open_video

    with open_video(path, on_broken="blank") as video:
        for frame in {0, len(video) // 2, len(video) - 1}:
            video[frame]
        for _ in video.frames(range(min(len(video), 20))):
            pass


def _pictures(suffix: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        from PIL import Image

        for number, image in enumerate(_frames(3)):
            Image.fromarray(image).save(folder / f"img{number:04d}{suffix}")

    return make


def _tiff(folder: Path) -> None:
    import tifffile

    with tifffile.TiffWriter(folder / "stack.tif") as writer:
        for image in _frames(4):
            writer.write(image, compression="zlib", contiguous=False)


def _plain_tiff(folder: Path) -> None:
    import tifffile

    tifffile.imwrite(
        folder / "stack.tif", _frames(4).astype(np.uint16) * 16, photometric="minisblack"
    )


# --- labels and settings --------------------------------------------------------------------------

_NAMES = ("nose tip", "left ear", "lip")
_CONFIG = """\
Task: mouse
scorer: Ann
date: Nov28
multianimalproject: false
project_path: /somewhere
video_sets:
  /data/cam.mp4:
    crop: 0, 64, 0, 48
bodyparts:
- nose tip
- left ear
- lip
skeleton:
- - nose tip
  - lip
TrainingFraction:
- 0.95
pcutoff: 0.6
"""
_OWN_SETTINGS = """\
format: 1
swaps:
- [left ear, lip]
"""


def _project(folder: Path) -> None:
    from napari_vitface.formats.header_table import HeaderTable
    from napari_vitface.formats.table_files import table_bytes

    labels = folder / "labeled-data" / "cam"
    labels.mkdir(parents=True)
    _pictures(".png")(labels)
    (folder / "config.yaml").write_text(_CONFIG)
    columns = [("Ann", name, coord) for name in _NAMES for coord in ("x", "y")]
    index = np.array([["labeled-data", "cam", f"img{i:04d}.png"] for i in range(3)], object)
    values = np.arange(18.0).reshape(3, 6)
    for kind in ("csv", "h5"):
        path = labels / f"CollectedData_Ann.{kind}"
        table = HeaderTable(
            path, ("scorer", "bodyparts", "coords"), columns, index, (None,) * 3, values
        )
        path.write_bytes(table_bytes(table))
    with _open_labels(folder) as document:
        _place(document, 1, 6.5)
        document.save()


def _open_labels(folder: Path) -> AbstractContextManager[Any]:
    from napari_vitface.project.project import Project

    return closing(Project.open(folder).document("cam"))


def _place(document: Any, frame: int, y: float) -> None:
    from napari_vitface.pose.edits import make_edit
    from napari_vitface.pose.labels import labelled, occluded

    points = {(frame, 0): labelled(5.0 + frame, y), (frame, 2): occluded(3.5, y)}
    edit = make_edit(document.labels, "place", points)
    assert edit is not None
    document.do(edit)


def _without(name: str) -> Callable[[Path], None]:
    """A project in which a table stands alone, and is not mended by its twin."""

    def make(folder: Path) -> None:
        _project(folder)
        (folder / "labeled-data" / "cam" / name).unlink()

    return make


#: The same with half of the tables to read.
_in_csv = _without("CollectedData_Ann.h5")


def _own_settings(folder: Path) -> None:
    _in_csv(folder)
    (folder / "vitface" / "project.yaml").write_text(_OWN_SETTINGS)


def _labels(folder: Path) -> None:
    """For training, and for the window."""
    from napari_vitface import read_labels
    from napari_vitface.errors import VitFaceError

    told = None
    try:
        read_labels(folder)
    except VitFaceError as error:
        told = error
    _window(folder)
    if told is not None:
        raise told


def _window(folder: Path) -> None:
    with _open_labels(folder) as document:
        document.problems  # noqa: B018
        if document.history.can_undo:
            document.undo()
        document.save()


# --- predictions ----------------------------------------------------------------------------------


def _predictions(name: str, fixed: bool = False) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        from napari_vitface.formats.poses import write_poses
        from napari_vitface.pose.keypoints import KeypointSet
        from napari_vitface.pose.table import PoseTable

        xy = np.random.default_rng(0).uniform(0, 60, (20, 3, 2)).astype(np.float32)
        table = PoseTable(KeypointSet(_NAMES), xy, np.full((20, 3), 0.75, np.float32))
        write_poses(table, folder / name, scorer="vitface")

    return make


def _converted(name: str, to: str) -> Callable[[Path], None]:
    """Predictions, or labels, in another format."""

    def make(folder: Path) -> None:
        from napari_vitface.jobs.convert import convert

        if to == "coco":
            _project(folder)
            source = folder
        else:
            source = folder / "source.csv"
            _predictions(source.name)(folder)
        list(convert(source, folder / name, write_as=to, frame_rate=25.0))

    return make


def _pupils(folder: Path) -> None:
    region = {"rind": 0, "ivid": 0, "yrange": np.arange(5, 9), "xrange": np.arange(3, 9)}
    pupil = {"com": np.random.default_rng(0).uniform(0, 4, (20, 2)), "area": np.ones(20)}
    saved: Any = {"filenames": [["face.avi"]], "rois": [region], "pupil": [pupil]}
    np.save(folder / "face_proc.npy", saved)


def _read_coco(path: Path) -> None:
    from napari_vitface import read_labels

    read_labels(path)


def _poses(path: Path) -> None:
    from napari_vitface.formats.poses import read_poses

    read_poses(path)


# --- our own files --------------------------------------------------------------------------------


def _journal(folder: Path) -> None:
    _in_csv(folder)
    with _open_labels(folder) as document:
        for frame in range(3):
            _place(document, frame, 7.5)
        document.undo()


def _changed_lines(chance: random.Random, content: bytes) -> bytes:
    """A journal with the right checksums that says something else."""
    lines = [json.loads(line)["line"] for line in content.splitlines()]
    at = chance.randrange(len(lines))
    lines[at] = changed(chance, lines[at])
    texts = [json.dumps(line, separators=(",", ":")) for line in lines]
    return b"".join(
        f'{{"crc":"{zlib.crc32(text.encode()):08x}","line":{text}}}\n'.encode() for text in texts
    )


def _part(folder: Path) -> None:
    from napari_vitface.jobs.part_file import record_type

    part = _open_part(folder / "a.part")
    rows = np.zeros(10, record_type(3))
    rows["frame"] = np.arange(10)
    rows["xy"] = np.random.default_rng(0).uniform(0, 60, rows["xy"].shape)
    rows["confidence"] = 0.5
    part.append(rows)
    part.leave()


def _open_part(path: Path) -> Any:
    from napari_vitface.jobs.part_file import PartFile, record_type

    return PartFile(path, {"video": [1, 2], "model": "abc"}, record_type(3), range(20))


def _read_part(path: Path) -> None:
    """What is kept of a damaged file is what was written, record for record."""
    part = _open_part(path)
    try:
        expected = np.random.default_rng(0).uniform(0, 60, (10, 3, 2)).astype(np.float32)
        for rows in part.rows():
            assert (rows["xy"] == expected[: len(rows)]).all(), "a damaged record is believed"
            assert (rows["confidence"] == 0.5).all(), "a damaged record is believed"
    finally:
        part.leave()


def _message(folder: Path) -> None:
    from napari_vitface.engine.wire import encode_message
    from napari_vitface.jobs.events import PosesPredicted

    event = PosesPredicted(np.arange(4), np.zeros((4, 3, 2), np.float32), np.ones((4, 3)))
    message = {"type": "event", "number": 1, "event": event, "more": ((1, 2.5), {3: range(4)}, "é")}
    (folder / "message").write_bytes(encode_message(message))


def _read_message(path: Path) -> None:
    from napari_vitface.engine.wire import read_message

    read_message(io.BytesIO(path.read_bytes()))


def _changed_message(chance: random.Random, content: bytes) -> bytes:
    length = struct.unpack("<I", content[4:8])[0]
    header = changed_json(chance, content[8 : 8 + length])
    return content[:4] + struct.pack("<I", len(header)) + header + content[8 + length :]


def _wire_errors() -> tuple[type[BaseException], ...]:
    from napari_vitface.engine.wire import WireError

    return (EOFError, WireError)


def _run(folder: Path) -> None:
    _project(folder)
    run = folder / "vitface" / "runs" / "one"
    run.mkdir(parents=True)
    (folder / "vitface" / "models").mkdir()
    (folder / "vitface" / "models" / "one.safetensors").write_bytes(b"")
    rows = ["step,loss,learning_rate,median_error,mean_error,seconds", "1,0.5,0.001,3.5,4.5,1.0"]
    (run / "curves.csv").write_text("\n".join(rows))
    (run / "data.safetensors").write_bytes(b"")
    (run / "settings.json").write_text(
        json.dumps({"init": "mouse-face", "settings": {"steps": 100, "seed": 0}, "labels": ["a"]})
    )
    pose = {"median": 9.0, "mean": 16.0}
    result = {"init": "mouse-face", "steps": 100, "frames": {"tuning": 0}, "mean_pose": pose}
    (run / "metrics.json").write_text(json.dumps(result))


def _runs(folder: Path) -> None:
    from napari_vitface.gui.fine_tune.training_run import last_finished, unfinished_runs

    unfinished_runs(folder)
    (folder / "vitface" / "runs" / "one" / "data.safetensors").unlink()
    last_finished(folder)


# --- models ---------------------------------------------------------------------------------------


def _checkpoint(folder: Path) -> None:
    import torch

    from napari_vitface.model.building import create_backbone
    from napari_vitface.model.checkpoint import save_checkpoint
    from napari_vitface.model.network import KeypointNetwork
    from napari_vitface.model.preprocessing import Preprocessing
    from napari_vitface.pose.keypoints import KeypointSet

    torch.set_num_threads(1)
    torch.manual_seed(0)
    backbone = create_backbone(
        "vit_tiny_patch16_224", (32, 32), 1, depth=1, embed_dim=12, num_heads=3
    )
    network = KeypointNetwork(backbone, KeypointSet(("eye", "lip")), "regression")
    curve = {"x": [0.0, 0.5, 1.0], "y": [0.0, 0.8, 0.9]}
    save_checkpoint(
        folder / "model.safetensors", network, Preprocessing((32, 32)),
        training={"data": "none", "licence": "none"}, calibration=curve,
    )  # fmt: skip


def _use_model(path: Path) -> None:
    from napari_vitface.jobs.models import models
    from napari_vitface.model.checkpoint import load_model

    list(models(path.parent))
    model = load_model(path, device="cpu", precision="fp32", batch_size=1)
    model.preprocessing.view((48, 64))


def _changed_safetensors(key: str) -> Mutation:
    def mutate(chance: random.Random, content: bytes) -> bytes:
        length = struct.unpack("<Q", content[:8])[0]
        header = json.loads(content[8 : 8 + length])
        if chance.random() < 0.7:
            inner = header["__metadata__"]
            inner[key] = json.dumps(changed(chance, json.loads(inner[key])))
        else:
            header = changed(chance, header)
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + content[8 + length :]

    return mutate


def _state(folder: Path) -> None:
    import torch

    from napari_vitface.training.state import save_state

    tensors = {"weight": torch.ones(3, 4), "frames.xy": torch.zeros(5, 3, 2)}
    save_state(folder / "state.safetensors", tensors, {"fit": {"step": 3}, "curves": [[1, 0.5]]})


def _read_state(path: Path) -> None:
    from napari_vitface.training.state import load_state

    load_state(path)


# --- all ------------------------------------------------------------------------------------------


_VIDEOS = (
    ("video.mp4", "libx264", {}),
    ("video.mkv", "libx264", {}),
    ("video.avi", "mjpeg", {"pix_fmt": "yuvj420p"}),
    ("video.webm", "libvpx-vp9", {}),
    ("video.mpg", "mpeg1video", {}),
    ("raw.avi", "rawvideo", {"pix_fmt": "gray"}),
)
_TEXT = one_of(damaged, reworded)
_TABLE = "labeled-data/cam/CollectedData_Ann"

READERS: tuple[Reader, ...] = (
    *(Reader(name, name, _video(name, codec, **more), _look) for name, codec, more in _VIDEOS),
    Reader("tiff", "stack.tif", _tiff, _look),
    Reader("plain tiff", "stack.tif", _plain_tiff, _look),
    *(
        Reader(f"folder of {suffix[1:]}", f"img0001{suffix}", _pictures(suffix),
               lambda path: _look(path.parent))
        for suffix in (".png", ".jpg", ".bmp")
    ),
    Reader("tiff that inflates", "stack.tif", _tiff, _look, bombs.tiff),
    Reader("png that inflates", "img0001.png", _pictures(".png"), lambda path: _look(path.parent),
           bombs.png),
    Reader("movie that inflates", "video.mov", _video("video.mov", "mpeg4"), _look, bombs.movie),
    Reader("labels csv", f"{_TABLE}.csv", _in_csv,
           lambda path: _labels(path.parents[2]), _TEXT),
    Reader("labels h5", f"{_TABLE}.h5", _without("CollectedData_Ann.csv"),
           lambda path: _labels(path.parents[2])),
    Reader("visibility csv", "labeled-data/cam/visibility_Ann.csv", _in_csv,
           lambda path: _labels(path.parents[2]), _TEXT),
    Reader("config.yaml", "config.yaml", _in_csv, lambda path: _labels(path.parent), _TEXT),
    Reader("project.yaml", "vitface/project.yaml", _own_settings,
           lambda path: _window(path.parents[1]), _TEXT),
    Reader("predictions csv", "poses.csv", _predictions("poses.csv"), _poses, _TEXT),
    Reader("predictions h5", "poses.h5", _predictions("poses.h5"), _poses),
    Reader("predictions h5 that inflate", "poses.h5", _predictions("poses.h5"), _poses,
           bombs.predictions),
    Reader("tidy csv", "tidy.csv", _converted("tidy.csv", "tidy-csv"), _poses, _TEXT),
    Reader("sleap analysis", "sleap.h5", _converted("sleap.h5", "sleap-analysis"), _poses),
    Reader("movement", "poses.nc", _converted("poses.nc", "movement"), _poses),
    Reader("facemap", "pose.h5", _converted("pose.h5", "facemap-pose"), _poses),
    Reader("facemap's pupil", "face_proc.npy", _pupils, _poses),
    Reader("coco", "labels.json", _converted("labels.json", "coco"), _read_coco,
           one_of(damaged, changed_json)),
    Reader("journal", "vitface/journal/cam.jsonl", _journal, lambda path: _window(path.parents[2]),
           one_of(damaged, _changed_lines, _changed_lines)),
    Reader("part file", "a.part", _part, _read_part),
    Reader("message", "message", _message, _read_message, one_of(damaged, _changed_message),
           refuses=_wire_errors()),
    Reader("run settings", "vitface/runs/one/settings.json", _run,
           lambda path: _runs(path.parents[3]), one_of(damaged, changed_json)),
    Reader("run metrics", "vitface/runs/one/metrics.json", _run,
           lambda path: _runs(path.parents[3]), one_of(damaged, changed_json)),
    Reader("run curves", "vitface/runs/one/curves.csv", _run,
           lambda path: _runs(path.parents[3]), _TEXT),
    Reader("checkpoint", "model.safetensors", _checkpoint, _use_model,
           one_of(damaged, _changed_safetensors("napari_vitface"),
                  _changed_safetensors("napari_vitface")), torch=True),
    Reader("training state", "state.safetensors", _state, _read_state,
           one_of(damaged, _changed_safetensors("napari_vitface_training")), torch=True),
)  # fmt: skip


def fresh(sound: Path, folder: Path) -> None:
    """`folder` as `sound` is, whatever the last reading left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sound, folder)
