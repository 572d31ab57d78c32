"""Measurements of what the design promises, as ratios: ``python -m benchmarks [NAME...]``.

A benchmark is a module of this folder with a function `run` that returns rows
``(benchmark, case, ratio, note)``: what is compared with what, on which input, the ratio as a
number, and what else should be known (rates, wrong frames, why it was left out). Ratios rather than
times, because they carry over to other machines.
"""

import napari_vitface.model  # noqa: F401, before torch is loaded: it says how threads wait
