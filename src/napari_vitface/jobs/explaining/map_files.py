"""Attention as files: data (npz) and pictures (png)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.atomic import atomic_write
from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import AttentionComputed
from napari_vitface.jobs.video_events import MadeBy
from napari_vitface.pose.keypoints import KeypointSet
from napari_vitface.record import plain_data


def check_output(path: str | os.PathLike[str] | None, kinds: Sequence[str]) -> Path | None:
    """The path of a file that a job is to write, before it begins to work.

    Raises
    ------
    VitFaceError
        It ends in none of `kinds`, or its folder is not there.
    """
    if path is None:
        return None
    path = Path(path)
    if path.suffix.lower() not in kinds:
        raise VitFaceError(
            f"{path.name} cannot hold this; name a file that ends in {' or '.join(kinds)}."
        )
    if not path.absolute().parent.is_dir():
        raise VitFaceError(
            f"{path} could not be written (there is no such folder); choose another place."
        )
    return path


def write_maps(
    path: Path,
    maps: Sequence[AttentionComputed],
    *,
    source: str,
    keypoints: KeypointSet,
    along: str | None = None,
    made_by: MadeBy | None = None,
) -> None:
    """Write maps as ``.npz`` that numpy reads without pickle.

    Parameters
    ----------
    path : Path
    maps : sequence of AttentionComputed
        One, or several that differ in frame or layers only.
    source : str
        The video.
    keypoints : KeypointSet
        Of the model.
    along : {"frames", "layers"}, optional
        What several maps differ in; arrays then have a first axis of it.
    made_by : MadeBy, optional
        The worker of a cluster that made them.

    Notes
    -----
    It holds ``maps`` (M, gh, gw), ``names``, ``prefix_share``, ``own_share``, ``total`` (M,),
    ``scale`` and ``translate`` (y, x; patch (i, j) is centred on (i, j) * scale + translate in
    video pixels), ``frame``, ``xy`` (K, 2) and ``confidence`` (K,) of the pose with ``keypoints``,
    ``source``, and ``settings`` and ``made_by`` as JSON. Several maps have ``frames`` (T,) or
    ``layers`` (L, 2) besides.
    """
    first = maps[0]

    def stacked(values: Sequence[Any]) -> NDArray[Any]:
        arrays = [np.asarray(value, dtype=np.float32) for value in values]
        return np.stack(arrays) if along else arrays[0]

    arrays = {
        "maps": stacked([each.maps for each in maps]),
        "prefix_share": stacked([each.prefix_share for each in maps]),
        "own_share": stacked([each.own_share for each in maps]),
        "total": stacked([each.total for each in maps]),
        "xy": stacked([each.xy for each in maps]),
        "confidence": stacked([each.confidence for each in maps]),
    }
    if along == "frames":
        arrays["frames"] = np.array([each.frame for each in maps])
    elif along == "layers":
        arrays["layers"] = np.array([each.settings["layers"] for each in maps])
    if made_by is not None:
        arrays["made_by"] = np.array(json.dumps(plain_data(made_by)))
    with writing(path), atomic_write(path) as temporary:
        np.savez_compressed(
            temporary,
            **arrays,  # type: ignore[arg-type]
            names=np.array(first.names),
            scale=np.array(first.scale),
            translate=np.array(first.translate),
            frame=np.array(first.frame),
            keypoints=np.array(keypoints.names),
            source=np.array(source),
            settings=np.array(json.dumps(maps[-1].settings)),
        )


def write_picture(
    path: Path,
    maps: Sequence[AttentionComputed],
    keypoints: KeypointSet,
    image: NDArray[Any],
    *,
    source: str,
    white: int | None,
) -> None:
    """Write a frame with its maps as ``.png``; `image` is the frame as the video gives it."""
    from PIL import Image

    from napari_vitface.jobs.explaining.map_picture import draw_attention

    caption = caption_of(maps[0], source)
    drawn = draw_attention(maps, keypoints, image, caption=caption, white=white)
    with writing(path), atomic_write(path) as temporary:
        Image.fromarray(drawn).save(temporary)


def caption_of(computed: AttentionComputed, source: str) -> str:
    """Which frame of which video a picture shows."""
    text = f"{Path(source).name}, frame {computed.frame}"
    if computed.settings.get("averaged"):
        start, stop, step = computed.settings["frames"]
        every = f", every {step}th" if step > 1 else ""
        text += f"; maps are the mean over frames {start} to {stop - 1}{every}"
    return text


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an `OSError` about a file into a sentence."""
    try:
        yield
    except OSError as error:
        raise VitFaceError(
            f"{path} could not be written ({error.strerror or error}); choose another place."
        ) from error
