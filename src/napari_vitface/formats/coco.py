"""Labels in COCO's JSON of keypoints.

A keypoint is x, y and a flag: 0 not labelled, 1 labelled and hidden, 2 visible. Of a hidden one the
place is a guess, which is not taken for a label; one without a place is not written. Whole numbers
are indices of pixels, as in COCO's own data; programs differ here.

Lin et al., "Microsoft COCO", https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_vitface.errors import LabelError, damage_told
from napari_vitface.formats.format import Format
from napari_vitface.formats.predictions import Choice

if TYPE_CHECKING:
    from napari_vitface.formats.labelled_images import Labels

_HIDDEN, _VISIBLE = 1, 2
_PARTS = {"images", "annotations", "categories"}


def _can_open(path: Path) -> bool:
    if path.suffix.lower() != ".json":
        return False
    return _PARTS.issubset(json.loads(path.read_bytes()))


def _read(path: Path, choice: Choice) -> Labels:
    with damage_told(path, "COCO's keypoints"):
        return _labels(json.loads(path.read_bytes()), path, choice)


def _labels(data: dict[str, Any], path: Path, choice: Choice) -> Labels:
    from napari_vitface.formats.labelled_images import Labels, frame_number
    from napari_vitface.pose.keypoints import KeypointSet

    if not isinstance(data, dict) or not _PARTS.issubset(data):
        raise LabelError(
            f"{path} cannot be read as COCO's keypoints, which has {', '.join(sorted(_PARTS))}."
        )
    annotations = [one for one in data["annotations"] if one.get("keypoints")]
    kinds = {one["category_id"] for one in annotations}
    known = {str(one["name"]): one for one in data["categories"] if one["id"] in kinds}
    if not known:
        raise LabelError(f"{path} holds no keypoints.")
    category = known[choice.of_animals(list(known), path)]
    annotations = [one for one in annotations if one["category_id"] == category["id"]]
    names = tuple(category["keypoints"])
    # Edges count from 1.
    edges = tuple((names[a - 1], names[b - 1]) for a, b in category.get("skeleton", ()))
    by_image = {one["image_id"]: one for one in annotations}
    if len(by_image) < len(annotations):
        raise LabelError(
            f"{path} has several animals of one category ({category['name']}) in one image, and "
            "napari-vitface works with one animal."
        )
    images = [one for one in data["images"] if one["id"] in by_image]
    points = np.array([by_image[one["id"]]["keypoints"] for one in images], np.float64)
    points = points.reshape(len(images), len(names), 3)
    xy = np.where(points[..., 2:] == _VISIBLE, points[..., :2], np.nan)
    files = [path.parent / one["file_name"] for one in images]
    return Labels(
        KeypointSet(names, edges),
        xy,
        tuple(files),
        np.array([file.parent.name for file in files], dtype=str),
        np.array([frame_number(file.name) for file in files], np.int64),
        str(data.get("info", {}).get("contributor", "")),
        (),
        points[..., 2] == _HIDDEN,
        np.where(points[..., 2:] == _HIDDEN, points[..., :2], np.nan),
    )


def _write(path: Path, labels: Labels) -> None:
    from napari_vitface.formats.labelled_images import named_from

    names = labels.keypoints.names
    images, annotations = [], []
    for row, file in enumerate(labels.images):
        images.append({"id": row + 1, "file_name": named_from(path.parent, file), **_size(file)})
        seen = np.isfinite(labels.xy[row]).all(axis=-1)
        xy = np.where(seen[:, None], labels.xy[row], labels.guesses[row])
        there = np.isfinite(xy).all(axis=-1)
        flags = np.where(seen, _VISIBLE, _HIDDEN)[:, None]
        points = np.where(there[:, None], np.append(xy, flags, axis=1), 0)
        placed = xy[there] if there.any() else np.zeros((1, 2))
        box = [*placed.min(axis=0).tolist(), *np.ptp(placed, axis=0).tolist()]
        annotations.append({
            "id": row + 1,
            "image_id": row + 1,
            "category_id": 1,
            "keypoints": points.ravel().tolist(),
            "num_keypoints": int(there.sum()),
            "bbox": box,
            "area": box[2] * box[3],
            "iscrowd": 0,
        })  # fmt: skip
    category = {
        "id": 1,
        "name": "animal",
        "keypoints": list(names),
        "skeleton": [[a + 1, b + 1] for a, b in labels.keypoints.edges()],
    }
    data = {
        "info": {"contributor": labels.scorer},
        "images": images,
        "annotations": annotations,
        "categories": [category],
    }
    path.write_text(json.dumps(data, ensure_ascii=False, indent=1), encoding="utf-8")


def _size(file: Path) -> dict[str, int]:
    from PIL import Image

    try:
        with Image.open(file) as image:
            return {"width": image.width, "height": image.height}
    except OSError:
        return {}


COCO = Format(
    "coco",
    "keypoints of COCO (.json)",
    (".json",),
    _can_open,
    read_labels=_read,
    write_labels=_write,
    holds=frozenset({"hidden places", "skeleton", "scorer", "video"}),
)
