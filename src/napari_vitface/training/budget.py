"""Defaults that depend on how many frames there are to learn from.

Measured in few places only (docs/benchmarks.md): from 20 frames, quick training does as well with
100 steps of 8 as with 300, and as all of the network with 310; from 89, nearly three times the
images gain 0.15 of 5.85 pixels. See docs/fine-tuning.md for when to set others.
"""

from __future__ import annotations

#: Optimiser steps of a training of the whole network: so many, and so many more a frame.
_STEPS, _STEPS_A_FRAME, _MOST_STEPS = 150, 8, 1500
#: From random weights there is everything to learn.
_STEPS_SCRATCH, _STEPS_SCRATCH_A_FRAME, _MOST_STEPS_SCRATCH = 800, 12, 6000
#: Of the head alone, on features that are computed once.
_STEPS_QUICK = 160
#: Frames a step. Quick training takes more steps of fewer frames, in four fifths of the time.
_BATCH, _BATCH_QUICK = 16, 4
#: Inputs that quick training computes features of, and the most variants of one frame.
_QUICK_INPUTS, _MOST_VARIANTS = 240, 8


def default_steps(frames: int, *, quick: bool, scratch: bool) -> int:
    """Optimiser steps for a number of frames to train on."""
    if quick:
        return _STEPS_QUICK
    if scratch:
        return min(_MOST_STEPS_SCRATCH, _STEPS_SCRATCH + _STEPS_SCRATCH_A_FRAME * frames)
    return min(_MOST_STEPS, _STEPS + _STEPS_A_FRAME * frames)


def default_batch_size(quick: bool) -> int:
    """Frames that make a step."""
    return _BATCH_QUICK if quick else _BATCH


def quick_variants(frames: int) -> int:
    """How often quick training computes the features of each frame, differently varied."""
    return max(2, min(_MOST_VARIANTS, _QUICK_INPUTS // max(1, frames)))
