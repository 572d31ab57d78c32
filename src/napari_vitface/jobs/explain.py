"""The attention of one frame: where the network looked to place each keypoint."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import numpy as np

from napari_vitface.errors import VitFaceError
from napari_vitface.jobs.events import AttentionComputed, Event, Finished
from napari_vitface.jobs.resources import Resources, shared_or_own


def explain(
    source: str | os.PathLike[str],
    frame: int,
    model: str | os.PathLike[str] = "mouse-face",
    *,
    keypoint: str | Sequence[str] = "all",
    method: str = "rollout",
    layers: str | int | tuple[int | None, int | None] | None = None,
    head_fusion: str = "mean",
    head: int | None = None,
    discard: float = 0.0,
    hide_self: bool = False,
    crop: tuple[int, int, int, int] | None = None,
    device: str = "auto",
    precision: str = "auto",
    batch_size: int | str = "auto",
    resources: Resources | None = None,
) -> Iterator[Event]:
    """Compute attention maps of one frame, and its pose in the same forward pass.

    Parameters
    ----------
    source : path
        A video, an image or a folder of images.
    frame : int
        Counted from 0; negative from the end.
    model : str or path
        Name of a bundled model or a ``.safetensors`` file.
    keypoint : str or sequence of str
        ``"all"`` (each keypoint, then ``"global"``), ``"global"``, or names of keypoints.
    method, layers, head_fusion, head, discard, hide_self
        See `napari_vitface.attention.maps.attention_maps`.
    crop : (x, y, w, h), optional
        Part of the frame to look at, in video pixels. Default: the crop stored with the model, or
        the whole frame.
    device, precision, batch_size
        See `napari_vitface.jobs.predict.predict`. One frame needs one batch; with the settings of
        a prediction, its loaded model is used again.
    resources : Resources, optional
        Where to borrow the model and the video from.

    Yields
    ------
    AttentionComputed
    Finished
        Its result holds ``frame``, ``names``, ``prefix_share`` and ``settings``.

    Raises
    ------
    VitFaceError
        One sentence: the source, frame, model or a setting cannot be used.
    """
    with ExitStack() as stack:
        shared = stack.enter_context(shared_or_own(resources))
        video = stack.enter_context(shared.video(source))
        if not -len(video) <= frame < len(video):
            raise VitFaceError(
                f"{video.path.name} has the frames 0 to {len(video) - 1}, and no frame {frame}."
            )
        frame %= len(video)
        # A frame that cannot be decoded is told before the model is loaded for it.
        image = video[frame]
        network = stack.enter_context(
            shared.model(model, device=device, precision=precision, batch_size=batch_size)
        )

        from napari_vitface.attention.maps import attention_maps
        from napari_vitface.video import scale_image

        preprocessing = network.preprocessing
        if crop is not None:
            preprocessing = preprocessing.with_crop(crop)
        view = preprocessing.view((video.shape[1], video.shape[2]))
        scaled = scale_image(image, view.scale, white=video.white)
        found = attention_maps(
            network,
            view.pad(scaled[None]),
            keypoints=keypoint,
            method=method,
            layers=layers,
            head_fusion=head_fusion,
            head=head,
            discard=discard,
            hide_self=hide_self,
        )
        grid_scale, translate = view.grid_placement(found.maps.shape[2:])  # type: ignore[arg-type]
        settings = {**found.settings, "crop": list(view.crop), "device": str(network.device)}
        yield AttentionComputed(
            frame=frame,
            names=found.names,
            maps=found.maps[0],
            prefix_share=found.prefix_share[0],
            scale=grid_scale,
            translate=translate,
            xy=view.to_frame(found.xy[0]).astype(np.float32),
            confidence=found.confidence[0],
            settings=settings,
            own_share=found.own_share[0],
        )
        result = {
            "source": str(video.path),
            "frame": frame,
            "names": list(found.names),
            "prefix_share": [round(float(share), 4) for share in found.prefix_share[0]],
            "keypoints": network.keypoints.to_dict(),
            "settings": settings,
        }
        yield Finished("explain", result)
