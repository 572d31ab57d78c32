"""A kind of video of another package: opened, predicted, and found in folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_vitface import open_video, predict, read_poses
from napari_vitface.errors import VideoError
from napari_vitface.gui.video_list.video_search import videos_in
from napari_vitface.video.sources import SOURCES, source_kind

# Bare arrays, as some cameras' programs leave them. TIFF files stay with who has them.
TOY = """
import numpy as np
from napari_vitface.errors import VideoError
from napari_vitface.video.scale import scale_image
from napari_vitface.video.sources import SourceKind

class Arrays:
    white, frame_rate, promised, problems = 255, 50.0, None, ()

    def __init__(self, path, cache_bytes, white):
        self.path = path
        try:
            self.frames = np.load(path)
        except ValueError as error:
            raise VideoError(f"{path} holds no array.") from error
        self.shape, self.dtype = self.frames.shape, self.frames.dtype
        self.times = np.arange(len(self.frames)) / self.frame_rate

    def read(self, frame):
        return self.frames[frame].copy()

    def stream(self, frames, scale):
        for frame in frames:
            image = self.frames[frame]
            yield frame, image if scale is None else scale_image(image, scale)

    def name_of(self, frame):
        return f"frame {frame} of {self.path}"

    def close(self):
        pass

TOY = SourceKind("arrays", (".array",), __name__ + ":Arrays")
"""


def written(folder: Path, frames: np.ndarray, name: str = "video.ARRAY") -> Path:
    with (folder / name).open("wb") as file:
        np.save(file, frames)
    return folder / name


def test_it_is_opened_predicted_and_found(
    install: Callable[..., None], tiny_model: Path, tmp_path: Path
) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (2, 48, 64), np.uint8)
    path = written(tmp_path, frames)
    assert videos_in(tmp_path) == []
    with pytest.raises(VideoError, match="is not a kind of video that is known here"):
        open_video(path)
    install(SOURCES, TOY)
    with open_video(path) as video:
        np.testing.assert_array_equal(video[:], frames)
        assert (video.name, video.frame_rate, video.white) == ("video", 50, 255)
    assert videos_in(tmp_path) == [path]
    *_, _done = predict(path, tiny_model, device="cpu", precision="fp32")
    (table,) = tmp_path.glob("video_vitface_*.h5")
    assert list(read_poses(table).frames) == [0, 1]
    with pytest.raises(VideoError, match=r"broken\.array holds no array"):
        open_video(written(tmp_path, np.array([None], object), "broken.array"))


def test_no_other_package_takes_a_kind_that_is_opened_here(install: Callable[..., None]) -> None:
    install(SOURCES, TOY.replace('(".array",)', '(".array", ".tif")'))
    with pytest.warns(UserWarning, match=r"\.tif is opened by tiff"):
        assert source_kind(".tif") == SOURCES["tiff"]
    assert source_kind(".array") is None
