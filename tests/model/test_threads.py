"""How PyTorch's threads wait is said before PyTorch is loaded, and by whoever asks for it first."""

import os
import subprocess
import sys

import pytest

_SCRIPT = """
import importlib, os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print(os.environ.get("OMP_WAIT_POLICY"), flush=True)
            os._exit(0)

sys.meta_path.insert(0, Watch())
importlib.import_module(sys.argv[1])
"""


@pytest.mark.parametrize("package", ["model.network", "training.fit", "attention.maps"])
@pytest.mark.parametrize(("given", "waits"), [(None, "passive"), ("active", "active")])
def test_threads_sleep_unless_somebody_said_otherwise(
    package: str, given: str | None, waits: str
) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    if given is not None:
        environment["OMP_WAIT_POLICY"] = given
    run = subprocess.run(
        [sys.executable, "-c", _SCRIPT, f"napari_vitface.{package}"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == waits
