"""Features of frames against what they cannot do without, and a file of a million frames.

HOG and motion energy are computed of every frame that is decoded: the ratio is their frames a
second to those of decoding the same crop alone. Tokens are what a network gives: their ratio is to
the bare forward pass of the same backbone on batches that are ready in memory. Rounds of the two
alternate, and the median of their ratio is reported.

The file: opening one of 10^6 frames, comparing its frames (similarity, clustering and map) and
reading the frame of a click, against one of 10^4.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks import Row
from benchmarks._real_recording import DATA
from napari_vitface.jobs.resources import Resources
from napari_vitface.jobs.states.compare import compare_frames
from napari_vitface.sample import write_sample_video
from napari_vitface.settings.computing import Computing
from napari_vitface.settings.features import choose
from napari_vitface.states.features.compute import compute, make_extractors
from napari_vitface.states.features.crop import FixedCrop
from napari_vitface.states.features.extractor import Material
from napari_vitface.states.features.file import About, FeatureFile, FeatureWriter
from napari_vitface.steps import result_of
from napari_vitface.video import open_video
from napari_vitface.video.scale import Scale

_ROUNDS = 3
_LENGTHS = (10_000, 1_000_000)


def run() -> list[Row]:
    """Rows for features, tokens and files."""
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "sample.mp4"
        write_sample_video(drawn, frames=300)
        videos: dict[str, tuple[Path, tuple[int, int, int, int] | None]] = {
            "drawn 640 x 480": (drawn, None)
        }
        real = DATA / "videos" / "mirror_mouse.mp4"
        if real.exists():
            videos["camera 396 x 406"] = (real, None)
        small = DATA / "der" / "ECO_3_000_M_500uA_0.mp4"
        if small.exists():
            videos["camera, crop of 92 x 76"] = (small, (8, 6, 92, 76))
        rows = [
            _against_decoding(names, label, path, crop)
            for label, (path, crop) in videos.items()
            for names in ("hog", "hog,motion")
        ]
        # Threads of PyTorch's must not be there while NumPy is measured.
        import torch

        from napari_vitface.model.device import candidate_precisions

        rows += [
            _against_forward(precision, drawn)
            for precision in candidate_precisions("auto", torch.device("cpu"))
        ]
        return rows + _files(Path(folder))


def _against_decoding(
    names: str, label: str, path: Path, crop: tuple[int, int, int, int] | None
) -> Row:
    with open_video(path) as video:
        material = Material(video, FixedCrop.of(video, crop))
        extractors = make_extractors(choose(names, {}), material)
        frames = range(min(len(video), 300))
        x, y, width, height = material.crop.described()["rectangle"]
        scale = Scale((x, y, width, height), material.crop.size, grey=True)

        def decode() -> None:
            for _ in video.frames(frames, scale=scale):
                pass

        def features() -> None:
            for _ in compute(extractors, material, frames):
                pass

        ratio, seconds = _alternating(decode, features)
    note = f"{len(frames) / seconds:.0f} frames/s, {len(extractors[0].columns)} numbers of HOG"
    return f"{names} / decoding", label, ratio, note


def _against_forward(precision: str, path: Path) -> Row:
    import torch

    resources = Resources()
    with ExitStack() as stack, resources.video(path) as video:
        computing = Computing("cpu", precision)
        model = result_of(resources.loading(stack, "mouse-face", computing))
        material = Material(video, FixedCrop.of(video), model=model)
        extractors = make_extractors(choose("tokens", {}), material)
        frames = range(64)
        view = model.preprocessing.view((video.shape[1], video.shape[2]))
        images = [image for _, image in video.frames(range(model.batch_size), scale=view.scale)]
        canvas = view.pad(np.stack([image for image in images if image is not None]))
        tensor = torch.from_numpy(canvas)

        def forward() -> None:
            with torch.inference_mode():
                for start in range(0, len(frames), len(tensor)):
                    part = tensor[: min(len(tensor), len(frames) - start)]
                    model.network.backbone(model.to_images(part))

        def features() -> None:
            for _ in compute(extractors, material, frames):
                pass

        ratio, seconds = _alternating(forward, features)
        note = f"{len(frames) / seconds:.0f} frames/s, batch {model.batch_size}"
    resources.close()
    return "tokens / forward pass of the backbone", f"drawn 640 x 480, cpu {precision}", ratio, note


def _alternating(base: Callable[[], None], ours: Callable[[], None]) -> tuple[float, float]:
    """Median ratio of the times of `base` to those of `ours`, and the median time of `ours`."""
    ratios, seconds = [], []
    # The first round warms caches and is left out.
    for round_ in range(_ROUNDS + 1):
        times = []
        for work in (base, ours):
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
        if round_:
            ratios.append(times[0] / times[1])
            seconds.append(times[1])
    return statistics.median(ratios), statistics.median(seconds)


def _files(folder: Path) -> list[Row]:
    paths = [_written(folder / f"{count}.h5", count) for count in _LENGTHS]
    rng = np.random.default_rng(0)

    def opened(path: Path) -> None:
        FeatureFile(path).close()

    def mapped(path: Path) -> None:
        list(compare_frames(path))

    def clicked(path: Path) -> None:
        with FeatureFile(path) as file:
            file.at(int(rng.integers(len(file))))

    rows: list[Row] = []
    for name, work in (("open", opened), ("compare", mapped), ("click", clicked)):
        seconds = []
        for path in paths:
            work(path)
            rounds = []
            for _ in range(_ROUNDS):
                began = time.perf_counter()
                work(path)
                rounds.append(time.perf_counter() - began)
            seconds.append(statistics.median(rounds))
        note = f"{1000 * seconds[1]:.1f} ms against {1000 * seconds[0]:.1f}"
        rows.append(
            ("feature file of 10^6 frames, against 10^4", name, seconds[0] / seconds[1], note)
        )
    sizes = " and ".join(f"{path.stat().st_size / 1e6:.0f} MB" for path in paths)
    return [*rows, ("feature file of 10^6 frames, against 10^4", "size", None, sizes)]


def _written(path: Path, count: int) -> Path:
    """A file of 792 numbers a frame that vary together in few ways, as those of faces do."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(8192, 6)) @ rng.normal(size=(6, 792))
    # In steps, so that it compresses about as HOG does; the same again and again.
    block = np.round(0.3 + 0.05 * values, 2).astype(np.float16)
    about: About = {"feature": {"kind": "hog"}, "frames": [0, count, 1]}
    writer = FeatureWriter(path, [str(i) for i in range(792)], "float16", about)
    for start in range(0, count, len(block)):
        writer.append(block[: count - start])
    writer.close()
    return path
