"""Videos predicted by jobs of a real SLURM of one node: ``tox run -e slurm``.

``scripts/one_node_slurm.sh`` installs it where it is not there, which needs Debian and root.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vitface.jobs.predict import predict
from napari_vitface.video import VideoWriter

SCRIPT = Path(__file__).parents[2] / "scripts" / "one_node_slurm.sh"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(
        not os.environ.get("VITFACE_SLURM"), reason="starts a SLURM: tox run -e slurm"
    ),
]

SETTINGS = """
jobs: 2
jobqueue:
  slurm:
    cores: 1
    processes: 1
    memory: 1GB
    walltime: "00:20:00"
    job-cpu: 1
    job-extra-directives: ["--mem=0"]
    worker-extra-args: ["--memory-limit", "0"]
    log-directory: {logs}
"""


@pytest.fixture(scope="module")
def slurm() -> Iterator[dict[str, str]]:
    """The environment in which commands of SLURM reach ours."""
    started = subprocess.run([str(SCRIPT), "start"], capture_output=True, text=True, check=False)
    if started.returncode == 3:
        pytest.skip(started.stderr.strip())
    assert started.returncode == 0, started.stderr
    yield {**os.environ, "SLURM_CONF": started.stdout.split()[-1], "OMP_NUM_THREADS": "1"}
    subprocess.run([str(SCRIPT), "stop"], check=True)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 200, (96, 128), dtype=np.uint8)
    paths = [folder / f"mouse {i}.mp4" for i in range(2)]
    for path in paths:
        with VideoWriter(path, (96, 128), 30.0, keyframe_interval=20) as writer:
            for _ in range(1500 + 6000 * (path is paths[0])):
                writer.write(noise + rng.integers(0, 9, dtype=np.uint8))
    return paths


def queued(slurm: dict[str, str]) -> list[str]:
    told = subprocess.run(
        ["squeue", "--noheader", "--format=%i"],
        env=slurm,
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.split()


def test_jobs_of_a_queue_write_the_tables_of_one_machine(slurm, videos, tiny_model, tmp_path):
    settings = tmp_path / "slurm.yaml"
    settings.write_text(SETTINGS.format(logs=tmp_path / "logs"))
    options: dict[str, Any] = {"precision": "fp32", "batch_size": 4, "device": "cpu"}
    run = subprocess.Popen(
        [
            *(sys.executable, "-m", "napari_vitface", "predict", *map(str, videos)),
            *("--model", str(tiny_model), "--precision", "fp32", "--batch-size", "4"),
            *("--device", "cpu", "--cluster", str(settings), "--output-dir", str(tmp_path)),
        ],
        env=slurm,
        stderr=subprocess.PIPE,
        text=True,
    )
    # One of the jobs is taken away as soon as it is at work.
    while run.poll() is None and not list(tmp_path.glob("*.spans/[0-9]*.npz")):
        time.sleep(0.2)
    jobs = queued(slurm)
    assert jobs, run.communicate()[1]
    subprocess.run(["scancel", jobs[0]], env=slurm, check=True)
    _, told = run.communicate(timeout=1200)
    assert run.returncode == 0, told
    for video in videos:
        *_, last = predict(video, tiny_model, output_dir=tmp_path / "alone", **options)
        alone = Path(last.result.csv)
        assert alone.read_bytes() == (tmp_path / alone.name).read_bytes()
    for _ in range(100):
        if not queued(slurm):
            break
        time.sleep(0.3)
    assert queued(slurm) == []
