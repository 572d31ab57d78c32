"""Motion of regions: its energy, and the components of it and of the movie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from napari_vitface.errors import VitFaceError
from napari_vitface.formats.trace_table import TraceTable, read_traces
from napari_vitface.jobs.events import Finished
from napari_vitface.jobs.states.features import features
from napari_vitface.jobs.traces import traces
from napari_vitface.states.features.file import FeatureFile
from napari_vitface.traces.components import stretches
from napari_vitface.traces.components_file import read_components

FRAMES = 60
Measured = Callable[..., tuple[TraceTable, Any]]


@pytest.fixture
def images() -> NDArray[np.uint8]:
    """(60, 33, 42): a few patterns that come and go, and noise."""
    rng = np.random.default_rng(1)
    patterns = rng.normal(size=(5, 33, 42))
    weights = rng.normal(size=(FRAMES, 5)) * [30, 20, 14, 9, 6]
    noise = rng.normal(size=(FRAMES, 33, 42))
    return np.clip(128 + np.tensordot(weights, patterns, 1) + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def video(tmp_path: Path, images: NDArray[np.uint8]) -> Path:
    folder = tmp_path / "mouse"
    folder.mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"img{i:03d}.png")
    return folder


@pytest.fixture
def measured(video: Path, tmp_path: Path) -> Measured:
    """`measured(kinds, regions, **settings)`: the table and the components."""

    def measure(
        kinds: str, regions: Mapping[str, Any] | None = None, **settings: Any
    ) -> tuple[TraceTable, Any]:
        out = tmp_path / "out"
        *_, last = traces(
            video, kinds, regions=regions, settings=settings, output_dir=out, overwrite=True
        )
        assert isinstance(last, Finished)
        spatial = last.result.components
        return read_traces(last.result.table), read_components(spatial) if spatial else None

    return measure


def binned(images: NDArray[np.uint8], size: int) -> NDArray[np.float64]:
    """(T, h, w) means of squares of pixels."""
    h, w = images.shape[1] // size, images.shape[2] // size
    whole = images[:, : h * size, : w * size].reshape(-1, h, size, w, size)
    return whole.mean(axis=(2, 4), dtype=np.float64)


def test_energy_is_the_mean_change_of_averaged_pixels(
    measured: Measured, images: NDArray[np.uint8]
) -> None:
    table, _ = measured("motion", {"pad": (3, 2, 22, 17), "all": (0, 0, 42, 33)}, bin=4)
    assert table.names == ("motion energy pad", "motion energy all")
    assert table.units == ("grey levels",) * 2
    pad = binned(images[:, 2:19, 3:25], 4)
    expected = np.abs(np.diff(pad, axis=0)).mean(axis=(1, 2))
    assert np.isnan(table.values[0]).all()
    np.testing.assert_allclose(table.values[1:, 0], expected, rtol=1e-5)


def test_energy_of_single_pixels_is_the_feature_of_states(
    measured: Measured, video: Path, tmp_path: Path
) -> None:
    table, _ = measured("motion", {"pad": (3, 2, 22, 17)}, bin=1)
    *_, last = features(video, "motion", crop=(3, 2, 22, 17), output_dir=tmp_path / "features")
    with FeatureFile(last.result.files[0].path) as file:  # type: ignore[attr-defined]
        np.testing.assert_array_equal(file.rows(1, FRAMES), table.values[1:])


@pytest.mark.parametrize("of", ["motion", "movie"])
def test_components_are_singular_vectors_of_pixels_without_each_frames_mean(
    measured: Measured, images: NDArray[np.uint8], of: str
) -> None:
    table, (found,) = measured(f"{of}-svd", bin=3, components=4)
    pixels = binned(images, 3)
    seen = np.abs(np.diff(pixels, axis=0)) if of == "motion" else pixels
    seen = seen.reshape(len(seen), -1)
    away = seen - seen.mean(axis=0)
    # As Facemap does it, the first frame of the movie is not among those that say what it is.
    within = (away if of == "motion" else away[1:]).copy()
    within -= within.mean(axis=1, keepdims=True)
    _, values, masks = np.linalg.svd(within, full_matrices=False)
    assert (found.of, found.region, found.bin) == (of, "frame", 3)
    assert found.rectangle == (0, 0, 42, 33)
    np.testing.assert_allclose(found.singular_values, values[:4], rtol=1e-4)
    mine = found.masks.reshape(4, -1)
    np.testing.assert_allclose(np.abs((mine * masks[:4]).sum(axis=1)), 1, atol=1e-4)
    np.testing.assert_allclose(found.mean.ravel(), seen.mean(axis=0), atol=1e-4)
    expected = away @ mine.T
    rows = table.values[1:] if of == "motion" else table.values
    np.testing.assert_allclose(rows, expected, rtol=1e-3, atol=1e-2)
    assert table.names[:2] == (f"{of} frame 1", f"{of} frame 2")


def test_both_kinds_together_and_each_alone_say_the_same(measured: Measured) -> None:
    together, _ = measured("motion-svd,movie-svd", components=3)
    alone, _ = measured("movie-svd", components=3)
    np.testing.assert_array_equal(together.values[:, 3:], alone.values)


def test_a_frame_that_cannot_be_decoded_is_missing_and_so_is_the_change_after_it(
    measured: Measured, video: Path
) -> None:
    path = video / "img020.png"
    path.write_bytes(path.read_bytes()[:200])
    table, _ = measured("motion,motion-svd,movie-svd", components=2)
    missing = [np.flatnonzero(np.isnan(column)).tolist() for column in table.values.T]
    assert missing == [[0, 20, 21]] * 3 + [[20]] * 2


def test_a_region_smaller_than_a_bin_is_refused(measured: Measured) -> None:
    with pytest.raises(VitFaceError, match="nose of 5 x 9 pixels is smaller than a bin of 8 x 8"):
        measured("motion", {"nose": (0, 0, 5, 9)}, bin=8)


def test_stretches_are_those_that_facemap_takes() -> None:
    assert stretches(18000, 1000, 15000, last=1)[:3] == [0, 1214, 2428]
    assert stretches(18000, 1000, 15000, last=1)[-1] == 16999
    assert stretches(18000, 100, 1000)[1] == 1988
    assert stretches(60, 1000, 15000, last=1) == [0]
