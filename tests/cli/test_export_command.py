"""The command ``export``."""

import pytest


def test_it_says_where_the_file_is(vitface, tiny_model, tmp_path):
    pytest.importorskip("onnxscript")
    target = tmp_path / "new" / "tiny.onnx"
    run = vitface("export", tiny_model, "--output", target)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(f"{target} (")
    assert target.exists()
    again = vitface("export", tiny_model, "--output", target)
    assert again.returncode == 1
    assert again.stderr.splitlines()[-1].endswith("may be overwritten.")
