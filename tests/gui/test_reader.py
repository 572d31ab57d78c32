from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from npe2 import PluginManager, PluginManifest

from napari_vitface.formats.format import suffixes
from napari_vitface.gui.file_kinds import kind_of
from napari_vitface.gui.reader import get_reader, read
from napari_vitface.video import IMAGE_SUFFIXES, VIDEO_SUFFIXES, Video

MANIFEST = Path(__file__).parents[2] / "src" / "napari_vitface" / "napari.yaml"


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What napari is asked to show as an error."""
    from napari.utils.notifications import Notification, notification_manager

    messages: list[str] = []

    def note(shown: Notification) -> None:
        if str(shown.severity) == "error":
            messages.append(shown.message)

    notification_manager.notification_ready.connect(note)
    yield messages
    notification_manager.notification_ready.disconnect(note)


@pytest.fixture
def reads() -> Callable[[str], bool]:
    """Whether napari would ask our reader for a file of a name."""
    manager = PluginManager()
    manager.register(PluginManifest.from_file(MANIFEST))
    return lambda name: any(manager.iter_compatible_readers([name]))


@pytest.mark.parametrize("folder", ["", "/data/m/", "C:\\data\\m\\"])
def test_the_manifest_offers_every_kind_of_file_that_is_shown(
    reads: Callable[[str], bool], folder: str
) -> None:
    # Tables of others end as these do; an array of numpy is an image for napari.
    shared = {".h5", ".hdf5", ".hdf", ".csv", ".npy"}
    ours = {*VIDEO_SUFFIXES, *IMAGE_SUFFIXES, *suffixes("predictions")} - shared
    names = [f"mouse 1{suffix}" for suffix in ours]
    names += [
        "mouse_vitface_mouse-face.h5",
        "a.b_vitface_m_filtered.csv",
        "mouseDLC_resnet50_openfieldAug20shuffle1_30000.h5",
        "cam1DLC_HrnetW32_faceMay1shuffle2_snapshot_200_filtered.csv",
        "labels.v001.000_mouse.analysis.h5",
        "cam1_FacemapPose.h5",
        "CollectedData_Ann.h5",
        "CollectedData_Ann B.csv",
        "config.yaml",
    ]
    assert [name for name in names if not reads(folder + name)] == []


@pytest.mark.parametrize(
    "name", ["points.csv", "data.h5", "x.hdf5", "my_config.yaml", "pytorch_config.yaml", "a.npy"]
)
def test_napari_is_not_asked_for_a_choice_of_readers_for_what_is_others(
    reads: Callable[[str], bool], tmp_path: Path, name: str
) -> None:
    assert not reads(str(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.mp4", "video"),
        ("img.PNG", "video"),
        ("folder", "video"),
        ("p.H5", "predictions"),
        ("p.slp", "predictions"),
        ("config.yaml", "project"),
        ("pytorch_config.yaml", "video"),
        ("CollectedData_Ann.h5", "project"),
        ("project", "project"),
    ],
)
def test_what_is_opened_is_a_video_a_project_or_predictions(
    tmp_path: Path, name: str, kind: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "project" / "labeled-data").mkdir(parents=True)
    assert kind_of(tmp_path / name) == kind


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ("camera: left\nexposure: 5\n", "video"),
        (": [", "video"),
        ("Task: t\nbodyparts:\n- nose\n", "project"),
        ("multianimalbodyparts:\n- nose\n", "project"),
        ("data:\n  csv_file: labels.csv\n  keypoint_names: [nose]\n", "project"),
    ],
)
def test_settings_of_another_program_make_no_project_of_a_folder_of_images(
    tmp_path: Path, config: str, kind: str
) -> None:
    (tmp_path / "config.yaml").write_text(config)
    assert kind_of(tmp_path) == kind


def test_every_command_of_the_manifest_can_be_called() -> None:
    manifest = PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()


def test_a_video_becomes_a_lazy_layer_with_contrast_limits(video_path: Path) -> None:
    ((data, options, kind),) = read(str(video_path))
    assert isinstance(data, Video)
    assert kind == "image"
    assert options["contrast_limits"] == (0.0, 255.0)
    assert options["name"] == "mouse"
    assert not options["rgb"]


def test_viewer_open_shows_the_frame_of_the_slider(
    viewer_model: ViewerModel, video_path: Path
) -> None:
    (layer,) = viewer_model.open(video_path, plugin="napari-vitface")
    assert isinstance(layer.data, Video)
    for frame in (7, 0, 39):
        viewer_model.dims.set_point(0, frame)
        np.testing.assert_array_equal(layer._slice.image.raw, layer.data[frame])


def test_a_colour_video_is_shown_in_colour(viewer_model: ViewerModel, tmp_path: Path) -> None:
    from napari_vitface.video import VideoWriter

    picture = np.zeros((32, 48, 3), np.uint8)
    picture[:, :24] = 220, 30, 30
    picture[:, 24:] = 30, 30, 220
    path = tmp_path / "colour.mp4"
    with VideoWriter(path, (32, 48), 10) as writer:
        for _ in range(3):
            writer.write(picture)
    (layer,) = viewer_model.open(path, plugin="napari-vitface")
    assert layer.rgb
    assert layer.data.shape == (3, 32, 48, 3)


def test_a_folder_of_images_a_stack_and_one_image_open(
    viewer_model: ViewerModel, tmp_path: Path
) -> None:
    import tifffile
    from skimage.io import imsave

    frames = np.random.default_rng(0).integers(0, 255, (4, 24, 32), dtype=np.uint8)
    folder = tmp_path / "images"
    folder.mkdir()
    for i, frame in enumerate(frames):
        imsave(folder / f"img{i}.png", frame, check_contrast=False)
    stack = tmp_path / "stack.tif"
    tifffile.imwrite(stack, frames.astype(np.uint16) * 16, photometric="minisblack")
    for path, count, white in ((folder, 4, 255), (stack, 4, 65535), (folder / "img2.png", 1, 255)):
        (layer,) = viewer_model.open(path, plugin="napari-vitface")
        assert isinstance(layer.data, Video)
        assert layer.data.shape == (count, 24, 32)
        assert layer.contrast_limits[1] <= white
    np.testing.assert_array_equal(layer.data[0], frames[2])


def test_a_broken_file_gets_a_sentence_and_no_layer(
    viewer_model: ViewerModel, tmp_path: Path, told: list[str]
) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(b"this is no video" * 100)
    assert viewer_model.open(path, plugin="napari-vitface") == []
    (message,) = told
    assert "broken.mp4" in message
    assert "\n" not in message
    assert "Traceback" not in message


def test_several_paths_at_once_are_left_to_napari(tmp_path: Path) -> None:
    assert get_reader(["a.mp4", "b.mp4"]) is None
    assert get_reader("a.mp4") is not None


def test_a_damaged_frame_is_black_on_screen(
    monkeypatch: pytest.MonkeyPatch, video_path: Path, write_video: Callable[..., Any]
) -> None:
    ((data, _, _),) = read(str(video_path))
    assert data.on_broken == "blank"
