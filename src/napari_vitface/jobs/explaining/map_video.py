"""Videos of frames, or of the layers of one, with an attention map drawn over each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_vitface.jobs.events import AttentionComputed, Event, Finished, Notice, Progress, Started
from napari_vitface.jobs.explaining.map_files import check_output, writing
from napari_vitface.jobs.explaining.map_picture import COLOURS, describe_settings
from napari_vitface.jobs.explaining.walk import begin
from napari_vitface.jobs.frame_range import limits_of, name_runs, runs_of
from napari_vitface.jobs.pace import Counter
from napari_vitface.jobs.resources import Resources
from napari_vitface.jobs.results.attention import AttentionVideoResult
from napari_vitface.settings.attention import DEFAULT, settable
from napari_vitface.settings.computing import Looking
from napari_vitface.settings.network_layers import name_layers
from napari_vitface.settings.option import takes
from napari_vitface.steps import told_as

if TYPE_CHECKING:
    from napari_vitface.pose.keypoints import KeypointSet
    from napari_vitface.video import Video, VideoWriter
    from napari_vitface.video.caption import Caption

#: Frames per second where the source has no times (a folder of images), and of a video that goes
#: through the layers of one frame.
_DEFAULT_RATE = 25.0
_LAYERS_RATE = 2.0
_STAGE = "Writing the video"


@dataclass(frozen=True)
class Look:
    """How maps are drawn.

    Attributes
    ----------
    colours : (N, 4) array of float in [0, 1]
        From no attention to `limit`: red, green, blue, coverage.
    opacity : float
    limit : float or None
        The value of full colour: for maps that are shares, a multiple of an even spread, else in
        the unit of the map. None takes the largest value of the first frame.
    points : bool
        Draw the keypoints that the map is of, where the network found them.
    caption : str or None
        What stands in a strip below the picture, under the number of the frame. None says what the
        map is of and how it was computed.
    """

    colours: NDArray[np.floating[Any]] = field(default_factory=lambda: COLOURS)
    opacity: float = 1.0
    limit: float | None = None
    points: bool = True
    caption: str | None = None


@takes(Looking, more=settable)
def attention_video(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    model: str | os.PathLike[str] = "mouse-face",
    *,
    frames: slice | range | str | None = None,
    keypoint: str | Sequence[str] = "all",
    faithfulness: Mapping[str, float] | None = None,
    colours: NDArray[np.floating[Any]] = COLOURS,
    opacity: float = 1.0,
    limit: float | None = None,
    points: bool = True,
    caption: str | None = None,
    resources: Resources | None = None,
    method: str = DEFAULT,
    **settings: Any,
) -> Iterator[Event]:
    """Write frames of a video with one attention map drawn over each, all in the same colours.

    A frame that cannot be decoded is black. Closing the generator cancels: no file is written.

    Parameters
    ----------
    source : path
        A video or a folder of images.
    output : path
        The suffix chooses the container, as of `napari_vitface.video.VideoWriter`.
    frames : slice, range or "START:STOP:STEP", optional
        Default: all.
    keypoint : str or sequence of str
        ``"all"`` (the mean of all keypoints' maps), ``"global"``, a keypoint, or several (the mean
        of their maps).
    faithfulness : mapping of str to float, optional
        Scores of these maps, told below the picture.
    colours, opacity, limit, points, caption
        See `Look`.
    resources
        See `napari_vitface.jobs.predict.predict`.
    method, **settings
        See `napari_vitface.settings.attention`.
    {settings}

    Yields
    ------
    Preparing, Started, Progress, Notice
    Finished
        With an `AttentionVideoResult`.

    Raises
    ------
    VitFaceError
        One sentence: the source, model or a setting cannot be used, or the file not be written.
    """
    path = Path(output)
    check_output(path, (path.suffix.lower(),))
    with ExitStack() as stack:
        walk = yield from begin(stack, source, model, frames, method, settings, resources)
        walk.scores = faithfulness
        video, wanted, network = walk.video, walk.frames, walk.model
        counter = Counter(len(wanted), _STAGE)
        names = [keypoint] if isinstance(keypoint, str) else list(keypoint)
        if "all" in names:
            # A mean over keypoints has no use for the map that belongs to none.
            names = list(network.keypoints.names)
        yield Started("attention_video", len(wanted), settings=walk.told(limits_of(wanted)[:2]))

        from napari_vitface.video import scale_image

        drawn_as = Look(np.asarray(colours), opacity, limit, points, caption)
        rate = (video.frame_rate or _DEFAULT_RATE) / wanted.step
        done = 0
        images = video.frames(wanted, ahead=16)
        stack.callback(images.close)  # type: ignore[attr-defined]
        overlay = stack.enter_context(OverlayVideo(path, video, rate, network.keypoints, drawn_as))
        yield counter.at(0)
        for batch in _batches(images, walk.together):
            decoded = [(number, image) for number, image in batch if image is not None]
            maps: dict[int, AttentionComputed] = {}
            if decoded:
                scale, pad = walk.view.scale, walk.view.pad
                scaled = [scale_image(image, scale, white=video.white) for _, image in decoded]
                steps = walk.look(pad(np.stack(scaled)), names)
                (found,) = yield from told_as(steps, partial(counter.at, done))
                maps = {frame: walk.placed(found, b, frame) for b, (frame, _) in enumerate(decoded)}
            for number, image in batch:
                if image is None:
                    walk.broken.append(number)
                    overlay.add_black(f"frame {number}")
                else:
                    last = maps[number]
                    overlay.add(image, last, f"frame {number}")
            done += len(batch)
            yield counter.at(done)
        if len(walk.broken) == done:
            raise walk.nothing_seen()
    if walk.broken:
        runs = name_runs(runs_of(walk.broken))
        yield Notice(f"Frames that could not be decoded are black: {runs}.")
    result = AttentionVideoResult(
        source=str(video.path),
        output=str(path),
        frames=len(wanted),
        unreadable=tuple(walk.broken),
        names=last.names,
        limit=overlay.limit,
        settings=last.settings,
    )
    yield Finished("attention_video", result)


def write_layers(
    path: Path, maps: Sequence[AttentionComputed], keypoints: KeypointSet, video: Video
) -> Iterator[Progress]:
    """Write one frame with its map after each layer, one after the other.

    After one layer nearly all is where it began, after the last little: each layer has a limit of
    its own, which stands below it.
    """
    counter = Counter(len(maps), _STAGE)
    yield counter.at(0)
    image = video[maps[0].frame]
    with OverlayVideo(path, video, _LAYERS_RATE, keypoints, Look()) as overlay:
        for done, computed in enumerate(maps, 1):
            if done > 1:
                overlay.measure(computed)
            which = name_layers(computed.settings["layers"])
            overlay.add(image, computed, f"frame {computed.frame}, {which}")
            yield counter.at(done)


class OverlayVideo:
    """A video file that grows by a frame with its map over it; complete when the block is left.

    Parameters
    ----------
    path : Path
    video : Video
        What is drawn on.
    rate : float
        Frames per second.
    keypoints : KeypointSet
        Of the model.
    look : Look

    Attributes
    ----------
    limit : float
        The value of full colour, once there was a map.
    """

    limit: float
    _writer: VideoWriter
    _caption: Caption

    def __init__(
        self, path: Path, video: Video, rate: float, keypoints: KeypointSet, look: Look
    ) -> None:
        self._path = path
        self._video = video
        self._rate = rate
        self._keypoints = keypoints
        self._look = look
        self._stack = ExitStack()
        self._begun = False
        self._waiting: list[str] = []

    def __enter__(self) -> OverlayVideo:
        self._stack.enter_context(writing(self._path))
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def add(self, image: NDArray[Any], computed: AttentionComputed, heading: str) -> None:
        """Draw the mean of the maps over a frame, and `heading` below it."""
        if not self._begun:
            self._begin(computed)
        points = computed.names if self._look.points else ()
        drawn = draw_overlay(
            image,
            _mean(computed),
            computed,
            self.limit,
            self._look,
            points,
            self._keypoints,
            self._video.white,
        )
        self._writer.write(self._caption.below(drawn, heading))

    def add_black(self, heading: str) -> None:
        """Put a black frame where there is none to draw on."""
        if self._begun:
            black = np.zeros((*self._video.shape[1:3], 3), np.uint8)
            self._writer.write(self._caption.below(black, heading))
        else:
            # What stands below is not known before the first map.
            self._waiting.append(heading)

    def measure(self, computed: AttentionComputed) -> None:
        """Take full colour from a map, as what stands below says from now on."""
        self.limit = float(_mean(computed).max()) or 1.0
        # Numbers of other lengths may break into more lines; the frames of a video are alike.
        self._caption = self._strip(computed, self._caption.height)

    def _begin(self, computed: AttentionComputed) -> None:
        from napari_vitface.video import VideoWriter

        self._begun = True
        largest = float(_mean(computed).max()) or 1.0
        self.limit = largest if self._look.limit is None else self._look.limit
        self._caption = self._strip(computed)
        height, width = self._video.shape[1:3]
        size = height + self._caption.height, width
        self._writer = self._stack.enter_context(VideoWriter(self._path, size, self._rate))
        for heading in self._waiting:
            self.add_black(heading)

    def _strip(self, computed: AttentionComputed, height: int | None = None) -> Caption:
        from napari_vitface.video.caption import Caption

        text = self._look.caption
        if text is None:
            text = _about(computed, self._keypoints, self.limit, self._video.path.name)
        return Caption(text, self._video.shape[2], height)


def draw_overlay(
    image: NDArray[Any],
    values: NDArray[np.floating[Any]],
    computed: AttentionComputed,
    limit: float,
    look: Look,
    points: Sequence[str],
    keypoints: KeypointSet | None,
    white: int | None,
) -> NDArray[np.uint8]:
    """A frame (H, W, 3) at its full size with a map over it, and the points of some keypoints.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) array of uint8 or uint16
    values : (gh, gw)
        In the unit of `limit`.
    computed : AttentionComputed
        Where its patches and points are.
    points : sequence of str
        Names.
    white : int, optional
        As `Video.white`.
    """
    from napari_vitface.video.heatmap import draw_heat, on_pixels
    from napari_vitface.video.overlay import draw_poses

    rows, columns = (np.arange(count, dtype=np.float64) for count in image.shape[:2])
    heat = on_pixels(values, computed.scale, computed.translate, rows, columns)
    drawn = draw_heat(image, heat, limit, look.colours, look.opacity, white=white)
    if keypoints is None or not points:
        return drawn
    xy = np.array(computed.xy, np.float64)
    xy[[name not in points for name in keypoints.names]] = np.nan
    return draw_poses(drawn, xy, computed.confidence, keypoints, skeleton=False)


def _about(computed: AttentionComputed, keypoints: KeypointSet, limit: float, source: str) -> str:
    """What a map is of, how it was computed and how to read it."""
    settings = computed.settings
    names = [computed.names[m] for m in _mean_of(computed.names)]
    whose = ", ".join(names)
    if len(names) > 1:
        everyone = set(names) == set(keypoints.names)
        whose = f"mean over {'all keypoints' if everyone else whose}"
    unit = settings.get("unit", "times an even spread")
    scores = settings.get("faithfulness") or {}
    known = [scores[name] for name in names if name in scores]
    lines = [
        f"{whose[:1].upper()}{whose[1:]}. {describe_settings(settings)}; {source}.",
        f"Full colour: {limit:.3g} {unit}.",
    ]
    if known:
        lines[1] += f" Faithfulness: {float(np.nanmean(known)):.2f}."
    return "\n".join(lines)


def _mean(computed: AttentionComputed) -> NDArray[np.floating[Any]]:
    """The map (gh, gw) that is drawn: the mean of several, shares beside an even spread."""
    values = computed.maps[_mean_of(computed.names)].mean(axis=0)
    return values if "unit" in computed.settings else values * values.size


def _mean_of(names: Sequence[str]) -> list[int]:
    """Which of some maps are drawn as their mean: those of keypoints, where there are any."""
    return [m for m, name in enumerate(names) if name != "global" or len(names) == 1]


def _batches(
    images: Iterator[tuple[int, NDArray[Any] | None]], size: int
) -> Iterator[list[tuple[int, NDArray[Any] | None]]]:
    batch = []
    for each in images:
        batch.append(each)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
