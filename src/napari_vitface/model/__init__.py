"""Networks: backbone, heads, preprocessing, checkpoints, and what they are computed with."""

import os

# PyTorch's threads (OpenMP's) wait for each other by spinning. Where other programs want the
# processor too, that takes it from the thread that is waited for: with two threads on two busy
# cores a frame takes three to four times as long as with threads that sleep (docs/benchmarks.md).
# It is read once, as PyTorch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
